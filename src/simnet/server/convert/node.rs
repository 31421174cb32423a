//! A node itself: what it is, whom it is connected to, what it has.

use crate::ids::NodeId;
use crate::rpc::lnrpc;
use crate::simnet::world::World;
use crate::simnet::world::chain::Chain;
use crate::simnet::world::channel::{Channel, Phase, Side};
use crate::simnet::world::node::{LndVersion, Node};
use crate::units::Msat;

use super::graph::COLOR;
use super::{features, hex, sat, seconds, signed};

/// The features of a node.
pub(super) fn features_of(version: LndVersion) -> Vec<u32> {
    let mut bits = vec![0, 5, 7, 8, 12, 14, 17, 23, 25, 27, 30, 31, 35, 44];
    match version {
        LndVersion::V20 => {}
        LndVersion::V21 => bits.extend([39, 261]),
    }
    bits
}

/// What a node says of itself.
pub(in super::super) fn info(world: &World, node: &Node) -> lnrpc::GetInfoResponse {
    let channels = || world.channels_of(node.id).map(|(channel, _)| channel);
    let count = |wanted: fn(&Channel) -> bool| -> u32 {
        u32::try_from(channels().filter(|it| wanted(it)).count()).unwrap_or(u32::MAX)
    };
    let height = world.chain.height;
    lnrpc::GetInfoResponse {
        identity_pubkey: node.id.to_string(),
        alias: node.alias.clone(),
        num_pending_channels: count(|it| matches!(it.phase, Phase::Pending | Phase::Confirmed)),
        num_active_channels: count(|it| it.is_open() && it.is_active),
        num_inactive_channels: count(|it| it.is_open() && !it.is_active),
        num_peers: u32::try_from(peers(world, node.id).count()).unwrap_or(u32::MAX),
        block_height: height.saturating_add_signed(node.faults.height),
        block_hash: hex(&Chain::block_hash(height)),
        synced_to_chain: true,
        best_header_timestamp: seconds(node.clock(world.now)),
        version: node.version.told().to_owned(),
        chains: vec![lnrpc::Chain { chain: "bitcoin".to_owned(), network: "regtest".to_owned() }],
        uris: Vec::new(),
        color: COLOR.to_owned(),
        synced_to_graph: true,
        features: features(features_of(node.version)),
        commit_hash: String::new(),
        wallet_synced: true,
    }
}

/// Whom a node is connected to.
pub(in super::super) fn peers(world: &World, node: NodeId) -> impl Iterator<Item = &Node> {
    world.nodes.values().filter(move |other| world.are_connected(node, other.id))
}

/// A node that another is connected to.
pub(in super::super) fn peer(world: &World, node: NodeId, other: &Node) -> lnrpc::Peer {
    let both = |part: fn(&Channel, Side) -> Msat| -> i64 {
        let shared = world.channels_of(node).filter(|(it, _)| it.side(other.id).is_some());
        sat(shared.map(|(channel, side)| part(channel, side)).sum::<Msat>().sat())
    };
    lnrpc::Peer {
        pub_key: other.id.to_string(),
        // Nodes of one process have no addresses: the one that lnd listens at by itself.
        address: "127.0.0.1:9735".to_owned(),
        sat_sent: both(|channel, side| channel.moved[side].sent),
        sat_recv: both(|channel, side| channel.moved[side].received),
        inbound: other.id < node,
        ping_time: 1,
        sync_type: lnrpc::peer::SyncType::ActiveSync.into(),
        features: features(features_of(other.version)),
        flap_count: 1,
        ..Default::default()
    }
}

/// What a node has on the chain.
pub(in super::super) fn wallet(node: &Node) -> lnrpc::WalletBalanceResponse {
    let confirmed = sat(node.confirmed);
    let account =
        lnrpc::WalletAccountBalance { confirmed_balance: confirmed, ..Default::default() };
    lnrpc::WalletBalanceResponse {
        total_balance: confirmed,
        confirmed_balance: confirmed,
        account_balance: [("default".to_owned(), account)].into(),
        ..Default::default()
    }
}

/// What a node has in its channels.
pub(in super::super) fn in_channels(world: &World, node: NodeId) -> lnrpc::ChannelBalanceResponse {
    let sum = |is_wanted: fn(&Channel) -> bool, part: fn(&Channel, Side) -> Msat| -> Msat {
        let wanted = world.channels_of(node).filter(|(channel, _)| is_wanted(channel));
        wanted.map(|(channel, side)| part(channel, side)).sum()
    };
    let amount = |it: Msat| Some(lnrpc::Amount { sat: it.sat().sat(), msat: it.msat() });
    let open: fn(&Channel) -> bool = Channel::is_open;
    let pending: fn(&Channel) -> bool = |it| it.phase == Phase::Pending;
    let own: fn(&Channel, Side) -> Msat = |it, side| it.balance(side, side).msat();
    let other: fn(&Channel, Side) -> Msat = |it, side| it.balance(side, side.other()).msat();
    let (local, waiting) = (sum(open, own), sum(pending, own));
    lnrpc::ChannelBalanceResponse {
        balance: signed(local.sat().sat()),
        pending_open_balance: signed(waiting.sat().sat()),
        local_balance: amount(local),
        remote_balance: amount(sum(open, other)),
        unsettled_local_balance: amount(sum(open, |it, side| it.in_flight(side))),
        unsettled_remote_balance: amount(sum(open, |it, side| it.in_flight(side.other()))),
        pending_open_local_balance: amount(waiting),
        pending_open_remote_balance: amount(sum(pending, other)),
    }
}
