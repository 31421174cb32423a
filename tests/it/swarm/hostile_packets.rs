//! Packets that no honest peer sends, from a socket that writes them itself.
//!
//! The stranger shakes hands first where it has to know the id of a stream; the ids of others it
//! is told here, as it cannot guess them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libudx::{UdxAsyncStream, UdxRuntime, UdxSocket};
use peeroxide_dht::hyperdht::{self, HyperDhtConfig, KeyPair};
use peeroxide_dht::hyperdht_messages::decode_handshake_from_bytes;
use peeroxide_dht::noise_wrap::NoiseWrapResult;
use peeroxide_dht::secret_stream::SecretStream;
use tightrope::ids::PeerKey;
use tightrope::swarm::Bootstrap;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::peers::{PATIENCE, Peer, has_tasks, host, pair};
use super::stranger::handshake;

/// What a packet says of itself.
const DATA: u8 = 0x01;
const END: u8 = 0x02;
const SACK: u8 = 0x04;
const DESTROY: u8 = 0x10;
const HEARTBEAT: u8 = 0x20;

/// The window of the transport, in bytes and in packets.
const WINDOW_BYTES: usize = 262_144;
const WINDOW_PACKETS: u32 = 222;

/// As much as fits into a packet.
const PAYLOAD: usize = 1_480;

/// The id of the strangers' own streams.
const OUR_ID: u32 = 77;

/// Longer than anything keeps the process busy, unless it is made to.
const STALL: Duration = Duration::from_secs(2);

#[tokio::test]
async fn ranges_of_acknowledgements_cost_no_more_than_what_was_sent() {
    let dht = host().await;
    let (mut a, mut b) = pair(&dht).await;
    let pen = Guest::bind(&dht, &a, 10).await;
    // Something is under way that could be acknowledged.
    pen.receive(DATA).await;
    let heart = Heart::start();
    // Walked number by number these take half a minute; ranges up to 2^32 would take an hour.
    let ranges = [[0, 400_000_000]; 30].into_iter().chain([[10, 5]]);
    let extra = ranges.flatten().flat_map(u32::to_le_bytes).collect();
    pen.send(Packet { kind: SACK, extra, ..Packet::default() }).await;
    carry_messages(&mut a, &mut b).await;
    heart.beats_on().await;
}

#[tokio::test]
async fn packets_from_elsewhere_change_nothing_about_a_stream() {
    let dht = host().await;
    let (mut a, mut b) = pair(&dht).await;
    for (seed, kind) in (10..).zip([DESTROY, DATA, END, DATA | END]) {
        let guest = Guest::enter(&dht, &a, seed).await;
        let (mut stream, _socket) = guest.open().await;
        a.connected_to(guest.key).await;
        // All that this socket lacks is the peer's address.
        for seq in 0..8 {
            let payload = vec![7; PAYLOAD];
            guest.pen.send(Packet { kind, seq, ack: 1, payload, ..Packet::default() }).await;
        }
        stream.write(&[kind]).await.expect("is sent");
        assert_eq!(a.message_from(guest.key).await, [kind], "after packets of kind {kind:#x}");
        carry_messages(&mut a, &mut b).await;
    }
}

#[tokio::test]
async fn what_comes_ahead_is_kept_up_to_the_window() {
    let dht = host().await;
    let (mut a, mut b) = pair(&dht).await;
    for (seed, bytes) in [(10, PAYLOAD), (11, 1)] {
        let pen = Guest::bind(&dht, &a, seed).await;
        for seq in (1..=2 * WINDOW_PACKETS).chain([1 << 31, u32::MAX - 1, u32::MAX]) {
            let payload = vec![0; bytes];
            pen.send(Packet { kind: DATA, seq, payload, ..Packet::default() }).await;
            let extra = pen.receive(SACK).await.extra;
            let kept = extra.chunks_exact(8).map(|range| number(&range[4..]) - 1).max();
            let kept = kept.expect("a range");
            assert!(kept <= WINDOW_PACKETS, "kept {kept} packets ahead");
            let kept = usize::try_from(kept).expect("is small") * bytes;
            assert!(kept <= WINDOW_BYTES, "kept {kept} bytes ahead");
        }
    }
    carry_messages(&mut a, &mut b).await;
}

