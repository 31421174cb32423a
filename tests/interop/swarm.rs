//! Our swarm and `hyperswarm@4`, on loopback: who dials whom, what is said, how each ends.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tightrope::ids::PeerKey;
use tightrope::swarm::{Bootstrap, Gone, Settings, SwarmEvent};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use peers::{PATIENCE, Peer, host, settings, topic};

#[path = "../it/swarm/churn.rs"]
mod churn;
#[path = "../it/swarm/crowd.rs"]
mod crowd;
#[path = "../it/swarm/peers.rs"]
#[expect(dead_code, reason = "the other suite uses more of it")]
mod peers;

/// The documents of a conversation, by their sizes: of one packet, of some, of many.
const SIZES: [usize; 20] = [
    10, 500, 5_000, 60_000, 11, 501, 5_001, 60_001, 12, 502, 5_002, 60_002, 13, 503, 5_003, 65_535,
    14, 504, 5_004, 65_536,
];

pub(crate) fn we_dial_node() {
    converse(Roles { node_announces: true, node_looks_up: false }, false);
}

pub(crate) fn node_dials_us() {
    converse(Roles { node_announces: false, node_looks_up: true }, false);
}

pub(crate) fn node_and_we_dial_each_other() {
    for _ in 0..3 {
        converse(Roles { node_announces: true, node_looks_up: true }, false);
    }
}

pub(crate) fn a_firewalled_node_and_we_find_each_other() {
    converse(Roles { node_announces: true, node_looks_up: true }, true);
}

pub(crate) fn a_node_that_is_killed_is_noticed_within_15_s() {
    run(async {
        let (_dht, mut us, mut node) = meet(&[]).await;
        node.child.kill().await.expect("is killed");
        let killed = Instant::now();
        assert_eq!(us.lost(node.key).await, Gone::Silent);
        assert!(killed.elapsed() < Duration::from_secs(15), "after {:?}", killed.elapsed());
    });
}

pub(crate) fn a_node_that_takes_leave_is_heard() {
    run(async {
        let (_dht, mut us, mut node) = meet(&[]).await;
        node.input.write_all(b"leave\n").await.expect("is heard");
        assert_eq!(us.lost(node.key).await, Gone::Closed);
    });
}

pub(crate) fn node_hears_us_take_leave() {
    run(async {
        let (_dht, us, mut node) = meet(&[]).await;
        us.leave().await;
        node.hears("end").await;
        assert_eq!(node.hears("close").await["error"], Value::Null);
    });
}

pub(crate) fn a_node_that_says_too_much_is_dropped() {
    run(async {
        let (_dht, mut us, node) = meet(&[70_000]).await;
        assert_eq!(us.lost(node.key).await, Gone::TooLong);
    });
}

pub(crate) fn nodes_meet_over_our_dht() {
    run(async {
        let dht = host().await;
        let both = Roles { node_announces: true, node_looks_up: true };
        let mut first = Node::start(dht.address(), &both, false, &[10]).await;
        first.hears("joined").await;
        let mut second = Node::start(dht.address(), &both, false, &[20]).await;
        let heard = first.hears("document").await;
        assert_eq!(heard["sha256"], sha256(&document(0, 20)));
        let heard = second.hears("document").await;
        assert_eq!(heard["sha256"], sha256(&document(0, 10)));
    });
}

/// Beyond what Node takes part in: how long a node of the DHT takes to be given up.
pub(crate) fn a_dht_that_comes_back_is_joined_again() {
    run(async {
        let dht = host().await;
        let address = dht.address();
        let free = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = free.local_addr().expect("is bound").port();
        drop(free);
        let mut a = Peer::join_with(1, Settings { port, ..settings(address) });
        let mut b = Peer::join(2, &dht);
        a.connected_to(b.key()).await;
        b.connected_to(a.key()).await;
        dht.close().await;
        a.within(Duration::from_secs(120), |event| {
            matches!(event, SwarmEvent::Offline { .. }).then_some(())
        })
        .await;
        let dht = Bootstrap::listen(address).await.expect("the port is free again");
        a.joined().await;
        let mut c = Peer::join(3, &dht);
        a.connected_to(c.key()).await;
        c.connected_to(a.key()).await;
        a.send(b.key(), b"still here".to_vec()).await.expect("was connected all the time");
        assert_eq!(b.message_from(a.key()).await, b"still here");
    });
}

