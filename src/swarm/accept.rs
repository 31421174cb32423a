//! Answers peers that dial us.
//!
//! A handshake comes over the DHT, costs us a signature's worth of work, and leaves a stream that
//! waits for its first packet. A stranger may make many of them: there is a bound on how many are
//! answered in a time, and the oldest streams on which nothing came give way to new ones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libudx::{UdxRuntime, UdxSocket};
use peeroxide_dht::hyperdht::{KeyPair, ServerEvent};
use peeroxide_dht::hyperdht_messages::{
    ERROR_NONE, FIREWALL_OPEN, HandshakeMessage, MODE_FROM_RELAY, MODE_FROM_SECOND_RELAY,
    MODE_FROM_SERVER, MODE_REPLY, encode_handshake_to_bytes,
};
use peeroxide_dht::messages::Ipv4Peer;
use peeroxide_dht::noise_wrap::{NoiseWrap, NoiseWrapResult};
use peeroxide_dht::secret_stream::SecretStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::actor::Notice;
use super::answers::Answers;
use super::bucket::Bucket;
use super::handshake::{noise_keys, payload, stream_id, wire};
use super::link::Opened;
use super::node::Net;
use super::way::Way;
use crate::ids::PeerKey;

/// How long a peer may take from our answer to the first byte of its stream, and again from that
/// to the stream's header. Its packets may be lost once or twice.
const OPEN_TIMEOUT: Duration = Duration::from_secs(6);

/// How many streams wait for their peer's first packet, and how many for what comes after it.
const HALF_OPEN_MAX: usize = 64;

/// Who has begun a handshake, as the caller knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Guest {
    /// Nobody who may be connected with.
    Unwelcome,
    /// Nobody we know.
    Stranger,
    /// Somebody who is connected or trusted.
    Known,
}

/// A handshake that is fit to be answered.
pub(super) struct Call {
    asked: Vec<u8>,
    answer: Vec<u8>,
    noise: NoiseWrapResult,
    stream_id: u32,
    remote_id: u32,
    back: Back,
}

impl Call {
    /// Who has begun it, which is not proved before the stream is opened.
    pub(super) fn peer(&self) -> PeerKey {
        PeerKey::new(self.noise.remote_public_key)
    }
}

/// The way back to whoever has begun a handshake.
struct Back {
    is_relayed: bool,
    peer_address: Option<Ipv4Peer>,
    reply: oneshot::Sender<Option<Vec<u8>>>,
}

impl Back {
    fn send(self, noise: Option<Vec<u8>>) {
        let (mode, peer_address) = if self.is_relayed {
            (MODE_FROM_SERVER, self.peer_address)
        } else {
            (MODE_REPLY, None)
        };
        let reply = noise.and_then(|noise| {
            let reply = HandshakeMessage { mode, noise, peer_address, relay_address: None };
            encode_handshake_to_bytes(&reply).ok()
        });
        // Nobody waits for the reply when the DHT has just been left.
        drop(self.reply.send(reply));
    }
}

/// A stream that waits for its peer.
#[derive(Debug)]
struct HalfOpen {
    task: AbortHandle,
    /// Whether a packet of it has come.
    has_begun: Arc<AtomicBool>,
}

/// What answers handshakes.
#[derive(Debug)]
pub(super) struct Door {
    me: KeyPair,
    answers: Answers,
    for_strangers: Bucket,
    half_open: VecDeque<HalfOpen>,
    tasks: TaskTracker,
    notices: mpsc::Sender<Notice>,
    stop: CancellationToken,
}

impl Door {
    pub(super) fn new(
        me: KeyPair,
        tasks: TaskTracker,
        notices: mpsc::Sender<Notice>,
        stop: CancellationToken,
    ) -> Self {
        let (answers, for_strangers) = (Answers::default(), Bucket::default());
        Self { me, answers, for_strangers, half_open: VecDeque::new(), tasks, notices, stop }
    }

