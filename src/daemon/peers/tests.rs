//! Two daemons' peers on a DHT of their own, on this machine.

use super::*;
use crate::core::fixture;
use crate::core::message::{Hello, PayInvoice};
use crate::swarm::Bootstrap;

/// How long peers may take to hear each other.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two daemons' peers, over a DHT of their own.
async fn pair() -> (Bootstrap, Peers, Peers) {
    let dht = Bootstrap::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let config = config(&dht.address().to_string());
    let alice = Peers::meet(&config, [1; 32]).unwrap();
    let bob = Peers::meet(&config, [2; 32]).unwrap();
    (dht, alice, bob)
}

fn config(bootstrap: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let local = serde_json::json!({
        "secret": "correct horse battery staple",
        "lightningNodes": [{ "socket": "127.0.0.1:1", "macaroon": "0201" }],
        "swarm": { "bootstrap": [bootstrap], "host": "127.0.0.1", "port": 0 },
    });
    std::fs::write(folder.path().join("local.json"), local.to_string()).unwrap();
    crate::config::load(folder.path(), std::iter::empty(), serde_json::json!({})).unwrap()
}

/// What happens next that `wanted` finds something in.
async fn until<T>(peers: &mut Peers, mut wanted: impl FnMut(PeerEvent) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = wanted(peers.next().await) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("it comes in time")
}

fn connected(event: PeerEvent) -> Option<PeerKey> {
    match event {
        PeerEvent::Connected { peer } => Some(peer),
        PeerEvent::Joined
        | PeerEvent::Offline { .. }
        | PeerEvent::Heard(_)
        | PeerEvent::Broke { .. }
        | PeerEvent::Disconnected { .. } => None,
    }
}

fn heard(event: PeerEvent) -> Option<Message> {
    if let PeerEvent::Heard(heard) = event { Some(heard.message) } else { None }
}

fn hello() -> Message {
    let (node, alias) = (fixture::node(1).1, "alice".to_owned());
    Message::Hello(Hello { node, alias, version: Some(1), proof: None })
}

fn request(n: u8) -> PayInvoice {
    PayInvoice {
        invoice: format!("lnbc{n}"),
        tokens: None,
        scid: None,
        point: Some(fixture::point(1)),
        paid_to: fixture::node(1).1,
        paid_by: fixture::node(2).1,
        rebalance: None,
    }
}

#[tokio::test]
async fn a_run_that_begins_anew_is_told_who_is_there_and_speaks_for_what() {
    let (dht, mut alice, mut bob) = pair().await;
    let bobs = until(&mut alice, connected).await;
    alice.speaker().say(bobs, hello()).await;
    assert_eq!(until(&mut bob, heard).await, hello());
    let told = bob.told();
    assert!(matches!(told[..], [Event::PeerConnected { .. }, Event::Heard(_)]), "{told:?}");
    alice.leave().await;
    until(&mut bob, |event| matches!(event, PeerEvent::Disconnected { .. }).then_some(())).await;
    assert!(bob.told().is_empty());
    bob.leave().await;
    dht.close().await;
}

#[tokio::test]
async fn while_there_is_no_log_a_request_is_refused_with_the_reason() {
    let (dht, mut alice, mut bob) = pair().await;
    let bobs = until(&mut alice, connected).await;
    alice.speaker().say(bobs, Message::PayInvoice(request(0))).await;
    let asked =
        until(
            &mut bob,
            |event| {
                if let PeerEvent::Heard(heard) = event { Some(*heard) } else { None }
            },
        );
    let asked = asked.await;
    bob.refuse(asked, &Refusal::AuditUnavailable).await;
    let answer = until(&mut alice, heard).await;
    let Message::PaymentResult(result) = answer else { panic!("{answer:?}") };
    assert_eq!(result.refusal.as_deref(), Some("auditUnavailable"));
    assert!(!result.is_allowed && !result.is_confirmed);
    assert_eq!(result.request, request(0));
    alice.leave().await;
    bob.leave().await;
    dht.close().await;
}

#[tokio::test]
async fn what_waits_to_be_said_at_the_end_is_said() {
    let (dht, mut alice, mut bob) = pair().await;
    let bobs = until(&mut alice, connected).await;
    let speaker = alice.speaker();
    for n in 0..20 {
        speaker.say(bobs, Message::PayInvoice(request(n))).await;
    }
    alice.leave().await;
    for n in 0..20 {
        assert_eq!(until(&mut bob, heard).await, Message::PayInvoice(request(n)));
    }
    bob.leave().await;
    dht.close().await;
}

#[test]
fn ignored_documents_are_borne_for_a_while() {
    let (inbox, outbox) = (Inbox::new(PeerKey::new([1; 32])), Outbox::default());
    let mut talk = Talk { span: Span::none(), inbox, outbox, has_spoken: false, ignored: 0 };
    let kept: Vec<_> = (0..IGNORED_MAX).map(|_| talk.ignores(&Fault::BadSignature)).collect();
    assert!(kept[..9].iter().all(Option::is_none));
    assert_eq!(kept[9], Some(IGNORED_AWAY));
    assert!(talk.ignores(&Fault::TooFast) > Some(IGNORED_AWAY));
}
