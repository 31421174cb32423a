//! [`Simulated`]: a simulated network on threads of its own, as the trial's own thread may be busy.

use std::path::Path;
use std::sync::Arc;

use tightrope::simnet::{LndVersion, NodeDoor, Settings, Simnet};
use tokio::runtime::Runtime;

use super::node::Version;

/// A simulated network. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Simulated {
    network: Simnet,
    /// It is there until the end.
    runtime: Option<Runtime>,
}

impl Simulated {
    /// Starts one whose nodes keep their files in `folder`.
    pub(crate) fn start(folder: &Path) -> Arc<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("simnet")
            .enable_all()
            .build()
            .expect("a runtime");
        let settings = Settings { folder: folder.to_owned(), seed: 1 };
        let inside = runtime.enter();
        let network = Simnet::start(settings);
        drop(inside);
        Arc::new(Self { network, runtime: Some(runtime) })
    }

    /// Makes `count` blocks.
    pub(crate) fn mine(&self, count: u32) {
        self.network.mine(count);
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        // The trial's own runtime is around us, where nothing may wait for another one.
        self.runtime.take().expect("a runtime").shutdown_background();
    }
}

/// One of its nodes. It may be down; its folder and its port stay.
#[derive(Debug)]
pub(crate) struct SimulatedNode {
    ground: Arc<Simulated>,
    door: NodeDoor,
    is_up: bool,
}

impl SimulatedNode {
    /// Starts a new one, which serves at once.
    pub(crate) fn start(ground: &Arc<Simulated>, alias: &str, version: Version) -> Self {
        let version = match version {
            Version::Lnd20 => LndVersion::V20,
            Version::Lnd21 => LndVersion::V21,
        };
        let door = ground.network.add(alias, version).expect("a node");
        Self { ground: ground.clone(), door, is_up: true }
    }

    /// Ends it at once; does nothing where it is down.
    pub(crate) fn kill(&mut self) {
        if std::mem::take(&mut self.is_up) {
            self.ground.network.stop(&self.door.alias).expect("a node that runs");
        }
    }

    /// Starts it where it was; it must be down.
    pub(crate) fn start_again(&mut self) {
        assert!(!self.is_up, "{} is running", self.door.alias);
        self.ground.network.start_again(&self.door.alias).expect("a node");
        self.is_up = true;
    }

    /// Where its gRPC listens.
    pub(crate) fn socket(&self) -> String {
        self.door.socket.to_string()
    }

    /// Where its certificate and its macaroons lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.door.folder
    }
}
