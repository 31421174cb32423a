//! [`Row`]: one side of a channel in words and figures, as the text and the screen show it.

use super::bar::bar;
use super::figures::{ago, ahead, columns, left, percent, printable, right, sats, short};
use crate::core::report::{ChannelReport, RestReport};
use crate::time::Time;

/// The most columns that a pair of names takes.
const PAIR_COLUMNS_MAX: usize = 32;

/// What stands above the pairs.
const PAIR: &str = "NODE > OTHER END";

/// Below so many columns, bars are short and reasons are words.
const NARROW: usize = 130;

/// One side of a channel.
#[derive(Debug)]
pub(super) struct Row<'a> {
    channel: &'a ChannelReport,
    scid: String,
    pair: String,
    local: String,
    remote: String,
    share: String,
    /// What it does or why it rests, and until when.
    state: String,
    /// The same in a word.
    code: String,
    last: String,
}

/// How wide the columns are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Widths {
    scid: usize,
    pair: usize,
    amount: usize,
    bar: usize,
    is_narrow: bool,
}

impl<'a> Row<'a> {
    /// The row of `channel`, told at `now`.
    pub(super) fn of(channel: &'a ChannelReport, now: Time) -> Self {
        Self {
            channel,
            scid: channel.scid.to_string(),
            pair: pair(channel),
            local: sats(channel.local),
            remote: sats(channel.remote),
            share: channel.share.map_or_else(|| "?".to_owned(), percent),
            state: state(channel, now, |rest| &rest.reason),
            code: state(channel, now, |rest| &rest.code),
            last: channel
                .last_at
                .map_or_else(String::new, |last| format!("last {}", ago(now, last))),
        }
    }

    /// The row as a line.
    pub(super) fn line(&self, widths: Widths) -> String {
        let last = if self.last.is_empty() { "" } else { "; " };
        format!(
            "{}  {}  {} {} {} {}  {}{last}{}",
            left(&self.scid, widths.scid),
            left(&self.pair, widths.pair),
            right(&self.local, widths.amount),
            bar(self.channel, widths.bar),
            left(&self.remote, widths.amount),
            right(&self.share, "100.0 %".len()),
            if widths.is_narrow { &self.code } else { &self.state },
            self.last,
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
            is_narrow,
        }
    }

    /// The line above the rows.
    pub(super) fn title(self) -> String {
        format!(
            "{}  {}  {} {} {} {}  {}",
            left("CHANNEL", self.scid),
            left(PAIR, self.pair),
            right("LOCAL", self.amount),
            left("", self.bar),
            left("REMOTE", self.amount),
            right("SHARE", "100.0 %".len()),
            "STATE",
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

/// What a side does, or why it rests and until when.
fn state(channel: &ChannelReport, now: Time, why: fn(&RestReport) -> &String) -> String {
    let Some(rest) = &channel.rest else { return "asks".to_owned() };
    let until = rest.until.map(|until| format!(" ({})", ahead(now, until)));
    printable(why(rest)) + &until.unwrap_or_default()
}
