//! [`Mailbox`]: what a node told of its channels and nobody has read yet.
//!
//! Keeps only the newest snapshot of each channel, so it never holds more than the node has
//! channels, however slow its reader is. Snapshots are ordered by their number of updates; one
//! with the same number counts as newer. Whether a channel is active is believed of lists only.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::channel::Channel;
use crate::core::event::Event;
use crate::ids::{ChannelPoint, NodeId};

/// What one node told of its channels and nobody has read yet.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// The node.
    node: NodeId,
    /// Whether a list of all channels is unread.
    is_full: bool,
    /// The counterparties whose list is unread, beside a list of all.
    lists: BTreeSet<NodeId>,
    unread: BTreeMap<ChannelPoint, Letter>,
}

/// The newest snapshot of one channel.
#[derive(Debug)]
struct Letter {
    channel: Channel,
    /// Whether it belongs to an unread list.
    is_listed: bool,
}

impl Mailbox {
    /// An empty mailbox for what `node` tells.
    pub(super) fn new(node: NodeId) -> Self {
        Self { node, is_full: false, lists: BTreeSet::new(), unread: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.is_full && self.lists.is_empty() && self.unread.is_empty()
    }

    /// Takes in a snapshot of one channel.
    pub(super) fn put_update(&mut self, channel: Channel) {
        match self.unread.get_mut(&channel.point) {
            Some(letter) if letter.channel.updates > channel.updates => {}
            Some(letter) if letter.is_listed => letter.bring_up_to(channel),
            Some(letter) => letter.channel = channel,
            None => {
                let letter = Letter { channel, is_listed: false };
                self.unread.insert(letter.channel.point, letter);
            }
        }
    }

    /// Takes in a list, complete among the channels with `with` or, without one, among all.
    /// Unread channels in its scope that it lacks are gone.
    pub(super) fn put_list(&mut self, with: Option<NodeId>, channels: Vec<Channel>) {
        let is_in_scope =
            |letter: &Letter| with.is_none_or(|node| letter.channel.counterparty == node);
        let (older, rest) = std::mem::take(&mut self.unread)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, letter)| is_in_scope(letter));
        self.unread = rest;
        let mut older = older;
        for channel in channels {
            let point = channel.point;
            let mut letter = Letter { channel, is_listed: true };
            if let Some(unread) = older.remove(&point)
                && unread.channel.updates > letter.channel.updates
            {
                letter.bring_up_to(unread.channel);
            }
            self.unread.insert(point, letter);
        }
        match with {
            Some(node) if !self.is_full => drop(self.lists.insert(node)),
            Some(_) => {}
            None => {
                self.is_full = true;
                self.lists.clear();
            }
        }
    }

    /// Hands out the next of what is unread: lists first, for they say what there is.
    pub(super) fn take(&mut self) -> Option<Event> {
        if self.is_full {
            self.is_full = false;
            return Some(self.take_list(None));
        }
        if let Some(node) = self.lists.pop_first() {
            return Some(self.take_list(Some(node)));
        }
        let (_, letter) = self.unread.pop_first()?;
        Some(Event::ChannelUpdated { node: self.node, channel: letter.channel })
    }

    fn take_list(&mut self, with: Option<NodeId>) -> Event {
        let belongs = |letter: &Letter| {
            letter.is_listed && with.is_none_or(|node| letter.channel.counterparty == node)
        };
        let mut channels = Vec::new();
        for (point, letter) in std::mem::take(&mut self.unread) {
            if belongs(&letter) {
                channels.push(letter.channel);
            } else {
                self.unread.insert(point, letter);
            }
        }
        Event::ChannelsListed { node: self.node, with, channels }
    }
}

