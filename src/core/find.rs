//! What an operator means by a name: a channel, a node, a peer, or a place for a pause.
//!
//! Ids, keys and funding outputs come first, then our own nodes' aliases, and last those of others:
//! they are free text, by which nobody must come to be taken for something else.

use std::collections::BTreeSet;

use super::Core;
use super::peer::Party;
use super::record::{Pause, Scope};
use crate::ids::{ChannelPoint, NodeId, PeerKey, Scid};

/// How much of a key is enough to name it, in hex digits.
pub const KEY_DIGITS_MIN: usize = 8;

impl Core {
    /// The channels that `name` may mean, watched or not: by an id, or of the nodes that it means.
    pub fn channels_named(&self, name: &str) -> Vec<ChannelPoint> {
        if let Ok(point) = name.parse::<ChannelPoint>() {
            let is_known = self.is_known(Scope::Channel(point));
            return if is_known { vec![point] } else { Vec::new() };
        }
        let by_id = self.channels_with_id(name);
        if by_id.is_empty() { self.channels_of(&self.nodes_named(name)) } else { by_id }
    }

    /// The places for a pause that `name` may mean. A whole key or funding output means what it
    /// says though nobody knows it at this moment, and a node is never taken for its only channel.
    pub fn scopes_named(&self, name: &str) -> Vec<Scope> {
        let whole = name.eq_ignore_ascii_case("all").then_some(Scope::All);
        let whole = whole.or_else(|| name.parse().ok().map(Scope::Channel));
        let whole = whole.or_else(|| name.parse().ok().map(Scope::Node));
        let whole = whole.or_else(|| name.parse().ok().map(Scope::Peer));
        if let Some(scope) = whole {
            return vec![scope];
        }
        let by_id = self.channels_with_id(name);
        if !by_id.is_empty() {
            return by_id.into_iter().map(Scope::Channel).collect();
        }
        let nodes = self.nodes_named(name).into_iter().map(Scope::Node);
        let peers = self.roster.peers().filter(|peer| is_beginning(name, peer));
        nodes.chain(peers.map(Scope::Peer)).collect()
    }

    /// The pauses that `name` may mean: also of what is gone since, by enough of its key.
    pub fn pauses_named(&self, name: &str) -> Vec<Scope> {
        let meant = self.scopes_named(name);
        let paused = || self.pauses().map(|pause| pause.scope);
        let named: Vec<Scope> = paused().filter(|scope| meant.contains(scope)).collect();
        if !named.is_empty() {
            return named;
        }
        paused().filter(|scope| is_beginning(name, scope)).collect()
    }

    /// The nodes that `name` may mean.
    pub fn nodes_named(&self, name: &str) -> Vec<NodeId> {
        let is_beginning = |node: &NodeId| is_beginning(name, node);
        let is_alias = |alias: &str| !name.is_empty() && alias == name;
        let is_ours = |node: &NodeId| is_alias(self.name_of(*node)) || is_beginning(node);
        let ours: Vec<NodeId> = self.own().into_iter().filter(is_ours).collect();
        if !ours.is_empty() {
            return ours;
        }
        let others = self.others();
        let by_key: Vec<NodeId> = others.iter().copied().filter(is_beginning).collect();
        if !by_key.is_empty() || is_id(name) {
            return by_key;
        }
        let away = self.absent.unclaimed();
        let is_theirs = |node: &NodeId| match away.get(node) {
            Some((claim, _)) if self.name_of(*node).is_empty() => is_alias(&claim.alias),
            Some(_) | None => is_alias(self.name_of(*node)),
        };
        others.into_iter().filter(is_theirs).collect()
    }

    /// Short names that are understood: ids of watched channels, and aliases.
    pub fn names(&self) -> Vec<String> {
        let channels = self.watched.keys().flat_map(|point| self.views.sides(*point));
        let scids = channels.map(|(_, view)| view.channel.scid.to_string());
        let own = self.nodes.values().map(|known| known.node.alias.clone());
        let theirs = self.roster.aliases().filter(|alias| !is_id(alias)).map(ToOwned::to_owned);
        let named: BTreeSet<String> = scids.chain(own).chain(theirs).collect();
        named.into_iter().filter(|name| !name.is_empty()).collect()
    }

