//! The story between two owners: seen, asked, paid, told, at rest.

use super::*;
use crate::core::record::{Pause, Scope};
use crate::ids::Scid;

#[test]
fn a_drift_is_asked_paid_and_known_to_both() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 200_000, 800_000)]);
    assert!(pair.invoice(ALICE));
    assert_eq!(pair.paid(BOB).len(), 1);
    assert_eq!(pair.paid(BOB)[0].1, 300_000);
    pair.settle(BOB, 1);
    let result = pair.result(BOB);
    assert!(result.is_confirmed && result.is_allowed);
    assert_eq!(pair.records(ALICE), ["RebalanceOpened", "InvoiceCreated", "RebalanceSettled"]);
    assert_eq!(pair.records(BOB), ["PaymentIntended", "PaymentSettled"]);
}

#[test]
fn what_peers_sign_is_kept_whether_it_comes_before_or_after_the_payment() {
    for is_late in [false, true] {
        let mut pair = Pair::new(settings(), settings());
        pair.list(10, &[(1, 200_000, 800_000)]);
        pair.invoice(ALICE);
        let (hash, sat) = pair.paid(BOB)[0];
        pair.tell(BOB, Event::PaymentUpdated { hash, outcome: Outcome::Settled });
        let Some((BOB, message)) = pair.said.pop_front() else { panic!("Bob says nothing") };
        let (peer, sent_at, wall) = (pair.daemons[BOB].key, pair.now, pair.now);
        let evidence = Some("signed by Bob".to_owned());
        let heard = Event::Heard(Heard { peer, message, sent_at, wall, evidence });
        let over = vec![Scid::new(1)];
        let end = InvoiceEnd::Settled { paid: Msat::new(sat * 1000), over };
        let ended = Event::InvoiceEnded { hash, end };
        let told = if is_late { [ended, heard.clone()] } else { [heard.clone(), ended] };
        for event in told {
            pair.tell(ALICE, event);
        }
        // Said again, it is kept once.
        pair.tell(ALICE, heard);
        let mut records = pair.records(ALICE).split_off(2);
        records.sort();
        assert_eq!(records, ["RebalanceSettled", "ResultAttested"], "{is_late}");
    }
}

#[test]
fn the_same_works_the_other_way_round() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 800_000, 200_000)]);
    assert!(pair.invoice(BOB));
    assert_eq!(pair.paid(ALICE)[0].1, 300_000);
    pair.settle(ALICE, 1);
    assert_eq!(pair.records(BOB).last().map(String::as_str), Some("RebalanceSettled"));
}

#[test]
fn a_channel_that_is_opened_later_is_kept_too() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 500_000, 500_000)]);
    assert!(!pair.invoice(ALICE));
    pair.list(11, &[(1, 500_000, 500_000), (2, 100_000, 900_000)]);
    assert!(pair.invoice(ALICE));
    assert_eq!(pair.paid(BOB)[0].1, 400_000);
}

#[test]
fn a_channel_with_nobody_of_the_cluster_is_left_alone() {
    let mut pair = Pair::apart(settings(), settings());
    pair.list(10, &[(1, 200_000, 800_000)]);
    assert_eq!(pair.daemons[ALICE].core.watched(), 0);
    assert_eq!(pair.wants(ALICE), [""; 0]);
    pair.meet();
    assert_eq!(pair.daemons[ALICE].core.watched(), 1);
    pair.part();
    assert_eq!(pair.daemons[ALICE].core.watched(), 0);
}

#[test]
fn two_wishes_meet_half_way() {
    let mut pair = Pair::new(band(80, 30), band(60, 30));
    pair.list(10, &[(1, 100_000, 900_000)]);
    assert!(pair.invoice(ALICE));
    assert_eq!(pair.paid(BOB)[0].1, 500_000);
}

