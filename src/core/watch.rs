//! Which channels are watched: those between two nodes of the cluster. What is done about one is
//! begun here and decided elsewhere.

use std::collections::BTreeSet;

use super::Core;
use super::action::Action;
use super::narrative::Narrative;
use super::peer::Party;
use super::view::{Bounds, View};
use crate::ids::{ChannelPoint, NodeId, PeerKey};

impl Core {
    /// Looks at a channel: starts to watch it, judges a waiting offer, lets each side ask.
    pub(super) fn consider(&mut self, point: ChannelPoint) {
        let sides: Vec<NodeId> = self.views.sides(point).map(|(node, _)| node).collect();
        for node in sides {
            self.watch(point, node);
            self.judge_waiting(point);
            self.tell_rules(point, node);
            self.rest_or_ask(point, node);
        }
    }

    /// Watches a channel while both of its nodes are the cluster's.
    fn watch(&mut self, point: ChannelPoint, node: NodeId) {
        let Some(view) = self.views.of(point, node) else { return };
        let (scid, counterparty) = (view.channel.scid, view.channel.counterparty);
        let is_unread = matches!(view.bounds, Bounds::Unread);
        let Some(party) = self.party(counterparty).filter(|_| counterparty != node) else {
            return self.unwatch(point);
        };
        if self.watched.insert(point, [node, counterparty]).is_none() {
            if let Party::Peer { peer, .. } = party {
                self.tell_shared(point, node, peer);
            }
            self.narrate(Narrative::StartWatchingChannel {
                channel_id: scid,
                channel_point: point,
                public_key: node,
                remote_peer: counterparty,
            });
        }
        if is_unread {
            self.views.bound(node, point, Bounds::Asked);
            self.actions.push(Action::ReadForwarding { node, point, scid });
        }
    }

    fn tell_shared(&mut self, point: ChannelPoint, node: NodeId, remote_peer: PeerKey) {
        self.actions.push(Action::TrustPeer { peer: remote_peer });
        let Some(View { channel, .. }) = self.views.of(point, node) else { return };
        let owner = self.roster.owner(channel.counterparty);
        let narrative = Narrative::PeerSharedChannel {
            remote_peer,
            remote_alias: owner.map(|claim| claim.alias.clone()).unwrap_or_default(),
            local_alias: self.alias(node).to_owned(),
            channel_id: channel.scid,
            local_balance: channel.local.sat(),
            remote_balance: channel.remote.sat(),
            capacity: channel.capacity.sat(),
        };
        self.narrate(narrative);
    }

    /// Lets go of the watched channels that a list lacks and no other node has.
    pub(super) fn let_go(
        &mut self,
        node: NodeId,
        with: Option<NodeId>,
        named: &BTreeSet<ChannelPoint>,
    ) {
        let is_gone = |(point, ends): (&ChannelPoint, &[NodeId; 2])| {
            let is_in_scope = ends.contains(&node) && with.is_none_or(|with| ends.contains(&with));
            let is_lacking = is_in_scope && !named.contains(point);
            (is_lacking && self.views.sides(*point).next().is_none()).then_some(*point)
        };
        let gone: Vec<ChannelPoint> = self.watched.iter().filter_map(is_gone).collect();
        for point in gone {
            self.unwatch(point);
            self.absent.closed(point);
            self.sides.retain(|(closed, _), _| *closed != point);
        }
    }

    fn unwatch(&mut self, point: ChannelPoint) {
        self.told.remove(&point);
        if let Some(ends) = self.watched.remove(&point) {
            // Nobody sees to it from here on: should it come back, it drifts from then on.
            for end in ends {
                if let Some(side) = self.sides.get_mut(&(point, end)) {
                    side.low_since = None;
                }
            }
            self.narrate(Narrative::StopWatchingChannel { channel_point: point });
        }
    }
}
