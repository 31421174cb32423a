//! Channels are opened and closed on the chain, and blocks are made.

use std::time::Duration;

use crate::ids::{ChannelPoint, NodeId, Scid};
use crate::units::{Msat, Sat};

use super::chain::Transaction;
use super::channel::{
    Both, Channel, Closing, Commitment, DUST_LIMIT, Phase, Policy, Side, push_max,
};
use super::htlc::HtlcId;
use super::notice::{Change, Notice};
use super::{Due, World};

/// The least and the most that a channel may hold, as lnd has it without "wumbo".
pub(crate) const CAPACITY_MIN: Sat = Sat::new(20_000);
/// See [`CAPACITY_MIN`].
pub(crate) const CAPACITY_MAX: Sat = Sat::new(16_777_215);
/// How many channels with one node may wait for a block.
const PENDING_MAX: usize = 20;
/// How many blocks a channel must have until all may know of it (BOLT 7).
pub(crate) const ANNOUNCED_AFTER: u32 = 6;
/// What a transaction that opens a channel weighs, in vbyte.
const VBYTES: u64 = 154;
/// What one that closes a channel in agreement pays, at 2 sat per vbyte.
const CLOSING_FEE: Sat = Sat::new(385);
/// How long the ends take to tell each other that the funding is in a block.
const READY: Duration = Duration::from_millis(100);

/// A channel that is to be opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewChannel {
    /// Who opens and funds it.
    pub(crate) from: NodeId,
    /// The other end.
    pub(crate) to: NodeId,
    /// What it is funded with.
    pub(crate) capacity: Sat,
    /// What of that is the other's from the start.
    pub(crate) push: Sat,
    /// Whether it is announced to nobody.
    pub(crate) is_private: bool,
    /// What a transaction pays, in sat per vbyte.
    pub(crate) sat_per_vbyte: u64,
    /// What the opener asks of HTLCs over it.
    pub(crate) terms: Terms,
}

/// What an opener asks of HTLCs over a channel, where that is not what lnd asks by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// What each costs.
    pub(crate) fee_base: Option<Msat>,
    /// What a million msat costs besides.
    pub(crate) fee_ppm: Option<u64>,
    /// The least.
    pub(crate) htlc_min: Option<Msat>,
}

/// Why a channel is not opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum OpenError {
    /// It would be smaller than worth it.
    #[error("channel is too small, the minimum channel size is: 20000 SAT")]
    TooSmall,
    /// It would be larger than allowed.
    #[error("funding amount is too large, the max channel size is: 0.16777215 BTC")]
    TooLarge,
    /// Nothing would be left to the opener.
    #[error(
        "amount pushed to remote peer for initial state must be below the local funding amount"
    )]
    PushTooLarge,
    /// It would lead nowhere.
    #[error("cannot open channel to self")]
    Itself,
    /// The other node is down, or apart.
    #[error("peer {0} is not online")]
    NotOnline(NodeId),
    /// The wallet has less.
    #[error(
        "not enough witness outputs to create funding transaction, need {need} only have {have} \
         available"
    )]
    NoFunds {
        /// What it takes.
        need: Sat,
        /// What is there.
        have: Sat,
    },
    /// Too many wait for a block.
    #[error("pending channels exceed maximum")]
    TooMany,
}

/// Why a channel is not closed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum CloseError {
    /// The node has none of this name.
    #[error("unable to find channel")]
    Unknown,
    /// Something is on its way.
    #[error("cannot co-op close channel with active htlcs")]
    Htlcs,
    /// The other end is not there.
    #[error("cannot co-op close channel while the other end is away, force close it")]
    Inactive,
}

/// What a wallet pays for a channel of this capacity.
pub(in crate::simnet) const fn cost(capacity: Sat, sat_per_vbyte: u64) -> Sat {
    Sat::new(capacity.sat().saturating_add(VBYTES.saturating_mul(sat_per_vbyte)))
}

