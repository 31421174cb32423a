//! A status as text, for people: what is wrong first, then who is there, then each channel.

use std::time::Duration;

use super::figures::{ago, ahead, cut, grouped, length, percent, printable, sats, short};
use super::names::Names;
use super::row::{Row, Widths};
use crate::control::{SlotStatus, Status};
use crate::core::record::Pause;
use crate::core::report::{
    BudgetReport, ClaimReport, NodeReport, OpenReport, OpenState, PeerReport,
};
use crate::time::Time;

/// The whole, in lines of at most `width` columns.
pub(super) fn text(status: &Status, width: usize) -> String {
    let names = Names::of(status);
    let now = status.report.at;
    let mut lines = head(status, &names);
    section(&mut lines, "NODES", nodes(status, now));
    section(&mut lines, "PEERS", status.report.peers.iter().map(|known| peer(known, now)));
    let open = status.report.open.iter().map(|known| open(known, &names, now));
    section(&mut lines, "UNDER WAY", open);
    section(&mut lines, &format!("CHANNELS: {}", tally(status)), channels(status, width));
    let mut text = String::new();
    for line in lines {
        text.push_str(cut(&line, width).trim_end());
        text.push('\n');
    }
    text
}

/// How the daemon itself stands, a line each.
pub(super) fn head(status: &Status, names: &Names) -> Vec<String> {
    let (now, report) = (status.report.at, &status.report);
    let age = length(now.since(status.started_at));
    let mut lines = vec![format!("tightrope {}, process {}, up {age}", status.version, status.pid)];
    if report.dry_run {
        lines.push("dry run: it says what it would do, and pays nothing".to_owned());
    }
    lines.push(match (status.log.is_usable, &status.log.error) {
        (true, _) => format!("log: usable, {} records wait for the disk", status.log.waiting),
        (false, error) => {
            let error = error.as_deref().map_or_else(|| "no reason is known".into(), printable);
            format!("log: CANNOT BE WRITTEN, so nothing is paid: {error}")
        }
    });
    let swarm = &status.swarm;
    lines.push(match (swarm.key, swarm.is_joined) {
        (None, _) => "swarm: no peer is to be met".to_owned(),
        (Some(key), true) => format!("swarm: joined as {}", short(key)),
        (Some(key), false) => {
            let error = swarm.error.as_deref().map_or_else(|| "it is trying".into(), printable);
            format!("swarm: NOT JOINED as {}: {error}", short(key))
        }
    });
    let steps: Vec<String> = status.clock_steps_ms.iter().copied().map(step).collect();
    if !steps.is_empty() {
        lines.push(format!("wall clock: it was set {}", steps.join(", ")));
    }
    lines.extend(report.pauses.iter().map(|paused| pause(paused, names, now)));
    lines
}

/// What each node may still pay in its period, in one line.
pub(super) fn budgets(status: &Status) -> String {
    let left = |node: &NodeReport| {
        let (payments, amount) = left(&node.budget);
        let down = if node.up_since.is_some() { "" } else { " (DOWN)" };
        format!("{}{down} {payments} payments, {amount} sat", printable(&node.alias))
    };
    let nodes: Vec<String> = status.report.nodes.iter().map(left).collect();
    format!(
        "left to pay: {}",
        if nodes.is_empty() { "no node".to_owned() } else { nodes.join("; ") }
    )
}

/// How many payments and satoshis are left of a budget.
fn left(budget: &BudgetReport) -> (String, String) {
    let payments = budget.payments_max.saturating_sub(budget.payments_used);
    (grouped(payments), sats(budget.amount_max.saturating_sub(budget.amount_used)))
}

/// How many sides ask, how many rest, and why.
pub(super) fn tally(status: &Status) -> String {
    let mut codes = std::collections::BTreeMap::<&str, usize>::new();
    for channel in &status.report.channels {
        *codes.entry(channel.rest.as_ref().map_or("ask", |rest| &rest.code)).or_default() += 1;
    }
    let mut counted: Vec<_> = codes.into_iter().collect();
    counted.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let counted: Vec<_> = counted.iter().map(|(code, count)| format!("{count} {code}")).collect();
    match counted.as_slice() {
        [] => "none is watched".to_owned(),
        counted => printable(&counted.join(", ")),
    }
}

