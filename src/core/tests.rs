//! The core as a whole: two of our nodes, a log, and a script of events.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one action among many")]

mod caps;
mod lifecycle;
mod peers;
mod pending;
mod refusals;
mod settings;
mod unknown;

use std::time::Duration;

use bitcoin::secp256k1::SecretKey;

use super::Core;
use super::action::Action;
use super::channel::{Channel, Htlc};
use super::event::{Event, InvoiceEnd, OwnNode};
use super::fixture::{self, Wanted};
use super::invoice::Network;
use super::ledger::Ledger;
use super::outcome::Outcome;
use super::policy::{Limits, Policy, Settings};
use super::record::{Entry, Record};
use crate::ids::{NodeId, PaymentHash};
use crate::time::Time;
use crate::units::Msat;

/// The wall clock and the core's agree here, at a whole second.
const START: Time = Time::from_unix_ms(1_800_000_000_000);

/// Alice and Bob, both ours, and the core that keeps their channels.
struct World {
    core: Core,
    now: Time,
    settings: Settings,
    alice: (SecretKey, NodeId),
    bob: (SecretKey, NodeId),
    /// What became durable, in order.
    log: Vec<Record>,
    /// Makes every invoice's preimage another.
    invoices: u8,
}

/// Settings without a wait between payments, and otherwise the defaults.
fn settings() -> Settings {
    let base = Policy { pause_min: Duration::ZERO, ..Policy::default() };
    let limits = Limits::new(base, Vec::new());
    Settings { limits, ..Settings::default() }
}

impl World {
    fn new(settings: Settings) -> Self {
        let mut world = Self {
            core: Core::new(settings.clone(), Ledger::new(Duration::ZERO), START, [0; 32]),
            now: START,
            settings,
            alice: fixture::node(1),
            bob: fixture::node(2),
            log: Vec::new(),
            invoices: 0,
        };
        world.restart();
        world
    }

    /// Starts a new core on what is durable, as after a `kill -9`, and connects both nodes.
    fn restart(&mut self) -> Vec<Action> {
        let mut ledger = Ledger::new(self.settings.limits.period_max());
        for record in &self.log {
            ledger.apply(record);
        }
        self.core = Core::new(self.settings.clone(), ledger, self.now, [self.invoices; 32]);
        let mut actions = self.tell(Event::Started);
        for (id, alias) in [(self.alice.1, "alice"), (self.bob.1, "bob")] {
            actions.extend(self.connect(id, alias, true));
        }
        actions
    }

    fn connect(&mut self, id: NodeId, alias: &str, rebalances: bool) -> Vec<Action> {
        let alias = alias.to_owned();
        self.tell(Event::NodeConnected(OwnNode {
            id,
            alias,
            network: Network::Regtest,
            rebalances,
            can_hold: true,
            proof: None,
        }))
    }

    /// Tells the core, and keeps what it wants remembered. Holds it to the write-ahead rule.
    fn tell(&mut self, event: Event) -> Vec<Action> {
        let batch = self.core.handle(self.now, event);
        for action in &batch {
            match action {
                Action::Record(record) => self.log.push(record.clone()),
                Action::Pay(authorized) => {
                    let intents = self.intents(authorized.hash());
                    assert_eq!(intents, 1, "a payment without exactly one intent before it");
                }
                _ => {}
            }
        }
        batch
    }

    fn intents(&self, of: PaymentHash) -> usize {
        let intended = self
            .log
            .iter()
            .filter(|it| matches!(&it.entry, Entry::PaymentIntended(_, bill) if bill.hash == of));
        intended.count()
    }

    fn pass(&mut self, seconds: u64) -> Vec<Action> {
        self.now = self.now + Duration::from_secs(seconds);
        self.tell(Event::Woken)
    }

    /// The `n`th channel as both sees it: Alice's balance, Bob's, in sat.
    fn views(&self, n: u8, alice: u64, bob: u64) -> [(NodeId, Channel); 2] {
        let (a, b) = (self.alice.1, self.bob.1);
        let view = |counterparty, local, remote| Channel {
            counterparty,
            ..fixture::channel(n, local, remote)
        };
        [(a, view(b, alice, bob)), (b, view(a, bob, alice))]
    }

    /// Both nodes list their channels with these balances in sat, all at the same `updates`.
    fn list(&mut self, updates: u64, channels: &[(u8, u64, u64)]) -> Vec<Action> {
        let mut actions = Vec::new();
        for side in [0, 1] {
            let seen: Vec<(NodeId, Channel)> = channels
                .iter()
                .map(|(n, alice, bob)| self.views(*n, *alice, *bob)[side].clone())
                .collect();
            let node = [self.alice.1, self.bob.1][side];
            let channels = seen.into_iter().map(|(_, view)| Channel { updates, ..view }).collect();
            actions.extend(self.tell(Event::ChannelsListed { node, with: None, channels }));
        }
        actions
    }

