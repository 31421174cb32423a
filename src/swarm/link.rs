//! One connection to a peer, from its first event to its last.
//!
//! Three tasks have a part each. The reader alone reads, for a read cannot be taken up again once
//! it was dropped; it puts what comes into an inbox. The writer sends what is in the outbox, and
//! something empty when nothing is: every write waits for the other end to say that it has come,
//! so a peer that has died is noticed. The teller tells `Connected`, the inbox, `Disconnected`.
//!
//! The transport keeps 256 KiB that nobody reads, and then lets the peer try again and again. So
//! the reader never waits for the teller: a peer whose messages come faster than they are read is
//! dropped once [`INBOX_BYTES_MAX`] of them lie in its inbox.

use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libudx::UdxSocket;
use peeroxide_dht::secret_stream::{
    SecretStream, SecretStreamError, SecretStreamReadHalf, SecretStreamWriteHalf,
};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::actor::Notice;
use super::handshake::Wire;
use super::way::Way;
use super::{SendError, SwarmEvent};
use crate::ids::PeerKey;

/// How long a connection is silent before something empty is sent. Node peers of the original
/// drop who says nothing for 7 s.
const KEEPALIVE: Duration = Duration::from_secs(4);

/// How long the other end may take to acknowledge a write. With [`KEEPALIVE`] before it, a peer
/// that died is noticed within 12 s; six retransmissions of the transport would take a minute.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(8);

/// How long after one connection another one can be made that does not know of it.
const SETTLED: Duration = Duration::from_secs(2);

/// How long a farewell may take: the write that is under way, and what else was said before we
/// left; and then the FIN.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// How many messages wait to be written to one peer: what our own pacing sends in two seconds,
/// and more than a burst of policies.
const OUTBOX_MAX: usize = 64;

/// How many bytes of messages wait to be read from one peer.
pub(super) const INBOX_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// What a message in the inbox counts beside its own bytes, so that empty ones are bounded too.
const MESSAGE_COST: usize = 512;

type Reading = SecretStreamReadHalf<ReadHalf<Wire>>;
type Writing = SecretStreamWriteHalf<WriteHalf<Wire>>;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gone {
    /// The peer closed it.
    Closed,
    /// The peer does not acknowledge what it is sent: it died, or the way to it did.
    Silent,
    /// What came could not be decrypted, or broke off.
    Broken,
    /// The peer sent a message that is too long.
    TooLong,
    /// The peer sent more than was read.
    Flooding,
    /// Another connection with the same peer took its place.
    Replaced,
    /// Its place was needed for another peer, and nobody trusts this one.
    Displaced,
    /// We dropped the peer.
    Dropped,
    /// Our node of the DHT has died, whose socket the connection went through.
    Restarting,
    /// We leave the swarm.
    Leaving,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed by the peer",
            Self::Silent => "the peer does not answer",
            Self::Broken => "what the peer sent is broken",
            Self::TooLong => "the peer sent a message that is too long",
            Self::Flooding => "the peer sent more than was read",
            Self::Replaced => "replaced by another connection with the peer",
            Self::Displaced => "its place was needed for another peer",
            Self::Dropped => "dropped by us",
            Self::Restarting => "our DHT node is started again",
            Self::Leaving => "we leave the swarm",
        })
    }
}

/// A connection that is encrypted and about to be used.
pub(super) struct Opened {
    /// The other end, which has proved that it has the key.
    pub(super) peer: PeerKey,
    /// Whether we dialed.
    pub(super) is_initiator: bool,
    pub(super) way: Way,
    pub(super) stream: SecretStream<Wire>,
    /// Kept as long as the stream, which would fall silent without it.
    pub(super) socket: UdxSocket,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("peer", &self.peer)
            .field("is_initiator", &self.is_initiator)
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}

impl Opened {
    /// Closes it unused.
    pub(super) async fn refuse(mut self) {
        drop(timeout(FAREWELL_TIMEOUT, self.stream.shutdown()).await);
    }
}

