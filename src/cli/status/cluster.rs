//! Who is there: our nodes with what they may still pay, and the peers with the nodes that they
//! speak for. Keys are told whole, to be copied.

use std::time::Duration;

use super::super::printable::printable;
use super::figures::{ago, grouped, length, sats, short};
use super::said::Said;
use crate::control::{SlotStatus, Status};
use crate::core::report::{
    BudgetReport, CapReport, ChannelReport, ClaimReport, NodeReport, PeerReport,
};
use crate::time::Time;
use crate::units::Msat;

/// The entries of the configuration with the nodes that answer there, and nodes that answered.
pub(super) fn nodes(status: &Status) -> Vec<Said> {
    let known = |slot: &SlotStatus| {
        let node = slot.node.or(slot.last_node);
        status.report.nodes.iter().find(|known| Some(known.node) == node)
    };
    let mut lines = Vec::new();
    for slot in &status.slots {
        match known(slot) {
            Some(node) => lines.extend(node_lines(status, node, Some(slot))),
            None => lines.push(Said::wrong(format!(
                "{}: NO ANSWER yet{}",
                printable(&slot.socket),
                because(slot)
            ))),
        }
    }
    let is_told = |node: &NodeReport| {
        status.slots.iter().any(|slot| slot.node.or(slot.last_node) == Some(node.node))
    };
    let others = status.report.nodes.iter().filter(|node| !is_told(node));
    lines.extend(others.flat_map(|node| node_lines(status, node, None)));
    lines
}

/// A node, and what it may still pay.
fn node_lines(status: &Status, node: &NodeReport, slot: Option<&SlotStatus>) -> Vec<Said> {
    let now = status.report.at;
    let place = match slot {
        Some(slot) => {
            let version = slot.lnd_version.as_deref().unwrap_or("of unknown version");
            format!("{}, lnd {}", printable(&slot.socket), printable(version))
        }
        None => "no entry of lightningNodes leads to it now".to_owned(),
    };
    let off = if node.rebalances { "" } else { ", rebalance is off" };
    let plain = if node.can_hold { "" } else { ", cannot hold payments" };
    let name = printable(&node.alias);
    let (state, failed) = match node.up_since {
        Some(since) => {
            let state = format!("up {}", length(now.since(since)));
            (Said::calm(format!("{name}: {state}{off}{plain} ({place})")), last_error(slot, now))
        }
        None => {
            let since = node.down_since;
            let since = since.map(|since| format!(" for {}", length(now.since(since))));
            let since = since.unwrap_or_default();
            let error = slot.map(because).unwrap_or_default();
            (Said::wrong(format!("{name}: DOWN{since}{off}{plain} ({place}){error}")), None)
        }
    };
    let mut lines = vec![state, Said::calm(format!("  key {}", node.node))];
    lines.extend(failed);
    let period = length(Duration::from_millis(node.budget.period_ms));
    let used = budget(&node.budget);
    lines.push(Said::calm(format!("  paid per {period}: {used}")));
    let capped = |side: &ChannelReport| {
        let cap = side.cap.as_ref().filter(|_| side.node == node.node)?;
        let (scid, used) = (side.scid, cap_left(cap));
        Some(Said::calm(format!("  paid per {period} over {scid}: {used}")))
    };
    lines.extend(status.report.sides().filter_map(capped));
    lines
}

/// Why a node that answers did not before.
fn last_error(slot: Option<&SlotStatus>, now: Time) -> Option<Said> {
    let slot = slot?;
    let (error, at) = (slot.last_error.as_deref()?, slot.last_error_at?);
    Some(Said::calm(format!("  failed {}: {}", ago(now, at), printable(error))))
}

/// Why a node does not answer, where the line says already that it does not, and where.
fn because(slot: &SlotStatus) -> String {
    let Some(error) = slot.error.as_deref() else { return String::new() };
    let told = format!("{} does not answer: ", slot.socket);
    format!(": {}", printable(error.strip_prefix(&told).unwrap_or(error)))
}