    /// Takes in what the DHT brings: a handshake that the caller is to judge. Everything else has
    /// been answered when this returns.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        told: &[Ipv4Peer],
        event: ServerEvent,
    ) -> Option<Call> {
        let ServerEvent::PeerHandshake { msg, peer_address, reply_tx, .. } = event else {
            // No hole is punched: a peer that asks for one gets no answer, and gives up.
            return None;
        };
        let is_relayed = matches!(msg.mode, MODE_FROM_RELAY | MODE_FROM_SECOND_RELAY);
        let back = Back { is_relayed, peer_address, reply: reply_tx };
        if let Some(answer) = self.answers.find(now, &msg.noise) {
            back.send(Some(answer.clone()));
            return None;
        }
        let Some((answer, noise, stream_id, remote_id)) = self.shake_hands(told, &msg.noise) else {
            back.send(None);
            return None;
        };
        Some(Call { asked: msg.noise, answer, noise, stream_id, remote_id, back })
    }

    /// Our part of the handshake, and the ids of the stream at our end and at the other.
    fn shake_hands(
        &self,
        told: &[Ipv4Peer],
        asked: &[u8],
    ) -> Option<(Vec<u8>, NoiseWrapResult, u32, u32)> {
        let mut noise = NoiseWrap::new_responder(noise_keys(&self.me));
        let theirs = noise.recv(asked).ok()?;
        let remote_id = theirs.udx.and_then(|udx| u32::try_from(udx.id).ok())?;
        if theirs.error != ERROR_NONE {
            return None;
        }
        let stream_id = stream_id()?;
        let ours = payload(FIREWALL_OPEN, stream_id, told.to_vec());
        let answer = noise.send(&ours).ok()?;
        Some((answer, noise.finalize().ok()?, stream_id, remote_id))
    }

    /// Answers a handshake of somebody who is judged to be such a guest, or sends it away.
    pub(super) fn answer(&mut self, now: Instant, net: &Net, call: Call, guest: Guest) {
        let is_let_in = match guest {
            Guest::Unwelcome => false,
            Guest::Stranger => self.for_strangers.take(now),
            Guest::Known => true,
        };
        let Call { asked, answer, noise, stream_id, remote_id, back } = call;
        if !is_let_in || !self.make_room() {
            return back.send(None);
        }
        self.await_stream(net.clone(), noise, stream_id, remote_id);
        self.answers.add(now, asked, answer.clone());
        back.send(Some(answer));
    }

    /// Makes room for one more stream that waits: the oldest of those on which nothing came gives
    /// way. False where too many have come so far that they would lose something.
    fn make_room(&mut self) -> bool {
        self.half_open.retain(|stream| !stream.task.is_finished());
        let is_silent = |stream: &HalfOpen| !stream.has_begun.load(Ordering::Relaxed);
        let silent = self.half_open.iter().filter(|stream| is_silent(stream)).count();
        if self.half_open.len() - silent >= HALF_OPEN_MAX {
            return false;
        }
        if silent >= HALF_OPEN_MAX
            && let Some(oldest) = self.half_open.iter().position(is_silent)
            && let Some(stream) = self.half_open.remove(oldest)
        {
            stream.task.abort();
        }
        true
    }

    /// Waits for the peer's stream in a task of its own.
    fn await_stream(&mut self, net: Net, noise: NoiseWrapResult, stream_id: u32, remote_id: u32) {
        let (notices, has_begun) = (self.notices.clone(), Arc::new(AtomicBool::new(false)));
        let begun = has_begun.clone();
        let span = super::span(PeerKey::new(noise.remote_public_key));
        let accepting = async move {
            if let Some(opened) = accept(&net, noise, stream_id, remote_id, &begun).await {
                // The actor is gone when nobody listens.
                drop(notices.send(Notice::Accepted(Box::new(opened))).await);
            }
        };
        let accepting = self.stop.clone().run_until_cancelled_owned(accepting);
        let task = self.tasks.spawn(accepting.instrument(span));
        self.half_open.push_back(HalfOpen { task: task.abort_handle(), has_begun });
    }
}

/// Waits for the first packet of the stream, which says where the peer is, and opens it.
async fn accept(
    net: &Net,
    noise: NoiseWrapResult,
    stream_id: u32,
    remote_id: u32,
    has_begun: &AtomicBool,
) -> Option<Opened> {
    let stream = UdxRuntime::new().ok()?.create_stream(stream_id).await.ok()?;
    let (first, came) = oneshot::channel();
    let hook = move |_: &UdxSocket, _, _| first.send(()).is_ok();
    stream.set_firewall_hook(&net.socket, remote_id, hook).ok()?;
    timeout(OPEN_TIMEOUT, came).await.ok()?.ok()?;
    has_begun.store(true, Ordering::Relaxed);

    let NoiseWrapResult { tx, rx, handshake_hash, remote_public_key, .. } = noise;
    let session =
        SecretStream::from_session(false, wire(stream), tx, rx, handshake_hash, remote_public_key);
    let stream = timeout(OPEN_TIMEOUT, session).await.ok()?.ok()?;
    let (peer, socket) = (PeerKey::new(remote_public_key), net.socket.clone());
    Some(Opened { peer, is_initiator: false, way: Way::Open, stream, socket })
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    impl Door {
        /// Begins to wait for a stream, of which a packet has come or not.
        fn wait(&mut self, has_begun: bool) {
            let task = self.tasks.spawn(pending::<()>()).abort_handle();
            let has_begun = Arc::new(AtomicBool::new(has_begun));
            self.half_open.push_back(HalfOpen { task, has_begun });
        }
    }

    #[tokio::test]
    async fn only_streams_that_sent_nothing_give_way() {
        let (notices, _noticed) = mpsc::channel(1);
        let me = KeyPair::from_seed([1; 32]);
        let mut door = Door::new(me, TaskTracker::new(), notices, CancellationToken::new());
        door.wait(true);
        for _ in 0..HALF_OPEN_MAX {
            assert!(door.make_room());
            door.wait(false);
        }
        let second = door.half_open[1].task.clone();
        assert!(door.make_room() && door.half_open.len() == HALF_OPEN_MAX);
        while !second.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(!door.half_open[0].task.is_finished(), "though it is the oldest");

        for _ in 1..HALF_OPEN_MAX {
            assert!(door.make_room());
            door.wait(true);
        }
        assert!(!door.make_room(), "there is nobody left who could give way");
        door.half_open[0].task.abort();
        while !door.half_open[0].task.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(door.make_room());
    }
}
