//! [`Absent`]: who is away, and what was last seen there, for people.
//!
//! Views and the roster forget whoever is gone, so that nothing is decided on what is old. What is
//! remembered here, [`super::report`], [`super::why`] and [`super::find`] alone read: no rule about
//! money may.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Core;
use super::report::{ChannelReport, ClaimReport, PeerReport, RestReport};
use super::view::{View, Views};
use crate::ids::{ChannelPoint, NodeId, PeerKey};
use crate::time::Time;

/// How many sides of nodes that are down are remembered: more than any cluster has.
const SIDES_MAX: usize = 10_000;
/// How many peers that left are remembered.
const PEERS_MAX: usize = 64;

/// Who is away.
#[derive(Debug, Default)]
pub(super) struct Absent {
    /// Since when nodes of ours do not answer that once did.
    nodes: BTreeMap<NodeId, Time>,
    /// Their sides of the cluster's channels as they last stood.
    sides: BTreeMap<(ChannelPoint, NodeId), ChannelReport>,
    /// The peers that left, the last one at the end.
    peers: VecDeque<PeerReport>,
}

/// Why nothing new is known of a channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "camelCase")]
pub enum Away {
    /// Our node does not answer.
    NodeDown,
    /// The peer that spoke for the other end has left.
    PeerAway,
}

impl Away {
    /// The reason's word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NodeDown => "nodeDown",
            Self::PeerAway => "peerAway",
        }
    }

    /// What would change it.
    pub const fn mend(self) -> &'static str {
        match self {
            Self::NodeDown => "Start the node, or mend its entry.",
            Self::PeerAway => "It ends when a daemon speaks for the node at the other end again.",
        }
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeDown => f.write_str("its node does not answer"),
            Self::PeerAway => f.write_str("the peer that spoke for the other end is away"),
        }
    }
}

impl From<Away> for RestReport {
    fn from(away: Away) -> Self {
        Self {
            code: away.code().to_owned(),
            reason: away.to_string(),
            mend: away.mend().to_owned(),
            until: None,
            would_ask: None,
        }
    }
}

impl Absent {
    /// Since when a node of ours does not answer that once did.
    pub(super) fn down_since(&self, node: NodeId) -> Option<Time> {
        self.nodes.get(&node).copied()
    }

    /// The peers that left, but for those that `is_back` says are connected again.
    pub(super) fn peers(&self, is_back: impl Fn(PeerKey) -> bool) -> Vec<PeerReport> {
        self.peers.iter().filter(|peer| !is_back(peer.peer)).cloned().collect()
    }

    /// A node of ours answers again.
    pub(super) fn returned(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// A node of ours listed all its channels: what was remembered of them is no news.
    pub(super) fn listed(&mut self, node: NodeId) {
        self.sides.retain(|(_, owner), _| *owner != node);
    }

    /// A channel is closed.
    pub(super) fn closed(&mut self, point: ChannelPoint) {
        self.sides.retain(|(other, _), _| *other != point);
    }

    /// A peer left. One that never said anything is nobody's: whoever knows the topic can connect.
    /// Whoever knows the secret can also come under any number of keys; so of too many, the first
    /// to be forgotten are those that spoke for no node that we share a channel with.
    pub(super) fn left(&mut self, peer: PeerReport, views: &Views) {
        if peer.heard_at.is_none() {
            return;
        }
        self.peers.retain(|other| other.peer != peer.peer);
        self.peers.push_back(peer);
        if self.peers.len() > PEERS_MAX {
            let down = self.sides.values().map(|side| side.counterparty);
            let shared: BTreeSet<NodeId> = views.counterparties().chain(down).collect();
            let is_ours = |claim: &ClaimReport| claim.is_owner && shared.contains(&claim.node);
            let stranger = self.peers.iter().position(|peer| !peer.nodes.iter().any(is_ours));
            self.peers.remove(stranger.unwrap_or_default());
        }
    }

    /// Somebody speaks for a node: those who did before and spoke for no other are forgotten.
    pub(super) fn claimed(&mut self, node: NodeId) {
        self.peers.retain_mut(|peer| {
            let before = peer.nodes.len();
            peer.nodes.retain(|claim| claim.node != node);
            !peer.nodes.is_empty() || before == 0
        });
    }

    /// The sides of nodes that are down, as they last stood.
    pub(super) fn sides(&self) -> impl Iterator<Item = &ChannelReport> {
        self.sides.values()
    }

    /// The nodes that nobody speaks for any longer: who last did, and until when.
    pub(super) fn unclaimed(&self) -> BTreeMap<NodeId, (&ClaimReport, Option<Time>)> {
        let claims = self.peers.iter().flat_map(|peer| {
            let owned = peer.nodes.iter().filter(|claim| claim.is_owner);
            owned.map(|claim| (claim.node, (claim, peer.left_at)))
        });
        claims.collect()
    }
}

impl Core {
    /// A node of ours does not answer any longer: how its channels stand is remembered, before
    /// the views forget it; but for how long they have drifted, which nobody can mend meanwhile.
    pub(super) fn remember(&mut self, node: NodeId) {
        let unclaimed = self.absent.unclaimed();
        let room = SIDES_MAX.saturating_sub(self.absent.sides.len());
        let sides = self.views.points_of(node).into_iter().filter_map(|point| {
            let view = self.views.of(point, node)?;
            let is_told = self.watched.contains_key(&point)
                || unclaimed.contains_key(&view.channel.counterparty);
            let side = is_told.then(|| self.channel_report(node, view))?;
            let (absent_since, low_since) = (Some(self.now), None);
            Some(((point, node), ChannelReport { absent_since, low_since, ..side }))
        });
        let sides: Vec<_> = sides.take(room).collect();
        self.absent.sides.extend(sides);
        self.absent.nodes.insert(node, self.now);
        let its_own = self.sides.iter_mut().filter(|((_, owner), _)| *owner == node);
        its_own.for_each(|(_, side)| side.low_since = None);
    }

    /// Our sides of the cluster's channels whose node is down or whose peer is away.
    pub(super) fn absent_channels(&self) -> Vec<ChannelReport> {
        let down = self.absent.sides.values().map(|side| ChannelReport {
            rest: Some(Away::NodeDown.into()),
            paused_by: self.scopes_of([side.node, side.counterparty], side.point),
            ..side.clone()
        });
        let unclaimed = self.absent.unclaimed();
        let is_away = |_, view: &View| {
            !self.watched.contains_key(&view.channel.point)
                && unclaimed.contains_key(&view.channel.counterparty)
        };
        let away = if unclaimed.is_empty() { Vec::new() } else { self.views.points(is_away) };
        let away = away.into_iter().flat_map(|point| self.channel_reports(point));
        let away = away.filter_map(|side| {
            let (claim, left_at) = unclaimed.get(&side.counterparty)?;
            Some(ChannelReport {
                rest: Some(Away::PeerAway.into()),
                absent_since: *left_at,
                counterparty_alias: claim.alias.clone(),
                ..side
            })
        });
        down.chain(away).collect()
    }
}
