//! Who is up, and who is connected to whom; what that means for their channels.

use std::time::Duration;

use crate::ids::{ChannelPoint, NodeId};
use crate::rpc::lnrpc::failure::FailureCode;

use super::channel::Both;
use super::htlc::{End, Htlc, HtlcId, Stage};
use super::notice::{Change, Notice};
use super::payment::Failure;
use super::{Due, World};

/// How long two nodes take to be connected again and to find out where their channels stand.
const RECONNECT: Duration = Duration::from_millis(300);
/// How long what stood still waits until it goes on.
const RESUME: Duration = Duration::from_millis(20);

/// Two nodes, in whatever order they are named.
pub(super) fn pair(one: NodeId, other: NodeId) -> (NodeId, NodeId) {
    (one.min(other), one.max(other))
}

impl World {
    /// Ends a node at once.
    pub(crate) fn stop(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.is_up = false;
        self.refresh_channels_of(id);
        // What it had told and not signed for is in no commitment: after a restart it knows that
        // such an HTLC was never sent.
        let is_lost = |htlc: &Htlc| htlc.stage == Stage::Told;
        let lost: Vec<(ChannelPoint, HtlcId)> = self
            .channels_of(id)
            .flat_map(|(channel, side)| {
                let own = channel.htlcs.iter().filter(move |(it, _)| it.offerer == side);
                own.filter(|(_, htlc)| is_lost(htlc)).map(|(it, _)| (channel.point, *it))
            })
            .collect();
        for (point, htlc) in lost {
            self.lose(point, htlc);
        }
        self.fail_what_was_never_sent(id);
    }

    /// Starts a node that is down, which finds the others by itself; does nothing where it is up.
    pub(crate) fn start(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if std::mem::replace(&mut node.is_up, true) {
            return;
        }
        let others: Vec<NodeId> = self.nodes.keys().copied().filter(|it| *it != id).collect();
        for other in others {
            self.plan(RECONNECT, Due::Reconnected(id, other));
        }
    }

    /// Cuts two nodes from each other, until [`World::connect`].
    pub(crate) fn disconnect(&mut self, one: NodeId, other: NodeId) {
        self.apart.insert(pair(one, other));
        self.refresh_channels(one, other);
    }

    /// Has two nodes find each other again; whether they were apart.
    pub(crate) fn connect(&mut self, one: NodeId, other: NodeId) -> bool {
        let were_apart = self.apart.remove(&pair(one, other));
        if were_apart {
            self.plan(RECONNECT, Due::Reconnected(one, other));
        }
        were_apart
    }

    /// Whether two nodes are connected.
    pub(crate) fn are_connected(&self, one: NodeId, other: NodeId) -> bool {
        let is_up = |id| self.node(id).is_some_and(|node| node.is_up);
        one != other && is_up(one) && is_up(other) && !self.apart.contains(&pair(one, other))
    }

    /// Has HTLCs between two nodes get no answer, or an answer again.
    pub(crate) fn stick(&mut self, one: NodeId, other: NodeId, is_stuck: bool) {
        if is_stuck {
            self.stuck.insert(pair(one, other));
        } else if self.stuck.remove(&pair(one, other)) {
            self.resume(one, other);
        }
    }

    /// Sees which channels between two nodes can be used.
    pub(super) fn refresh_channels(&mut self, one: NodeId, other: NodeId) {
        let are_connected = self.are_connected(one, other);
        let between = pair(one, other);
        let is_between = |ends: Both<NodeId>| pair(ends.opener, ends.acceptor) == between;
        let mut changed = Vec::new();
        for channel in self.channels.values_mut().filter(|it| is_between(it.ends)) {
            let is_active = channel.is_open() && are_connected;
            if is_active != channel.is_active {
                channel.is_active = is_active;
                changed.push((channel.point, channel.ends, is_active));
            }
        }
        for (channel, ends, is_active) in changed {
            let change = if is_active { Change::Active } else { Change::Inactive };
            for node in [ends.opener, ends.acceptor] {
                self.tell(Notice::Channel { node, channel, change });
            }
        }
        if are_connected {
            self.resume(one, other);
        }
    }

    fn refresh_channels_of(&mut self, id: NodeId) {
        let others: Vec<NodeId> = self.nodes.keys().copied().filter(|it| *it != id).collect();
        for other in others {
            self.refresh_channels(id, other);
        }
    }

    /// What stood still on the channels of two nodes goes on, in its order.
    fn resume(&mut self, one: NodeId, other: NodeId) {
        let between = pair(one, other);
        let waiting = std::mem::take(&mut self.paused);
        for (point, due) in waiting {
            let ends = self.channels.get(&point).map(|it| it.ends);
            if ends.is_some_and(|ends| pair(ends.opener, ends.acceptor) == between) {
                self.plan(RESUME, due);
            } else {
                self.paused.push((point, due));
            }
        }
    }

    /// An HTLC that is in no commitment is lost with the memory of its offerer.
    fn lose(&mut self, point: ChannelPoint, id: HtlcId) {
        let channel = self.channels.get_mut(&point);
        let Some(htlc) = channel.and_then(|channel| channel.htlcs.get_mut(&id)) else { return };
        let code = FailureCode::TemporaryChannelFailure;
        htlc.end = Some(End::Failed(Failure { code, source: htlc.depth.saturating_sub(1) }));
        self.forget(point, id);
    }
}
