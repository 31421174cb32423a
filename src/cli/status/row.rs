//! [`Row`]: one side of a channel in words and figures, as the text and the screen show it.

use super::super::printable::printable;
use super::bar::bar;
use super::figures::{ago, ahead, columns, left, length, percent, right, sats, short};
use super::names::Names;
use crate::core::report::{ChannelReport, Report, RestReport};
use crate::time::Time;

/// The most columns that a pair of names takes.
const PAIR_COLUMNS_MAX: usize = 32;

/// What stands above the pairs.
const PAIR: &str = "NODE > OTHER END";

/// Below so many columns, bars are short and reasons are words.
const NARROW: usize = 130;

/// From so many columns on, there is room for whole channel points.
const WIDE: usize = 240;

/// One side of a channel.
#[derive(Debug)]
pub(super) struct Row<'a> {
    channel: &'a ChannelReport,
    scid: String,
    pair: String,
    local: String,
    remote: String,
    share: String,
    point: String,
    /// What it does or why it rests, until when, and what it did last.
    state: String,
    /// The same in few words.
    code: String,
}

/// How wide the columns are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Widths {
    scid: usize,
    pair: usize,
    amount: usize,
    bar: usize,
    /// Zero where there is no room for it.
    point: usize,
    is_narrow: bool,
}

impl<'a> Row<'a> {
    /// The row of `channel`, as `report` has it.
    pub(super) fn of(channel: &'a ChannelReport, report: &Report, names: &Names) -> Self {
        let now = report.at;
        Self {
            channel,
            scid: channel.scid.to_string(),
            pair: pair(channel),
            local: sats(channel.local),
            remote: sats(channel.remote),
            share: channel.share.map_or_else(|| "?".to_owned(), percent),
            point: channel.point.to_string(),
            state: [
                Some(state(channel, now, |rest| &rest.reason)),
                low(channel, now),
                paused(channel, report, names),
                in_flight(channel),
                rebalanced(channel, now),
                tried(channel, now),
            ]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; "),
            code: [Some(state(channel, now, |rest| &rest.code)), rebalanced(channel, now)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("; "),
        }
    }

    /// The row as a line.
    pub(super) fn line(&self, widths: Widths) -> String {
        let state = if widths.is_narrow { &self.code } else { &self.state };
        widths.line(
            [&self.scid, &self.pair, &self.local, &self.remote, &self.share, &self.point, state],
            &bar(self.channel, widths.bar),
        )
    }
}

impl Widths {
    /// What `rows` need, on a screen of `width` columns.
    pub(super) fn of(rows: &[Row<'_>], width: usize) -> Self {
        let most = |of: fn(&Row<'_>) -> usize| rows.iter().map(of).max().unwrap_or(0);
        let amount: fn(&Row<'_>) -> usize = |row| columns(&row.local).max(columns(&row.remote));
        let is_narrow = width < NARROW;
        let pair_max = PAIR_COLUMNS_MAX.min(width / 5);
        Self {
            scid: most(|row| columns(&row.scid)),
            pair: most(|row| columns(&row.pair)).max(PAIR.len()).min(pair_max),
            amount: most(amount).max("REMOTE".len()),
            bar: if is_narrow { 10 } else { 20 },
            point: if width < WIDE { 0 } else { most(|row| columns(&row.point)) },
            is_narrow,
        }
    }

    /// The line above the rows.
    pub(super) fn title(self) -> String {
        self.line(["CHANNEL", PAIR, "LOCAL", "REMOTE", "SHARE", "POINT", "STATE"], "")
    }

    fn line(self, cells: [&str; 7], bar: &str) -> String {
        let [scid, pair, local, remote, share, point, state] = cells;
        let point = match self.point {
            0 => String::new(),
            width => left(point, width) + "  ",
        };
        format!(
            "{}  {}  {} {} {} {}  {point}{state}",
            left(scid, self.scid),
            left(pair, self.pair),
            right(local, self.amount),
            left(bar, self.bar),
            left(remote, self.amount),
            right(share, "100.0 %".len()),
        )
    }
}

/// The names of both ends, ours first.
pub(super) fn pair(channel: &ChannelReport) -> String {
    let theirs = match channel.counterparty_alias.as_str() {
        "" => short(channel.counterparty),
        alias => printable(alias),
    };
    format!("{} > {theirs}", printable(&channel.alias))
}

/// What a side does, or why it rests, since when or until when.
fn state(channel: &ChannelReport, now: Time, why: fn(&RestReport) -> &String) -> String {
    let Some(rest) = &channel.rest else { return "asks".to_owned() };
    let until = rest.until.map(|until| format!(" ({})", ahead(now, until)));
    let since = channel.absent_since.map(|since| format!(", for {}", length(now.since(since))));
    printable(why(rest)) + &since.or(until).unwrap_or_default()
}

/// For how long its share is below its threshold.
fn low(channel: &ChannelReport, now: Time) -> Option<String> {
    Some(format!("low for {}", length(now.since(channel.low_since?))))
}

/// The pauses that hold there, and why.
fn paused(channel: &ChannelReport, report: &Report, names: &Names) -> Option<String> {
    let told = channel.paused_by.iter().map(|scope| {
        let pause = report.pauses.iter().find(|pause| pause.scope == *scope);
        let reason = pause.and_then(|pause| pause.reason.as_deref());
        let reason = reason.map(|reason| format!(" ({})", printable(reason))).unwrap_or_default();
        format!("{}{reason}", names.scope(*scope))
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| format!("PAUSED {}", told.join(", ")))
}

fn in_flight(channel: &ChannelReport) -> Option<String> {
    let sat = channel.in_flight.sat().sat();
    (sat > 0).then(|| format!("{} sat in flight", sats(channel.in_flight)))
}

/// When a payment over it last arrived.
fn rebalanced(channel: &ChannelReport, now: Time) -> Option<String> {
    Some(format!("rebalanced {}", ago(now, channel.last_rebalance_at?)))
}

/// When our side last did something that led to no payment, as far as is known.
fn tried(channel: &ChannelReport, now: Time) -> Option<String> {
    let tried = channel.last_at.filter(|last| Some(*last) > channel.last_rebalance_at)?;
    Some(format!("tried {}", ago(now, tried)))
}
