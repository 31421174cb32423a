//! Our node of the DHT: kept in touch with others, and told where we are.
//!
//! The DHT asks its bootstrap nodes once and never again, so they are asked here whenever the node
//! has lost everybody. It is never replaced: connections and a forwarded port hang on its socket.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use libudx::{UdxRuntime, UdxSocket};
use peeroxide_dht::crypto::hash;
use peeroxide_dht::holepuncher::Holepuncher;
use peeroxide_dht::hyperdht::{
    self, DEFAULT_BOOTSTRAP, HyperDhtConfig, HyperDhtError, HyperDhtHandle, KeyPair, ServerEvent,
};
use peeroxide_dht::hyperdht_messages::LOOKUP;
use peeroxide_dht::messages::Ipv4Peer;
use peeroxide_dht::rpc::UserRequestParams;
use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::actor::Notice;
use super::book::back_off;
use super::records::{self, RECORDS_MAX, Record};
use super::{Settings, SwarmError, SwarmEvent, addresses};
use crate::ids::Topic;

/// The waits between announcements. Peers that start together find each other in the first ones;
/// the last is well within the twenty minutes that the DHT remembers us.
const ANNOUNCE_WAITS: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// The first waits of a crowd, and the longest one. Where a node of the DHT gives out all the
/// records that it keeps of a topic, there are more peers: whom they name changes with each
/// announcement, so we ask more often.
const CROWD_WAIT_FIRST: Duration = Duration::from_secs(1);
const CROWD_WAIT_MAX: Duration = Duration::from_secs(60);

/// How many of the first waits there are before they double.
const CROWD_ROUNDS: usize = 12;

/// How long until the bootstrap nodes have answered: the DHT gives up after four tries of 1 s.
const BOOTSTRAP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one announcement or one search may take.
const ROUND_TIMEOUT: Duration = Duration::from_secs(30);

/// How many announcements in a row are lost before we count as offline.
const SILENT_ROUNDS_MAX: u32 = 2;

/// How often a node at rest is asked whether it still knows anybody; it pings those itself.
const LONELINESS_CHECK: Duration = Duration::from_secs(10);

/// The longest wait until nodes are looked for again, or the port is tried again.
const OFFLINE_WAIT_MAX: Duration = Duration::from_secs(30);

/// How long until a node that has died is started again: its socket is closed by then.
const RESTART_WAIT: Duration = Duration::from_secs(1);

/// How long a node may take to end.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the DHT is given to forget us.
const UNANNOUNCE_TIMEOUT: Duration = Duration::from_secs(2);

/// What stands for one node that was started, as long as that lives.
#[derive(Clone)]
pub(super) struct Net {
    pub(super) dht: HyperDhtHandle,
    /// The socket that streams go through.
    pub(super) socket: UdxSocket,
    /// The address that we listen on.
    pub(super) host: IpAddr,
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
#[derive(Debug)]
pub(super) struct Node {
    dht: Dht,
    /// Its task, which cannot be aborted from here: it has more of its own.
    served: JoinHandle<Result<(), HyperDhtError>>,
}

/// What commands a node, and ends it when dropped.
struct Dht(HyperDhtHandle);

impl std::fmt::Debug for Dht {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dht(..)")
    }
}

impl Node {
    /// Starts a node.
    pub(super) async fn start(
        config: HyperDhtConfig,
    ) -> Result<(Self, mpsc::UnboundedReceiver<ServerEvent>), HyperDhtError> {
        let (served, dht, requests) = hyperdht::spawn(&UdxRuntime::new()?, config).await?;
        Ok((Self { dht: Dht(dht), served }, requests))
    }

    pub(super) fn dht(&self) -> &HyperDhtHandle {
        &self.dht.0
    }

    /// Ends it, and waits until its sockets are closed, as far as no stream uses them.
    pub(super) async fn end(self) {
        drop(self.dht);
        // How it ends is of no account any longer.
        drop(timeout(END_TIMEOUT, self.served).await);
    }
}

