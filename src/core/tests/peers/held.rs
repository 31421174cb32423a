//! Money rule 7: a payer that may pay over any channel is asked by held invoices.

use super::*;
use crate::core::record::InvoiceKind;
use crate::ids::Scid;

/// Alice, and a legacy peer in Bob's place: he says hello as the original does, and no more.
fn with_legacy(can_hold: bool) -> Pair {
    let mut pair = Pair::apart(settings(), settings());
    pair.daemons[ALICE].can_hold = can_hold;
    pair.start(ALICE);
    greet(&mut pair);
    pair
}

fn greet(pair: &mut Pair) {
    let peer = pair.daemons[BOB].key;
    pair.tell(ALICE, Event::PeerConnected { peer });
    let node = pair.daemons[BOB].node.1;
    let hello = Hello { node, alias: "bob".to_owned(), version: None, proof: None };
    pair.hear(ALICE, Message::Hello(hello));
    pair.said.clear();
}

/// Lets Alice's node list these channels with Bob.
fn list(pair: &mut Pair, updates: u64, channels: &[(u8, u64, u64)]) {
    let counterparty = pair.daemons[BOB].node.1;
    let channels = channels.iter().map(|(n, alice, bob)| Channel {
        updates,
        counterparty,
        ..fixture::channel(*n, *alice, *bob)
    });
    let channels = channels.collect();
    let node = pair.daemons[ALICE].node.1;
    pair.tell(ALICE, Event::ChannelsListed { node, with: None, channels });
}

/// How the invoice is to be made that Alice wants, if she does.
fn kind(pair: &Pair) -> Option<InvoiceKind> {
    pair.daemons[ALICE].wanted.iter().find_map(|action| match action {
        Action::CreateInvoice { kind, .. } => Some(*kind),
        _ => None,
    })
}

/// Alice's held invoice is made and offered; its hash.
fn offer(pair: &mut Pair) -> PaymentHash {
    list(pair, 10, &[(1, 200_000, 800_000), (2, 500_000, 500_000)]);
    assert_eq!(kind(pair), Some(InvoiceKind::Held));
    assert!(pair.invoice(ALICE));
    pair.offered()
}

/// Alice's node holds so much, that came over these channels.
fn hold(pair: &mut Pair, hash: PaymentHash, sat: u64, over: &[u64]) {
    let over = over.iter().map(|scid| Scid::new(*scid)).collect();
    pair.daemons[ALICE].wanted.clear();
    let held = Held { paid: Msat::new(sat * 1000), over };
    pair.tell(ALICE, Event::InvoiceHeld { hash, held });
}

#[test]
fn what_came_over_the_asked_channel_alone_is_taken() {
    let mut pair = with_legacy(true);
    let hash = offer(&mut pair);
    hold(&mut pair, hash, 300_000, &[1, 1]);
    assert_eq!(pair.wants(ALICE), ["SettleHeld"]);
    let end = InvoiceEnd::Settled { paid: Msat::new(300_000_000), over: vec![Scid::new(1)] };
    pair.tell(ALICE, Event::InvoiceEnded { hash, end });
    assert_eq!(pair.records(ALICE).last().map(String::as_str), Some("RebalanceSettled"));
}

#[test]
fn anything_else_is_given_back_and_the_channel_rests_for_long() {
    for over in [vec![2, 2], vec![1, 2], vec![]] {
        let sat = 300_000;
        let mut pair = with_legacy(true);
        let hash = offer(&mut pair);
        hold(&mut pair, hash, sat, &over);
        assert_eq!(pair.wants(ALICE), ["CancelHeld"], "{over:?}");
        // Told once more, as after a lost connection: given back once more, remembered once.
        hold(&mut pair, hash, sat, &over);
        assert_eq!(pair.wants(ALICE), ["CancelHeld"], "{over:?}");
        pair.tell(ALICE, Event::InvoiceEnded { hash, end: InvoiceEnd::Canceled });
        let records = pair.records(ALICE);
        assert_eq!(records[2..], ["PaidElsewhere", "RebalanceFailed"], "{over:?}");
        assert!(pair.rest(ALICE).contains("came over another channel"), "{}", pair.rest(ALICE));
        pair.pass(3_599);
        assert_eq!(kind(&pair), None);
        pair.pass(1);
        assert_eq!(kind(&pair), Some(InvoiceKind::Held));
    }
}

#[test]
fn what_is_too_little_or_of_a_channel_that_is_gone_is_given_back_and_proves_nothing() {
    let mut pair = with_legacy(true);
    let hash = offer(&mut pair);
    hold(&mut pair, hash, 299_999, &[1]);
    assert_eq!(pair.wants(ALICE), ["CancelHeld"]);
    assert_eq!(pair.records(ALICE).len(), 2);
    let mut pair = with_legacy(true);
    let hash = offer(&mut pair);
    list(&mut pair, 11, &[]);
    hold(&mut pair, hash, 300_000, &[1]);
    assert_eq!(pair.wants(ALICE), ["CancelHeld"]);
    assert_eq!(pair.records(ALICE).len(), 2);
}

