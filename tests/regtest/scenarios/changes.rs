//! Channels that come and go while the daemon runs.

use crate::harness::channel::Open;
use crate::harness::daemon::Daemon;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::Lnd21;
use crate::harness::proof;

use super::REBALANCE_LIMIT;

/// A new channel, all of it at one end, is brought into balance at once; when it is closed it is
/// dropped, and the other one is kept as before.
pub(crate) async fn a_channel_opened_meanwhile_is_kept_and_a_closed_one_dropped() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let first = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    let mut daemon = Daemon::new(&network).await;
    daemon.start();
    daemon.watches(1).await;

    let second = network.open_one(Open { push_sat: 0, ..Open::even(ALICE, BOB, 1_000_000) }).await;
    daemon.watches(2).await;
    daemon.settles(second, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(second, BOB).await.assert_even();
    network.drift(second, BOB, 300_000).await;
    daemon.settles(second, 2, REBALANCE_LIMIT).await;
    network.agreed_balances(second, BOB).await.assert_even();

    network.close(second).await;
    daemon.watches(1).await;
    network.drift(first, BOB, 300_000).await;
    daemon.settles(first, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(first, BOB).await.assert_even();

    daemon.stop().await;
    let journal = daemon.journal();
    // Six blocks at once make the height that the daemon has read too old for the next payment,
    // which then fails once.
    assert_eq!(journal.of("paymentSettled").count(), 3);
    proof::check(&network, &journal).await;
}
