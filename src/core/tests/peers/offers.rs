//! What a payer makes of a peer's request: each refusal with the smallest change that earns it.

use lightning_invoice::Currency;

use super::*;
use crate::core::invoice::LEGACY_MEMO;
use crate::core::outcome::Failure;
use crate::ids::{ChannelPoint, RebalanceId, Scid};
use crate::units::Sat;

/// The name of the attempt that Alice asks for.
const REBALANCE: RebalanceId = RebalanceId::new([7; 16]);

/// Whether Alice speaks to Bob as the original does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Alice {
    Versioned,
    Legacy,
}

/// A good request of Alice's to Bob, whose channels are in balance, and what is changed in it.
fn request(
    alice: Alice,
    bob: Settings,
    change_invoice: impl FnOnce(&mut Wanted),
    change: impl FnOnce(&mut Pair, &mut PayInvoice),
) -> Pair {
    let mut pair = Pair::new(settings(), bob);
    pair.list(10, &[(1, 500_000, 500_000), (2, 500_000, 500_000)]);
    let is_legacy = alice == Alice::Legacy;
    if is_legacy {
        let node = pair.daemons[ALICE].node.1;
        pair.hear(BOB, hello(node, None, None));
        pair.said.clear();
    }
    let memo = format!("tightrope rebalance {} {REBALANCE}", fixture::point(1));
    let memo = if is_legacy { LEGACY_MEMO } else { &memo };
    let amount = Msat::new(50_000_000);
    let mut wanted = Wanted::new(pair.daemons[ALICE].node.0, memo, amount, pair.now);
    change_invoice(&mut wanted);
    let mut request = PayInvoice {
        invoice: wanted.text(),
        tokens: Some(Sat::new(50_000)),
        scid: Some(Scid::new(1)),
        point: (!is_legacy).then(|| fixture::point(1)),
        paid_to: pair.daemons[ALICE].node.1,
        paid_by: pair.daemons[BOB].node.1,
        rebalance: (!is_legacy).then_some(REBALANCE),
    };
    change(&mut pair, &mut request);
    pair.hear(BOB, Message::PayInvoice(request));
    pair.talk();
    pair
}

/// Bob refuses the request, if it is changed so.
fn check(change: impl FnOnce(&mut Pair, &mut PayInvoice), expected: &str) {
    let pair = request(Alice::Versioned, settings(), |_| {}, change);
    assert_eq!(pair.paid(BOB), []);
    assert_eq!(pair.records(BOB), [""; 0]);
    let result = pair.result(BOB);
    assert_eq!(result.refusal.as_deref(), Some(expected));
    assert!(!result.is_allowed && !result.is_confirmed && result.reason.is_some());
}

/// Bob refuses the invoice, if it is changed so.
fn check_invoice(alice: Alice, change: impl FnOnce(&mut Wanted), expected: &str) {
    let pair = request(alice, settings(), change, |_, _| {});
    assert_eq!(pair.paid(BOB), []);
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some(expected));
}

#[test]
fn a_good_request_is_paid() {
    for alice in [Alice::Versioned, Alice::Legacy] {
        let pair = request(alice, settings(), |_| {}, |_, _| {});
        assert_eq!(pair.paid(BOB).len(), 1, "{alice:?}");
        assert_eq!(pair.records(BOB), ["PaymentIntended"]);
    }
}

#[test]
fn who_does_not_speak_for_the_payee_may_not_ask_for_it() {
    let mut pair = request(
        Alice::Versioned,
        settings(),
        |_| {},
        |_, request| {
            request.rebalance = None;
        },
    );
    let Some((_, Message::PaymentResult(result))) =
        pair.heard.iter().rev().find(|it| matches!(it, (BOB, Message::PaymentResult(_)))).cloned()
    else {
        panic!("Bob answers");
    };
    let good = PayInvoice { rebalance: Some(REBALANCE), ..result.request };
    pair.meets(BOB, 77, Message::PayInvoice(good.clone()));
    pair.talk();
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("notItsNode"));
    assert_eq!(pair.paid(BOB), []);
    pair.hear(BOB, Message::PayInvoice(good));
    assert_eq!(pair.paid(BOB).len(), 1);
}

#[test]
fn what_we_asked_ourselves_is_not_paid_under_its_own_hash() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 200_000, 800_000), (2, 600_000, 400_000)]);
    pair.invoice(ALICE);
    // Bob asks over the other channel for a payment under the hash of Alice's own invoice.
    let request = pair.request_of(BOB, 2, REBALANCE, 50_000, pair.invoices);
    pair.hear(ALICE, Message::PayInvoice(request));
    pair.talk();
    assert_eq!(pair.paid(ALICE), []);
    assert_eq!(pair.result(ALICE).refusal.as_deref(), Some("hashSeen"));
}

#[test]
fn while_we_ask_ourselves_over_a_channel_nothing_is_paid_over_it() {
    let asked = |pair: &mut Pair, _: &mut PayInvoice| {
        pair.list(11, &[(1, 800_000, 200_000), (2, 500_000, 500_000)]);
        assert!(pair.wants(BOB).contains(&"CreateInvoice".to_owned()));
    };
    let pair = request(Alice::Versioned, settings(), |_| {}, asked);
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("attemptOpen"));
    assert_eq!(pair.paid(BOB), []);
}