/// A section with its title, unless nothing is in it.
fn section(lines: &mut Vec<String>, title: &str, within: impl IntoIterator<Item = String>) {
    let mut within = within.into_iter().peekable();
    if within.peek().is_some() {
        lines.extend([String::new(), title.to_owned()]);
        lines.extend(within.map(|line| format!("  {line}")));
    }
}

/// A step of the wall clock.
fn step(ms: i64) -> String {
    let size = Duration::from_millis(ms.unsigned_abs());
    format!("{} by {}", if ms < 0 { "back" } else { "forward" }, length(size))
}

/// A pause.
fn pause(pause: &Pause, names: &Names, now: Time) -> String {
    let end = pause.until.map_or_else(
        || "until tightrope resume".to_owned(),
        |until| format!("ends {}", ahead(now, until)),
    );
    let reason = pause
        .reason
        .as_deref()
        .map_or_else(String::new, |reason| format!(": {}", printable(reason)));
    format!("PAUSED {}, {end}{reason}", names.scope(pause.scope))
}

/// The entries of the configuration with the nodes that answer there, and nodes that answered.
fn nodes(status: &Status, now: Time) -> Vec<String> {
    let known =
        |slot: &SlotStatus| status.report.nodes.iter().find(|node| Some(node.node) == slot.node);
    let of_slots = status.slots.iter().flat_map(|slot| {
        let version = slot.lnd_version.as_deref().unwrap_or("of unknown version");
        let place = format!("{}, lnd {}", printable(&slot.socket), printable(version));
        let error = slot.error.as_deref().map(|error| format!("  {}", printable(error)));
        let lines = match known(slot) {
            Some(node) => node_lines(node, &place, now),
            None => vec![format!("{}: NO ANSWER yet", printable(&slot.socket))],
        };
        lines.into_iter().chain(error)
    });
    let others = status
        .report
        .nodes
        .iter()
        .filter(|node| !status.slots.iter().any(|slot| slot.node == Some(node.node)));
    of_slots
        .chain(others.flat_map(|node| node_lines(node, "its entry answers no more", now)))
        .collect()
}

/// A node and its budget.
fn node_lines(node: &NodeReport, place: &str, now: Time) -> Vec<String> {
    let state = match node.up_since {
        Some(since) => format!("up {}", length(now.since(since))),
        None => "DOWN".to_owned(),
    };
    let off = if node.rebalances { "" } else { ", rebalance is off" };
    let plain = if node.can_hold { "" } else { ", cannot hold payments" };
    let budget = &node.budget;
    let (payments, amount) = left(budget);
    vec![
        format!("{}: {state}{off}{plain} ({place})", printable(&node.alias)),
        format!(
            "  paid per {}: {} of {} payments, {} of {} sat; left: {}, {} sat",
            length(Duration::from_millis(budget.period_ms)),
            grouped(budget.payments_used),
            grouped(budget.payments_max),
            sats(budget.amount_used),
            sats(budget.amount_max),
            payments,
            amount,
        ),
    ]
}

/// A peer and the nodes that it speaks for.
fn peer(peer: &PeerReport, now: Time) -> String {
    let heard = match peer.heard_at {
        Some(at) => format!("heard {}", ago(now, at)),
        None => "not heard yet".to_owned(),
    };
    let nodes: Vec<String> = peer.nodes.iter().map(claim).collect();
    let nodes = if nodes.is_empty() { "no node".to_owned() } else { nodes.join("; ") };
    let age = length(now.since(peer.since));
    format!("{} connected {age}, {heard}: {nodes}", short(peer.peer))
}

/// A node that a peer says it speaks for.
fn claim(claim: &ClaimReport) -> String {
    let version = match claim.version {
        Some(version) => format!("version {version}"),
        None => "legacy".to_owned(),
    };
    let proven = if claim.is_proven { "proven" } else { "unproven" };
    let owner = if claim.is_owner { "" } else { ", ANOTHER SPEAKS FOR IT" };
    let name = match claim.alias.as_str() {
        "" => short(claim.node),
        alias => printable(alias),
    };
    format!("{name} ({version}, {proven}{owner})")
}

