//! [`Refusal`]: why the payer does not pay what it was asked; shown, sent and recorded alike.
//!
//! A refusal is our policy saying no. What the network says is a [`super::outcome::Failure`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::invoice::Network;
use crate::time::Time;
use crate::units::Msat;

/// Why an offer was turned down. Nothing was paid, and nothing will be under that invoice.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Refusal {
    /// The daemon only says what it would do (`dryRun`).
    DryRun,
    /// The daemon is about to stop.
    Stopping,
    /// The operator paused new payments here.
    Paused,
    /// The paying node does not answer.
    NodeDown,
    /// The paying node is excepted from rebalancing (`rebalance: false`).
    RebalanceOff,
    /// The transaction log cannot be written, and without it nothing is paid.
    AuditUnavailable,
    /// The request names a payer that is none of our nodes.
    NotOurNode,
    /// The peer does not speak for the payee.
    NotItsNode,
    /// The payee is not among `trustedNodes`.
    NotTrusted,
    /// The peer's rules for the channel have not come: they come with its next hello.
    PolicyUnknown,
    /// The request's two names for the channel do not name one channel.
    ChannelIdsDiffer,
    /// The paying node has no such channel with the payee.
    UnknownChannel,
    /// The channel cannot carry a payment: its counterparty is away.
    Inactive,
    /// The channel is closing, broken, or of a kind that we do not touch.
    NotOrdinary,
    /// The node's figures for the channel cannot be right.
    Unreadable,
    /// The text is not a valid BOLT 11 invoice.
    BadInvoice {
        /// What is wrong with it.
        detail: String,
    },
    /// The invoice is for another chain than the node's.
    WrongNetwork {
        /// The node's chain.
        expected: Network,
    },
    /// The invoice is not the channel's counterparty's.
    WrongPayee,
    /// The invoice was not made for this rebalance of this channel.
    NotARebalanceInvoice,
    /// The invoice asks to be reached over blinded paths.
    BlindedPaths,
    /// The invoice asks for another amount than the offer, or for none.
    WrongAmount,
    /// The invoice was not made just now.
    NotFresh,
    /// The invoice may be paid for too short or too long a time.
    ExpiryOutOfRange,
    /// The invoice locks the money for too few or too many blocks.
    CltvOutOfRange,
    /// A payment under this hash was dispatched before.
    HashSeen,
    /// Another attempt on this channel has not ended.
    AttemptOpen,
    /// The figures of the last payment over this channel are not in yet.
    AwaitingSnapshot,
    /// More than this side pays at once.
    MaxTransactionSize {
        /// The most that it pays at once.
        max: Msat,
    },
    /// Less than this side pays at all.
    MinTransactionSize {
        /// The least that it pays.
        min: Msat,
    },
    /// So many payments were made in this period already.
    MaxTransactionsPerPeriod {
        /// When there is room again; `None` while open payments leave that unknown.
        retry_at: Option<Time>,
    },
    /// So much was paid in this period already.
    MaxAmountPerPeriod {
        /// What may still be paid.
        left: Msat,
        /// When there is room for this amount; `None` where there never is, or open payments
        /// leave that unknown.
        retry_at: Option<Time>,
    },
    /// The last payment over this channel was too short a time ago.
    MinTimeBetweenPayments {
        /// When the next one may be made.
        retry_at: Time,
    },
    /// The two sides' policies leave no balance at which both are content.
    BandsDoNotMeet,
    /// After the payment the payer would itself be too poor.
    PastBand {
        /// The most that it would grant at this moment.
        max: Msat,
    },
    /// The channel carries no amount so small.
    BelowChannelMinimum {
        /// The least that it carries.
        min: Msat,
    },
    /// The channel cannot carry that amount, for reserves, fees or HTLC limits.
    NotSendable {
        /// The most that it can carry at this moment.
        max: Msat,
    },
}

impl Refusal {
    /// The word for it, which peers, the log and `status` share.
    pub fn code(&self) -> String {
        code(self)
    }

    /// When asking again may succeed, where that is known.
    pub const fn retry_at(&self) -> Option<Time> {
        match self {
            Self::MinTimeBetweenPayments { retry_at } => Some(*retry_at),
            Self::MaxTransactionsPerPeriod { retry_at }
            | Self::MaxAmountPerPeriod { retry_at, .. } => *retry_at,
            Self::DryRun
            | Self::Stopping
            | Self::Paused
            | Self::NodeDown
            | Self::RebalanceOff
            | Self::AuditUnavailable
            | Self::NotOurNode
            | Self::NotItsNode
            | Self::NotTrusted
            | Self::PolicyUnknown
            | Self::ChannelIdsDiffer
            | Self::UnknownChannel
            | Self::Inactive
            | Self::NotOrdinary
            | Self::Unreadable
            | Self::BadInvoice { .. }
            | Self::WrongNetwork { .. }
            | Self::WrongPayee
            | Self::NotARebalanceInvoice
            | Self::BlindedPaths
            | Self::WrongAmount
            | Self::NotFresh
            | Self::ExpiryOutOfRange
            | Self::CltvOutOfRange
            | Self::HashSeen
            | Self::AttemptOpen
            | Self::AwaitingSnapshot
            | Self::MaxTransactionSize { .. }
            | Self::MinTransactionSize { .. }
            | Self::BandsDoNotMeet
            | Self::BelowChannelMinimum { .. }
            | Self::PastBand { .. }
            | Self::NotSendable { .. } => None,
        }
    }
}

