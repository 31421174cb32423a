//! [`Record`]: what must be remembered, so that a start-up knows all that a payment depends on.
//!
//! Folding the records in order gives the budget, the open attempts and the pauses again
//! ([`super::ledger`]). Their bytes are the audit log's business.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::outcome::{Cause, Failure};
use crate::ids::{ChannelPoint, NodeId, PaymentHash, PeerKey, RebalanceId, Scid};
use crate::time::Time;
use crate::units::Msat;

/// One entry of the transaction log.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Record {
    /// When the core decided on it.
    pub at: Time,
    /// What is remembered.
    pub entry: Entry,
}

/// What a record says, in the past tense.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub enum Entry {
    /// As payee: an attempt began; an invoice will be asked of our node.
    RebalanceOpened(Attempt),
    /// As payee: our node made the invoice.
    InvoiceCreated(Attempt, Bill),
    /// As payee: our node says that the invoice is paid. Ends the attempt.
    RebalanceSettled(Attempt, PaymentHash),
    /// As payee: the attempt ended without payment. The hash is missing where no invoice was made.
    RebalanceFailed(Attempt, Option<PaymentHash>, Cause),
    /// As payee: the payment came over these channels, not over the one that was asked. What a held
    /// invoice was paid with is given back. The payer is asked by held invoices from here on.
    PaidElsewhere(Attempt, PaymentHash, Vec<Scid>),
    /// As payee: the payer's signed word on what became of the attempt.
    ResultAttested(Attempt, Evidence),
    /// As payer: the payee's signed request, which is about to be paid.
    RequestAttested(Attempt, Evidence),
    /// As payer: the payment is about to be sent, and counts from here on.
    PaymentIntended(Attempt, Bill),
    /// As payer: nobody knows what became of the payment; it still counts.
    PaymentUnknown(Attempt, PaymentHash),
    /// As payer: our node says that the payment arrived. Ends the attempt.
    PaymentSettled(Attempt, PaymentHash),
    /// As payer: the payment ended without arriving. Ends the attempt; it counts on or not as
    /// [`Failure::gives_back`] says.
    PaymentFailed(Attempt, PaymentHash, Failure),
    /// The operator stopped new payments.
    Paused(Pause),
    /// The operator allowed them again.
    Resumed(Scope),
}

/// What all records of one attempt have in common.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its name, given by the payee.
    pub rebalance: RebalanceId,
    /// The payee: the poorer side.
    pub paid_to: NodeId,
    /// The payer: the richer side.
    pub paid_by: NodeId,
    /// The channel.
    pub point: ChannelPoint,
    /// The channel's id: as the recording side knows it, or as a peer that asked named it.
    pub scid: Scid,
    /// What is asked.
    pub amount: Msat,
    /// How the payee's node takes the payment; the payer neither knows nor cares.
    pub kind: InvoiceKind,
}

/// How a payee's node takes a payment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InvoiceKind {
    /// The node settles it by itself.
    #[default]
    Plain,
    /// The node holds it until it was looked at: the payer may pay over any channel.
    Held,
}

/// A message that a peer signed so that a third party can verify it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who signed it.
    pub peer: PeerKey,
    /// The document as it came.
    pub envelope: String,
}

/// An invoice, as far as it must be remembered.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Bill {
    /// The hash that it is locked to.
    pub hash: PaymentHash,
    /// The invoice itself, in BOLT 11.
    pub invoice: String,
    /// When it expires, on the core's clock.
    pub expires_at: Time,
}

/// The operator's word that nothing new is to be paid.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// Where.
    pub scope: Scope,
    /// When it ends by itself; `None` until it is resumed.
    pub until: Option<Time>,
    /// Why, in the operator's words.
    pub reason: Option<String>,
}

impl Pause {
    /// Whether it still holds.
    pub(crate) fn holds_at(&self, now: Time) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Where a pause holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Everywhere.
    All,
    /// On every channel of one of our nodes, or with one node of others.
    Node(NodeId),
    /// With one peer, whatever nodes it speaks for.
    Peer(PeerKey),
    /// On one channel.
    Channel(ChannelPoint),
}

impl fmt::Display for Scope {
    /// The name that it can be resumed by.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Node(node) => node.fmt(f),
            Self::Peer(peer) => peer.fmt(f),
            Self::Channel(point) => point.fmt(f),
        }
    }
}

impl Entry {
    /// The attempt that the record is about, if it is about one.
    pub const fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::RebalanceOpened(attempt)
            | Self::InvoiceCreated(attempt, _)
            | Self::RebalanceSettled(attempt, _)
            | Self::RebalanceFailed(attempt, _, _)
            | Self::PaidElsewhere(attempt, _, _)
            | Self::ResultAttested(attempt, _)
            | Self::RequestAttested(attempt, _)
            | Self::PaymentIntended(attempt, _)
            | Self::PaymentUnknown(attempt, _)
            | Self::PaymentSettled(attempt, _)
            | Self::PaymentFailed(attempt, _, _) => Some(attempt),
            Self::Paused(_) | Self::Resumed(_) => None,
        }
    }
}
