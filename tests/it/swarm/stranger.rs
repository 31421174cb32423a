//! A stranger who knows where a peer is, and begins with it far more than it ends.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use peeroxide_dht::crypto::hash;
use peeroxide_dht::hyperdht::{self, HyperDhtConfig, KeyPair, alloc_stream_id};
use peeroxide_dht::hyperdht_messages::{
    FIREWALL_UNKNOWN, HandshakeMessage, MODE_FROM_CLIENT, NoisePayload, PEER_HANDSHAKE, UdxInfo,
    decode_handshake_from_bytes, encode_handshake_to_bytes,
};
use peeroxide_dht::noise::Keypair;
use peeroxide_dht::noise_wrap::NoiseWrap;
use peeroxide_dht::rpc::UserRequestParams;

use super::peers::{Peer, has_tasks, host};

/// How many handshakes may be half open.
const HALF_OPEN_MAX: usize = 64;

/// Tasks that come and go while the DHT works.
const FEW: usize = 8;

/// The seeds of its keys, three times as many as may be half open.
const SEEDS: RangeInclusive<u8> = 10..=209;

#[tokio::test]
async fn handshakes_that_lead_to_nothing_keep_nobody_out_and_leave_nothing() {
    let dht = host().await;
    let of_dht = tasks();
    let mut a = Peer::join(1, &dht);
    a.joined().await;

    let mut config = HyperDhtConfig::default();
    config.dht.bootstrap = vec![dht.address().to_string()];
    config.dht.host = dht.address().ip().to_string();
    let runtime = libudx::UdxRuntime::new().expect("a runtime");
    let (_tasks, stranger, _requests) = hyperdht::spawn(&runtime, config).await.expect("starts");
    stranger.bootstrapped().await.expect("enters");
    let before = tasks();
    let mut answered = 0;
    for seed in SEEDS {
        let (_, request) = handshake(&a, [seed; 32], alloc_stream_id());
        let (host, port) = (dht.address().ip().to_string(), dht.address().port());
        let answer = stranger.dht().request(request, &host, port).await.expect("is relayed");
        let answer = answer.value.map(|value| decode_handshake_from_bytes(&value));
        answered += usize::from(answer.is_some_and(|answer| answer.is_ok()));
    }
    assert_eq!(answered, SEEDS.len());
    // Each half-open stream has a task here and one in the transport.
    has_tasks(before + 2 * HALF_OPEN_MAX + FEW).await;
    assert!(tasks() >= before + HALF_OPEN_MAX, "they are half open still");

    let mut b = Peer::join(2, &dht);
    let began = Instant::now();
    a.connected_to(b.key()).await;
    b.connected_to(a.key()).await;
    assert!(began.elapsed() < Duration::from_secs(5), "after {:?}", began.elapsed());
    b.leave().await;
    stranger.destroy().await.expect("ends");
    a.leave().await;
    has_tasks(of_dht).await;
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// A handshake of the key of `seed` with `peer`, fit to be answered, for the stream `id`.
pub(super) fn handshake(peer: &Peer, seed: [u8; 32], id: u32) -> (NoiseWrap, UserRequestParams) {
    let pair = KeyPair::from_seed(seed);
    let keys = Keypair { public_key: pair.public_key, secret_key: pair.secret_key };
    let mut noise = NoiseWrap::new_initiator(keys, *peer.key().as_bytes());
    let payload = NoisePayload {
        version: 1,
        error: 0,
        firewall: FIREWALL_UNKNOWN,
        holepunch: None,
        addresses4: vec![],
        addresses6: vec![],
        udx: Some(UdxInfo { version: 1, reusable_socket: true, id: u64::from(id), seq: 0 }),
        secret_stream: None,
        relay_through: None,
        relay_addresses: None,
    };
    let message = HandshakeMessage {
        mode: MODE_FROM_CLIENT,
        noise: noise.send(&payload).expect("is encoded"),
        peer_address: None,
        relay_address: None,
    };
    let mut request = UserRequestParams::default();
    request.command = PEER_HANDSHAKE;
    request.target = Some(hash(peer.key().as_bytes()));
    request.value = Some(encode_handshake_to_bytes(&message).expect("is encoded"));
    (noise, request)
}
