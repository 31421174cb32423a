//! The checks that an offer must pass, and [`Authorized`], the only value that can be paid.

use serde::Serialize;

use crate::ids::{ChannelPoint, NodeId, PaymentHash, PaymentSecret, Scid};
use crate::units::Msat;

/// A payment that passed every check: over this channel, to its counterparty, in one hop, at no
/// fee, for this amount. Only this file makes one.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub struct Authorized {
    payer: NodeId,
    payee: NodeId,
    point: ChannelPoint,
    scid: Scid,
    amount: Msat,
    hash: PaymentHash,
    #[serde(skip)]
    secret: PaymentSecret,
    min_final_cltv: u64,
}

impl Authorized {
    /// The node that pays.
    pub const fn payer(&self) -> NodeId {
        self.payer
    }

    /// The node that is paid: the channel's counterparty.
    pub const fn payee(&self) -> NodeId {
        self.payee
    }

    /// The channel.
    pub const fn point(&self) -> ChannelPoint {
        self.point
    }

    /// The channel's id at the payer, to route by.
    pub const fn scid(&self) -> Scid {
        self.scid
    }

    /// What is paid; the fee is nothing.
    pub const fn amount(&self) -> Msat {
        self.amount
    }

    /// The hash that the payment is locked to.
    pub const fn hash(&self) -> PaymentHash {
        self.hash
    }

    /// The payee's token against probing.
    pub const fn secret(&self) -> &PaymentSecret {
        &self.secret
    }

    /// How many blocks the payee must be left.
    pub const fn min_final_cltv(&self) -> u64 {
        self.min_final_cltv
    }
}
