//! Strangers who know where a peer is: they begin with it far more than they end, and take places.

use std::time::{Duration, Instant};

use libudx::{UdxAsyncStream, UdxRuntime};
use peeroxide_dht::crypto::hash;
use peeroxide_dht::hyperdht::{self, HyperDhtConfig, HyperDhtHandle, KeyPair, alloc_stream_id};
use peeroxide_dht::hyperdht_messages::{
    FIREWALL_UNKNOWN, HandshakeMessage, MODE_FROM_CLIENT, NoisePayload, PEER_HANDSHAKE, UdxInfo,
    decode_handshake_from_bytes, encode_handshake_to_bytes,
};
use peeroxide_dht::messages::Ipv4Peer;
use peeroxide_dht::noise::Keypair;
use peeroxide_dht::noise_wrap::NoiseWrap;
use peeroxide_dht::rpc::UserRequestParams;
use peeroxide_dht::secret_stream::SecretStream;
use tightrope::ids::PeerKey;
use tightrope::swarm::{Bootstrap, Gone, Settings};
use tokio::time::timeout;

use super::peers::{PATIENCE, Peer, has_tasks, host, settings};

/// How many handshakes may be half open, and how many strangers are answered at once.
const HALF_OPEN_MAX: usize = 64;

/// Tasks that come and go while the DHT works.
const FEW: usize = 8;

#[tokio::test]
async fn handshakes_that_lead_to_nothing_keep_nobody_out_and_leave_nothing() {
    let dht = host().await;
    let of_dht = tasks();
    let mut a = Peer::join(1, &dht);
    a.joined().await;
    let stranger = Stranger::enter(&dht).await;
    let before = tasks();
    let mut answered = 0;
    // Three times as many as may be half open.
    for seed in 10..=209 {
        let (_, request) = handshake(&a, [seed; 32], alloc_stream_id());
        answered += usize::from(stranger.ask(request).await.is_some());
    }
    assert!(answered >= HALF_OPEN_MAX, "{answered} were answered");
    // Each half-open stream has a task here and one in the transport.
    has_tasks(before + 2 * HALF_OPEN_MAX + FEW).await;
    assert!(tasks() >= before + HALF_OPEN_MAX, "they are half open still");

    let mut b = Peer::join(2, &dht);
    let began = Instant::now();
    a.connected_to(b.key()).await;
    b.connected_to(a.key()).await;
    assert!(began.elapsed() < Duration::from_secs(5), "after {:?}", began.elapsed());
    b.leave().await;
    stranger.node.destroy().await.expect("ends");
    a.leave().await;
    has_tasks(of_dht).await;
}

#[tokio::test]
async fn copies_of_a_handshake_make_one_stream() {
    let dht = host().await;
    let mut a = Peer::join(1, &dht);
    a.joined().await;
    let stranger = Stranger::enter(&dht).await;
    let stream_id = alloc_stream_id();
    let (mut noise, request) = handshake(&a, [10; 32], stream_id);
    let first = stranger.ask(request.clone()).await.expect("is answered");
    for _ in 0..9 {
        let copy = stranger.ask(request.clone()).await.expect("is answered");
        assert_eq!(copy.noise, first.noise, "it names the same stream");
    }
    let stream = stranger.open(first, &mut noise, stream_id).await;
    a.connected_to(key(10)).await;
    drop(stream);
}

#[tokio::test]
async fn peers_that_cannot_be_dialed_come_and_go_and_leave_their_places() {
    let dht = host().await;
    let of_two = Settings { peers_max: 2, ..settings(dht.address()) };
    let mut a = Peer::join_with(1, of_two);
    a.joined().await;
    let stranger = Stranger::enter(&dht).await;
    // All places are taken each time, and left again, before anybody else comes.
    for seeds in [[10, 11], [12, 13], [14, 15]] {
        let mut streams = Vec::new();
        for seed in seeds {
            // The places are free as soon as those who had them have been taken leave of.
            let answered = async {
                loop {
                    if let Some(stream) = stranger.dial(&a, seed).await {
                        break stream;
                    }
                }
            };
            streams.push(timeout(PATIENCE, answered).await.expect("is answered"));
            a.connected_to(key(seed)).await;
        }
        // Nobody who comes takes the place of one of these.
        a.trust_all();
        for stream in &mut streams {
            stream.shutdown().await.expect("takes leave");
        }
        while !a.connected.is_empty() {
            a.next().await;
        }
    }
}

