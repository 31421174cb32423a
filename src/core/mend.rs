//! What would change a reason not to pay: a sentence for each, for the operator.
//!
//! The reasons themselves, in a sentence each, are told by their `Display`.

use super::decide::Rest;
use super::refusal::{Refusal, code};

/// Nothing is to be done.
const BY_ITSELF: &str = "It ends by itself.";
/// The other owner has to do something.
const BY_THE_PEER: &str = "Only the owner of the other end can change it.";

impl Rest {
    /// The reason's word: a refusal's own where the payer would refuse, a peer's own where it did.
    pub fn code(&self) -> String {
        if let Self::Refused { refusal } = self {
            return refusal.code();
        }
        if let Self::ByPeer { word, .. } = self {
            return word.code.clone().unwrap_or_else(|| "byPeer".to_owned());
        }
        code(self)
    }

    /// What would change it.
    pub fn mend(&self) -> String {
        let fixed = match self {
            Self::Refused { refusal } => return refusal.mend().to_owned(),
            Self::TooSmall { .. } => {
                "It asks when more is missing, or with a smaller minTransactionSize."
            }
            Self::Stopping => "Start the daemon again.",
            Self::Balanced => "Nothing: it asks when its share falls below its threshold.",
            Self::RebalanceOff => "Remove rebalance: false from the node's entry.",
            Self::CounterpartyDown => "Start the node at the other end, or mend its entry.",
            Self::Paused { until: None } => "Run tightrope resume.",
            Self::Paused { until: Some(_) } => "It ends by itself, or with tightrope resume.",
            Self::AttemptOpen | Self::AwaitingSnapshot | Self::CoolingDown { .. } => BY_ITSELF,
            Self::ViewsDiffer => "It ends once both nodes have told the same balances.",
            Self::Inactive => "Connect the two nodes with each other.",
            Self::NotOrdinary => "Nothing while the channel is closing or of such a kind.",
            Self::Unreadable => "See whether the node lists the channel's balances rightly.",
            Self::BandsDoNotMeet => {
                "Lower a balancePoint or widen a deadzone, here or at the other end."
            }
            Self::NotTrusted => "Add the node to trustedNodes.",
            Self::PolicyUnknown => "It comes with the peer's next hello.",
            Self::PausedByPeer => BY_THE_PEER,
            Self::CannotHold => "Bake the node's macaroon with the calls of invoicesrpc.",
            Self::PaidElsewhere { .. } => {
                "Close the other channels with that node, or have its owner run this Tightrope."
            }
            Self::ByPeer { .. } => "It is asked again by then; see what its owner can change.",
            Self::DryRun { .. } => "Start the daemon without dryRun.",
        };
        fixed.to_owned()
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
            Self::PolicyUnknown => "It comes with the payee's next hello.",
            Self::ChannelIdsDiffer | Self::UnknownChannel => {
                "It ends when both nodes list the channel."
            }
            Self::Inactive => "Connect the two nodes with each other.",
            Self::NotOrdinary => "Nothing while the channel is closing or of such a kind.",
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
            Self::AttemptOpen | Self::AwaitingSnapshot | Self::MinTimeBetweenPayments { .. } => {
                BY_ITSELF
            }
            Self::MaxTransactionSize { .. } => "Raise the payer's maxTransactionSize.",
            Self::MinTransactionSize { .. } => {
                "It ends when more is missing, or with a smaller minTransactionSize at the payer."
            }
            Self::MaxTransactionsPerPeriod { .. } => {
                "It ends with the period, or with a larger maxTransactionsPerPeriod at the payer."
            }
            Self::MaxAmountPerPeriod { .. } => {
                "It ends with the period, or with a larger maxAmountPerPeriod at the payer."
            }
            Self::BandsDoNotMeet => {
                "Lower a balancePoint or widen a deadzone, here or at the other end."
            }
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
