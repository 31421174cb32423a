//! The golden status: what a core reports that was led to each state by events and records.
//!
//! The commands' own tests show it. The daemon's head above it is written by hand; that it is
//! filled in rightly is tested where the daemon is.

use std::collections::BTreeSet;
use std::time::Duration;

use expect_test::expect_file;
use serde_json::Value;
use tightrope::control::{LogStatus, SlotStatus, Status, SwarmStatus};
use tightrope::core::Core;
use tightrope::core::channel::{Channel, Commitment, Constraints};
use tightrope::core::event::{Event, Heard, OwnNode};
use tightrope::core::invoice::Network;
use tightrope::core::ledger::Ledger;
use tightrope::core::message::{Hello, Message, PeerPolicy};
use tightrope::core::outcome::Cause;
use tightrope::core::policy::{Limits, Override, Policy, Settings};
use tightrope::core::record::{Attempt, Bill, Entry, InvoiceKind, Pause, Record, Scope};
use tightrope::ids::{ChannelPoint, NodeId, PaymentHash, PeerKey, RebalanceId, Scid};
use tightrope::time::Time;
use tightrope::units::Msat;

use crate::docs::{document, table};

/// The moment of the status.
const NOW: Time = Time::from_unix_ms(1_750_000_000_000);
const HOUR: u64 = 60 * 60;

const ALICE: NodeId = node(2, 0xaa);
const BOB: NodeId = node(2, 0xbb);
const CAROL: NodeId = node(3, 0xcc);
const DOERTE: NodeId = node(3, 0xdd);
const ERIN: NodeId = node(3, 0xee);

const CAROLS: PeerKey = PeerKey::new([0x66; 32]);
const DOERTES: PeerKey = PeerKey::new([0x77; 32]);
const STRANGER: PeerKey = PeerKey::new([0x88; 32]);
const ERINS: PeerKey = PeerKey::new([0x99; 32]);

const fn node(first: u8, rest: u8) -> NodeId {
    let mut key = [rest; 33];
    key[0] = first;
    NodeId::new(key)
}

/// The time so many seconds before the status.
fn ago(seconds: u64) -> Time {
    NOW.before(Duration::from_secs(seconds))
}

/// The `n`th channel: its id, who is at the other end, and the balances in sat.
const CHANNELS: [(u8, &str, NodeId, u64, u64); 7] = [
    (0x11, "700123x1x0", CAROL, 489_000, 489_000),
    (0x22, "700124x12x1", DOERTE, 1_000_000, 15_700_000),
    (0x33, "700125x1x0", BOB, 100_000, 390_000),
    (0x44, "700126x3x2", CAROL, 1_500_000, 900_000),
    (0x55, "700127x1x0", ERIN, 250_000, 730_000),
    (0x66, "700128x1x0", CAROL, 150_000, 830_000),
    (0x77, "700129x4x1", CAROL, 600_000, 380_000),
];

fn point(n: u8) -> ChannelPoint {
    ChannelPoint::new([n; 32], 0)
}

fn scid(n: u8) -> Scid {
    let known = CHANNELS.iter().find(|(other, ..)| *other == n);
    known.and_then(|(_, scid, ..)| scid.parse().ok()).expect("a channel of the scene")
}

/// The `n`th channel as its node sees it.
fn channel(n: u8, counterparty: NodeId, local: u64, remote: u64) -> Channel {
    let bounds = Constraints {
        reserve: Msat::ZERO,
        htlc_min: Msat::new(1),
        in_flight_max: Msat::MAX,
        htlcs_max: 483,
    };
    // The fourth one's balances exceed it, which cannot be.
    let capacity = if n == 0x44 { 2_000_000 } else { local + remote + 22_000 };
    let other_scids =
        if n == 0x33 { vec!["16000000x5x0".parse().expect("an alias")] } else { vec![] };
    Channel {
        point: point(n),
        counterparty,
        scid: scid(n),
        other_scids,
        peer_scid: scid(n),
        capacity: Msat::new(capacity * 1000),
        local: Msat::new(local * 1000),
        remote: Msat::new(remote * 1000),
        htlcs: Vec::new(),
        updates: 1,
        is_active: true,
        is_ordinary: true,
        is_initiator: false,
        commitment: Commitment::Anchors,
        fee_per_kw: 253,
        ours: bounds,
        theirs: bounds,
    }
}