/// An attempt or a payment.
pub(super) fn open(open: &OpenReport, names: &Names, now: Time) -> String {
    let state = match open.state {
        OpenState::AwaitingInvoice => "the invoice is being made",
        OpenState::AwaitingPayment => "asked, not paid yet",
        OpenState::Waiting => "waits for HTLCs in flight",
        OpenState::Dispatched => "on its way",
        OpenState::Unknown => "UNKNOWN: the node is being asked what became of it",
        OpenState::Stuck => "STUCK: a restart of lnd may end it",
    };
    format!(
        "{} pays {} {} sat over {}: {state}, open for {}",
        names.node(open.paid_by),
        names.node(open.paid_to),
        sats(open.amount),
        names.channel(open.point),
        length(now.since(open.since)),
    )
}

/// A title, and a line for each side.
fn channels(status: &Status, width: usize) -> Vec<String> {
    let channels = status.report.channels.iter();
    let rows: Vec<Row<'_>> = channels.map(|channel| Row::of(channel, status.report.at)).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let widths = Widths::of(&rows, width);
    std::iter::once(widths.title()).chain(rows.iter().map(|row| row.line(widths))).collect()
}

/// One line, for a log of how things stand.
pub(super) fn line(status: &Status) -> String {
    let report = &status.report;
    let up = report.nodes.iter().filter(|node| node.up_since.is_some()).count();
    let local = report.channels.iter().map(|channel| channel.local).sum();
    let remote = report.channels.iter().map(|channel| channel.remote).sum();
    let mut line = format!(
        "{} nodes {up}/{}, peers {}, sides: {}; local {} sat, remote {} sat",
        report.at,
        status.slots.len(),
        report.peers.len(),
        tally(status),
        sats(local),
        sats(remote),
    );
    if let Some(share) = local.part_of(local.saturating_add(remote)) {
        line.push_str(&format!(" ({})", percent(share)));
    }
    for (count, what) in [(report.open.len(), "under way"), (report.pauses.len(), "pauses")] {
        if count > 0 {
            line.push_str(&format!(", {what} {count}"));
        }
    }
    if !status.log.is_usable {
        line.push_str(", LOG CANNOT BE WRITTEN");
    }
    line
}

#[cfg(test)]
mod tests {
    use expect_test::{ExpectFile, expect_file};

    use super::super::figures::columns;
    use super::*;

    fn status() -> Status {
        let json = include_str!("../../../tests/data/cli/status.json");
        serde_json::from_str(json).expect("a status")
    }

    fn check(text: &str, width: usize, expected: &ExpectFile) {
        let widest = text.lines().map(columns).max();
        assert!(widest <= Some(width), "{widest:?} columns");
        expected.assert_eq(text);
    }

    #[test]
    fn a_status_is_told_within_the_width_of_its_screen() {
        let golden = "../../../tests/data/cli/status-200.txt";
        check(&text(&status(), 200), 200, &expect_file![golden]);
        let golden = "../../../tests/data/cli/status-100.txt";
        check(&text(&status(), 100), 100, &expect_file![golden]);
        for width in 0..60 {
            let text = text(&status(), width);
            assert!(text.lines().all(|line| columns(line) <= width));
        }
    }

    #[test]
    fn what_is_wrong_is_told_first() {
        let mut status = status();
        status.log.is_usable = false;
        status.log.error = Some("no space left on device".to_owned());
        status.swarm.is_joined = false;
        status.swarm.error = Some("no DHT node answers".to_owned());
        status.report.dry_run = true;
        status.report.channels.clear();
        status.report.open.clear();
        status.report.peers.clear();
        status.slots.clear();
        let golden = "../../../tests/data/cli/status-wrong.txt";
        check(&text(&status, 200), 200, &expect_file![golden]);
    }

    #[test]
    fn a_log_of_how_things_stand_takes_a_line_each_time() {
        let golden = "../../../tests/data/cli/status-line.txt";
        expect_file![golden].assert_eq(&(line(&status()) + "\n"));
    }
}
