//! Meeting peers: who speaks for which node, what we say of ours, and the rules of both ends.
//!
//! What is asked and answered about payments is in [`super::request`].

use std::time::Duration;

use super::action::Action;
use super::event::{Heard, OwnNode};
use super::message::{Hello, Message, PeerPolicy};
use super::narrative::Narrative;
use super::policy::Policy;
use super::record::Pause;
use super::report::PeerReport;
use super::roster::Distrust;
use super::timer::Timer;
use super::{Core, refusal};
use crate::ids::{ChannelPoint, NodeId, PeerKey};
use crate::time::Time;

/// What we understand of our own additions to the original's messages.
const VERSION: u64 = 1;

/// How much is told of one peer in that time: more than any honest one gives cause for.
const TOLD_MAX: u32 = 30;
/// See there.
const TOLD_PERIOD: Duration = Duration::from_secs(60);
/// Of how many peers that is counted.
const TOLD_OF_MAX: usize = 1_024;

/// How much was told of a peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToldOf {
    since: Time,
    count: u32,
}

/// Who speaks for a node of the cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Party {
    /// This daemon does.
    Ours,
    /// A peer does.
    Peer {
        /// The peer.
        peer: PeerKey,
        /// What it understands of our additions; `None` for a legacy peer.
        version: Option<u64>,
    },
}

impl Core {
    /// Who speaks for a node; `None` where it is none of the cluster's, as far as we know.
    pub(super) fn party(&self, node: NodeId) -> Option<Party> {
        if self.nodes.contains_key(&node) || self.settings.own.contains(&node) {
            return Some(Party::Ours);
        }
        let claim = self.roster.owner(node)?;
        Some(Party::Peer { peer: claim.peer, version: claim.version })
    }

    /// The rules for `node`'s side of a channel: ours, or as far as its peer told them. `None`
    /// where they are to be told and have not come.
    pub(super) fn rules(&self, node: NodeId, point: ChannelPoint) -> Option<Policy> {
        match self.party(node)? {
            Party::Ours => Some(self.policy(node, point)),
            Party::Peer { version: None, .. } => Some(Policy::unknown()),
            Party::Peer { peer, version: Some(_) } => {
                self.roster.policy(peer, point).map(Policy::told)
            }
        }
    }

    /// Whether a peer said that its operator paused payments on a channel.
    pub(super) fn is_paused_by(&self, party: Party, point: ChannelPoint) -> bool {
        let Party::Peer { peer, .. } = party else { return false };
        self.roster.policy(peer, point).is_some_and(|policy| policy.is_paused)
    }

    /// The pause that holds for a payment between two nodes over a channel; of several, the one
    /// that ends last.
    pub(super) fn paused(&self, nodes: [NodeId; 2], point: ChannelPoint) -> Option<&Pause> {
        let end = |pause: &&Pause| pause.until.map_or(u64::MAX, Time::unix_ms);
        self.pauses_of(nodes, point).max_by_key(end)
    }

    /// The pauses that hold for a payment between two nodes over a channel.
    pub(super) fn pauses_of(
        &self,
        nodes: [NodeId; 2],
        point: ChannelPoint,
    ) -> impl Iterator<Item = &Pause> {
        let peer = nodes.iter().find_map(|node| match self.party(*node) {
            Some(Party::Peer { peer, .. }) => Some(peer),
            Some(Party::Ours) | None => None,
        });
        self.ledger.pauses_of(self.now, nodes, peer, point)
    }

    /// A peer is there: our nodes are announced to it.
    pub(super) fn peer_connected(&mut self, peer: PeerKey) {
        self.roster.connect(self.now, peer);
        let hellos: Vec<Message> = self.announced().map(hello).collect();
        self.say(&[peer], &hellos);
        self.timers.set_at_latest(Timer::Announce, self.now + self.settings.announce_interval);
    }

    /// A peer is gone: nobody speaks for its nodes, unless another peer does. What is open with
    /// it stays so until our nodes tell its end.
    pub(super) fn peer_disconnected(&mut self, peer: PeerKey, reason: String) {
        if self.roster.has_spoken(peer) && self.may_tell_of(peer) {
            self.narrate(Narrative::PeerDisconnected { remote_peer: peer, reason });
        }
        self.part_with(peer);
    }

    /// Forgets a peer that is gone: its offers, its claims, and what it was asked.
    fn part_with(&mut self, peer: PeerKey) {
        if let Some(report) = self.roster.report_of(peer) {
            self.absent.left(PeerReport { left_at: Some(self.now), ..report }, &self.views);
        }
        self.forget_offers_of(peer);
        self.withdraw_from(peer);
        for node in self.roster.disconnect(peer) {
            self.reconsider_with(node);
        }
    }

    /// Whether another entry about a peer may go into the event log, which it could else fill.
    pub(super) fn may_tell_of(&mut self, peer: PeerKey) -> bool {
        let now = self.now;
        if self.told_of.len() >= TOLD_OF_MAX && !self.told_of.contains_key(&peer) {
            self.told_of.retain(|_, told| now < told.since + TOLD_PERIOD);
        }
        let has_room = self.told_of.len() < TOLD_OF_MAX || self.told_of.contains_key(&peer);
        if !has_room {
            return false;
        }
        let told = self.told_of.entry(peer).or_insert(ToldOf { since: now, count: 0 });
        if told.since + TOLD_PERIOD <= now {
            *told = ToldOf { since: now, count: 0 };
        }
        told.count += 1;
        told.count <= TOLD_MAX
    }

