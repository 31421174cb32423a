//! Two owners, neither with the other's credentials, who meet over a private DHT.

use std::time::Duration;

use crate::harness::channel::Open;
use crate::harness::daemon::Daemon;
use crate::harness::dht::Dht;
use crate::harness::network::{ALICE, BOB, CAROL, Network};
use crate::harness::node::Version::{Lnd20, Lnd21};
use crate::harness::proof;

use super::{REBALANCE_LIMIT, SECRET};

/// How long until two who have lost each other have found each other again, and have paid: what
/// was asked of one who was gone must expire first, which takes 60 s.
const AGAIN_LIMIT: Duration = Duration::from_secs(90);

/// Alice's daemon and Bob's, who has all other nodes: started.
pub(super) async fn owners(network: &Network, dht: &Dht) -> [Daemon; 2] {
    let mut alice = Daemon::of(network, [&network[ALICE]]).await;
    let mut bob = Daemon::of(network, &network.nodes()[BOB..]).await;
    for daemon in [&mut alice, &mut bob] {
        daemon.meet(dht, SECRET);
        daemon.start();
    }
    [alice, bob]
}

/// A channel between the owners is kept in both directions, one within Bob's house beside it, and
/// one that is opened meanwhile as well. Both logs agree on every payment.
pub(crate) async fn a_channel_between_two_owners_is_kept_in_both_directions() {
    let network = Network::start(&[Lnd21; 3]).await;
    let dht = Dht::start(network.folder()).await;
    let links =
        network.open(&[Open::even(ALICE, BOB, 1_000_000), Open::even(BOB, CAROL, 1_000_000)]).await;
    let [between, within] = links.try_into().expect("two channels");
    let [mut alice, mut bob] = owners(&network, &dht).await;
    alice.watches(1).await;
    bob.watches(2).await;

    network.drift(between, ALICE, 300_000).await;
    alice.records("rebalanceSettled", between, 1, REBALANCE_LIMIT).await;
    bob.records("paymentSettled", between, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(between, ALICE).await.assert_even();

    network.drift(between, BOB, 300_000).await;
    bob.records("rebalanceSettled", between, 1, REBALANCE_LIMIT).await;
    alice.records("paymentSettled", between, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(between, ALICE).await.assert_even();

    network.drift(within, BOB, 300_000).await;
    bob.settles(within, 1, REBALANCE_LIMIT).await;

    let later = network.open_one(Open::even(CAROL, ALICE, 1_000_000)).await;
    alice.watches(2).await;
    bob.watches(3).await;
    network.drift(later, CAROL, 300_000).await;
    bob.records("rebalanceSettled", later, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(later, CAROL).await.assert_even();

    for daemon in [&mut alice, &mut bob] {
        daemon.comes_to_rest(REBALANCE_LIMIT).await;
        daemon.stop().await;
    }
    let both = alice.journal().and(bob.journal());
    // A payment that met a new block on its way may have been asked for again.
    assert_eq!(both.of("paymentSettled").count(), 4);
    assert_eq!(both.of("rebalanceSettled").count(), 4);
    proof::check(&network, &both).await;
}

/// After one of them was killed and the DHT was away, they find each other again, and what drifted
/// meanwhile is mended.
pub(crate) async fn owners_who_lost_each_other_go_on() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    let mut dht = Dht::start(network.folder()).await;
    let [mut alice, mut bob] = owners(&network, &dht).await;
    alice.watches(1).await;
    bob.watches(1).await;

    bob.kill9();
    dht.kill();
    dht.start_again().await;
    network.drift(link, ALICE, 300_000).await;
    bob.start();
    alice.records("rebalanceSettled", link, 1, AGAIN_LIMIT).await;
    bob.records("paymentSettled", link, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(link, ALICE).await.assert_even();

    alice.stop().await;
    bob.stop().await;
    proof::check(&network, &alice.journal().and(bob.journal())).await;
}

/// Where a node does not tell of changed balances, its owner may learn of a drift only after it was
/// asked to mend it; it is mended all the same.
pub(crate) async fn an_owner_of_an_older_lnd_keeps_up() {
    let network = Network::start(&[Lnd21, Lnd20]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    let dht = Dht::start(network.folder()).await;
    let [mut alice, mut bob] = owners(&network, &dht).await;
    alice.watches(1).await;
    bob.watches(1).await;

    for drifting in [ALICE, BOB] {
        network.drift(link, drifting, 300_000).await;
        network.comes_to_be_even(link, REBALANCE_LIMIT).await;
    }
    for daemon in [&mut alice, &mut bob] {
        daemon.comes_to_rest(REBALANCE_LIMIT).await;
        daemon.stop().await;
    }
    proof::check(&network, &alice.journal().and(bob.journal())).await;
}
