//! [`Cast`]: what nodes and channels are called in the story.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::node::Node;
use crate::ids::{ChannelPoint, NodeId};
use crate::units::Msat;

/// A channel of the story.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Link {
    /// Its funding output.
    pub(super) point: ChannelPoint,
    /// The place of the node that opened it, which is named first.
    pub(super) near: usize,
    /// The place of the other one.
    pub(super) far: usize,
}

/// The names. Clones share them: the story adds channels, and whoever tells of them looks here.
#[derive(Clone, Debug)]
pub(super) struct Cast(Rc<RefCell<Names>>);

#[derive(Debug, Default)]
struct Names {
    nodes: Vec<(NodeId, String)>,
    /// In the order in which they were opened.
    links: Vec<Link>,
    totals: BTreeMap<ChannelPoint, Msat>,
}

impl Cast {
    /// These nodes, and no channel yet.
    pub(super) fn of(nodes: &[Node]) -> Self {
        let nodes = nodes.iter().map(|node| (node.id, node.alias.clone())).collect();
        Self(Rc::new(RefCell::new(Names { nodes, ..Names::default() })))
    }

    /// Takes a channel in.
    pub(super) fn add(&self, link: Link) {
        self.0.borrow_mut().links.push(link);
    }

    /// Takes in what both ends of a channel have together.
    pub(super) fn weigh(&self, point: ChannelPoint, total: Msat) {
        self.0.borrow_mut().totals.insert(point, total);
    }

    /// What both ends of a channel have together, once that is known.
    pub(super) fn total(&self, point: ChannelPoint) -> Option<Msat> {
        self.0.borrow().totals.get(&point).copied()
    }

    /// A node's name.
    pub(super) fn node(&self, id: &str) -> Option<String> {
        let names = self.0.borrow();
        let mut known = names.nodes.iter();
        known.find(|(known, _)| known.to_string() == id).map(|(_, alias)| alias.clone())
    }

    /// A channel, and where it stands among all.
    pub(super) fn link(&self, point: ChannelPoint) -> Option<(usize, Link)> {
        let names = self.0.borrow();
        let place = names.links.iter().position(|link| link.point == point)?;
        Some((place, names.links[place]))
    }

    /// What a channel is called.
    pub(super) fn name(&self, point: ChannelPoint) -> String {
        let Some((_, link)) = self.link(point) else { return point.to_string() };
        let names = self.0.borrow();
        let alias = |place: usize| names.nodes.get(place).map_or("?", |(_, alias)| alias);
        format!("{}–{}", alias(link.near), alias(link.far))
    }
}