#[test]
fn a_payee_whose_rules_are_unknown_or_leave_no_balance_is_not_paid() {
    let rules = |balance_point: u32| {
        move |pair: &mut Pair, _: &mut PayInvoice| {
            let policy = crate::core::message::PeerPolicy {
                point: fixture::point(1),
                balance_point: crate::units::Ppm::new(balance_point).expect("a share"),
                deadzone: crate::units::Ppm::ZERO,
                payment_max: Msat::MAX,
                is_paused: false,
            };
            pair.hear(BOB, Message::Policy(policy));
        }
    };
    check(rules(700_000), "bandsDoNotMeet");
    let unknown = |pair: &mut Pair, _: &mut PayInvoice| {
        // Alice comes back, and has said hello only.
        pair.part();
        let (peer, node) = (pair.daemons[ALICE].key, pair.daemons[ALICE].node.1);
        pair.tell(BOB, Event::PeerConnected { peer });
        pair.hear(BOB, hello(node, Some(1), None));
        pair.said.clear();
    };
    check(unknown, "policyUnknown");
}

#[test]
fn a_request_must_be_for_our_node_from_whoever_speaks_for_the_payee() {
    check(|_, request| request.paid_by = fixture::NODE_C, "notOurNode");
    check(|_, request| request.paid_to = fixture::NODE_C, "notItsNode");
    check(|pair, request| request.paid_to = pair.daemons[BOB].node.1, "notItsNode");
    let down = |pair: &mut Pair, _: &mut PayInvoice| {
        let node = pair.daemons[BOB].node.1;
        pair.tell(BOB, Event::NodeDisconnected { node });
    };
    check(down, "nodeDown");
}

#[test]
fn the_channel_must_be_theirs_and_ours_by_every_name_that_is_given() {
    let named = |scid: Option<u64>, point: Option<u8>| {
        move |_: &mut Pair, request: &mut PayInvoice| {
            request.scid = scid.map(Scid::new);
            request.point = point.map(|n| ChannelPoint::new([n; 32], 0));
        }
    };
    check(named(Some(2), Some(1)), "channelIdsDiffer");
    check(named(Some(77), Some(1)), "channelIdsDiffer");
    check(named(Some(1), Some(2)), "channelIdsDiffer");
    check(named(None, Some(77)), "unknownChannel");
    check(named(Some(77), None), "unknownChannel");
    check(named(None, None), "unknownChannel");
    // The memo names the channel too.
    check(named(None, Some(2)), "notARebalanceInvoice");
}

#[test]
fn the_tokens_must_be_the_invoices_amount_exactly() {
    check(|_, request| request.tokens = None, "wrongAmount");
    check(|_, request| request.tokens = Some(Sat::new(49_999)), "wrongAmount");
    check(|_, request| request.tokens = Some(Sat::new(u64::MAX)), "wrongAmount");
    let odd = |wanted: &mut Wanted| wanted.amount = Some(Msat::new(50_000_001));
    check_invoice(Alice::Versioned, odd, "wrongAmount");
}

#[test]
fn the_invoice_must_be_one_for_this_rebalance() {
    check(|_, request| request.invoice = "lnbc1".to_owned(), "badInvoice");
    check(|_, request| request.rebalance = None, "notARebalanceInvoice");
    let other = Some(RebalanceId::new([8; 16]));
    check(|_, request| request.rebalance = other, "notARebalanceInvoice");
    for alice in [Alice::Versioned, Alice::Legacy] {
        check_invoice(alice, |it| it.memo = "two coffees".to_owned(), "notARebalanceInvoice");
        check_invoice(alice, |it| it.memo.push(' '), "notARebalanceInvoice");
        check_invoice(alice, |it| it.key = fixture::node(3).0, "wrongPayee");
        check_invoice(alice, |it| it.network = Currency::Bitcoin, "wrongNetwork");
        check_invoice(alice, |it| it.min_final_cltv = 2_016, "cltvOutOfRange");
        check_invoice(alice, |it| it.expiry = Duration::from_secs(9), "expiryOutOfRange");
    }
    let legacy_memo = |wanted: &mut Wanted| wanted.memo = LEGACY_MEMO.to_owned();
    check_invoice(Alice::Versioned, legacy_memo, "notARebalanceInvoice");
}

