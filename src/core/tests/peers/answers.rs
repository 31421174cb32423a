//! What a payee makes of a payer's word.

use super::*;
use crate::core::outcome::Failure;
use crate::ids::Scid;
use crate::units::Sat;

/// Alice has asked Bob, who has said nothing.
fn asked() -> Pair {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 200_000, 800_000)]);
    pair.invoice(ALICE);
    pair.daemons[ALICE].wanted.clear();
    pair
}

/// Bob's word on what Alice asked last.
fn word(pair: &Pair, refusal: &str) -> PaymentResult {
    let request = pair.heard.iter().rev().find_map(|(from, message)| match message {
        Message::PayInvoice(request) if *from == ALICE => Some(request.clone()),
        _ => None,
    });
    PaymentResult {
        request: request.expect("a request"),
        is_allowed: false,
        reason: Some("for a reason".to_owned()),
        retry_in: None,
        hash: None,
        is_confirmed: false,
        refusal: Some(refusal.to_owned()),
        max: None,
    }
}

/// Bob says no, and the invoice is cancelled.
fn refused(change: impl FnOnce(&mut PaymentResult)) -> Pair {
    let mut pair = asked();
    let mut result = word(&pair, "paused");
    change(&mut result);
    pair.hear(ALICE, Message::PaymentResult(result));
    assert_eq!(pair.wants(ALICE), ["CancelInvoice"]);
    pair.daemons[ALICE].wanted.clear();
    let hash = pair.offered();
    pair.tell(ALICE, Event::InvoiceEnded { hash, end: InvoiceEnd::Canceled });
    pair
}

/// After how many seconds Alice asks again.
fn asks_again_after(pair: &mut Pair) -> u64 {
    for seconds in 0..=7_200 {
        if pair.wants(ALICE).contains(&"CreateInvoice".to_owned()) {
            return seconds;
        }
        pair.now = pair.now + Duration::from_secs(1);
        pair.tell(ALICE, Event::Woken);
    }
    panic!("Alice asks no more");
}

/// What Alice asks for next, in sat.
fn asks_next(pair: &mut Pair) -> u64 {
    asks_again_after(pair);
    asked_for(&pair.daemons[ALICE].wanted)
}

fn asked_for(wanted: &[Action]) -> u64 {
    super::super::asked(wanted)[0]
}

#[test]
fn only_who_was_asked_is_believed_and_once() {
    let mut pair = asked();
    let no = word(&pair, "paused");
    pair.meets(ALICE, 77, Message::PaymentResult(no.clone()));
    assert_eq!(pair.wants(ALICE), [""; 0]);
    pair.hear(ALICE, Message::PaymentResult(no.clone()));
    assert_eq!(pair.wants(ALICE), ["CancelInvoice"]);
    pair.hear(ALICE, Message::PaymentResult(no));
    assert_eq!(pair.wants(ALICE), ["CancelInvoice"]);
}

#[test]
fn an_outcome_that_nobody_knows_is_no_answer() {
    let mut pair = asked();
    let unknown = word(&pair, "unknown");
    pair.hear(ALICE, Message::PaymentResult(unknown));
    assert_eq!(pair.wants(ALICE), [""; 0]);
    // The word that counts comes later.
    let failed = word(&pair, "temporaryChannelFailure");
    pair.hear(ALICE, Message::PaymentResult(failed));
    assert_eq!(pair.wants(ALICE), ["CancelInvoice"]);
}

#[test]
fn a_confirmed_payment_waits_for_our_own_nodes_word() {
    let mut pair = asked();
    let mut yes = word(&pair, "");
    (yes.is_allowed, yes.is_confirmed, yes.refusal) = (true, true, None);
    pair.hear(ALICE, Message::PaymentResult(yes));
    assert_eq!(pair.wants(ALICE), [""; 0]);
    assert_eq!(pair.records(ALICE), ["RebalanceOpened", "InvoiceCreated"]);
}

#[test]
fn a_peers_wait_is_kept() {
    assert_eq!(asks_again_after(&mut refused(|_| {})), 5);
    let wait = |it: &mut PaymentResult| it.retry_in = Some(Duration::from_secs(90));
    assert_eq!(asks_again_after(&mut refused(wait)), 90);
}

#[test]
fn what_a_peer_would_grant_is_asked_next() {
    let max = |sat| move |it: &mut PaymentResult| it.max = Some(Sat::new(sat));
    assert_eq!(asks_next(&mut refused(max(40_000))), 40_000);
    // Less than is worth asking: not for an hour.
    assert_eq!(asks_again_after(&mut refused(max(999))), 3_600);
    let room = |it: &mut PaymentResult| it.refusal = Some("insufficientBalance".to_owned());
    assert_eq!(asks_next(&mut refused(room)), 150_000);
}

