//! One side's view of one channel, as its node last told it.
//!
//! A [`Channel`] is a snapshot and therefore the truth of its moment. What may be sent over it is
//! an estimate, made here from LND's own rules; what should be sent is decided elsewhere.

use serde::{Deserialize, Serialize};

use crate::ids::{ChannelPoint, NodeId, PaymentHash, Scid};
use crate::units::Msat;

/// A channel as one of its two nodes sees it (LND `lnrpc.Channel`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    /// The funding output: the channel's name, equal at both ends.
    pub point: ChannelPoint,
    /// The node at the other end.
    pub counterparty: NodeId,
    /// The id to route by at this end (LND `chan_id`): confirmed, or our alias of a zero-conf
    /// channel.
    pub scid: Scid,
    /// The channel's further ids: aliases of either end, and the confirmed id of a zero-conf
    /// channel.
    pub other_scids: Vec<Scid>,
    /// The id that the counterparty routes by: its own alias of a zero-conf channel, else `scid`.
    pub peer_scid: Scid,
    /// What the channel was funded with. Never a denominator: fees and anchors are missing from
    /// the balances.
    pub capacity: Msat,
    /// This node's balance, without HTLCs in flight.
    pub local: Msat,
    /// The counterparty's balance, without HTLCs in flight.
    pub remote: Msat,
    /// Every HTLC in flight, both ways.
    pub htlcs: Vec<Htlc>,
    /// How many updates the channel has seen (LND `num_updates`); orders snapshots.
    pub updates: u64,
    /// Whether the counterparty is connected and the channel can carry payments.
    pub is_active: bool,
    /// Whether the channel is in its ordinary state, and of a kind that we understand: not
    /// closing, not broken, no assets.
    pub is_ordinary: bool,
    /// Whether this node opened the channel and pays the commitment fee.
    pub is_initiator: bool,
    /// How the commitment transaction is built, for its weight.
    pub commitment: Commitment,
    /// The fee rate of the commitment transaction, in sat per 1000 weight units.
    pub fee_per_kw: u64,
    /// What bounds the HTLCs that this node offers, and its own reserve.
    pub ours: Constraints,
    /// What bounds the HTLCs that the counterparty offers, and its reserve.
    pub theirs: Constraints,
}

/// An HTLC in flight on a channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Htlc {
    /// Whether it flows to this node.
    pub is_incoming: bool,
    /// Its amount.
    pub amount: Msat,
    /// The payment that it belongs to.
    pub hash: PaymentHash,
}

/// How a commitment transaction is built.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Commitment {
    /// Before anchor outputs: legacy, or with a static remote key.
    Plain,
    /// With two anchor outputs of 330 sat.
    Anchors,
    /// Taproot, with anchor outputs.
    Taproot,
}

/// The bounds that one side of a channel must keep (LND `ChannelConstraints`).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Constraints {
    /// What this side may never spend.
    pub reserve: Msat,
    /// The smallest HTLC that it may offer.
    pub htlc_min: Msat,
    /// The most that it may have in flight.
    pub in_flight_max: Msat,
    /// How many HTLCs it may have in flight.
    pub htlcs_max: u32,
}

/// A node's own forwarding policy for a channel, which bounds its local payments too
/// (LND `RoutingPolicy`).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Forwarding {
    /// The smallest HTLC that it sends.
    pub htlc_min: Msat,
    /// The largest HTLC that it sends.
    pub htlc_max: Msat,
}

impl Channel {
    /// Whether `scid` is one of the channel's ids.
    pub fn has_scid(&self, scid: Scid) -> bool {
        self.scid == scid || self.other_scids.contains(&scid)
    }

    /// The sum of all HTLCs in flight, both ways.
    pub fn in_flight(&self) -> Msat {
        self.htlcs.iter().map(|htlc| htlc.amount).sum()
    }

    /// This side's balance if every HTLC in flight became its own.
    pub(crate) fn local_if_won(&self) -> Msat {
        self.local.saturating_add(self.in_flight())
    }

