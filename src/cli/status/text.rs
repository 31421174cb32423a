//! A status as text, for people: what is wrong first, then who is there, then each channel.

use std::time::Duration;

use super::super::printable::printable;
use super::cluster;
use super::figures::{ahead, cut, length, percent, sats, short};
use super::names::Names;
use super::row::{Row, Widths};
use super::said::Said;
use crate::control::Status;
use crate::core::record::Pause;
use crate::core::report::{OpenReport, OpenState};
use crate::time::Time;

/// The whole, in lines of at most `width` columns.
pub(super) fn text(status: &Status, width: usize) -> String {
    let names = Names::of(status);
    let mut lines = head(status, &names);
    section(&mut lines, "NODES", cluster::nodes(status));
    let peers = cluster::peers(status);
    let title = if peers.is_empty() { "PEERS: none" } else { "PEERS" };
    section(&mut lines, title, peers);
    let open = status.report.open.iter().map(|known| open(known, &names, status.report.at));
    let mut open = open.peekable();
    if open.peek().is_some() {
        section(&mut lines, "UNDER WAY", open);
    }
    let title = format!("CHANNELS: {}", tally(status));
    section(&mut lines, &title, channels(status, &names, width));
    let mut text = String::new();
    for line in lines {
        text.push_str(cut(&line.text, width).trim_end());
        text.push('\n');
    }
    text
}

/// How the daemon itself stands, a line each.
pub(super) fn head(status: &Status, names: &Names) -> Vec<Said> {
    let (now, report) = (status.report.at, &status.report);
    let age = length(now.since(status.started_at));
    let title = format!("tightrope {}, process {}, up {age}", status.version, status.pid);
    let mut lines = vec![Said::calm(title)];
    if report.dry_run {
        lines.push(Said::calm("dry run: it says what it would do, and pays nothing"));
    }
    lines.push(match (status.log.is_usable, &status.log.error) {
        (true, _) => {
            Said::calm(format!("log: usable, {} records wait for the disk", status.log.waiting))
        }
        (false, error) => {
            let error = error.as_deref().map_or_else(|| "no reason is known".into(), printable);
            Said::wrong(format!("log: CANNOT BE WRITTEN, so nothing is paid: {error}"))
        }
    });
    let swarm = &status.swarm;
    lines.push(match (swarm.key, swarm.is_joined) {
        (None, _) => Said::calm("swarm: no peer is to be met"),
        (Some(key), true) => Said::calm(format!("swarm: joined as {key}")),
        (Some(key), false) => {
            let error = swarm.error.as_deref().map_or_else(|| "it is trying".into(), printable);
            Said::wrong(format!("swarm: NOT JOINED as {}: {error}", short(key)))
        }
    });
    let steps: Vec<String> = status.clock_steps_ms.iter().copied().map(step).collect();
    if !steps.is_empty() {
        lines.push(Said::calm(format!("wall clock: it was set {}", steps.join(", "))));
    }
    lines.extend(report.pauses.iter().map(|paused| Said::calm(pause(paused, names, now))));
    lines
}

/// How many sides ask, how many rest, and why.
pub(super) fn tally(status: &Status) -> String {
    let mut codes = std::collections::BTreeMap::<&str, usize>::new();
    for channel in status.report.sides() {
        *codes.entry(channel.rest.as_ref().map_or("ask", |rest| &rest.code)).or_default() += 1;
    }
    let mut counted: Vec<_> = codes.into_iter().collect();
    counted.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let counted: Vec<_> = counted.iter().map(|(code, count)| format!("{count} {code}")).collect();
    match counted.as_slice() {
        [] => "none is shared with a known node".to_owned(),
        counted => printable(&counted.join(", ")),
    }
}

/// A section under its title.
fn section(lines: &mut Vec<Said>, title: &str, within: impl IntoIterator<Item = Said>) {
    lines.extend([Said::calm(""), Said::calm(title)]);
    lines.extend(within.into_iter().map(Said::indented));
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

/// An attempt or a payment.
pub(super) fn open(open: &OpenReport, names: &Names, now: Time) -> Said {
    let (say, state): (fn(String) -> Said, _) = match open.state {
        OpenState::AwaitingInvoice => (Said::calm, "the invoice is being made"),
        OpenState::AwaitingPayment => (Said::calm, "asked, not paid yet"),
        OpenState::Waiting => (Said::calm, "waits for HTLCs in flight"),
        OpenState::Dispatched => (Said::calm, "on its way"),
        OpenState::Unknown => (Said::wrong, "UNKNOWN: the node is being asked what became of it"),
        OpenState::Stuck => (Said::wrong, "STUCK: a restart of lnd may end it"),
    };
    say(format!(
        "{} pays {} {} sat over {}: {state}, open for {}",
        names.node(open.paid_by),
        names.node(open.paid_to),
        sats(open.amount),
        names.channel(open.point),
        length(now.since(open.since)),
    ))
}

/// A title, and a line for each side.
fn channels(status: &Status, names: &Names, width: usize) -> Vec<Said> {
    let rows: Vec<Row<'_>> =
        status.report.sides().map(|channel| Row::of(channel, &status.report, names)).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let widths = Widths::of(&rows, width);
    let lines = rows.iter().map(|row| row.line(widths));
    std::iter::once(widths.title()).chain(lines).map(Said::calm).collect()
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
        status.report.absent_channels.clear();
        status.report.absent_peers.clear();
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
