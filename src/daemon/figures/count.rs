//! [`Count`]: what of the core's decisions is counted. Only nodes of ours give a series its name,
//! and only our own words its reason: else a peer could make as many series as it likes.

use std::time::Duration;

use crate::core::action::Action;
use crate::core::message::Message;
use crate::core::narrative::Narrative;
use crate::core::outcome::Cause;
use crate::core::record::{Attempt, Entry};
use crate::ids::NodeId;
use crate::time::Time;
use crate::units::Msat;

/// The role of who is paid.
pub(super) const PAYEE: &str = "payee";
/// The role of who pays.
const PAYER: &str = "payer";

/// Something to be counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::daemon) enum Count {
    /// A payment of ours arrived, at us or from us.
    Settled { role: &'static str, own: String, other: String, amount: Msat },
    /// An attempt ended without, or was turned down.
    Unpaid { role: &'static str, own: String, outcome: &'static str, reason: String },
    /// A drift ended that lasted so long.
    Drift(Duration),
}

/// What a node is called.
pub(in crate::daemon) struct Named {
    pub(in crate::daemon) name: String,
    /// Whether it is one of ours.
    pub(in crate::daemon) is_ours: bool,
}

/// What is to be counted of an action that was decided at `now`.
pub(in crate::daemon) fn counts(
    now: Time,
    action: &Action,
    name: impl Fn(NodeId) -> Named,
) -> Vec<Count> {
    let refused = |payer: NodeId, reason: &str| {
        let Named { name, is_ours } = name(payer);
        let (outcome, reason) = ("refused", reason.to_owned());
        is_ours.then_some(Count::Unpaid { role: PAYER, own: name, outcome, reason })
    };
    if let Action::Record(record) = action {
        let mut counts: Vec<Count> = recorded(&record.entry, &name).into_iter().collect();
        if let Entry::RebalanceFailed(attempt, _, Cause::Refused { refusal }) = &record.entry {
            counts.extend(refused(attempt.paid_by, &refusal.code()));
        }
        return counts;
    }
    let count = if let Action::Send { message: Message::PaymentResult(result), .. } = action
        && !result.is_allowed
    {
        refused(result.request.paid_by, result.refusal.as_deref().unwrap_or_default())
    } else if let Action::Narrate(Narrative::InvoicePaid { drifted_at, .. }) = action {
        drifted_at.map(|drifted_at| Count::Drift(now.since(drifted_at)))
    } else {
        None
    };
    count.into_iter().collect()
}

fn recorded(entry: &Entry, name: impl Fn(NodeId) -> Named) -> Option<Count> {
    let settled = |role, own: NodeId, other: NodeId, attempt: &Attempt| Count::Settled {
        role,
        own: name(own).name,
        other: name(other).name,
        amount: attempt.amount,
    };
    let failed = |role, own: NodeId, reason| Count::Unpaid {
        role,
        own: name(own).name,
        outcome: "failed",
        reason,
    };
    match entry {
        Entry::RebalanceSettled(attempt, _) => {
            Some(settled(PAYEE, attempt.paid_to, attempt.paid_by, attempt))
        }
        Entry::PaymentSettled(attempt, _) => {
            Some(settled(PAYER, attempt.paid_by, attempt.paid_to, attempt))
        }
        Entry::RebalanceFailed(attempt, _, cause) => {
            Some(failed(PAYEE, attempt.paid_to, cause.code()))
        }
        Entry::PaymentFailed(attempt, _, failure) => {
            Some(failed(PAYER, attempt.paid_by, failure.code()))
        }
        Entry::RebalanceOpened(_)
        | Entry::InvoiceCreated(..)
        | Entry::PaidElsewhere(..)
        | Entry::ResultAttested(..)
        | Entry::RequestAttested(..)
        | Entry::PaymentIntended(..)
        | Entry::PaymentUnknown(..)
        | Entry::Paused(_)
        | Entry::Resumed(_) => None,
    }
}
