//! Our node of the DHT: started again while nobody answers it, and told where we are.
//!
//! The DHT asks its bootstrap nodes once and never again, so a node that has lost everybody is
//! given up for another.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use libudx::{UdxRuntime, UdxSocket};
use peeroxide_dht::crypto::hash;
use peeroxide_dht::holepuncher::Holepuncher;
use peeroxide_dht::hyperdht::{
    self, HyperDhtConfig, HyperDhtError, HyperDhtHandle, KeyPair, ServerEvent,
};
use peeroxide_dht::messages::Ipv4Peer;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::actor::Notice;
use super::book::back_off;
use super::{Settings, SwarmError, SwarmEvent, addresses};
use crate::ids::{PeerKey, Topic};

/// The waits between announcements. Peers that start together find each other in the first ones;
/// the last is well within the twenty minutes that the DHT remembers us.
const ANNOUNCE_WAITS: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// How many records a node of the DHT gives out, and keeps, of one topic. Where there are so many
/// there are more: whom they name changes with each announcement, so we ask more often.
const RECORDS_MAX: usize = 20;

/// The first waits of a crowd, and the longest one.
const CROWD_WAIT_FIRST: Duration = Duration::from_secs(1);
const CROWD_WAIT_MAX: Duration = Duration::from_secs(60);

/// How many of the first waits there are before they double.
const CROWD_ROUNDS: usize = 8;

/// How long until the bootstrap nodes have answered: the DHT gives up after four tries of 1 s.
const BOOTSTRAP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one announcement or one search may take.
const ROUND_TIMEOUT: Duration = Duration::from_secs(30);

/// How many announcements in a row nobody answers before the node is given up.
const SILENT_ROUNDS_MAX: u32 = 2;

/// How often a node at rest is asked whether it still knows anybody; it pings those itself.
const LONELINESS_CHECK: Duration = Duration::from_secs(10);

/// The longest wait until the DHT is entered anew.
const OFFLINE_WAIT_MAX: Duration = Duration::from_secs(30);

/// How long the DHT is given to forget us.
const UNANNOUNCE_TIMEOUT: Duration = Duration::from_secs(2);

/// What stands for one node that was started, as long as that lives.
#[derive(Clone)]
pub(super) struct Net {
    pub(super) dht: HyperDhtHandle,
    /// The socket that streams go through.
    pub(super) socket: UdxSocket,
    host: IpAddr,
    port: u16,
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net").field("host", &self.host).field("port", &self.port).finish()
    }
}

impl Net {
    /// The addresses to tell peers.
    pub(super) async fn addresses(&self) -> Vec<Ipv4Peer> {
        let mut known = self.dht.noise_addresses4(self.port).await;
        known.push(Ipv4Peer { host: self.host.to_string(), port: self.port });
        let local = Holepuncher::local_addresses(self.port);
        let local: Vec<IpAddr> =
            local.iter().filter_map(addresses::socket).map(|address| address.ip()).collect();
        addresses::advertised(known, &local, self.host)
    }

    /// Whether the DHT sees us where it sees the peer.
    pub(super) async fn shares_our_nat(&self, seen: &Ipv4Peer) -> bool {
        let ours = self.dht.remote_address().await.ok().flatten();
        let is_loopback = addresses::socket(seen).is_some_and(|seen| seen.ip().is_loopback());
        is_loopback || ours.is_some_and(|ours| ours.host == seen.host)
    }
}

/// A running node, which ends when this is dropped.
pub(super) struct Node {
    dht: HyperDhtHandle,
}

impl Node {
    /// Starts a node.
    pub(super) async fn start(
        config: HyperDhtConfig,
    ) -> Result<(Self, mpsc::UnboundedReceiver<ServerEvent>), HyperDhtError> {
        let (_, dht, requests) = hyperdht::spawn(&UdxRuntime::new()?, config).await?;
        Ok((Self { dht }, requests))
    }

    pub(super) fn dht(&self) -> &HyperDhtHandle {
        &self.dht
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The node's tasks end by this message alone, and it is sent before anything is awaited.
        let destroyed = pin!(self.dht.destroy());
        drop(destroyed.poll(&mut Context::from_waker(Waker::noop())));
    }
}

