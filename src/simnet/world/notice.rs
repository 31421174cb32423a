//! [`Notice`]: what has just changed, and whom it concerns; the events of LND's streams.
//!
//! It says what changed and not into what: whoever hears it looks at the world at that moment.

use crate::ids::{ChannelPoint, NodeId, PaymentHash, Scid};

/// Something changed for a node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Notice {
    /// The node holds another commitment of a channel (`CHANNEL_UPDATE`).
    Commitment {
        /// Whose commitment.
        node: NodeId,
        /// Of which channel.
        channel: ChannelPoint,
    },
    /// A channel of the node has come further.
    Channel {
        /// Who is told.
        node: NodeId,
        /// Of which channel.
        channel: ChannelPoint,
        /// How far.
        change: Change,
    },
    /// An HTLC passes the node (`SubscribeHtlcEvents`).
    Htlc {
        /// Who is told.
        node: NodeId,
        /// What happened.
        event: HtlcEvent,
    },
    /// An invoice of the node has another state, or is new.
    Invoice {
        /// The payee.
        node: NodeId,
        /// Which one.
        hash: PaymentHash,
    },
    /// A payment of the node has another state, or one of its attempts has.
    Payment {
        /// The payer.
        node: NodeId,
        /// Which one.
        hash: PaymentHash,
    },
}

/// What may happen to a channel (`SubscribeChannelEvents`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// Its funding transaction is there.
    PendingOpen,
    /// It is open.
    Open,
    /// It can be used.
    Active,
    /// It cannot.
    Inactive,
    /// Its closing transaction is in a block.
    Closed,
    /// All its money is back.
    Resolved,
}

/// What happened to an HTLC at one node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct HtlcEvent {
    /// What the node has to do with it; nothing is said of it with the last word about an HTLC.
    pub(crate) part: Option<Part>,
    /// The channel over which it came, and its index there.
    pub(crate) incoming: Option<(Scid, u64)>,
    /// The channel over which it goes on, and its index there.
    pub(crate) outgoing: Option<(Scid, u64)>,
    /// What happened.
    pub(crate) what: HtlcChange,
}

/// What a node has to do with an HTLC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// It pays.
    Send,
    /// It is paid.
    Receive,
    /// It stands between.
    Forward,
}

/// What may happen to an HTLC at a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HtlcChange {
    /// It is sent on.
    Forwarded,
    /// It is settled.
    Settled,
    /// It failed farther on.
    ForwardFailed,
    /// It failed at this node.
    LinkFailed(&'static str),
    /// It is out of the incoming channel, settled or not.
    Final {
        /// Whether it was.
        is_settled: bool,
    },
}
