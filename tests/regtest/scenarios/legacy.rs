//! The daemon and a peer that speaks as the original does: each pays the other, and neither pays
//! what it should not.

use std::path::Path;

use libtest_mimic::Completion;
use serde_json::json;
use tightrope::ids::Scid;

use crate::harness::channel::{Link, Open};
use crate::harness::daemon::Daemon;
use crate::harness::dht::Dht;
use crate::harness::journal::Journal;
use crate::harness::legacy::{self, Legacy, Wish};
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::{self, Lnd20, Lnd21};
use crate::harness::proof;

use super::{MEETING_LIMIT, REBALANCE_LIMIT, SECRET};

/// Two channels between the same nodes; the second is the one that lnd chooses by itself.
const CHANNELS: [Open; 2] = [Open::even(ALICE, BOB, 1_000_000), Open::even(ALICE, BOB, 3_000_000)];

/// What a peer of before asks for is paid over the channel that it names, and answered as the
/// original would; what is no rebalance is not paid, and it is told when to come again.
pub(crate) async fn a_payee_of_before_is_paid() -> Completion {
    let Some(program) = legacy::program() else { return Completion::ignored_with("no Node") };
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let links = network.open(&CHANNELS).await;
    network.drift(links[0], ALICE, 300_000).await;
    network.agreed_balances(links[0], BOB).await;
    let other = network.agreed_balances(links[1], ALICE).await;
    let Scene { mut daemon, mut peer, key, dht } =
        Scene::start(&network, &program, ALICE, BOB).await;

    let wish = Wish {
        payee: &network[ALICE],
        payer: &network[BOB],
        channel: Scid::new(network.view(links[0], ALICE).await.chan_id),
        sat: 290_000,
    };
    let bill = wish.invoice("twelve eggs").await.payment_request;
    peer.ask_with(&key, &wish, &bill).await;
    let refused = peer.hears("paymentResult", REBALANCE_LIMIT).await;
    assert_eq!(refused.message()["confirmed"], json!(false), "{refused:?}");
    assert_eq!(refused.message()["invoice"], json!(bill), "{refused:?}");
    assert!(refused.message()["retryAt"].as_u64() >= refused.document["timestamp"].as_u64());

    let hash = peer.ask(&key, &wish).await;
    let paid = peer.hears("paymentResult", REBALANCE_LIMIT).await;
    assert_eq!(paid.message()["confirmed"], json!(true), "{paid:?}");
    assert_eq!(paid.message()["paymentId"], json!(hash), "{paid:?}");
    assert_eq!(network.agreed_balances(links[1], ALICE).await, other);
    daemon.records("paymentSettled", links[0], 1, REBALANCE_LIMIT).await;

    let journal = all_stop(daemon, peer, dht).await;
    proof::check(&network, &journal).await;
    Completion::Completed
}

/// Of two requests in one burst one is paid; one that is old, and one that is signed wrongly, are
/// not even looked at.
pub(crate) async fn a_payee_of_before_that_asks_twice_is_paid_once() -> Completion {
    let Some(program) = legacy::program() else { return Completion::ignored_with("no Node") };
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(CHANNELS[0]).await;
    network.drift(link, ALICE, 300_000).await;
    network.agreed_balances(link, BOB).await;
    let Scene { mut daemon, mut peer, key, dht } =
        Scene::start(&network, &program, ALICE, BOB).await;

    let wish = Wish {
        payee: &network[ALICE],
        payer: &network[BOB],
        channel: Scid::new(network.view(link, ALICE).await.chan_id),
        sat: 100_000,
    };
    let mut requests = Vec::new();
    for _ in 0..2 {
        requests.push(wish.request(&wish.invoice(legacy::MEMO).await.payment_request));
    }
    let old = json!({ "timestamp": 1_648_741_762_439_u64, "messages": [requests[0]] });
    let forged = json!({ "corrupt": true, "messages": [requests[0]] });
    let burst = json!({ "messages": requests });
    for mut order in [old, forged, burst] {
        order["command"] = json!("send");
        order["to"] = json!(key);
        peer.obeys(order).await;
    }
    let mut confirmed = Vec::new();
    for _ in 0..2 {
        let result = peer.hears("paymentResult", REBALANCE_LIMIT).await;
        confirmed.push(result.message()["confirmed"] == json!(true));
    }
    confirmed.sort_unstable();
    assert_eq!(confirmed, [false, true]);
    daemon.comes_to_rest(REBALANCE_LIMIT).await;
    let journal = daemon.journal();
    assert_eq!(journal.on("paymentSettled", link.point).count(), 1);

    all_stop(daemon, peer, dht).await;
    proof::check(&network, &journal).await;
    Completion::Completed
}

