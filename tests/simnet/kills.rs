//! `kill -9` in hundreds: `cargo test --test kills`, four minutes on two cores.
//!
//! The daemon is killed at any moment and under traffic on the simulated network, one daemon for
//! all or either of two owners; `TIGHTROPE_SEED` has the same again.
//!
//! The rounds are spread over several networks that run at once, and over many channels: a payment
//! that was intended and never sent blocks its channel until its node still does not know it 60 s
//! after its invoice expired.

#[path = "../regtest/harness.rs"]
#[expect(dead_code, reason = "the scenarios use more of it")]
mod harness;
#[path = "../regtest/trial.rs"]
mod trial;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::Arguments;
use serde_json::json;
use tightrope::ids::PaymentHash;

use crate::harness::channel::{Link, Open};
use crate::harness::daemon::Daemon;
use crate::harness::dht::Dht;
use crate::harness::ground::Ground;
use crate::harness::journal::Journal;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::{Lnd20, Lnd21};
use crate::harness::random::Random;
use crate::harness::traffic::Traffic;
use crate::harness::{proof, wait};

/// How many networks there are of each kind, and how often each sees its daemon killed: a hundred
/// times one owner, a hundred times either of two.
const NETWORKS: u64 = 2;
const ROUNDS: usize = 50;
/// How many networks run at once.
const TRIALS_MAX: usize = 4;
/// How many channels there are: a round seldom finds its channel blocked by an earlier one.
const CHANNELS: usize = 20;
/// Every how many rounds a node is restarted too, with a payment on its way.
const RESTART_EACH: usize = 12;
/// How long after a drift the daemon is killed at the latest: most payments have ended by then.
const DELAY_MS_MAX: u64 = 400;
/// How many records a payment leaves, with one of two owners at least.
const RECORDS: u64 = 4;
/// How often they are looked at, and how long they are waited for: a cap may be in the way.
const STEP: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(2);
/// What an HTLC of a restarted node's payment may have got through by then.
const RESTART_DELAY_MS_MAX: u64 = 120;
/// What each node may pay within the period: four or five drifts, so that it is often in the way.
const CAP_SAT: u64 = 1_500_000;
const PERIOD: Duration = Duration::from_secs(8);
/// What drifts at least, and how much more at most.
const DRIFT_SAT_MIN: u64 = 200_000;
const DRIFT_SAT_SPREAD: u64 = 150_000;
/// What a payment of the traffic moves, and how often one goes each way.
const TRAFFIC_SAT: i64 = 2_000;
const TRAFFIC_PERIOD: Duration = Duration::from_millis(200);
/// How long until all is at rest after the last kill: an invoice lives 60 s, and 60 s more must
/// pass; then the drift is mended.
const REST_LIMIT: Duration = Duration::from_secs(180);
/// What the owners share.
const SECRET: &str = "what the owners of these tests share";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They wait most of the time.
    arguments.test_threads.get_or_insert(TRIALS_MAX);
    let mut trials = Vec::new();
    for n in 0..NETWORKS {
        for (owners, who) in [(1, "one_owner"), (2, "either_owner")] {
            let name = format!("{who}_killed_at_any_moment_pays_no_hash_twice_{n}");
            let killed = move || pays_no_hash_twice(n, owners);
            trials.push(trial::trial(Ground::Simulated, name, killed));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// No hash is dispatched twice, each payment ends once, no cap is exceeded at any moment, the logs
/// are whole, and all channels come to rest.
async fn pays_no_hash_twice(n: u64, owners: usize) {
    let mut random = Random::seeded().apart(n);
    let versions = if n.is_multiple_of(2) { [Lnd21, Lnd21] } else { [Lnd20, Lnd21] };
    let mut network = Network::start(&versions).await;
    let dht = Dht::start(network.folder()).await;
    let links = network.open(&[Open::even(ALICE, BOB, 1_000_000); CHANNELS]).await;
    let mut daemons = daemons(&network, &dht, owners).await;
    for daemon in &mut daemons {
        daemon.watches(CHANNELS).await;
    }
    let ways = [network.way(links[0], ALICE).await, network.way(links[0], BOB).await];
    let traffic = Traffic::start(ways, TRAFFIC_SAT, TRAFFIC_PERIOD);

    let (mut drifts, mut met) = (0, BTreeSet::new());
    for round in 0..ROUNDS {
        let link = links[round % CHANNELS];
        let killed = usize::try_from(random.below(2)).expect("one or the other") % owners;
        let daemon = &mut daemons[killed];
        let before = records(daemon, link);
        drifts += usize::from(drift(&network, link, &mut random).await);
        if round % RESTART_EACH == RESTART_EACH - 1 {
            let place = if random.below(2) == 0 { ALICE } else { BOB };
            tokio::time::sleep(Duration::from_millis(random.below(RESTART_DELAY_MS_MAX))).await;
            network[place].kill();
            network[place].start_again().await;
            network.wait_until_active(link).await;
        }
        let delay = Duration::from_millis(random.below(DELAY_MS_MAX));
        if random.below(2) == 0 {
            // As soon as so much is recorded of the drift, unless nothing comes of it for now.
            let count = before + 1 + usize::try_from(random.below(RECORDS)).expect("a few");
            let recorded = wait::until_by(STEP, "it is recorded", REST_LIMIT, async || {
                (records(daemon, link) >= count).then_some(())
            });
            let _ = tokio::time::timeout(PATIENCE, recorded).await;
        } else {
            tokio::time::sleep(delay).await;
        }
        daemon.kill9();
        met.extend(without_end(&daemon.journal()));
        daemon.start();
    }
    assert!(2 * drifts > ROUNDS, "only {drifts} payments drifted a channel");
    assert!(traffic.arrived() > 0, "no traffic arrived");
    traffic.stop().await;
    assert!(!met.is_empty(), "no restart found a payment without an end");
    all_is_well(&network, &links, daemons, met.len()).await;
}

/// One daemon for both nodes, or one for each, started.
async fn daemons(network: &Network, dht: &Dht, owners: usize) -> Vec<Daemon> {
    let mut daemons = Vec::new();
    for owned in network.nodes().chunks(network.nodes().len() / owners) {
        let mut daemon = Daemon::of(network, owned).await;
        daemon.limit("maxTransactionsPerPeriod", json!(1_000));
        daemon.limit("maxAmountPerPeriod", json!(CAP_SAT));
        daemon.limit("limitsPeriod", json!(format!("{}s", PERIOD.as_secs())));
        if owners > 1 {
            daemon.meet(dht, SECRET);
        }
        daemon.start();
        daemons.push(daemon);
    }
    daemons
}

/// Has the richer end of a channel pay the other; whether that arrived.
async fn drift(network: &Network, link: Link, random: &mut Random) -> bool {
    let local = network.view(link, ALICE).await;
    let rich = if local.local_balance > local.remote_balance { ALICE } else { BOB };
    let sat = DRIFT_SAT_MIN + random.below(DRIFT_SAT_SPREAD);
    let sat = i64::try_from(sat).expect("less than a channel has");
    network.way(link, rich).await.pay(sat).await.is_ok()
}

/// How many records there are about a channel.
fn records(daemon: &Daemon, link: Link) -> usize {
    let journal = daemon.journal();
    journal.transactions.iter().filter(|line| line.channel_point == Some(link.point)).count()
}

/// The payments that are intended, and of which no end is recorded.
fn without_end(journal: &Journal) -> BTreeSet<PaymentHash> {
    let hashes = |record| journal.of(record).filter_map(|line| line.payment_hash);
    let ended: BTreeSet<_> = hashes("paymentSettled").chain(hashes("paymentFailed")).collect();
    hashes("paymentIntended").filter(|hash| !ended.contains(hash)).collect()
}

#[expect(clippy::print_stderr, reason = "how near the kills came is for people")]
async fn all_is_well(network: &Network, links: &[Link], mut daemons: Vec<Daemon>, met: usize) {
    for link in links {
        let what = format!("{} is at rest within the deadzone", link.point);
        wait::until(&what, REST_LIMIT, async || {
            let balances = network.agreed_balances(*link, ALICE).await;
            let poor = balances.local.min(balances.remote);
            (10 * (poor + 1) >= 4 * (balances.local + balances.remote)).then_some(())
        })
        .await;
    }
    let mut all = Journal::default();
    for daemon in &mut daemons {
        daemon.comes_to_rest(REST_LIMIT).await;
        daemon.stop().await;
        daemon.obeys(&["audit", "verify"]).await;
        all = all.and(daemon.journal());
    }
    proof::check(network, &all).await;
    let cap = CAP_SAT * 1_000;
    let counted = network.nodes().iter();
    let counted = counted.map(|node| proof::stays_within(&all, node.id(), cap, PERIOD));
    let most = counted.max().expect("some node");
    assert!(2 * most > cap, "the cap was never near: {most} msat of {cap} at the most");
    let [paid, unknown] = ["paymentSettled", "paymentUnknown"].map(|record| all.of(record).count());
    let near = 100 * most / cap;
    eprintln!(
        "simnet: {ROUNDS} kills, {met} payments met without an end, {paid} payments, {unknown} \
         outcomes asked for, {near} % of the cap at the most"
    );
}
