//! [`Views`]: what each of our nodes last said of its channels.
//!
//! Snapshots are ordered by `updates`: an older one never replaces a newer. A node that is gone
//! has no views, so nothing is ever decided on what it said before.

use std::collections::{BTreeMap, BTreeSet};

use super::channel::{Channel, Forwarding};
use crate::ids::{ChannelPoint, NodeId, Scid};
use crate::units::Msat;

/// One side's view of each channel.
#[derive(Debug, Default)]
pub(crate) struct Views {
    by_point: BTreeMap<ChannelPoint, BTreeMap<NodeId, View>>,
}

/// One node's view of one of its channels.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The newest snapshot.
    pub(crate) channel: Channel,
    /// The node's own bounds for what it sends.
    pub(crate) bounds: Bounds,
}

/// A node's own bounds for what it sends over a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bounds {
    /// Nobody asked for them since the node connected.
    Unread,
    /// They were asked for. Until they come, the channel's own bounds are all there is.
    Asked,
    /// The node's word.
    Read(Forwarding),
}

impl View {
    /// The most that this node can send in one HTLC, if `channel` is how the channel stands.
    pub(crate) fn sendable_of(&self, channel: &Channel) -> Msat {
        let by_channel = channel.sendable();
        match self.bounds {
            Bounds::Read(forwarding) => by_channel.min(forwarding.htlc_max),
            Bounds::Unread | Bounds::Asked => by_channel,
        }
    }

    /// The least that this node can send in one HTLC.
    pub(crate) fn sendable_min(&self) -> Msat {
        let by_channel = self.channel.ours.htlc_min;
        match self.bounds {
            Bounds::Read(forwarding) => by_channel.max(forwarding.htlc_min),
            Bounds::Unread | Bounds::Asked => by_channel,
        }
    }
}

impl Views {
    /// What `node` last said of `point`.
    pub(crate) fn of(&self, point: ChannelPoint, node: NodeId) -> Option<&View> {
        self.by_point.get(&point)?.get(&node)
    }

    /// Every view of `point`.
    pub(crate) fn sides(&self, point: ChannelPoint) -> impl Iterator<Item = (NodeId, &View)> {
        self.by_point.get(&point).into_iter().flatten().map(|(node, view)| (*node, view))
    }

    /// The channels that `node` has a view of.
    pub(crate) fn points_of(&self, node: NodeId) -> Vec<ChannelPoint> {
        let has_view = self.by_point.iter().filter(|(_, sides)| sides.contains_key(&node));
        has_view.map(|(point, _)| *point).collect()
    }

    /// The channels of which `is_meant` says so of a side.
    pub(crate) fn points(&self, is_meant: impl Fn(NodeId, &View) -> bool) -> Vec<ChannelPoint> {
        let is_one = |sides: &BTreeMap<NodeId, View>| sides.iter().any(|(n, v)| is_meant(*n, v));
        self.by_point.iter().filter(|(_, sides)| is_one(sides)).map(|(point, _)| *point).collect()
    }

    /// The channels at whose other end `counterparty` is.
    pub(crate) fn points_with(&self, counterparty: NodeId) -> Vec<ChannelPoint> {
        let is_with = |sides: &BTreeMap<NodeId, View>| {
            sides.values().any(|view| view.channel.counterparty == counterparty)
        };
        let shared = self.by_point.iter().filter(|(_, sides)| is_with(sides));
        shared.map(|(point, _)| *point).collect()
    }

    /// The nodes at the other ends of all channels.
    pub(crate) fn counterparties(&self) -> impl Iterator<Item = NodeId> {
        self.by_point.values().flat_map(BTreeMap::values).map(|view| view.channel.counterparty)
    }

    /// How many channels `node` has with `counterparty`.
    pub(crate) fn channels_between(&self, node: NodeId, counterparty: NodeId) -> usize {
        let views = self.by_point.values().filter_map(|sides| sides.get(&node));
        views.filter(|view| view.channel.counterparty == counterparty).count()
    }

    /// The channel of `node` with `counterparty` that goes by `scid` at either end.
    pub(crate) fn point_of(
        &self,
        node: NodeId,
        counterparty: NodeId,
        scid: Scid,
    ) -> Option<ChannelPoint> {
        let is_it =
            |view: &View| view.channel.counterparty == counterparty && view.channel.has_scid(scid);
        let mut views = self.by_point.iter();
        views.find_map(|(point, sides)| sides.get(&node).filter(|v| is_it(v)).map(|_| *point))
    }

