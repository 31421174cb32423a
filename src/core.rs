//! The core: what Tightrope decides, as a pure function of what happened.
//!
//! > [`Core::handle`] is total: it returns, never fails, never waits, never reads a clock, a file
//! > or a random number, and gives the same actions for the same history. `now` never goes back.
//! > The caller begins the actions in order, and a `Record` is durable before the next begins.
//!
//! The caller's loop: wait for an event or for [`Core::next_deadline`]; call `handle`; hand the
//! batch's records to the log and perform the rest once they are durable; repeat. What the core
//! must know after a restart it learns from its own records alone ([`ledger::Ledger`]).
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod absent;
pub mod action;
mod answer;
pub mod authorize;
mod budget;
pub mod channel;
pub mod decide;
pub mod event;
pub mod find;
#[cfg(test)]
pub(crate) mod fixture;
mod held;
pub mod invoice;
pub mod ledger;
mod mend;
pub mod message;
pub mod narrative;
pub mod outcome;
mod payment;
mod peer;
mod plan;
pub mod policy;
pub mod rebalance;
pub mod record;
pub mod refusal;
pub mod report;
mod request;
pub mod roster;
mod side;
#[cfg(test)]
mod tests;
pub mod timer;
mod view;
mod watch;
mod why;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter;

use sha2::{Digest, Sha256};

use self::absent::Absent;
use self::action::Action;
use self::answer::{Ask, Unanswered};
use self::authorize::Offer;
use self::channel::{Channel, Forwarding};
use self::event::{Event, Held, OwnNode};
use self::ledger::{Ledger, Rebalance};
use self::message::PeerPolicy;
use self::narrative::Narrative;
use self::payment::Tracking;
use self::peer::ToldOf;
use self::policy::{Policy, Settings};
use self::record::{Attempt, Entry, Pause, Record, Scope};
use self::roster::Roster;
use self::side::Side;
use self::timer::{Timer, Timers};
use self::view::{Bounds, Views};
use crate::ids::{ChannelPoint, NodeId, PaymentHash, PeerKey, RebalanceId, Scid};
use crate::time::Time;

/// The state machine. One value, owned by one loop.
#[derive(Debug)]
pub struct Core {
    now: Time,
    settings: Settings,
    /// Names rebalances; comes from outside, since the core has no randomness.
    seed: [u8; 32],
    /// How many rebalances were named.
    named: u64,
    /// Our nodes, as far as they have ever answered.
    nodes: BTreeMap<NodeId, Known>,
    views: Views,
    ledger: Ledger,
    /// The channels between two of our nodes, and those two.
    watched: BTreeMap<ChannelPoint, [NodeId; 2]>,
    sides: BTreeMap<(ChannelPoint, NodeId), Side>,
    /// Offers that wait for HTLCs in flight, at most one for each channel.
    offers: BTreeMap<ChannelPoint, Offer>,
    /// Invoices that the records left open, until their node answers.
    left_open: BTreeSet<PaymentHash>,
    /// Payments whose outcome is unknown and asked for.
    tracked: BTreeMap<PaymentHash, Tracking>,
    roster: Roster,
    /// Our rules for a channel as a peer was last told them.
    told: BTreeMap<ChannelPoint, (PeerKey, PeerPolicy)>,
    /// What is known of the requests that open attempts of ours put to peers.
    asks: BTreeMap<PaymentHash, Ask>,
    /// Attempts that ended before their payer, a peer, said anything; the oldest first.
    unanswered: VecDeque<Unanswered>,
    /// What nodes hold that have not listed their channels.
    held: BTreeMap<PaymentHash, Held>,
    /// What arrived at nodes that have not listed their channels: the ways are yet to be looked at.
    unlooked: Vec<(Attempt, PaymentHash, Vec<Scid>)>,
    /// Attempts whose held invoice may stand and that nobody knows of, until their node answers.
    abandoned: Vec<Attempt>,
    /// Who is away, for people.
    absent: Absent,
    /// How much was told of each peer lately.
    told_of: BTreeMap<PeerKey, ToldOf>,
    timers: Timers,
    /// Whether nothing new is to be begun.
    is_stopping: bool,
    /// Channels to look at before the batch ends.
    unsettled: BTreeSet<ChannelPoint>,
    /// The batch being made.
    actions: Vec<Action>,
}