    /// Both nodes tell of one channel.
    fn update(&mut self, updates: u64, n: u8, alice: u64, bob: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        for (node, view) in self.views(n, alice, bob) {
            let channel = Channel { updates, ..view };
            actions.extend(self.tell(Event::ChannelUpdated { node, channel }));
        }
        actions
    }

    /// Both nodes tell of one channel with `sat` of Bob's on their way to Alice.
    fn in_flight(
        &mut self,
        updates: u64,
        n: u8,
        alice: u64,
        bob: u64,
        hash: PaymentHash,
        sat: u64,
    ) {
        for (node, view) in self.views(n, alice, bob) {
            let is_incoming = node == self.alice.1;
            let htlcs = vec![Htlc { is_incoming, amount: Msat::new(sat * 1000), hash }];
            let capacity = view.capacity.saturating_add(Msat::new(sat * 1000));
            let channel = Channel { updates, htlcs, capacity, ..view };
            self.tell(Event::ChannelUpdated { node, channel });
        }
    }

    /// Both nodes answer the core's own question for a list.
    fn answer(&mut self, updates: u64, channels: &[(u8, u64, u64)]) -> Vec<Action> {
        let mut actions = Vec::new();
        for side in [0, 1] {
            let seen = channels.iter().map(|(n, alice, bob)| {
                let (_, view) = self.views(*n, *alice, *bob)[side].clone();
                Channel { updates, ..view }
            });
            let channels = seen.collect();
            let [node, with] =
                if side == 0 { [self.alice.1, self.bob.1] } else { [self.bob.1, self.alice.1] };
            actions.extend(self.tell(Event::ListAnswered { node, with, channels }));
        }
        actions
    }

    /// Makes the invoice that the core asks for in `actions`, as its node would; `change` makes
    /// it another one.
    fn invoice(&mut self, actions: &[Action], change: impl FnOnce(&mut Wanted)) -> Vec<Action> {
        let asked = actions.iter().find_map(|action| match action {
            Action::CreateInvoice { rebalance, node, amount, memo, .. } => {
                Some((*rebalance, *node, *amount, memo.clone()))
            }
            _ => None,
        });
        let (rebalance, node, amount, memo) = asked.expect("an invoice is asked for");
        let key = if node == self.alice.1 { self.alice.0 } else { self.bob.0 };
        self.invoices += 1;
        let mut wanted = Wanted::new(key, &memo, amount, self.now);
        wanted.preimage = self.invoices;
        change(&mut wanted);
        let invoice = wanted.text();
        self.tell(Event::InvoiceCreated { rebalance, invoice, wall: self.now })
    }

    /// Drifts the first channel so that Alice is poor, and pays what she asks until it is in
    /// flight.
    fn pay_once(&mut self) -> PaymentHash {
        let hash = self.send_once();
        self.in_flight(11, 1, 200_000, 500_000, hash, 300_000);
        hash
    }

    /// The same, as far as to `Pay`.
    fn send_once(&mut self) -> PaymentHash {
        let asked = self.list(10, &[(1, 200_000, 800_000)]);
        let paid = self.invoice(&asked, |_| {});
        payment(&paid).expect("a payment").0
    }

    /// Both nodes say that the payment arrived.
    fn settle(&mut self, hash: PaymentHash) -> Vec<Action> {
        let mut actions = self.outcome(hash, Outcome::Settled);
        let end = InvoiceEnd::Settled { paid: Msat::MAX, over: Vec::new() };
        actions.extend(self.tell(Event::InvoiceEnded { hash, end }));
        actions
    }

    fn outcome(&mut self, hash: PaymentHash, outcome: Outcome) -> Vec<Action> {
        self.tell(Event::PaymentUpdated { hash, outcome })
    }
}

/// The payment among `actions`: its hash and its amount in sat.
fn payment(actions: &[Action]) -> Option<(PaymentHash, u64)> {
    actions.iter().find_map(|action| match action {
        Action::Pay(authorized) => Some((authorized.hash(), authorized.amount().sat().sat())),
        _ => None,
    })
}

/// What is asked for among `actions`, in sat.
fn asked(actions: &[Action]) -> Vec<u64> {
    let asked = actions.iter().filter_map(|action| match action {
        Action::CreateInvoice { amount, .. } => Some(amount.sat().sat()),
        _ => None,
    });
    asked.collect()
}

/// The records and effects among `actions`, by name, in order.
fn names(actions: &[Action]) -> Vec<String> {
    let name = |action: &Action| match action {
        Action::Narrate(_) => None,
        Action::Record(record) => Some(first_word(&record.entry)),
        other => Some(first_word(other)),
    };
    actions.iter().filter_map(name).collect()
}

fn first_word(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// The code of the refusal or cause that the last failed attempt in the log ended with.
fn last_failure(log: &[Record]) -> String {
    let cause = log.iter().rev().find_map(|record| match &record.entry {
        Entry::RebalanceFailed(_, _, cause) => Some(serde_json::to_value(cause).unwrap()),
        _ => None,
    });
    let cause = cause.expect("a failed attempt");
    let code = cause["refusal"]["code"].as_str().or_else(|| cause["cause"].as_str());
    code.expect("a code").to_owned()
}
