//! What the daemon's types, and those of the rooms below it, show of themselves: no secret.
//!
//! Everything is made from one configuration and one storage folder, as a run makes it, and then
//! printed in both forms of `Debug`. That the search finds what there is, `tests/it/secrets.rs`
//! shows.

#[path = "../../tests/secrets.rs"]
#[expect(dead_code, reason = "the scenarios use more of it")]
mod search;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use self::search::Secrets;
use super::desk::{Desk, Source};
use super::input::Input;
use super::invoice::{Fate, HoldKey, Wanted};
use super::keys::Keys;
use super::peers::Peers;
use super::run::Run;
use super::slots::slots;
use super::{Mode, Outside, files};
use crate::config::Config;
use crate::control::{Asked, Question};
use crate::core::Core;
use crate::core::action::Action;
use crate::core::channel::Channel;
use crate::core::event::{Event, InvoiceEnd, OwnNode};
use crate::core::fixture;
use crate::core::invoice::Network;
use crate::core::ledger::Ledger;
use crate::core::message::{Hello, Message};
use crate::core::outcome::Outcome;
use crate::core::policy::Settings;
use crate::core::record::InvoiceKind;
use crate::ids::{PeerKey, RebalanceId};
use crate::lnd::Lnd;
use crate::time::Time;
use crate::units::Msat;
use crate::wire::{Inbox, Outbox, Seal};

const SECRET: &str = "correct horse battery staple";
const MACAROON: &str =
    "0201036c6e64deadbeef0123456789abcdeffedcba98765432100f1e2d3c4b5a69788796a5b4c3d2e1f0";
const TOKEN: &str = "5b0c2e6a9f3d4c718e2b";
/// What [`fixture::Wanted`] has as the preimage.
const PREIMAGE: [u8; 32] = [7; 32];
const PEER: PeerKey = PeerKey::new([0xee; 32]);

#[tokio::test]
async fn nothing_that_a_run_is_made_of_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let files = files(&config);
    let (audit, opened) = crate::audit::open(&files, drop).unwrap();
    let keys = Keys::open(&files.storage).unwrap();
    let hold_key = HoldKey::new(keys.hold);
    let preimage = hold_key.preimage(RebalanceId::new([3; 16]));
    let mut secrets = Secrets::default();
    secrets.add("the secret", SECRET.as_bytes());
    secrets.add_macaroon(
        "the macaroon",
        &data_encoding::HEXLOWER.decode(MACAROON.as_bytes()).unwrap(),
    );
    secrets.add("the token", TOKEN.as_bytes());
    secrets.add("the seed of the swarm key", &keys.swarm);
    secrets.add("the hold key", &keys.hold);
    secrets.add("a preimage of ours", preimage.as_bytes());
    secrets.add("another preimage", &PREIMAGE);
    let check = |what: &str, shown: &dyn Debug| check(&secrets, what, shown);

    check("the configuration", &config);
    check("where the logs are", &files);
    check("what opening the logs found", &opened);
    check("the keys", &keys);
    check("the hold key", &hold_key);
    check("a preimage", &preimage);
    check("to take a payment", &Fate::settle(preimage, preimage.hash()));
    let kind = InvoiceKind::Held;
    let rebalance = RebalanceId::new([3; 16]);
    let (amount, expiry, min_final_cltv) = (Msat::new(1_000), Duration::from_secs(60), 80);
    let memo = "rebalance".to_owned();
    let wanted = Wanted { rebalance, amount, memo, expiry, min_final_cltv, kind };
    check("an invoice to be made", &wanted);
    let seal = Seal::new(SECRET.into(), keys.swarm);
    let (node, alias) = (fixture::node(1).1, "alice".to_owned());
    let proof = Some(seal.claim(node));
    let hello = Message::Hello(Hello { node, alias, version: Some(1), proof });
    check("a document", &String::from_utf8(seal.close(PEER, &hello, Time::default())));
    check("the seal", &seal);
    check("an inbox", &Inbox::new(PEER));
    let mut outbox = Outbox::default();
    outbox.push(hello).unwrap();
    check("an outbox", &outbox);

    let desk = Desk::new(config.clone(), Source::unchanging(config.clone()));
    let mut outside = Outside { peers: None, desk };
    outside.open(keys).unwrap();
    let speaker = outside.peers.as_ref().map(Peers::speaker);
    check("what outlives a run", &outside);
    check("who speaks to peers", &speaker);
    let limits = watch::Sender::new(config.settings.limits.clone());
    let mut slots = slots(&config, &limits.subscribe()).unwrap();
    check("the entries of the nodes", &slots);
    let lnd = slots.remove(0).connect().unwrap();
    check("a node that does not answer", &lnd.info().await.unwrap_err());
    let ledger = Ledger::new(config.settings.limits.period_max());
    let mut run = Run::start(&outside.desk, Mode::Forever, audit, ledger, speaker, keys).unwrap();
    check("a run that begins", &run);
    for input in inputs(&lnd) {
        check("an input", &input);
        run.take_in(input);
        check("a run", &run);
    }
    let (answer, _asked) = oneshot::channel();
    check("a question", &Asked { question: Question::Status, answer });
    core(&check);
}

