//! [`Roster`]: which peers are connected, which Lightning nodes they speak for, and their rules
//! for the channels that we share.
//!
//! One peer owns a node at a time: a proven claim beats an unproven one, and among equals the
//! older stays until its peer is gone. What a claim leads to is not decided here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::message::{Hello, PeerPolicy};
use super::report::{ClaimReport, PeerReport};
use crate::ids::{ChannelPoint, NodeId, PeerKey};
use crate::time::Time;

/// How many nodes one peer may speak for.
const NODES_MAX: usize = 256;
/// How many channels one peer may tell its rules for.
const POLICIES_MAX: usize = 1_024;

/// The connected peers.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    peers: BTreeMap<PeerKey, Peer>,
    /// The claims to each node, the owner's first.
    claims: BTreeMap<NodeId, Vec<Claim>>,
}

/// One connected peer.
#[derive(Debug, Default)]
struct Peer {
    since: Time,
    /// When it last said something: whoever knows the topic can connect.
    heard_at: Option<Time>,
    nodes: Vec<NodeId>,
    policies: BTreeMap<ChannelPoint, PeerPolicy>,
}

/// One peer's claim to speak for a node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Claim {
    /// The peer.
    pub(crate) peer: PeerKey,
    /// The node's name.
    pub(crate) alias: String,
    /// Which of our additions the peer understands; `None` for a legacy peer.
    pub(crate) version: Option<u64>,
    /// Whether the node itself signed the claim.
    pub(crate) is_proven: bool,
    /// When the peer was last told our rules for its sake.
    pub(crate) told_at: Time,
}

impl Claim {
    fn says_the_same(&self, other: &Self) -> bool {
        (&self.alias, self.version, self.is_proven)
            == (&other.alias, other.version, other.is_proven)
    }
}

/// How often a peer that says hello is told our rules for the channels with that node.
const TOLD_AGAIN: Duration = Duration::from_secs(5);

/// Why a peer is sent away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "camelCase")]
pub enum Distrust {
    /// It claims to speak for one of our own nodes.
    ClaimsOurNode,
    /// It speaks for a node without the node's signature, which `requireProof` asks for.
    Unproven,
    /// It speaks for more nodes, or has rules for more channels, than anybody needs.
    TooMuch,
}

/// How long a peer is kept away that we do not trust: its operator has to mend something.
const DISTRUST: Duration = Duration::from_secs(10 * 60);

impl Distrust {
    /// How long the peer is kept away.
    pub const fn keeps_away_for(self) -> Duration {
        match self {
            Self::ClaimsOurNode | Self::Unproven | Self::TooMuch => DISTRUST,
        }
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClaimsOurNode => f.write_str("it claims to speak for one of our own nodes"),
            Self::Unproven => f.write_str("it has no proof that it runs the node it speaks for"),
            Self::TooMuch => f.write_str("it speaks for too many nodes or channels"),
        }
    }
}

impl Roster {
    /// Takes a peer in.
    pub(crate) fn connect(&mut self, now: Time, peer: PeerKey) {
        self.peers.entry(peer).or_default().since = now;
    }

    /// Who is connected, for people.
    pub(crate) fn report(&self) -> Vec<PeerReport> {
        self.peers.iter().map(|(key, peer)| self.peer_report(*key, peer)).collect()
    }

    fn peer_report(&self, key: PeerKey, peer: &Peer) -> PeerReport {
        let claim = |(node, claim): (NodeId, &Claim)| ClaimReport {
            node,
            alias: claim.alias.clone(),
            version: claim.version,
            is_proven: claim.is_proven,
            is_owner: self.owner(node) == Some(claim),
        };
        PeerReport {
            peer: key,
            since: peer.since,
            heard_at: peer.heard_at,
            left_at: None,
            nodes: self.claims_of(key).map(claim).collect(),
        }
    }