/// What is used of a budget, and what is left.
fn budget(budget: &BudgetReport) -> String {
    let (payments, amount) = left(budget);
    format!(
        "{} of {} payments, {} of {} sat; left: {payments}, {amount} sat",
        grouped(budget.payments_used),
        grouped(budget.payments_max),
        sats(budget.amount_used),
        sats(budget.amount_max),
    )
}

/// The same of a channel's own cap, which may be on one of the two alone.
fn cap_left(cap: &CapReport) -> String {
    let payments = cap.payments_max.map_or_else(
        || format!("{} payments", grouped(cap.payments_used)),
        |max| {
            let left = grouped(max.saturating_sub(cap.payments_used));
            format!("{} of {} payments, left: {left}", grouped(cap.payments_used), grouped(max))
        },
    );
    let amount = cap.amount_max.map_or_else(
        || format!("{} sat", sats(cap.amount_used)),
        |max: Msat| {
            let left = sats(max.saturating_sub(cap.amount_used));
            format!("{} of {} sat, left: {left} sat", sats(cap.amount_used), sats(max))
        },
    );
    format!("{payments}; {amount}")
}

/// How many payments and satoshis are left of a budget.
fn left(budget: &BudgetReport) -> (String, String) {
    let (payments, amount) = budget.left();
    (grouped(payments), sats(amount))
}

/// What each node may still pay in its period, in one line.
pub(super) fn budgets(status: &Status) -> Said {
    let nodes = &status.report.nodes;
    let left = |node: &NodeReport| {
        let (payments, amount) = left(&node.budget);
        let down = if node.up_since.is_some() { "" } else { " (DOWN)" };
        format!("{}{down} {payments} payments, {amount} sat", printable(&node.alias))
    };
    let told: Vec<String> = nodes.iter().map(left).collect();
    let told = if told.is_empty() { "no node".to_owned() } else { told.join("; ") };
    let text = format!("left to pay: {told}");
    let are_up = nodes.iter().all(|node| node.up_since.is_some());
    if are_up { Said::calm(text) } else { Said::wrong(text) }
}

/// The peers that are connected, and those that left.
pub(super) fn peers(status: &Status) -> Vec<Said> {
    let now = status.report.at;
    let known = status.report.peers.iter().chain(&status.report.absent_peers);
    known.flat_map(|known| peer_lines(known, now)).collect()
}

/// A peer and the nodes that it speaks for, or spoke for.
fn peer_lines(peer: &PeerReport, now: Time) -> Vec<Said> {
    let heard = match peer.heard_at {
        Some(at) => format!("heard {}", ago(now, at)),
        None => "not heard yet".to_owned(),
    };
    let nodes: Vec<String> = peer.nodes.iter().map(claim).collect();
    let nodes = if nodes.is_empty() { "no node".to_owned() } else { nodes.join("; ") };
    let state = match peer.left_at {
        Some(at) => format!("AWAY for {}", length(now.since(at))),
        None => format!("connected {}", length(now.since(peer.since))),
    };
    let name = short(peer.peer);
    let mut lines = vec![Said::calm(format!("{name} {state}, {heard}: {nodes}"))];
    lines.push(Said::calm(format!("  key {}", peer.peer)));
    let keys = peer.nodes.iter().map(|claim| {
        let what = if claim.alias.is_empty() { "node".to_owned() } else { printable(&claim.alias) };
        Said::calm(format!("  {what} {}", claim.node))
    });
    lines.extend(keys);
    lines
}

/// A node that a peer says it speaks for.
fn claim(claim: &ClaimReport) -> String {
    let version = match claim.version {
        Some(version) => format!("version {version}"),
        None => "legacy".to_owned(),
    };
    let proven = if claim.is_proven { "proven" } else { "claimed" };
    let owner = if claim.is_owner { "" } else { ", ANOTHER SPEAKS FOR IT" };
    let name = match claim.alias.as_str() {
        "" => short(claim.node),
        alias => printable(alias),
    };
    format!("{name} ({version}, {proven}{owner})")
}
