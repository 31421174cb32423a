//! What stands still goes on, and what was never sent is known to be unsent.

use super::*;
use crate::rpc::lnrpc::PaymentFailureReason;
use crate::simnet::world::payments::PayError;

/// Alice and Bob, a channel, and 100,000 sat on their way to Bob for `ms`.
fn on_its_way(ms: u64) -> (Net, ChannelPoint, PaymentHash) {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    let (hash, secret, _) = net.invoice(1, 100_000);
    net.send(0, point, 100_000, (hash, secret));
    net.run(Duration::from_millis(ms));
    (net, point, hash)
}

#[test]
fn a_payee_that_dies_takes_the_payment_up_again_at_any_moment() {
    for ms in (0..140).step_by(5) {
        let (mut net, point, hash) = on_its_way(ms);
        net.world.stop(net.nodes[1]);
        net.run(Duration::from_secs(10));
        net.world.start(net.nodes[1]);
        net.run(Duration::from_secs(2));
        assert!(matches!(net.state(0, hash), PaymentState::Succeeded(_)), "at {ms} ms");
        assert!(net.world.channels[&point].htlcs.is_empty(), "at {ms} ms");
        assert_eq!(net.balances(point).1, 600_000, "at {ms} ms");
    }
}

#[test]
fn a_payer_that_dies_has_paid_or_knows_that_it_has_not() {
    let mut ends = [0, 0];
    for ms in (0..140).step_by(5) {
        let (mut net, point, hash) = on_its_way(ms);
        net.world.stop(net.nodes[0]);
        net.run(Duration::from_secs(10));
        net.world.start(net.nodes[0]);
        net.run(Duration::from_secs(2));
        let (arrived, end) = match net.state(0, hash) {
            PaymentState::Succeeded(_) => (600_000, 0),
            PaymentState::Failed(_) => (500_000, 1),
            PaymentState::InFlight => panic!("at {ms} ms"),
        };
        ends[end] += 1;
        assert_eq!(net.balances(point).1, arrived, "at {ms} ms");
        assert!(net.world.channels[&point].htlcs.is_empty(), "at {ms} ms");
    }
    assert!(ends[0] > 0 && ends[1] > 0, "{ends:?}");
}

#[test]
fn an_htlc_that_gets_no_answer_waits_for_it() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    net.world.stick(net.nodes[0], net.nodes[1], true);
    let (hash, secret, _) = net.invoice(1, 100_000);
    net.send(0, point, 100_000, (hash, secret));
    net.run(Duration::from_secs(3_600));
    assert_eq!(net.state(0, hash), PaymentState::InFlight);
    net.world.stick(net.nodes[0], net.nodes[1], false);
    net.run(Duration::from_secs(1));
    assert!(matches!(net.state(0, hash), PaymentState::Succeeded(_)));
}

#[test]
fn an_htlc_that_is_overdue_closes_its_channel() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    net.world.stick(net.nodes[0], net.nodes[1], true);
    let (hash, secret, _) = net.invoice(1, 100_000);
    net.send(0, point, 100_000, (hash, secret));
    net.run(Duration::from_secs(1));
    for _ in 0..84 {
        net.world.mine();
    }
    net.run(Duration::from_secs(1));
    let closed = &net.world.channels[&point];
    assert!(matches!(closed.phase, channel::Phase::Closed(closing, _) if closing.is_forced));
    let error = PaymentFailureReason::FailureReasonError;
    assert_eq!(net.state(0, hash), PaymentState::Failed(error));
}

#[test]
fn two_that_are_apart_cannot_pay_each_other_until_they_meet() {
    let (mut net, point, hash) = on_its_way(70);
    net.world.disconnect(net.nodes[0], net.nodes[1]);
    net.run(Duration::from_secs(5));
    assert!(!net.world.channels[&point].is_active);
    assert_eq!(net.state(0, hash), PaymentState::InFlight);
    let (other, secret, _) = net.invoice(1, 1_000);
    net.send(0, point, 1_000, (other, secret));
    assert_eq!(net.failure(0, other), (FailureCode::UnknownNextPeer, 0));
    assert!(net.world.connect(net.nodes[1], net.nodes[0]));
    net.run(Duration::from_secs(2));
    assert!(matches!(net.state(0, hash), PaymentState::Succeeded(_)));
}