    /// Whole names that are understood: funding outputs, and keys.
    pub fn keys(&self) -> Vec<String> {
        let points = self.watched.keys().map(ToString::to_string);
        let nodes = self.own().into_iter().chain(self.others()).map(|node| node.to_string());
        points.chain(nodes).chain(self.roster.peers().map(|peer| peer.to_string())).collect()
    }

    /// The pauses that hold.
    pub fn pauses(&self) -> impl Iterator<Item = &Pause> {
        self.ledger.pauses(self.now)
    }

    /// Whether what a pause is for is known at this moment.
    pub fn is_known(&self, scope: Scope) -> bool {
        match scope {
            Scope::All => true,
            Scope::Node(node) => self.own().contains(&node) || self.others().contains(&node),
            Scope::Peer(peer) => self.roster.is_connected(peer),
            // A watched channel is known even while its nodes do not answer.
            Scope::Channel(point) => {
                self.ends(point).is_some() || self.watched.contains_key(&point)
            }
        }
    }

    /// What a pause is for, in words, without the name that says it for sure.
    pub fn kind_of(&self, scope: Scope) -> String {
        match scope {
            Scope::All => "everything".to_owned(),
            Scope::Node(node) => match self.last_name_of(node) {
                "" => "the node".to_owned(),
                alias => format!("the node {alias:?}"),
            },
            Scope::Peer(peer) => {
                let nodes = self.roster.claims_of(peer).map(|(_, claim)| &claim.alias);
                let aliases: Vec<String> = nodes.map(|alias| format!("{alias:?}")).collect();
                if aliases.is_empty() {
                    return "the peer".to_owned();
                }
                format!("the peer that speaks for {}", aliases.join(", "))
            }
            Scope::Channel(point) => self.kind_of_channel(point),
        }
    }

    fn kind_of_channel(&self, point: ChannelPoint) -> String {
        let seen = self.ends(point).map(|(scid, ends)| (format!(" {scid}"), ends));
        let watched = || Some((String::new(), *self.watched.get(&point)?));
        let Some((scid, [node, with])) = seen.or_else(watched) else {
            return "the channel".to_owned();
        };
        let called = |node| match self.last_name_of(node) {
            "" => node.to_string(),
            alias => format!("{alias:?}"),
        };
        format!("the channel{scid} of {} with {}", called(node), called(with))
    }

    /// An id of a channel and its ends, as a node of ours tells them or last told them.
    fn ends(&self, point: ChannelPoint) -> Option<(Scid, [NodeId; 2])> {
        let mut seen = self.views.sides(point);
        let seen =
            seen.next().map(|(node, view)| (view.channel.scid, [node, view.channel.counterparty]));
        seen.or_else(|| {
            let side = self.absent.sides().find(|side| side.point == point)?;
            Some((side.scid, [side.node, side.counterparty]))
        })
    }

    /// The nodes of a legacy peer, which has a new key after each start; none of any other peer.
    pub fn nodes_of_legacy(&self, peer: PeerKey) -> Vec<NodeId> {
        let is_legacy = self.roster.claims_of(peer).all(|(_, claim)| claim.version.is_none());
        let nodes = self.roster.claims_of(peer).map(|(node, _)| node);
        nodes.filter(|_| is_legacy).collect()
    }

    /// Whether a node is one of ours that has answered since the start.
    pub fn is_ours(&self, node: NodeId) -> bool {
        self.nodes.contains_key(&node)
    }

    /// The name of a node of the cluster.
    pub fn name_of(&self, node: NodeId) -> &str {
        match (self.nodes.get(&node), self.roster.owner(node)) {
            (Some(known), _) => &known.node.alias,
            (None, Some(claim)) => &claim.alias,
            (None, None) => "",
        }
    }

    /// What a node of the cluster is called, or the beginning of its key.
    pub fn called(&self, node: NodeId) -> String {
        called(self.name_of(node), node)
    }