impl Letter {
    /// Replaces the figures by those of a later snapshot.
    fn bring_up_to(&mut self, later: Channel) {
        self.channel = Channel { is_active: self.channel.is_active, ..later };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fixture;
    use crate::ids::NodeId;

    /// What is put in is `n@updates` for an update of the `n`th channel, `all:` or `with B:` and
    /// such channels for a list; a channel that is listed as inactive has a `!`.
    /// What comes out reads the same.
    #[track_caller]
    fn check(put: &[&str], expected: &[&str]) {
        let mut mailbox = Mailbox::new(fixture::NODE_A);
        for text in put {
            match text.split_once(':') {
                None => mailbox.put_update(channel(text)),
                Some((scope, list)) => {
                    let with = (scope != "all").then(|| counterparty(scope));
                    mailbox.put_list(with, list.split_whitespace().map(channel).collect());
                }
            }
        }
        let taken: Vec<_> = std::iter::from_fn(|| mailbox.take()).map(|it| shown(&it)).collect();
        assert_eq!(taken, expected);
        assert!(mailbox.is_empty());
    }

    #[test]
    fn only_the_newest_unread_update_of_a_channel_is_kept() {
        check(&["1@1", "1@3", "1@2", "2@1"], &["1@3", "2@1"]);
    }

    #[test]
    fn an_equal_count_is_newer() {
        check(&["all: 1@5!", "all: 1@5"], &["all: 1@5"]);
        check(&["all: 1@5", "all: 1@5!"], &["all: 1@5!"]);
    }

    #[test]
    fn a_full_list_replaces_what_it_has_and_drops_what_it_lacks() {
        check(&["1@1", "2@9", "3@1", "all: 1@2 2@3"], &["all: 1@2 2@9"]);
        check(&["all: 1@1 2@1", "all: 2@1"], &["all: 2@1"]);
        check(&["with B: 1@1", "with C: 11@1", "all: 1@1"], &["all: 1@1"]);
    }

    #[test]
    fn a_list_with_one_counterparty_leaves_the_others() {
        check(&["all: 1@1 2@1 11@1", "with B: 1@2"], &["all: 1@2 11@1"]);
        check(&["11@4", "with B: 1@2"], &["with B: 1@2", "11@4"]);
        check(&["1@1", "with B:"], &["with B:"]);
        check(&["with C: 11@1", "with B: 1@1"], &["with B: 1@1", "with C: 11@1"]);
    }

    #[test]
    fn an_update_after_a_list_brings_it_up_to_date_but_wakes_no_channel() {
        check(&["all: 1@1! 2@1", "1@2"], &["all: 1@2! 2@1"]);
        check(&["all: 1@1", "2@1"], &["all: 1@1", "2@1"]);
    }

    #[test]
    fn a_late_list_does_not_turn_a_channel_back() {
        check(&["1@5", "all: 1@4!"], &["all: 1@5!"]);
    }

    /// The counterparty of the scope `with B` or `with C`.
    fn counterparty(scope: &str) -> NodeId {
        if scope == "with B" { fixture::NODE_B } else { fixture::NODE_C }
    }

    /// The channel `n@updates`; those from 11 on are with `NODE_C`.
    fn channel(text: &str) -> Channel {
        let (n, updates) = text.trim_end_matches('!').split_once('@').expect("n@updates");
        let n = n.parse().expect("a channel");
        Channel {
            counterparty: if n > 10 { fixture::NODE_C } else { fixture::NODE_B },
            updates: updates.parse().expect("a count"),
            is_active: !text.ends_with('!'),
            ..fixture::channel(n, 1_000, 1_000)
        }
    }

    fn shown(event: &Event) -> String {
        let one = |channel: &Channel| {
            let mark = if channel.is_active { "" } else { "!" };
            format!("{}@{}{mark}", channel.scid.as_u64(), channel.updates)
        };
        if let Event::ChannelUpdated { channel, .. } = event {
            return one(channel);
        }
        let Event::ChannelsListed { with, channels, .. } = event else {
            panic!("a mailbox holds channels only: {event:?}");
        };
        let scope = match with {
            None => "all",
            Some(node) if *node == fixture::NODE_B => "with B",
            Some(_) => "with C",
        };
        let list: String = channels.iter().map(|channel| format!(" {}", one(channel))).collect();
        format!("{scope}:{list}")
    }
}
