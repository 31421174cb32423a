//! Peers for tests, each of which waits for what is expected of it, and for no more than so long.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use tightrope::ids::{PeerKey, Topic};
use tightrope::swarm::{Bootstrap, Gone, SendError, Settings, Swarm, SwarmEvent};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};

/// Longer than anything takes here, on a machine that has much else to do.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

/// Has a panic of the swarm's own tasks end the process, as it does in a release build: nobody
/// waits for what they return, so a test would not notice.
fn heed_panics() {
    static HEEDED: Once = Once::new();
    HEEDED.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            tell(info);
            let ours = ["src/swarm", "libudx", "peeroxide-dht"];
            let place = info.location().map_or("", |place| place.file());
            if ours.iter().any(|path| place.contains(path)) && !place.starts_with("tests/") {
                std::process::abort();
            }
        }));
    });
}

/// A DHT of its own for a test.
pub(super) async fn host() -> Bootstrap {
    host_on(Ipv4Addr::LOCALHOST).await
}

/// The same on one of the other addresses of the loopback interface, whose sockets can be told
/// from those of other tests.
pub(super) async fn host_on(ip: Ipv4Addr) -> Bootstrap {
    Bootstrap::listen(SocketAddr::new(ip.into(), 0)).await.expect("a port")
}

/// How many UDP sockets of this machine are bound to `ip`.
pub(super) fn sockets_on(ip: Ipv4Addr) -> usize {
    let table = std::fs::read_to_string("/proc/net/udp").expect("linux tells");
    let hex = format!(" {:08X}:", u32::from_le_bytes(ip.octets()));
    table.lines().filter(|line| line.contains(&hex)).count()
}

/// Waits until this runtime has `count` tasks: those of the DHT end soon after it is told to.
pub(super) async fn has_tasks(count: usize) {
    let ended = async {
        while Handle::current().metrics().num_alive_tasks() > count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(5), ended).await.is_err() {
        let tasks = Handle::current().metrics().num_alive_tasks();
        panic!("{tasks} tasks are left of {count}");
    }
}

pub(super) fn topic() -> Topic {
    Topic::new([7; 32])
}

/// Settings to enter the DHT over `bootstrap`.
pub(super) fn settings(bootstrap: SocketAddr) -> Settings {
    Settings {
        bootstrap: vec![bootstrap.to_string()],
        host: bootstrap.ip(),
        port: 0,
        peers_max: 64,
        firewalled: false,
    }
}

/// A peer and what it is told. That the events of each peer come in order is always checked.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) swarm: Swarm,
    pub(super) connected: BTreeSet<PeerKey>,
    events: mpsc::Receiver<SwarmEvent>,
}

impl Peer {
    /// The peer with the identity `seed` joins.
    pub(super) fn join(seed: u8, dht: &Bootstrap) -> Self {
        Self::join_with(seed, settings(dht.address()))
    }

    pub(super) fn join_with(seed: u8, settings: Settings) -> Self {
        heed_panics();
        let (swarm, events) = Swarm::join(settings, [seed; 32], topic()).expect("good settings");
        Self { swarm, connected: BTreeSet::new(), events }
    }

    pub(super) fn key(&self) -> PeerKey {
        self.swarm.key()
    }

    /// Trusts whoever is connected.
    pub(super) fn trust_all(&self) {
        self.connected.iter().for_each(|key| self.swarm.trust(*key));
    }

    pub(super) async fn send(&self, to: PeerKey, message: Vec<u8>) -> Result<(), SendError> {
        self.swarm.send(to, message).await
    }

    /// The next event.
    pub(super) async fn next(&mut self) -> SwarmEvent {
        let event = self.events.recv().await.expect("the swarm was not left");
        match &event {
            SwarmEvent::Joined { .. } | SwarmEvent::Offline { .. } => {}
            SwarmEvent::Connected { peer, .. } => {
                assert!(self.connected.insert(*peer), "{peer} is connected twice");
            }
            SwarmEvent::Message { peer, .. } => {
                assert!(self.connected.contains(peer), "{peer} sends before it is connected");
            }
            SwarmEvent::Disconnected { peer, .. } => {
                assert!(self.connected.remove(peer), "{peer} is disconnected twice");
            }
        }
        event
    }

    /// The first event from now on of which `pick` makes something; others are passed over.
    pub(super) async fn until<T>(&mut self, pick: impl FnMut(SwarmEvent) -> Option<T>) -> T {
        self.within(PATIENCE, pick).await
    }

    /// The same, for so long.
    pub(super) async fn within<T>(
        &mut self,
        patience: Duration,
        mut pick: impl FnMut(SwarmEvent) -> Option<T>,
    ) -> T {
        let picked = async {
            loop {
                if let Some(picked) = pick(self.next().await) {
                    return picked;
                }
            }
        };
        tokio::time::timeout(patience, picked).await.expect("comes in time")
    }

    /// Waits until so many events are there, and reads none.
    pub(super) async fn has_unread(&self, count: usize) {
        let come = async {
            while self.events.len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, come).await.expect("come in time");
    }

    pub(super) async fn joined(&mut self) {
        self.until(|event| matches!(event, SwarmEvent::Joined { .. }).then_some(())).await;
    }

    pub(super) async fn offline(&mut self) {
        self.until(|event| matches!(event, SwarmEvent::Offline { .. }).then_some(())).await;
    }

    /// Waits until `key` is connected, if it is not.
    pub(super) async fn connected_to(&mut self, key: PeerKey) {
        if !self.connected.contains(&key) {
            self.until(|event| {
                matches!(event, SwarmEvent::Connected { peer, .. } if peer == key).then_some(())
            })
            .await;
        }
    }

    pub(super) async fn message_from(&mut self, key: PeerKey) -> Vec<u8> {
        self.until(|event| {
            let SwarmEvent::Message { peer, bytes, .. } = event else { return None };
            (peer == key).then_some(bytes)
        })
        .await
    }

    pub(super) async fn lost(&mut self, key: PeerKey) -> Gone {
        self.until(|event| {
            let SwarmEvent::Disconnected { peer, reason } = event else { return None };
            (peer == key).then_some(reason)
        })
        .await
    }

    pub(super) async fn leave(&self) {
        tokio::time::timeout(Duration::from_secs(5), self.swarm.leave()).await.expect("in time");
    }
}

/// Makes two peers connected.
pub(super) async fn pair(dht: &Bootstrap) -> (Peer, Peer) {
    let (mut a, mut b) = (Peer::join(1, dht), Peer::join(2, dht));
    a.connected_to(b.key()).await;
    b.connected_to(a.key()).await;
    (a, b)
}

/// A peer that answers every message with the same, in a thread that can die like a process.
#[derive(Debug)]
pub(super) struct Doomed {
    kill: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Doomed {
    pub(super) fn join(seed: u8, dht: &Bootstrap) -> Self {
        let (kill, killed) = oneshot::channel();
        let settings = settings(dht.address());
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut peer = Peer::join_with(seed, settings);
                let echo = async {
                    loop {
                        if let SwarmEvent::Message { peer: from, bytes, .. } = peer.next().await {
                            peer.swarm.send(from, bytes).await.expect("has room");
                        }
                    }
                };
                tokio::select! {
                    () = echo => {}
                    _ = killed => {}
                }
            });
            // All tasks end where they are; nothing is sent any longer.
            runtime.shutdown_background();
        });
        Self { kill, thread }
    }

    /// Dies without a word.
    pub(super) fn kill(self) {
        self.kill.send(()).expect("lives until now");
        self.thread.join().expect("has not panicked");
    }
}