#[test]
fn no_peer_chooses_the_code_of_our_rest() {
    for word in ["paused", "maxTransactionSize", "0123456789"] {
        let pair = refused(|it| it.refusal = Some(word.to_owned()));
        let side = pair.daemons[ALICE].core.report().channels.remove(0);
        let rest = side.rest.expect("she rests");
        assert_eq!(rest.code, "byPeer", "{word}");
        assert!(rest.reason.contains(&format!("({word})")), "{}", rest.reason);
    }
}

#[test]
fn a_peers_word_is_told_only_as_long_as_it_is_the_last() {
    let mut pair = refused(|_| {});
    assert!(pair.rest(ALICE).contains("the payer said"), "{}", pair.rest(ALICE));
    asks_again_after(&mut pair);
    let wanted = pair.daemons[ALICE].wanted.iter();
    let rebalance = wanted.clone().find_map(|action| match action {
        Action::CreateInvoice { rebalance, .. } => Some(*rebalance),
        _ => None,
    });
    let rebalance = rebalance.expect("an invoice is wanted");
    pair.tell(ALICE, Event::InvoiceNotCreated { rebalance, error: "no".to_owned() });
    assert!(!pair.rest(ALICE).contains("the payer said"), "{}", pair.rest(ALICE));
}

#[test]
fn a_legacy_payee_hears_when_to_ask_again_whatever_became_of_its_request() {
    let outcomes = [
        Outcome::Failed(Failure::TemporaryChannelFailure),
        Outcome::Unknown { detail: String::new() },
    ];
    for outcome in outcomes {
        let mut bob = settings();
        bob.limits.base.pause_min = Duration::from_secs(60);
        let mut pair = Pair::new(settings(), bob);
        pair.list(10, &[(1, 200_000, 800_000)]);
        pair.invoice(ALICE);
        let node = pair.daemons[ALICE].node.1;
        pair.hear(BOB, hello(node, None, None));
        let (hash, _) = pair.paid(BOB)[0];
        pair.tell(BOB, Event::PaymentUpdated { hash, outcome: outcome.clone() });
        pair.talk();
        let retry_in = pair.result(BOB).retry_in;
        assert_eq!(retry_in, Some(Duration::from_secs(60)), "{outcome:?}");
    }
}

#[test]
fn an_answer_after_the_end_is_kept_once_and_so_is_the_request() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 200_000, 800_000)]);
    let daemon = &mut pair.daemons[ALICE];
    let place = daemon.wanted.iter().position(|it| matches!(it, Action::CreateInvoice { .. }));
    assert!(place.is_some());
    // Bob hears the request as a signed document.
    pair.invoices += 1;
    let Some(Action::CreateInvoice { rebalance, amount, memo, .. }) =
        place.map(|place| pair.daemons[ALICE].wanted.remove(place))
    else {
        panic!("an invoice is wanted");
    };
    let mut wanted = Wanted::new(pair.daemons[ALICE].node.0, &memo, amount, pair.now);
    wanted.preimage = pair.invoices;
    let (invoice, wall) = (wanted.text(), pair.now);
    pair.tell(ALICE, Event::InvoiceCreated { rebalance, invoice, wall });
    let (_, message) = pair.said.pop_front().expect("a request");
    let (peer, sent_at) = (pair.daemons[ALICE].key, pair.now);
    let evidence = Some("signed by Alice".to_owned());
    pair.tell(BOB, Event::Heard(Heard { peer, message, sent_at, wall, evidence }));
    assert_eq!(pair.records(BOB), ["RequestAttested", "PaymentIntended"]);
    // Unknown first, and the end before the word that counts.
    let (hash, sat) = pair.paid(BOB)[0];
    let detail = String::new();
    pair.tell(BOB, Event::PaymentUpdated { hash, outcome: Outcome::Unknown { detail } });
    pair.tell(BOB, Event::PaymentUpdated { hash, outcome: Outcome::Settled });
    let over = vec![Scid::new(1)];
    let end = InvoiceEnd::Settled { paid: Msat::new(sat * 1000), over };
    pair.tell(ALICE, Event::InvoiceEnded { hash, end });
    while let Some((from, message)) = pair.said.pop_front() {
        let (peer, sent_at, wall) = (pair.daemons[from].key, pair.now, pair.now);
        let evidence = Some("signed by Bob".to_owned());
        pair.tell(1 - from, Event::Heard(Heard { peer, message, sent_at, wall, evidence }));
    }
    let kept = pair.records(ALICE).iter().filter(|it| *it == "ResultAttested").count();
    assert_eq!(kept, 1);
}
