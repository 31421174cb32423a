//! What the network does by itself, at times that nobody waits for.

mod faults;
mod payments;

use std::time::Duration;

use expect_test::expect;

use super::channel::Side;
use super::htlc::Stage;
use super::invoice::{InvoiceState, Lock, NewInvoice};
use super::notice::{Change, HtlcChange, Notice, Part};
use super::payment::{AttemptState, Hop, PaymentState, Route};
use super::*;
use crate::ids::Preimage;
use crate::rpc::lnrpc::failure::FailureCode;
use crate::simnet::world::htlc::Shown;
use crate::time::whole_ms;
use crate::units::{Msat, Sat};

/// When everything begins.
const BEGIN: Time = Time::from_unix_ms(1_800_000_000_000);

/// A network, and the names of what is in it.
struct Net {
    world: World,
    nodes: Vec<NodeId>,
}

impl Net {
    /// Nodes of these names, without channels.
    fn of<const N: usize>(aliases: [&str; N]) -> Self {
        let mut world = World::new(7, BEGIN);
        let nodes = aliases.map(|alias| world.add_node(alias, LndVersion::V21)).to_vec();
        Self { world, nodes }
    }

    /// Opens a public channel that all know of.
    fn channel(&mut self, from: usize, to: usize, capacity: u64, push: u64) -> ChannelPoint {
        let wanted = self.wanted(from, to, capacity, push);
        let point = self.world.open(wanted).expect("a channel");
        for _ in 0..6 {
            self.world.mine();
        }
        self.run(Duration::from_secs(1));
        self.world.drain_notices();
        point
    }

    /// Lets time pass; money is never made or lost meanwhile.
    fn run(&mut self, span: Duration) -> Vec<(u64, Notice)> {
        let begin = self.world.now;
        let end = begin + span;
        let mut told = Vec::new();
        loop {
            let now = whole_ms(self.world.now.since(begin));
            told.extend(self.world.drain_notices().into_iter().map(|notice| (now, notice)));
            self.conserves();
            if !self.world.step(end) {
                break;
            }
        }
        self.world.set_now(end);
        told
    }

    /// In each commitment of each channel is what was put into it.
    fn conserves(&self) {
        for channel in self.world.channels.values() {
            for side in Side::ALL {
                assert_eq!(channel.whole(side), channel.capacity.msat(), "{}", channel.point);
            }
        }
    }

    /// An invoice of a node, in sat.
    fn invoice(&mut self, payee: usize, sat: u64) -> (PaymentHash, [u8; 32], String) {
        self.locked(payee, sat, Lock::Own)
    }

    fn locked(&mut self, payee: usize, sat: u64, lock: Lock) -> (PaymentHash, [u8; 32], String) {
        let made = self.world.add_invoice(self.nodes[payee], asking(sat, lock));
        let made = made.expect("an invoice");
        (made.hash, made.secret, made.request.clone())
    }

    /// A public channel that is to be opened.
    fn wanted(&self, from: usize, to: usize, capacity: u64, push: u64) -> NewChannel {
        NewChannel {
            from: self.nodes[from],
            to: self.nodes[to],
            capacity: Sat::new(capacity),
            push: Sat::new(push),
            is_private: false,
            sat_per_vbyte: 2,
            terms: Terms::default(),
        }
    }

    /// Sends an HTLC for an invoice over exactly one channel.
    fn send(&mut self, from: usize, over: ChannelPoint, sat: u64, due: (PaymentHash, [u8; 32])) {
        let payer = self.nodes[from];
        let channel = &self.world.channels[&over];
        let payee = channel.ends[channel.side(payer).expect("an end").other()];
        let route = self.route(over, payee, sat, due.1);
        self.world.send_to_route(payer, due.0, route).expect("an attempt");
    }

    /// The one hop over a channel to whom `node` is taken for.
    fn route(&self, over: ChannelPoint, node: NodeId, sat: u64, secret: [u8; 32]) -> Route {
        let (amount, expiry) = (Sat::new(sat).msat(), self.world.chain.height + 83);
        let scid = self.world.channels[&over].scid.expect("a channel with an id");
        Route {
            time_lock: expiry,
            amount,
            hops: vec![Hop { scid, node, amount, expiry }],
            shown: Shown { secret: Some(secret), total: amount },
        }
    }

    /// How a payment of a node stands.
    fn state(&self, payer: usize, hash: PaymentHash) -> PaymentState {
        self.world.payment(self.nodes[payer], hash).expect("a payment").state
    }