#[tokio::test]
async fn a_packet_that_no_path_carries_is_not_kept() {
    let dht = host().await;
    let (mut a, mut b) = pair(&dht).await;
    let pen = Guest::bind(&dht, &a, 10).await;
    for (seq, bytes) in [(5, 60_000), (7, 1)] {
        let payload = vec![0; bytes];
        pen.send(Packet { kind: DATA, seq, payload, ..Packet::default() }).await;
    }
    let extra = pen.receive(SACK).await.extra;
    assert_eq!(extra, [7_u32.to_le_bytes(), 8_u32.to_le_bytes()].concat());
    carry_messages(&mut a, &mut b).await;
}

#[tokio::test]
async fn what_nobody_reads_is_kept_up_to_the_window() {
    let runtime = UdxRuntime::new().expect("a runtime");
    let (theirs, socket) = (bound(&runtime).await, raw().await);
    let to = theirs.local_addr().await.expect("is bound");
    let mut stream = runtime.create_stream(1).await.expect("a stream");
    let from = socket.local_addr().expect("is bound");
    stream.connect(&theirs, OUR_ID, from).await.expect("is begun");
    let pen = Pen { socket, id: 1, to };
    let mut taken = 0;
    for seq in 0..2 * WINDOW_PACKETS {
        let payload = vec![0; PAYLOAD];
        pen.send(Packet { kind: DATA, seq, payload, ..Packet::default() }).await;
        taken = pen.receive(0).await.ack;
        if taken == seq {
            break;
        }
    }
    let bytes = usize::try_from(taken).expect("is small") * PAYLOAD;
    assert!((WINDOW_BYTES / 2..=WINDOW_BYTES).contains(&bytes), "{bytes} bytes were taken");
    for _ in 0..taken {
        assert!(stream.read().await.expect("goes on").is_some());
    }
    // There is room again.
    pen.send(Packet { kind: DATA, seq: taken, payload: vec![0], ..Packet::default() }).await;
    assert_eq!(pen.receive(0).await.ack, taken + 1);
}

#[tokio::test]
async fn what_was_never_sent_cannot_be_acknowledged() {
    let dht = host().await;
    let (mut a, mut b) = pair(&dht).await;
    let pen = Guest::bind(&dht, &a, 10).await;
    let sent = pen.receive(DATA).await;
    pen.send(Packet { ack: 1 << 30, ..Packet::default() }).await;
    assert_eq!(pen.receive(DATA).await, sent, "it is sent once more");
    carry_messages(&mut a, &mut b).await;
}

#[tokio::test]
async fn a_peer_that_takes_nothing_leaves_nothing_behind() {
    let dht = host().await;
    let of_dht = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (mut a, mut b) = pair(&dht).await;
    let pen = Guest::enter(&dht, &a, 10).await.pen;
    // What opens the stream at our end waits until the peer has room for it.
    pen.send(Packet { kind: HEARTBEAT, window: 0, ..Packet::default() }).await;
    pen.receive(0).await;
    carry_messages(&mut a, &mut b).await;
    a.leave().await;
    b.leave().await;
    has_tasks(of_dht).await;
}

/// Two that are connected still hear each other.
async fn carry_messages(a: &mut Peer, b: &mut Peer) {
    a.send(b.key(), b"there".to_vec()).await.expect("is queued");
    assert_eq!(b.message_from(a.key()).await, b"there");
    b.send(a.key(), b"back".to_vec()).await.expect("is queued");
    assert_eq!(a.message_from(b.key()).await, b"back");
}

/// A task that ticks as long as nothing keeps the process busy.
struct Heart {
    stop: CancellationToken,
    longest: JoinHandle<Duration>,
}

impl Heart {
    fn start() -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let longest = tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            while !stopped.is_cancelled() {
                let began = Instant::now();
                sleep(Duration::from_millis(10)).await;
                longest = longest.max(began.elapsed());
            }
            longest
        });
        Self { stop, longest }
    }

    async fn beats_on(self) {
        self.stop.cancel();
        let longest = self.longest.await.expect("ticks");
        assert!(longest < STALL, "nothing ran for {longest:?}");
    }
}

/// A packet of the transport, but for the id of the stream.
#[derive(Debug, Eq, PartialEq)]
struct Packet {
    kind: u8,
    window: u32,
    seq: u32,
    ack: u32,
    /// What stands before the payload: ranges that were received.
    extra: Vec<u8>,
    payload: Vec<u8>,
}

impl Default for Packet {
    fn default() -> Self {
        Self { kind: 0, window: 1 << 22, seq: 0, ack: 0, extra: vec![], payload: vec![] }
    }
}

