//! From drift to settled: the daemon, and in turn a bare client on a channel of its own. Once with
//! one daemon for both nodes, and once with a daemon for each, which meet over a private DHT.
//!
//! The clock of both starts when the later of the two nodes has told of the drift without its HTLC
//! pending, and stops at the answer that the payment is settled; lnd's own word for when it was
//! settled stands beside it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tightrope::ids::ChannelPoint;
use tightrope::rpc::lnrpc;
use tightrope::rpc::lnrpc::channel_event_update::Channel as Update;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::harness::channel::{Balances, Link, Open};
use crate::harness::daemon::Daemon;
use crate::harness::dht::Dht;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Node;
use crate::harness::node::Version::Lnd21;
use crate::thousandths;

/// How many drifts are measured for each of the two.
const DRIFTS: usize = 100;
/// How many go before them, unmeasured.
const WARM_UP: usize = 5;
/// What drifts.
const DRIFT_SAT: i64 = 300_000;
/// How long one of the two may take.
const TURN_LIMIT: Duration = Duration::from_secs(20);
/// How many sightings may wait to be looked at; a payment makes four.
const SIGHTINGS_MAX: usize = 256;

/// How long one drift took, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Until the answer came.
    answered: u64,
    /// Until lnd settled it, by its own word.
    settled: u64,
}

/// Measures, and prints both tables.
pub(crate) async fn print() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let links = network.open(&[Open::even(ALICE, BOB, 1_000_000); 2]).await;
    let [kept, bare] = links.try_into().expect("two channels");

    let keepers = vec![Daemon::new(&network).await];
    table("one owner", &network, keepers, kept, bare).await;

    let dht = Dht::start(network.folder()).await;
    let mut keepers = Vec::new();
    for node in network.nodes() {
        let mut daemon = Daemon::of(&network, [node]).await;
        daemon.meet(&dht, "what the two owners share");
        keepers.push(daemon);
    }
    table("two owners over the swarm", &network, keepers, kept, bare).await;
}

/// Measures with these daemons, and prints the table.
#[expect(clippy::print_stdout, reason = "the figures are the program's output")]
async fn table(name: &str, network: &Network, mut keepers: Vec<Daemon>, kept: Link, bare: Link) {
    let scid = tightrope::ids::Scid::new(network.view(bare, ALICE).await.chan_id);
    for daemon in &mut keepers {
        daemon.limit("minTimeBetweenPayments", json!("1ms"));
        daemon.limit("maxTransactionsPerPeriod", json!(1_000));
        daemon.limit("refreshRate", json!(10));
        daemon.config["log"]["level"] = json!("info");
        // Nothing on the other channel makes the daemon ask.
        daemon.config["limits"]["idSettings"] =
            json!([{ "id": scid.to_string(), "deadzone": 0.5 }]);
        daemon.start();
    }
    for daemon in &mut keepers {
        daemon.watches(2).await;
    }
    let (daemons, clients) = measure(network, &mut keepers, kept, bare).await;
    for daemon in &mut keepers {
        daemon.stop().await;
    }
    println!("{name}: drift to settled, {DRIFTS} drifts each, in turns, ms:");
    println!("                     p50      p99   settled by lnd's word: p50      p99");
    row("tightrope", &daemons);
    row("a bare client", &clients);
    let [ours, theirs] = [&daemons, &clients].map(|samples| quantile(samples, 50, |s| s.answered));
    println!("p50 by p50: {}", thousandths(1000 * ours / theirs));
}

/// Lets both channels drift by turns.
async fn measure(
    network: &Network,
    keepers: &mut [Daemon],
    kept: Link,
    bare: Link,
) -> (Vec<Sample>, Vec<Sample>) {
    // The channel is brought to the half first, so that each drift is the same. Bob pays it.
    network.drift(kept, ALICE, DRIFT_SAT).await;
    let bob = keepers.last_mut().expect("a daemon");
    bob.records("paymentSettled", kept, 1, TURN_LIMIT).await;
    let mut sightings = Sightings::start(network);
    let back = network.way(bare, BOB).await;
    let height = back.height().await.expect("a height");
    let (mut starts, mut clients) = (Vec::new(), Vec::new());
    for turn in 0..WARM_UP + DRIFTS {
        let even = network.agreed_balances(kept, ALICE).await;
        network.drift(kept, ALICE, DRIFT_SAT).await;
        starts.push(sightings.drifted(kept, even).await);
        sightings.even(kept, even).await;

        let even = network.agreed_balances(bare, ALICE).await;
        network.drift(bare, ALICE, DRIFT_SAT).await;
        sightings.drifted(bare, even).await;
        let start = unix_us();
        back.pay_at(height, DRIFT_SAT).await.expect("a payment back");
        clients.push((start, unix_us()));
        sightings.even(bare, even).await;
        assert_eq!(starts.len(), turn + 1);
    }
    let settled = settled_at(&network[BOB]).await;
    let journal = keepers.last().expect("a daemon").journal();
    let ours =
        journal.on("paymentSettled", kept.point).skip(1).zip(&starts).map(|(line, start)| {
            let hash = line.payment_hash.expect("a payment has its hash").to_string();
            // The record has whole milliseconds, rounded down.
            let answered = (line.timestamp + 1) * 1000 - start;
            Sample { answered, settled: settled[&hash].1 - start }
        });
    let scid = network.view(bare, BOB).await.chan_id;
    let mut theirs: Vec<u64> =
        settled.values().filter(|(over, _)| *over == scid).map(|(_, at)| *at).collect();
    theirs.sort_unstable();
    // Those of an earlier table go before.
    let theirs = theirs.split_off(theirs.len() - clients.len());
    let theirs = theirs.into_iter().zip(&clients).map(|(settled, (start, answered))| Sample {
        answered: answered - start,
        settled: settled - start,
    });
    (ours.skip(WARM_UP).collect(), theirs.skip(WARM_UP).collect())
}