#[test]
fn what_a_node_forgot_is_in_flight_until_it_is_restarted() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    net.world.add_fault(net.nodes[0], Fault::Forget);
    let (hash, secret, _) = net.invoice(1, 100_000);
    let route = net.route(point, net.nodes[1], 100_000, secret);
    let answer = net.world.send_to_route(net.nodes[0], hash, route);
    assert_eq!(answer, Err(PayError::Forgotten));
    net.run(Duration::from_secs(600));
    assert_eq!(net.state(0, hash), PaymentState::InFlight);
    assert!(net.world.payment(net.nodes[0], hash).expect("a payment").attempts.is_empty());
    net.world.stop(net.nodes[0]);
    net.world.start(net.nodes[0]);
    net.run(Duration::from_secs(1));
    assert!(matches!(net.state(0, hash), PaymentState::Failed(_)));
}

#[test]
fn a_node_that_tells_stale_channels_tells_of_no_change() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    net.world.add_fault(net.nodes[1], Fault::Stale);
    let (hash, secret, _) = net.invoice(1, 100_000);
    net.send(0, point, 100_000, (hash, secret));
    let told = net.run(Duration::from_secs(1));
    let of = |place: usize| {
        let mine = |notice: &Notice| {
            let Notice::Commitment { node, .. } = notice else { return false };
            *node == net.nodes[place]
        };
        told.iter().filter(|(_, notice)| mine(notice)).count()
    };
    assert_eq!((of(0), of(1)), (2, 0));
    let stale = net.world.node(net.nodes[1]).and_then(|node| node.faults.stale.clone());
    let stale = stale.expect("a list");
    assert_eq!(stale[0].balance(Side::Acceptor, Side::Acceptor), Sat::new(500_000));
    net.world.mend_fault(net.nodes[1], Fault::Stale);
    assert!(net.world.node(net.nodes[1]).expect("a node").faults.stale.is_none());
}

#[test]
fn an_event_names_how_an_htlc_ended_at_its_receiver() {
    let (mut net, _, _) = on_its_way(0);
    let told = net.run(Duration::from_secs(1));
    let finals = told.iter().filter(|(_, notice)| {
        let settled = HtlcChange::Final { is_settled: true };
        matches!(notice, Notice::Htlc { node, event } if *node == net.nodes[1]
            && event.what == settled)
    });
    assert_eq!(finals.count(), 1);
}

#[test]
fn a_clock_that_is_off_dates_what_its_node_makes_and_no_more() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    net.world.add_fault(net.nodes[1], Fault::Clock(90_000));
    let now = net.world.now;
    let (hash, secret, _) = net.invoice(1, 1_000);
    let made = |net: &Net| net.world.invoice(net.nodes[1], hash).expect("an invoice").made;
    assert_eq!(made(&net), now + Duration::from_secs(90));
    net.run(Duration::from_secs(86_399));
    net.send(0, point, 1_000, (hash, secret));
    net.run(Duration::from_millis(500));
    assert!(matches!(net.state(0, hash), PaymentState::Succeeded(_)));
}

#[test]
fn a_preimage_that_was_said_counts_when_its_channel_is_closed() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    let preimage = Preimage::new([1; 32]);
    let (hash, secret, _) = net.locked(1, 100_000, Lock::Held(preimage.hash()));
    net.send(0, point, 100_000, (hash, secret));
    net.run(Duration::from_millis(200));
    net.world.disconnect(net.nodes[0], net.nodes[1]);
    net.world.settle_invoice(net.nodes[1], preimage).expect("it is settled");
    net.run(Duration::from_secs(1));
    assert_eq!(net.state(0, hash), PaymentState::InFlight);
    let closed = net.world.close(net.nodes[1], point, true).expect("it is closed");
    assert_eq!(closed.paid.acceptor, Sat::new(600_000));
    net.run(Duration::from_secs(1));
    assert_eq!(net.state(0, hash), PaymentState::Succeeded(preimage));
}

#[test]
fn what_is_held_is_lost_with_its_channel() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    let preimage = Preimage::new([1; 32]);
    let (hash, secret, _) = net.locked(1, 100_000, Lock::Held(preimage.hash()));
    net.send(0, point, 100_000, (hash, secret));
    net.run(Duration::from_millis(200));
    let closed = net.world.close(net.nodes[0], point, true).expect("it is closed");
    assert_eq!(closed.paid.acceptor, Sat::new(500_000));
    let error = net.world.settle_invoice(net.nodes[1], preimage).expect_err("it is gone");
    assert_eq!(error.to_string(), "invoice already canceled");
    assert!(matches!(net.state(0, hash), PaymentState::Failed(_)));
}
