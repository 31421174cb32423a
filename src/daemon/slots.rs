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

/// All entries, by their place in the configuration.
#[derive(Debug)]
pub(super) struct Slots(Vec<(String, State)>);

/// What is known of an entry.
#[derive(Debug)]
enum State {
    /// It has not answered, and has not failed to.
    Untried,
    /// It answers; whether it has listed its channels.
    Up { node: NodeId, version: String, has_listed: bool },
    /// It does not answer, for this reason.
    Down { error: String },
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
        Self(config.nodes.iter().map(|node| (node.socket.clone(), State::Untried)).collect())
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
            |state: &State| matches!(state, State::Up { node: other, .. } if *other == node);
        let twin = (0..).zip(&self.0).find(|(other, (_, state))| *other != slot && is_it(state));
        let (state, answer) = match twin {
            Some((of, _)) => (State::Duplicate { of }, Err(Twin { of })),
            None => (State::Up { node, version, has_listed: false }, Ok(())),
        };
        self.set(slot, state);
        answer
    }

    /// An entry's node told something, a list of all its channels or not. Says whether it is heard:
    /// a twin is not.
    pub(super) fn told(&mut self, slot: usize, is_full_list: bool) -> bool {
        let state = self.0.get_mut(slot).map(|(_, state)| state);
        let Some(State::Up { has_listed, .. }) = state else { return false };
        *has_listed |= is_full_list;
        true
    }

    /// An entry's node is gone or did not answer. Says whether that is news; for a twin it is
    /// nothing at all, and `None`.
    pub(super) fn disconnected(&mut self, slot: usize, error: &str) -> Option<bool> {
        let is_news = match self.0.get(slot).map(|(_, state)| state) {
            Some(State::Duplicate { .. }) => return None,
            Some(State::Down { error: told }) => told != error,
            Some(State::Untried | State::Up { .. }) | None => true,
        };
        self.set(slot, State::Down { error: error.to_owned() });
        Some(is_news)
    }

    /// How many answer.
    pub(super) fn up(&self) -> usize {
        self.0.iter().filter(|(_, state)| matches!(state, State::Up { .. })).count()
    }

    /// Whether every one has listed its channels, or failed to.
    pub(super) fn are_looked_at(&self) -> bool {
        self.0.iter().all(|(_, state)| match state {
            State::Untried => false,
            State::Up { has_listed, .. } => *has_listed,
            State::Down { .. } | State::Duplicate { .. } => true,
        })
    }

    /// What is wrong with the first one with which something is.
    pub(super) fn fault(&self) -> Option<String> {
        self.0.iter().enumerate().find_map(|(slot, (_, state))| match state {
            State::Down { error } => Some(format!("lightningNodes[{slot}]: {error}")),
            State::Duplicate { of } => Some(format!("lightningNodes[{slot}]: {}", twin(*of))),
            State::Untried | State::Up { .. } => None,
        })
    }

    /// As `status` shows them.
    pub(super) fn statuses(&self) -> Vec<SlotStatus> {
        let status = |(socket, state): &(String, State)| {
            let (node, lnd_version, error) = match state {
                State::Untried => (None, None, None),
                State::Up { node, version, .. } => (Some(*node), Some(version.clone()), None),
                State::Down { error } => (None, None, Some(error.clone())),
                State::Duplicate { of } => (None, None, Some(twin(*of))),
            };
            SlotStatus { socket: socket.clone(), node, lnd_version, error }
        };
        self.0.iter().map(status).collect()
    }

    fn set(&mut self, slot: usize, state: State) {
        if let Some((_, known)) = self.0.get_mut(slot) {
            *known = state;
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
