//! [`World`]: the whole network at one moment: chain, nodes, channels, and what is to come.
//!
//! > No method waits, reads a clock or is random but by the seed. Each is told the time, which
//! > never goes back; before it is called, all that was due must have been done, by
//! > [`World::step`]. The same calls at the same times lead to the same world.
//!
//! Whoever drives it looks after each step for [`Notice`]s, which say what has just changed. It
//! knows no gRPC: how the world looks to a client is the business of `server`.

mod arrivals;
pub(crate) mod chain;
pub(crate) mod channel;
pub(crate) mod fault;
pub(in crate::simnet) mod funding;
pub(crate) mod htlc;
pub(crate) mod invoice;
mod invoices;
pub(crate) mod node;
pub(crate) mod notice;
pub(crate) mod path;
pub(crate) mod payment;
mod payments;
mod peers;
pub(crate) mod random;
mod rounds;
#[cfg(test)]
mod tests;
pub(crate) mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ids::{ChannelPoint, NodeId, PaymentHash, Scid};
use crate::time::Time;

use chain::Chain;
use channel::{Channel, Side};
use fault::Fault;
use htlc::{Htlc, HtlcId};
use node::{LndVersion, Node};
use notice::Notice;
use random::Random;
use traffic::Traffic;

pub(crate) use funding::{CloseError, NewChannel, OpenError, Terms};
pub(crate) use invoices::InvoiceError;
pub(crate) use payments::PayError;

/// The network.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// The time of the last call.
    pub(crate) now: Time,
    /// The chain that all follow.
    pub(crate) chain: Chain,
    /// All nodes, also those that are down.
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    /// All channels that ever were.
    pub(crate) channels: BTreeMap<ChannelPoint, Channel>,
    /// Who is not connected to whom; all others are, while both are up.
    apart: BTreeSet<(NodeId, NodeId)>,
    /// Between whom HTLCs get no answer.
    stuck: BTreeSet<(NodeId, NodeId)>,
    /// What is to come, in order of time and then of when it was planned.
    agenda: BTreeMap<(Time, u64), Due>,
    /// What waits for a channel to be active again.
    paused: Vec<(ChannelPoint, Due)>,
    /// Counts what is planned and what is attempted.
    serial: u64,
    /// How many streams of traffic there are.
    streams: u64,
    seed: u64,
    random: Random,
    notices: Vec<Notice>,
}

/// Something that is to come.
#[derive(Clone, Debug)]
enum Due {
    /// An HTLC comes one stage further.
    Htlc(ChannelPoint, HtlcId),
    /// Its receiver decides.
    Arrival(ChannelPoint, HtlcId),
    /// Its offerer hears that it is settled.
    Heard(ChannelPoint, HtlcId),
    /// Its offerer hears that it has failed, which is in no commitment any more.
    GivenBack(ChannelPoint, HtlcId, Box<Htlc>),
    /// The ends of a channel have told each other that its funding is in a block.
    Ready(ChannelPoint),
    /// Two nodes have found each other again, or a node is up again.
    Reconnected(NodeId, NodeId),
    /// An invoice can be paid no more.
    Expiry(NodeId, PaymentHash),
    /// The other parts of a payment have not come.
    PartsMissing(NodeId, PaymentHash, ChannelPoint, HtlcId),
    /// The next attempt of a payment.
    Attempt(NodeId, PaymentHash),
    /// The next payment of a stream.
    Traffic(Traffic, Random),
}

impl World {
    /// A network without nodes.
    pub(crate) fn new(seed: u64, now: Time) -> Self {
        Self {
            now,
            chain: Chain::new(),
            nodes: BTreeMap::new(),
            channels: BTreeMap::new(),
            apart: BTreeSet::new(),
            stuck: BTreeSet::new(),
            agenda: BTreeMap::new(),
            paused: Vec::new(),
            serial: 0,
            streams: 0,
            seed,
            random: Random::new(seed),
            notices: Vec::new(),
        }
    }