    /// A connected peer, for people.
    pub(crate) fn report_of(&self, peer: PeerKey) -> Option<PeerReport> {
        self.peers.get(&peer).map(|known| self.peer_report(peer, known))
    }

    /// Whether a peer is connected.
    pub(crate) fn is_connected(&self, peer: PeerKey) -> bool {
        self.peers.contains_key(&peer)
    }

    /// Notes that a connected peer said something. Says whether it is the first time; `None` where
    /// it is not connected.
    pub(crate) fn hear(&mut self, now: Time, peer: PeerKey) -> Option<bool> {
        let known = self.peers.get_mut(&peer)?;
        Some(known.heard_at.replace(now).is_none())
    }

    /// Whether a peer has said anything since it is connected.
    pub(crate) fn has_spoken(&self, peer: PeerKey) -> bool {
        self.peers.get(&peer).is_some_and(|peer| peer.heard_at.is_some())
    }

    /// Lets a peer go. Returns the nodes that it spoke for.
    pub(crate) fn disconnect(&mut self, peer: PeerKey) -> Vec<NodeId> {
        let gone = self.peers.remove(&peer).unwrap_or_default();
        for node in &gone.nodes {
            self.forget(*node, |claim| claim.peer == peer);
        }
        gone.nodes
    }

    /// Whether a peer spoke for a node so short a time before `now` that it need not be told again
    /// what it knows.
    pub(crate) fn is_told_lately(&self, peer: PeerKey, node: NodeId, now: Time) -> bool {
        let claims = self.claims.get(&node);
        let claim = claims.and_then(|claims| claims.iter().find(|claim| claim.peer == peer));
        claim.is_some_and(|claim| now < claim.told_at + TOLD_AGAIN)
    }

    /// Takes in a peer's claim at `now`. Says whether anything about it is news.
    pub(crate) fn claim(
        &mut self,
        now: Time,
        peer: PeerKey,
        hello: &Hello,
    ) -> Result<bool, Distrust> {
        let Some(known) = self.peers.get_mut(&peer) else { return Ok(false) };
        if !known.nodes.contains(&hello.node) {
            if known.nodes.len() >= NODES_MAX {
                return Err(Distrust::TooMuch);
            }
            known.nodes.push(hello.node);
        }
        let is_lately = self.is_told_lately(peer, hello.node, now);
        let claims = self.claims.entry(hello.node).or_default();
        let older = claims.iter_mut().find(|other| other.peer == peer);
        let claim = Claim {
            told_at: older.as_ref().filter(|_| is_lately).map_or(now, |older| older.told_at),
            peer,
            alias: hello.alias.clone(),
            version: hello.version,
            is_proven: hello.proof.is_some(),
        };
        let is_news = match older {
            Some(older) => {
                let is_news = !older.says_the_same(&claim);
                *older = claim;
                is_news
            }
            None => {
                claims.push(claim);
                true
            }
        };
        // The sort is stable: among equals, the older stays in front.
        claims.sort_by_key(|claim| !claim.is_proven);
        Ok(is_news)
    }

    /// Forgets all claims to a node: it is one of ours. Returns who made them.
    pub(crate) fn disown(&mut self, node: NodeId) -> Vec<PeerKey> {
        let claims = self.claims.remove(&node).unwrap_or_default();
        claims.into_iter().map(|claim| claim.peer).collect()
    }

    /// Takes in a peer's rules for a channel.
    pub(crate) fn tell(&mut self, peer: PeerKey, policy: PeerPolicy) -> Result<(), Distrust> {
        let Some(known) = self.peers.get_mut(&peer) else { return Ok(()) };
        let is_new = !known.policies.contains_key(&policy.point);
        if is_new && known.policies.len() >= POLICIES_MAX {
            return Err(Distrust::TooMuch);
        }
        known.policies.insert(policy.point, policy);
        Ok(())
    }