/// An attempt over the `n`th channel.
fn attempt(n: u8, paid_to: NodeId, paid_by: NodeId, sat: u64) -> Attempt {
    Attempt {
        rebalance: RebalanceId::new([n; 16]),
        paid_to,
        paid_by,
        point: point(n),
        scid: scid(n),
        amount: Msat::new(sat * 1000),
        kind: InvoiceKind::Plain,
    }
}

/// What the daemon remembers from before it started: a payment that arrived, one that nobody
/// knows the end of, an attempt that failed just now, and two pauses.
fn ledger(period: Duration) -> Ledger {
    let (paid, unsure) =
        (attempt(0x11, CAROL, ALICE, 250_000), attempt(0x77, CAROL, ALICE, 40_000));
    let bill = |n| Bill {
        hash: PaymentHash::new([n; 32]),
        invoice: String::new(),
        expires_at: NOW + Duration::from_secs(30),
    };
    let failed = attempt(0x66, ALICE, CAROL, 340_000);
    let cause = Cause::InvoiceCanceled;
    let closing = Pause {
        scope: Scope::Channel(point(0x44)),
        until: None,
        reason: Some("it is being closed".to_owned()),
    };
    let until = Some(NOW + Duration::from_secs(90 * 60));
    let moving = Pause { scope: Scope::Node(ERIN), until, reason: None };
    let mut ledger = Ledger::new(period);
    for (at, entry) in [
        (ago(2 * HOUR), Entry::PaymentIntended(paid.clone(), bill(0x11))),
        (ago(2 * HOUR), Entry::PaymentSettled(paid, PaymentHash::new([0x11; 32]))),
        (ago(HOUR), Entry::Paused(closing)),
        (ago(HOUR), Entry::Paused(moving)),
        (ago(90), Entry::PaymentIntended(unsure, bill(0x77))),
        (ago(60), Entry::RebalanceOpened(failed.clone())),
        (ago(60), Entry::RebalanceFailed(failed, None, cause)),
    ] {
        ledger.apply(&Record { at, entry });
    }
    ledger
}

fn settings() -> Settings {
    let base = Policy { pause_min: Duration::from_secs(4 * 60), ..Policy::default() };
    let cap = Override {
        id: "alice:700123x1x0".to_owned(),
        payments_max: Some(5),
        amount_max: Some(Msat::new(2_000_000_000)),
        ..Override::default()
    };
    Settings { limits: Limits::new(base, vec![cap]), ..Settings::default() }
}

/// A core that its events have led to each state that a status can show.
struct Scene(Core);

impl Scene {
    fn tell(&mut self, seconds: u64, event: Event) {
        self.0.handle(ago(seconds), event);
    }

    fn connect(&mut self, seconds: u64, id: NodeId, alias: &str) {
        let own = OwnNode {
            id,
            alias: alias.to_owned(),
            network: Network::Regtest,
            rebalances: true,
            can_hold: id == ALICE,
            proof: None,
        };
        self.tell(seconds, Event::NodeConnected(own));
    }

    fn meet(&mut self, seconds: u64, peer: PeerKey) {
        self.tell(seconds, Event::PeerConnected { peer });
    }

    fn hear(&mut self, seconds: u64, peer: PeerKey, message: Message) {
        let wall = ago(seconds);
        let heard = Heard { peer, message, sent_at: wall, wall, evidence: None };
        self.tell(seconds, Event::Heard(heard));
    }

    fn greet(&mut self, seconds: u64, peer: PeerKey, node: NodeId, alias: &str, is_new: bool) {
        let proof = is_new.then(|| "signed".to_owned());
        let version = is_new.then_some(1);
        let hello = Hello { node, alias: alias.to_owned(), version, proof };
        self.hear(seconds, peer, Message::Hello(hello));
    }

    fn rules(&mut self, seconds: u64, peer: PeerKey, n: u8) {
        let Policy { balance_point, deadzone, payment_max, .. } = Policy::default();
        let point = point(n);
        let is_paused = false;
        let rules = PeerPolicy { point, balance_point, deadzone, payment_max, is_paused };
        self.hear(seconds, peer, Message::Policy(rules));
    }
}

