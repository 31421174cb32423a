//! Two daemons: Alice's core and Bob's, each with a node of its own, who only hear each other.

mod abroad;
mod absent;
mod answers;
mod bands;
mod claims;
mod floods;
mod held;
mod names;
mod offers;
mod pauses;
mod settings;
mod waiting;
mod why;

use std::collections::VecDeque;

use super::*;
use crate::core::event::{Heard, Held};
use crate::core::message::{Hello, Message, PayInvoice, PaymentResult};
use crate::ids::{PeerKey, RebalanceId};
use crate::units::Sat;

/// One daemon with one node.
struct Daemon {
    core: Core,
    settings: Settings,
    key: PeerKey,
    node: (SecretKey, NodeId),
    alias: &'static str,
    log: Vec<Record>,
    can_hold: bool,
    /// Whose connections it wants kept.
    trusted: Vec<PeerKey>,
    /// What it wants done, but for records, narratives and messages.
    wanted: Vec<Action>,
}

/// Alice, Bob, and all that they say to each other.
struct Pair {
    now: Time,
    daemons: [Daemon; 2],
    invoices: u8,
    /// What was said, by whom, and not heard yet.
    said: VecDeque<(usize, Message)>,
    /// All that was said, in order.
    heard: Vec<(usize, Message)>,
}

const ALICE: usize = 0;
const BOB: usize = 1;

impl Daemon {
    fn new(n: u8, alias: &'static str, settings: Settings) -> Self {
        let core = Core::new(settings.clone(), Ledger::new(Duration::ZERO), START, [n; 32]);
        let key = PeerKey::new([n; 32]);
        let node = fixture::node(n);
        let (log, trusted, wanted) = (Vec::new(), Vec::new(), Vec::new());
        Self { core, settings, key, node, alias, log, can_hold: true, trusted, wanted }
    }
}

impl Pair {
    /// Both daemons, connected to their nodes and to each other, with one channel between them.
    fn new(alice: Settings, bob: Settings) -> Self {
        let mut pair = Self::apart(alice, bob);
        pair.meet();
        pair
    }

    /// The same, before they have met.
    fn apart(alice: Settings, bob: Settings) -> Self {
        let daemons = [Daemon::new(1, "alice", alice), Daemon::new(2, "bob", bob)];
        let (said, heard) = (VecDeque::new(), Vec::new());
        let mut pair = Self { now: START, daemons, invoices: 0, said, heard };
        for who in [ALICE, BOB] {
            pair.start(who);
        }
        pair
    }

    /// Starts a daemon on what is durable, as after a `kill -9`.
    fn start(&mut self, who: usize) {
        let daemon = &mut self.daemons[who];
        let mut ledger = Ledger::new(daemon.settings.limits.period_max());
        for record in &daemon.log {
            ledger.apply(record);
        }
        self.invoices += 1;
        daemon.core = Core::new(daemon.settings.clone(), ledger, self.now, [self.invoices; 32]);
        daemon.wanted.clear();
        let node = OwnNode {
            id: daemon.node.1,
            alias: daemon.alias.to_owned(),
            network: Network::Regtest,
            rebalances: true,
            can_hold: daemon.can_hold,
            proof: None,
        };
        self.tell(who, Event::Started);
        self.tell(who, Event::NodeConnected(node));
    }

    fn meet(&mut self) {
        for who in [ALICE, BOB] {
            let peer = self.daemons[1 - who].key;
            self.tell(who, Event::PeerConnected { peer });
        }
        self.talk();
    }

    fn part(&mut self) {
        self.said.clear();
        for who in [ALICE, BOB] {
            let (peer, reason) = (self.daemons[1 - who].key, "left".to_owned());
            self.tell(who, Event::PeerDisconnected { peer, reason });
        }
    }

    fn tell(&mut self, who: usize, event: Event) {
        let daemon = &mut self.daemons[who];
        for action in daemon.core.handle(self.now, event) {
            match action {
                Action::Record(record) => daemon.log.push(record),
                Action::Narrate(_) | Action::ReadForwarding { .. } => {}
                Action::TrustPeer { peer } => daemon.trusted.push(peer),
                Action::Send { message, .. } => self.said.push_back((who, message)),
                other => daemon.wanted.push(other),
            }
        }
    }