impl Packet {
    fn encode(&self, id: u32) -> Vec<u8> {
        let offset = u8::try_from(self.extra.len()).expect("31 ranges at most");
        let numbers = [id, self.window, self.seq, self.ack].map(u32::to_le_bytes).concat();
        [&[0xff, 1, self.kind, offset], &numbers[..], &self.extra, &self.payload].concat()
    }

    fn decode(bytes: &[u8]) -> Self {
        let (extra, payload) = bytes[20..].split_at(usize::from(bytes[3]));
        let [window, seq, ack] = [8, 12, 16].map(|at| number(&bytes[at..]));
        Self { kind: bytes[2], window, seq, ack, extra: extra.to_vec(), payload: payload.to_vec() }
    }
}

/// The number that `bytes` begin with.
fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"))
}

/// Writes packets to one stream.
#[derive(Debug)]
struct Pen {
    socket: UdpSocket,
    id: u32,
    to: SocketAddr,
}

impl Pen {
    async fn send(&self, packet: Packet) {
        self.socket.send_to(&packet.encode(self.id), self.to).await.expect("is sent");
    }

    /// The next packet of this kind, and no other.
    async fn receive(&self, kind: u8) -> Packet {
        let mut bytes = vec![0; 2_048];
        let received = async {
            loop {
                let length = self.socket.recv(&mut bytes).await.expect("comes");
                assert_eq!(number(&bytes[4..]), OUR_ID);
                let packet = Packet::decode(&bytes[..length]);
                if packet.kind == kind {
                    return packet;
                }
            }
        };
        timeout(PATIENCE, received).await.expect("comes in time")
    }
}

/// Somebody who has shaken hands, and knows the id of the stream that waits for the first packet.
struct Guest {
    key: PeerKey,
    noise: NoiseWrapResult,
    pen: Pen,
}

impl Guest {
    async fn enter(dht: &Bootstrap, peer: &Peer, seed: u8) -> Self {
        let mut config = HyperDhtConfig::default();
        config.dht.bootstrap = vec![dht.address().to_string()];
        config.dht.host = dht.address().ip().to_string();
        let runtime = UdxRuntime::new().expect("a runtime");
        let (_tasks, node, _requests) = hyperdht::spawn(&runtime, config).await.expect("starts");
        node.bootstrapped().await.expect("enters");
        let (mut noise, request) = handshake(peer, [seed; 32], OUR_ID);
        let (host, port) = (dht.address().ip().to_string(), dht.address().port());
        let answer = node.dht().request(request, &host, port).await.expect("is relayed");
        node.destroy().await.expect("ends");
        let answer = decode_handshake_from_bytes(&answer.value.expect("is answered"));
        let answer = answer.expect("a handshake");
        let payload = noise.recv(&answer.noise).expect("is meant for us");
        let id = u32::try_from(payload.udx.expect("a stream").id).expect("is short");
        assert!(id >= 1 << 16, "{id} can be guessed");
        let to = answer.peer_address.expect("is relayed");
        let to = SocketAddr::new(to.host.parse().expect("an address"), to.port);
        let key = PeerKey::new(KeyPair::from_seed([seed; 32]).public_key);
        let noise = noise.finalize().expect("is over");
        Self { key, noise, pen: Pen { socket: raw().await, id, to } }
    }

    /// The same, who has sent the first packet, and has all that waits for it to itself.
    async fn bind(dht: &Bootstrap, peer: &Peer, seed: u8) -> Pen {
        let pen = Self::enter(dht, peer, seed).await.pen;
        pen.send(Packet { kind: HEARTBEAT, ..Packet::default() }).await;
        pen
    }

    /// Opens the stream as an honest peer does, from a socket of its own.
    async fn open(&self) -> (SecretStream<UdxAsyncStream>, UdxSocket) {
        let runtime = UdxRuntime::new().expect("a runtime");
        let socket = bound(&runtime).await;
        let stream = runtime.create_stream(OUR_ID).await.expect("a stream");
        stream.connect(&socket, self.pen.id, self.pen.to).await.expect("is begun");
        let NoiseWrapResult { tx, rx, handshake_hash, remote_public_key, .. } = self.noise;
        let stream = stream.into_async_stream();
        let opened =
            SecretStream::from_session(true, stream, tx, rx, handshake_hash, remote_public_key);
        (timeout(PATIENCE, opened).await.expect("in time").expect("is opened"), socket)
    }
}

async fn raw() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.expect("a port")
}

async fn bound(runtime: &UdxRuntime) -> UdxSocket {
    let socket = runtime.create_socket().await.expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    socket
}
