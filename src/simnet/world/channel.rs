//! [`Channel`]: what two nodes share, and the commitment that each of them holds of it (BOLT 2, 3).
//!
//! How an HTLC comes into the commitments and out of them again, and when, is the business of
//! `rounds`; who opens and closes channels, of `funding`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, IndexMut};

use crate::ids::{ChannelPoint, NodeId, Scid};
use crate::rpc::lnrpc::failure::FailureCode;
use crate::units::{Msat, Sat};

use super::funding::CAPACITY_MAX;
use super::htlc::{End, Htlc, HtlcId, Refused};
use super::payment::Failure;

/// What fees are reckoned for where a commitment transaction has anchors and no HTLC (BOLT 3).
const COMMITMENT_WEIGHT: u64 = 1_124;
/// What such a transaction weighs, as lnd tells it.
const TOLD_WEIGHT: u64 = 1_116;
/// What each HTLC on it adds that is not dust, and each end that has something (BOLT 3).
const OUTPUT_WEIGHT: u64 = 172;
/// What the opener sets aside for an anchor.
const ANCHOR: Sat = Sat::new(330);
/// What an output must be worth to be there at all.
pub(crate) const DUST_LIMIT: Sat = Sat::new(354);
/// What a commitment transaction pays, in sat per 1,000 weight: what lnd finds on a quiet chain.
pub(crate) const FEE_PER_KW: u64 = 500;
/// For how many blocks the money of an end that closes by force is locked at the least, and at the
/// most, where the channel is as large as can be.
const CSV_DELAYS: (u64, u64) = (144, 2_016);
/// The soonest that an HTLC may be given back, in blocks from the newest one.
const EXPIRY_MIN: u32 = 3;
/// The latest.
const EXPIRY_MAX: u32 = 2_016;
/// The least HTLC that an end accepts.
pub(crate) const HTLC_MIN: Msat = Msat::new(1);
/// How many HTLCs each end may have offered at once.
pub(crate) const HTLCS_MAX: u32 = 483;

/// An end of a channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) enum Side {
    /// Who opened and funded it, and pays for its commitment transactions.
    Opener,
    /// The other.
    Acceptor,
}

impl Side {
    /// Both of them.
    pub(crate) const ALL: [Self; 2] = [Self::Opener, Self::Acceptor];

    /// The other end.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Opener => Self::Acceptor,
            Self::Acceptor => Self::Opener,
        }
    }
}

/// One of something for each end.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Both<T> {
    /// The opener's.
    pub(crate) opener: T,
    /// The acceptor's.
    pub(crate) acceptor: T,
}

impl<T> Index<Side> for Both<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        match side {
            Side::Opener => &self.opener,
            Side::Acceptor => &self.acceptor,
        }
    }
}

impl<T> IndexMut<Side> for Both<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Opener => &mut self.opener,
            Side::Acceptor => &mut self.acceptor,
        }
    }
}

/// A channel at any time of its life.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    /// Its funding output: its name.
    pub(crate) point: ChannelPoint,
    /// How many were opened before it, in the whole network.
    pub(crate) number: usize,
    /// Who shares it.
    pub(crate) ends: Both<NodeId>,
    /// What it was funded with.
    pub(crate) capacity: Sat,
    /// What of that its opener gave the other at the start.
    pub(crate) pushed: Sat,
    /// Whether it is announced to nobody.
    pub(crate) is_private: bool,
    /// How far it has come.
    pub(crate) phase: Phase,
    /// Its short id, once its funding is in a block.
    pub(crate) scid: Option<Scid>,
    /// Whether HTLCs can be added: it is open, and both ends are up and connected.
    pub(crate) is_active: bool,
    /// What each end asks of those that it forwards over it.
    pub(crate) policies: Both<Policy>,
    /// The state as each end holds it, signed by the other.
    pub(crate) commitments: Both<Commitment>,
    /// What each end knows to have gone over it.
    pub(crate) moved: Both<Moved>,
    /// How many HTLCs each end has ever offered.
    pub(crate) offered: Both<u64>,
    /// The HTLCs that are not out of both commitments yet.
    pub(crate) htlcs: BTreeMap<HtlcId, Htlc>,
}