/// Over which channel and when each payment of a node was settled, by its hash.
async fn settled_at(node: &Node) -> BTreeMap<String, (u64, u64)> {
    let payments = node.payments().await.into_iter().filter_map(|payment| {
        let htlc = payment.htlcs.into_iter().next()?;
        let scid = htlc.route?.hops.first()?.chan_id;
        let at = u64::try_from(htlc.resolve_time_ns / 1000).ok()?;
        Some((payment.payment_hash, (scid, at)))
    });
    payments.collect()
}

/// What the nodes tell of their channels, as it comes.
struct Sightings {
    seen: mpsc::Receiver<Sighting>,
    listeners: Vec<JoinHandle<()>>,
}

/// One state of a channel without anything in flight, as one of its nodes told it.
struct Sighting {
    place: usize,
    point: String,
    local: i64,
    at_us: u64,
}

impl Sightings {
    fn start(network: &Network) -> Self {
        let (sender, seen) = mpsc::channel(SIGHTINGS_MAX);
        let listeners = [ALICE, BOB].map(|place| {
            let (rpc, sender) = (network[place].rpc().clone(), sender.clone());
            tokio::spawn(async move {
                let request = lnrpc::ChannelEventSubscription {};
                let events = rpc.lightning().subscribe_channel_events(request).await;
                let mut events = events.expect("events").into_inner();
                while let Ok(Some(event)) = events.message().await {
                    let at_us = unix_us();
                    let Some(Update::UpdatedChannel(update)) = event.channel else { continue };
                    let channel = update.channel.expect("a channel");
                    let (point, local) = (channel.channel_point, channel.local_balance);
                    let sighting = Sighting { place, point, local, at_us };
                    if channel.pending_htlcs.is_empty() && sender.send(sighting).await.is_err() {
                        return;
                    }
                }
            })
        });
        Self { seen, listeners: listeners.into() }
    }

    /// When the later of both nodes told that a channel has drifted from `even`, seen by Alice.
    async fn drifted(&mut self, link: Link, even: Balances) -> u64 {
        self.shows(link.point, [even.local - DRIFT_SAT, even.remote + DRIFT_SAT]).await
    }

    /// When the later of both nodes told that it is even again.
    async fn even(&mut self, link: Link, even: Balances) -> u64 {
        self.shows(link.point, [even.local, even.remote]).await
    }

    /// When the later of both nodes told that it has this balance.
    async fn shows(&mut self, point: ChannelPoint, balances: [i64; 2]) -> u64 {
        let point = point.to_string();
        let mut told = [None; 2];
        let both = async {
            loop {
                let seen = self.seen.recv().await.expect("the nodes tell on");
                if seen.point == point && seen.local == balances[seen.place] {
                    told[seen.place].get_or_insert(seen.at_us);
                }
                if let [Some(alice), Some(bob)] = told {
                    return alice.max(bob);
                }
            }
        };
        timeout(TURN_LIMIT, both).await.expect("both nodes tell of a payment")
    }
}

impl Drop for Sightings {
    fn drop(&mut self) {
        self.listeners.iter().for_each(JoinHandle::abort);
    }
}

/// The wall clock, which lnd and the daemon's records go by too.
fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.expect("after 1970").as_micros()).expect("a time")
}

#[expect(clippy::print_stdout, reason = "the figures are the program's output")]
fn row(name: &str, samples: &[Sample]) {
    let figure = |percent, of: fn(&Sample) -> u64| {
        let ms_by_ten = quantile(samples, percent, of) / 100;
        format!("{}.{}", ms_by_ten / 10, ms_by_ten % 10)
    };
    println!(
        "{name:<16} {:>7} {:>8} {:>28} {:>8}",
        figure(50, |sample| sample.answered),
        figure(99, |sample| sample.answered),
        figure(50, |sample| sample.settled),
        figure(99, |sample| sample.settled),
    );
}

fn quantile(samples: &[Sample], percent: usize, of: fn(&Sample) -> u64) -> u64 {
    let mut figures: Vec<u64> = samples.iter().map(of).collect();
    figures.sort_unstable();
    figures[(figures.len() * percent).div_ceil(100) - 1]
}
