//! [`Invoice`]: what a node is owed, from when it asks until it has it (BOLT 11).
//!
//! How HTLCs come to the invoice and what becomes of them is the business of `arrivals`.

use std::time::Duration;

use crate::ids::{ChannelPoint, PaymentHash, Preimage, Scid};
use crate::time::Time;
use crate::units::Msat;

use super::htlc::HtlcId;

/// An invoice that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewInvoice {
    /// What it is for.
    pub(crate) memo: String,
    /// How much is asked; nothing: whatever comes.
    pub(crate) amount: Msat,
    /// How long it can be paid; `None`: 24 h, as lnd has it.
    pub(crate) to_live: Option<Duration>,
    /// How many blocks the payee must be left; `None`: 80, as lnd has it.
    pub(crate) cltv: Option<u32>,
    /// Whether channels that nobody knows are named in it.
    pub(crate) is_private: bool,
    /// What it is locked to.
    pub(crate) lock: Lock,
}

/// What an invoice is locked to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock {
    /// A preimage of the node's own making.
    Own,
    /// A preimage that was given.
    Known(Preimage),
    /// A hash: what is paid is held until somebody says the preimage.
    Held(PaymentHash),
}

/// An invoice of a node.
#[derive(Clone, Debug)]
pub(crate) struct Invoice {
    /// How many invoices the node has made, with this one.
    pub(crate) add_index: u64,
    /// How many of its invoices were settled, with this one; zero before.
    pub(crate) settle_index: u64,
    /// What it is for.
    pub(crate) memo: String,
    /// What it is locked to, and its name.
    pub(crate) hash: PaymentHash,
    /// What opens it, where the node knows that.
    pub(crate) preimage: Option<Preimage>,
    /// What a payer must show.
    pub(crate) secret: [u8; 32],
    /// How much is asked; nothing: whatever comes.
    pub(crate) amount: Msat,
    /// When it was made, by the node's clock.
    pub(crate) made: Time,
    /// How long it can be paid.
    pub(crate) to_live: Duration,
    /// How many blocks the payee must be left.
    pub(crate) cltv: u32,
    /// Whether channels that nobody knows are named in it.
    pub(crate) is_private: bool,
    /// Whether it is held until somebody says the preimage.
    pub(crate) is_held: bool,
    /// As it is given to the payer, signed.
    pub(crate) request: String,
    /// How it stands.
    pub(crate) state: InvoiceState,
    /// What came for it, in this order.
    pub(crate) htlcs: Vec<Arrival>,
}

impl Invoice {
    /// What has come for it and was not given back.
    pub(crate) fn paid(&self) -> Msat {
        let kept = self.htlcs.iter().filter(|htlc| htlc.state != ArrivalState::Canceled);
        kept.map(|htlc| htlc.amount).sum()
    }

    /// Gives up one HTLC that waits; whether it did.
    pub(super) fn cancel_part(&mut self, channel: ChannelPoint, htlc: HtlcId, at: Time) -> bool {
        let mut waiting = self.htlcs.iter_mut().filter(|it| it.state == ArrivalState::Accepted);
        let part = waiting.find(|it| it.channel == channel && it.htlc == htlc);
        let has_waited = part.is_some();
        if let Some(part) = part {
            part.state = ArrivalState::Canceled;
            part.resolved = Some(at);
        }
        has_waited
    }
}

/// How an invoice stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum InvoiceState {
    /// It can be paid.
    Open,
    /// It is paid, and held.
    Accepted,
    /// It is paid, and taken.
    Settled {
        /// When.
        at: Time,
    },
    /// It can be paid no more.
    Canceled,
}

/// An HTLC that came for an invoice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The channel over which it came.
    pub(crate) channel: ChannelPoint,
    /// Its name there.
    pub(crate) htlc: HtlcId,
    /// The channel's short id.
    pub(crate) scid: Scid,
    /// How much it is.
    pub(crate) amount: Msat,
    /// What all parts come to, by the payer's word.
    pub(crate) total: Msat,
    /// When it came.
    pub(crate) accepted: Time,
    /// The height at which it came.
    pub(crate) accept_height: u32,
    /// The height at which it is given back.
    pub(crate) expiry_height: u32,
    /// How it stands.
    pub(crate) state: ArrivalState,
    /// When that was decided.
    pub(crate) resolved: Option<Time>,
}

/// How an HTLC that came for an invoice stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ArrivalState {
    /// It waits: for its other parts, or for the preimage.
    Accepted,
    /// It is taken.
    Settled,
    /// It is given back.
    Canceled,
}