/// What tells the events of a connection; it is cut off when the swarm is left.
pub(super) type Teller = JoinHandle<Option<()>>;

/// The actor's hold on a connection. Dropping it does not end the connection.
#[derive(Debug)]
pub(super) struct Link {
    /// Tells this connection from others with the same peer.
    pub(super) id: u64,
    pub(super) made: Instant,
    outbox: mpsc::Sender<Vec<u8>>,
    end: Arc<End>,
    has_written: bool,
    teller: Teller,
}

/// What a link needs of its surroundings.
pub(super) struct Surroundings<'a> {
    pub(super) tasks: &'a TaskTracker,
    pub(super) events: &'a mpsc::Sender<SwarmEvent>,
    pub(super) notices: &'a mpsc::Sender<Notice>,
    /// When the swarm is left: what is not read by then is not waited for.
    pub(super) stop: &'a CancellationToken,
}

/// The end of a connection, which several parties may bring about; the first says why.
#[derive(Debug, Default)]
struct End {
    reason: OnceLock<Gone>,
    has_come: CancellationToken,
    /// Whether the peer has sent a message.
    has_read: AtomicBool,
    /// Whether the connection itself is told.
    is_told: AtomicBool,
}

impl End {
    fn come(&self, reason: Gone) {
        self.reason.get_or_init(|| reason);
        self.has_come.cancel();
    }
}

impl Link {
    /// Puts a connection to use. Its events come after those of `predecessor`, the connection
    /// with the same peer that it replaces or follows.
    pub(super) fn start(
        id: u64,
        opened: Opened,
        predecessor: Option<Teller>,
        around: &Surroundings<'_>,
    ) -> Self {
        let Opened { peer, way, stream, socket, .. } = opened;
        let (reading, writing) = stream.into_split();
        let end = Arc::new(End::default());
        let (outbox, to_write) = mpsc::channel(OUTBOX_MAX);
        let (inbox, to_tell) = mpsc::channel(INBOX_BYTES_MAX / MESSAGE_COST);
        let span = super::span(peer);
        around.tasks.spawn(read(reading, inbox, end.clone()).instrument(span.clone()));
        let notices = around.notices.clone();
        let written = write(writing, to_write, end.clone());
        let writing = async move {
            written.await;
            drop(socket);
            // The actor is gone when nobody listens.
            drop(notices.send(Notice::Ended { peer, id }).await);
        };
        around.tasks.spawn(writing.instrument(span.clone()));
        let told = tell(peer, way, predecessor, to_tell, around.events.clone(), end.clone());
        let told = around.stop.clone().run_until_cancelled_owned(told);
        let teller = around.tasks.spawn(told.instrument(span));
        let made = Instant::now();
        Self { id, made, outbox, end, has_written: false, teller }
    }

    /// Puts a message into the outbox.
    pub(super) fn send(&mut self, message: Vec<u8>) -> Result<(), SendError> {
        if self.is_over() {
            return Err(SendError::Gone);
        }
        self.outbox.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Gone,
        })?;
        self.has_written = true;
        Ok(())
    }

    /// Whether messages went both ways, or it stood for a while: not one of two connections that
    /// were made at the same time.
    pub(super) fn is_settled(&self) -> bool {
        self.made.elapsed() >= SETTLED
            || (self.has_written && self.end.has_read.load(Ordering::Relaxed))
    }

    /// Whether its `Connected` was told.
    pub(super) fn is_told(&self) -> bool {
        self.end.is_told.load(Ordering::Relaxed)
    }

    /// Whether it has ended, though the actor was not told yet.
    pub(super) fn is_over(&self) -> bool {
        self.end.has_come.is_cancelled()
    }

    /// Ends the connection, with a FIN.
    pub(super) fn close(&self, reason: Gone) {
        self.end.come(reason);
    }

    /// What still has events of this connection to tell.
    pub(super) fn into_teller(self) -> Teller {
        self.teller
    }
}

