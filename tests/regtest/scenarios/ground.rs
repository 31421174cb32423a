//! The ground that the other scenarios stand on: the harness itself, without the daemon.

use crate::harness::channel::{Balances, Open};
use crate::harness::network::{ALICE, BOB, CAROL, Network};
use crate::harness::node::Version::{Lnd20, Lnd21};

/// Channels of both releases open, carry a payment over exactly the channel that is named, and
/// close; a node that was killed comes back.
pub(crate) async fn a_payment_from_outside_moves_one_channel_alone() {
    let mut network = Network::start(&[Lnd21, Lnd21, Lnd20]).await;
    let links = network
        .open(&[
            Open::even(ALICE, BOB, 1_000_000),
            Open::even(ALICE, BOB, 3_000_000),
            Open::even(CAROL, ALICE, 1_000_000),
        ])
        .await;
    for link in &links {
        assert_eq!(network.view(*link, ALICE).await.commitment_type(), ANCHORS);
    }
    let [small, large, old] = links.try_into().expect("three channels");
    let before = network.agreed_balances(large, ALICE).await;

    network.drift(small, ALICE, 100_000).await;
    network.drift(old, CAROL, 1_000).await;
    let Balances { remote, .. } = network.agreed_balances(small, ALICE).await;
    assert_eq!(remote, 600_000);
    assert_eq!(network.agreed_balances(large, ALICE).await, before);

    network[BOB].kill();
    network[BOB].start_again().await;
    network.wait_until_active(small).await;
    network.drift(small, BOB, 100_000).await;
    network.close(small).await;
}

const ANCHORS: tightrope::rpc::lnrpc::CommitmentType =
    tightrope::rpc::lnrpc::CommitmentType::Anchors;