impl Drop for Dht {
    fn drop(&mut self) {
        // The node's tasks end by this message alone, and it is sent before anything is awaited.
        let destroyed = pin!(self.0.destroy());
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
    /// Runs until the swarm is left. If it should panic where that does not end the process, the
    /// swarm is left, and whoever reads its events sees their end.
    pub(super) async fn attend(self) {
        let _leaves = self.stop.clone().drop_guard();
        while let Some(started) = self.stop.run_until_cancelled(self.start()).await {
            let (mut node, net, requests) = started;
            let dht = node.dht().clone();
            let stay = async {
                tokio::select! {
                    () = self.stay(&dht, net, requests) => {}
                    // Of itself it ends only by a panic.
                    _ = &mut node.served => {}
                }
            };
            if self.stop.run_until_cancelled(stay).await.is_none() {
                self.take_leave(&dht).await;
                return node.end().await;
            }
            self.notify(Notice::Down).await;
            self.tell(SwarmEvent::Offline { reason: SwarmError::NodeDied }).await;
            drop(node);
            self.stop.run_until_cancelled(sleep(RESTART_WAIT)).await;
        }
    }

    /// Starts a node, however long its port is taken.
    async fn start(&self) -> (Node, Net, mpsc::UnboundedReceiver<ServerEvent>) {
        let address = SocketAddr::new(self.settings.host, self.settings.port);
        let mut fails = 0;
        loop {
            let source = match self.try_to_start().await {
                Ok(started) => return started,
                Err(error) => Box::new(error),
            };
            if fails == 0 {
                let reason = SwarmError::Listen { address, source };
                self.tell(SwarmEvent::Offline { reason }).await;
            }
            sleep(back_off(fails, chance()).min(OFFLINE_WAIT_MAX)).await;
            fails += 1;
        }
    }

    async fn try_to_start(
        &self,
    ) -> Result<(Node, Net, mpsc::UnboundedReceiver<ServerEvent>), HyperDhtError> {
        let mut config = HyperDhtConfig::default();
        config.dht.bootstrap = self.bootstrap();
        config.dht.host = self.settings.host.to_string();
        config.dht.port = self.settings.port;
        config.dht.firewalled = self.settings.firewalled;
        let (node, requests) = Node::start(config).await?;
        let dht = node.dht().clone();
        let socket = dht.server_socket().await?.ok_or(HyperDhtError::Destroyed)?;
        let port = socket.local_addr().await?.port();
        dht.register_server(&hash(&self.me.public_key));
        Ok((node, Net { dht, socket, host: self.settings.host, port }, requests))
    }

    /// The nodes over which the DHT is entered, `host:port`, the host perhaps as `address@name`.
    fn bootstrap(&self) -> Vec<String> {
        if self.settings.bootstrap.is_empty() {
            return DEFAULT_BOOTSTRAP.map(str::to_owned).to_vec();
        }
        self.settings.bootstrap.clone()
    }

    /// Announces us and looks for others, as long as the node lives.
    async fn stay(
        &self,
        dht: &HyperDhtHandle,
        net: Net,
        requests: mpsc::UnboundedReceiver<ServerEvent>,
    ) {
        let (port, told) = (net.port, net.addresses().await);
        self.notify(Notice::Up { net: net.clone(), told, requests }).await;
        // It cannot fail while the node runs; that nobody was found is seen below.
        drop(timeout(BOOTSTRAP_TIMEOUT, dht.bootstrapped()).await);
        let (mut presence, mut round, mut fails) = (Presence::Unknown, 0, 0);
        loop {
            let Ok(known) = dht.table_size().await else { return };
            let near = if known == 0 { None } else { self.announce(dht).await };
            let Some(near) = near else {
                fails += 1;
                if presence != Presence::Offline && (known == 0 || fails > SILENT_ROUNDS_MAX) {
                    presence = Presence::Offline;
                    let reason = SwarmError::NoNodes { bootstrap: self.bootstrap().join(", ") };
                    self.tell(SwarmEvent::Offline { reason }).await;
                }
                sleep(back_off(fails, chance()).min(OFFLINE_WAIT_MAX)).await;
                self.find_nodes(dht).await;
                round = 0;
                continue;
            };
            if presence != Presence::Joined {
                presence = Presence::Joined;
                self.tell(SwarmEvent::Joined { port }).await;
            }
            fails = 0;
            let is_crowd = self.look_up(dht, near).await;
            self.notify(Notice::Told(net.addresses().await)).await;
            rest(dht, announce_wait(round, is_crowd, chance())).await;
            round += 1;
        }
    }

    /// Asks the nodes that the DHT is entered over once more: those that answer are known again.
    async fn find_nodes(&self, dht: &HyperDhtHandle) {
        for node in self.bootstrap() {
            let Some((host, port)) = node.rsplit_once(':') else { continue };
            let Ok(port) = port.parse::<u16>() else { continue };
            let host = host.split_once('@').map_or(host, |(address, _)| address);
            let named = timeout(ROUND_TIMEOUT, lookup_host((host, port))).await;
            let Ok(Ok(addresses)) = named else { continue };
            for address in addresses.filter(SocketAddr::is_ipv4) {
                if let Err(error) = dht.dht().ping(&address.ip().to_string(), port).await {
                    tracing::debug!(%address, %error, "no DHT node answers");
                }
            }
        }
    }

    /// Tells the DHT where we are, and names the nodes that keep the topic's records; `None` where
    /// no node answers.
    async fn announce(&self, dht: &HyperDhtHandle) -> Option<Vec<Ipv4Peer>> {
        let key = hash(&self.me.public_key);
        let announced = async {
            // First ourselves: the nodes that take that in are those that others dial us over.
            let found = dht.announce(key, &self.me, &[]).await?;
            let relays = dht.current_relay_addresses();
            let near = dht.announce(*self.topic.as_bytes(), &self.me, &relays).await?;
            let is_heard = !found.closest_nodes.is_empty();
            Ok::<_, HyperDhtError>(is_heard.then_some(near.closest_nodes))
        };
        timeout(ROUND_TIMEOUT, announced).await.ok()?.ok()?
    }

    /// Asks the nodes `near` the topic who else is there; true where there are more than they say.
    async fn look_up(&self, dht: &HyperDhtHandle, near: Vec<Ipv4Peer>) -> bool {
        let mut asked = JoinSet::new();
        for node in near {
            asked.spawn(records_of(dht.clone(), node, self.topic));
        }
        let (mut found, mut is_crowd) = (Vec::new(), false);
        let answered = async {
            while let Some(answer) = asked.join_next().await {
                let Ok(Some(records)) = answer else { continue };
                is_crowd |= records.len() >= RECORDS_MAX;
                found.extend(records);
            }
        };
        // What was answered by then counts.
        drop(timeout(ROUND_TIMEOUT, answered).await);
        for (_, relays) in &mut found {
            relays.retain(|relay| addresses::usable(relay, self.settings.host).is_some());
        }
        self.notify(Notice::Found(found)).await;
        is_crowd
    }

    /// Has the DHT forget us.
    async fn take_leave(&self, dht: &HyperDhtHandle) {
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

/// What was told last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Presence {
    Unknown,
    Joined,
    Offline,
}

/// The records of the topic that `node` keeps; `None` where it does not say.
async fn records_of(dht: HyperDhtHandle, node: Ipv4Peer, topic: Topic) -> Option<Vec<Record>> {
    let mut request = UserRequestParams::default();
    request.command = LOOKUP;
    request.target = Some(*topic.as_bytes());
    let reply = dht.dht().request(request, &node.host, node.port).await.ok()?;
    records::decode(&reply.value?)
}

/// Whether the node knows no other.
async fn is_alone(dht: &HyperDhtHandle) -> bool {
    dht.table_size().await.unwrap_or(0) == 0
}

/// Waits, but no longer than the node knows another.
async fn rest(dht: &HyperDhtHandle, wait: Duration) {
    let end = Instant::now() + wait;
    while Instant::now() < end && !is_alone(dht).await {
        sleep_until(end.min(Instant::now() + LONELINESS_CHECK)).await;
    }
}

/// The wait after the round with this number: up to a fifth less than planned, so that peers that
/// started together do not ask together for ever. In a crowd it is up to three quarters less, so
/// that it is not always the same ones whose announcements are the latest.
fn announce_wait(round: usize, is_crowd: bool, chance: u8) -> Duration {
    let planned = ANNOUNCE_WAITS[round.min(ANNOUNCE_WAITS.len() - 1)];
    let doublings = round.saturating_sub(CROWD_ROUNDS).min(8);
    let crowd = CROWD_WAIT_FIRST.saturating_mul(1 << doublings).min(CROWD_WAIT_MAX);
    // 256 is all that chance can be, of which a fifth and three quarters count.
    let (wait, whole) = if is_crowd { (planned.min(crowd), 340) } else { (planned, 1_280) };
    wait - wait * u32::from(chance) / whole
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
        let crowd = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 60];
        check(true, 0, &crowd.map(|s| s * 1_000));
    }