    /// A peer said something.
    pub(super) fn heard(&mut self, heard: Heard) {
        let peer = heard.peer;
        match self.roster.hear(self.now, peer) {
            Some(true) if self.may_tell_of(peer) => {
                self.narrate(Narrative::PeerConnected { remote_peer: peer });
            }
            Some(_) => {}
            None => return,
        }
        match heard.message {
            Message::Hello(hello) => self.greeted(peer, &hello),
            Message::Policy(policy) => match self.roster.tell(peer, policy) {
                Ok(()) => drop(self.unsettled.insert(policy.point)),
                Err(reason) => self.drop_peer(peer, reason),
            },
            Message::PayInvoice(ref request) => self.requested(request.clone(), &heard),
            Message::PaymentResult(result) => self.answered(peer, &result, heard.evidence),
        }
    }

    /// A peer speaks for a node.
    fn greeted(&mut self, peer: PeerKey, hello: &Hello) {
        if self.party(hello.node) == Some(Party::Ours) {
            return self.drop_peer(peer, Distrust::ClaimsOurNode);
        }
        if self.settings.require_proof && hello.proof.is_none() {
            return self.drop_peer(peer, Distrust::Unproven);
        }
        let is_told = self.roster.is_told_lately(peer, hello.node, self.now);
        let is_news = match self.roster.claim(self.now, peer, hello) {
            Err(reason) => return self.drop_peer(peer, reason),
            Ok(is_news) => is_news,
        };
        self.absent.claimed(hello.node);
        let is_owner = self.roster.owner(hello.node).is_some_and(|it| it.peer == peer);
        if is_news {
            if self.may_tell_of(peer) {
                self.narrate(Narrative::PeerHello {
                    remote_peer: peer,
                    public_key: hello.node,
                    alias: hello.alias.clone(),
                    version: hello.version,
                    is_proven: hello.proof.is_some(),
                    is_owner,
                });
            }
            self.reconsider_with(hello.node);
        }
        if is_told || !is_owner {
            return;
        }
        // The peer may have lost what it was told, so it is told again.
        for point in self.views.points_with(hello.node) {
            self.told.remove(&point);
            self.unsettled.insert(point);
        }
    }

    /// One of our nodes answers: its claims by others are lies, and peers hear of it.
    pub(super) fn announce_node(&mut self, node: NodeId) {
        for peer in self.roster.disown(node) {
            self.drop_peer(peer, Distrust::ClaimsOurNode);
        }
        let message = self.connected(node).filter(|node| node.rebalances).map(hello);
        let peers: Vec<PeerKey> = self.roster.peers().collect();
        self.say(&peers, message.as_slice());
    }

    /// Announces all our nodes to all peers.
    pub(super) fn announce(&mut self) {
        let hellos: Vec<Message> = self.announced().map(hello).collect();
        let peers: Vec<PeerKey> = self.roster.peers().collect();
        if !peers.is_empty() {
            self.timers.set(Timer::Announce, self.now + self.settings.announce_interval);
        }
        self.say(&peers, &hellos);
    }

    /// Says all of `messages` to each of `peers`.
    fn say(&mut self, peers: &[PeerKey], messages: &[Message]) {
        for &peer in peers {
            let messages = messages.iter().cloned();
            self.actions.extend(messages.map(|message| Action::Send { peer, message }));
        }
    }

    /// Our nodes that others may speak with us about.
    fn announced(&self) -> impl Iterator<Item = &OwnNode> {
        let up = self.nodes.values().filter(|known| known.connected_at.is_some());
        up.map(|known| &known.node).filter(|node| node.rebalances)
    }

    /// Tells the peer at the other end our rules for a channel, unless it knows them.
    pub(super) fn tell_rules(&mut self, point: ChannelPoint, node: NodeId) {
        let Some(view) = self.views.of(point, node) else { return };
        let counterparty = view.channel.counterparty;
        let Some(Party::Peer { peer, version: Some(_) }) = self.party(counterparty) else { return };
        let rules = self.policy(node, point);
        let pause = self.paused([node, counterparty], point);
        let policy = PeerPolicy {
            point,
            balance_point: rules.balance_point,
            deadzone: rules.deadzone,
            payment_max: rules.payment_max,
            is_paused: pause.is_some(),
        };
        if let Some(until) = pause.and_then(|pause| pause.until) {
            self.timers.set_at_latest(Timer::Reconsider(point), until);
        }
        if self.told.get(&point) != Some(&(peer, policy)) {
            self.told.insert(point, (peer, policy));
            self.actions.push(Action::Send { peer, message: Message::Policy(policy) });
        }
    }

    /// Sends a peer away.
    pub(super) fn drop_peer(&mut self, peer: PeerKey, reason: Distrust) {
        let code = refusal::code(&reason);
        let (remote_peer, said) = (peer, reason.to_string());
        if self.may_tell_of(peer) {
            self.narrate(Narrative::PeerDropped { remote_peer, reason: said, code });
        }
        self.actions.push(Action::DropPeer { peer, reason });
        self.part_with(peer);
    }

    /// Looks again at all channels with a node of others.
    fn reconsider_with(&mut self, node: NodeId) {
        self.unsettled.extend(self.views.points_with(node));
    }
}

/// What peers are told of a node of ours.
fn hello(node: &OwnNode) -> Message {
    Message::Hello(Hello {
        node: node.id,
        alias: node.alias.clone(),
        version: Some(VERSION),
        proof: node.proof.clone(),
    })
}