    /// Why the last attempt of a payment failed.
    fn failure(&self, payer: usize, hash: PaymentHash) -> (FailureCode, u32) {
        let payment = self.world.payment(self.nodes[payer], hash).expect("a payment");
        let state = payment.attempts.last().expect("an attempt").state;
        let AttemptState::Failed(failure) = state else { panic!("{state:?}") };
        (failure.code, failure.source)
    }

    /// What the ends of a channel have by the first one's word, in sat.
    fn balances(&self, point: ChannelPoint) -> (u64, u64) {
        let channel = &self.world.channels[&point];
        let of = |whose| channel.balance(Side::Opener, whose).sat();
        (of(Side::Opener), of(Side::Acceptor))
    }

    fn name(&self, node: NodeId) -> &str {
        &self.world.node(node).expect("a node").alias
    }

    /// What was told, a line each.
    fn lines(&self, told: &[(u64, Notice)]) -> String {
        let line = |(at, notice): &(u64, Notice)| match notice {
            Notice::Commitment { node, channel } => {
                let channel = &self.world.channels[channel];
                format!("{at} {} commitment of {}\n", self.name(*node), channel.capacity)
            }
            Notice::Channel { node, change, .. } => {
                format!("{at} {} {change:?}\n", self.name(*node))
            }
            Notice::Htlc { node, event } => {
                let part = event.part.map_or_else(|| "-".to_owned(), |part| format!("{part:?}"));
                format!("{at} {} htlc {part} {:?}\n", self.name(*node), event.what)
            }
            Notice::Invoice { node, .. } => format!("{at} {} invoice\n", self.name(*node)),
            Notice::Payment { node, .. } => format!("{at} {} payment\n", self.name(*node)),
        };
        told.iter().map(line).collect()
    }
}

/// An invoice that is to be made.
fn asking(sat: u64, lock: Lock) -> NewInvoice {
    NewInvoice {
        memo: "a test".to_owned(),
        amount: Sat::new(sat).msat(),
        to_live: None,
        cltv: None,
        is_private: false,
        lock,
    }
}

#[test]
fn a_payment_takes_two_rounds_of_commitments_in_the_order_of_lnd() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    let (hash, secret, _) = net.invoice(1, 100_000);
    net.world.drain_notices();
    net.send(0, point, 100_000, (hash, secret));
    let told = net.run(Duration::from_millis(90));
    expect![[r#"
        0 alice payment
        0 alice payment
        0 alice htlc Send Forwarded
        64 bob commitment of 1000000 sat
        79 alice commitment of 1000000 sat
    "#]]
    .assert_eq(&net.lines(&told));
    let pending = &net.world.channels[&point];
    assert_eq!(pending.htlcs.values().next().expect("one").stage, Stage::InBoth);
    // The opener pays for the HTLC on its commitment while that is there.
    assert_eq!(net.balances(point), (398_692, 500_000));
    let told = net.run(Duration::from_secs(1));
    expect![[r#"
        7 bob invoice
        7 bob htlc Receive Settled
        10 alice htlc Send Settled
        10 alice payment
        22 alice commitment of 1000000 sat
        37 bob commitment of 1000000 sat
        37 bob htlc - Final { is_settled: true }
    "#]]
    .assert_eq(&net.lines(&told));
    assert!(matches!(net.state(0, hash), PaymentState::Succeeded(_)));
    assert_eq!(net.balances(point), (398_778, 600_000));
    let heights = net.world.channels[&point].commitments.clone();
    assert_eq!((heights.opener.height, heights.acceptor.height), (2, 2));
}

/// Local balance, remote balance, fee and weight, as a holder of a commitment tells them.
fn figures(net: &Net, point: ChannelPoint, holder: Side) -> [u64; 4] {
    let channel = &net.world.channels[&point];
    let sat = |whose| channel.balance(holder, whose).sat();
    [sat(holder), sat(holder.other()), channel.commit_fee(holder).sat(), channel.weight(holder)]
}

/// The figures are those of lnd 0.21.2 on channels of these sizes, at 500 sat per 1,000 weight.
#[test]
fn a_commitment_costs_what_it_costs_at_lnd() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 500_000);
    assert_eq!(figures(&net, point, Side::Opener), [498_778, 500_000, 562, 1_116]);
    assert_eq!(figures(&net, point, Side::Acceptor), [500_000, 498_778, 562, 1_116]);
    for (sat, pending) in
        [(30_000, [468_778 - 86, 500_000, 648, 1_288]), (300, [468_478, 530_000, 862, 1_116])]
    {
        let (hash, secret, _) = net.invoice(1, sat);
        net.send(0, point, sat, (hash, secret));
        net.run(Duration::from_millis(80));
        assert_eq!(figures(&net, point, Side::Opener), pending);
        net.run(Duration::from_secs(1));
    }
    assert_eq!(figures(&net, point, Side::Opener), [468_478, 530_300, 562, 1_116]);
}

#[test]
fn an_end_that_has_nothing_has_no_output() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 3_000_000, 0);
    assert_eq!(figures(&net, point, Side::Opener), [2_998_778, 0, 892, 772]);
    let (hash, secret, _) = net.invoice(1, 1_000_000);
    net.send(0, point, 1_000_000, (hash, secret));
    net.run(Duration::from_millis(80));
    assert_eq!(figures(&net, point, Side::Opener), [1_998_692, 0, 648, 1_116]);
    net.run(Duration::from_secs(1));
    assert_eq!(figures(&net, point, Side::Opener), [1_998_778, 1_000_000, 562, 1_116]);
}