    /// Lets everything that was said be heard.
    fn talk(&mut self) {
        while let Some((from, message)) = self.said.pop_front() {
            self.heard.push((from, message.clone()));
            self.hear(1 - from, message);
        }
    }

    /// Lets `who` hear the other say `message`, as the wire reads it: no wait is longer than 1 h.
    fn hear(&mut self, who: usize, mut message: Message) {
        if let Message::PaymentResult(PaymentResult { retry_in: Some(wait), .. }) = &mut message {
            *wait = Duration::from_secs(3_600).min(*wait);
        }
        let (peer, sent_at, wall) = (self.daemons[1 - who].key, self.now, self.now);
        let evidence = None;
        self.tell(who, Event::Heard(Heard { peer, message, sent_at, wall, evidence }));
    }

    /// Both nodes list their channels: each the balance of Alice and of Bob, in sat.
    fn list(&mut self, updates: u64, channels: &[(u8, u64, u64)]) {
        for who in [ALICE, BOB] {
            let (node, channels) = (self.daemons[who].node.1, self.seen(who, updates, channels));
            self.tell(who, Event::ChannelsListed { node, with: None, channels });
        }
        self.talk();
    }

    /// The node of `who` answers the core's own question for a list.
    fn answer(&mut self, who: usize, updates: u64, channels: &[(u8, u64, u64)]) {
        let [node, with] = [who, 1 - who].map(|who| self.daemons[who].node.1);
        let channels = self.seen(who, updates, channels);
        self.tell(who, Event::ListAnswered { node, with, channels });
        self.talk();
    }

    /// The channels as the node of `who` sees them.
    fn seen(&self, who: usize, updates: u64, channels: &[(u8, u64, u64)]) -> Vec<Channel> {
        let counterparty = self.daemons[1 - who].node.1;
        let seen = channels.iter().map(|(n, alice, bob)| {
            let (local, remote) = if who == ALICE { (*alice, *bob) } else { (*bob, *alice) };
            Channel { updates, counterparty, ..fixture::channel(*n, local, remote) }
        });
        seen.collect()
    }

    /// Makes the invoice that `who` asked its node for, if it did.
    fn invoice(&mut self, who: usize) -> bool {
        self.invoice_with(who, |_| {})
    }

    fn invoice_with(&mut self, who: usize, change: impl FnOnce(&mut Wanted)) -> bool {
        let is_wanted = self.make_invoice(who, change);
        self.talk();
        is_wanted
    }

    /// The same, and lets nothing be heard that is said about it.
    fn make_invoice(&mut self, who: usize, change: impl FnOnce(&mut Wanted)) -> bool {
        let daemon = &mut self.daemons[who];
        let place = daemon.wanted.iter().position(|it| matches!(it, Action::CreateInvoice { .. }));
        let Some(Action::CreateInvoice { rebalance, amount, memo, .. }) =
            place.map(|place| daemon.wanted.remove(place))
        else {
            return false;
        };
        self.invoices += 1;
        let mut wanted = Wanted::new(daemon.node.0, &memo, amount, self.now);
        wanted.preimage = self.invoices;
        change(&mut wanted);
        let (invoice, wall) = (wanted.text(), self.now);
        self.tell(who, Event::InvoiceCreated { rebalance, invoice, wall });
        true
    }

    /// The payments that `who` has sent, with their amounts in sat.
    fn paid(&self, who: usize) -> Vec<(PaymentHash, u64)> {
        let wanted = self.daemons[who].wanted.iter();
        wanted.filter_map(|action| payment(std::slice::from_ref(action))).collect()
    }

