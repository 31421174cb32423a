//! The last lnd that does not tell of changed balances.

use crate::harness::channel::Open;
use crate::harness::daemon::Daemon;
use crate::harness::network::{ALICE, BOB, CAROL, Network};
use crate::harness::node::Version::{Lnd20, Lnd21};
use crate::harness::proof;

use super::REBALANCE_LIMIT;

/// A drift is mended between two old nodes and between an old and a new one; after a restart of
/// the old node too, and on a channel that was opened meanwhile.
pub(crate) async fn lnd_0_20_is_kept_in_balance() {
    let mut network = Network::start(&[Lnd20, Lnd20, Lnd21]).await;
    let links = network
        .open(&[Open::even(ALICE, BOB, 1_000_000), Open::even(ALICE, CAROL, 1_000_000)])
        .await;
    let mut daemon = Daemon::new(&network).await;
    daemon.start();
    daemon.watches(2).await;
    for link in &links {
        network.drift(*link, ALICE, 300_000).await;
        daemon.settles(*link, 1, REBALANCE_LIMIT).await;
        network.agreed_balances(*link, ALICE).await.assert_even();
    }

    network[ALICE].kill();
    daemon.loses(&network[ALICE], 1).await;
    network[ALICE].start_again().await;
    daemon.finds(&network[ALICE], 2).await;
    for link in &links {
        network.wait_until_active(*link).await;
        network.drift(*link, link.to, 300_000).await;
        daemon.settles(*link, 2, REBALANCE_LIMIT).await;
        network.agreed_balances(*link, ALICE).await.assert_even();
    }

    let third = network.open_one(Open { push_sat: 0, ..Open::even(BOB, ALICE, 1_000_000) }).await;
    daemon.settles(third, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(third, ALICE).await.assert_even();

    daemon.stop().await;
    proof::check(&network, &daemon.journal()).await;
}