    /// The name of a node, as whoever speaks for it says or last said.
    fn last_name_of(&self, node: NodeId) -> &str {
        let last = || self.absent.unclaimed().get(&node).map(|(claim, _)| claim.alias.as_str());
        match self.name_of(node) {
            "" => last().unwrap_or_default(),
            name => name,
        }
    }

    /// The channels that have an id as `name` says, or as it says of one node of ours.
    fn channels_with_id(&self, name: &str) -> Vec<ChannelPoint> {
        let is_of = |node: NodeId, alias: Option<&str>| {
            let is_called = |alias: &str| !alias.is_empty() && self.name_of(node) == alias;
            alias.is_none_or(|alias| is_called(alias) || is_beginning(alias, &node))
        };
        let mut named = read_ids(name).map(|(alias, scid)| {
            let seen =
                self.views.points(|node, view| view.channel.has_scid(scid) && is_of(node, alias));
            let mut points: BTreeSet<ChannelPoint> = seen.into_iter().collect();
            let last =
                self.absent.sides().filter(|side| side.has_scid(scid) && is_of(side.node, alias));
            points.extend(last.map(|side| side.point));
            points
        });
        named.find(|points| !points.is_empty()).unwrap_or_default().into_iter().collect()
    }

    /// The channels at an end of which one of `nodes` is, also while ours do not answer.
    fn channels_of(&self, nodes: &[NodeId]) -> Vec<ChannelPoint> {
        let is_meant = |node: &NodeId| nodes.contains(node);
        let seen =
            self.views.points(|node, view| is_meant(&node) || is_meant(&view.channel.counterparty));
        let watched = self.watched.iter().filter(|(_, ends)| ends.iter().any(is_meant));
        let all: BTreeSet<ChannelPoint> =
            seen.into_iter().chain(watched.map(|(point, _)| *point)).collect();
        all.into_iter().collect()
    }

    /// Our nodes, whether or not they have ever answered.
    fn own(&self) -> BTreeSet<NodeId> {
        self.nodes.keys().chain(&self.settings.own).copied().collect()
    }

    /// The nodes of others: those that peers speak for or spoke for, and those that our channels
    /// lead to.
    fn others(&self) -> BTreeSet<NodeId> {
        let is_other = |node: &NodeId| self.party(*node) != Some(Party::Ours);
        let away = self.absent.unclaimed().into_keys();
        let met = self.roster.claimed().chain(self.views.counterparties()).chain(away);
        met.filter(is_other).collect()
    }
}

/// What a node is called: its alias, or the beginning of its key where it has none.
pub fn called(alias: &str, node: NodeId) -> String {
    if alias.is_empty() { node.to_string().chars().take(10).collect() } else { alias.to_owned() }
}

/// Whether `name` has the form of an id or of the beginning of a key: nobody's alias may mean
/// anything then, lest it be taken for what is not there at this moment.
fn is_id(name: &str) -> bool {
    let is_key = name.len() >= KEY_DIGITS_MIN && name.bytes().all(|b| b.is_ascii_hexdigit());
    is_key || name.parse::<ChannelPoint>().is_ok() || read_ids(name).next().is_some()
}

/// The ids that `name` may be, alone or behind the name of a node; the likeliest first.
fn read_ids(name: &str) -> impl Iterator<Item = (Option<&str>, Scid)> {
    let behind = name.match_indices(':').filter_map(|(at, _)| {
        let (node, id) = name.split_at(at);
        Some((Some(node), read_id(id.strip_prefix(':')?)?))
    });
    read_id(name).map(|scid| (None, scid)).into_iter().chain(behind)
}

/// A channel id: `700123x1x0`, `700123:1:0`, or the number for it that LND calls `chan_id`.
fn read_id(id: &str) -> Option<Scid> {
    if !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) {
        return id.parse().ok().map(Scid::new);
    }
    let is_by_colons = !id.contains('x');
    if is_by_colons { id.replace(':', "x").parse().ok() } else { id.parse().ok() }
}

/// Whether `name` is the beginning of a key, or of what is named by one, and enough of it.
fn is_beginning(name: &str, key: &impl ToString) -> bool {
    name.len() >= KEY_DIGITS_MIN && key.to_string().starts_with(&name.to_ascii_lowercase())
}