#[expect(clippy::print_stderr, reason = "the figure is for people")]
pub(crate) fn forty_peers_all_meet() {
    run(async { eprintln!("40 peers have met after {:?}", crowd::meet(40).await) });
}

pub(crate) fn peers_that_come_and_go_for_a_minute_meet_in_the_end() {
    churn::churn(Ipv4Addr::new(127, 0, 0, 24), Duration::from_secs(60), 60);
}

/// What the Node side does; ours always does both.
struct Roles {
    node_announces: bool,
    node_looks_up: bool,
}

/// Has a Node peer and ours meet, over our DHT and over Node's, and say all documents both ways.
fn converse(roles: Roles, is_firewalled: bool) {
    run(async {
        let ours = host().await;
        let (_testnet, theirs) = testnet().await;
        for bootstrap in [ours.address(), theirs] {
            let settings = Settings { firewalled: is_firewalled, ..settings(bootstrap) };
            let mut us = Peer::join_with(1, settings);
            if !roles.node_announces {
                // Node looks once, and then not again for ten minutes.
                us.joined().await;
            }
            let mut node = Node::start(bootstrap, &roles, is_firewalled, &SIZES).await;
            us.connected_to(node.key).await;
            for (n, size) in SIZES.into_iter().enumerate() {
                us.send(node.key, document(n, size)).await.expect("is queued");
            }
            for (n, size) in SIZES.into_iter().enumerate() {
                let said = us.message_from(node.key).await;
                assert!(said == document(n, size), "document {n} of {size} bytes is another");
            }
            for (n, size) in SIZES.into_iter().enumerate() {
                let heard = node.hears("document").await;
                assert_eq!(heard["sha256"], sha256(&document(n, size)), "{n} of {size} bytes");
            }
            us.leave().await;
        }
    });
}

/// A Node peer and ours, connected over our DHT.
async fn meet(sizes: &[usize]) -> (Bootstrap, Peer, Node) {
    let dht = host().await;
    let mut us = Peer::join(1, &dht);
    us.joined().await;
    let both = Roles { node_announces: true, node_looks_up: true };
    let mut node = Node::start(dht.address(), &both, false, sizes).await;
    us.connected_to(node.key).await;
    node.hears("connection").await;
    (dht, us, node)
}

/// The document with the number `n`, as `peer.mjs` makes it.
fn document(n: usize, size: usize) -> Vec<u8> {
    let mut document = format!("{n}:").into_bytes();
    document.resize(size, b'x');
    document
}

fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// A peer in JavaScript.
struct Node {
    key: PeerKey,
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Node {
    async fn start(
        bootstrap: SocketAddr,
        roles: &Roles,
        is_firewalled: bool,
        sizes: &[usize],
    ) -> Self {
        let settings = json!({
            "bootstrap": bootstrap.to_string(),
            "topic": topic().to_string(),
            "server": roles.node_announces,
            "client": roles.node_looks_up,
            "firewalled": is_firewalled,
            "sizes": sizes,
        });
        let (child, input, lines) = start("peer.mjs", &settings.to_string());
        let mut node = Self { key: PeerKey::new([0; 32]), child, input, lines };
        let ready = node.hears("ready").await;
        node.key = ready["peer"].as_str().expect("is text").parse().expect("a key");
        node
    }

    /// The next event of this name that it tells; others are passed over.
    async fn hears(&mut self, event: &str) -> Value {
        let told = async {
            loop {
                let line = self.lines.next_line().await.expect("is text").expect("still runs");
                let told: Value = serde_json::from_str(&line).expect("is JSON");
                if told["event"] == event {
                    return told;
                }
            }
        };
        let told = tokio::time::timeout(PATIENCE, told).await;
        told.unwrap_or_else(|_| panic!("no {event} comes"))
    }
}

/// A DHT in JavaScript, which ends with what is returned first, and where it is entered.
async fn testnet() -> ((Child, ChildStdin), SocketAddr) {
    let (child, input, mut lines) = start("testnet.mjs", "");
    let line = lines.next_line().await.expect("is text").expect("is told");
    let ready: Value = serde_json::from_str(&line).expect("is JSON");
    let port = ready["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
    ((child, input), SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
}

fn start(script: &str, settings: &str) -> (Child, ChildStdin, Lines<BufReader<ChildStdout>>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    let mut child = Command::new("node")
        .arg(path)
        .arg(settings)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node runs");
    let input = child.stdin.take().expect("is piped");
    let lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
    (child, input, lines)
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test);
}