#[test]
fn an_end_can_send_as_much_as_at_lnd() {
    let mut net = Net::of(["alice", "bob"]);
    let point = net.channel(0, 1, 1_000_000, 740_301);
    let sendable = |net: &Net, side| net.world.channels[&point].sendable(side).sat().sat();
    let local = figures(&net, point, Side::Opener)[0];
    assert_eq!(local, 258_477);
    assert_eq!(sendable(&net, Side::Opener), local + 562 - 10_000 - 1_468);
    assert_eq!(sendable(&net, Side::Acceptor), 740_301 - 10_000);
}

#[test]
fn a_channel_is_opened_announced_and_closed_on_the_chain() {
    let mut net = Net::of(["alice", "bob"]);
    let wanted = net.wanted(0, 1, 1_000_000, 400_000);
    let point = net.world.open(wanted).expect("a channel");
    let mut told = net.run(Duration::from_secs(1));
    net.world.mine();
    told.extend(net.run(Duration::from_secs(1)));
    net.world.close(net.nodes[1], point, false).expect("a close");
    net.world.mine();
    told.extend(net.run(Duration::from_secs(1)));
    let change = |(_, notice): &(u64, Notice)| {
        let Notice::Channel { node, change, .. } = notice else { return None };
        (*node == net.nodes[0]).then_some(*change)
    };
    let changes: Vec<Change> = told.iter().filter_map(change).collect();
    use Change::{Active, Closed, Inactive, Open, PendingOpen, Resolved};
    assert_eq!(changes, [PendingOpen, Open, Active, Inactive, Closed, Resolved]);
    let on_chain = |place: usize| net.world.node(net.nodes[place]).expect("a node").confirmed;
    // Alice has paid for both transactions.
    assert_eq!(on_chain(0), Sat::new(1_000_000_000 - 400_000 - 2 * 154 - 385));
    assert_eq!(on_chain(1), Sat::new(1_000_400_000));
}

#[test]
fn what_a_channel_cannot_be_is_refused() {
    let mut net = Net::of(["alice", "bob"]);
    let wanted = net.wanted(0, 1, 1_000_000, 0);
    let mut check = |wanted: NewChannel, expected: &str| {
        let error = net.world.open(wanted).expect_err("no channel");
        assert_eq!(error.to_string(), expected);
    };
    check(
        NewChannel { capacity: Sat::new(19_999), ..wanted },
        "channel is too small, the minimum channel size is: 20000 SAT",
    );
    check(
        NewChannel { capacity: Sat::new(16_777_216), ..wanted },
        "funding amount is too large, the max channel size is: 0.16777215 BTC",
    );
    check(
        NewChannel { push: Sat::new(995_000), ..wanted },
        "amount pushed to remote peer for initial state must be below the local funding amount",
    );
    check(NewChannel { to: wanted.from, ..wanted }, "cannot open channel to self");
}

#[test]
fn the_same_seed_is_the_same_network() {
    let story = |seed| {
        let mut world = World::new(seed, BEGIN);
        let nodes = ["alice", "bob"].map(|alias| world.add_node(alias, LndVersion::V21));
        let mut net = Net { world, nodes: nodes.to_vec() };
        let point = net.channel(0, 1, 1_000_000, 500_000);
        let (_, _, request) = net.invoice(1, 100_000);
        (point, request, net.nodes)
    };
    assert_eq!(story(1), story(1));
    assert_ne!(story(1).0, story(2).0);
}
