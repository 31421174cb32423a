//! The channel that drifted moves, and no other.

use crate::harness::channel::{Link, Open};
use crate::harness::daemon::Daemon;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::Lnd21;
use crate::harness::proof;

use super::REBALANCE_LIMIT;

/// Two nodes share a small channel, a public one three times as large, which any search for a
/// path would prefer, and a private one.
pub(crate) async fn only_the_channel_that_drifted_moves() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let links = network
        .open(&[
            Open::even(ALICE, BOB, 1_000_000),
            Open::even(BOB, ALICE, 3_000_000),
            Open { private: true, ..Open::even(ALICE, BOB, 1_000_000) },
        ])
        .await;
    let [small, large, private] = links.try_into().expect("three channels");
    let mut daemon = Daemon::new(&network).await;
    daemon.start();
    daemon.watches(3).await;

    drift_is_mended(&network, &mut daemon, small, ALICE, [large, private]).await;
    drift_is_mended(&network, &mut daemon, private, BOB, [small, large]).await;

    daemon.stop().await;
    let journal = daemon.journal();
    assert_eq!(journal.of("paymentIntended").count(), 2);
    proof::check(&network, &journal).await;
}

/// The node at `poor` pays from outside over `link`, and gets it back over `link` alone.
async fn drift_is_mended(
    network: &Network,
    daemon: &mut Daemon,
    link: Link,
    poor: usize,
    others: [Link; 2],
) {
    let mut before = Vec::new();
    for other in others {
        before.push(network.agreed_balances(other, poor).await);
    }
    network.drift(link, poor, 300_000).await;
    daemon.settles(link, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(link, poor).await.assert_even();
    for (other, before) in others.into_iter().zip(before) {
        assert_eq!(network.agreed_balances(other, poor).await, before);
    }
}
