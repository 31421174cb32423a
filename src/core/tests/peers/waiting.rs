//! Offers that wait for HTLCs in flight, and what comes in between.

use super::*;
use crate::ids::{RebalanceId, Scid};

/// The name of the attempt that Alice asks for.
const REBALANCE: RebalanceId = RebalanceId::new([7; 16]);

/// A request of Alice's for 50,000 sat over the first channel.
fn request(pair: &Pair, preimage: u8) -> PayInvoice {
    let request = pair.request_of(ALICE, 1, REBALANCE, 50_000, preimage);
    PayInvoice { scid: Some(Scid::new(1)), ..request }
}

/// Bob has 100,000 sat of his half in flight, and would be too poor without them.
fn waiting() -> Pair {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 500_000, 500_000)]);
    let amount = Msat::new(100_000_000);
    let htlcs = vec![Htlc { is_incoming: false, amount, hash: PaymentHash::new([8; 32]) }];
    bob_sees(&mut pair, 11, 400_000, htlcs);
    let request = request(&pair, 7);
    pair.hear(BOB, Message::PayInvoice(request));
    assert_eq!(pair.paid(BOB), []);
    pair
}

fn bob_sees(pair: &mut Pair, updates: u64, sat: u64, htlcs: Vec<Htlc>) {
    let (node, counterparty) = (pair.daemons[BOB].node.1, pair.daemons[ALICE].node.1);
    let capacity = Msat::new(1_001_000_000);
    let channel = fixture::channel(1, sat, 500_000);
    let channel = Channel { updates, counterparty, htlcs, capacity, ..channel };
    pair.tell(BOB, Event::ChannelsListed { node, with: None, channels: vec![channel] });
}

/// What was in flight has come back to Bob.
fn comes_back(pair: &mut Pair) {
    bob_sees(pair, 12, 500_000, Vec::new());
}

#[test]
fn an_offer_is_paid_once_the_htlcs_in_flight_are_settled() {
    let mut pair = waiting();
    comes_back(&mut pair);
    assert_eq!(pair.paid(BOB).len(), 1);
}

#[test]
fn an_offer_that_waited_long_enough_is_refused_and_gone() {
    let mut pair = waiting();
    pair.pass(3);
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("pastBand"));
    comes_back(&mut pair);
    assert_eq!(pair.paid(BOB), []);
    assert!(pair.daemons[BOB].core.offers.is_empty());
}

#[test]
fn one_offer_waits_on_a_channel() {
    let mut pair = waiting();
    let second = request(&pair, 8);
    pair.hear(BOB, Message::PayInvoice(second));
    pair.talk();
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("attemptOpen"));
    comes_back(&mut pair);
    assert_eq!(pair.paid(BOB).len(), 1);
}

#[test]
fn an_offer_of_a_peer_that_went_away_is_not_paid() {
    let mut pair = waiting();
    pair.part();
    comes_back(&mut pair);
    assert_eq!(pair.paid(BOB), []);
    // Not even when it is back.
    pair.meet();
    assert_eq!(pair.paid(BOB), []);
}

#[test]
fn an_offer_is_not_paid_once_another_peer_speaks_for_the_payee() {
    let node = |pair: &Pair| pair.daemons[ALICE].node.1;
    // By proof, and by succession.
    let mut pair = waiting();
    let proven = hello(node(&pair), None, Some("signed"));
    pair.meets(BOB, 77, proven);
    comes_back(&mut pair);
    assert_eq!(pair.paid(BOB), []);
    pair.talk();
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("notItsNode"));
    let mut pair = waiting();
    let heir = hello(node(&pair), None, None);
    pair.meets(BOB, 77, heir);
    let (peer, reason) = (pair.daemons[ALICE].key, "left".to_owned());
    pair.tell(BOB, Event::PeerDisconnected { peer, reason });
    comes_back(&mut pair);
    assert_eq!(pair.paid(BOB), []);
}

/// An offer between two of our nodes whose invoice somebody else has paid meanwhile.
#[test]
fn an_offer_whose_attempt_has_ended_waits_no_more() {
    let mut world = World::new(settings());
    let asked = world.list(10, &[(1, 200_000, 800_000)]);
    let (alice, bob) = (world.alice.1, world.bob.1);
    let amount = Msat::new(300_000_000);
    let htlcs = vec![Htlc { is_incoming: false, amount, hash: PaymentHash::new([8; 32]) }];
    let capacity = Msat::new(1_001_000_000);
    let channel = |updates, sat| Channel {
        counterparty: alice,
        updates,
        capacity,
        ..fixture::channel(1, sat, 200_000)
    };
    let busy = Channel { htlcs, ..channel(11, 500_000) };
    world.tell(Event::ChannelUpdated { node: bob, channel: busy });
    assert_eq!(payment(&world.invoice(&asked, |_| {})), None);
    let hash = world.core.offers.values().next().expect("an offer waits").bill.hash;
    let end = InvoiceEnd::Settled { paid: amount, over: Vec::new() };
    world.tell(Event::InvoiceEnded { hash, end });
    assert!(world.core.offers.is_empty());
    let told = world.tell(Event::ChannelUpdated { node: bob, channel: channel(12, 800_000) });
    assert_eq!(payment(&told), None);
}
