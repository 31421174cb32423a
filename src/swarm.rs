//! Carries bytes between peers that meet under a topic in the Hyperswarm DHT.
//!
//! [`Swarm::join`] starts an actor that finds the peers, connects to them for ever and tells what
//! happens as [`SwarmEvent`]s. Messages are byte strings; what they mean, and who may speak, is
//! not known here. It never fails for want of a network.
//!
//! What strangers can make this room hold is bounded: [`PEERS_KNOWN_MAX`](book) peers to dial,
//! twice [`HALF_OPEN_MAX`](accept) handshakes, [`REQUESTS_MAX`](actor) of those to be answered, and
//! for each of `peers_max` connections, and as many that have ended and are yet to be told,
//! [`INBOX_BYTES_MAX`](link) of unread messages.

mod accept;
mod actor;
mod addresses;
mod answers;
mod bans;
mod book;
mod bootstrap;
mod bucket;
mod dial;
mod error;
mod frames;
mod handshake;
mod link;
mod node;
mod records;
mod standing;
mod tie;
mod way;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use peeroxide_dht::hyperdht::KeyPair;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::actor::{Actor, Command};
use self::standing::Standing;
use crate::ids::{PeerKey, Topic};

pub use self::bootstrap::Bootstrap;
pub use self::error::{SendError, SwarmError};
pub use self::link::Gone;
pub use self::way::Way;

/// The longest message that is carried; a peer that sends a longer one is dropped.
pub const MESSAGE_BYTES_MAX: usize = 65_536;

/// How many events wait to be read. Beyond it each connection keeps what it receives to itself.
const EVENTS_MAX: usize = 64;

/// How many commands wait for the actor, which never waits for anything itself.
const COMMANDS_MAX: usize = 64;

/// The span of what is told of a peer. Its key is shortened: it may be masked elsewhere.
pub fn span(peer: PeerKey) -> tracing::Span {
    tracing::error_span!("peer", remotePeer = peer.shortened())
}

/// How the swarm is entered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// The nodes, `host:port`, over which the DHT is entered; empty means the public one.
    pub bootstrap: Vec<String>,
    /// The address to listen on: IPv4, as the DHT is.
    pub host: IpAddr,
    /// The UDP port to listen on; 0 means any.
    pub port: u16,
    /// How many peers are connected at most.
    pub peers_max: usize,
    /// Whether others cannot reach the port on their own.
    pub firewalled: bool,
}

/// What happens in the swarm.
///
/// For one peer, `Connected` and `Disconnected` alternate, and `Message`s come only in between.
/// They do not come to an end without [`Swarm::leave`], but by a panic of one of the swarm's tasks
/// where that does not end the process, as it does in a release build.
#[derive(Debug)]
pub enum SwarmEvent {
    /// The DHT has stored where we are.
    Joined {
        /// The UDP port that peers reach us on, as this machine sees it.
        port: u16,
    },
    /// The DHT cannot be entered, or does not answer any longer; it is tried again for ever.
    Offline {
        /// What is wrong.
        reason: SwarmError,
    },
    /// A peer can be sent to.
    Connected {
        /// The peer.
        peer: PeerKey,
        /// How it is reached.
        way: Way,
    },
    /// A peer has sent a message.
    Message {
        /// The peer.
        peer: PeerKey,
        /// Its message, of at most [`MESSAGE_BYTES_MAX`].
        bytes: Vec<u8>,
        /// When it came, however long it lay unread.
        at: Instant,
    },
    /// A peer cannot be sent to any longer.
    Disconnected {
        /// The peer.
        peer: PeerKey,
        /// Why.
        reason: Gone,
    },
}

/// A joined swarm. Clones speak for the same one.
///
/// It is left by [`leave`](Self::leave), or when every clone or the events' receiver is dropped.
#[derive(Clone, Debug)]
pub struct Swarm {
    key: PeerKey,
    commands: mpsc::Sender<Command>,
    standing: Arc<watch::Sender<Standing>>,
    /// Every task of this swarm.
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Swarm {
    /// Begins to join `topic` under the Ed25519 key of the seed `identity`.
    ///
    /// An error is one of the settings; whatever the network does is told as events.
    pub fn join(
        settings: Settings,
        identity: [u8; 32],
        topic: Topic,
    ) -> Result<(Self, mpsc::Receiver<SwarmEvent>), SwarmError> {
        error::check(&settings)?;
        let pair = KeyPair::from_seed(identity);
        let key = PeerKey::new(pair.public_key);
        let (events, told) = mpsc::channel(EVENTS_MAX);
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let standing = Arc::new(watch::Sender::new(Standing::default()));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let actor = Actor::new(
            settings,
            pair,
            topic,
            events,
            standing.subscribe(),
            tasks.clone(),
            stop.clone(),
        );
        tasks.spawn(actor.run(received));
        tasks.close();
        Ok((Self { key, commands, standing, tasks, stop }, told))
    }

    /// The key that peers know us by.
    pub fn key(&self) -> PeerKey {
        self.key
    }

    /// Puts a message into the peer's queue. `Ok` says that it is on its way, not that it arrived.
    pub async fn send(&self, peer: PeerKey, message: Vec<u8>) -> Result<(), SendError> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(SendError::TooLong { bytes: message.len() });
        }
        let (answer, answered) = oneshot::channel();
        let command = Command { peer, message, answer };
        self.commands.send(command).await.map_err(|_| SendError::Gone)?;
        answered.await.unwrap_or(Err(SendError::Gone))
    }

    /// Says that `peer` is no stranger. Its connection never gives way to another, and it is
    /// dialed before others; that of whoever was not trusted does give way, the oldest first,
    /// when every place is taken and another peer comes. Dropping the peer ends its trust.
    pub fn trust(&self, peer: PeerKey) {
        self.standing.send_if_modified(|standing| standing.trust(peer));
    }

    /// Closes the connection to `peer`, and neither dials nor accepts it `for_how_long`, or for
    /// as long as was said before, if that ends later.
    pub fn drop_peer(&self, peer: PeerKey, for_how_long: Duration) {
        let now = Instant::now();
        self.standing.send_modify(|standing| standing.drop_peer(now, peer, for_how_long));
    }

    /// Takes leave of every peer and of the DHT. When it returns, no task and no socket is left;
    /// events that were not read by then may be lost.
    pub async fn leave(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}
