//! `kill -9` at any moment of a payment.

use std::time::Duration;

use serde_json::json;

use crate::harness::channel::{Link, Open};
use crate::harness::daemon::Daemon;
use crate::harness::dht::Dht;
use crate::harness::journal::Journal;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::Lnd21;
use crate::harness::random::Random;
use crate::harness::{proof, wait};

use super::{MEETING_LIMIT, REBALANCE_LIMIT, SECRET, UNKNOWN_LIMIT};

/// How often the daemon is killed: once for each channel, so that a payment whose outcome is
/// unknown holds up no other.
const KILLS: usize = 10;
/// How many records a payment between two nodes of one daemon leaves: opened, invoice, intent, and
/// the end at either side.
const RECORDS: u64 = 5;
/// How many records a payment leaves with either of two owners.
const RECORDS_OF_ONE: u64 = 3;
/// How long after the drift it may be killed at the latest: most payments have ended by then.
const DELAY_MS_MAX: u64 = 400;
/// How often the records are looked at: the first three come within a few milliseconds.
const STEP: Duration = Duration::from_millis(1);
/// Less than the least payment.
const LEFT_SAT: u64 = 999;

/// Each drift sees its kill at a random point: as one of its records is written, or some time
/// after the drift. No hash is paid twice, each payment ends once, all drifts are mended, and
/// what was paid counts.
#[expect(clippy::print_stderr, reason = "how near the kills came is for people")]
pub(crate) async fn killed_at_any_moment_it_pays_no_hash_twice_and_forgets_none() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let links = network.open(&[Open::even(ALICE, BOB, 1_000_000); KILLS]).await;
    let mut daemon = Daemon::new(&network).await;
    daemon.limit("maxTransactionsPerPeriod", json!(1_000));
    daemon.start();
    daemon.watches(KILLS).await;

    let mut random = Random::seeded();
    for (turn, link) in links.iter().enumerate() {
        let moment = match turn % 2 {
            0 => Moment::Record(1 + random.below(RECORDS)),
            _ => Moment::Later(Duration::from_millis(random.below(DELAY_MS_MAX))),
        };
        network.drift(*link, ALICE, 300_000).await;
        wait_for_moment(&daemon, *link, moment).await;
        daemon.kill9();
        daemon.start();
    }
    for link in &links {
        daemon.settles(*link, 1, UNKNOWN_LIMIT).await;
    }
    daemon.comes_to_rest(UNKNOWN_LIMIT).await;
    for link in &links {
        network.agreed_balances(*link, ALICE).await.assert_even();
    }
    let journal = daemon.journal();
    proof::check(&network, &journal).await;
    let unknown = journal.of("paymentUnknown").count();
    eprintln!("regtest: {KILLS} kills left {unknown} payments whose outcome had to be asked for");
    daemon.stop().await;

    the_budget_is_what_was_paid(&network, &mut daemon, links[0]).await;
}

/// The same between two owners: each of the two daemons is killed at ten random points, as payee
/// or as payer.
#[expect(clippy::print_stderr, reason = "how near the kills came is for people")]
pub(crate) async fn either_owner_killed_at_any_moment_pays_no_hash_twice() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let dht = Dht::start(network.folder()).await;
    let links = network.open(&[Open::even(ALICE, BOB, 1_000_000); 2 * KILLS]).await;
    let mut daemons = Vec::new();
    for node in network.nodes() {
        let mut daemon = Daemon::of(&network, [node]).await;
        daemon.limit("maxTransactionsPerPeriod", json!(1_000));
        daemon.meet(&dht, SECRET);
        daemon.start();
        daemons.push(daemon);
    }
    for daemon in &mut daemons {
        daemon.watches(2 * KILLS).await;
    }

    let mut random = Random::seeded();
    for (turn, link) in links.iter().enumerate() {
        let moment = match random.below(2) {
            0 => Moment::Record(1 + random.below(RECORDS_OF_ONE)),
            _ => Moment::Later(Duration::from_millis(random.below(DELAY_MS_MAX))),
        };
        let poor = if random.below(2) == 0 { ALICE } else { BOB };
        network.drift(*link, poor, 300_000).await;
        let killed = &mut daemons[turn % 2];
        wait_for_moment(killed, *link, moment).await;
        killed.kill9();
        killed.start();
    }
    for link in &links {
        let what = format!("{} is in balance again", link.point);
        wait::until(&what, UNKNOWN_LIMIT, async || {
            let balances = network.balances(*link, ALICE).await;
            ((balances.local - balances.remote).abs() <= 2).then_some(())
        })
        .await;
    }
    let mut both = Journal::default();
    for daemon in &mut daemons {
        daemon.comes_to_rest(UNKNOWN_LIMIT).await;
        daemon.stop().await;
        both = both.and(daemon.journal());
    }
    proof::check(&network, &both).await;
    let unknown = both.of("paymentUnknown").count();
    eprintln!("regtest: two owners, {} kills, {unknown} outcomes asked for", 2 * KILLS);
}

/// When the daemon is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// As soon as so many records about the channel are written.
    Record(u64),
    /// So long after the drift.
    Later(Duration),
}

async fn wait_for_moment(daemon: &Daemon, link: Link, moment: Moment) {
    match moment {
        Moment::Later(delay) => tokio::time::sleep(delay).await,
        Moment::Record(count) => {
            let what = format!("there are {count} records on {}", link.point);
            wait::until_by(STEP, &what, MEETING_LIMIT + REBALANCE_LIMIT, async || {
                let journal = daemon.journal();
                let lines = journal.transactions.iter();
                let about = lines.filter(|line| line.channel_point == Some(link.point)).count();
                (u64::try_from(about).expect("a few") >= count).then_some(())
            })
            .await;
        }
    }
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