/// Keeps us in the DHT under `topic` until the swarm is left.
pub(super) struct Attendant {
    pub(super) settings: Settings,
    pub(super) me: KeyPair,
    pub(super) topic: Topic,
    pub(super) events: mpsc::Sender<SwarmEvent>,
    pub(super) notices: mpsc::Sender<Notice>,
    pub(super) stop: CancellationToken,
}

impl Attendant {
    /// Runs until the swarm is left.
    pub(super) async fn attend(self) {
        let (mut fails, mut is_told) = (0, false);
        loop {
            let (reason, has_joined) = match self.stop.run_until_cancelled(self.enter()).await {
                None => return,
                Some(Ok((node, net, requests))) => {
                    let stayed = self.stay(&node, net, requests);
                    let has_joined = self.stop.run_until_cancelled(stayed).await;
                    let Some(has_joined) = has_joined else { return self.take_leave(&node).await };
                    self.notify(Notice::Down).await;
                    (self.no_nodes(), has_joined)
                }
                Some(Err(reason)) => (reason, false),
            };
            if has_joined {
                (fails, is_told) = (0, false);
            }
            tracing::debug!("the swarm is offline: {reason}");
            if !is_told {
                self.tell(SwarmEvent::Offline { reason }).await;
            }
            is_told = true;
            let wait = back_off(fails, chance()).min(OFFLINE_WAIT_MAX);
            fails = fails.saturating_add(1);
            if self.stop.run_until_cancelled(sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Starts a node, and makes sure that it is not alone.
    async fn enter(&self) -> Result<(Node, Net, mpsc::UnboundedReceiver<ServerEvent>), SwarmError> {
        let Settings { host, port, .. } = self.settings;
        let listen = |source| SwarmError::Listen {
            address: SocketAddr::new(host, port),
            source: Box::new(source),
        };
        let (node, requests) = Node::start(self.config()).await.map_err(listen)?;
        let dht = node.dht().clone();
        let entered = async {
            dht.bootstrapped().await?;
            dht.table_size().await
        };
        if !timeout(BOOTSTRAP_TIMEOUT, entered).await.is_ok_and(|size| size.is_ok_and(|n| n > 0)) {
            return Err(self.no_nodes());
        }
        let socket = dht.server_socket().await.map_err(listen)?;
        let socket = socket.ok_or_else(|| listen(HyperDhtError::Destroyed))?;
        let address = socket.local_addr().await.map_err(|error| listen(error.into()))?;
        dht.register_server(&hash(&self.me.public_key));
        let net = Net { dht, socket, host, port: address.port() };
        Ok((node, net, requests))
    }

    fn config(&self) -> HyperDhtConfig {
        let mut config = HyperDhtConfig::with_public_bootstrap();
        if !self.settings.bootstrap.is_empty() {
            config.dht.bootstrap.clone_from(&self.settings.bootstrap);
        }
        config.dht.host = self.settings.host.to_string();
        config.dht.port = self.settings.port;
        config.dht.firewalled = self.settings.firewalled;
        config
    }

    fn no_nodes(&self) -> SwarmError {
        SwarmError::NoNodes { bootstrap: self.config().dht.bootstrap.join(", ") }
    }

    /// Announces us and looks for others until no node answers. Says whether one ever did.
    async fn stay(
        &self,
        node: &Node,
        net: Net,
        requests: mpsc::UnboundedReceiver<ServerEvent>,
    ) -> bool {
        let (port, told) = (net.port, net.addresses().await);
        let (mut has_joined, mut silent) = (false, 0);
        self.notify(Notice::Up { net: net.clone(), told, requests }).await;
        for round in 0.. {
            if self.announce(node.dht()).await {
                silent = 0;
                if !has_joined {
                    has_joined = true;
                    self.tell(SwarmEvent::Joined { port }).await;
                }
            } else {
                silent += 1;
            }
            if silent >= SILENT_ROUNDS_MAX {
                break;
            }
            let is_crowd = self.look_up(node.dht()).await;
            self.notify(Notice::Told(net.addresses().await)).await;
            let round = if silent > 0 { 0 } else { round };
            let wait = announce_wait(round, is_crowd, chance());
            if !self.rest(node.dht(), wait).await {
                break;
            }
        }
        has_joined
    }

    /// Tells the DHT where we are; false where no node answers.
    async fn announce(&self, dht: &HyperDhtHandle) -> bool {
        let key = hash(&self.me.public_key);
        let announced = async {
            // First ourselves: the nodes that take that in are those that others dial us over.
            let found = dht.announce(key, &self.me, &[]).await?;
            let relays = dht.current_relay_addresses();
            dht.announce(*self.topic.as_bytes(), &self.me, &relays).await?;
            Ok::<_, HyperDhtError>(!found.closest_nodes.is_empty())
        };
        timeout(ROUND_TIMEOUT, announced).await.is_ok_and(|heard| heard.unwrap_or(false))
    }

    /// Asks the DHT who else is there; true where there are more than it says.
    async fn look_up(&self, dht: &HyperDhtHandle) -> bool {
        let looked_up = timeout(ROUND_TIMEOUT, dht.lookup(*self.topic.as_bytes())).await;
        let Ok(Ok(results)) = looked_up else { return false };
        let is_crowd = results.iter().any(|result| result.peers.len() >= RECORDS_MAX);
        let records = results.into_iter().flat_map(|result| result.peers);
        let peers = records.map(|record| (PeerKey::new(record.public_key), record.relay_addresses));
        self.notify(Notice::Found(peers.collect())).await;
        is_crowd
    }

    /// Waits; false as soon as the node has lost everybody.
    async fn rest(&self, dht: &HyperDhtHandle, wait: Duration) -> bool {
        let end = Instant::now() + wait;
        while Instant::now() < end {
            sleep_until(end.min(Instant::now() + LONELINESS_CHECK)).await;
            if dht.table_size().await.unwrap_or(0) == 0 {
                return false;
            }
        }
        true
    }

    /// Has the DHT forget us.
    async fn take_leave(&self, node: &Node) {
        let dht = node.dht();
        let (topic, key) = (*self.topic.as_bytes(), hash(&self.me.public_key));
        let forgotten =
            async { tokio::join!(dht.unannounce(topic, &self.me), dht.unannounce(key, &self.me)) };
        drop(timeout(UNANNOUNCE_TIMEOUT, forgotten).await);
        dht.unregister_server(&key);
    }

    async fn tell(&self, event: SwarmEvent) {
        // Nobody listens any longer when it cannot be told, and then the actor leaves.
        drop(self.stop.run_until_cancelled(self.events.send(event)).await);
    }

    async fn notify(&self, notice: Notice) {
        // The actor ends before this task only when the swarm is left.
        drop(self.stop.run_until_cancelled(self.notices.send(notice)).await);
    }
}

/// The wait after the round with this number: up to a fifth less than planned, so that peers that
/// started together do not ask together for ever.
fn announce_wait(round: usize, is_crowd: bool, chance: u8) -> Duration {
    let planned = ANNOUNCE_WAITS[round.min(ANNOUNCE_WAITS.len() - 1)];
    let doublings = round.saturating_sub(CROWD_ROUNDS).min(8);
    let crowd = CROWD_WAIT_FIRST.saturating_mul(1 << doublings).min(CROWD_WAIT_MAX);
    let wait = if is_crowd { planned.min(crowd) } else { planned };
    wait - wait * u32::from(chance) / 1_280
}

/// A byte by chance; the machine that has none waits longest.
pub(super) fn chance() -> u8 {
    let mut byte = [255];
    getrandom::fill(&mut byte).map_or(255, |()| byte[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_become_rare_and_in_a_crowd_less_so() {
        let check = |is_crowd, chance, expected: &[u64]| {
            let waits = (0..).map(|round| announce_wait(round, is_crowd, chance).as_millis());
            let expected: Vec<u128> = expected.iter().map(|ms| u128::from(*ms)).collect();
            assert_eq!(waits.take(expected.len()).collect::<Vec<_>>(), expected);
        };
        check(false, 0, &[2_000, 10_000, 60_000, 300_000, 300_000]);
        check(false, 128, &[1_800, 9_000, 54_000, 270_000, 270_000]);
        let crowd = [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 60, 60, 60];
        check(true, 0, &crowd.map(|s| s * 1_000));
    }
}