    /// Takes in what `node` said of one channel, but for `is_active`, which LND does not tell
    /// truly there. Says whether anything may have changed.
    pub(crate) fn update(&mut self, node: NodeId, mut channel: Channel) -> bool {
        let sides = self.by_point.entry(channel.point).or_default();
        match sides.get_mut(&node) {
            Some(view) if channel.updates < view.channel.updates => false,
            Some(view) => {
                channel.is_active = view.channel.is_active;
                view.channel = channel;
                true
            }
            None => {
                // Only a list tells whether a channel that was just opened is active.
                channel.is_active = false;
                sides.insert(node, View { channel, bounds: Bounds::Unread });
                true
            }
        }
    }

    /// Takes in a list that is complete for `node` and, where given, one counterparty. Returns
    /// the channels that it names.
    pub(crate) fn list(
        &mut self,
        node: NodeId,
        with: Option<NodeId>,
        channels: Vec<Channel>,
    ) -> BTreeSet<ChannelPoint> {
        let named: BTreeSet<ChannelPoint> = channels.iter().map(|channel| channel.point).collect();
        let is_lacking = |point: &ChannelPoint, view: &View| {
            with.is_none_or(|with| view.channel.counterparty == with) && !named.contains(point)
        };
        for (point, sides) in &mut self.by_point {
            if sides.get(&node).is_some_and(|view| is_lacking(point, view)) {
                sides.remove(&node);
            }
        }
        self.by_point.retain(|_, sides| !sides.is_empty());
        for channel in channels {
            let sides = self.by_point.entry(channel.point).or_default();
            match sides.get_mut(&node) {
                Some(view) if channel.updates < view.channel.updates => {
                    view.channel.is_active = channel.is_active;
                }
                Some(view) => view.channel = channel,
                None => {
                    sides.insert(node, View { channel, bounds: Bounds::Unread });
                }
            }
        }
        named
    }

    /// Notes what is known of a node's own bounds for a channel; returns what was.
    pub(crate) fn bound(
        &mut self,
        node: NodeId,
        point: ChannelPoint,
        bounds: Bounds,
    ) -> Option<Bounds> {
        let view = self.by_point.get_mut(&point)?.get_mut(&node)?;
        Some(std::mem::replace(&mut view.bounds, bounds))
    }

    /// Forgets all that `node` said.
    pub(crate) fn forget(&mut self, node: NodeId) {
        for sides in self.by_point.values_mut() {
            sides.remove(&node);
        }
        self.by_point.retain(|_, sides| !sides.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fixture;

    #[test]
    fn an_older_snapshot_is_dropped_and_an_equal_one_counts_as_newer() {
        let mut views = Views::default();
        let channel = |updates, sat| Channel { updates, ..fixture::channel(1, sat, 1_000 - sat) };
        views.list(fixture::NODE_A, None, vec![channel(5, 100)]);
        let local = |views: &Views| {
            views.of(fixture::point(1), fixture::NODE_A).unwrap().channel.local.sat().sat()
        };
        views.update(fixture::NODE_A, channel(4, 200));
        assert_eq!(local(&views), 100);
        views.update(fixture::NODE_A, channel(5, 300));
        assert_eq!(local(&views), 300);
        views.list(fixture::NODE_A, None, vec![channel(4, 400)]);
        assert_eq!(local(&views), 300);
    }

    #[test]
    fn an_update_does_not_say_whether_the_channel_is_active() {
        let mut views = Views::default();
        let active = fixture::channel(1, 400, 600);
        let is_active =
            |views: &Views| views.of(fixture::point(1), fixture::NODE_A).unwrap().channel.is_active;
        views.update(fixture::NODE_A, active.clone());
        assert!(!is_active(&views));
        views.list(fixture::NODE_A, None, vec![Channel { is_active: false, ..active.clone() }]);
        views.update(fixture::NODE_A, active.clone());
        assert!(!is_active(&views));
        views.list(fixture::NODE_A, None, vec![active]);
        assert!(is_active(&views));
    }

    #[test]
    fn a_list_drops_what_it_lacks_within_its_scope_only() {
        let mut views = Views::default();
        let with_b = fixture::channel(1, 400, 600);
        let with_c = Channel { counterparty: fixture::NODE_C, ..fixture::channel(2, 400, 600) };
        views.list(fixture::NODE_A, None, vec![with_b.clone(), with_c.clone()]);
        views.list(fixture::NODE_A, Some(fixture::NODE_B), Vec::new());
        assert!(views.of(with_b.point, fixture::NODE_A).is_none());
        assert!(views.of(with_c.point, fixture::NODE_A).is_some());
        views.list(fixture::NODE_A, None, vec![with_b.clone()]);
        assert!(views.of(with_b.point, fixture::NODE_A).is_some());
        assert!(views.of(with_c.point, fixture::NODE_A).is_none());
    }
}
