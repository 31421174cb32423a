//! [`Slots`]: what is known of each entry of `lightningNodes`.
//!
//! The connections themselves are kept by [`super::supervise`].

use tokio::sync::watch;

use super::DaemonError;
use super::supervise::Slot;
use crate::config::{Config, Node};
use crate::control::SlotStatus;
use crate::core::policy::Limits;
use crate::ids::NodeId;
use crate::time::Time;

/// All entries, by their place in the configuration.
#[derive(Debug)]
pub(super) struct Slots(Vec<Entry>);

/// One entry.
#[derive(Debug)]
struct Entry {
    socket: String,
    state: State,
    /// The node that answered last, and its version.
    last: Option<(NodeId, String)>,
    /// Why it last did not answer, or did not last, and when.
    failed: Option<(Time, String)>,
}

/// What is known of an entry.
#[derive(Debug)]
enum State {
    /// It has not answered, and has not failed to.
    Untried,
    /// It answers; whether it has listed its channels.
    Up { node: NodeId, has_listed: bool },
    /// It does not answer, for the reason why it last failed.
    Down,
    /// It is the node that this other entry speaks for already.
    Duplicate { of: usize },
}

/// An entry that leads to the node that another one speaks for already.
#[derive(Debug)]
pub(super) struct Twin {
    /// The other entry.
    pub(super) of: usize,
}

impl Slots {
    /// Entries of which nothing is known.
    pub(super) fn new(config: &Config) -> Self {
        let entry = |node: &Node| Entry {
            socket: node.socket.clone(),
            state: State::Untried,
            last: None,
            failed: None,
        };
        Self(config.nodes.iter().map(entry).collect())
    }

    /// Where an entry's node should listen.
    pub(super) fn socket(&self, slot: usize) -> &str {
        self.0.get(slot).map_or("", |entry| &entry.socket)
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// An entry's node answers.
    pub(super) fn connected(
        &mut self,
        slot: usize,
        node: NodeId,
        version: String,
    ) -> Result<(), Twin> {
        let is_it =
            |entry: &Entry| matches!(entry.state, State::Up { node: other, .. } if other == node);
        let twin = self.0.iter().enumerate().find(|(other, it)| *other != slot && is_it(it));
        let twin = twin.map(|(of, _)| of);
        let Some(entry) = self.0.get_mut(slot) else { return Ok(()) };
        if let Some(of) = twin {
            entry.state = State::Duplicate { of };
            return Err(Twin { of });
        }
        entry.state = State::Up { node, has_listed: false };
        entry.last = Some((node, version));
        Ok(())
    }

    /// An entry's node told something, a list of all its channels or not. Says whether it is heard:
    /// a twin is not.
    pub(super) fn told(&mut self, slot: usize, is_full_list: bool) -> bool {
        let state = self.0.get_mut(slot).map(|entry| &mut entry.state);
        let Some(State::Up { has_listed, .. }) = state else { return false };
        *has_listed |= is_full_list;
        true
    }

    /// An entry's node is gone or did not answer. Says whether that is news; for a twin it is
    /// nothing at all, and `None`.
    pub(super) fn disconnected(&mut self, slot: usize, now: Time, error: &str) -> Option<bool> {
        let entry = self.0.get_mut(slot)?;
        let is_news = match &entry.state {
            State::Duplicate { .. } => return None,
            State::Down => entry.fault().is_none_or(|told| told != error),
            State::Untried | State::Up { .. } => true,
        };
        entry.state = State::Down;
        entry.failed = Some((now, error.to_owned()));
        Some(is_news)
    }

    /// How many answer.
    pub(super) fn up(&self) -> usize {
        self.0.iter().filter(|entry| matches!(entry.state, State::Up { .. })).count()
    }

    /// Whether every one has listed its channels, or failed to.
    pub(super) fn are_looked_at(&self) -> bool {
        self.0.iter().all(|entry| match &entry.state {
            State::Untried => false,
            State::Up { has_listed, .. } => *has_listed,
            State::Down | State::Duplicate { .. } => true,
        })
    }

    /// What is wrong with the first one with which something is.
    pub(super) fn fault(&self) -> Option<String> {
        let fault = |(slot, entry): (usize, &Entry)| {
            Some(format!("lightningNodes[{slot}]: {}", entry.fault()?))
        };
        self.0.iter().enumerate().find_map(fault)
    }

    /// The sockets of those that have never answered: their nodes have no name yet.
    pub(super) fn silent(&self) -> Vec<String> {
        let is_silent = |entry: &&Entry| match entry.state {
            State::Untried | State::Down => entry.last.is_none(),
            State::Up { .. } | State::Duplicate { .. } => false,
        };
        self.0.iter().filter(is_silent).map(|entry| entry.socket.clone()).collect()
    }

    /// As `status` shows them.
    pub(super) fn statuses(&self) -> Vec<SlotStatus> {
        self.0.iter().map(Entry::status).collect()
    }
}

impl Entry {
    /// What is wrong with it at this moment.
    fn fault(&self) -> Option<String> {
        match self.state {
            State::Down => self.failed.as_ref().map(|(_, error)| error.clone()),
            State::Duplicate { of } => Some(twin(of)),
            State::Untried | State::Up { .. } => None,
        }
    }