#[test]
fn bands_that_do_not_meet_are_told_at_both_ends() {
    let mut pair = Pair::new(band(70, 10), band(50, 5));
    pair.list(10, &[(1, 100_000, 900_000)]);
    for who in [ALICE, BOB] {
        assert!(pair.rest(who).starts_with("no balance contents both sides"), "{who}");
    }
}

#[test]
fn a_request_is_clamped_to_what_the_payer_pays_at_once() {
    let mut bob = settings();
    bob.limits.base.payment_max = Msat::new(50_000_000);
    let mut pair = Pair::new(settings(), bob);
    pair.list(10, &[(1, 200_000, 800_000)]);
    assert!(pair.invoice(ALICE));
    assert_eq!(pair.paid(BOB)[0].1, 50_000);
}

#[test]
fn a_peer_whose_policy_has_not_come_is_not_asked() {
    let mut pair = Pair::apart(settings(), settings());
    pair.list(10, &[(1, 200_000, 800_000)]);
    for who in [ALICE, BOB] {
        let peer = pair.daemons[1 - who].key;
        pair.tell(who, Event::PeerConnected { peer });
    }
    while let Some((from, message)) = pair.said.pop_front() {
        if !matches!(message, Message::Policy(_)) {
            pair.hear(1 - from, message);
        }
    }
    assert_eq!(pair.rest(ALICE), "the peer's policy for it is not known yet");
    // The next hello brings it.
    pair.pass(90);
    assert!(pair.invoice(ALICE));
}

#[test]
fn a_pause_is_told_to_the_peer_and_ends_with_it() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 500_000, 500_000)]);
    let until = Some(pair.now + Duration::from_secs(60));
    pair.tell(BOB, Event::PauseAsked(Pause { scope: Scope::All, until, reason: None }));
    pair.talk();
    pair.list(11, &[(1, 200_000, 800_000)]);
    assert_eq!(pair.rest(ALICE), "the peer's operator paused payments here");
    pair.pass(60);
    assert!(pair.invoice(ALICE));
    assert_eq!(pair.paid(BOB).len(), 1);
}

#[test]
fn what_came_in_between_keeps_the_invoice_from_being_offered() {
    let cases: [fn(&mut Pair); 5] = [
        |pair| {
            let pause = Pause { scope: Scope::All, until: None, reason: None };
            pair.tell(ALICE, Event::PauseAsked(pause));
        },
        |pair| pair.tell(ALICE, Event::Stopping),
        // The payer's peer says no version any more, and would be asked in another way.
        |pair| {
            let node = pair.daemons[BOB].node.1;
            pair.hear(ALICE, hello(node, None, None));
        },
        |pair| pair.part(),
        // It is not needed any more.
        |pair| {
            let channels = pair.seen(ALICE, 11, &[(1, 500_000, 500_000), (2, 500_000, 500_000)]);
            for channel in channels {
                let node = pair.daemons[ALICE].node.1;
                pair.tell(ALICE, Event::ChannelUpdated { node, channel });
            }
        },
    ];
    for (case, change) in cases.into_iter().enumerate() {
        let mut pair = Pair::new(settings(), settings());
        pair.list(10, &[(1, 200_000, 800_000), (2, 500_000, 500_000)]);
        change(&mut pair);
        pair.said.clear();
        assert!(pair.invoice(ALICE));
        assert_eq!(pair.requests(ALICE), 0, "{case}");
        assert!(pair.records(ALICE).contains(&"RebalanceFailed".to_owned()), "{case}");
        assert!(pair.wants(ALICE).contains(&"CancelInvoice".to_owned()), "{case}");
    }
}

