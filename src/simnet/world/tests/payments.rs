//! Payments over several hops and in several parts, held ones, and those that fail.

use super::*;
use crate::rpc::lnrpc::PaymentFailureReason;
use crate::simnet::world::payment::NewPayment;

/// A payment of an invoice, on lnd's own conditions.
fn paying(request: String) -> NewPayment {
    NewPayment {
        request,
        amount: Msat::ZERO,
        first: Vec::new(),
        last: None,
        fee_max: Msat::MAX,
        parts_max: 16,
        patience_s: 60,
        cltv_max: 2_016,
        may_pay_itself: false,
    }
}

/// Alice and Carol, each with a channel to Bob: over him they pay each other.
fn over_bob() -> (Net, [ChannelPoint; 2]) {
    let mut net = Net::of(["alice", "bob", "carol"]);
    let near = net.channel(0, 1, 1_000_000, 500_000);
    let far = net.channel(1, 2, 1_000_000, 500_000);
    (net, [near, far])
}

#[test]
fn who_stands_between_earns_a_fee() {
    let (mut net, [near, far]) = over_bob();
    let before = [net.balances(near), net.balances(far)];
    let (hash, _, request) = net.invoice(2, 100_000);
    net.world.send_payment(net.nodes[0], paying(request)).expect("a payment");
    let told = net.run(Duration::from_secs(2));
    assert!(matches!(net.state(0, hash), PaymentState::Succeeded(_)));
    let paid = net.world.payment(net.nodes[0], hash).expect("a payment");
    // 1 sat and a millionth.
    assert_eq!(paid.fee(), Msat::new(1_100));
    assert_eq!(net.balances(near).1, before[0].1 + 100_001);
    assert_eq!(net.balances(far).1, before[1].1 + 100_000);
    let forwarded = told.iter().filter(|(_, notice)| {
        matches!(notice, Notice::Htlc { node, event } if *node == net.nodes[1]
            && event.part == Some(Part::Forward))
    });
    assert_eq!(forwarded.count(), 2);
}

#[test]
fn a_channel_that_nobody_knows_is_found_where_the_invoice_names_it() {
    let mut net = Net::of(["alice", "bob", "carol"]);
    net.channel(0, 1, 1_000_000, 500_000);
    let (from, to) = (net.nodes[1], net.nodes[2]);
    let wanted = NewChannel { from, to, is_private: true, ..net.wanted(1, 2, 1_000_000, 0) };
    net.world.open(wanted).expect("a channel");
    (0..6).for_each(|_| net.world.mine());
    net.run(Duration::from_secs(1));
    for (is_private, arrives) in [(false, false), (true, true)] {
        let wanted = NewInvoice { is_private, ..asking(10_000, Lock::Own) };
        let made = net.world.add_invoice(net.nodes[2], wanted).expect("an invoice");
        let (hash, request) = (made.hash, made.request.clone());
        net.world.send_payment(net.nodes[0], paying(request)).expect("a payment");
        net.run(Duration::from_secs(2));
        let has_arrived = matches!(net.state(0, hash), PaymentState::Succeeded(_));
        assert_eq!(has_arrived, arrives, "named: {is_private}");
    }
}

