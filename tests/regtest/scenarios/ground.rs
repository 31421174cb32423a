//! The ground that the other scenarios stand on: the harness itself, without the daemon.

use std::time::Duration;

use libtest_mimic::Completion;
use serde_json::json;
use tightrope::ids::Scid;

use crate::harness::channel::{Balances, Open};
use crate::harness::dht::Dht;
use crate::harness::legacy::{self, Legacy, Told, Wish};
use crate::harness::network::{ALICE, BOB, CAROL, Network};
use crate::harness::node::Version::{Lnd20, Lnd21};

use super::{MEETING_LIMIT, SECRET};

/// How long a message may be on its way.
const MESSAGE_LIMIT: Duration = Duration::from_secs(10);

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

/// Two peers that speak as the original does meet, and rebalance a channel by the test's hand;
/// what is amiss in a message is told.
pub(crate) async fn peers_of_before_meet_ask_and_pay() -> Completion {
    let Some(program) = legacy::program() else { return Completion::ignored_with("no Node") };
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    let before = network.agreed_balances(link, ALICE).await;
    network.drift(link, ALICE, 100_000).await;
    let scid = Scid::new(network.view(link, ALICE).await.chan_id);
    let (alice, bob) = (&network[ALICE], &network[BOB]);

    let dht = Dht::start(network.folder()).await;
    let start = async |node| Legacy::start(&program, network.folder(), &dht, SECRET, node).await;
    let (mut payee, mut payer) = (start(alice).await, start(bob).await);
    assert_eq!(payee.meets(MEETING_LIMIT).await, payer.key());
    assert_eq!(payer.meets(MEETING_LIMIT).await, payee.key());
    let hello = payee.hears("hello", MESSAGE_LIMIT).await;
    assert_eq!(hello.message()["publicKey"], json!(bob.id()));

    let hash = payee
        .ask(payer.key(), &Wish { payee: alice, payer: bob, channel: scid, sat: 100_000 })
        .await;
    let request = payer.hears("payInvoice", MESSAGE_LIMIT).await;
    payer.pay(&request, bob).await.expect("it is paid");
    let result = payee.hears("paymentResult", MESSAGE_LIMIT).await;
    assert_eq!(result.message()["paymentId"], json!(hash));
    assert_eq!(result.message()["confirmed"], json!(true));
    assert_eq!(network.agreed_balances(link, ALICE).await, before);

    let odd = json!({ "type": "odd" });
    for (key, value) in [("corrupt", json!(true)), ("timestamp", json!(1_648_741_762_439_u64))] {
        let mut order = json!({ "command": "send", "messages": [odd] });
        order[key] = value;
        payer.obeys(order).await;
        payee
            .tells("a message is not to be trusted", MESSAGE_LIMIT, |told| {
                let Told::Message(message) = told else { return None };
                (message.message() == &odd).then(|| assert!(!message.verified, "{key}"))
            })
            .await;
    }
    payer.obeys(json!({ "command": "send", "messages": [odd, odd] })).await;
    for _ in 0..2 {
        payee.hears("odd", MESSAGE_LIMIT).await;
    }
    payer.obeys(json!({ "command": "raw", "hex": "00ff" })).await;
    payee
        .tells("something is unreadable", MESSAGE_LIMIT, |told| {
            matches!(told, Told::Unreadable { .. }).then_some(())
        })
        .await;
    payer.stop().await;
    payee
        .tells("the other is gone", MEETING_LIMIT, |told| {
            matches!(told, Told::Close { .. }).then_some(())
        })
        .await;
    Completion::Completed
}

const ANCHORS: tightrope::rpc::lnrpc::CommitmentType =
    tightrope::rpc::lnrpc::CommitmentType::Anchors;