#[test]
fn what_the_payer_refuses_both_sides_know_by_the_same_word() {
    let mut pair = Pair::new(settings(), broke());
    pair.list(10, &[(1, 200_000, 800_000)]);
    assert!(pair.invoice(ALICE));
    assert_eq!(pair.paid(BOB), []);
    let code = pair.result(BOB).refusal.expect("a code");
    assert_eq!(code, "maxTransactionsPerPeriod");
    assert_eq!(pair.wants(ALICE), ["WatchInvoice", "CancelInvoice"]);
    let hash = pair.offered();
    pair.tell(ALICE, Event::InvoiceEnded { hash, end: InvoiceEnd::Canceled });
    assert!(pair.rest(ALICE).contains(&code), "{}", pair.rest(ALICE));
    assert_eq!(pair.records(ALICE).last().map(String::as_str), Some("RebalanceFailed"));
}

#[test]
fn a_payer_that_says_no_and_pays_is_booked_as_the_node_says() {
    let mut pair = Pair::new(settings(), broke());
    pair.list(10, &[(1, 200_000, 800_000)]);
    pair.invoice(ALICE);
    let (hash, over) = (pair.offered(), vec![Scid::new(1)]);
    let end = InvoiceEnd::Settled { paid: Msat::new(300_000_000), over };
    pair.tell(ALICE, Event::InvoiceEnded { hash, end });
    assert_eq!(pair.records(ALICE).last().map(String::as_str), Some("RebalanceSettled"));
}

#[test]
fn a_peer_that_leaves_keeps_its_reservation_until_the_outcome_is_known() {
    let mut bob = settings();
    bob.limits.base.amount_max = Msat::new(400_000_000);
    let mut pair = Pair::new(settings(), bob);
    pair.list(10, &[(1, 200_000, 800_000), (2, 200_000, 800_000)]);
    assert!(pair.invoice(ALICE));
    assert_eq!(pair.paid(BOB).len(), 1);
    pair.part();
    pair.meet();
    assert!(pair.invoice(ALICE));
    assert_eq!(pair.paid(BOB).len(), 1);
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("maxAmountPerPeriod"));
    assert_eq!(pair.daemons[BOB].core.open_payments(), 1);
}

#[test]
fn what_a_peer_leaves_unanswered_is_cancelled_and_asked_again_when_it_is_back() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 200_000, 800_000)]);
    pair.invoice(ALICE);
    let hash = pair.offered();
    pair.part();
    assert_eq!(pair.wants(ALICE), ["WatchInvoice", "CancelInvoice"]);
    pair.tell(ALICE, Event::InvoiceEnded { hash, end: InvoiceEnd::Canceled });
    assert_eq!(last_failure(&pair.daemons[ALICE].log), "peerGone");
    pair.meet();
    assert!(pair.invoice(ALICE));
}

#[test]
fn after_a_kill_the_payer_still_reports_to_whoever_speaks_for_the_payee() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 200_000, 800_000)]);
    pair.invoice(ALICE);
    let (hash, _) = pair.paid(BOB)[0];
    pair.part();
    pair.start(BOB);
    pair.meet();
    assert_eq!(pair.paid(BOB), []);
    assert!(pair.wants(BOB).contains(&"TrackPayment".to_owned()));
    pair.tell(BOB, Event::PaymentUpdated { hash, outcome: Outcome::Settled });
    pair.talk();
    assert!(pair.result(BOB).is_confirmed);
}

#[test]
fn after_a_kill_the_payee_cancels_what_it_asked_and_believes_its_node() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 200_000, 800_000)]);
    pair.invoice(ALICE);
    let hash = pair.offered();
    pair.start(ALICE);
    assert_eq!(pair.wants(ALICE), ["CancelInvoice", "WatchInvoice"]);
    let end = InvoiceEnd::Settled { paid: Msat::new(300_000_000), over: vec![Scid::new(1)] };
    pair.tell(ALICE, Event::InvoiceEnded { hash, end });
    assert_eq!(pair.records(ALICE).last().map(String::as_str), Some("RebalanceSettled"));
}

/// Settings of somebody who pays nothing in any period.
fn broke() -> Settings {
    let mut broke = settings();
    broke.limits.base.payments_max = 0;
    broke
}
