//! [`Action`]: everything that the core can have done.
//!
//! The actions of a batch run in order, and one runs only when every [`Record`] before it in the
//! same batch is durable: `[Record(PaymentIntended), Pay]` is the write-ahead rule.

use std::time::Duration;

use serde::Serialize;

use super::authorize::Authorized;
use super::message::Message;
use super::narrative::Narrative;
use super::record::{InvoiceKind, Record};
use super::roster::Distrust;
use crate::ids::{ChannelPoint, NodeId, PaymentHash, PeerKey, RebalanceId, Scid};
use crate::units::Msat;

/// Something to be done, in the imperative. It can be written down, but neither read back nor
/// copied: each is made once, by the core, and done at most once.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub enum Action {
    /// Append to the transaction log, which start-up folds.
    Record(Record),
    /// Append to the event log, which nobody reads but people.
    Narrate(Narrative),
    /// Have a node make an invoice; answered by `InvoiceCreated` or `InvoiceNotCreated`.
    CreateInvoice {
        /// The attempt that it is for.
        rebalance: RebalanceId,
        /// The attempt's channel.
        scid: Scid,
        /// The payee.
        node: NodeId,
        /// What to ask.
        amount: Msat,
        /// The memo, which marks it as made for rebalancing.
        memo: String,
        /// How long it may be paid.
        expiry: Duration,
        /// How many blocks the payer must leave the payee.
        min_final_cltv: u64,
        /// Whether the node is to hold the payment. The preimage of a held invoice follows from
        /// the attempt's name and the daemon's hold key.
        kind: InvoiceKind,
    },
    /// Watch an invoice until it is settled or cancelled; answered by `InvoiceEnded`.
    WatchInvoice {
        /// The payee.
        node: NodeId,
        /// The attempt that the invoice was made for.
        rebalance: RebalanceId,
        /// The attempt's channel.
        scid: Scid,
        /// The invoice's hash.
        hash: PaymentHash,
    },
    /// Take the payment that a held invoice's node holds; tried until the node has answered.
    SettleHeld {
        /// The payee.
        node: NodeId,
        /// The attempt that the invoice was made for.
        rebalance: RebalanceId,
        /// The attempt's channel.
        scid: Scid,
        /// The invoice's hash.
        hash: PaymentHash,
    },
    /// Give the payment of a held invoice back, and cancel it; tried until the node has answered.
    CancelHeld {
        /// The payee.
        node: NodeId,
        /// The attempt that the invoice was made for.
        rebalance: RebalanceId,
        /// The attempt's channel.
        scid: Scid,
        /// The invoice's hash; `None` where nobody knows whether it was made.
        hash: Option<PaymentHash>,
    },
    /// Cancel an invoice that is not to be paid any more.
    CancelInvoice {
        /// The payee.
        node: NodeId,
        /// The attempt that the invoice was made for.
        rebalance: RebalanceId,
        /// The attempt's channel.
        scid: Scid,
        /// The invoice's hash.
        hash: PaymentHash,
    },
    /// Pay, once; answered by `PaymentUpdated`.
    Pay(Authorized),
    /// Ask a node what became of a payment; answered by `PaymentUpdated`.
    TrackPayment {
        /// The payer.
        node: NodeId,
        /// The attempt that it was sent for.
        rebalance: RebalanceId,
        /// The attempt's channel.
        scid: Scid,
        /// The payment.
        hash: PaymentHash,
    },
    /// List a node's channels with one counterparty; answered by `ListAnswered`.
    ListChannels {
        /// The node.
        node: NodeId,
        /// The counterparty.
        with: NodeId,
    },
    /// Say something to a peer, if it is connected.
    Send {
        /// The peer.
        peer: PeerKey,
        /// What to say.
        message: Message,
    },
    /// Keep the connection to a peer, whoever else comes: it shares a channel with us.
    TrustPeer {
        /// The peer.
        peer: PeerKey,
    },
    /// Send a peer away.
    DropPeer {
        /// The peer.
        peer: PeerKey,
        /// Why.
        reason: Distrust,
    },
    /// Read a node's own bounds for a channel; answered by `ForwardingRead`.
    ReadForwarding {
        /// The node.
        node: NodeId,
        /// The channel.
        point: ChannelPoint,
        /// Its id at this node.
        scid: Scid,
    },
}

impl Action {
    /// The attempt that it is for, and the attempt's channel.
    pub const fn attempt(&self) -> Option<(RebalanceId, Scid)> {
        match self {
            Self::CreateInvoice { rebalance, scid, .. }
            | Self::WatchInvoice { rebalance, scid, .. }
            | Self::SettleHeld { rebalance, scid, .. }
            | Self::CancelHeld { rebalance, scid, .. }
            | Self::CancelInvoice { rebalance, scid, .. }
            | Self::TrackPayment { rebalance, scid, .. } => Some((*rebalance, *scid)),
            Self::Pay(authorized) => Some((authorized.rebalance(), authorized.scid())),
            Self::Record(_)
            | Self::Narrate(_)
            | Self::ListChannels { .. }
            | Self::Send { .. }
            | Self::TrustPeer { .. }
            | Self::DropPeer { .. }
            | Self::ReadForwarding { .. } => None,
        }
    }

    /// The node of ours that is to do it.
    pub const fn node(&self) -> Option<NodeId> {
        match self {
            Self::CreateInvoice { node, .. }
            | Self::WatchInvoice { node, .. }
            | Self::SettleHeld { node, .. }
            | Self::CancelHeld { node, .. }
            | Self::CancelInvoice { node, .. }
            | Self::TrackPayment { node, .. }
            | Self::ListChannels { node, .. }
            | Self::ReadForwarding { node, .. } => Some(*node),
            Self::Pay(authorized) => Some(authorized.payer()),
            Self::Record(_)
            | Self::Narrate(_)
            | Self::Send { .. }
            | Self::TrustPeer { .. }
            | Self::DropPeer { .. } => None,
        }
    }
}