    /// The last payment of `payer` arrives, over channel `over`, and both nodes say so.
    fn settle(&mut self, payer: usize, over: u64) {
        let (hash, sat) = self.paid(payer).pop().expect("a payment");
        self.tell(payer, Event::PaymentUpdated { hash, outcome: Outcome::Settled });
        let end = InvoiceEnd::Settled {
            paid: Msat::new(sat * 1000),
            over: vec![crate::ids::Scid::new(over)],
        };
        self.tell(1 - payer, Event::InvoiceEnded { hash, end });
        self.talk();
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        for who in [ALICE, BOB] {
            self.tell(who, Event::Woken);
        }
        self.talk();
    }

    /// Names of what a daemon wants done.
    fn wants(&self, who: usize) -> Vec<String> {
        names(&self.daemons[who].wanted)
    }

    /// Names of a daemon's records.
    fn records(&self, who: usize) -> Vec<String> {
        self.daemons[who].log.iter().map(|record| first_word(&record.entry)).collect()
    }

    /// Why a daemon's side of its only channel rests.
    fn rest(&self, who: usize) -> String {
        let side = self.daemons[who].core.sides().next().expect("a watched channel");
        side.rest.map(ToString::to_string).unwrap_or_default()
    }

    /// A third peer is connected to `who`, and says this.
    fn meets(&mut self, who: usize, n: u8, message: Message) {
        let (peer, sent_at, wall) = (PeerKey::new([n; 32]), self.now, self.now);
        self.tell(who, Event::PeerConnected { peer });
        let evidence = None;
        self.tell(who, Event::Heard(Heard { peer, message, sent_at, wall, evidence }));
    }

    /// A good request of `payee` to the other one, over the `n`th channel.
    fn request_of(
        &self,
        payee: usize,
        n: u8,
        rebalance: RebalanceId,
        sat: u64,
        preimage: u8,
    ) -> PayInvoice {
        let memo = format!("tightrope rebalance {} {rebalance}", fixture::point(n));
        let (key, paid_to) = self.daemons[payee].node;
        let mut wanted = Wanted::new(key, &memo, Sat::new(sat).msat(), self.now);
        wanted.preimage = preimage;
        PayInvoice {
            invoice: wanted.text(),
            tokens: Some(Sat::new(sat)),
            scid: None,
            point: Some(fixture::point(n)),
            paid_to,
            paid_by: self.daemons[1 - payee].node.1,
            rebalance: Some(rebalance),
        }
    }

    /// How many requests `who` has made.
    fn requests(&self, who: usize) -> usize {
        let is_its = |(from, message): &&(usize, Message)| {
            *from == who && matches!(message, Message::PayInvoice(_))
        };
        self.heard.iter().filter(is_its).count()
    }

    /// The hash of the invoice that Alice offered last.
    fn offered(&self) -> PaymentHash {
        let mut bills = self.daemons[ALICE].log.iter().rev().filter_map(|it| match &it.entry {
            Entry::InvoiceCreated(_, bill) => Some(bill.hash),
            _ => None,
        });
        bills.next().expect("an invoice")
    }

    /// The last result that `who` gave.
    fn result(&self, who: usize) -> PaymentResult {
        let results = self.heard.iter().rev().filter(|(from, _)| *from == who);
        let mut results = results.filter_map(|(_, message)| match message {
            Message::PaymentResult(result) => Some(result.clone()),
            _ => None,
        });
        results.next().expect("a result")
    }
}

/// What a peer says of itself that speaks for `node`.
fn hello(node: NodeId, version: Option<u64>, proof: Option<&str>) -> Message {
    let (alias, proof) = ("a node".to_owned(), proof.map(ToOwned::to_owned));
    Message::Hello(Hello { node, alias, version, proof })
}

/// Settings with this balance point and deadzone in percent, and no wait between payments.
fn band(balance_point: u32, deadzone: u32) -> Settings {
    let share = |percent: u32| crate::units::Ppm::new(percent * 10_000).expect("a percentage");
    let base = Policy {
        balance_point: share(balance_point),
        deadzone: share(deadzone),
        pause_min: Duration::ZERO,
        ..Policy::default()
    };
    Settings { limits: Limits::new(base, Vec::new()), ..Settings::default() }
}
