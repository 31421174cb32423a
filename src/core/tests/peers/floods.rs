//! No peer fills the event log: of each, so much is told in a minute and no more.

use super::*;

/// How many entries a thousand of these messages of Alice's make in Bob's event log.
fn check(pair: &mut Pair, message: impl Fn(usize) -> Message) {
    let (peer, sent_at, wall) = (pair.daemons[ALICE].key, pair.now, pair.now);
    let mut told = 0;
    for n in 0..1_000 {
        let heard = Heard { peer, message: message(n), sent_at, wall, evidence: None };
        let batch = pair.daemons[BOB].core.handle(pair.now, Event::Heard(heard));
        told += batch.iter().filter(|it| matches!(it, Action::Narrate(_))).count();
    }
    assert!((1..=30).contains(&told), "{told}");
}

fn rubbish(pair: &Pair) -> PayInvoice {
    PayInvoice {
        invoice: String::new(),
        tokens: None,
        scid: None,
        point: None,
        paid_to: fixture::NODE_C,
        paid_by: pair.daemons[BOB].node.1,
        rebalance: None,
    }
}

#[test]
fn refusals_of_any_kind_are_told_so_often_only() {
    let mut pair = Pair::new(settings(), settings());
    let request = rubbish(&pair);
    check(&mut pair, |n| {
        let paid_by = if n % 2 == 0 { request.paid_by } else { fixture::NODE_C };
        Message::PayInvoice(PayInvoice { paid_by, ..request.clone() })
    });
}

#[test]
fn a_name_that_changes_all_the_time_is_told_so_often_only() {
    let mut pair = Pair::new(settings(), settings());
    let node = pair.daemons[ALICE].node.1;
    check(&mut pair, |n| {
        Message::Hello(Hello { node, alias: n.to_string(), version: Some(1), proof: None })
    });
}

#[test]
fn who_comes_and_goes_is_told_so_often_only() {
    let mut pair = Pair::new(settings(), settings());
    let (peer, node) = (pair.daemons[ALICE].key, pair.daemons[ALICE].node.1);
    let mut told = 0;
    for _ in 0..1_000 {
        let (sent_at, wall, evidence) = (pair.now, pair.now, None);
        let message = hello(node, Some(1), None);
        for event in [
            Event::PeerConnected { peer },
            Event::Heard(Heard { peer, message, sent_at, wall, evidence }),
            Event::PeerDisconnected { peer, reason: "left".to_owned() },
        ] {
            let batch = pair.daemons[BOB].core.handle(pair.now, event);
            told += batch.iter().filter(|it| matches!(it, Action::Narrate(_))).count();
        }
    }
    assert!(told <= 30, "{told}");
}

#[test]
fn strangers_without_number_leave_nothing_behind() {
    let mut pair = Pair::new(settings(), settings());
    let request = rubbish(&pair);
    for n in 0..2_000_u32 {
        let mut key = [9; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        let (peer, sent_at, wall) = (PeerKey::new(key), pair.now, pair.now);
        let message = Message::PayInvoice(request.clone());
        pair.tell(BOB, Event::PeerConnected { peer });
        let evidence = None;
        pair.tell(BOB, Event::Heard(Heard { peer, message, sent_at, wall, evidence }));
        pair.tell(BOB, Event::PeerDisconnected { peer, reason: "left".to_owned() });
    }
    assert!(pair.daemons[BOB].core.told_of.len() <= 1_024);
    assert_eq!(pair.daemons[BOB].core.peers(), 1);
}
