//! A member of the cluster who knows the secret and wants more than a rebalance.

use std::time::Duration;

use serde_json::json;
use tightrope::core::message::{Message, PayInvoice, PeerPolicy};
use tightrope::ids::{ChannelPoint, RebalanceId, Scid};
use tightrope::rpc::lnrpc;
use tightrope::units::{Msat, Ppm, Sat};

use crate::harness::channel::{Link, Open};
use crate::harness::daemon::Daemon;
use crate::harness::dht::Dht;
use crate::harness::member::{Member, Seen};
use crate::harness::network::{ALICE, BOB, CAROL, Network};
use crate::harness::node::Version::Lnd21;
use crate::harness::proof;

use super::REBALANCE_LIMIT;

/// What they share.
const SECRET: &str = "what a hostile member knows as well";
/// What Alice pays at most in the period, in sat: the hostile member may have it, but no more.
const CAP_SAT: u64 = 120_000;
/// An honest question, and a hostile one as well, is answered within so long.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// What the daemon may grow by while it is flooded, in kB.
const GROWTH_MAX_KB: u64 = 24 * 1024;
/// How many documents a flood has.
const FLOOD: usize = 10_000;
/// How often a document is replayed.
const REPLAYS: usize = 100;
/// How many strangers connect and say nothing.
const STRANGERS: u8 = 12;

/// Alice is asked by Carol's owner, who lies, floods and replays; Bob is honest. Alice pays what is
/// a rebalance and within her caps, and nothing else; Bob is answered, and paid what is left.
#[expect(clippy::print_stdout, reason = "the figure is for people")]
pub(crate) async fn a_hostile_member_gets_no_more_than_the_caps() {
    let network = Network::start(&[Lnd21; 3]).await;
    let dht = Dht::start(network.folder()).await;
    let links = network
        .open(&[Open::even(ALICE, BOB, 1_000_000), Open::even(ALICE, CAROL, 1_000_000)])
        .await;
    let [honest, hostile] = links.try_into().expect("two channels");
    let mut alice = Daemon::of(&network, [&network[ALICE]]).await;
    alice.limit("maxAmountPerPeriod", json!(CAP_SAT));
    let mut bob = Daemon::of(&network, [&network[BOB]]).await;
    for daemon in [&mut alice, &mut bob] {
        daemon.meet(&dht, SECRET);
        daemon.start();
    }
    bob.watches(1).await;
    let mut mallory = Member::meet(&dht, SECRET, 66, network[ALICE].id()).await;
    mallory.claim(network[CAROL].id(), None).await;
    alice.watches(2).await;
    let before = rss_kb(alice.id());

    let shop = Shop { network: &network, link: hostile };
    bad_requests_are_refused(&network, &mut mallory, &shop, honest).await;
    a_rebalance_within_the_caps_is_paid(&mut mallory, &shop).await;
    replays_are_ignored(&mut mallory, &shop).await;
    liars_and_flooders_are_sent_away(&network, &dht, mallory).await;
    let strangers = strangers(&dht, &network).await;

    let grown = rss_kb(alice.id()).saturating_sub(before);
    println!("memory of the daemon: {before} kB before the attacks, {grown} kB more after them");
    assert!(grown < GROWTH_MAX_KB, "{grown} kB");

    // The honest one is answered, and gets what the caps leave.
    network.drift(honest, BOB, 300_000).await;
    bob.records("rebalanceSettled", honest, 1, REBALANCE_LIMIT).await;
    drop(strangers);
    for daemon in [&mut alice, &mut bob] {
        daemon.comes_to_rest(REBALANCE_LIMIT).await;
        daemon.stop().await;
    }
    bob_was_answered_in_time(&bob);
    let both = alice.journal().and(bob.journal());
    let paid: u64 = proof::counted(&both, network[ALICE].id()).iter().sum();
    assert_eq!(paid, CAP_SAT * 1000, "the caps are used, and no more than that");
    proof::check_beside(&network, &both, &[network[CAROL].id()]).await;
}

/// What a peer would say of its side of a channel.
fn policy(link: Link) -> PeerPolicy {
    PeerPolicy {
        point: link.point,
        balance_point: Ppm::new(500_000).expect("a half"),
        deadzone: Ppm::ZERO,
        payment_max: Msat::MAX,
        is_paused: false,
    }
}

/// Carol's node, which makes any invoice that she wants.
struct Shop<'a> {
    network: &'a Network,
    link: Link,
}

/// What an invoice and the request for it say.
struct Goods {
    sat: i64,
    cltv: u64,
    memo: Option<&'static str>,
    rebalance: RebalanceId,
}

/// A proper rebalance of so much.
fn rebalance(id: u8, sat: i64) -> Goods {
    Goods { sat, cltv: 80, memo: None, rebalance: RebalanceId::new([id; 16]) }
}

impl Shop<'_> {
    /// A request to be paid over the channel with Alice.
    async fn request(&self, goods: Goods) -> PayInvoice {
        let (point, rebalance) = (self.link.point, goods.rebalance);
        let memo = format!("tightrope rebalance {point} {rebalance}");
        let invoice = lnrpc::Invoice {
            memo: goods.memo.map_or(memo, ToOwned::to_owned),
            value_msat: goods.sat * 1000,
            cltv_expiry: goods.cltv,
            expiry: 60,
            ..Default::default()
        };
        let carol = &self.network[CAROL];
        let made = carol.rpc().lightning().add_invoice(invoice).await.expect("an invoice");
        PayInvoice {
            invoice: made.into_inner().payment_request,
            tokens: Some(Sat::new(goods.sat.unsigned_abs())),
            scid: None,
            point: Some(point),
            paid_to: carol.id(),
            paid_by: self.network[ALICE].id(),
            rebalance: Some(rebalance),
        }
    }
}