impl World {
    /// Opens a channel: its funding transaction waits for a block.
    pub(crate) fn open(&mut self, wanted: NewChannel) -> Result<ChannelPoint, OpenError> {
        let NewChannel { from, to, capacity, push, .. } = wanted;
        if capacity < CAPACITY_MIN {
            return Err(OpenError::TooSmall);
        }
        if capacity > CAPACITY_MAX {
            return Err(OpenError::TooLarge);
        }
        if from == to {
            return Err(OpenError::Itself);
        }
        if !self.are_connected(from, to) {
            return Err(OpenError::NotOnline(to));
        }
        let pending = self.channels_of(to).filter(|(it, _)| it.phase == Phase::Pending);
        if pending.count() >= PENDING_MAX {
            return Err(OpenError::TooMany);
        }
        let need = cost(capacity, wanted.sat_per_vbyte);
        let txid = self.random.bytes();
        let node = self.nodes.get_mut(&from).ok_or(OpenError::NotOnline(from))?;
        let have = node.confirmed;
        let left = have.sat().checked_sub(need.sat());
        let channel = new_channel(ChannelPoint::new(txid, 0), self.channels.len(), &wanted);
        if push > push_max(capacity) {
            return Err(OpenError::PushTooLarge);
        }
        node.confirmed = Sat::new(left.ok_or(OpenError::NoFunds { need, have })?);
        let point = channel.point;
        debug_assert!(push < capacity, "the opener keeps its reserve");
        self.channels.insert(point, channel);
        self.chain.waiting.push(Transaction::Funding(point));
        self.tell_both(point, Change::PendingOpen);
        Ok(point)
    }

    /// Closes a channel: its closing transaction waits for a block.
    pub(crate) fn close(
        &mut self,
        node: NodeId,
        point: ChannelPoint,
        is_forced: bool,
    ) -> Result<Closing, CloseError> {
        let txid = self.random.bytes();
        let channel = self.channels.get_mut(&point).filter(|it| it.side(node).is_some());
        let channel = channel.filter(|it| it.is_open()).ok_or(CloseError::Unknown)?;
        if !is_forced && !channel.htlcs.is_empty() {
            return Err(CloseError::Htlcs);
        }
        if !is_forced && !channel.is_active {
            return Err(CloseError::Inactive);
        }
        let holder = channel.side(node).ok_or(CloseError::Unknown)?;
        let ids: Vec<HtlcId> = channel.htlcs.keys().copied().collect();
        for id in &ids {
            channel.clear(*id);
        }
        let balances = channel.commitments[holder].balances;
        let fee = CLOSING_FEE.msat();
        let paid = Both {
            opener: balances.opener.saturating_sub(fee).sat(),
            acceptor: balances.acceptor.sat(),
        };
        let closing = Closing { txid, is_forced, paid };
        channel.phase = Phase::Closing(closing);
        let was_active = std::mem::replace(&mut channel.is_active, false);
        if was_active {
            self.tell_both(point, Change::Inactive);
        }
        for id in ids {
            self.lose_arrival(point, id);
            self.forget(point, id);
        }
        self.chain.waiting.push(Transaction::Closing(point));
        Ok(closing)
    }

    /// Sets what an end of a channel asks of HTLCs over it.
    pub(crate) fn set_policy(&mut self, node: NodeId, point: ChannelPoint, policy: Policy) {
        if let Some(channel) = self.channels.get_mut(&point)
            && let Some(side) = channel.side(node)
        {
            channel.policies[side] = policy;
        }
    }

    /// Makes a block with all that waits for one.
    pub(crate) fn mine(&mut self) {
        self.chain.height += 1;
        let block = std::mem::take(&mut self.chain.waiting);
        // The first transaction of a block pays the miner.
        for (index, transaction) in (1..).zip(block) {
            match transaction {
                Transaction::Funding(point) => self.confirm(point, index),
                Transaction::Closing(point) => self.close_for_good(point),
            }
        }
        self.give_back_what_is_due();
        self.close_what_is_overdue();
    }

