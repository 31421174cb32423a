//! [`Ledger`]: all that the records say, folded.
//!
//! It changes by [`Ledger::apply`] alone, at start-up and while running alike, so what a restart
//! finds is what was there. What it does not hold (snapshots, timers) is learnt anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::budget::Budget;
use super::outcome::{Cause, Failure};
use super::record::{Attempt, Bill, Entry, InvoiceKind, Pause, Record, Scope};
use crate::ids::{ChannelPoint, NodeId, PaymentHash, PeerKey, RebalanceId, Scid};
use crate::time::Time;
use crate::units::Msat;

/// The open attempts, the budget and the pauses.
#[derive(Debug)]
pub struct Ledger {
    /// What our nodes paid.
    pub(crate) budget: Budget,
    /// The open attempts of our nodes as payees.
    pub(crate) rebalances: BTreeMap<RebalanceId, Rebalance>,
    /// The open payments of our nodes.
    pub(crate) payments: BTreeMap<PaymentHash, Payment>,
    /// Every hash that a payment was ever intended under.
    seen: BTreeSet<PaymentHash>,
    /// Where the operator stopped new payments.
    pauses: BTreeMap<Scope, Pause>,
    /// When a payee last opened an attempt on a channel.
    opened_at: BTreeMap<(NodeId, ChannelPoint), Time>,
    /// When a payer last intended a payment over a channel.
    intended_at: BTreeMap<(NodeId, ChannelPoint), Time>,
    /// When a payment to one of our nodes last came over another channel than asked.
    strayed_at: BTreeMap<(NodeId, ChannelPoint), Time>,
    /// The payers that once did so.
    strays: BTreeSet<NodeId>,
    /// The channels that the payments of open attempts came over, where it were others.
    astray: BTreeMap<PaymentHash, Vec<Scid>>,
    /// How a payee's last attempt on a channel ended.
    asked: BTreeMap<(NodeId, ChannelPoint), Ended<Cause>>,
    /// How a payer's last payment over a channel ended.
    paid: BTreeMap<(NodeId, ChannelPoint), Ended<Failure>>,
    /// When a payment over a channel last arrived, by either of its nodes that is ours.
    settled_at: BTreeMap<(NodeId, ChannelPoint), Time>,
    /// The time of the newest record.
    newest: Time,
}

/// An open attempt as the payee sees it, by what it waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Rebalance {
    /// Our node was asked for an invoice.
    AwaitingInvoice(Attempt),
    /// The invoice stands, to be paid or cancelled.
    AwaitingPayment(Attempt, Bill),
}

/// The end of an attempt or a payment; of one that came to nothing, with the reason.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ended<Reason> {
    /// When it ended.
    pub(crate) at: Time,
    /// What was asked.
    pub(crate) amount: Msat,
    /// Why it came to nothing; `None` where the payment arrived.
    pub(crate) reason: Option<Reason>,
}

/// An open payment as the payer sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Payment {
    /// What it is for.
    pub(crate) attempt: Attempt,
    /// The invoice that it pays.
    pub(crate) bill: Bill,
    /// Whether the record says already that nobody knows its outcome.
    pub(crate) certainty: Certainty,
}

/// What the records say of an open payment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Certainty {
    /// It is on its way, and the answer is awaited.
    Dispatched,
    /// The answer was lost, and the node must be asked.
    Unknown,
}

impl Rebalance {
    /// What the attempt is for.
    pub(crate) const fn attempt(&self) -> &Attempt {
        match self {
            Self::AwaitingInvoice(attempt) | Self::AwaitingPayment(attempt, _) => attempt,
        }
    }

    /// The payment that the invoice is locked to, once it stands.
    pub(crate) const fn hash(&self) -> Option<PaymentHash> {
        match self {
            Self::AwaitingInvoice(_) => None,
            Self::AwaitingPayment(_, bill) => Some(bill.hash),
        }
    }

    /// When the invoice expires, once it stands.
    pub(crate) const fn expires_at(&self) -> Option<Time> {
        match self {
            Self::AwaitingInvoice(_) => None,
            Self::AwaitingPayment(_, bill) => Some(bill.expires_at),
        }
    }
}