    #[tokio::test]
    async fn a_node_that_dies_is_started_again() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let dht = super::super::Bootstrap::listen(SocketAddr::new(loopback, 0)).await;
        let dht = dht.expect("a port");
        let (events, mut told) = mpsc::channel(64);
        let (notices, mut noticed) = mpsc::channel(64);
        let stop = CancellationToken::new();
        let attendant = Attendant {
            settings: Settings {
                bootstrap: vec![dht.address().to_string()],
                host: loopback,
                port: 0,
                peers_max: 1,
                firewalled: false,
            },
            me: KeyPair::from_seed([1; 32]),
            topic: Topic::new([7; 32]),
            events,
            notices,
            stop: stop.clone(),
        };
        let attending = tokio::spawn(attendant.attend());
        for _ in 0..2 {
            let net = until(&mut noticed, |notice| {
                let Notice::Up { net, .. } = notice else { return None };
                Some(net)
            });
            let net = net.await;
            until(&mut told, |event| matches!(event, SwarmEvent::Joined { .. }).then_some(()))
                .await;
            net.dht.destroy().await.expect("dies");
            until(&mut noticed, |notice| matches!(notice, Notice::Down).then_some(())).await;
            until(&mut told, |event| {
                matches!(event, SwarmEvent::Offline { reason: SwarmError::NodeDied }).then_some(())
            })
            .await;
        }
        // It has just died, and waits: that does not delay the leave.
        stop.cancel();
        timeout(Duration::from_secs(5), attending).await.expect("in time").expect("no panic");
    }

    /// The first of which `pick` makes something.
    async fn until<T, U>(from: &mut mpsc::Receiver<T>, pick: impl Fn(T) -> Option<U>) -> U {
        let picked = async {
            loop {
                if let Some(picked) = pick(from.recv().await.expect("there is more")) {
                    return picked;
                }
            }
        };
        timeout(Duration::from_secs(60), picked).await.expect("comes in time")
    }
}