/// A peer of before, whose lnd pays over whatever channel it likes, is asked by an invoice that is
/// held: what comes over another channel is given back, and the channel rests.
pub(crate) async fn a_payer_of_before_is_not_taken_from_on_another_channel() -> Completion {
    let Some(program) = legacy::program() else { return Completion::ignored_with("no Node") };
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let links = network.open(&CHANNELS).await;
    network.drift(links[0], ALICE, 300_000).await;
    let before = balances(&network, &links).await;
    let Scene { mut daemon, mut peer, dht, .. } =
        Scene::start(&network, &program, BOB, ALICE).await;

    let request = peer.hears("payInvoice", REBALANCE_LIMIT).await;
    let scid = Scid::new(network.view(links[0], BOB).await.chan_id);
    assert_eq!(request.message()["channelId"], json!(scid), "{request:?}");
    peer.pay(&request, &network[BOB]).await.expect_err("it is given back");
    daemon.records("paidElsewhere", links[0], 1, REBALANCE_LIMIT).await;
    daemon.comes_to_rest(REBALANCE_LIMIT).await;
    assert_eq!(balances(&network, &links).await, before);

    let journal = all_stop(daemon, peer, dht).await;
    proof::check(&network, &journal).await;
    Completion::Completed
}

/// A peer of before, whose lnd pays over the channel that it is told, is taken from, though there
/// is another channel.
pub(crate) async fn a_payer_of_before_is_taken_from_on_the_channel_that_was_asked() -> Completion {
    is_taken_from(Lnd20, &CHANNELS).await
}

/// So is any over the sole channel with its node.
pub(crate) async fn a_payer_of_before_is_taken_from_on_the_sole_channel() -> Completion {
    is_taken_from(Lnd21, &CHANNELS[..1]).await
}

async fn is_taken_from(payer: Version, channels: &[Open]) -> Completion {
    let Some(program) = legacy::program() else { return Completion::ignored_with("no Node") };
    let network = Network::start(&[Lnd21, payer]).await;
    let link = network.open(channels).await[0];
    network.drift(link, ALICE, 300_000).await;
    let Scene { mut daemon, mut peer, dht, .. } =
        Scene::start(&network, &program, BOB, ALICE).await;

    let request = peer.hears("payInvoice", REBALANCE_LIMIT).await;
    peer.pay(&request, &network[BOB]).await.expect("it is taken");
    daemon.records("rebalanceSettled", link, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(link, ALICE).await.assert_even();

    let journal = all_stop(daemon, peer, dht).await;
    proof::check_beside(&network, &journal, &[network[BOB].id()]).await;
    Completion::Completed
}

/// A daemon that is killed before its held invoice is paid takes the payment when it is back: what
/// lies at its node is never left there.
pub(crate) async fn what_is_held_for_a_daemon_that_died_is_taken_when_it_is_back() -> Completion {
    let Some(program) = legacy::program() else { return Completion::ignored_with("no Node") };
    let network = Network::start(&[Lnd21, Lnd20]).await;
    let link = network.open(&CHANNELS).await[0];
    network.drift(link, ALICE, 300_000).await;
    let Scene { mut daemon, mut peer, dht, .. } =
        Scene::start(&network, &program, BOB, ALICE).await;

    let request = peer.hears("payInvoice", REBALANCE_LIMIT).await;
    daemon.kill9();
    let returning = async {
        network.wait_for_htlc(link, ALICE).await;
        daemon.start();
        daemon.records("rebalanceSettled", link, 1, REBALANCE_LIMIT).await;
    };
    let (paid, ()) = tokio::join!(peer.pay(&request, &network[BOB]), returning);
    paid.expect("it is taken");
    network.agreed_balances(link, ALICE).await.assert_even();

    let journal = all_stop(daemon, peer, dht).await;
    proof::check_beside(&network, &journal, &[network[BOB].id()]).await;
    Completion::Completed
}

/// A daemon and a peer of before that have found each other.
struct Scene {
    daemon: Daemon,
    peer: Legacy,
    /// The daemon's key, as the peer names it.
    key: String,
    dht: Dht,
}

impl Scene {
    /// The peer speaks for the node at `before`, the daemon runs the one at `ours`.
    async fn start(network: &Network, program: &Path, before: usize, ours: usize) -> Self {
        let dht = Dht::start(network.folder()).await;
        let mut daemon = Daemon::of(network, [&network[ours]]).await;
        daemon.meet(&dht, SECRET);
        daemon.start();
        let mut peer =
            Legacy::start(program, network.folder(), &dht, SECRET, &network[before]).await;
        let key = peer.meets(MEETING_LIMIT).await;
        daemon.shares(1, MEETING_LIMIT).await;
        Self { daemon, peer, key, dht }
    }
}

/// Both end, the place where they met last. Returns what the daemon has written.
async fn all_stop(mut daemon: Daemon, peer: Legacy, dht: Dht) -> Journal {
    peer.stop().await;
    daemon.stop().await;
    drop(dht);
    daemon.journal()
}

async fn balances(network: &Network, links: &[Link]) -> Vec<crate::harness::channel::Balances> {
    let mut balances = Vec::new();
    for link in links {
        balances.push(network.agreed_balances(*link, ALICE).await);
    }
    balances
}
