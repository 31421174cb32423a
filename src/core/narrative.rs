//! [`Narrative`]: what people may want to read later, and nothing depends on.
//!
//! The names are those of the original's event log, and so are the fields where it has them.

use serde::Serialize;

use super::record::Scope;
use crate::ids::{ChannelPoint, NodeId, PaymentHash, PeerKey, RebalanceId, Scid, Topic};
use crate::time::Time;
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
    /// The configuration was read again and taken in.
    Reloaded {
        /// The keys that have changed.
        taken: Vec<&'static str>,
        /// The keys that have changed in the file, and hold from the next start.
        left: Vec<&'static str>,
    },
    /// The operator stopped new payments, or did so before this start: at the one place that is
    /// named, or everywhere.
    PaymentsPaused {
        /// Where.
        #[serde(flatten)]
        place: Place,
        /// When it ends by itself; `null` until it is resumed.
        until: Option<Time>,
        /// Why, in the operator's words.
        reason: Option<String>,
    },
    /// The operator allowed them again.
    PaymentsResumed {
        /// Where.
        #[serde(flatten)]
        place: Place,
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
    /// The swarm was joined: peers can find us.
    SwarmConnected {
        /// What the cluster meets under.
        topic: Topic,
    },
    /// The swarm cannot be reached; it is tried again for ever.
    SwarmDisconnected {
        /// Why, in a sentence.
        reason: String,
    },
    /// A peer is connected.
    PeerConnected {
        /// The peer.
        remote_peer: PeerKey,
    },
    /// A peer is gone.
    PeerDisconnected {
        /// The peer.
        remote_peer: PeerKey,
        /// Why, in a sentence.
        reason: String,
    },
    /// A peer was sent away.
    PeerDropped {
        /// The peer.
        remote_peer: PeerKey,
        /// Why, in a sentence.
        reason: String,
        /// The same as a code.
        code: String,
    },
    /// A peer began to speak for a node, or its claim changed.
    PeerHello {
        /// The peer.
        remote_peer: PeerKey,
        /// The node.
        public_key: NodeId,
        /// Its name.
        alias: String,
        /// What the peer understands of our additions; `null` for a legacy peer.
        version: Option<u64>,
        /// Whether the node itself signed the claim.
        is_proven: bool,
        /// Whether the peer is the one that is believed to speak for it.
        is_owner: bool,
    },
    /// A channel with a node of a peer was found.
    PeerSharedChannel {
        /// The peer.
        remote_peer: PeerKey,
        /// The name of the node at the other end.
        remote_alias: String,
        /// The name of our node.
        local_alias: String,
        /// The channel's id.
        channel_id: Scid,
        /// Our balance, in sat.
        local_balance: Sat,
        /// The balance of the other end, in sat.
        remote_balance: Sat,
        /// What the channel was funded with, in sat.
        capacity: Sat,
    },
    /// As payer: a peer asks to have an invoice paid.
    OnPayInvoice {
        /// The peer.
        remote_peer: PeerKey,
        /// The attempt, by the peer's name for it, or by ours where a legacy peer has none.
        rebalance_id: RebalanceId,
        /// The channel's id, as the peer names it.
        channel_id: Option<Scid>,
        /// The invoice, in BOLT 11.
        invoice: String,
        /// What is asked, in sat.
        amount: Option<Sat>,
    },
    /// As payee: the payer, a peer, told what became of a request.
    OnPaymentResult {
        /// The peer.
        remote_peer: PeerKey,
        /// The attempt.
        rebalance_id: RebalanceId,
        /// Whether it says that it paid.
        confirmed: bool,
        /// Its reason where it did not.
        reason: Option<String>,
        /// The same as a code.
        refusal: Option<String>,
    },
    /// As payee: a payment came over another channel than asked.
    PaidElsewhere {
        /// The attempt.
        rebalance_id: RebalanceId,
        /// The payment's name.
        payment_id: PaymentHash,
        /// The channels that it came over.
        over: Vec<Scid>,
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
        /// The attempt, where it was named.
        rebalance_id: Option<RebalanceId>,
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
        /// As payee: since when its side was below its threshold, as far as is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        drifted_at: Option<Time>,
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

/// Where payments are paused, under the names that keys have in the event log; nothing means
/// everywhere.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// A node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<NodeId>,
    /// A peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_peer: Option<PeerKey>,
    /// A channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_point: Option<ChannelPoint>,
}

impl From<Scope> for Place {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::All => Self::default(),
            Scope::Node(node) => Self { public_key: Some(node), ..Self::default() },
            Scope::Peer(peer) => Self { remote_peer: Some(peer), ..Self::default() },
            Scope::Channel(point) => Self { channel_point: Some(point), ..Self::default() },
        }
    }
}

/// A reason as the event log shows it.
pub(crate) fn as_json(reason: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(reason).unwrap_or_default()
}