    fn confirm(&mut self, point: ChannelPoint, index: u32) {
        let height = self.chain.height;
        let Some(channel) = self.channels.get_mut(&point) else { return };
        let scid = u64::from(height) << 40 | u64::from(index) << 16;
        channel.scid = Some(Scid::new(scid));
        channel.phase = Phase::Confirmed;
        self.plan(READY, Due::Ready(point));
    }

    /// The ends of a channel have told each other that it is open.
    pub(super) fn ready(&mut self, point: ChannelPoint) {
        let Some(channel) = self.channels.get_mut(&point) else { return };
        channel.phase = Phase::Open;
        let ends = channel.ends;
        self.tell_both(point, Change::Open);
        self.refresh_channels(ends.opener, ends.acceptor);
    }

    fn close_for_good(&mut self, point: ChannelPoint) {
        let height = self.chain.height;
        let Some(channel) = self.channels.get_mut(&point) else { return };
        let Phase::Closing(closing) = channel.phase else { return };
        channel.phase = Phase::Closed(closing, height);
        let ends = channel.ends;
        for side in Side::ALL {
            if let Some(node) = self.nodes.get_mut(&ends[side]) {
                node.confirmed = Sat::new(node.confirmed.sat() + closing.paid[side].sat());
            }
        }
        self.tell_both(point, Change::Closed);
        self.tell_both(point, Change::Resolved);
    }

    /// Whoever has offered an HTLC that is overdue closes the channel over it.
    fn close_what_is_overdue(&mut self) {
        let height = self.chain.height;
        let overdue = self.channels.values().filter(|channel| channel.is_open());
        let overdue = overdue.filter_map(|channel| {
            let late = channel.htlcs.iter().find(|(_, htlc)| htlc.expiry <= height);
            late.map(|(id, _)| (channel.ends[id.offerer], channel.point))
        });
        let overdue: Vec<_> = overdue.collect();
        for (node, point) in overdue {
            // It was open a moment ago, and is the node's.
            let closed = self.close(node, point, true);
            debug_assert!(closed.is_ok(), "{closed:?}");
        }
    }

    fn tell_both(&mut self, channel: ChannelPoint, change: Change) {
        let Some(ends) = self.channels.get(&channel).map(|channel| channel.ends) else { return };
        for node in [ends.opener, ends.acceptor] {
            self.tell(Notice::Channel { node, channel, change });
        }
    }
}

/// What lnd asks of HTLCs by itself, with what the opener wants.
fn policy(in_flight_max: Msat, terms: Terms) -> Policy {
    Policy {
        fee_base: terms.fee_base.unwrap_or(Msat::new(1_000)),
        fee_ppm: terms.fee_ppm.unwrap_or(1),
        time_lock_delta: 80,
        htlc_min: terms.htlc_min.unwrap_or(Msat::new(1_000)),
        htlc_max: in_flight_max,
    }
}

fn new_channel(point: ChannelPoint, number: usize, wanted: &NewChannel) -> Channel {
    let NewChannel { from, to, capacity, push, .. } = *wanted;
    let opener = Sat::new(capacity.sat().saturating_sub(push.sat())).msat();
    let balances = Both { opener, acceptor: push.msat() };
    let commitment = Commitment { balances, ..Commitment::default() };
    let mut channel = Channel {
        point,
        number,
        ends: Both { opener: from, acceptor: to },
        capacity,
        pushed: push,
        is_private: wanted.is_private,
        phase: Phase::Pending,
        scid: None,
        is_active: false,
        policies: Both {
            opener: policy(Msat::ZERO, wanted.terms),
            acceptor: policy(Msat::ZERO, Terms::default()),
        },
        commitments: Both { opener: commitment.clone(), acceptor: commitment },
        moved: Both::default(),
        offered: Both::default(),
        htlcs: std::collections::BTreeMap::new(),
    };
    debug_assert!(capacity >= DUST_LIMIT, "a channel is worth an output");
    for side in Side::ALL {
        channel.policies[side].htlc_max = channel.in_flight_max();
    }
    channel
}
