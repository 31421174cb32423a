//! [`Narrative`]: what people may want to read later, and nothing depends on.
//!
//! The names are those of the original's event log, and so are the fields where it has them.

use serde::Serialize;

use crate::ids::{ChannelPoint, NodeId, PaymentHash, RebalanceId, Scid};
use crate::units::Sat;

/// One entry of the event log: its name in `event`, the rest in `data`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "event", content = "data", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Narrative {
    /// The daemon starts.
    Starting {
        /// Its version.
        version: String,
    },
    /// The daemon stops in good order.
    Shutdown {},
    /// One of our nodes answers.
    LightningConnected {
        /// The node.
        public_key: NodeId,
        /// Its name.
        alias: String,
    },
    /// One of our nodes is gone.
    LightningDisconnect {
        /// The node.
        public_key: NodeId,
    },
    /// A channel between two nodes that we may balance was found.
    StartWatchingChannel {
        /// Its id at the node that told of it.
        channel_id: Scid,
        /// Its funding output.
        channel_point: ChannelPoint,
        /// The node that told of it.
        public_key: NodeId,
        /// The node at the other end.
        remote_peer: NodeId,
    },
    /// Such a channel is gone.
    StopWatchingChannel {
        /// Its funding output.
        channel_point: ChannelPoint,
    },
    /// As payee: an attempt began.
    OnRequestRebalance {
        /// The attempt.
        rebalance_id: RebalanceId,
        /// The channel's id.
        channel_id: Scid,
        /// The payee.
        paid_to: NodeId,
        /// The payer.
        paid_by: NodeId,
        /// What is asked, in sat.
        tokens: Sat,
    },
    /// A channel's reason to rest changed.
    ChannelRests {
        /// Its funding output.
        channel_point: ChannelPoint,
        /// The side that rests.
        public_key: NodeId,
        /// The reason in a sentence.
        reason: String,
        /// The reason as a code and its figures.
        rest: serde_json::Value,
    },
    /// As payee: the invoice was made.
    InvoiceCreated {
        /// The attempt.
        rebalance_id: RebalanceId,
        /// The payee.
        paid_to: NodeId,
        /// What is asked, in sat.
        tokens: Sat,
        /// The payment's name.
        payment_id: PaymentHash,
    },
    /// As payer: an offer was refused.
    OfferRefused {
        /// The attempt.
        rebalance_id: RebalanceId,
        /// The payee.
        paid_to: NodeId,
        /// The payer.
        paid_by: NodeId,
        /// The reason in a sentence.
        reason: String,
        /// The reason as a code and its figures.
        refusal: serde_json::Value,
    },
    /// As payee: the invoice is paid.
    InvoicePaid {
        /// The attempt.
        rebalance_id: RebalanceId,
        /// The payment's name.
        payment_id: PaymentHash,
        /// What arrived, in sat.
        tokens: Sat,
    },
    /// The answer to a payment was lost: its node is asked until it tells the end.
    PaymentUnknown {
        /// The attempt.
        rebalance_id: RebalanceId,
        /// The payment's name.
        payment_id: PaymentHash,
    },
    /// A payment ended without arriving.
    PaymentFailed {
        /// The attempt.
        rebalance_id: RebalanceId,
        /// The payment's name.
        payment_id: PaymentHash,
        /// The reason in a sentence.
        reason: String,
    },
    /// Something is wrong that the operator should know.
    Error {
        /// What, in a sentence.
        message: String,
    },
}
