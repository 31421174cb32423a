//! What the operator does not allow is not done, and the reason is told.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::channel::{Link, Open};
use crate::harness::daemon::Daemon;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::Lnd21;
use crate::harness::proof;

use super::REBALANCE_LIMIT;

/// How long is watched that nothing follows after a refusal.
const QUIET: Duration = Duration::from_secs(3);
/// What drifts.
const DRIFT_SAT: i64 = 300_000;

/// One channel has drifted. A daemon after the other finds it, each under another limit that
/// forbids to mend it; the last one mends it.
pub(crate) async fn each_limit_has_its_reason_and_nothing_is_paid() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    network.drift(link, ALICE, DRIFT_SAT).await;
    network.agreed_balances(link, ALICE).await;

    let min = ("/limits/baseSettings/minTransactionSize", json!(2 * DRIFT_SAT));
    forbids(&network, min, async |daemon| daemon.rests(link, "tooSmall").await).await;
    // Less than the least payment, which is 1000 sat.
    let max = ("/limits/baseSettings/maxAmountPerPeriod", json!(999));
    let refusal =
        forbids(&network, max, async |daemon| daemon.refuses(link, "maxAmountPerPeriod").await);
    assert_eq!(refusal.await["left"], 999_000);
    let max = ("/limits/baseSettings/maxTransactionsPerPeriod", json!(0));
    forbids(&network, max, async |daemon| daemon.refuses(link, "maxTransactionsPerPeriod").await)
        .await;
    let dry = ("/dryRun", json!(true));
    let rest = forbids(&network, dry, async |daemon| daemon.rests(link, "dryRun").await).await;
    assert_eq!(rest["amount"], missing(&network, link).await);
    let off = ("/lightningNodes/1/rebalance", json!(false));
    forbids(&network, off, async |daemon| daemon.rests(link, "rebalanceOff").await).await;

    let mut daemon = Daemon::new(&network).await;
    daemon.start();
    daemon.settles(link, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(link, ALICE).await.assert_even();
    daemon.stop().await;
    proof::check(&network, &daemon.journal()).await;
}

/// Runs a daemon with one setting until it has told its reason, and returns that; nothing is tried.
async fn forbids(
    network: &Network,
    (setting, value): (&str, Value),
    told: impl AsyncFnOnce(&mut Daemon) -> Value,
) -> Value {
    let mut daemon = Daemon::new(network).await;
    *daemon.setting(setting) = value;
    daemon.start();
    let reason = told(&mut daemon).await;
    proof::nothing_moves(network, &daemon, QUIET).await;
    daemon.stop().await;
    assert_eq!(daemon.journal().transactions.len(), 0, "{setting}");
    assert_eq!(proof::count_paid(network).await, 0, "{setting}");
    reason
}

/// What Alice lacks to the half, in msat.
async fn missing(network: &Network, link: Link) -> i64 {
    let balances = network.agreed_balances(link, ALICE).await;
    ((balances.local + balances.remote) / 2 - balances.local) * 1000
}

/// A drift that is larger than what may be moved at once is mended in steps.
pub(crate) async fn no_payment_is_larger_than_max_transaction_size() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    network.drift(link, ALICE, DRIFT_SAT).await;
    network.agreed_balances(link, ALICE).await;
    let mut daemon = Daemon::new(&network).await;
    daemon.limit("maxTransactionSize", json!(80_000));
    // Only the payer is held to less than the payee would ask.
    daemon.config["limits"]["idSettings"] = json!([{ "id": "bob", "maxTransactionSize": 70_000 }]);
    daemon.start();
    // It rests as soon as it is within the deadzone.
    daemon.settles(link, 3, REBALANCE_LIMIT).await;
    proof::nothing_moves(&network, &daemon, QUIET).await;
    daemon.stop().await;

    let journal = daemon.journal();
    let amounts = proof::counted(&journal, network[BOB].id());
    assert_eq!(amounts, [70_000_000; 3]);
    proof::check(&network, &journal).await;
}

/// The payer pays the same channel again only after its own time, however soon the payee asks.
pub(crate) async fn the_payer_keeps_its_time_between_payments() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    let mut daemon = Daemon::new(&network).await;
    daemon.config["limits"]["idSettings"] =
        json!([{ "id": "bob", "minTimeBetweenPayments": "1h" }]);
    daemon.start();
    daemon.watches(1).await;
    network.drift(link, ALICE, DRIFT_SAT).await;
    daemon.settles(link, 1, REBALANCE_LIMIT).await;

    network.drift(link, ALICE, DRIFT_SAT).await;
    let refusal = daemon.refuses(link, "minTimeBetweenPayments").await;
    let journal = daemon.journal();
    let intent = journal.of("paymentIntended").next().expect("one payment was made");
    assert_eq!(refusal["retryAt"], intent.timestamp + 3_600_000);
    proof::nothing_moves(&network, &daemon, QUIET).await;
    daemon.stop().await;
    assert_eq!(proof::count_paid(&network).await, 1);
    proof::check(&network, &daemon.journal()).await;
}

/// Ten channels drift at once, and two payments are allowed: two are made, not three.
pub(crate) async fn ten_drifts_at_once_see_two_payments_where_two_are_allowed() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let links = network.open(&[Open::even(ALICE, BOB, 1_000_000); 10]).await;
    for link in &links {
        network.drift(*link, ALICE, DRIFT_SAT).await;
    }
    for link in &links {
        network.agreed_balances(*link, ALICE).await;
    }
    let mut daemon = Daemon::new(&network).await;
    daemon.limit("maxTransactionsPerPeriod", json!(2));
    daemon.start();
    daemon
        .wait_for("all but two channels rest, and two are mended", REBALANCE_LIMIT, |journal| {
            let is_refused = |link: &&Link| {
                journal.told("channelRests").any(|event| {
                    event.data["channelPoint"] == link.point.to_string()
                        && event.data["rest"]["refusal"]["code"] == "maxTransactionsPerPeriod"
                })
            };
            let refused = links.iter().filter(is_refused).count();
            let arrived = journal.of("rebalanceSettled").count();
            (refused >= 8 && arrived >= 2).then_some(())
        })
        .await;
    proof::nothing_moves(&network, &daemon, QUIET).await;
    daemon.stop().await;

    assert_eq!(proof::count_paid(&network).await, 2);
    let journal = daemon.journal();
    assert_eq!(journal.of("paymentIntended").count(), 2);
    proof::check(&network, &journal).await;
}