#[tokio::test]
async fn strangers_who_came_first_give_way_and_the_trusted_do_not() {
    let dht = host().await;
    let of_three = Settings { peers_max: 3, ..settings(dht.address()) };
    let mut a = Peer::join_with(1, of_three);
    a.joined().await;
    let stranger = Stranger::enter(&dht).await;
    let mut streams = Vec::new();
    for seed in 10..13 {
        streams.push(stranger.dial(&a, seed).await.expect("is answered"));
        a.connected_to(key(seed)).await;
    }
    let mut b = Peer::join(2, &dht);
    assert_eq!(a.lost(key(10)).await, Gone::Displaced, "the oldest");
    a.connected_to(b.key()).await;
    a.swarm.trust(b.key());
    for seed in 20..26 {
        streams.push(stranger.dial(&a, seed).await.expect("is answered"));
        // The end of the one that gave way may be told after that.
        while !a.connected.contains(&key(seed)) || a.connected.len() > 3 {
            a.next().await;
        }
    }
    assert!(a.connected.contains(&b.key()), "others gave way");
    b.connected_to(a.key()).await;
    b.send(a.key(), b"still here".to_vec()).await.expect("is queued");
    assert_eq!(a.message_from(b.key()).await, b"still here");

    a.trust_all();
    assert_eq!(a.connected.len(), 3);
    assert!(stranger.dial(&a, 30).await.is_none(), "there is no place for it");
    a.swarm.drop_peer(b.key(), Duration::from_secs(60));
    assert_eq!(a.lost(b.key()).await, Gone::Dropped);
    streams.push(stranger.dial(&a, 31).await.expect("is answered"));
    a.connected_to(key(31)).await;
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Who has a node of the DHT, as many keys as seeds, and no record anywhere.
struct Stranger {
    node: HyperDhtHandle,
    /// A node that reaches whoever has announced itself.
    relay: Ipv4Peer,
}

impl Stranger {
    async fn enter(dht: &Bootstrap) -> Self {
        let address = dht.address();
        let relay = Ipv4Peer { host: address.ip().to_string(), port: address.port() };
        let mut config = HyperDhtConfig::default();
        config.dht.bootstrap = vec![address.to_string()];
        config.dht.host.clone_from(&relay.host);
        let runtime = UdxRuntime::new().expect("a runtime");
        let (_tasks, node, _requests) = hyperdht::spawn(&runtime, config).await.expect("starts");
        node.bootstrapped().await.expect("enters");
        Self { node, relay }
    }

    /// The answer to a handshake, if there is one.
    async fn ask(&self, request: UserRequestParams) -> Option<HandshakeMessage> {
        let (host, port) = (&self.relay.host, self.relay.port);
        let reply = self.node.dht().request(request, host, port).await.ok()?;
        decode_handshake_from_bytes(&reply.value?).ok()
    }

    /// A connection with `peer` under the key of `seed`, unless the handshake is not answered.
    async fn dial(&self, peer: &Peer, seed: u8) -> Option<SecretStream<UdxAsyncStream>> {
        let stream_id = alloc_stream_id();
        let (mut noise, request) = handshake(peer, [seed; 32], stream_id);
        let answer = self.ask(request).await?;
        Some(self.open(answer, &mut noise, stream_id).await)
    }

    /// Opens the stream that a handshake has led to.
    async fn open(
        &self,
        answer: HandshakeMessage,
        noise: &mut NoiseWrap,
        stream_id: u32,
    ) -> SecretStream<UdxAsyncStream> {
        let theirs = noise.recv(&answer.noise).expect("is theirs");
        let seen = answer.peer_address.expect("was relayed");
        let spent = NoiseWrap::new_responder(pair([0; 32]));
        let shaken = std::mem::replace(noise, spent).finalize().expect("is done");
        let runtime = UdxRuntime::new().expect("a runtime");
        let stream = runtime.create_stream(stream_id).await.expect("a stream");
        let socket = self.node.server_socket().await.expect("runs").expect("a socket");
        let remote_id = theirs.udx.and_then(|udx| u32::try_from(udx.id).ok()).expect("an id");
        let address = format!("{}:{}", seen.host, seen.port).parse().expect("an address");
        stream.connect(&socket, remote_id, address).await.expect("is sent to");
        SecretStream::from_session(
            true,
            stream.into_async_stream(),
            shaken.tx,
            shaken.rx,
            shaken.handshake_hash,
            shaken.remote_public_key,
        )
        .await
        .expect("is opened")
    }
}

fn pair(seed: [u8; 32]) -> Keypair {
    let KeyPair { public_key, secret_key, .. } = KeyPair::from_seed(seed);
    Keypair { public_key, secret_key }
}

fn key(seed: u8) -> PeerKey {
    PeerKey::new(pair([seed; 32]).public_key)
}

/// A handshake of the key of `seed` with `peer`, fit to be answered, for the stream `id`.
pub(super) fn handshake(peer: &Peer, seed: [u8; 32], id: u32) -> (NoiseWrap, UserRequestParams) {
    let mut noise = NoiseWrap::new_initiator(pair(seed), *peer.key().as_bytes());
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
