//! Dials one peer: a Noise handshake over a node of the DHT that reaches it, then a stream.
//!
//! One dial is one try; when there is another is decided in `book.rs`.

use std::time::Duration;

use libudx::UdxRuntime;
use peeroxide_dht::crypto::hash;
use peeroxide_dht::hyperdht::KeyPair;
use peeroxide_dht::hyperdht_messages::{
    ERROR_NONE, FIREWALL_OPEN, FIREWALL_UNKNOWN, HandshakeMessage, MODE_FROM_CLIENT, MODE_REPLY,
    NoisePayload, PEER_HANDSHAKE, decode_handshake_from_bytes, encode_handshake_to_bytes,
};
use peeroxide_dht::messages::Ipv4Peer;
use peeroxide_dht::noise_wrap::{NoiseWrap, NoiseWrapResult};
use peeroxide_dht::rpc::UserRequestParams;
use peeroxide_dht::secret_stream::SecretStream;
use tokio::time::timeout;

use super::addresses;
use super::handshake::{noise_keys, payload, stream_id, wire};
use super::link::Opened;
use super::node::Net;
use super::way::Way;
use crate::ids::PeerKey;

/// How long a whole dial may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long until a handshake is sent once more; the peer answers copies alike.
const HANDSHAKE_RETRY_MS: u64 = 1_000;

/// How often it is sent once more over the same node.
const HANDSHAKE_RETRIES: u32 = 2;

/// How many nodes are tried in one dial.
const RELAYS_MAX: usize = 6;

/// How long the peer's stream may take to answer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(6);

/// Why a dial failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum DialError {
    #[error("no node of the dht reaches the peer")]
    NotFound,
    #[error("the peer refuses us")]
    Refused,
    #[error("the peer has no open port, and no hole is punched")]
    Firewalled,
    #[error("the peer's stream does not answer")]
    NoStream,
    #[error("the dial takes too long")]
    Timeout,
    #[error("the peer was connected meanwhile")]
    Superseded,
}

/// What the peer answered.
struct Answer {
    noise: NoiseWrapResult,
    payload: NoisePayload,
    /// Where the DHT sees the peer.
    seen: Ipv4Peer,
    is_relayed: bool,
}

/// Dials `peer`, first over `relays`.
pub(super) async fn dial(
    net: Net,
    me: KeyPair,
    peer: PeerKey,
    relays: Vec<Ipv4Peer>,
) -> Result<Opened, DialError> {
    let dialed = timeout(DIAL_TIMEOUT, try_to_dial(&net, &me, peer, relays)).await;
    dialed.unwrap_or(Err(DialError::Timeout))
}

async fn try_to_dial(
    net: &Net,
    me: &KeyPair,
    peer: PeerKey,
    relays: Vec<Ipv4Peer>,
) -> Result<Opened, DialError> {
    let stream_id = stream_id().ok_or(DialError::NoStream)?;
    let told = net.addresses().await;
    let mut tried: Vec<Ipv4Peer> = Vec::new();
    for relay in relays {
        if let Some(answer) = shake_hands(net, me, peer, &relay, stream_id, &told).await? {
            return open(net, peer, stream_id, answer).await;
        }
        tried.push(relay);
    }
    let target = hash(peer.as_bytes());
    let found = net.dht.query_find_peer(target).await.unwrap_or_default();
    let holders = found.into_iter().filter(|reply| reply.value.is_some()).map(|reply| reply.from);
    for relay in holders.filter(|relay| !tried.contains(relay)).take(RELAYS_MAX) {
        if let Some(answer) = shake_hands(net, me, peer, &relay, stream_id, &told).await? {
            return open(net, peer, stream_id, answer).await;
        }
    }
    Err(DialError::NotFound)
}

/// Does the handshake over `relay`; `None` where that does not reach the peer.
async fn shake_hands(
    net: &Net,
    me: &KeyPair,
    peer: PeerKey,
    relay: &Ipv4Peer,
    stream_id: u32,
    told: &[Ipv4Peer],
) -> Result<Option<Answer>, DialError> {
    let mut noise = NoiseWrap::new_initiator(noise_keys(me), *peer.as_bytes());
    let ours = payload(FIREWALL_UNKNOWN, stream_id, told.to_vec());
    let Ok(noise_bytes) = noise.send(&ours) else { return Ok(None) };
    let message = HandshakeMessage {
        mode: MODE_FROM_CLIENT,
        noise: noise_bytes,
        peer_address: None,
        relay_address: None,
    };
    let Ok(value) = encode_handshake_to_bytes(&message) else { return Ok(None) };
    let mut request = UserRequestParams::default();
    request.command = PEER_HANDSHAKE;
    request.target = Some(hash(peer.as_bytes()));
    request.value = Some(value);
    request.timeout_ms = Some(HANDSHAKE_RETRY_MS);
    request.retries = Some(HANDSHAKE_RETRIES);
    let Ok(reply) = net.dht.dht().request(request, &relay.host, relay.port).await else {
        return Ok(None);
    };
    let reply = reply.value.and_then(|value| decode_handshake_from_bytes(&value).ok());
    let Some(reply) = reply.filter(|reply| reply.mode == MODE_REPLY) else { return Ok(None) };
    let Ok(payload) = noise.recv(&reply.noise) else { return Ok(None) };
    let Ok(noise) = noise.finalize() else { return Ok(None) };
    if payload.error != ERROR_NONE {
        return Err(DialError::Refused);
    }
    let is_relayed = reply.peer_address.is_some();
    let seen = reply.peer_address.unwrap_or_else(|| relay.clone());
    Ok(Some(Answer { noise, payload, seen, is_relayed }))
}

/// Opens the stream that both ends agreed on.
async fn open(
    net: &Net,
    peer: PeerKey,
    stream_id: u32,
    answer: Answer,
) -> Result<Opened, DialError> {
    let Answer { noise, payload, seen, is_relayed } = answer;
    let shares_our_nat = net.shares_our_nat(&seen).await;
    let can_be_punched = payload.holepunch.as_ref().is_some_and(|punch| !punch.relays.is_empty());
    let is_open = !is_relayed || payload.firewall == FIREWALL_OPEN || !can_be_punched;
    if !is_open && !shares_our_nat {
        return Err(DialError::Firewalled);
    }
    let address = addresses::to_dial(&payload.addresses4, &seen, shares_our_nat, net.host);
    let address = address.ok_or(DialError::NotFound)?;
    let remote_id = payload.udx.and_then(|udx| u32::try_from(udx.id).ok());
    let remote_id = remote_id.ok_or(DialError::NoStream)?;

    let opening = async {
        let stream = UdxRuntime::new().ok()?.create_stream(stream_id).await.ok()?;
        stream.connect(&net.socket, remote_id, address).await.ok()?;
        let wire = wire(stream);
        let NoiseWrapResult { tx, rx, handshake_hash, remote_public_key, .. } = noise;
        SecretStream::from_session(true, wire, tx, rx, handshake_hash, remote_public_key).await.ok()
    };
    let stream = timeout(OPEN_TIMEOUT, opening).await.ok().flatten().ok_or(DialError::NoStream)?;
    Ok(Opened { peer, is_initiator: true, way: Way::Open, stream, socket: net.socket.clone() })
}
