//! One pass, then the end; and an end that is asked for in the middle of a payment.

use std::time::Duration;

use crate::harness::channel::Open;
use crate::harness::daemon::Daemon;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::Lnd21;
use crate::harness::proof;

use super::REBALANCE_LIMIT;

/// How long one pass over one drifted channel may take.
const PASS_LIMIT: Duration = Duration::from_secs(30);

/// `--once` mends what has drifted, records it and ends well; a second pass finds nothing to do.
pub(crate) async fn one_pass_mends_what_has_drifted() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    network.drift(link, ALICE, 300_000).await;
    network.agreed_balances(link, ALICE).await;
    let mut daemon = Daemon::new(&network).await;

    for _ in 0..2 {
        daemon.run_once(PASS_LIMIT).await;
        network.agreed_balances(link, ALICE).await.assert_even();
        let journal = daemon.journal();
        assert_eq!(journal.of("paymentIntended").count(), 1);
        proof::check(&network, &journal).await;
    }
}

/// After SIGTERM nothing is begun, and what is under way is still recorded.
pub(crate) async fn a_stop_lets_the_records_of_a_payment_land() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    let mut daemon = Daemon::new(&network).await;
    daemon.start();
    daemon.watches(1).await;

    network.drift(link, ALICE, 300_000).await;
    daemon
        .wait_for("a payment is intended", REBALANCE_LIMIT, |journal| {
            journal.of("paymentIntended").next().map(drop)
        })
        .await;
    daemon.stop().await;

    let journal = daemon.journal();
    assert_eq!(journal.told("shutdown").count(), 1);
    assert_eq!(journal.on("paymentSettled", link.point).count(), 1);
    proof::check(&network, &journal).await;
}