/// What the loop hears while two nodes appear whose channel is to be mended.
fn inputs(lnd: &Lnd) -> Vec<Input> {
    let mut inputs = Vec::new();
    for (slot, place) in [(0, 1), (1, 2)] {
        let (node, version, lnd) = (own(place), "0.21".to_owned(), lnd.clone());
        inputs.push(Input::Connected { slot, node, version, lnd });
        inputs.push(Input::Seen { slot, event: listed(place) });
    }
    inputs.push(Input::Disconnected { slot: 1, node: None, error: "it is gone".to_owned() });
    inputs
}

/// What the core hears and wants while a channel is mended, and the core itself.
fn core(check: &impl Fn(&str, &dyn Debug)) {
    let settings = Settings { dry_run: false, ..Settings::default() };
    let mut ledger = Ledger::new(settings.limits.period_max());
    let now = Time::from_unix_ms(1_800_000_000_000);
    let mut core = Core::new(settings, Ledger::new(Duration::from_secs(1)), now, [0; 32]);
    let mut left = VecDeque::from([Event::Started]);
    left.extend(
        [1, 2].into_iter().flat_map(|place| [Event::NodeConnected(own(place)), listed(place)]),
    );
    let mut seen = Vec::new();
    while let Some(event) = left.pop_front() {
        check("an event", &event);
        for action in core.handle(now, event) {
            check("an action", &action);
            seen.push(format!("{action:?}"));
            if let Action::Record(record) = &action {
                ledger.apply(record);
            }
            left.extend(answers(action, now));
        }
        check("the core", &core);
        check("the ledger", &ledger);
    }
    let has = |name: &str| seen.iter().any(|action| action.contains(name));
    assert!(has("Pay(") && has("RebalanceSettled("), "the story is the whole one: {seen:?}");
}

/// What an action leads to, where all goes well.
fn answers(action: Action, now: Time) -> Vec<Event> {
    if let Action::CreateInvoice { rebalance, memo, amount, .. } = action {
        let invoice = fixture::Wanted::new(fixture::node(1).0, &memo, amount, now).text();
        vec![Event::InvoiceCreated { rebalance, invoice, wall: now }]
    } else if let Action::Pay(payment) = action {
        let (hash, over) = (payment.hash(), vec![payment.scid()]);
        let end = InvoiceEnd::Settled { paid: payment.amount(), over };
        let outcome = Outcome::Settled;
        vec![Event::PaymentUpdated { hash, outcome }, Event::InvoiceEnded { hash, end }]
    } else {
        Vec::new()
    }
}

fn own(place: u8) -> OwnNode {
    OwnNode {
        id: fixture::node(place).1,
        alias: String::new(),
        network: Network::Regtest,
        rebalances: true,
        can_hold: true,
        proof: None,
    }
}

/// The first node is the poorer side of its channel with the second.
fn listed(place: u8) -> Event {
    let (node, counterparty) = (fixture::node(place).1, fixture::node(3 - place).1);
    let (local, remote) = if place == 1 { (200_000, 800_000) } else { (800_000, 200_000) };
    let channel = Channel { counterparty, ..fixture::channel(1, local, remote) };
    Event::ChannelsListed { node, with: None, channels: vec![channel] }
}

/// A configuration that names each secret in another way.
fn config(folder: &Path) -> Config {
    let token = folder.join("token");
    fs::write(&token, TOKEN).unwrap();
    fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
    let macaroon = data_encoding::HEXLOWER.decode(MACAROON.as_bytes()).unwrap();
    let local = serde_json::json!({
        "secret": SECRET,
        "lightningNodes": [
            { "socket": "127.0.0.1:1", "macaroon": MACAROON },
            { "socket": "127.0.0.1:2", "macaroon": data_encoding::BASE64.encode(&macaroon) },
        ],
        "audit": { "storage": { "path": folder.join("storage") } },
        "swarm": { "bootstrap": ["127.0.0.1:1"], "host": "127.0.0.1", "port": 0 },
        "control": { "listen": "127.0.0.1:0", "tokenFile": token },
    });
    fs::write(folder.join("local.json"), local.to_string()).unwrap();
    crate::config::load(folder, std::iter::empty(), serde_json::json!({})).unwrap()
}

/// Looks at both forms of `Debug`.
fn check(secrets: &Secrets, what: &str, shown: &dyn Debug) {
    secrets.assert_none_in(what, format!("{shown:?}\n{shown:#?}"));
}
