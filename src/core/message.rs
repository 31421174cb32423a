//! [`Message`]: what peers say to each other about nodes, offers and outcomes.
//!
//! Only what is meant; the bytes, their signature and their freshness are `wire`'s business. A
//! message that exists is well formed and comes from a member of the cluster; whether it is true
//! is judged by the core. A time in a message is a distance from the moment at which it arrives
//! or leaves.

use std::time::Duration;

use serde::Serialize;

use super::policy::threshold;
use super::record::Attempt;
use super::refusal::Refusal;
use crate::ids::{ChannelPoint, NodeId, PaymentHash, RebalanceId, Scid};
use crate::units::{Msat, Ppm, Sat};

/// Something that one peer says to another.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub enum Message {
    /// "I speak for this Lightning node."
    Hello(Hello),
    /// "Pay this invoice over our channel."
    PayInvoice(PayInvoice),
    /// "This is what became of your request."
    PaymentResult(PaymentResult),
    /// "These are my rules for our channel."
    Policy(PeerPolicy),
}

/// A claim to speak for a Lightning node.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Hello {
    /// The node.
    pub node: NodeId,
    /// The name that it gives itself.
    pub alias: String,
    /// Which of our additions the peer understands; `None` from a legacy peer.
    pub version: Option<u64>,
    /// The node's own signature under the claim (zbase32, as LND's `SignMessage` gives it). One
    /// that arrived has been verified.
    pub proof: Option<String>,
}

/// A request to pay an invoice over a channel.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PayInvoice {
    /// The invoice, in BOLT 11.
    pub invoice: String,
    /// What is asked; `None` where the text for it is no whole number of satoshis from 1 up.
    pub tokens: Option<Sat>,
    /// The channel, by an id that the payee knows it by.
    pub scid: Option<Scid>,
    /// The channel, by its funding output; `None` from a legacy peer.
    pub point: Option<ChannelPoint>,
    /// The payee.
    pub paid_to: NodeId,
    /// The payer.
    pub paid_by: NodeId,
    /// The attempt's name; `None` from a legacy peer.
    pub rebalance: Option<RebalanceId>,
}

/// The payer's word on what became of a request: a hint, since the payee asks its own node.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PaymentResult {
    /// The request, as it came.
    pub request: PayInvoice,
    /// Whether the request passed the payer's checks.
    pub is_allowed: bool,
    /// Why it did not, or why the payment failed, in a sentence.
    pub reason: Option<String>,
    /// After how long to ask again; a peer is believed no more than an hour, as the wire reads it.
    pub retry_in: Option<Duration>,
    /// The payment, where one was sent.
    pub hash: Option<PaymentHash>,
    /// Whether the payer's node says that the payment arrived.
    pub is_confirmed: bool,
    /// The code of the refusal, failure or unknown outcome; `None` from a legacy peer.
    pub refusal: Option<String>,
    /// The most that the payer would grant at this moment.
    pub max: Option<Sat>,
}

/// A peer's rules for its side of a channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct PeerPolicy {
    /// The channel.
    pub point: ChannelPoint,
    /// The peer's share of the channel in balance.
    pub balance_point: Ppm,
    /// How far its share may fall below that before it asks.
    pub deadzone: Ppm,
    /// The most that it asks or pays at once.
    pub payment_max: Msat,
    /// Whether its operator has paused new payments there.
    pub is_paused: bool,
}

impl PeerPolicy {
    /// The share below which the peer's side asks to be paid.
    pub(crate) const fn threshold(&self) -> Ppm {
        threshold(self.balance_point, self.deadzone)
    }
}

impl PayInvoice {
    /// The request to pay `invoice` for an attempt.
    pub(crate) fn for_attempt(attempt: &Attempt, invoice: String) -> Self {
        Self {
            invoice,
            tokens: Some(attempt.amount.sat()),
            scid: Some(attempt.scid),
            point: Some(attempt.point),
            paid_to: attempt.paid_to,
            paid_by: attempt.paid_by,
            rebalance: Some(attempt.rebalance),
        }
    }
}

impl PaymentResult {
    /// The answer to a request that is refused.
    pub(crate) fn refused(
        request: PayInvoice,
        refusal: &Refusal,
        retry_in: Option<Duration>,
    ) -> Self {
        Self {
            request,
            is_allowed: false,
            reason: Some(refusal.to_string()),
            retry_in,
            hash: None,
            is_confirmed: false,
            refusal: Some(refusal.code()),
            max: refusal.granted().map(Msat::sat),
        }
    }
}