    /// The nodes that a peer speaks for, or says it does.
    pub(crate) fn claims_of(&self, peer: PeerKey) -> impl Iterator<Item = (NodeId, &Claim)> {
        let nodes = self.peers.get(&peer).into_iter().flat_map(|known| &known.nodes);
        nodes.filter_map(move |node| {
            let claim = self.claims.get(node)?.iter().find(|claim| claim.peer == peer)?;
            Some((*node, claim))
        })
    }

    /// The nodes that anybody speaks for.
    pub(crate) fn claimed(&self) -> impl Iterator<Item = NodeId> {
        self.claims.keys().copied()
    }

    /// Their names, by whoever is believed to speak for them.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = &str> {
        self.claims.values().filter_map(|claims| claims.first()).map(|it| it.alias.as_str())
    }

    /// Who speaks for a node.
    pub(crate) fn owner(&self, node: NodeId) -> Option<&Claim> {
        self.claims.get(&node)?.first()
    }

    /// A peer's rules for a channel, as far as it told them.
    pub(crate) fn policy(&self, peer: PeerKey, point: ChannelPoint) -> Option<&PeerPolicy> {
        self.peers.get(&peer)?.policies.get(&point)
    }

    /// The connected peers.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerKey> {
        self.peers.keys().copied()
    }

    fn forget(&mut self, node: NodeId, is_gone: impl Fn(&Claim) -> bool) {
        if let Some(claims) = self.claims.get_mut(&node) {
            claims.retain(|claim| !is_gone(claim));
            if claims.is_empty() {
                self.claims.remove(&node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fixture::NODE_A;

    fn peer(n: u8) -> PeerKey {
        PeerKey::new([n; 32])
    }

    /// Peers 1 to 3, of which each in turn claims node A; `true` with a proof.
    fn roster(claims: &[(u8, bool)]) -> Roster {
        let mut roster = Roster::default();
        for n in 1..=3 {
            roster.connect(Time::default(), peer(n));
        }
        for (n, is_proven) in claims {
            let proof = is_proven.then(|| "signed".to_owned());
            let hello = Hello { node: NODE_A, alias: "a".to_owned(), version: Some(1), proof };
            roster.claim(Time::default(), peer(*n), &hello).expect("is no lie");
        }
        roster
    }

    fn owner(roster: &Roster) -> Option<PeerKey> {
        roster.owner(NODE_A).map(|claim| claim.peer)
    }

    #[test]
    fn the_older_claim_stays_and_a_proven_one_beats_it() {
        assert_eq!(owner(&roster(&[(1, false), (2, false)])), Some(peer(1)));
        assert_eq!(owner(&roster(&[(1, false), (2, true), (3, true)])), Some(peer(2)));
        assert_eq!(owner(&roster(&[(1, true), (2, true), (1, false)])), Some(peer(2)));
    }

    #[test]
    fn a_later_claim_takes_over_the_moment_that_the_older_peer_is_gone() {
        let mut roster = roster(&[(1, false), (2, false)]);
        assert_eq!(roster.disconnect(peer(1)), [NODE_A]);
        assert_eq!(owner(&roster), Some(peer(2)));
        roster.disconnect(peer(2));
        assert_eq!(owner(&roster), None);
    }

    #[test]
    fn a_peer_that_is_not_connected_claims_nothing() {
        assert_eq!(owner(&roster(&[(9, true)])), None);
    }

    #[test]
    fn nobody_speaks_for_more_nodes_than_anybody_needs() {
        let mut roster = roster(&[]);
        let mut claimed = 0..=u8::MAX;
        let refused = claimed.by_ref().find_map(|n| {
            let hello = |m: u8| Hello {
                node: NodeId::new([[n; 32].as_slice(), &[m]].concat().try_into().expect("33")),
                alias: String::new(),
                version: None,
                proof: None,
            };
            [0, 1].iter().find_map(|m| roster.claim(Time::default(), peer(1), &hello(*m)).err())
        });
        assert_eq!(refused, Some(Distrust::TooMuch));
        assert_eq!(claimed.next(), Some(129));
    }
}
