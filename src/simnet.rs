//! A network of Lightning nodes in one process, which any LND client takes for lnd.
//!
//! It is for experiments, demonstrations and tests; the daemon does not know of it. What its nodes
//! do is the business of [`World`], how they are spoken to that of `server`.

pub mod client;
pub mod command;
mod door;
mod folder;
mod macaroon;
mod permissions;
pub mod process;
pub mod real;
mod report;
mod run;
pub mod scenario;
mod server;
mod shared;
mod tls;
pub(crate) mod world;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::door::NodeDoor;
pub use folder::FolderError;
pub use report::{Balance, NodeBalance, Report};
pub use run::CommandError;
pub use world::node::{LndVersion, LndVersionError};
pub use world::random::Random;
pub use world::traffic::Sizes;

use crate::ids::NodeId;
use command::Command;
use macaroon::Oven;
use run::Broken;
use scenario::Traffic;
use server::Server;
use shared::Shared;
use world::World;

/// What a network needs to be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its nodes have their folders.
    pub folder: PathBuf,
    /// What decides about keys, ids and the traffic: the same seed, the same network.
    pub seed: u64,
}

/// Why a node is not there.
#[derive(Debug, thiserror::Error)]
pub enum SimnetError {
    /// Another has its name.
    #[error("there is a node {0} already")]
    Exists(String),
    /// None has.
    #[error("there is no node {0}")]
    Unknown(String),
    /// Its folder cannot be made.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It cannot listen.
    #[error("node {alias} cannot listen on this machine")]
    Listen {
        /// Which node.
        alias: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A network that runs. Dropped, all its nodes go down.
#[derive(Debug)]
pub struct Simnet(Arc<Net>);

/// What the network and those who mend its faults share.
#[derive(Debug)]
struct Net {
    folder: PathBuf,
    seed: u64,
    shared: Arc<Shared>,
    /// The nodes in the order in which they were added.
    places: Mutex<Vec<Place>>,
    /// What the network lives on.
    runtime: Handle,
    /// What is to be mended in time, and how that is called off.
    mends: Mutex<Vec<(Broken, CancellationToken)>>,
    tasks: TaskTracker,
    ended: CancellationToken,
}

/// A node and its server.
#[derive(Debug)]
struct Place {
    door: NodeDoor,
    server: Server,
}

impl Simnet {
    /// Starts a network without nodes; must be called within a tokio runtime, which it lives on.
    pub fn start(settings: Settings) -> Self {
        let (ended, tasks) = (CancellationToken::new(), TaskTracker::new());
        let shared = Shared::new(settings.seed);
        let living = shared.clone();
        tasks.spawn(ended.clone().run_until_cancelled_owned(async move { living.live().await }));
        Self(Arc::new(Net {
            folder: settings.folder,
            seed: settings.seed,
            shared,
            places: Mutex::default(),
            runtime: Handle::current(),
            mends: Mutex::default(),
            tasks,
            ended,
        }))
    }

    /// Adds a node with ten bitcoin, connected to all others, on a free port of this machine.
    ///
    /// # Errors
    ///
    /// Where its name is taken, its folder cannot be made, or it cannot listen.
    pub fn add(&self, alias: &str, version: LndVersion) -> Result<NodeDoor, SimnetError> {
        self.0.add(alias, version)
    }

    /// Its nodes, in the order in which they were added.
    pub fn nodes(&self) -> Vec<NodeDoor> {
        self.0.doors()
    }

    /// Ends a node as `kill -9` ends lnd: its port refuses, its streams break, and what was on its
    /// way stands still.
    ///
    /// # Errors
    ///
    /// Where there is none of this name.
    pub fn stop(&self, alias: &str) -> Result<(), SimnetError> {
        self.0.stop(self.0.named(alias)?);
        Ok(())
    }

    /// Starts a node that is down, where it was; does nothing where it is up.
    ///
    /// # Errors
    ///
    /// Where there is none of this name, or it cannot listen.
    pub fn start_again(&self, alias: &str) -> Result<(), SimnetError> {
        self.0.start_again(self.0.named(alias)?)
    }

    /// Makes so many blocks, and returns the height of the last.
    pub fn mine(&self, blocks: u32) -> u32 {
        self.0.mine(blocks)
    }

    /// Does what a line says. A payment that has no end after 10 s is told as on its way.
    ///
    /// # Errors
    ///
    /// Where nodes or channels are named that there are not, or a node does not do it.
    pub async fn run(&self, command: &Command) -> Result<Report, CommandError> {
        self.0.run(command).await
    }

    /// Waits until each channel that has a block can be used, which takes its ends a moment.
    pub async fn channels_are_ready(&self) {
        self.0.channels_are_ready().await;
    }

    /// Begins a stream of payments; it ends with the network.
    ///
    /// # Errors
    ///
    /// Where nodes are named that there are not.
    pub fn add_traffic(&self, traffic: &Traffic) -> Result<(), CommandError> {
        self.0.add_traffic(traffic)
    }
}

impl Drop for Simnet {
    fn drop(&mut self) {
        self.0.ended.cancel();
        self.0.places().clear();
    }
}

impl Net {
    fn add(&self, alias: &str, version: LndVersion) -> Result<NodeDoor, SimnetError> {
        let mut places = self.places();
        if places.iter().any(|place| place.door.alias == alias) {
            return Err(SimnetError::Exists(alias.to_owned()));
        }
        let (id, now) = self.shared.with(|world, now| (world.add_node(alias, version), now));
        let folder = self.folder.join(alias);
        // The key of its macaroons is its own, and the same in each network of the seed.
        let root = Sha256::digest([&self.seed.to_be_bytes(), id.as_bytes().as_slice()].concat());
        let oven = Oven::new(root.into());
        let tls = folder::fill(&folder, &oven, now)?;
        let _entered = self.runtime.enter();
        let server = Server::start(self.shared.clone(), id, oven, tls)
            .map_err(|source| SimnetError::Listen { alias: alias.to_owned(), source })?;
        let socket = server.socket();
        let door = NodeDoor { alias: alias.to_owned(), id, version, socket, folder };
        places.push(Place { door: door.clone(), server });
        Ok(door)
    }

    fn doors(&self) -> Vec<NodeDoor> {
        self.places().iter().map(|place| place.door.clone()).collect()
    }

    fn named(&self, alias: &str) -> Result<NodeId, SimnetError> {
        let found = self.places().iter().find(|it| it.door.alias == alias).map(|it| it.door.id);
        found.ok_or_else(|| SimnetError::Unknown(alias.to_owned()))
    }

    fn stop(&self, id: NodeId) {
        if let Some(place) = self.places().iter_mut().find(|place| place.door.id == id) {
            place.server.close();
        }
        self.with(|world| world.stop(id));
    }

    fn start_again(&self, id: NodeId) -> Result<(), SimnetError> {
        let _entered = self.runtime.enter();
        let mut places = self.places();
        let Some(place) = places.iter_mut().find(|place| place.door.id == id) else {
            return Ok(());
        };
        self.with(|world| world.start(id));
        let alias = || place.door.alias.clone();
        place.server.open().map_err(|source| SimnetError::Listen { alias: alias(), source })
    }

    fn mine(&self, blocks: u32) -> u32 {
        self.with(|world| {
            for _ in 0..blocks {
                world.mine();
            }
            world.chain.height
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        self.shared.with(|world, _| look(world))
    }

    fn places(&self) -> MutexGuard<'_, Vec<Place>> {
        // A panic while it was held has broken a test, and nothing here.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