/// What an end has sent over a channel and received, all in all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Moved {
    /// What the other end has taken.
    pub(crate) sent: Msat,
    /// What it has taken itself.
    pub(crate) received: Msat,
}

/// How far a channel has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Its funding transaction is not in a block.
    Pending,
    /// It is, and the ends are telling each other so.
    Confirmed,
    /// It can be used.
    Open,
    /// Its closing transaction is not in a block.
    Closing(Closing),
    /// It is in the block of this height.
    Closed(Closing, u32),
}

/// How a channel is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Closing {
    /// The closing transaction, as it is displayed.
    pub(crate) txid: [u8; 32],
    /// Whether one end closed it without the other.
    pub(crate) is_forced: bool,
    /// What each end gets of it.
    pub(crate) paid: Both<Sat>,
}

/// What an end asks of HTLCs that it is to send over the channel (BOLT 7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Policy {
    /// What each costs.
    pub(crate) fee_base: Msat,
    /// And what a million msat of it costs besides.
    pub(crate) fee_ppm: u64,
    /// How many blocks it wants between what it gives and what it gets.
    pub(crate) time_lock_delta: u32,
    /// The least that it forwards.
    pub(crate) htlc_min: Msat,
    /// The most.
    pub(crate) htlc_max: Msat,
}

impl Policy {
    /// What it asks for forwarding `amount`.
    pub(crate) fn fee(&self, amount: Msat) -> Msat {
        let part = u128::from(amount.msat()) * u128::from(self.fee_ppm) / 1_000_000;
        self.fee_base.saturating_add(Msat::new(u64::try_from(part).unwrap_or(u64::MAX)))
    }
}

/// The state of a channel as one end holds it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commitment {
    /// How often it was replaced: LND's `num_updates`.
    pub(crate) height: u64,
    /// What each end has in it, before the opener has paid for the transaction.
    pub(crate) balances: Both<Msat>,
    /// The HTLCs in it.
    pub(crate) htlcs: BTreeSet<HtlcId>,
}

impl Channel {
    /// The end that `node` is, if it is one.
    pub(crate) fn side(&self, node: NodeId) -> Option<Side> {
        Side::ALL.into_iter().find(|side| self.ends[*side] == node)
    }

    /// Whether it is listed among the open channels.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// What each end may never go below: 1 % of the capacity, as lnd asks.
    pub(crate) fn reserve(&self) -> Msat {
        reserve(self.capacity).msat()
    }

    /// The most that each end may have on its way at once.
    pub(crate) fn in_flight_max(&self) -> Msat {
        self.capacity.msat().saturating_sub(self.reserve())
    }

    /// For how many blocks the money of an end that closes by force is locked: the more, the more
    /// there is.
    pub(crate) fn csv_delay(&self) -> u32 {
        let (least, most) = CSV_DELAYS;
        let delay = most * self.capacity.sat() / CAPACITY_MAX.sat();
        u32::try_from(delay.clamp(least, most)).unwrap_or(u32::MAX)
    }

    /// What the commitment transaction that `holder` has weighs, as lnd tells it.
    pub(crate) fn weight(&self, holder: Side) -> u64 {
        let absent = Side::ALL.into_iter().filter(|side| !self.has_output(holder, *side)).count();
        let missing = match (absent, self.outputs(holder)) {
            (0, _) => 0,
            // An end that has nothing has no anchor either, unless there are HTLCs.
            (_, 0) => 2 * OUTPUT_WEIGHT,
            (_, _) => OUTPUT_WEIGHT,
        };
        TOLD_WEIGHT - missing + OUTPUT_WEIGHT * self.outputs(holder)
    }

    /// What the commitment transaction that `holder` has leaves to the miner, as lnd tells it: all
    /// that is in no output, fractions of satoshis and dust among it.
    pub(crate) fn commit_fee(&self, holder: Side) -> Sat {
        let ids = self.commitments[holder].htlcs.iter().map(|id| self.htlcs[id].amount);
        let htlcs: u64 = ids.filter(|it| !is_dust(*it)).map(|amount| amount.sat().sat()).sum();
        let side = |side: Side| {
            let anchor = if self.has_output(holder, side) || self.outputs(holder) > 0 {
                ANCHOR.sat()
            } else {
                0
            };
            self.balance(holder, side).sat() + anchor
        };
        let kept = htlcs + side(Side::Opener) + side(Side::Acceptor);
        Sat::new(self.capacity.sat().saturating_sub(kept))
    }