impl Ledger {
    /// An empty ledger, for limits whose longest period is `period_max`.
    pub fn new(period_max: Duration) -> Self {
        Self {
            budget: Budget::new(period_max),
            rebalances: BTreeMap::new(),
            payments: BTreeMap::new(),
            seen: BTreeSet::new(),
            pauses: BTreeMap::new(),
            opened_at: BTreeMap::new(),
            intended_at: BTreeMap::new(),
            strayed_at: BTreeMap::new(),
            strays: BTreeSet::new(),
            astray: BTreeMap::new(),
            asked: BTreeMap::new(),
            paid: BTreeMap::new(),
            settled_at: BTreeMap::new(),
            newest: Time::default(),
        }
    }

    /// Takes one record in.
    pub fn apply(&mut self, record: &Record) {
        self.newest = self.newest.max(record.at);
        match &record.entry {
            Entry::RebalanceOpened(attempt) => {
                self.opened_at.insert((attempt.paid_to, attempt.point), record.at);
                let open = Rebalance::AwaitingInvoice(attempt.clone());
                self.rebalances.insert(attempt.rebalance, open);
            }
            Entry::InvoiceCreated(attempt, bill) => {
                let open = Rebalance::AwaitingPayment(attempt.clone(), bill.clone());
                self.rebalances.insert(attempt.rebalance, open);
            }
            Entry::RebalanceSettled(attempt, hash) => {
                self.end(attempt, Some(*hash), record.at, None);
                self.settled_at.insert((attempt.paid_to, attempt.point), record.at);
            }
            Entry::RebalanceFailed(attempt, hash, cause) => {
                self.end(attempt, *hash, record.at, Some(cause.clone()));
            }
            Entry::PaidElsewhere(attempt, hash, over) => {
                if self.rebalances.contains_key(&attempt.rebalance) {
                    self.astray.insert(*hash, over.clone());
                }
                self.strayed_at.insert((attempt.paid_to, attempt.point), record.at);
                self.strays.insert(attempt.paid_by);
            }
            Entry::PaymentIntended(attempt, bill) => self.intend(attempt, bill, record.at),
            Entry::PaymentUnknown(_, hash) => {
                if let Some(payment) = self.payments.get_mut(hash) {
                    payment.certainty = Certainty::Unknown;
                }
            }
            Entry::PaymentSettled(attempt, hash) => {
                self.end_payment(attempt, *hash, record.at, None);
                self.settled_at.insert((attempt.paid_by, attempt.point), record.at);
                self.budget.end(attempt.paid_by, *hash, record.at);
            }
            Entry::PaymentFailed(attempt, hash, failure) => {
                self.end_payment(attempt, *hash, record.at, Some(*failure));
                if failure.gives_back() {
                    self.budget.give_back(attempt.paid_by, *hash);
                } else {
                    self.budget.end(attempt.paid_by, *hash, record.at);
                }
            }
            Entry::Paused(pause) => {
                self.pauses.insert(pause.scope, pause.clone());
            }
            Entry::Resumed(scope) => {
                self.pauses.remove(scope);
            }
            Entry::ResultAttested(..) | Entry::RequestAttested(..) => {}
        }
    }

    fn end(
        &mut self,
        attempt: &Attempt,
        hash: Option<PaymentHash>,
        at: Time,
        reason: Option<Cause>,
    ) {
        self.rebalances.remove(&attempt.rebalance);
        let ended = Ended { at, amount: attempt.amount, reason };
        self.asked.insert((attempt.paid_to, attempt.point), ended);
        if let Some(hash) = hash {
            self.astray.remove(&hash);
        }
    }

    fn end_payment(
        &mut self,
        attempt: &Attempt,
        hash: PaymentHash,
        at: Time,
        reason: Option<Failure>,
    ) {
        self.payments.remove(&hash);
        let ended = Ended { at, amount: attempt.amount, reason };
        self.paid.insert((attempt.paid_by, attempt.point), ended);
    }

