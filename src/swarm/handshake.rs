//! What dialing and accepting have in common: what is said of oneself, and the stream's layers.

use libudx::{UdxAsyncStream, UdxStream};
use peeroxide_dht::hyperdht::KeyPair;
use peeroxide_dht::hyperdht_messages::{ERROR_NONE, NoisePayload, SecretStreamInfo, UdxInfo};
use peeroxide_dht::messages::Ipv4Peer;
use peeroxide_dht::noise::Keypair as NoiseKeys;
use tokio::io::BufWriter;

use super::MESSAGE_BYTES_MAX;
use super::frames::Measured;

/// The only version of a handshake's payload, and of its parts.
const VERSION: u64 = 1;

/// A message and all that encryption and framing add to it.
const WRITE_BUFFER: usize = MESSAGE_BYTES_MAX + 64;

/// The least id of a stream: the DHT's own code counts its streams from one.
const STREAM_ID_MIN: u32 = 1 << 16;

/// The transport under the encryption. Its incoming frames are measured; outgoing ones leave
/// whole, where each part on its own would wait for an acknowledgement.
pub(super) type Wire = BufWriter<Measured<UdxAsyncStream>>;

/// The layers over `stream`, up to the encryption.
pub(super) fn wire(stream: UdxStream) -> Wire {
    BufWriter::with_capacity(WRITE_BUFFER, Measured::new(stream.into_async_stream()))
}

/// An id for a stream of ours that nobody guesses, for whoever knows it may be the first to send
/// to it. One that is in use is drawn again once in four thousand million times: then the socket
/// refuses the second stream, and the peers try again. `None` where the machine has no chance.
pub(super) fn stream_id() -> Option<u32> {
    loop {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).ok()?;
        let id = u32::from_le_bytes(bytes);
        if id >= STREAM_ID_MIN {
            return Some(id);
        }
    }
}

/// Our key as the Noise handshake takes it.
pub(super) fn noise_keys(me: &KeyPair) -> NoiseKeys {
    NoiseKeys { public_key: me.public_key, secret_key: me.secret_key }
}

/// What is said of oneself: whether packets reach us unasked, and where.
pub(super) fn payload(firewall: u64, stream_id: u32, told: Vec<Ipv4Peer>) -> NoisePayload {
    NoisePayload {
        version: VERSION,
        error: ERROR_NONE,
        firewall,
        holepunch: None,
        addresses4: told,
        addresses6: Vec::new(),
        udx: Some(UdxInfo {
            version: VERSION,
            reusable_socket: true,
            id: u64::from(stream_id),
            seq: 0,
        }),
        secret_stream: Some(SecretStreamInfo { version: VERSION }),
        relay_through: None,
        relay_addresses: None,
    }
}
