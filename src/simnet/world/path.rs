//! [`find`]: the cheapest way to a payee over the channels that a node knows of.
//!
//! Dijkstra's algorithm from the payee back, as only there it is known what must arrive: each hop
//! before it carries that and the fees of those behind. What other nodes have in their channels
//! nobody knows, so an attempt may fail on the way; the payer learns, and looks again.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{NodeId, Scid};
use crate::units::Msat;

use super::World;
use super::channel::{Channel, Side};
use super::funding::ANNOUNCED_AFTER;
use super::payment::{Hop, Plan, Route};

/// How many blocks may come while a payment is on its way, as lnd has it.
const BLOCK_PADDING: u32 = 3;
/// What a block of locking is worth, in parts per billion of the amount, as lnd has it.
const LOCKING_PPB: u128 = 15;

/// What way is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Who pays.
    pub(crate) payer: NodeId,
    /// Whom, and on what conditions.
    pub(crate) plan: &'a Plan,
    /// What is to arrive.
    pub(crate) amount: Msat,
    /// The most that may go to those between.
    pub(crate) fee_max: Msat,
}

/// The best known way from a node to the payee.
#[derive(Clone, Copy, Debug)]
struct Label {
    /// What must come to the node.
    amount: Msat,
    /// The height at which that is given back.
    expiry: u32,
    /// The next channel and the node behind it; none at the payee.
    next: Option<(Scid, NodeId)>,
}

/// The cheapest route, if there is one.
pub(crate) fn find(world: &World, wanted: &Wanted<'_>) -> Option<Route> {
    let payee = wanted.plan.payee;
    if payee == wanted.payer {
        // lnd would look for a circle; nobody here has use for one.
        return None;
    }
    let lock = wanted.plan.cltv.saturating_add(BLOCK_PADDING);
    let expiry = world.chain.height.saturating_add(lock);
    let mut labels = BTreeMap::new();
    labels.insert(payee, Label { amount: wanted.amount, expiry, next: None });
    let mut costs = BTreeMap::from([(payee, 0_u128)]);
    let mut open = BTreeSet::from([(0_u128, payee)]);
    while let Some((cost, node)) = open.pop_first() {
        if node == wanted.payer {
            return route(&labels, wanted);
        }
        let label = labels[&node];
        for (channel, side) in world.channels_of(node) {
            let from = channel.ends[side.other()];
            let Some(scid) = usable(world, channel, side.other(), label, wanted) else {
                continue;
            };
            let Some((before, step)) = before(channel, side.other(), scid, node, label, wanted)
            else {
                continue;
            };
            let is_dear = before.amount.saturating_sub(wanted.amount) > wanted.fee_max;
            let is_long = before.expiry - world.chain.height > wanted.plan.wanted.cltv_max;
            let total = cost + step;
            let is_better = costs.get(&from).is_none_or(|known| total < *known);
            if is_dear || is_long || !is_better {
                continue;
            }
            if let Some(known) = costs.insert(from, total) {
                open.remove(&(known, from));
            }
            open.insert((total, from));
            labels.insert(from, before);
        }
    }
    None
}

/// The id of a channel over which `from` can send what `label` wants, as far as the payer knows.
fn usable(
    world: &World,
    channel: &Channel,
    from: Side,
    label: Label,
    wanted: &Wanted<'_>,
) -> Option<Scid> {
    let Label { amount, expiry, .. } = label;
    let scid = channel.scid.filter(|_| channel.is_active)?;
    let (sender, receiver) = (channel.ends[from], channel.ends[from.other()]);
    let Plan { payee, wanted: conditions, too_much, .. } = wanted.plan;
    if too_much.get(&(scid, receiver)).is_some_and(|known| amount >= *known) {
        return None;
    }
    if receiver == *payee && conditions.last.is_some_and(|last| last != sender) {
        return None;
    }
    if sender == wanted.payer {
        let is_wanted = conditions.first.is_empty() || conditions.first.contains(&scid);
        let height = world.chain.height;
        let is_carried = channel.carries(from, amount, expiry, height).is_ok();
        return (is_wanted && is_carried).then_some(scid);
    }
    let policy = &channel.policies[from];
    let is_public = !channel.is_private && is_announced(world, scid);
    let is_known = is_public || wanted.plan.hints.contains(&scid);
    let is_fit = (policy.htlc_min..=policy.htlc_max).contains(&amount);
    (is_known && is_fit && amount <= channel.capacity.msat()).then_some(scid)
}

/// Whether a channel has enough blocks for all to know of it.
pub(crate) fn is_announced(world: &World, scid: Scid) -> bool {
    let height = u32::try_from(scid.as_u64() >> 40).unwrap_or(u32::MAX);
    world.chain.height >= height.saturating_add(ANNOUNCED_AFTER - 1)
}

/// What must come to the sender of a channel for `label` to be behind it, and what that costs.
fn before(
    channel: &Channel,
    from: Side,
    scid: Scid,
    to: NodeId,
    label: Label,
    wanted: &Wanted<'_>,
) -> Option<(Label, u128)> {
    let next = Some((scid, to));
    if channel.ends[from] == wanted.payer {
        // One's own channels cost nothing; the fewer hops the better.
        return Some((Label { next, ..label }, 1));
    }
    let policy = &channel.policies[from];
    let fee = policy.fee(label.amount);
    let amount = label.amount.checked_add(fee)?;
    let expiry = label.expiry.checked_add(policy.time_lock_delta)?;
    let locked = u128::from(amount.msat()) * u128::from(policy.time_lock_delta);
    let cost = u128::from(fee.msat()) + locked * LOCKING_PPB / 1_000_000_000 + 1;
    Some((Label { amount, expiry, next }, cost))
}

/// The route along the labels.
fn route(labels: &BTreeMap<NodeId, Label>, wanted: &Wanted<'_>) -> Option<Route> {
    let begin = labels.get(&wanted.payer)?;
    let mut hops = Vec::new();
    let mut next = begin.next;
    while let Some((scid, node)) = next {
        let label = labels.get(&node)?;
        // Each is told what to send on: what must come to the one behind it.
        let told = label.next.and_then(|(_, behind)| labels.get(&behind)).unwrap_or(label);
        hops.push(Hop { scid, node, amount: told.amount, expiry: told.expiry });
        next = label.next;
    }
    Some(Route { time_lock: begin.expiry, amount: begin.amount, hops, shown: wanted.plan.shown })
}