    fn intend(&mut self, attempt: &Attempt, bill: &Bill, at: Time) {
        self.seen.insert(bill.hash);
        self.intended_at.insert((attempt.paid_by, attempt.point), at);
        self.budget.intend(attempt.paid_by, bill.hash, attempt.point, attempt.amount);
        let certainty = Certainty::Dispatched;
        let payment = Payment { attempt: attempt.clone(), bill: bill.clone(), certainty };
        self.payments.insert(bill.hash, payment);
    }

    /// How many attempts are open whose payment a node of ours may hold.
    pub fn open_held(&self) -> usize {
        let attempts = self.rebalances.values().map(Rebalance::attempt);
        attempts.filter(|attempt| attempt.kind == InvoiceKind::Held).count()
    }

    /// The time of the newest record; the core's clock starts no earlier.
    pub const fn newest(&self) -> Time {
        self.newest
    }

    /// Whether a payment was ever intended under `hash`.
    pub(crate) fn has_seen(&self, hash: PaymentHash) -> bool {
        self.seen.contains(&hash)
    }

    /// When `payee` last opened an attempt on `point`.
    pub(crate) fn opened_at(&self, payee: NodeId, point: ChannelPoint) -> Option<Time> {
        self.opened_at.get(&(payee, point)).copied()
    }

    /// When `payer` last intended a payment over `point`.
    pub(crate) fn intended_at(&self, payer: NodeId, point: ChannelPoint) -> Option<Time> {
        self.intended_at.get(&(payer, point)).copied()
    }

    /// When a payment for `payee` last came over another channel than `point`, which it was asked
    /// over.
    pub(crate) fn strayed_at(&self, payee: NodeId, point: ChannelPoint) -> Option<Time> {
        self.strayed_at.get(&(payee, point)).copied()
    }

    /// The channels that the payment of an open attempt came over, where it were others than asked.
    pub(crate) fn astray(&self, hash: PaymentHash) -> Option<&[Scid]> {
        self.astray.get(&hash).map(Vec::as_slice)
    }

    /// Whether `payer` ever paid over another channel than asked.
    pub(crate) fn has_strayed(&self, payer: NodeId) -> bool {
        self.strays.contains(&payer)
    }

    /// How the last attempt of `payee` on `point` ended.
    pub(crate) fn asked(&self, payee: NodeId, point: ChannelPoint) -> Option<&Ended<Cause>> {
        self.asked.get(&(payee, point))
    }

    /// How the last payment of `payer` over `point` ended.
    pub(crate) fn paid(&self, payer: NodeId, point: ChannelPoint) -> Option<&Ended<Failure>> {
        self.paid.get(&(payer, point))
    }

    /// When a payment to or from `node` over `point` last arrived.
    pub(crate) fn settled_at(&self, node: NodeId, point: ChannelPoint) -> Option<Time> {
        self.settled_at.get(&(node, point)).copied()
    }

    /// When the last attempt of `payee` on `point` ended.
    pub(crate) fn ended_at(&self, payee: NodeId, point: ChannelPoint) -> Option<Time> {
        self.asked(payee, point).map(|ended| ended.at)
    }

    /// Whether anything is open on `point`, as payee or as payer.
    pub(crate) fn is_open(&self, point: ChannelPoint) -> bool {
        self.rebalances.values().any(|open| open.attempt().point == point)
            || self.payments.values().any(|open| open.attempt.point == point)
    }

    /// The pauses that hold at `now`.
    pub(crate) fn pauses(&self, now: Time) -> impl Iterator<Item = &Pause> {
        self.pauses.values().filter(move |pause| pause.holds_at(now))
    }

    /// The pauses that hold at `now` for a payment between two nodes, one of which a peer may speak
    /// for, over a channel.
    pub(crate) fn pauses_of(
        &self,
        now: Time,
        nodes: [NodeId; 2],
        peer: Option<PeerKey>,
        point: ChannelPoint,
    ) -> impl Iterator<Item = &Pause> {
        let scopes = [Scope::All, Scope::Channel(point)].into_iter();
        scopes
            .chain(nodes.map(Scope::Node))
            .chain(peer.map(Scope::Peer))
            .filter_map(|scope| self.pauses.get(&scope))
            .filter(move |pause| pause.holds_at(now))
    }
}
