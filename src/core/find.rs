//! What an operator means by a name: a channel by any of its ids, its funding output, or an alias;
//! a node by its key or alias; a peer by its key.

use std::collections::BTreeSet;

use super::Core;
use super::record::Scope;
use crate::ids::{ChannelPoint, NodeId, PeerKey, Scid};

/// How much of a key is enough to name it, in hex digits.
const KEY_DIGITS_MIN: usize = 8;

impl Core {
    /// The channels that `name` may mean, watched or not.
    pub fn channels_named(&self, name: &str) -> Vec<ChannelPoint> {
        if let Ok(point) = name.parse::<ChannelPoint>() {
            // A watched channel is known by this name even while its node does not answer.
            let is_known = self.views.sides(point).next().is_some();
            let is_known = is_known || self.watched.contains_key(&point);
            return if is_known { vec![point] } else { Vec::new() };
        }
        let (alias, id) = match name.rsplit_once(':') {
            Some((alias, id)) => (Some(alias), id),
            None => (None, name),
        };
        if let Some(scid) = read_scid(id) {
            let points = self.views.points(|node, view| {
                view.channel.has_scid(scid) && alias.is_none_or(|alias| self.name_of(node) == alias)
            });
            // What looks like an id may be a node's name.
            if !points.is_empty() {
                return points;
            }
        }
        let is_meant = |node| self.is_called(node, name);
        self.views.points(|node, view| is_meant(node) || is_meant(view.channel.counterparty))
    }

    /// The ids of the channels that `name` may mean.
    pub fn scids_named(&self, name: &str) -> Vec<String> {
        let named = self.channels_named(name);
        let sides = named.iter().filter_map(|point| self.views.sides(*point).next());
        sides.map(|(_, view)| view.channel.scid.to_string()).collect()
    }

    /// What `name` means as a place for a pause: `all`, a node, a peer, or one channel.
    pub fn scope_named(&self, name: &str) -> Option<Scope> {
        if name.eq_ignore_ascii_case("all") {
            return Some(Scope::All);
        }
        // What is paused can be resumed, whoever is gone since.
        let mut paused = self.ledger.pauses(self.now).map(|pause| pause.scope);
        if let Some(scope) = paused.find(|scope| scope.to_string().eq_ignore_ascii_case(name)) {
            return Some(scope);
        }
        match self.nodes_named(name)[..] {
            [] => {}
            [node] => return Some(Scope::Node(node)),
            [..] => return None,
        }
        let peers: Vec<PeerKey> =
            self.roster.peers().filter(|peer| is_key(&peer.to_string(), name)).collect();
        if let [peer] = peers[..] {
            return Some(Scope::Peer(peer));
        }
        match self.channels_named(name)[..] {
            [point] => Some(Scope::Channel(point)),
            _ => None,
        }
    }

    /// Every name that would be understood.
    pub fn names(&self) -> Vec<String> {
        let channels = self.watched.keys().flat_map(|point| self.views.sides(*point));
        let scids = channels.map(|(_, view)| view.channel.scid.to_string());
        let own = self.nodes.values().map(|known| known.node.alias.clone());
        let theirs = self.roster.aliases().map(ToOwned::to_owned);
        let peers = self.roster.peers().map(|peer| peer.to_string());
        let mut names: Vec<String> = scids.chain(own).chain(theirs).chain(peers).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The nodes of the cluster that `name` may mean.
    fn nodes_named(&self, name: &str) -> Vec<NodeId> {
        let nodes = self.nodes.keys().copied().chain(self.roster.claimed());
        let named: BTreeSet<NodeId> = nodes.filter(|node| self.is_called(*node, name)).collect();
        named.into_iter().collect()
    }

    /// Whether a node goes by `name`: its alias, or enough of its key.
    fn is_called(&self, node: NodeId, name: &str) -> bool {
        let is_alias = !name.is_empty() && self.name_of(node) == name;
        is_alias || is_key(&node.to_string(), name)
    }

    /// The name of a node of the cluster.
    pub fn name_of(&self, node: NodeId) -> &str {
        match (self.nodes.get(&node), self.roster.owner(node)) {
            (Some(known), _) => &known.node.alias,
            (None, Some(claim)) => &claim.alias,
            (None, None) => "",
        }
    }
}

/// A channel id as operators write it, or the number for it that LND calls `chan_id`.
fn read_scid(id: &str) -> Option<Scid> {
    id.parse().ok().or_else(|| id.parse().ok().map(Scid::new))
}

/// Whether `name` is the beginning of a key, and enough of it.
fn is_key(key: &str, name: &str) -> bool {
    name.len() >= KEY_DIGITS_MIN && key.starts_with(&name.to_ascii_lowercase())
}
