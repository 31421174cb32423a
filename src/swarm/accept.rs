//! Answers peers that dial us.
//!
//! A handshake comes over the DHT, costs us a signature's worth of work, and leaves a stream that
//! waits for its first packet. A stranger may make many of them: the oldest give way to new ones.

use std::collections::VecDeque;
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

use super::actor::Notice;
use super::answers::Answers;
use super::handshake::{noise_keys, payload, stream_id, wire};
use super::link::Opened;
use super::node::Net;
use super::way::Way;
use crate::ids::PeerKey;

/// How long a peer may take from our answer to the first byte of its stream, and again from that
/// to the stream's header. Its packets may be lost once or twice.
const OPEN_TIMEOUT: Duration = Duration::from_secs(6);

/// How many streams wait for their peer.
const HALF_OPEN_MAX: usize = 64;

/// Whom a handshake names, if that may be connected with: the caller knows.
pub(super) type Judge<'a> = &'a dyn Fn(&PeerKey) -> bool;

/// What answers handshakes.
#[derive(Debug)]
pub(super) struct Door {
    me: KeyPair,
    answers: Answers,
    half_open: VecDeque<AbortHandle>,
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
        let (answers, half_open) = (Answers::default(), VecDeque::new());
        Self { me, answers, half_open, tasks, notices, stop }
    }

    /// Answers what the DHT brings.
    pub(super) fn answer(
        &mut self,
        net: &Net,
        told: &[Ipv4Peer],
        event: ServerEvent,
        may: Judge<'_>,
    ) {
        match event {
            ServerEvent::PeerHandshake { msg, peer_address, reply_tx, .. } => {
                let noise = self.answer_noise(net, told, msg.noise, may);
                let is_relayed = matches!(msg.mode, MODE_FROM_RELAY | MODE_FROM_SECOND_RELAY);
                let (mode, peer_address) =
                    if is_relayed { (MODE_FROM_SERVER, peer_address) } else { (MODE_REPLY, None) };
                let reply = noise.and_then(|noise| {
                    let reply = HandshakeMessage { mode, noise, peer_address, relay_address: None };
                    encode_handshake_to_bytes(&reply).ok()
                });
                // Nobody waits for the reply when the DHT has just been left.
                drop(reply_tx.send(reply));
            }
            // No hole is punched: a peer that asks for one gets no answer, and gives up.
            ServerEvent::PeerHolepunch { reply_tx, .. } => drop(reply_tx.send(None)),
            _ => {}
        }
    }

    fn answer_noise(
        &mut self,
        net: &Net,
        told: &[Ipv4Peer],
        noise_bytes: Vec<u8>,
        may: Judge<'_>,
    ) -> Option<Vec<u8>> {
        let now = Instant::now();
        if let Some(answer) = self.answers.find(now, &noise_bytes) {
            return Some(answer.clone());
        }
        let mut noise = NoiseWrap::new_responder(noise_keys(&self.me));
        let theirs = noise.recv(&noise_bytes).ok()?;
        let remote_id = theirs.udx.and_then(|udx| u32::try_from(udx.id).ok())?;
        if theirs.error != ERROR_NONE {
            return None;
        }
        let stream_id = stream_id()?;
        let ours = payload(FIREWALL_OPEN, stream_id, told.to_vec());
        let answer = noise.send(&ours).ok()?;
        let noise = noise.finalize().ok()?;
        if !may(&PeerKey::new(noise.remote_public_key)) {
            return None;
        }
        self.await_stream(net.clone(), noise, stream_id, remote_id);
        self.answers.add(now, noise_bytes, answer.clone());
        Some(answer)
    }

    /// Waits for the peer's stream in a task of its own.
    fn await_stream(&mut self, net: Net, noise: NoiseWrapResult, stream_id: u32, remote_id: u32) {
        self.half_open.retain(|task| !task.is_finished());
        if self.half_open.len() >= HALF_OPEN_MAX
            && let Some(oldest) = self.half_open.pop_front()
        {
            oldest.abort();
        }
        let notices = self.notices.clone();
        let accepting = async move {
            if let Some(opened) = accept(&net, noise, stream_id, remote_id).await {
                // The actor is gone when nobody listens.
                drop(notices.send(Notice::Accepted(Box::new(opened))).await);
            }
        };
        let task = self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(accepting));
        self.half_open.push_back(task.abort_handle());
    }
}

/// Waits for the first packet of the stream, which says where the peer is, and opens it.
async fn accept(
    net: &Net,
    noise: NoiseWrapResult,
    stream_id: u32,
    remote_id: u32,
) -> Option<Opened> {
    let stream = UdxRuntime::new().ok()?.create_stream(stream_id).await.ok()?;
    let (first, came) = oneshot::channel();
    let hook = move |_: &UdxSocket, _, _| first.send(()).is_ok();
    stream.set_firewall_hook(&net.socket, remote_id, hook).ok()?;
    timeout(OPEN_TIMEOUT, came).await.ok()?.ok()?;

    let NoiseWrapResult { tx, rx, handshake_hash, remote_public_key, .. } = noise;
    let session =
        SecretStream::from_session(false, wire(stream), tx, rx, handshake_hash, remote_public_key);
    let stream = timeout(OPEN_TIMEOUT, session).await.ok()?.ok()?;
    let (peer, socket) = (PeerKey::new(remote_public_key), net.socket.clone());
    Some(Opened { peer, is_initiator: false, way: Way::Open, stream, socket })
}