/// One of our nodes.
#[derive(Debug)]
struct Known {
    node: OwnNode,
    /// Since when it answers; `None` while it does not.
    connected_at: Option<Time>,
    /// Whether it has listed all its channels since.
    has_listed: bool,
}

impl Core {
    /// A core that knows what `ledger` remembers. Its clock starts at `now`, or at the newest
    /// record where that is later.
    pub fn new(settings: Settings, ledger: Ledger, now: Time, seed: [u8; 32]) -> Self {
        Self {
            now: now.max(ledger.newest()),
            settings,
            seed,
            named: 0,
            nodes: BTreeMap::new(),
            views: Views::default(),
            ledger,
            watched: BTreeMap::new(),
            sides: BTreeMap::new(),
            offers: BTreeMap::new(),
            left_open: BTreeSet::new(),
            tracked: BTreeMap::new(),
            roster: Roster::default(),
            told: BTreeMap::new(),
            asks: BTreeMap::new(),
            unanswered: VecDeque::new(),
            held: BTreeMap::new(),
            unlooked: Vec::new(),
            abandoned: Vec::new(),
            absent: Absent::default(),
            told_of: BTreeMap::new(),
            timers: Timers::default(),
            is_stopping: false,
            unsettled: BTreeSet::new(),
            actions: Vec::new(),
        }
    }