#[test]
fn what_is_meant_for_another_is_not_read() {
    let mut net = Net::of(["alice", "bob", "carol"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    let (hash, secret, _) = net.invoice(1, 100_000);
    let route = net.route(point, net.nodes[2], 100_000, secret);
    net.world.send_to_route(net.nodes[0], hash, route).expect("an attempt");
    net.run(Duration::from_secs(1));
    assert_eq!(net.failure(0, hash), (FailureCode::InvalidOnionHmac, 1));
}

#[test]
fn a_payment_that_no_channel_carries_goes_in_parts() {
    let mut net = Net::of(["alice", "bob"]);
    for _ in 0..3 {
        net.channel(0, 1, 1_000_000, 500_000);
    }
    let (hash, _, request) = net.invoice(1, 1_000_000);
    let one_part = NewPayment { parts_max: 1, ..paying(request.clone()) };
    net.world.send_payment(net.nodes[0], one_part).expect("a payment");
    net.run(Duration::from_secs(1));
    let no_route = PaymentFailureReason::FailureReasonNoRoute;
    assert_eq!(net.state(0, hash), PaymentState::Failed(no_route));

    net.world.send_payment(net.nodes[0], paying(request)).expect("a payment");
    // It has arrived when its last part has, and not before.
    while net.state(0, hash) == PaymentState::InFlight {
        net.run(Duration::from_millis(1));
    }
    assert!(matches!(net.state(0, hash), PaymentState::Succeeded(_)));
    let paid = net.world.payment(net.nodes[0], hash).expect("a payment");
    assert!(paid.attempts.len() > 1, "{:?}", paid.attempts);
    assert_eq!(paid.under_way().count(), 0);
    let invoice = net.world.invoice(net.nodes[1], hash).expect("an invoice");
    assert_eq!(invoice.paid(), Sat::new(1_000_000).msat());
}

#[test]
fn a_payer_learns_which_way_is_closed_and_takes_another() {
    let mut net = Net::of(["alice", "bob", "carol", "dave"]);
    net.channel(0, 1, 1_000_000, 0);
    net.channel(0, 3, 1_000_000, 0);
    // Bob has nothing for Carol, which Alice cannot know; Dave has.
    net.channel(2, 1, 1_000_000, 0);
    net.channel(3, 2, 1_000_000, 0);
    let (hash, _, request) = net.invoice(2, 50_000);
    net.world.send_payment(net.nodes[0], paying(request)).expect("a payment");
    net.run(Duration::from_secs(3));
    assert!(matches!(net.state(0, hash), PaymentState::Succeeded(_)));
    let paid = net.world.payment(net.nodes[0], hash).expect("a payment");
    let by = |place: usize| {
        paid.attempts.iter().filter(|it| it.route.hops[0].node == net.nodes[place]).count()
    };
    assert!(by(3) == 1 && by(1) <= 1, "{:?}", paid.attempts);
}

#[test]
fn what_is_held_is_taken_or_given_back() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    let before = net.balances(point);
    let preimages = [Preimage::new([1; 32]), Preimage::new([2; 32])];
    for preimage in preimages {
        let (hash, secret, _) = net.locked(1, 100_000, Lock::Held(preimage.hash()));
        net.send(0, point, 100_000, (hash, secret));
        net.run(Duration::from_millis(200));
        let invoice = net.world.invoice(net.nodes[1], hash).expect("an invoice");
        assert_eq!(invoice.state, InvoiceState::Accepted);
        assert_eq!(net.state(0, hash), PaymentState::InFlight);
    }
    net.world.cancel_invoice(net.nodes[1], preimages[0].hash()).expect("it is cancelled");
    net.run(Duration::from_secs(1));
    assert_eq!(net.balances(point).1, before.1);
    let details = PaymentFailureReason::FailureReasonIncorrectPaymentDetails;
    assert_eq!(net.state(0, preimages[0].hash()), PaymentState::Failed(details));

    net.world.settle_invoice(net.nodes[1], preimages[1]).expect("it is settled");
    net.run(Duration::from_secs(1));
    assert_eq!(net.balances(point).1, before.1 + 100_000);
    assert_eq!(net.state(0, preimages[1].hash()), PaymentState::Succeeded(preimages[1]));
    let again = net.world.settle_invoice(net.nodes[1], preimages[1]).expect_err("it was settled");
    assert_eq!(again.to_string(), "invoice already settled");
}

#[test]
fn each_failure_says_what_was_wrong_and_who_found_it() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    let mut check = |sat: u64, due: (PaymentHash, [u8; 32]), expected: (FailureCode, u32)| {
        net.send(0, point, sat, due);
        net.run(Duration::from_secs(1));
        assert_eq!(net.failure(0, due.0), expected);
    };
    let unknown = PaymentHash::new([9; 32]);
    check(1_000, (unknown, [0; 32]), (FailureCode::IncorrectOrUnknownPaymentDetails, 1));
    check(490_000, (unknown, [0; 32]), (FailureCode::TemporaryChannelFailure, 0));
    let (hash, secret, _) = net.invoice(1, 100_000);
    let mut check = |sat: u64, due: (PaymentHash, [u8; 32]), expected: (FailureCode, u32)| {
        net.send(0, point, sat, due);
        net.run(Duration::from_secs(1));
        assert_eq!(net.failure(0, due.0), expected);
    };
    check(99_999, (hash, secret), (FailureCode::IncorrectOrUnknownPaymentDetails, 1));
    check(100_000, (hash, [0; 32]), (FailureCode::IncorrectOrUnknownPaymentDetails, 1));
    net.world.cancel_invoice(net.nodes[1], hash).expect("it is cancelled");
    net.send(0, point, 100_000, (hash, secret));
    net.run(Duration::from_secs(1));
    assert_eq!(net.failure(0, hash), (FailureCode::IncorrectOrUnknownPaymentDetails, 1));
    assert!(net.world.channels[&point].htlcs.is_empty());
}

#[test]
fn an_invoice_that_nobody_pays_expires() {
    let mut net = Net::of(["alice", "bob"]);
    net.channel(0, 1, 1_000_000, 500_000);
    let (hash, _, request) = net.invoice(1, 1_000);
    net.run(Duration::from_secs(86_401));
    let invoice = net.world.invoice(net.nodes[1], hash).expect("an invoice");
    assert_eq!(invoice.state, InvoiceState::Canceled);
    let error = net.world.send_payment(net.nodes[0], paying(request)).expect_err("it is too late");
    assert_eq!(error.to_string(), "invoice expired");
}

#[test]
fn nobody_finds_a_way_to_itself() {
    let (mut net, _) = over_bob();
    let (hash, _, request) = net.invoice(0, 1_000);
    let error = net.world.send_payment(net.nodes[0], paying(request.clone())).expect_err("itself");
    assert_eq!(error.to_string(), "self-payments not allowed");
    let allowed = NewPayment { may_pay_itself: true, ..paying(request) };
    net.world.send_payment(net.nodes[0], allowed).expect("a payment");
    net.run(Duration::from_secs(1));
    let no_route = PaymentFailureReason::FailureReasonNoRoute;
    assert_eq!(net.state(0, hash), PaymentState::Failed(no_route));
}

#[test]
fn the_fewest_blocks_of_an_invoice_are_those_of_the_release() {
    let mut world = World::new(7, BEGIN);
    for (alias, version, least) in [("old", LndVersion::V20, 18), ("new", LndVersion::V21, 24)] {
        let id = world.add_node(alias, version);
        let wanted = |cltv| NewInvoice { cltv: Some(cltv), ..asking(1_000, Lock::Own) };
        world.add_invoice(id, wanted(least)).expect("an invoice");
        let error = world.add_invoice(id, wanted(least - 1)).expect_err("too few");
        let expected =
            format!("CLTV delta of {} must be greater than minimum of {least}", least - 1);
        assert_eq!(error.to_string(), expected);
    }
}