impl Refusal {
    /// The smaller amount that would have been granted, where that is what was wrong.
    pub(crate) const fn granted(&self) -> Option<Msat> {
        match self {
            Self::MaxTransactionSize { max }
            | Self::PastBand { max }
            | Self::NotSendable { max } => Some(*max),
            Self::MaxAmountPerPeriod { left, .. } => Some(*left),
            Self::DryRun
            | Self::Stopping
            | Self::Paused
            | Self::NodeDown
            | Self::RebalanceOff
            | Self::AuditUnavailable
            | Self::NotOurNode
            | Self::NotItsNode
            | Self::NotTrusted
            | Self::PolicyUnknown
            | Self::ChannelIdsDiffer
            | Self::UnknownChannel
            | Self::Inactive
            | Self::NotOrdinary
            | Self::Unreadable
            | Self::BadInvoice { .. }
            | Self::WrongNetwork { .. }
            | Self::WrongPayee
            | Self::NotARebalanceInvoice
            | Self::BlindedPaths
            | Self::WrongAmount
            | Self::NotFresh
            | Self::ExpiryOutOfRange
            | Self::CltvOutOfRange
            | Self::HashSeen
            | Self::AttemptOpen
            | Self::AwaitingSnapshot
            | Self::MinTransactionSize { .. }
            | Self::MaxTransactionsPerPeriod { .. }
            | Self::MinTimeBetweenPayments { .. }
            | Self::BandsDoNotMeet
            | Self::BelowChannelMinimum { .. } => None,
        }
    }

    /// Whether it goes by the payer's figures for the channel.
    pub(crate) const fn is_about_balances(&self) -> bool {
        matches!(self, Self::PastBand { .. } | Self::NotSendable { .. } | Self::Unreadable)
    }
}

/// The word for a refusal or a failure: its tag.
pub(crate) fn code(reason: &impl Serialize) -> String {
    let value = serde_json::to_value(reason).unwrap_or_default();
    value["code"].as_str().unwrap_or_default().to_owned()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DryRun => f.write_str("dryRun is set, so nothing is paid"),
            Self::Stopping => f.write_str("the daemon is about to stop"),
            Self::Paused => f.write_str("payments are paused at the payer"),
            Self::NodeDown => f.write_str("the paying node does not answer"),
            Self::RebalanceOff => f.write_str("the paying node has rebalance set to false"),
            Self::AuditUnavailable => {
                f.write_str("the payer's transaction log cannot be written, so nothing is paid")
            }
            Self::NotOurNode => f.write_str("the payer named is no node of this daemon"),
            Self::NotItsNode => f.write_str("the peer does not speak for the payee"),
            Self::NotTrusted => f.write_str("the payee is not among trustedNodes"),
            Self::PolicyUnknown => {
                f.write_str("the payee's policy for the channel is not known yet")
            }
            Self::ChannelIdsDiffer => {
                f.write_str("channelId and channelPoint do not name one channel")
            }
            Self::UnknownChannel => {
                f.write_str("the paying node has no such channel with the payee")
            }
            Self::Inactive => f.write_str("the channel is inactive"),
            Self::NotOrdinary => f.write_str("the channel is closing, broken or holds assets"),
            Self::Unreadable => f.write_str("the channel's balances exceed its capacity"),
            Self::BadInvoice { detail } => write!(f, "the invoice cannot be read: {detail}"),
            Self::WrongNetwork { expected } => {
                write!(f, "the invoice is not for the node's network, {expected:?}")
            }
            Self::WrongPayee => f.write_str("the invoice is not the channel counterparty's"),
            Self::NotARebalanceInvoice => {
                f.write_str("the invoice was not made for this rebalance of this channel")
            }
            Self::BlindedPaths => f.write_str("the invoice asks for blinded paths"),
            Self::WrongAmount => f.write_str("the invoice asks for another amount than the offer"),
            Self::NotFresh => f.write_str("the invoice was not made just now"),
            Self::ExpiryOutOfRange => {
                f.write_str("the invoice must live for at least 10 s more and at most 1 h")
            }
            Self::CltvOutOfRange => {
                f.write_str("the invoice's final CLTV delta must be 18 to 144 blocks")
            }
            Self::HashSeen => f.write_str("a payment under this hash was dispatched before"),
            Self::AttemptOpen => f.write_str("another attempt on this channel has not ended"),
            Self::AwaitingSnapshot => {
                f.write_str("the balances after the last payment are not known yet")
            }
            Self::MaxTransactionSize { max } => write!(f, "maxTransactionSize allows {max}"),
            Self::MinTransactionSize { min } => write!(f, "minTransactionSize asks for {min}"),
            Self::MaxTransactionsPerPeriod { .. } => {
                f.write_str("maxTransactionsPerPeriod is used up")
            }
            Self::MaxAmountPerPeriod { left, .. } => {
                write!(f, "maxAmountPerPeriod leaves {left}")
            }
            Self::MinTimeBetweenPayments { retry_at } => {
                write!(f, "minTimeBetweenPayments lasts until {retry_at}")
            }
            Self::BandsDoNotMeet => f.write_str(
                "no balance contents both sides: lower a balancePoint or widen a deadzone",
            ),
            Self::PastBand { max } => {
                write!(f, "the payer would become too poor; it would grant {max}")
            }
            Self::BelowChannelMinimum { min } => write!(f, "the channel carries {min} at least"),
            Self::NotSendable { max } => write!(f, "the channel can carry {max} at most"),
        }
    }
}