    fn status(&self) -> SlotStatus {
        let node = match self.state {
            State::Up { node, .. } => Some(node),
            State::Untried | State::Down | State::Duplicate { .. } => None,
        };
        SlotStatus {
            socket: self.socket.clone(),
            node,
            last_node: self.last.as_ref().map(|(node, _)| *node),
            lnd_version: self.last.as_ref().map(|(_, version)| version.clone()),
            error: self.fault(),
            last_error: self.failed.as_ref().map(|(_, error)| error.clone()),
            last_error_at: self.failed.as_ref().map(|(at, _)| *at),
        }
    }
}

/// What the operator is told of an entry whose node another one has already.
pub(super) fn twin(of: usize) -> String {
    format!("it is the same node as lightningNodes[{of}]: remove one")
}

/// A slot for each entry of `lightningNodes`, once each of them can be used at all.
pub(super) fn slots(
    config: &Config,
    limits: &watch::Receiver<Limits>,
) -> Result<Vec<Slot>, DaemonError> {
    let slot = |(index, node): (usize, &Node)| {
        let slot = Slot { index, node: node.clone(), limits: limits.clone() };
        slot.connect().map_err(|source| DaemonError::Node { index, source })?;
        Ok(slot)
    };
    config.nodes.iter().enumerate().map(slot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fixture::{NODE_A, NODE_B};

    fn slots(count: usize) -> Slots {
        let entry = |slot| Entry {
            socket: format!("node{slot}:10009"),
            state: State::Untried,
            last: None,
            failed: None,
        };
        Slots((0..count).map(entry).collect())
    }

    fn connect(slots: &mut Slots, slot: usize, node: NodeId) -> Result<(), Twin> {
        slots.connected(slot, node, "0.21.0-beta".to_owned())
    }

    #[test]
    fn an_entry_that_is_down_says_which_node_answered_there_and_one_that_is_up_why_it_did_not() {
        let mut slots = slots(1);
        let at = Time::from_unix_ms;
        assert_eq!(slots.disconnected(0, at(1), "refused"), Some(true));
        assert_eq!(slots.disconnected(0, at(2), "refused"), Some(false));
        connect(&mut slots, 0, NODE_A).expect("no twin");
        let up = slots.statuses().remove(0);
        assert_eq!((up.node, up.error), (Some(NODE_A), None));
        assert_eq!((up.last_error.as_deref(), up.last_error_at), (Some("refused"), Some(at(2))));
        assert_eq!(slots.disconnected(0, at(3), "reset"), Some(true));
        let down = slots.statuses().remove(0);
        assert_eq!((down.node, down.last_node), (None, Some(NODE_A)));
        assert_eq!(down.error.as_deref(), Some("reset"));
        assert_eq!(down.lnd_version.as_deref(), Some("0.21.0-beta"));
    }

    #[test]
    fn a_twin_is_named_and_what_it_tells_is_not_heard() {
        let mut slots = slots(2);
        connect(&mut slots, 1, NODE_A).expect("no twin yet");
        let twin = connect(&mut slots, 0, NODE_A).expect_err("it is a twin");
        assert_eq!(twin.of, 1);
        assert!(!slots.told(0, true) && slots.told(1, true));
        assert_eq!(slots.disconnected(0, Time::default(), "reset"), None);
        assert!(slots.fault().is_some_and(|fault| fault.starts_with("lightningNodes[0]: it is")));
        assert_eq!(slots.up(), 1);
    }

    #[test]
    fn all_are_looked_at_once_each_has_listed_its_channels_or_failed_to() {
        let mut slots = slots(2);
        connect(&mut slots, 0, NODE_A).expect("no twin");
        connect(&mut slots, 1, NODE_B).expect("no twin");
        slots.told(0, true);
        slots.told(1, false);
        assert!(!slots.are_looked_at());
        slots.disconnected(1, Time::default(), "reset");
        assert!(slots.are_looked_at());
    }
}
