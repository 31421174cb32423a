//! [`Outcome`] and [`Failure`]: what a node says of a payment; the network's word, not ours.
//! [`Cause`]: why an attempt ended unpaid, by whoever's word.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::refusal::{Refusal, code};
use crate::ids::Scid;

/// What the payer's node says of a payment, or that it says nothing.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub enum Outcome {
    /// It arrived.
    Settled,
    /// It ended without arriving, says the node.
    Failed(Failure),
    /// It is under way.
    InFlight {
        /// Whether an HTLC is out; without one, only a restart of LND ends it.
        has_attempts: bool,
    },
    /// The node does not know the payment.
    NotFound,
    /// Our daemon never handed it to the node, and never will.
    NotSent {
        /// Why.
        detail: String,
    },
    /// It was handed over, or may have been, and the answer is missing.
    Unknown {
        /// What came instead of an answer.
        detail: String,
    },
}

/// Why a payment did not arrive: the network's word, not ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Failure {
    /// The channel cannot carry it at this moment (BOLT 4 `temporary_channel_failure`).
    TemporaryChannelFailure,
    /// The payee does not know the invoice, or it is not payable, or the block height was too old
    /// (BOLT 4 `incorrect_or_unknown_payment_details`).
    IncorrectPaymentDetails,
    /// The lock would end too soon (BOLT 4 `expiry_too_soon` and `final_incorrect_cltv_expiry`).
    ExpiryTooSoon,
    /// The channel is disabled or gone (BOLT 4 `channel_disabled`, `unknown_next_peer` and
    /// `permanent_channel_failure`).
    ChannelUnavailable,
    /// The amount is below what the channel carries (BOLT 4 `amount_below_minimum`).
    AmountBelowMinimum,
    /// The node has too little to send (LND's own word).
    InsufficientBalance,
    /// Another failure, by LND's number for it.
    Other {
        /// LND's `Failure.FailureCode`, or the negative of its `PaymentFailureReason`.
        number: i32,
    },
    /// Our daemon never handed it to the node.
    NotSent,
    /// The node does not know the payment, long after it could have.
    NotFound,
}

impl Failure {
    /// Whether the amount counts no longer towards the caps: only when the node itself says that
    /// the payment failed. A payment that the node does not know may have been deleted there.
    pub const fn gives_back(self) -> bool {
        match self {
            Self::TemporaryChannelFailure
            | Self::IncorrectPaymentDetails
            | Self::ExpiryTooSoon
            | Self::ChannelUnavailable
            | Self::AmountBelowMinimum
            | Self::InsufficientBalance
            | Self::Other { .. } => true,
            Self::NotSent | Self::NotFound => false,
        }
    }
}

impl Failure {
    /// The word for it.
    pub fn code(&self) -> String {
        code(self)
    }

    /// Whether a smaller amount may pass.
    pub(crate) const fn is_for_want_of_room(self) -> bool {
        matches!(self, Self::TemporaryChannelFailure | Self::InsufficientBalance)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TemporaryChannelFailure => {
                f.write_str("the channel could not carry the payment at that moment")
            }
            Self::IncorrectPaymentDetails => {
                f.write_str("the payee's node turned the payment away")
            }
            Self::ExpiryTooSoon => f.write_str("the payment's lock would have ended too soon"),
            Self::ChannelUnavailable => f.write_str("the channel was disabled or gone"),
            Self::AmountBelowMinimum => {
                f.write_str("the channel does not carry so small an amount")
            }
            Self::InsufficientBalance => f.write_str("the node had too little to send"),
            Self::Other { number } => write!(f, "the node reports failure {number}"),
            Self::NotSent => f.write_str("the payment was never handed to the node"),
            Self::NotFound => f.write_str("the node does not know the payment"),
        }
    }
}

/// Writes channel ids with commas between them.
pub(crate) fn write_all(f: &mut fmt::Formatter<'_>, scids: &[Scid]) -> fmt::Result {
    for (place, scid) in scids.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        write!(f, "{comma}{scid}")?;
    }
    Ok(())
}

/// Why an attempt ended without payment, as the payee sees it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Cause {
    /// Our node made no invoice.
    NoInvoice {
        /// What it said.
        detail: String,
    },
    /// The daemon stopped before the invoice was offered.
    Abandoned,
    /// The payer refused.
    Refused {
        /// Its reason.
        refusal: Refusal,
    },
    /// The payer paid, and the payment failed.
    PaymentFailed {
        /// The network's reason.
        failure: Failure,
    },
    /// The payee needed it no more, or could not take it, when the invoice came.
    NoLongerNeeded,
    /// The invoice expired or was cancelled unpaid.
    InvoiceCanceled,
    /// The payer, a peer, said that it did not pay, or that its payment failed.
    ByPeer {
        /// Its word.
        word: PeerWord,
    },
    /// No peer speaks for the payer any more, or it went away without an answer.
    PeerGone,
    /// Before the invoice was offered, something came in between.
    Overtaken {
        /// What, in a sentence.
        why: String,
    },
    /// The payment came over another channel than asked, and was given back.
    PaidElsewhere {
        /// The channels that it came over.
        over: Vec<Scid>,
    },
}

/// Why a peer did not pay, in its own words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerWord {
    /// The code of its refusal or failure; `None` from a legacy peer.
    pub code: Option<String>,
    /// The same in a sentence.
    pub reason: String,
}

impl fmt::Display for PeerWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match &self.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

impl Cause {
    /// The word for it: where the payer's reason is known and one of ours, that.
    pub fn code(&self) -> String {
        match self {
            Self::Refused { refusal } => refusal.code(),
            Self::PaymentFailed { failure } => failure.code(),
            Self::NoInvoice { .. }
            | Self::Abandoned
            | Self::NoLongerNeeded
            | Self::InvoiceCanceled
            | Self::ByPeer { .. }
            | Self::PeerGone
            | Self::Overtaken { .. }
            | Self::PaidElsewhere { .. } => {
                let value = serde_json::to_value(self).unwrap_or_default();
                value["cause"].as_str().unwrap_or_default().to_owned()
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInvoice { detail } => write!(f, "the node made no invoice: {detail}"),
            Self::Abandoned => f.write_str("the daemon stopped before the invoice was offered"),
            Self::Refused { refusal } => write!(f, "the payer refused: {refusal}"),
            Self::PaymentFailed { failure } => write!(f, "the payment failed: {failure}"),
            Self::NoLongerNeeded => f.write_str("the payee needed it no more"),
            Self::InvoiceCanceled => f.write_str("the invoice expired unpaid"),
            Self::ByPeer { word } => write!(f, "the payer said: {word}"),
            Self::PeerGone => f.write_str("the peer that speaks for the payer went away"),
            Self::Overtaken { why } => write!(f, "before it was offered: {why}"),
            Self::PaidElsewhere { over } => {
                f.write_str("the payment came over another channel and was given back: ")?;
                write_all(f, over)
            }
        }
    }
}