    /// What `whose` end has in the commitment of `holder`, in sat, as LND tells it: the opener's
    /// share is what is left after the fee and the anchors.
    pub(crate) fn balance(&self, holder: Side, whose: Side) -> Sat {
        let balance = self.commitments[holder].balances[whose];
        let costs = match whose {
            Side::Opener => fee(self.due_weight(holder)).sat() + 2 * ANCHOR.sat(),
            Side::Acceptor => 0,
        };
        balance.saturating_sub(Sat::new(costs).msat()).sat()
    }

    /// For what weight the opener pays in the commitment of `holder`.
    fn due_weight(&self, holder: Side) -> u64 {
        COMMITMENT_WEIGHT + OUTPUT_WEIGHT * self.outputs(holder)
    }

    /// How many HTLCs in the commitment of `holder` have an output.
    fn outputs(&self, holder: Side) -> u64 {
        let ids = self.commitments[holder].htlcs.iter();
        let worth = ids.filter(|id| !is_dust(self.htlcs[id].amount)).count();
        u64::try_from(worth).unwrap_or(u64::MAX)
    }

    /// Whether `whose` end has enough in the commitment of `holder` for an output.
    fn has_output(&self, holder: Side, whose: Side) -> bool {
        self.balance(holder, whose) >= DUST_LIMIT
    }

    /// What `offerer` has on its way to the other end, not yet settled for good.
    pub(crate) fn in_flight(&self, offerer: Side) -> Msat {
        let own = self.htlcs.iter().filter(|(id, _)| id.offerer == offerer);
        own.map(|(_, htlc)| htlc.amount).sum()
    }

    /// What `offerer` could send in one HTLC, by its own commitment and what is told and not in it.
    pub(crate) fn sendable(&self, offerer: Side) -> Msat {
        let held = &self.commitments[offerer];
        let fresh = |(id, htlc): (&HtlcId, &Htlc)| {
            let is_mine = id.offerer == offerer && htlc.end.is_none();
            (is_mine && !held.htlcs.contains(id)).then_some(htlc.amount)
        };
        let told: Msat = self.htlcs.iter().filter_map(fresh).sum();
        // What it takes it may spend at once, though it is in no commitment yet.
        let taken = |id: &&HtlcId| {
            id.offerer != offerer && matches!(self.htlcs[id].end, Some(End::Settled(_)))
        };
        let taken: Msat = held.htlcs.iter().filter(taken).map(|id| self.htlcs[id].amount).sum();
        let balance = held.balances[offerer].saturating_add(taken);
        let mut left = balance.saturating_sub(told).saturating_sub(self.reserve());
        if offerer == Side::Opener {
            // The fee with this HTLC on it and another, and as much again in case fees rise (lnd's
            // fee buffer).
            let buffer = fee(2 * (self.due_weight(offerer) + 2 * OUTPUT_WEIGHT));
            left = left.saturating_sub(Sat::new(buffer.sat() + 2 * ANCHOR.sat()).msat());
        } else if self.is_opener_drained(offerer) {
            left = left.min(Sat::new(DUST_LIMIT.sat() - 1).msat());
        }
        let in_flight_left = self.in_flight_max().saturating_sub(self.in_flight(offerer));
        left.min(in_flight_left)
    }

    /// Whether the opener cannot pay for one more HTLC on the transaction: then the other end can
    /// only send it dust.
    fn is_opener_drained(&self, holder: Side) -> bool {
        let spare = self.balance(holder, Side::Opener).msat().saturating_sub(self.reserve());
        spare < fee(OUTPUT_WEIGHT).msat()
    }

