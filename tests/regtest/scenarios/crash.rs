//! `kill -9` at any moment of a payment.

use std::time::Duration;

use serde_json::json;

use crate::harness::channel::{Link, Open};
use crate::harness::daemon::Daemon;
use crate::harness::journal::Journal;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::Lnd21;
use crate::harness::proof;

use super::{REBALANCE_LIMIT, UNKNOWN_LIMIT};

/// How often the daemon is killed: once for each channel, so that a payment whose outcome is
/// unknown holds up no other.
const KILLS: usize = 10;
/// How many records of a payment are waited for at most: opened, invoice, intent.
const RECORDS_MAX: u64 = 3;
/// How long after such a record the daemon is killed at most; a payment takes about 100 ms.
const DELAY_MS_MAX: u64 = 120;
/// Less than the least payment.
const LEFT_SAT: u64 = 999;

/// Each drift sees its kill at a random point: after one of the first records, and up to 120 ms
/// later. No hash is paid twice, each payment ends once, all drifts are mended, and what was paid
/// counts.
pub(crate) async fn killed_at_any_moment_it_pays_no_hash_twice_and_forgets_none() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let links = network.open(&[Open::even(ALICE, BOB, 1_000_000); KILLS]).await;
    let mut daemon = Daemon::new(&network).await;
    daemon.limit("maxTransactionsPerPeriod", json!(1_000));
    daemon.start();
    daemon.watches(KILLS).await;

    let mut random = Random::seeded();
    for link in &links {
        let records = 1 + random.below(RECORDS_MAX);
        let delay = Duration::from_millis(random.below(DELAY_MS_MAX));
        kill_in_a_payment(&network, &mut daemon, *link, records, delay).await;
        daemon.start();
    }
    for link in &links {
        daemon.settles(*link, 1, UNKNOWN_LIMIT).await;
    }
    daemon.comes_to_rest(UNKNOWN_LIMIT).await;
    for link in &links {
        network.agreed_balances(*link, ALICE).await.assert_even();
    }
    proof::check(&network, &daemon.journal()).await;
    daemon.stop().await;

    the_budget_is_what_was_paid(&network, &mut daemon, links[0]).await;
}

/// Lets a channel drift, and kills the daemon `delay` after so many records of its payment.
async fn kill_in_a_payment(
    network: &Network,
    daemon: &mut Daemon,
    link: Link,
    records: u64,
    delay: Duration,
) {
    network.drift(link, ALICE, 300_000).await;
    let what = format!("there are {records} records on {}", link.point);
    let about = |journal: &Journal| {
        let lines = journal.transactions.iter();
        let lines = lines.filter(|line| line.channel_point == Some(link.point));
        u64::try_from(lines.count()).expect("a few")
    };
    daemon
        .wait_for(&what, REBALANCE_LIMIT, |journal| (about(journal) >= records).then_some(()))
        .await;
    tokio::time::sleep(delay).await;
    daemon.kill9();
}

/// Restarted with a cap that leaves less than a payment, the daemon knows to the sat what is left.
async fn the_budget_is_what_was_paid(network: &Network, daemon: &mut Daemon, link: Link) {
    let journal = daemon.journal();
    let paid: u64 = proof::counted(&journal, network[BOB].id()).iter().sum();
    daemon.limit("maxAmountPerPeriod", json!(paid / 1000 + LEFT_SAT));
    daemon.start();
    daemon.watches(KILLS).await;
    network.drift(link, ALICE, 300_000).await;
    let refusal = daemon.refuses(link, "maxAmountPerPeriod").await;
    assert_eq!(refusal["left"], LEFT_SAT * 1000);
    daemon.stop().await;
    assert_eq!(
        daemon.journal().of("paymentIntended").count(),
        journal.of("paymentIntended").count()
    );
}

/// Numbers that look random, the same for the same seed (SplitMix64).
struct Random(u64);

impl Random {
    /// From the seed in `TIGHTROPE_SEED`, or one that is told.
    #[expect(clippy::print_stderr, reason = "a failure can be had again with the seed")]
    fn seeded() -> Self {
        let given = std::env::var("TIGHTROPE_SEED").ok();
        let given = given.map(|seed| seed.parse().expect("TIGHTROPE_SEED is a number"));
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
        eprintln!("regtest: kill -9 with TIGHTROPE_SEED={seed}");
        Self(seed)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
