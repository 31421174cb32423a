//! Channels, their events, and what waits for a block.

use crate::ids::{ChannelPoint, NodeId};
use crate::rpc::lnrpc;
use crate::rpc::lnrpc::channel_close_summary::ClosureType;
use crate::rpc::lnrpc::channel_event_update::{Channel as Told, UpdateType};
use crate::rpc::lnrpc::pending_channels_response::{
    Commitments, PendingChannel, PendingOpenChannel, WaitingCloseChannel,
};
use crate::rpc::lnrpc::{CommitmentType, Initiator};
use crate::simnet::world::World;
use crate::simnet::world::channel::{
    Channel, Closing, DUST_LIMIT, FEE_PER_KW, HTLC_MIN, HTLCS_MAX, Phase, Side,
};
use crate::simnet::world::htlc::{Htlc, HtlcId, Stage};
use crate::simnet::world::node::LndVersion;
use crate::simnet::world::notice::Change;

use super::{hex, point, sat, signed, txid};

/// The first block of regtest: the name of the chain.
const GENESIS: &str = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";

/// A channel as `side` sees it, by its own commitment.
pub(in super::super) fn channel(world: &World, channel: &Channel, side: Side) -> lnrpc::Channel {
    let held = &channel.commitments[side];
    let htlcs = held.htlcs.iter().map(|id| (*id, &channel.htlcs[id]));
    let pending_htlcs: Vec<_> = htlcs.map(|(id, it)| htlc(world, channel, side, id, it)).collect();
    let constraints = lnrpc::ChannelConstraints {
        csv_delay: channel.csv_delay(),
        chan_reserve_sat: channel.reserve().sat().sat(),
        dust_limit_sat: DUST_LIMIT.sat(),
        max_pending_amt_msat: channel.in_flight_max().msat(),
        min_htlc_msat: HTLC_MIN.msat(),
        max_accepted_htlcs: HTLCS_MAX,
    };
    lnrpc::Channel {
        active: channel.is_active,
        remote_pubkey: channel.ends[side.other()].to_string(),
        channel_point: channel.point.to_string(),
        chan_id: channel.scid.map_or(0, crate::ids::Scid::as_u64),
        capacity: sat(channel.capacity),
        local_balance: sat(channel.balance(side, side)),
        remote_balance: sat(channel.balance(side, side.other())),
        commit_fee: sat(channel.commit_fee(side)),
        commit_weight: signed(channel.weight(side)),
        fee_per_kw: signed(FEE_PER_KW),
        unsettled_balance: pending_htlcs.iter().map(|htlc| htlc.amount).sum(),
        total_satoshis_sent: sat(channel.moved[side].sent.sat()),
        total_satoshis_received: sat(channel.moved[side].received.sat()),
        num_updates: held.height,
        pending_htlcs,
        csv_delay: channel.csv_delay(),
        private: channel.is_private,
        initiator: side == Side::Opener,
        chan_status_flags: "ChanStatusDefault".to_owned(),
        local_chan_reserve_sat: sat(channel.reserve().sat()),
        remote_chan_reserve_sat: sat(channel.reserve().sat()),
        push_amount_sat: channel.pushed.sat(),
        commitment_type: CommitmentType::Anchors.into(),
        local_constraints: Some(constraints),
        remote_constraints: Some(constraints),
        ..Default::default()
    }
}

fn htlc(world: &World, channel: &Channel, side: Side, id: HtlcId, htlc: &Htlc) -> lnrpc::Htlc {
    let forward = super::htlcs::other_half(world, channel, side, id);
    lnrpc::Htlc {
        incoming: id.offerer != side,
        amount: sat(htlc.amount.sat()),
        hash_lock: htlc.hash.as_bytes().to_vec(),
        expiration_height: htlc.expiry,
        htlc_index: id.index,
        forwarding_channel: forward.map_or(0, |(scid, _)| scid.as_u64()),
        forwarding_htlc_index: forward.map_or(0, |(_, index)| index),
        locked_in: match htlc.stage {
            Stage::Told | Stage::InReceivers => false,
            Stage::InBoth | Stage::LockedIn | Stage::Ended => true,
            Stage::InReceiversOnly => false,
        },
    }
}

/// The event of another commitment; lnd before 0.21 tells none.
pub(in super::super) fn updated(
    world: &World,
    node: NodeId,
    name: ChannelPoint,
) -> Option<lnrpc::ChannelEventUpdate> {
    if world.node(node)?.version == LndVersion::V20 {
        return None;
    }
    let it = world.channels.get(&name)?;
    // lnd says so whatever the truth is.
    let mut told = lnrpc::Channel { active: true, ..channel(world, it, it.side(node)?) };
    // It does not tell either which HTLCs they are.
    told.pending_htlcs.iter_mut().for_each(|htlc| htlc.htlc_index = 0);
    let told = Told::UpdatedChannel(lnrpc::ChannelCommitUpdate { channel: Some(told) });
    Some(event(UpdateType::ChannelUpdate, told))
}