fn scene() -> Scene {
    let settings = settings();
    let ledger = ledger(settings.limits.period_max());
    let mut scene = Scene(Core::new(settings, ledger, ago(59), [0; 32]));
    scene.tell(59, Event::Started);
    scene.connect(58, ALICE, "alice");
    scene.connect(58, BOB, "bob");
    let channels = vec![channel(0x33, ALICE, 390_000, 100_000)];
    scene.tell(57, Event::ChannelsListed { node: BOB, with: None, channels });
    for peer in [CAROLS, DOERTES, ERINS] {
        scene.meet(50, peer);
    }
    scene.greet(49, ERINS, ERIN, "erin", true);
    scene.greet(48, CAROLS, CAROL, "carol", true);
    scene.tell(40, Event::NodeDisconnected { node: BOB });
    let seen = |(n, _, with, local, remote): &(u8, &str, NodeId, u64, u64)| {
        channel(*n, *with, *local, *remote)
    };
    let channels = CHANNELS.iter().map(seen).collect();
    scene.tell(38, Event::ChannelsListed { node: ALICE, with: None, channels });
    let reason = "timed out".to_owned();
    scene.tell(35, Event::PeerDisconnected { peer: ERINS, reason });
    scene.greet(30, DOERTES, DOERTE, "Dörte ☂ 傘", false);
    scene.greet(30, DOERTES, CAROL, "carol", false);
    for n in [0x11, 0x44, 0x66, 0x77] {
        scene.rules(12, CAROLS, n);
    }
    scene.meet(5, STRANGER);
    scene.tell(0, Event::Woken);
    scene
}

fn slots() -> Vec<SlotStatus> {
    let slot = |socket: &str, node, version: Option<&str>| SlotStatus {
        socket: socket.to_owned(),
        node,
        last_node: node,
        lnd_version: version.map(ToOwned::to_owned),
        error: None,
        last_error: None,
        last_error_at: None,
    };
    let refused = "10.0.0.8:10009 does not answer: tcp connect error (should be where lnd \
         listens for gRPC, its rpclisten)"
        .to_owned();
    vec![
        SlotStatus {
            last_error: Some("the node is not synced to its chain yet".to_owned()),
            last_error_at: Some(ago(70)),
            ..slot("127.0.0.1:10009", Some(ALICE), Some("0.20.0-beta"))
        },
        SlotStatus {
            node: None,
            error: Some("the stream of channel events ended".to_owned()),
            last_error: Some("the stream of channel events ended".to_owned()),
            last_error_at: Some(ago(40)),
            ..slot("10.0.0.7:10009", Some(BOB), Some("0.21.0-beta"))
        },
        SlotStatus {
            error: Some(refused.clone()),
            last_error: Some(refused),
            last_error_at: Some(ago(3)),
            ..slot("10.0.0.8:10009", None, None)
        },
    ]
}

#[test]
fn a_status_shows_a_core_in_each_of_its_states() {
    let status = Status {
        version: "0.1.0".to_owned(),
        pid: 4711,
        started_at: ago(60),
        slots: slots(),
        swarm: SwarmStatus { key: Some(PeerKey::new([0x55; 32])), is_joined: true, error: None },
        log: LogStatus { is_usable: true, error: None, waiting: 0 },
        clock_steps_ms: vec![-4_200, 3_600_000],
        report: scene().0.report(),
    };
    let text = serde_json::to_string_pretty(&status).expect("it is written");
    expect_file!["../data/cli/status.json"].assert_eq(&(text + "\n"));
}

#[test]
fn each_field_of_a_status_is_explained_and_no_other() {
    let status: Value =
        serde_json::from_str(include_str!("../data/cli/status.json")).expect("a status");
    let mut fields = BTreeSet::new();
    collect(&status, "", &mut fields);
    let rows = table(&document("docs/control.md"), "| field | means |");
    let told: BTreeSet<String> =
        rows.iter().flat_map(|cells| cells[0].split(", ").map(|it| it.replace('`', ""))).collect();
    assert_eq!(told, fields);
}

/// The names of all fields of `value` that are no objects, and of those that may be missing.
fn collect(value: &Value, name: &str, into: &mut BTreeSet<String>) {
    // The absent ones have the same fields; what a scope names is one word of it.
    let is_like_another = ["absentPeers", "absentChannels"].contains(&name);
    let is_optional = ["channels[].rest", "channels[].cap"].contains(&name);
    match value {
        _ if is_like_another => {}
        Value::Object(fields) if !name.ends_with("[].scope") && !name.ends_with("pausedBy[]") => {
            if is_optional {
                into.insert(name.to_owned());
            }
            for (field, value) in fields {
                let dot = if name.is_empty() { "" } else { "." };
                collect(value, &format!("{name}{dot}{field}"), into);
            }
        }
        Value::Array(values) => {
            let are_objects = values.iter().all(Value::is_object);
            let items = if are_objects || name == "clockStepsMs" { "[]" } else { "" };
            values.iter().for_each(|value| collect(value, &format!("{name}{items}"), into));
        }
        Value::Null if is_optional => {}
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            into.insert(name.to_owned());
        }
    }
}