async fn bad_requests_are_refused(
    network: &Network,
    mallory: &mut Member,
    shop: &Shop<'_>,
    honest: Link,
) {
    let small = || rebalance(1, 20_000);
    let good = shop.request(small()).await;
    let (result, _) = mallory.ask(&good).await;
    assert_eq!(result.refusal.as_deref(), Some("policyUnknown"));
    mallory.say(&Message::Policy(policy(shop.link))).await;
    let bob = network[BOB].id();
    let other = Some(honest.point);
    let nowhere = Some(ChannelPoint::new([9; 32], 0));
    let wrong_scid = Some(Scid::new(network.view(honest, ALICE).await.chan_id));
    let inflated = Some(Sat::new(40_000));
    let unread = "lnbcrt1".to_owned();
    let requests = [
        (PayInvoice { paid_to: bob, point: other, ..good.clone() }, "notItsNode"),
        (PayInvoice { paid_by: bob, ..good.clone() }, "notOurNode"),
        (PayInvoice { point: other, ..good.clone() }, "unknownChannel"),
        (PayInvoice { point: nowhere, ..good.clone() }, "unknownChannel"),
        (PayInvoice { scid: wrong_scid, ..good.clone() }, "channelIdsDiffer"),
        (PayInvoice { tokens: inflated, ..good.clone() }, "wrongAmount"),
        (PayInvoice { invoice: unread, ..good.clone() }, "badInvoice"),
        (PayInvoice { rebalance: None, ..good }, "notARebalanceInvoice"),
        (
            shop.request(Goods { memo: Some("two coffees"), ..small() }).await,
            "notARebalanceInvoice",
        ),
        (shop.request(Goods { cltv: 2_016, ..small() }).await, "cltvOutOfRange"),
        // More than keeps Alice within her own band.
        (shop.request(rebalance(2, 110_000)).await, "pastBand"),
    ];
    for (request, expected) in requests {
        let (result, took) = mallory.ask(&request).await;
        assert_eq!(result.refusal.as_deref(), Some(expected), "{request:?}");
        assert!(!result.is_allowed && !result.is_confirmed);
        assert!(took < ANSWER_LIMIT, "{expected} took {took:?}");
    }
}

async fn a_rebalance_within_the_caps_is_paid(mallory: &mut Member, shop: &Shop<'_>) {
    let (result, _) = mallory.ask(&shop.request(rebalance(3, 60_000)).await).await;
    assert!(result.is_confirmed, "{result:?}");
}

async fn replays_are_ignored(mallory: &mut Member, shop: &Shop<'_>) {
    let request = shop.request(rebalance(4, 70_000)).await;
    let (document, result) = loop {
        let document = mallory.document(&request);
        mallory.write(document.clone()).await;
        let Seen::Result(result) = mallory.sees().await else { panic!("the peer hung up") };
        // The figures of the last payment come a moment after its result.
        if result.refusal.as_deref() != Some("awaitingSnapshot") {
            break (document, result);
        }
    };
    assert_eq!(result.refusal.as_deref(), Some("maxAmountPerPeriod"));
    assert_eq!(result.max, Some(Sat::new(CAP_SAT - 60_000)));
    mallory.flood(&document, REPLAYS).await;
    // None of them is answered: the next answer is to the next question.
    let mut other = request;
    other.rebalance = None;
    let (result, _) = mallory.ask(&other).await;
    assert_eq!(result.refusal.as_deref(), Some("notARebalanceInvoice"));
}

async fn liars_and_flooders_are_sent_away(network: &Network, dht: &Dht, mut mallory: Member) {
    mallory.flood(b"{}", FLOOD).await;
    assert!(matches!(mallory.sees().await, Seen::Gone));

    let alice = network[ALICE].id();
    let mut liar = Member::meet(dht, SECRET, 67, alice).await;
    // Bob's node has not signed this.
    let proof = network[CAROL].sign(&liar.seal.claim(network[BOB].id())).await;
    liar.claim(network[BOB].id(), Some(proof)).await;
    assert!(matches!(liar.sees().await, Seen::Gone));

    let mut liar = Member::meet(dht, SECRET, 68, alice).await;
    liar.claim(alice, None).await;
    assert!(matches!(liar.sees().await, Seen::Gone));
}

/// Strangers who connect and say nothing.
async fn strangers(dht: &Dht, network: &Network) -> Vec<Member> {
    let mut strangers = Vec::new();
    for identity in 100..100 + STRANGERS {
        strangers.push(Member::meet(dht, SECRET, identity, network[ALICE].id()).await);
    }
    strangers
}

/// Each question of Bob's was answered in time, by his own log.
fn bob_was_answered_in_time(bob: &Daemon) {
    let journal = bob.journal();
    let results: Vec<_> = journal.told("onPaymentResult").collect();
    assert!(results.len() >= 2, "a refusal, and a payment");
    for result in results {
        let asked = journal.of("invoiceCreated").find(|line| {
            line.rebalance_id.map(|id| id.to_string()).as_deref()
                == result.data["rebalanceId"].as_str()
        });
        let asked = asked.expect("what was asked").timestamp;
        let took = Duration::from_millis(result.timestamp - asked);
        assert!(took < ANSWER_LIMIT, "Bob was answered after {took:?}");
    }
}

/// The resident memory of a process.
fn rss_kb(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
