//! What would change a reason why nothing is paid: a sentence for each, for the operator.
//!
//! The reasons themselves, in a sentence each, are told by their `Display`.

use serde::de::DeserializeOwned;
use serde_json::json;

use super::decide::Rest;
use super::outcome::{Cause, Failure, PeerWord};
use super::refusal::{Refusal, code};

/// Nothing is to be done.
const BY_ITSELF: &str = "It ends by itself.";
/// The node has to say how the channel stands; it is asked.
const AS_THE_NODE_TELLS: &str = "It ends when the node tells them; it is asked until it does.";
/// What makes two bands meet.
const MEETING_BANDS: &str =
    "The two shares below which the sides ask must come to 100 % at most, together.";
/// What keeps payments on their channel.
const OVER_ONE_CHANNEL: &str =
    "Close the other channels with that node, or have its owner run this Tightrope.";
/// An attempt that was not refused for long.
const NEXT_ATTEMPT: &str = "Nothing is to be done: the next attempt is another one.";

impl Rest {
    /// The reason's word: a refusal's own where the payer would refuse. It is one of ours whatever
    /// a peer says, so that no peer invents reasons, or passes its own off as one of ours.
    pub fn code(&self) -> String {
        if let Self::Refused { refusal } = self { refusal.code() } else { code(self) }
    }

    /// What would change it.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Refused { refusal } => refusal.mend(),
            Self::ByPeer { word, .. } => word.mend(),
            Self::TooSmall { .. } => {
                "It asks once more is missing and can come, or with a smaller minTransactionSize."
            }
            Self::Stopping => "Start the daemon again.",
            Self::Balanced => "It asks once its share falls below its threshold.",
            Self::RebalanceOff => "Remove rebalance: false from the node's entry.",
            Self::CounterpartyDown => "Start the node at the other end, or mend its entry.",
            Self::Paused { until: None } => {
                "It ends with the tightrope resume that stands with the pause."
            }
            Self::Paused { until: Some(_) } => {
                "It ends by itself, or with the tightrope resume that stands with the pause."
            }
            Self::AttemptOpen | Self::CoolingDown { .. } => BY_ITSELF,
            Self::AwaitingSnapshot => AS_THE_NODE_TELLS,
            Self::ViewsDiffer => "It ends once both nodes have told the same balances.",
            Self::Inactive => "Connect the two nodes with each other.",
            Self::NotOrdinary => "Nothing changes it while the channel is so.",
            Self::Unreadable => "See whether the node lists the channel's balances rightly.",
            Self::BandsDoNotMeet => MEETING_BANDS,
            Self::NotTrusted => "Add the node to trustedNodes.",
            Self::PolicyUnknown => "It comes with the peer's next hello, each announceInterval.",
            Self::PausedByPeer => "It ends when the owner of the other end resumes.",
            Self::CannotHold => {
                "It asks once it can hold payments, or has no other channel with that node."
            }
            Self::PaidElsewhere { .. } => OVER_ONE_CHANNEL,
            Self::DryRun { .. } => "Start the daemon without dryRun.",
        }
    }
}

