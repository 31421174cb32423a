//! What a node knows of the others: nodes, channels, what these ask.

use crate::ids::NodeId;
use crate::rpc::lnrpc;
use crate::simnet::world::World;
use crate::simnet::world::channel::{Channel, Policy, Side};
use crate::simnet::world::node::Node;
use crate::simnet::world::path::is_announced;

use super::{features, msat, sat, seconds, signed};

/// The colour of all nodes: lnd's own.
pub(super) const COLOR: &str = "#3399ff";

/// The channels that are in a node's graph: those that all know, and its own.
pub(in super::super) fn known(world: &World, node: NodeId) -> impl Iterator<Item = &Channel> {
    world.channels.values().filter(move |channel| {
        channel.is_open() && (is_public(world, channel) || channel.side(node).is_some())
    })
}

/// Whether all know of a channel.
pub(in super::super) fn is_public(world: &World, channel: &Channel) -> bool {
    !channel.is_private && channel.scid.is_some_and(|scid| is_announced(world, scid))
}

/// Whether all know of a node: it has a channel that all know of.
pub(in super::super) fn is_known(world: &World, node: NodeId) -> bool {
    world.channels_of(node).any(|(channel, _)| channel.is_open() && is_public(world, channel))
}

/// A channel as the graph has it: the ends in the order of their keys.
pub(in super::super) fn edge(world: &World, channel: &Channel) -> lnrpc::ChannelEdge {
    let is_in_order = channel.ends.opener < channel.ends.acceptor;
    let (first, second) =
        if is_in_order { (Side::Opener, Side::Acceptor) } else { (Side::Acceptor, Side::Opener) };
    let told = |side| policy(world, &channel.policies[side]);
    lnrpc::ChannelEdge {
        channel_id: channel.scid.map_or(0, crate::ids::Scid::as_u64),
        chan_point: channel.point.to_string(),
        last_update: stamp(world),
        node1_pub: channel.ends[first].to_string(),
        node2_pub: channel.ends[second].to_string(),
        capacity: sat(channel.capacity),
        node1_policy: Some(told(first)),
        node2_policy: Some(told(second)),
    }
}

fn policy(world: &World, policy: &Policy) -> lnrpc::RoutingPolicy {
    lnrpc::RoutingPolicy {
        time_lock_delta: policy.time_lock_delta,
        min_htlc: msat(policy.htlc_min),
        fee_base_msat: msat(policy.fee_base),
        fee_rate_milli_msat: signed(policy.fee_ppm),
        // lnd says so of a channel that could not be used for 20 minutes.
        disabled: false,
        max_htlc_msat: policy.htlc_max.msat(),
        last_update: stamp(world),
        ..Default::default()
    }
}

/// A node as the graph has it.
pub(in super::super) fn node(world: &World, node: &Node) -> lnrpc::LightningNode {
    lnrpc::LightningNode {
        last_update: stamp(world),
        pub_key: node.id.to_string(),
        alias: node.alias.clone(),
        addresses: Vec::new(),
        color: COLOR.to_owned(),
        features: features(super::node::features_of(node.version)),
    }
}

/// When something was last announced: the network tells no lies, so all is fresh.
fn stamp(world: &World) -> u32 {
    u32::try_from(seconds(world.now)).unwrap_or(u32::MAX)
}
