//! [`Fault`]: what was wrong with a document, and what that costs the peer that sent it.

use std::time::Duration;

use crate::ids::NodeId;
use crate::time::Time;

/// How long a peer is kept away that breaks the protocol as no program should: long enough that
/// its documents cost us nothing, short enough that a mended peer is soon back.
const BROKEN: Duration = Duration::from_secs(10 * 60);

/// How long a peer is kept away that says what it must know to be untrue.
const LIE: Duration = Duration::from_secs(60 * 60);

/// Why a document was turned away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// It is longer than any document may be.
    #[error("the document has {length} bytes, more than the 65536 that one may have")]
    TooLong {
        /// Its bytes.
        length: usize,
    },
    /// The peer sends more than 500 documents in 10 s.
    #[error("the peer sent more than 500 documents in 10 s")]
    TooFast,
    /// It is not one JSON object in UTF-8.
    #[error("the document is no JSON object (byte {at})")]
    NotJson {
        /// The first byte that cannot be read.
        at: usize,
    },
    /// A value of the message is an object or an array, or another value is nested too deeply.
    #[error("the message is not flat")]
    Nested,
    /// Two values have the same key.
    #[error("the document has a key twice")]
    DuplicateKey,
    /// It has more keys than any message needs.
    #[error("an object of the document has more than 64 keys")]
    TooManyKeys,
    /// A number is beyond what 64 bits of floating point hold.
    #[error("a number in the document is not finite")]
    NotFinite,
    /// A field is missing, of the wrong type, or unreadable.
    #[error("the field {field} is missing or unreadable")]
    BadField {
        /// Its name.
        field: &'static str,
    },
    /// The signature is not that of a member of the cluster.
    #[error("the signature is wrong: give every daemon of the cluster the same secret")]
    BadSignature,
    /// It was not made just now.
    #[error("the message of {sent_at} came at {wall}: set the clocks of both machines")]
    Stale {
        /// When it was made, by the peer's clock.
        sent_at: Time,
        /// When it came, by ours.
        wall: Time,
    },
    /// The peer's attestation does not hold.
    #[error("the attestation is not the peer's own for this message")]
    BadAttestation,
    /// The node's signature under the peer's claim does not hold.
    #[error("the proof is not node {}'s for this peer", node.shortened())]
    BadProof {
        /// The node that the peer claims to speak for.
        node: NodeId,
    },
    /// A hello names two nodes.
    #[error("nodeId and publicKey name different nodes")]
    NodesDiffer,
}

impl Fault {
    /// The fault's stable name in the log.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "tooLong",
            Self::TooFast => "tooFast",
            Self::NotJson { .. } => "notJson",
            Self::Nested => "nested",
            Self::DuplicateKey => "duplicateKey",
            Self::TooManyKeys => "tooManyKeys",
            Self::NotFinite => "notFinite",
            Self::BadField { .. } => "badField",
            Self::BadSignature => "badSignature",
            Self::Stale { .. } => "stale",
            Self::BadAttestation => "badAttestation",
            Self::BadProof { .. } => "badProof",
            Self::NodesDiffer => "nodesDiffer",
        }
    }

    /// How long the peer is kept away; `None` where the document is ignored and the peer stays, as
    /// with the original: its clock may be wrong, or it is no member, who may connect but say
    /// nothing.
    pub const fn keeps_away_for(&self) -> Option<Duration> {
        match self {
            Self::TooLong { .. }
            | Self::TooFast
            | Self::Nested
            | Self::DuplicateKey
            | Self::TooManyKeys
            | Self::NotFinite
            | Self::NotJson { .. }
            | Self::BadField { .. } => Some(BROKEN),
            Self::BadAttestation | Self::BadProof { .. } | Self::NodesDiffer => Some(LIE),
            Self::BadSignature | Self::Stale { .. } => None,
        }
    }
}