    /// Adds a node, connected to all others, with money; an alias means the same node in each
    /// network of the same seed.
    pub(crate) fn add_node(&mut self, alias: &str, version: LndVersion) -> NodeId {
        let node = Node::new(self.seed, alias, version);
        let id = node.id;
        self.nodes.insert(id, node);
        id
    }

    /// When the next thing is to be done.
    pub(crate) fn due(&self) -> Option<Time> {
        self.agenda.first_key_value().map(|((at, _), _)| *at)
    }

    /// Does the first thing that is due at `now`; whether there was one.
    pub(crate) fn step(&mut self, now: Time) -> bool {
        let Some(entry) = self.agenda.first_entry() else { return false };
        let (at, _) = *entry.key();
        if at > now {
            return false;
        }
        let due = entry.remove();
        self.now = self.now.max(at);
        match due {
            Due::Htlc(channel, htlc) => self.advance(channel, htlc),
            Due::Arrival(channel, htlc) => self.arrive(channel, htlc),
            Due::Heard(channel, htlc) => self.hear(channel, htlc),
            Due::GivenBack(channel, id, htlc) => self.heard(channel, id, &htlc),
            Due::Ready(channel) => self.ready(channel),
            Due::Reconnected(one, other) => self.refresh_channels(one, other),
            Due::Expiry(node, hash) => self.expire(node, hash),
            Due::PartsMissing(node, hash, channel, htlc) => {
                self.give_up_on_parts(node, hash, channel, htlc);
            }
            Due::Attempt(node, hash) => self.attempt(node, hash),
            Due::Traffic(traffic, random) => self.flow(traffic, random),
        }
        true
    }

    /// What has changed since this was last called.
    pub(crate) fn drain_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Sets the time of what is done next.
    pub(crate) fn set_now(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// A node.
    pub(crate) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// What the clock of a node shows.
    pub(crate) fn clock(&self, id: NodeId) -> Time {
        self.node(id).map_or(self.now, |node| node.clock(self.now))
    }

    /// The node that gives itself this name.
    pub(crate) fn named(&self, alias: &str) -> Option<&Node> {
        self.nodes.values().find(|node| node.alias == alias)
    }

    /// All channels of a node, whatever their phase.
    pub(crate) fn channels_of(&self, node: NodeId) -> impl Iterator<Item = (&Channel, Side)> {
        self.channels.values().filter_map(move |it| it.side(node).map(|side| (it, side)))
    }

    /// The channel with this short id.
    pub(crate) fn channel_by_scid(&self, scid: Scid) -> Option<&Channel> {
        self.channels.values().find(|channel| channel.scid == Some(scid))
    }

    /// Has something be wrong with a node from here on.
    pub(crate) fn add_fault(&mut self, id: NodeId, fault: Fault) {
        let channels = || -> Vec<Channel> {
            self.channels.values().filter(|it| it.side(id).is_some()).cloned().collect()
        };
        if let Some(node) = self.nodes.get_mut(&id) {
            node.faults.add(fault, channels);
        }
    }

    /// Mends what is wrong with a node.
    pub(crate) fn mend_fault(&mut self, id: NodeId, fault: Fault) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.faults.mend(fault);
        }
    }

    /// Mends all that is wrong with a node, or with all of them, and between them.
    pub(crate) fn mend_all(&mut self, id: Option<NodeId>) {
        let is_meant = |it: NodeId| id.is_none_or(|id| id == it);
        for node in self.nodes.values_mut().filter(|node| is_meant(node.id)) {
            node.faults = fault::Faults::default();
        }
        let between = |pairs: &BTreeSet<(NodeId, NodeId)>| -> Vec<(NodeId, NodeId)> {
            pairs
                .iter()
                .copied()
                .filter(|(one, other)| is_meant(*one) || is_meant(*other))
                .collect()
        };
        for (one, other) in between(&self.stuck) {
            self.stick(one, other, false);
        }
        for (one, other) in between(&self.apart) {
            self.connect(one, other);
        }
    }

    /// Has something happen after `span`.
    fn plan(&mut self, span: Duration, due: Due) {
        self.serial += 1;
        self.agenda.insert((self.now + span, self.serial), due);
    }

    fn tell(&mut self, notice: Notice) {
        self.notices.push(notice);
    }
}