/// A message in the inbox.
struct Unread {
    bytes: Vec<u8>,
    /// When it came.
    at: Instant,
    /// Its share of the room.
    share: OwnedSemaphorePermit,
}

async fn read(mut reading: Reading, inbox: mpsc::Sender<Unread>, end: Arc<End>) {
    let room = Arc::new(Semaphore::new(INBOX_BYTES_MAX));
    let reason = loop {
        let read = tokio::select! {
            read = reading.read() => read,
            () = end.has_come.cancelled() => return,
        };
        let bytes = match read {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break Gone::Closed,
            Err(error) => break broken(&error),
        };
        let cost = u32::try_from(bytes.len() + MESSAGE_COST).unwrap_or(u32::MAX);
        let Ok(share) = room.clone().try_acquire_many_owned(cost) else { break Gone::Flooding };
        if inbox.try_send(Unread { bytes, at: Instant::now(), share }).is_err() {
            break Gone::Flooding;
        }
        end.has_read.store(true, Ordering::Relaxed);
    };
    end.come(reason);
}

fn broken(error: &SecretStreamError) -> Gone {
    if let SecretStreamError::Io(error) = error
        && error.kind() == io::ErrorKind::FileTooLarge
    {
        return Gone::TooLong;
    }
    Gone::Broken
}

async fn write(mut writing: Writing, mut outbox: mpsc::Receiver<Vec<u8>>, end: Arc<End>) {
    let mut farewell = pin!(async {
        end.has_come.cancelled().await;
        sleep(FAREWELL_TIMEOUT).await;
    });
    let has_time = loop {
        let message = tokio::select! {
            biased;
            () = end.has_come.cancelled() => break true,
            message = outbox.recv() => match message {
                Some(message) => message,
                // The actor is gone without a word.
                None => {
                    end.come(Gone::Leaving);
                    break true;
                }
            },
            () = sleep(KEEPALIVE) => Vec::new(),
        };
        tokio::select! {
            written = timeout(ACKNOWLEDGE_TIMEOUT, writing.write(&message)) => match written {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => {
                    end.come(Gone::Silent);
                    break false;
                }
            },
            () = &mut farewell => break false,
        }
    };
    if has_time && end.reason.get() == Some(&Gone::Leaving) {
        // What was to be said before we left is said, such as how a payment went.
        let last_words = async {
            while let Ok(message) = outbox.try_recv() {
                writing.write(&message).await?;
            }
            Ok::<_, SecretStreamError>(())
        };
        tokio::select! {
            // Whoever hears them no longer needs no farewell.
            said = last_words => drop(said),
            () = &mut farewell => {}
        }
    }
    if end.reason.get() != Some(&Gone::Silent) {
        drop(timeout(FAREWELL_TIMEOUT, writing.shutdown()).await);
    }
}

async fn tell(
    peer: PeerKey,
    way: Way,
    predecessor: Option<Teller>,
    mut inbox: mpsc::Receiver<Unread>,
    events: mpsc::Sender<SwarmEvent>,
    end: Arc<End>,
) {
    if let Some(predecessor) = predecessor {
        // It cannot fail but by a panic, which has been told.
        drop(predecessor.await);
    }
    // Nobody listens any longer when an event cannot be told, and then the actor leaves.
    if events.send(SwarmEvent::Connected { peer, way }).await.is_err() {
        return;
    }
    end.is_told.store(true, Ordering::Relaxed);
    while let Some(Unread { bytes, at, share }) = inbox.recv().await {
        if end.reason.get() == Some(&Gone::Dropped) {
            break;
        }
        if events.send(SwarmEvent::Message { peer, bytes, at }).await.is_err() {
            return;
        }
        drop(share);
    }
    end.has_come.cancelled().await;
    let reason = end.reason.get().copied().unwrap_or(Gone::Broken);
    drop(events.send(SwarmEvent::Disconnected { peer, reason }).await);
}