    /// Whether `offerer` can add an HTLC of `amount` that is given back at `expiry`, when the chain
    /// has `height`; else why not. What it asks of those that it forwards is not asked of its own.
    pub(crate) fn carries(
        &self,
        offerer: Side,
        amount: Msat,
        expiry: u32,
        height: u32,
    ) -> Result<(), Refused> {
        let own = self.htlcs.keys().filter(|id| id.offerer == offerer).count();
        if !self.is_active {
            return Err((FailureCode::UnknownNextPeer, "UnknownNextPeer"));
        }
        if amount < HTLC_MIN {
            return Err((FailureCode::AmountBelowMinimum, "AmountBelowMinimum"));
        }
        let over = FailureCode::TemporaryChannelFailure;
        if amount > self.policies[offerer].htlc_max {
            return Err((over, "htlc exceeds maximum policy amount"));
        }
        if expiry <= height.saturating_add(EXPIRY_MIN) {
            return Err((FailureCode::ExpiryTooSoon, "ExpiryTooSoon"));
        }
        if expiry > height.saturating_add(EXPIRY_MAX) {
            return Err((FailureCode::ExpiryTooFar, "ExpiryTooFar"));
        }
        let is_full = u32::try_from(own).is_ok_and(|own| own >= HTLCS_MAX);
        if amount > self.sendable(offerer) || is_full {
            return Err((over, "insufficient bandwidth to route htlc"));
        }
        Ok(())
    }

    /// All that is in it, which no HTLC changes: what was put into it.
    pub(crate) fn whole(&self, holder: Side) -> Msat {
        let held = &self.commitments[holder];
        let pending: Msat = held.htlcs.iter().map(|id| self.htlcs[id].amount).sum();
        let sides = held.balances.opener.saturating_add(held.balances.acceptor);
        sides.saturating_add(pending)
    }

    /// Puts an HTLC into the commitment of `holder`.
    pub(super) fn put(&mut self, holder: Side, id: HtlcId) {
        let amount = self.htlcs[&id].amount;
        let held = &mut self.commitments[holder];
        let balance = &mut held.balances[id.offerer];
        *balance = balance.saturating_sub(amount);
        held.htlcs.insert(id);
        held.height += 1;
        let whole = self.whole(holder);
        debug_assert_eq!(whole, self.capacity.msat(), "{} keeps its money", self.point);
    }

    /// Takes an HTLC that has its end out of the commitment of `holder`.
    pub(super) fn take(&mut self, holder: Side, id: HtlcId) {
        let Htlc { amount, end, .. } = self.htlcs[&id];
        let gains = match end {
            Some(End::Settled(_)) => id.offerer.other(),
            Some(End::Failed(_)) | None => id.offerer,
        };
        let held = &mut self.commitments[holder];
        held.balances[gains] = held.balances[gains].saturating_add(amount);
        held.htlcs.remove(&id);
        held.height += 1;
        if gains != id.offerer {
            let moved = &mut self.moved[holder];
            let counter = if holder == id.offerer { &mut moved.sent } else { &mut moved.received };
            *counter = counter.saturating_add(amount);
        }
        let whole = self.whole(holder);
        debug_assert_eq!(whole, self.capacity.msat(), "{} keeps its money", self.point);
    }

    /// Takes an HTLC out of all commitments, as the channel is closed over it: it is given back
    /// unless its receiver has said the preimage.
    pub(super) fn clear(&mut self, id: HtlcId) {
        let Some(htlc) = self.htlcs.get_mut(&id) else { return };
        let source = htlc.depth;
        let code = FailureCode::PermanentChannelFailure;
        htlc.end.get_or_insert(End::Failed(Failure { code, source }));
        for holder in Side::ALL {
            if self.commitments[holder].htlcs.contains(&id) {
                self.take(holder, id);
            }
        }
    }
}

/// Whether an HTLC is worth less than an output of its own.
pub(crate) fn is_dust(amount: Msat) -> bool {
    amount.sat() < DUST_LIMIT
}

/// What each end of a channel of this capacity may never go below.
fn reserve(capacity: Sat) -> Sat {
    Sat::new((capacity.sat() / 100).max(DUST_LIMIT.sat()))
}

/// The most that an opener can push: its reserve, the fee and the anchors stay with it.
pub(in crate::simnet) fn push_max(capacity: Sat) -> Sat {
    let kept = reserve(capacity).sat() + fee(COMMITMENT_WEIGHT).sat() + 2 * ANCHOR.sat();
    Sat::new(capacity.sat().saturating_sub(kept))
}

/// What a transaction of this weight costs.
fn fee(weight: u64) -> Sat {
    Sat::new(FEE_PER_KW * weight / 1_000)
}