#[test]
fn a_plain_invoice_is_not_judged_as_held() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 200_000, 800_000), (2, 500_000, 500_000)]);
    pair.invoice(ALICE);
    let hash = pair.offered();
    hold(&mut pair, hash, 300_000, &[2]);
    assert_eq!(pair.wants(ALICE), [""; 0]);
}

#[test]
fn a_payer_that_leaves_may_have_paid_what_is_held() {
    let mut pair = with_legacy(true);
    offer(&mut pair);
    pair.daemons[ALICE].wanted.clear();
    pair.part();
    assert_eq!(pair.wants(ALICE), [""; 0]);
}

#[test]
fn a_way_that_cannot_be_judged_yet_is_judged_with_the_nodes_list() {
    let mut pair = Pair::new(settings(), settings());
    let channels = [(1, 200_000, 800_000), (2, 500_000, 500_000)];
    pair.list(10, &channels);
    pair.invoice(ALICE);
    let hash = pair.offered();
    let node = pair.daemons[ALICE].node.1;
    pair.tell(ALICE, Event::NodeDisconnected { node });
    let end = InvoiceEnd::Settled { paid: Msat::new(300_000_000), over: vec![Scid::new(2)] };
    pair.tell(ALICE, Event::InvoiceEnded { hash, end });
    assert_eq!(pair.records(ALICE).last().map(String::as_str), Some("RebalanceSettled"));
    let own = OwnNode {
        id: node,
        alias: "alice".to_owned(),
        network: Network::Regtest,
        rebalances: true,
        can_hold: true,
        proof: None,
    };
    pair.tell(ALICE, Event::NodeConnected(own));
    list(&mut pair, 11, &channels);
    assert_eq!(pair.records(ALICE).last().map(String::as_str), Some("PaidElsewhere"));
}

#[test]
fn a_payer_of_any_version_that_went_astray_once_is_asked_so_even_after_a_restart() {
    let channels = [(1, 200_000, 800_000), (2, 500_000, 500_000)];
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &channels);
    assert_eq!(kind(&pair), Some(InvoiceKind::Plain));
    pair.invoice(ALICE);
    let hash = pair.offered();
    let end = InvoiceEnd::Settled { paid: Msat::new(300_000_000), over: vec![Scid::new(2)] };
    pair.tell(ALICE, Event::InvoiceEnded { hash, end });
    pair.part();
    pair.now = pair.now + Duration::from_secs(3_600);
    pair.start(ALICE);
    pair.meet();
    pair.list(20, &channels);
    assert_eq!(kind(&pair), Some(InvoiceKind::Held));
}

#[test]
fn a_payment_is_judged_only_once_the_channels_ids_are_known() {
    let mut pair = with_legacy(true);
    let hash = offer(&mut pair);
    pair.start(ALICE);
    // It may be paid already, so it is neither cancelled nor taken unseen.
    assert_eq!(pair.wants(ALICE), ["WatchInvoice"]);
    hold(&mut pair, hash, 300_000, &[1]);
    assert_eq!(pair.wants(ALICE), [""; 0]);
    list(&mut pair, 10, &[(1, 200_000, 500_000), (2, 500_000, 500_000)]);
    assert_eq!(pair.wants(ALICE), ["SettleHeld"]);
}

#[test]
fn a_held_invoice_that_nobody_knows_of_is_cancelled_after_a_restart() {
    let mut pair = with_legacy(true);
    list(&mut pair, 10, &[(1, 200_000, 800_000), (2, 500_000, 500_000)]);
    pair.start(ALICE);
    assert_eq!(pair.wants(ALICE), ["CancelHeld"]);
    assert_eq!(pair.records(ALICE), ["RebalanceOpened", "RebalanceFailed"]);
}

#[test]
fn without_invoicesrpc_such_a_payer_is_asked_over_the_sole_channel_only() {
    let mut pair = with_legacy(false);
    list(&mut pair, 10, &[(1, 200_000, 800_000), (2, 500_000, 500_000)]);
    assert_eq!(kind(&pair), None);
    list(&mut pair, 11, &[(1, 200_000, 800_000)]);
    assert_eq!(kind(&pair), Some(InvoiceKind::Plain));
}

#[test]
fn a_legacy_payer_is_asked_by_its_own_id() {
    let mut pair = with_legacy(true);
    let counterparty = pair.daemons[BOB].node.1;
    let peer_scid = Scid::new(16_000_000 << 40);
    let channel = Channel { counterparty, peer_scid, ..fixture::channel(1, 200_000, 800_000) };
    let node = pair.daemons[ALICE].node.1;
    pair.tell(ALICE, Event::ChannelsListed { node, with: None, channels: vec![channel] });
    assert!(pair.invoice(ALICE));
    let asked = pair.heard.iter().find_map(|(_, message)| match message {
        Message::PayInvoice(request) => request.scid,
        _ => None,
    });
    assert_eq!(asked, Some(peer_scid));
}