#[test]
fn the_invoice_must_be_made_when_the_request_was() {
    let later = |seconds| {
        move |pair: &mut Pair, _: &mut PayInvoice| {
            pair.now = pair.now + Duration::from_secs(seconds);
        }
    };
    let pair = request(Alice::Versioned, settings(), |_| {}, later(30));
    assert_eq!(pair.paid(BOB).len(), 1);
    check(later(61), "notFresh");
    // By the clock of whoever asked, wherever ours stands.
    for (ahead, is_paid) in [(60, true), (61, false)] {
        let mut pair = Pair::new(settings(), settings());
        pair.list(10, &[(1, 500_000, 500_000)]);
        let memo = format!("tightrope rebalance {} {REBALANCE}", fixture::point(1));
        let key = pair.daemons[ALICE].node.0;
        let wanted = Wanted::new(key, &memo, Msat::new(50_000_000), pair.now);
        let message = Message::PayInvoice(PayInvoice {
            invoice: wanted.text(),
            tokens: Some(Sat::new(50_000)),
            scid: None,
            point: Some(fixture::point(1)),
            paid_to: pair.daemons[ALICE].node.1,
            paid_by: pair.daemons[BOB].node.1,
            rebalance: Some(REBALANCE),
        });
        let (peer, wall) = (pair.daemons[ALICE].key, pair.now);
        let (sent_at, evidence) = (pair.now + Duration::from_secs(ahead), None);
        pair.tell(BOB, Event::Heard(Heard { peer, message, sent_at, wall, evidence }));
        assert_eq!(pair.paid(BOB).len(), usize::from(is_paid), "{ahead}");
    }
}

#[test]
fn a_hash_is_paid_once() {
    let mut pair = request(Alice::Versioned, settings(), |_| {}, |_, _| {});
    let (hash, _) = pair.paid(BOB)[0];
    let failed = Outcome::Failed(Failure::TemporaryChannelFailure);
    pair.tell(BOB, Event::PaymentUpdated { hash, outcome: failed });
    pair.talk();
    let result = pair.result(BOB);
    assert_eq!(result.refusal.as_deref(), Some("temporaryChannelFailure"));
    pair.hear(BOB, Message::PayInvoice(result.request));
    pair.talk();
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("hashSeen"));
    assert_eq!(pair.paid(BOB).len(), 1);
}

#[test]
fn one_attempt_at_a_time_on_a_channel() {
    let mut pair = request(Alice::Versioned, settings(), |_| {}, |_, _| {});
    let rebalance = RebalanceId::new([9; 16]);
    let second = pair.request_of(ALICE, 1, rebalance, 2_000, 99);
    pair.hear(BOB, Message::PayInvoice(second));
    pair.talk();
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("attemptOpen"));
    assert_eq!(pair.paid(BOB).len(), 1);
}

#[test]
fn a_legacy_payee_hears_when_to_ask_again_and_for_how_much() {
    let mut bob = settings();
    bob.limits.base.pause_min = Duration::from_secs(60);
    bob.limits.base.payment_max = Msat::new(40_000_000);
    let pair = request(Alice::Legacy, bob, |_| {}, |_, _| {});
    let result = pair.result(BOB);
    assert_eq!(result.refusal.as_deref(), Some("maxTransactionSize"));
    assert_eq!(result.max, Some(Sat::new(40_000)));
    assert_eq!(result.retry_in, Some(Duration::from_secs(60)));
    assert_eq!(result.request.scid, Some(Scid::new(1)));
}

/// Bob at a half with a deadzone of a tenth may go down to 0.4: 100,000 of 1,000,000.
#[test]
fn the_payer_never_grants_past_its_own_band_whatever_the_payee_says() {
    for (sat, refusal) in [(100_000, None), (100_001, Some("pastBand"))] {
        let amount = |wanted: &mut Wanted| wanted.amount = Some(Msat::new(sat * 1000));
        let tokens = |_: &mut Pair, asked: &mut PayInvoice| asked.tokens = Some(Sat::new(sat));
        let mut pair = request(Alice::Legacy, settings(), amount, tokens);
        pair.answer(BOB, 10, &[(1, 500_000, 500_000), (2, 500_000, 500_000)]);
        assert_eq!(pair.paid(BOB).len(), usize::from(refusal.is_none()), "{sat}");
        if refusal.is_some() {
            assert_eq!(pair.result(BOB).refusal.as_deref(), refusal);
            assert_eq!(pair.result(BOB).max, Some(Sat::new(100_000)));
        }
    }
}

/// The payee's node may tell of a payment before the payer's does.
#[test]
fn a_payer_looks_again_before_it_refuses_for_its_own_figures() {
    let amount = |wanted: &mut Wanted| wanted.amount = Some(Msat::new(300_000_000));
    let tokens = |_: &mut Pair, asked: &mut PayInvoice| asked.tokens = Some(Sat::new(300_000));
    let asked = || request(Alice::Versioned, settings(), amount, tokens);
    let mut pair = asked();
    assert_eq!(pair.wants(BOB), ["ListChannels"]);
    pair.answer(BOB, 12, &[(1, 200_000, 800_000), (2, 500_000, 500_000)]);
    assert_eq!(pair.paid(BOB).len(), 1);
    // Once: what is still so is refused, and so is what nobody tells.
    let mut pair = asked();
    pair.answer(BOB, 12, &[(1, 500_000, 500_000), (2, 500_000, 500_000)]);
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("pastBand"));
    let mut pair = asked();
    pair.pass(3);
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("pastBand"));
    assert_eq!(pair.wants(BOB), ["ListChannels"]);
}
