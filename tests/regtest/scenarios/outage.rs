//! Nodes that go away, are not there, or do not let the daemon in.

use serde_json::json;
use tightrope::lnd::Lnd;

use crate::harness::channel::Open;
use crate::harness::daemon::Daemon;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::Lnd21;
use crate::harness::proof;

use super::{REBALANCE_LIMIT, UNKNOWN_LIMIT};

/// The paying node is killed while its HTLC is on its way. Whatever became of that one, the drift
/// is mended once the node is back.
///
/// The payee is killed first, so that the HTLC lies still: killed before its HTLC is in the
/// channel, or while it comes out of it, lnd 0.21.2 says for ever that the payment is in flight.
pub(crate) async fn a_node_that_dies_in_the_middle_of_a_payment_is_taken_up_again() {
    let mut network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    let mut daemon = Daemon::new(&network).await;
    daemon.start();
    daemon.watches(1).await;

    network.drift(link, ALICE, 300_000).await;
    network.wait_for_htlc(link, BOB).await;
    network[ALICE].kill();
    network[BOB].kill();
    for node in [ALICE, BOB] {
        daemon.loses(&network[node], 1).await;
        network[node].start_again().await;
        daemon.finds(&network[node], 2).await;
    }
    daemon.settles(link, 1, UNKNOWN_LIMIT).await;
    network.agreed_balances(link, ALICE).await.assert_even();

    network.drift(link, BOB, 300_000).await;
    daemon.settles(link, 2, REBALANCE_LIMIT).await;
    network.agreed_balances(link, ALICE).await.assert_even();
    daemon.stop().await;
    proof::check(&network, &daemon.journal()).await;
}

/// The daemon starts without a node, says so, and finds it when it comes.
pub(crate) async fn a_node_that_is_down_at_the_start_is_found_when_it_comes() {
    let mut network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    network.drift(link, ALICE, 300_000).await;
    network.agreed_balances(link, ALICE).await;
    let mut daemon = Daemon::new(&network).await;
    network[BOB].kill();

    daemon.start();
    daemon.finds(&network[ALICE], 1).await;
    let socket = network[BOB].socket();
    daemon.tells_error(&format!("{socket} does not answer")).await;
    assert_eq!(daemon.journal().transactions.len(), 0);

    network[BOB].start_again().await;
    daemon.settles(link, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(link, ALICE).await.assert_even();
    daemon.stop().await;
    proof::check(&network, &daemon.journal()).await;
}

/// A macaroon that permits one call only is told with what it lacks, and tried again until the
/// file is another one.
pub(crate) async fn a_wrong_macaroon_is_told_and_recovers_when_it_is_mended() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    network.drift(link, ALICE, 300_000).await;
    network.agreed_balances(link, ALICE).await;
    let mut daemon = Daemon::new(&network).await;
    let file = network.folder().join("bob.macaroon");
    let write = async |calls: &[&str]| {
        let macaroon = network[BOB].bake(calls).await;
        let bytes = data_encoding::HEXLOWER.decode(macaroon.as_bytes()).expect("hex");
        std::fs::write(&file, bytes).expect("a macaroon");
    };
    write(&["/lnrpc.Lightning/GetInfo"]).await;
    let node = &mut daemon.config["lightningNodes"][BOB];
    node["macaroonPath"] = json!(file);
    node.as_object_mut().expect("a node").remove("macaroon");

    daemon.start();
    daemon.tells_error("the macaroon does not permit").await;
    assert_eq!(daemon.journal().transactions.len(), 0);

    write(Lnd::PERMISSIONS).await;
    daemon.settles(link, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(link, ALICE).await.assert_even();
    daemon.stop().await;
    proof::check(&network, &daemon.journal()).await;
}
