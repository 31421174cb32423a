//! [`Htlc`]: money on its way over a channel (BOLT 2), and what is told with it (BOLT 4).
//!
//! How it comes into the commitments of its channel and out of them is the business of `rounds`.

use crate::ids::{ChannelPoint, PaymentHash, Preimage};
use crate::rpc::lnrpc::failure::FailureCode;
use crate::units::Msat;

use super::channel::Side;
use super::payment::{Failure, Hop};

/// An HTLC of a channel: whose it is, and which of theirs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct HtlcId {
    /// Who offered it, and pays.
    pub(crate) offerer: Side,
    /// How many that end had offered before.
    pub(crate) index: u64,
}

/// Money on its way.
#[derive(Clone, Debug)]
pub(crate) struct Htlc {
    /// What it is locked to.
    pub(crate) hash: PaymentHash,
    /// How much it is.
    pub(crate) amount: Msat,
    /// The height at which it is given back.
    pub(crate) expiry: u32,
    /// Where its offerer had it from.
    pub(crate) origin: Origin,
    /// What its receiver is told, and the hops beyond; one only at the end.
    pub(crate) hops: Vec<Hop>,
    /// What it shows the payee.
    pub(crate) shown: Shown,
    /// How many nodes it has passed, the payer included.
    pub(crate) depth: u32,
    /// How far it has come.
    pub(crate) stage: Stage,
    /// How it ends, once its receiver has said so.
    pub(crate) end: Option<End>,
    /// Whether its offerer has heard that it is settled.
    pub(crate) is_heard: bool,
}

/// Where the offerer of an HTLC had it from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// It pays, by this attempt.
    Payment {
        /// The attempt of its own payment.
        attempt: u64,
    },
    /// It forwards.
    Forward {
        /// The channel over which it came.
        channel: ChannelPoint,
        /// Its name there.
        htlc: HtlcId,
    },
}

/// What a payee is shown with an HTLC, to tell whether it is meant (BOLT 4 `payment_data`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Shown {
    /// The invoice's secret.
    pub(crate) secret: Option<[u8; 32]>,
    /// What all parts come to.
    pub(crate) total: Msat,
}

/// How an HTLC ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// Its receiver takes it.
    Settled(Preimage),
    /// It is given back.
    Failed(Failure),
}

/// How far an HTLC has come: who has signed what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// It is told to the receiver, and in no commitment.
    Told,
    /// It is in the receiver's commitment.
    InReceivers,
    /// It is in both, but the receiver does not know that.
    InBoth,
    /// It is in both for good: its receiver may decide about it.
    LockedIn,
    /// Its receiver has said how it ends.
    Ended,
    /// It is out of its offerer's commitment, and not out of the receiver's.
    InReceiversOnly,
}

/// Why a channel does not carry an HTLC.
pub(crate) type Refused = (FailureCode, &'static str);