/// The event of a channel that has come further.
pub(in super::super) fn changed(
    world: &World,
    node: NodeId,
    name: ChannelPoint,
    change: Change,
) -> Option<lnrpc::ChannelEventUpdate> {
    let it = world.channels.get(&name)?;
    let side = it.side(node)?;
    Some(match change {
        Change::PendingOpen => {
            let told = lnrpc::PendingUpdate {
                txid: txid(name.txid()),
                output_index: name.vout(),
                ..Default::default()
            };
            event(UpdateType::PendingOpenChannel, Told::PendingOpenChannel(told))
        }
        Change::Open => {
            let told = lnrpc::Channel { active: true, ..channel(world, it, side) };
            event(UpdateType::OpenChannel, Told::OpenChannel(told))
        }
        Change::Active => event(UpdateType::ActiveChannel, Told::ActiveChannel(point(name))),
        Change::Inactive => event(UpdateType::InactiveChannel, Told::InactiveChannel(point(name))),
        Change::Closed => {
            let (Phase::Closed(closing, height), side) = (it.phase, side) else { return None };
            event(UpdateType::ClosedChannel, Told::ClosedChannel(closed(it, side, closing, height)))
        }
        Change::Resolved => {
            event(UpdateType::FullyResolvedChannel, Told::FullyResolvedChannel(point(name)))
        }
    })
}

fn event(kind: UpdateType, channel: Told) -> lnrpc::ChannelEventUpdate {
    lnrpc::ChannelEventUpdate { r#type: kind.into(), channel: Some(channel) }
}

fn closed(
    channel: &Channel,
    side: Side,
    closing: Closing,
    height: u32,
) -> lnrpc::ChannelCloseSummary {
    let kind = if closing.is_forced {
        ClosureType::LocalForceClose
    } else {
        ClosureType::CooperativeClose
    };
    lnrpc::ChannelCloseSummary {
        channel_point: channel.point.to_string(),
        chan_id: channel.scid.map_or(0, crate::ids::Scid::as_u64),
        chain_hash: GENESIS.to_owned(),
        closing_tx_hash: hex(&closing.txid),
        remote_pubkey: channel.ends[side.other()].to_string(),
        capacity: sat(channel.capacity),
        close_height: height,
        settled_balance: sat(closing.paid[side]),
        close_type: kind.into(),
        open_initiator: initiator(side).into(),
        ..Default::default()
    }
}

const fn initiator(side: Side) -> Initiator {
    match side {
        Side::Opener => Initiator::Local,
        Side::Acceptor => Initiator::Remote,
    }
}

/// The channels of a node that wait for a block.
pub(in super::super) fn pending(world: &World, node: NodeId) -> lnrpc::PendingChannelsResponse {
    let mut told = lnrpc::PendingChannelsResponse::default();
    for (channel, side) in world.channels_of(node) {
        let fee = channel.commit_fee(side);
        match channel.phase {
            Phase::Pending | Phase::Confirmed => {
                told.pending_open_channels.push(PendingOpenChannel {
                    channel: Some(waiting(channel, side)),
                    commit_fee: sat(fee),
                    commit_weight: signed(channel.weight(side)),
                    fee_per_kw: signed(FEE_PER_KW),
                    confirmations_until_active: u32::from(channel.phase == Phase::Pending),
                    ..Default::default()
                });
            }
            Phase::Closing(closing) => {
                let limbo = sat(closing.paid[side]);
                told.total_limbo_balance += limbo;
                told.waiting_close_channels.push(WaitingCloseChannel {
                    channel: Some(waiting(channel, side)),
                    limbo_balance: limbo,
                    commitments: Some(Commitments {
                        local_commit_fee_sat: fee.sat(),
                        remote_commit_fee_sat: channel.commit_fee(side.other()).sat(),
                        ..Default::default()
                    }),
                    closing_txid: hex(&closing.txid),
                });
            }
            Phase::Open | Phase::Closed(..) => {}
        }
    }
    told
}

fn waiting(channel: &Channel, side: Side) -> PendingChannel {
    let flags = match channel.phase {
        Phase::Closing(Closing { is_forced: true, .. }) => {
            "ChanStatusCommitBroadcasted|ChanStatusLocalCloseInitiator"
        }
        Phase::Closing(_) => "ChanStatusCoopBroadcasted|ChanStatusLocalCloseInitiator",
        Phase::Pending | Phase::Confirmed | Phase::Open | Phase::Closed(..) => "ChanStatusDefault",
    };
    PendingChannel {
        remote_node_pub: channel.ends[side.other()].to_string(),
        channel_point: channel.point.to_string(),
        capacity: sat(channel.capacity),
        local_balance: sat(channel.balance(side, side)),
        remote_balance: sat(channel.balance(side, side.other())),
        local_chan_reserve_sat: sat(channel.reserve().sat()),
        remote_chan_reserve_sat: sat(channel.reserve().sat()),
        initiator: initiator(side).into(),
        commitment_type: CommitmentType::Anchors.into(),
        chan_status_flags: flags.to_owned(),
        private: channel.is_private,
        ..Default::default()
    }
}