impl Refusal {
    /// What would change it.
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::DryRun => "Start the payer's daemon without dryRun.",
            Self::Stopping => "Start the payer's daemon again.",
            Self::Paused => "It ends when the payer's operator resumes.",
            Self::NodeDown => "Start the paying node, or mend its entry.",
            Self::RebalanceOff => "Remove rebalance: false from the paying node's entry.",
            Self::AuditUnavailable => "Make room on the payer's disk, or mount its volume.",
            Self::NotOurNode | Self::NotItsNode => {
                "It ends when each daemon speaks for its own nodes again."
            }
            Self::NotTrusted => "Add the payee to the payer's trustedNodes.",
            Self::PolicyUnknown => "It comes with the payee's next hello, each announceInterval.",
            Self::ChannelIdsDiffer | Self::UnknownChannel => {
                "It ends when both nodes list the channel."
            }
            Self::Inactive => "Connect the two nodes with each other.",
            Self::NotOrdinary => "Nothing changes it while the channel is so.",
            Self::Unreadable => "See whether the node lists the channel's balances rightly.",
            Self::BadInvoice { .. }
            | Self::WrongPayee
            | Self::NotARebalanceInvoice
            | Self::BlindedPaths
            | Self::WrongAmount
            | Self::HashSeen => "The next invoice is another one; see the payee's daemon.",
            Self::WrongNetwork { .. } => "Both nodes must follow the same chain.",
            Self::NotFresh | Self::ExpiryOutOfRange => "Set the clocks of both machines.",
            Self::CltvOutOfRange => "The payee's daemon must ask for 18 to 144 blocks.",
            Self::AttemptOpen | Self::MinTimeBetweenPayments { .. } => BY_ITSELF,
            Self::AwaitingSnapshot => AS_THE_NODE_TELLS,
            Self::MaxTransactionSize { .. } => {
                "So much is asked next; for more, raise the payer's maxTransactionSize."
            }
            Self::MinTransactionSize { .. } => {
                "It ends when more is missing, or with a smaller minTransactionSize at the payer."
            }
            Self::MaxTransactionsPerPeriod { .. } => {
                "It ends with the period, or with a larger maxTransactionsPerPeriod at the payer."
            }
            Self::MaxAmountPerPeriod { .. } => {
                "It ends with the period, or with a larger maxAmountPerPeriod at the payer."
            }
            Self::BandsDoNotMeet => MEETING_BANDS,
            Self::PastBand { .. } => {
                "It ends when the payer has more, or with a lower balancePoint there."
            }
            Self::BelowChannelMinimum { .. } => {
                "Lower the channel's smallest HTLC at the paying node (lncli updatechanpolicy)."
            }
            Self::NotSendable { .. } => {
                "It ends when HTLCs in flight are settled, or with a larger max_htlc at the payer."
            }
        }
    }
}

impl Failure {
    /// What would change it.
    pub const fn mend(self) -> &'static str {
        match self {
            Self::TemporaryChannelFailure | Self::InsufficientBalance => {
                "Half as much is asked next; HTLCs in flight may be in the way until they settle."
            }
            Self::IncorrectPaymentDetails | Self::ExpiryTooSoon => {
                "See whether both nodes are synced to the chain; the next attempt is another one."
            }
            Self::ChannelUnavailable => {
                "Connect the two nodes with each other, and enable the channel at the payer."
            }
            Self::AmountBelowMinimum => {
                "Lower the channel's smallest HTLC, or set a larger minTransactionSize."
            }
            Self::Other { .. } => "See the log of the paying node.",
            Self::NotSent => {
                "See whether the paying node answers; the amount counts as if it were paid."
            }
            Self::NotFound => {
                "The payee's node tells whether it arrived; the amount counts as if it had."
            }
        }
    }
}

impl Cause {
    /// What would change it.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::NoInvoice { .. } => "See the log of the node, and what its macaroon allows.",
            Self::Refused { refusal } => refusal.mend(),
            Self::PaymentFailed { failure } => failure.mend(),
            Self::ByPeer { word } => word.mend(),
            Self::InvoiceCanceled => "The payer has not said why; see its daemon.",
            Self::PeerGone => "It is asked again once a peer speaks for the payer.",
            Self::PaidElsewhere { .. } => OVER_ONE_CHANNEL,
            Self::Abandoned | Self::NoLongerNeeded | Self::Overtaken { .. } => NEXT_ATTEMPT,
        }
    }
}

impl PeerWord {
    /// The failure that the peer's word names, if it does.
    pub(super) fn failure(&self) -> Option<Failure> {
        named(self.code.as_deref()?)
    }

    /// What would change it, as far as the peer's word is one of ours.
    pub fn mend(&self) -> &'static str {
        let code = self.code.as_deref().unwrap_or_default();
        let refusal = named::<Refusal>(code).map(|refusal| refusal.mend());
        let mend = refusal.or_else(|| self.failure().map(Failure::mend));
        mend.unwrap_or("Only the owner of the other end can tell what would change it.")
    }
}

/// The reason that a word stands for, with figures that mean nothing.
fn named<Reason: DeserializeOwned>(code: &str) -> Option<Reason> {
    let reason = json!({
        "code": code, "detail": "", "expected": "mainnet", "number": 0,
        "max": 0, "min": 0, "left": 0, "retryAt": 0,
    });
    serde_json::from_value(reason).ok()
}