    /// What the two sides share: both balances and everything in flight. `None` where that
    /// exceeds the capacity, which no channel can.
    pub fn total(&self) -> Option<Msat> {
        let settled = self.local.checked_add(self.remote)?;
        let total = settled.checked_add(self.in_flight())?;
        (total <= self.capacity && total > Msat::ZERO).then_some(total)
    }

    /// Whether `other`, the view of the other end, tells the same balances. Rounding and the
    /// dust of HTLCs leave a few satoshis between the two.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        let is_near = |a: Msat, b: Msat| a.msat().abs_diff(b.msat()) <= AGREEMENT.msat();
        is_near(self.local, other.remote) && is_near(self.remote, other.local)
    }

    /// The most that this node can send in one HTLC, by its balance and its limits.
    pub fn sendable(&self) -> Msat {
        let spendable = self.spendable(self.local, self.ours, self.is_initiator, true);
        let blocked = !self.is_initiator && self.initiator_is_drained(self.remote, self.theirs);
        if blocked { Msat::ZERO } else { spendable }
    }

    /// The most that the counterparty can send in one HTLC, as far as this side can tell.
    pub fn receivable(&self) -> Msat {
        let spendable = self.spendable(self.remote, self.theirs, !self.is_initiator, false);
        let blocked = self.is_initiator && self.initiator_is_drained(self.local, self.ours);
        if blocked { Msat::ZERO } else { spendable }
    }

    /// What a side with `balance` may spend under `bounds`, in one HTLC.
    ///
    /// The initiator keeps a buffer: LND refuses an HTLC after which it could not pay the
    /// commitment fee at twice the rate with one HTLC more (`CalcFeeBuffer`).
    fn spendable(
        &self,
        balance: Msat,
        bounds: Constraints,
        pays_the_fee: bool,
        is_ours: bool,
    ) -> Msat {
        let side = self.htlcs.iter().filter(|htlc| htlc.is_incoming != is_ours);
        let (count, in_flight) = side.fold((0_u32, Msat::ZERO), |(count, sum), htlc| {
            (count.saturating_add(1), sum.saturating_add(htlc.amount))
        });
        if count >= bounds.htlcs_max {
            return Msat::ZERO;
        }
        let buffer = if pays_the_fee { self.fee_buffer() } else { Msat::ZERO };
        let by_balance = balance.saturating_sub(bounds.reserve).saturating_sub(buffer);
        by_balance.min(bounds.in_flight_max.saturating_sub(in_flight))
    }

    /// What the initiator must keep beside its reserve, so that fees may double: the whole of
    /// twice the commitment fee with two further HTLCs, less the one fee that is already taken
    /// from its balance.
    fn fee_buffer(&self) -> Msat {
        let weight = self.commitment.weight() + HTLC_WEIGHT * self.htlc_count();
        let taken = self.fee(weight);
        let wanted =
            self.fee(weight + 2 * HTLC_WEIGHT).saturating_add(self.fee(weight + 2 * HTLC_WEIGHT));
        wanted.saturating_sub(taken)
    }

    /// Whether an initiator with `balance` cannot pay for one HTLC more on the commitment, so
    /// that nothing but dust may be sent to it.
    fn initiator_is_drained(&self, balance: Msat, bounds: Constraints) -> bool {
        balance.saturating_sub(bounds.reserve) < self.fee(HTLC_WEIGHT)
    }

    /// The fee of `weight` units at the channel's rate.
    fn fee(&self, weight: u64) -> Msat {
        Msat::new(self.fee_per_kw.saturating_mul(weight))
    }

    /// The number of HTLCs in flight, both ways.
    fn htlc_count(&self) -> u64 {
        u64::try_from(self.htlcs.len()).unwrap_or(u64::MAX / HTLC_WEIGHT)
    }
}

/// How far the two ends' figures for one balance may be apart.
const AGREEMENT: Msat = Msat::new(10_000);

/// The weight of an HTLC output on a commitment transaction (BOLT 3).
const HTLC_WEIGHT: u64 = 172;

impl Commitment {
    /// The weight of a commitment transaction without HTLCs (BOLT 3; LND `CommitWeight`).
    const fn weight(self) -> u64 {
        match self {
            Self::Plain => 724,
            Self::Anchors => 1_124,
            Self::Taproot => 968,
        }
    }
}