    /// Takes in what happened, and returns what is to be done about it, in order.
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        self.take_in(event);
        while let Some(timer) = self.timers.take_due(self.now) {
            self.wake(timer);
        }
        while let Some(point) = self.unsettled.pop_first() {
            self.consider(point);
        }
        std::mem::take(&mut self.actions)
    }

    /// When the core wants to be woken, and why.
    pub fn next_deadline(&self) -> Option<(Time, Timer)> {
        self.timers.next()
    }

    /// Whether nothing is under way that a node which answers may still end.
    pub fn is_at_rest(&self) -> bool {
        let is_up = |node| self.connected(node).is_some();
        let mut payees = self.ledger.rebalances.values().map(|open| open.attempt().paid_to);
        let mut payers = self.ledger.payments.values().map(|open| open.attempt.paid_by);
        self.offers.is_empty() && !payees.any(is_up) && !payers.any(is_up)
    }

    /// How many payments are on their way, or may be.
    pub fn open_payments(&self) -> usize {
        self.ledger.payments.len()
    }

    /// How many peers are connected.
    pub fn peers(&self) -> usize {
        self.roster.peers().count()
    }

    /// How many channels are kept in balance.
    pub fn watched(&self) -> usize {
        self.watched.len()
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Started => self.begin(),
            Event::NodeConnected(node) => self.connect(node),
            Event::NodeDisconnected { node } => self.disconnect(node),
            Event::ChannelsListed { node, with, channels } => {
                let is_answer = with.is_none() && self.is_first_list(node);
                self.observe_list(node, with, channels, is_answer);
            }
            Event::ListAnswered { node, with, channels } => {
                self.observe_list(node, Some(with), channels, true);
            }
            Event::ChannelUpdated { node, channel } => self.observe_update(node, channel),
            Event::ForwardingRead { node, point, forwarding } => {
                self.bound(node, point, forwarding);
            }
            Event::InvoiceCreated { rebalance, invoice, wall } => {
                self.invoiced(rebalance, invoice, wall);
            }
            Event::InvoiceNotCreated { rebalance, error } => self.not_invoiced(rebalance, error),
            Event::InvoiceHeld { hash, held } => self.invoice_held(hash, held),
            Event::InvoiceEnded { hash, end } => self.invoice_ended(hash, &end),
            Event::PaymentUpdated { hash, outcome } => self.payment_updated(hash, outcome),
            Event::PeerConnected { peer } => self.peer_connected(peer),
            Event::PeerDisconnected { peer, reason } => self.peer_disconnected(peer, reason),
            Event::Heard(heard) => self.heard(heard),
            Event::PauseAsked(pause) => self.pause(pause),
            Event::ResumeAsked(scope) => self.resume(scope),
            Event::SettingsChanged(settings) => self.change(settings),
            Event::Woken => {}
            Event::Stopping => self.stop(),
        }
    }

    fn wake(&mut self, timer: Timer) {
        match timer {
            Timer::Reconsider(point) => {
                self.unsettled.insert(point);
            }
            Timer::Announce => self.announce(),
            Timer::OfferWaited(point) => self.give_up_waiting(point),
            Timer::Track(hash) => self.track(hash),
            Timer::SnapshotMissing(point) => self.list_sides(point),
        }
    }

    fn connect(&mut self, node: OwnNode) {
        let id = node.id;
        self.narrate(Narrative::LightningConnected { public_key: id, alias: node.alias.clone() });
        let known = Known { node, connected_at: Some(self.now), has_listed: false };
        self.nodes.insert(id, known);
        self.absent.returned(id);
        self.views.forget(id);
        self.announce_node(id);
        self.resume_watching(id);
        self.resume_tracking(id);
        self.reconsider_all();
    }

    fn disconnect(&mut self, node: NodeId) {
        let Some(known) = self.nodes.get_mut(&node) else { return };
        if known.connected_at.take().is_none() {
            return;
        }
        self.remember(node);
        self.views.forget(node);
        self.narrate(Narrative::LightningDisconnect { public_key: node });
        self.reconsider_all();
    }

    /// Whether the list of all channels that came is a node's first since it connected: such a
    /// list is newer than all that was settled before.
    fn is_first_list(&mut self, node: NodeId) -> bool {
        let known = self.nodes.get_mut(&node).filter(|known| known.connected_at.is_some());
        known.is_some_and(|known| !std::mem::replace(&mut known.has_listed, true))
    }

    /// Takes in a list. `is_answer` says that it is newer than all that was settled before.
    fn observe_list(
        &mut self,
        node: NodeId,
        with: Option<NodeId>,
        channels: Vec<Channel>,
        is_answer: bool,
    ) {
        if self.connected(node).is_none() {
            return;
        }
        let named = self.views.list(node, with, channels);
        for point in &named {
            let view = self.views.of(*point, node);
            if let (Some(side), Some(view)) = (self.sides.get_mut(&(*point, node)), view) {
                if is_answer {
                    side.observe_answer(&view.channel);
                } else {
                    side.observe(&view.channel);
                }
            }
            self.unsettled.insert(*point);
        }
        self.let_go(node, with, &named);
        if with.is_none() {
            self.absent.listed(node);
            let views = &self.views;
            self.sides
                .retain(|(point, owner), _| *owner != node || views.of(*point, node).is_some());
            self.judge_held(node);
            self.look_at_the_ways(node);
        }
    }

    fn observe_update(&mut self, node: NodeId, channel: Channel) {
        let point = channel.point;
        if self.connected(node).is_none() || !self.views.update(node, channel) {
            return;
        }
        let view = self.views.of(point, node);
        if let (Some(side), Some(view)) = (self.sides.get_mut(&(point, node)), view) {
            side.observe(&view.channel);
        }
        self.unsettled.insert(point);
    }

    fn bound(&mut self, node: NodeId, point: ChannelPoint, forwarding: Forwarding) {
        self.views.bound(node, point, Bounds::Read(forwarding));
        self.unsettled.insert(point);
    }

    fn pause(&mut self, pause: Pause) {
        if let Some(until) = pause.until {
            for point in self.watched.keys() {
                self.timers.set_at_latest(Timer::Reconsider(*point), until);
            }
        }
        self.tell_paused(&pause);
        self.record(Entry::Paused(pause));
        self.reconsider_all();
    }

    fn tell_paused(&mut self, pause: &Pause) {
        let (place, until, reason) = (pause.scope.into(), pause.until, pause.reason.clone());
        self.narrate(Narrative::PaymentsPaused { place, until, reason });
    }

    /// Takes up what the records left open, and says what they paused.
    fn begin(&mut self) {
        let pauses: Vec<Pause> = self.ledger.pauses(self.now).cloned().collect();
        for pause in &pauses {
            self.tell_paused(pause);
        }
        self.recover();
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        self.reconsider_all();
    }

    /// Goes by other settings. Whoever changes them has asked [`Self::remembers_enough_for`] them;
    /// should it not have, the old ones stay, for no cap may count less than was paid.
    fn change(&mut self, settings: Settings) {
        let is_counted = self.remembers_enough_for(&settings);
        debug_assert!(is_counted, "settings that count further back than is remembered");
        if is_counted {
            self.settings = settings;
            self.reconsider_all();
        }
    }

    /// Whether what is remembered of past payments reaches back as far as these limits count. Asked
    /// before [`Event::SettingsChanged`], which does nothing where it is not so.
    pub fn remembers_enough_for(&self, settings: &Settings) -> bool {
        self.ledger.budget.covers(settings.limits.period_max())
    }

    fn resume(&mut self, scope: Scope) {
        self.narrate(Narrative::PaymentsResumed { place: scope.into() });
        self.record(Entry::Resumed(scope));
        self.reconsider_all();
    }

    /// Asks both sides of a channel for a list that shows what settled.
    fn list_sides(&mut self, point: ChannelPoint) {
        let sides: Vec<(NodeId, NodeId)> =
            self.views.sides(point).map(|(node, view)| (node, view.channel.counterparty)).collect();
        for (node, with) in sides {
            let side = self.sides.entry((point, node)).or_default();
            if side.awaits_snapshot() {
                let wait = side.list_asked();
                self.actions.push(Action::ListChannels { node, with });
                self.timers.set_at_latest(Timer::SnapshotMissing(point), self.now + wait);
            }
        }
    }

    fn reconsider_all(&mut self) {
        for node in self.nodes.keys() {
            self.unsettled.extend(self.views.points_of(*node));
        }
    }

    /// Whether a node answers and has listed all its channels.
    fn has_listed(&self, node: NodeId) -> bool {
        let known = self.nodes.get(&node);
        known.is_some_and(|known| known.connected_at.is_some() && known.has_listed)
    }

    /// The node, if it is ours and answers.
    fn connected(&self, node: NodeId) -> Option<&OwnNode> {
        let known = self.nodes.get(&node)?;
        known.connected_at.map(|_| &known.node)
    }

    /// The rules for `node`'s side of a channel.
    fn policy(&self, node: NodeId, point: ChannelPoint) -> Policy {
        self.settings.limits.of_channel(self.alias(node), &self.scids(point))
    }

    fn alias(&self, node: NodeId) -> &str {
        self.nodes.get(&node).map_or("", |known| &known.node.alias)
    }

    /// Every id that either side knows the channel by.
    fn scids(&self, point: ChannelPoint) -> Vec<Scid> {
        let channels = self.views.sides(point).map(|(_, view)| &view.channel);
        channels
            .flat_map(|channel| iter::once(channel.scid).chain(channel.other_scids.iter().copied()))
            .collect()
    }

    /// Remembers `entry`: in the ledger at once, and in the log before any later action.
    fn record(&mut self, entry: Entry) {
        let record = Record { at: self.now, entry };
        self.ledger.apply(&record);
        self.actions.push(Action::Record(record));
    }

    fn narrate(&mut self, narrative: Narrative) {
        self.actions.push(Action::Narrate(narrative));
    }

    /// A name that no other rebalance has.
    fn name_rebalance(&mut self) -> RebalanceId {
        self.named += 1;
        let digest = Sha256::new().chain_update(self.seed).chain_update(self.named.to_be_bytes());
        let [name @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _]: [u8; 32] =
            digest.finalize().into();
        RebalanceId::new(name)
    }
}
