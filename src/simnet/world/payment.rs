//! [`Payment`]: what a node pays, with each attempt that it makes.
//!
//! How attempts are begun and what follows from their ends is the business of `payments`; where
//! they go, of `path`.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{NodeId, PaymentHash, Preimage, Scid};
use crate::rpc::lnrpc::PaymentFailureReason;
use crate::rpc::lnrpc::failure::FailureCode;
use crate::time::Time;
use crate::units::Msat;

use super::htlc::Shown;

/// A payment of a node, and its name: the hash.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    /// How many payments the node has begun, with this one.
    pub(crate) index: u64,
    /// What it is locked to.
    pub(crate) hash: PaymentHash,
    /// What arrives.
    pub(crate) amount: Msat,
    /// The invoice, where the node was given one.
    pub(crate) request: Option<String>,
    /// When it was begun.
    pub(crate) begun: Time,
    /// How it stands.
    pub(crate) state: PaymentState,
    /// What was tried, in this order.
    pub(crate) attempts: Vec<Attempt>,
    /// Why it will fail, once none of its attempts is on its way, if none has arrived.
    pub(crate) doomed: Option<PaymentFailureReason>,
    /// How to go on; `None` where the route was given.
    pub(crate) plan: Option<Plan>,
}

/// How a payment stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PaymentState {
    /// It may yet arrive.
    InFlight,
    /// It has arrived.
    Succeeded(Preimage),
    /// It never will.
    Failed(PaymentFailureReason),
}

impl Payment {
    /// What it cost beyond what arrived.
    pub(crate) fn fee(&self) -> Msat {
        let settled = |it: &&Attempt| matches!(it.state, AttemptState::Settled(_));
        self.attempts.iter().filter(settled).map(|it| it.route.fees()).sum()
    }

    /// The preimage, if one of its attempts has arrived.
    pub(crate) fn preimage(&self) -> Option<Preimage> {
        self.attempts.iter().find_map(|attempt| match attempt.state {
            AttemptState::Settled(preimage) => Some(preimage),
            AttemptState::InFlight | AttemptState::Failed(_) => None,
        })
    }

    /// Its attempts that have no end yet.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| attempt.state == AttemptState::InFlight)
    }

    /// What arrives with those.
    pub(crate) fn sent(&self) -> Msat {
        self.under_way().map(|attempt| attempt.route.arrives()).sum()
    }
}

/// One HTLC that pays, or did not.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// How many attempts the node has made, with this one.
    pub(crate) id: u64,
    /// The way that it takes.
    pub(crate) route: Route,
    /// When it was begun.
    pub(crate) begun: Time,
    /// How it stands.
    pub(crate) state: AttemptState,
    /// When that was known.
    pub(crate) resolved: Option<Time>,
}

/// How an attempt stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AttemptState {
    /// It has no end yet.
    InFlight,
    /// It has arrived.
    Settled(Preimage),
    /// It came back.
    Failed(Failure),
}

/// Why an HTLC came back (BOLT 4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    /// What was wrong.
    pub(crate) code: FailureCode,
    /// Who said so: how many nodes from the payer, who is nought.
    pub(crate) source: u32,
}

/// The way of an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Route {
    /// The height at which the first HTLC is given back.
    pub(crate) time_lock: u32,
    /// What the payer gives.
    pub(crate) amount: Msat,
    /// Its hops, from the payer on.
    pub(crate) hops: Vec<Hop>,
    /// What the payee is shown.
    pub(crate) shown: Shown,
}

impl Route {
    /// What arrives.
    pub(crate) fn arrives(&self) -> Msat {
        self.hops.last().map_or(Msat::ZERO, |hop| hop.amount)
    }

    /// What those between ask.
    pub(crate) fn fees(&self) -> Msat {
        self.amount.saturating_sub(self.arrives())
    }
}

/// One hop: a channel, and what is told to the node behind it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Hop {
    /// The channel.
    pub(crate) scid: Scid,
    /// The node behind it.
    pub(crate) node: NodeId,
    /// What that node is to send on, or to keep where it is the last.
    pub(crate) amount: Msat,
    /// The height that it is to ask for; its own where it is the last.
    pub(crate) expiry: u32,
}

/// A payment by an invoice that is to be begun (`SendPaymentV2`).
#[derive(Clone, Debug)]
pub(crate) struct NewPayment {
    /// The invoice.
    pub(crate) request: String,
    /// How much, where the invoice does not say.
    pub(crate) amount: Msat,
    /// The channels that may come first; none: all.
    pub(crate) first: Vec<Scid>,
    /// The node that must come last but one.
    pub(crate) last: Option<NodeId>,
    /// The most that may go to those between.
    pub(crate) fee_max: Msat,
    /// The most HTLCs at once.
    pub(crate) parts_max: u32,
    /// How long new attempts may be begun, in s.
    pub(crate) patience_s: u32,
    /// For how many blocks money may be locked.
    pub(crate) cltv_max: u32,
    /// Whether the node may pay itself.
    pub(crate) may_pay_itself: bool,
}

/// How a payment by an invoice goes on when an attempt fails.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Whom to pay.
    pub(crate) payee: NodeId,
    /// What the payee is shown with each part.
    pub(crate) shown: Shown,
    /// How many blocks the payee must be left.
    pub(crate) cltv: u32,
    /// The channels of which the payee has told the payer alone.
    pub(crate) hints: BTreeSet<Scid>,
    /// What the caller wants.
    pub(crate) wanted: NewPayment,
    /// Until when new attempts may be begun.
    pub(crate) deadline: Time,
    /// What does not go over which hop, by the failures so far.
    pub(crate) too_much: BTreeMap<(Scid, NodeId), Msat>,
}
