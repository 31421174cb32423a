//! Peers that join, leave and die at random, and what must be so in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tightrope::ids::PeerKey;
use tightrope::swarm::Settings;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::peers::{PATIENCE, Peer, has_tasks, host_on, settings, sockets_on};

/// Twenty peers join, leave and die for `span`, as the seed has it; then they must all meet, and
/// leave nothing behind. Their sockets are on `ip`, where nobody else's are. Says how it went.
pub(super) fn churn(ip: Ipv4Addr, span: Duration, seed: u64) -> String {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let dht = runtime.block_on(host_on(ip));
    let (stop_dht, dht_stopped) = oneshot::channel::<()>();
    let settings = settings(dht.address());
    let hosting = thread::spawn(move || {
        runtime.block_on(async {
            drop(dht_stopped.await);
            dht.close().await;
            has_tasks(0).await;
        });
    });

    let mut chance = Chance(seed);
    let (mut alive, mut ending) = (BTreeMap::<u8, Life>::new(), BTreeMap::new());
    let (mut left, mut killed, end) = (0, 0, Instant::now() + span);
    while Instant::now() < end {
        let slot = u8::try_from(1 + chance.below(20)).expect("is small");
        match alive.remove(&slot) {
            None => {
                ending.remove(&slot).into_iter().for_each(join);
                alive.insert(slot, Life::begin(slot, &settings));
            }
            Some(life) if chance.below(2) == 0 => {
                ending.insert(slot, life.end(End::Leave));
                left += 1;
            }
            Some(life) => {
                ending.insert(slot, life.end(End::Kill));
                killed += 1;
            }
        }
        thread::sleep(Duration::from_millis(chance.below(100)));
    }
    ending.into_values().for_each(join);
    for slot in 1..=20 {
        alive.entry(slot).or_insert_with(|| Life::begin(slot, &settings));
    }
    let calm = Instant::now();
    while let Some(why) = who_has_not_met(&alive) {
        assert!(calm.elapsed() < PATIENCE, "{why}");
        thread::sleep(Duration::from_millis(20));
    }
    let met = calm.elapsed();
    let ending: Vec<_> = alive.into_values().map(|life| life.end(End::Leave)).collect();
    ending.into_iter().for_each(join);
    drop(stop_dht);
    join(hosting);
    assert_eq!(sockets_on(ip), 0);
    format!("{left} left and {killed} died; all met {met:?} after the last")
}

/// Names one who is not connected with exactly those who live.
fn who_has_not_met(alive: &BTreeMap<u8, Life>) -> Option<String> {
    let keys: BTreeSet<PeerKey> = alive.values().map(|life| life.key).collect();
    alive.iter().find_map(|(slot, life)| {
        let mut met = life.connected.lock().expect("nobody panicked").clone();
        met.insert(life.key);
        let (lost, ghosts) = (keys.difference(&met).count(), met.difference(&keys).count());
        let has_met = (lost, ghosts) == (0, 0);
        (!has_met).then(|| format!("peer {slot} lacks {lost} and keeps {ghosts} that are gone"))
    })
}

/// How a life ends.
enum End {
    Leave,
    Kill,
}

/// A peer in a thread of its own, from joining to leaving or dying.
struct Life {
    key: PeerKey,
    connected: Arc<Mutex<BTreeSet<PeerKey>>>,
    end: oneshot::Sender<End>,
    thread: thread::JoinHandle<()>,
}

impl Life {
    fn begin(seed: u8, settings: &Settings) -> Self {
        let (end, mut ended) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _inside = runtime.enter();
        let mut peer = Peer::join_with(seed, settings.clone());
        let key = peer.key();
        let connected = Arc::new(Mutex::new(BTreeSet::new()));
        let shown = connected.clone();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let end = loop {
                    tokio::select! {
                        end = &mut ended => break end.expect("says how"),
                        _ = peer.next() => {
                            shown.lock().expect("nobody panicked").clone_from(&peer.connected);
                        }
                    }
                };
                if matches!(end, End::Leave) {
                    peer.leave().await;
                    has_tasks(0).await;
                }
            });
            runtime.shutdown_background();
        });
        Self { key, connected, end, thread }
    }

    /// Has it end, and returns what must be joined before the next life.
    fn end(self, end: End) -> thread::JoinHandle<()> {
        assert!(self.end.send(end).is_ok(), "the peer has panicked");
        self.thread
    }
}

fn join(thread: thread::JoinHandle<()>) {
    thread.join().expect("has not panicked");
}

/// Numbers by chance, the same ones for the same seed (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}
