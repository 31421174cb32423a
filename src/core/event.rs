//! [`Event`]: everything that can happen to the core.
//!
//! A closed list: if something cannot be said as an event, it is none of the core's business.

use serde::Serialize;

use super::channel::{Channel, Forwarding};
use super::invoice::Network;
use super::message::Message;
use super::outcome::Outcome;
use super::policy::Settings;
use super::record::Pause;
use crate::ids::{ChannelPoint, NodeId, PaymentHash, PeerKey, RebalanceId, Scid};
use crate::time::Time;
use crate::units::Msat;

/// Something that happened, in the past tense.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub enum Event {
    /// The daemon started: what the records left open is to be taken up.
    Started,
    /// One of our nodes answers. Its channels follow in an event of their own.
    NodeConnected(OwnNode),
    /// One of our nodes is gone: nothing is known of its channels until it is back.
    NodeDisconnected {
        /// The node.
        node: NodeId,
    },
    /// A node listed its channels: the whole truth within the scope of the list.
    ChannelsListed {
        /// The node that listed them.
        node: NodeId,
        /// Only the channels with this counterparty; `None` for all.
        with: Option<NodeId>,
        /// The channels, complete within that scope.
        channels: Vec<Channel>,
    },
    /// A node listed its channels with one counterparty because the core asked it to, so the list
    /// is newer than all that the core knew when it asked.
    ListAnswered {
        /// The node that listed them.
        node: NodeId,
        /// The counterparty.
        with: NodeId,
        /// The channels, complete within that scope.
        channels: Vec<Channel>,
    },
    /// A node told of one channel. Its `is_active` is not to be believed: LND sets it always.
    ChannelUpdated {
        /// The node that told of it.
        node: NodeId,
        /// The whole channel.
        channel: Channel,
    },
    /// A node's own bounds for the HTLCs that it sends over a channel became known.
    ForwardingRead {
        /// The node.
        node: NodeId,
        /// The channel.
        point: ChannelPoint,
        /// The bounds.
        forwarding: Forwarding,
    },
    /// The invoice that the core asked for was made.
    InvoiceCreated {
        /// The attempt that it is for.
        rebalance: RebalanceId,
        /// The invoice, in BOLT 11.
        invoice: String,
        /// The wall clock as the invoice arrived.
        wall: Time,
    },
    /// The invoice that the core asked for was not made, as far as we know.
    InvoiceNotCreated {
        /// The attempt that it was for.
        rebalance: RebalanceId,
        /// What the node said.
        error: String,
    },
    /// The payee's node holds the payment of a held invoice, to be settled or given back.
    InvoiceHeld {
        /// The invoice's hash.
        hash: PaymentHash,
        /// What it holds.
        held: Held,
    },
    /// The payee's node told what became of an invoice.
    InvoiceEnded {
        /// The invoice's hash.
        hash: PaymentHash,
        /// What became of it.
        end: InvoiceEnd,
    },
    /// The payer's node told what became of a payment, or failed to.
    PaymentUpdated {
        /// The payment.
        hash: PaymentHash,
        /// What became of it.
        outcome: Outcome,
    },
    /// A peer is connected.
    PeerConnected {
        /// The peer.
        peer: PeerKey,
    },
    /// A peer is gone.
    PeerDisconnected {
        /// The peer.
        peer: PeerKey,
        /// Why, in a sentence.
        reason: String,
    },
    /// A peer said something.
    Heard(Heard),
    /// The operator stopped new payments somewhere.
    PauseAsked(Pause),
    /// The operator allowed them again.
    ResumeAsked(super::record::Scope),
    /// The operator changed the settings to ones that
    /// [`remembers_enough_for`](super::Core::remembers_enough_for) is true of: of payments longer
    /// ago than the periods at the start, nothing is remembered.
    SettingsChanged(Settings),
    /// A deadline passed, or may have.
    Woken,
    /// The daemon is about to stop: nothing new is begun.
    Stopping,
}

/// A node that this daemon holds the credentials of.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct OwnNode {
    /// Its public key.
    pub id: NodeId,
    /// The name that it gives itself; the limits may be set by it.
    pub alias: String,
    /// The chain that it follows.
    pub network: Network,
    /// Whether its channels are to be kept in balance at all.
    pub rebalances: bool,
    /// Whether it can hold a payment until it was looked at (LND `invoicesrpc`).
    pub can_hold: bool,
    /// Its signature under our claim to speak for it, for peers that ask for proof.
    pub proof: Option<String>,
}

/// A message, and what the core must know of the document that it came in.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Heard {
    /// Who said it.
    pub peer: PeerKey,
    /// What was said.
    pub message: Message,
    /// When it was said, by the peer's wall clock.
    pub sent_at: Time,
    /// Our wall clock as it arrived.
    pub wall: Time,
    /// The document itself, where the peer signed it so that a third party can verify it.
    pub evidence: Option<String>,
}

/// What a held invoice has been paid with: it lies at the payee's node until the invoice is
/// settled or cancelled.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Held {
    /// What lies there.
    pub paid: Msat,
    /// The channels that the HTLCs came over, one for each HTLC.
    pub over: Vec<Scid>,
}

/// What became of an invoice.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub enum InvoiceEnd {
    /// It was paid.
    Settled {
        /// What arrived.
        paid: Msat,
        /// The channels that the HTLCs came over.
        over: Vec<Scid>,
    },
    /// It was cancelled or expired, and can never be paid.
    Canceled,
}
