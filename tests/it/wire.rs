//! What peers say to each other, through the door that the daemon uses.

use std::time::Duration;

use serde_json::{Value, json};
use tightrope::core::message::Message;
use tightrope::ids::{NodeId, PeerKey};
use tightrope::time::Time;
use tightrope::wire::{DOCUMENT_BYTES_MAX, Fault, Inbox, Opened, RECEIVED_MAX, Seal, is_attested};

#[path = "wire/documents.rs"]
mod documents;
#[path = "wire/fields.rs"]
mod fields;
#[path = "wire/fuzz.rs"]
mod fuzz;
#[path = "wire/golden.rs"]
mod golden;
#[path = "wire/outbox.rs"]
mod outbox;
#[path = "wire/protocol.rs"]
mod protocol;

use documents::{NOW, alice, attested, bob, request, signed};

#[test]
fn a_message_arrives_as_it_was_meant() {
    for message in documents::samples() {
        let document = alice().close(bob().me(), &message, NOW);
        let opened = open(&document).expect("opens");
        let is_kept = matches!(message, Message::PayInvoice(_) | Message::PaymentResult(_));
        let evidence = is_kept.then(|| String::from_utf8(document).expect("is UTF-8"));
        assert_eq!(opened, Opened::Message { message, sent_at: NOW, evidence });
    }
}

#[test]
fn a_document_is_refused_for_its_first_fault() {
    let message = || json!({"type": "hello", "publicKey": node(), "alias": "a"});
    let legacy = |message: Value| signed(&alice(), &message, NOW);
    let edit = |from: &str, to: &str| legacy(message()).replacen(from, to, 1);
    for (document, fault) in [
        ("x".repeat(DOCUMENT_BYTES_MAX + 1), Fault::TooLong { length: DOCUMENT_BYTES_MAX + 1 }),
        ("x".repeat(DOCUMENT_BYTES_MAX), Fault::NotJson { at: 0 }),
        ("[]".to_owned(), Fault::NotJson { at: 0 }),
        ("{}".to_owned(), Fault::BadField { field: "signature" }),
        (edit("\"message\"", "\"massage\""), Fault::BadField { field: "message" }),
        (edit("\"timestamp\"", "\"timestomp\""), Fault::BadField { field: "timestamp" }),
        (edit("\"timestamp\":1", "\"timestamp\":1.5e-9,\"timestomp\":1"), BAD_TIME),
        (edit("\"timestamp\":1", "\"timestamp\":-1"), BAD_TIME),
        (edit("\"timestamp\":1", "\"timestamp\":99999"), BAD_TIME),
        (edit("\"alias\":\"a\"", "\"alias\":[]"), Fault::Nested),
        (edit("\"alias\":\"a\"", "\"alias\":1e999"), Fault::NotFinite),
        (edit("\"alias\":\"a\"", "\"alias\":\"a\",\"type\":\"hello\""), Fault::DuplicateKey),
        (edit("\"signature\"", "\"timestamp\":1,\"signature\""), Fault::DuplicateKey),
        (edit("\"signature\":\"", "\"signature\":\"A"), Fault::BadSignature),
        (edit("\"alias\":\"a\"", "\"alias\":\"b\""), Fault::BadSignature),
        (legacy(json!({"alias": "a"})), Fault::BadField { field: "type" }),
        (legacy(json!({"type": 1})), Fault::BadField { field: "type" }),
        (legacy(json!({"type": "hello"})), Fault::BadField { field: "publicKey" }),
    ] {
        assert_eq!(open(document.as_bytes()), Err(fault), "{document:.200}");
    }
}

const BAD_TIME: Fault = Fault::BadField { field: "timestamp" };

#[test]
fn the_cluster_and_the_sender_are_what_a_signature_shows() {
    let document = signed(&alice(), &hello(), NOW);
    let open = |seal: &Seal, from: PeerKey| {
        Inbox::new(from).open(seal, document.as_bytes(), Time::default(), NOW)
    };
    assert!(matches!(open(&bob(), alice().me()), Ok(Opened::Message { .. })));
    assert_eq!(open(&bob(), bob().me()), Err(Fault::BadSignature));
    let stranger = Seal::new(b"another secret".to_vec(), [2; 32]);
    assert_eq!(open(&stranger, alice().me()), Err(Fault::BadSignature));
}

#[test]
fn a_document_is_fresh_for_five_seconds_either_way() {
    let (early, late) = (NOW.before(Duration::from_secs(5)), NOW + Duration::from_secs(5));
    let a_ms = Duration::from_millis(1);
    for (sent_at, is_fresh) in
        [(early, true), (late, true), (early.before(a_ms), false), (late + a_ms, false)]
    {
        let opened = open(signed(&alice(), &hello(), sent_at).as_bytes());
        let expected = (!is_fresh).then_some(Fault::Stale { sent_at, wall: NOW });
        assert_eq!(opened.err(), expected);
    }
}

#[test]
fn a_document_counts_once_as_long_as_it_is_fresh() {
    let mut inbox = Inbox::new(alice().me());
    let ahead = NOW + Duration::from_secs(5);
    let document = signed(&alice(), &hello(), ahead);
    let respelled = document.replacen(":", ": ", 3);
    let mut open = |document: &str, ms| {
        let span = Duration::from_millis(ms);
        inbox.open(&bob(), document.as_bytes(), Time::default() + span, NOW + span)
    };
    assert!(matches!(open(&document, 0), Ok(Opened::Message { .. })));
    assert_eq!(open(&document, 1), Ok(Opened::Duplicate));
    assert_eq!(open(&respelled, 2), Ok(Opened::Duplicate));
    assert_eq!(open(&document, 10_000), Ok(Opened::Duplicate));
    let fault = open(&document, 10_001).expect_err("is stale");
    assert_eq!(fault.code(), "stale");
    assert_eq!(inbox.duplicates(), 3);
}

#[test]
fn a_peer_may_send_five_hundred_documents_in_ten_seconds() {
    let mut inbox = Inbox::new(alice().me());
    let mut open = |ms: u64| {
        let mono = Time::default() + Duration::from_millis(ms);
        inbox.open(&bob(), b"anything", mono, NOW).expect_err("is no document").code()
    };
    for n in 0..u64::try_from(RECEIVED_MAX).expect("is small") {
        assert_eq!(open(n * 10), "notJson");
    }
    assert_eq!(open(5_000), "tooFast");
    assert_eq!(open(10_000), "tooFast", "the first one still counts");
    assert_eq!(open(10_001), "notJson");
    assert_eq!(open(10_001), "tooFast");
}

#[test]
fn an_unknown_type_is_ignored_and_unknown_keys_are_passed_over() {
    let opened = open(signed(&alice(), &json!({"type": "gos\u{7}sip", "x": 1}), NOW).as_bytes());
    assert_eq!(opened, Ok(Opened::Unknown { kind: "gossip".to_owned() }));
    let document = signed(&alice(), &hello(), NOW);
    let more = document.replacen('{', r#"{"later":[{"a":[1]}],"attestation":null,"#, 1);
    assert_eq!(open(more.as_bytes()), open(document.as_bytes()));
}

#[test]
fn an_attestation_is_for_one_recipient_and_must_hold() {
    let document = attested(&alice(), bob().me(), &request(), NOW);
    let (alice_key, bob_key) = (alice().me(), bob().me());
    assert!(is_attested(document.as_bytes(), alice_key, bob_key));
    assert!(!is_attested(document.as_bytes(), alice_key, alice_key));
    assert!(!is_attested(document.as_bytes(), bob_key, bob_key));
    assert!(!is_attested(signed(&alice(), &request(), NOW).as_bytes(), alice_key, bob_key));
    assert!(!is_attested(document.replace("20000", "20001").as_bytes(), alice_key, bob_key));

    let Ok(Opened::Message { evidence, .. }) = open(document.as_bytes()) else {
        panic!("an attested request opens");
    };
    assert_eq!(evidence.as_deref(), Some(document.as_str()));
    let elsewhere = attested(&alice(), alice_key, &request(), NOW);
    assert_eq!(open(elsewhere.as_bytes()), Err(Fault::BadAttestation));
    for other in ["7", "\"\"", "\"zz\""] {
        let end = document.find("\"attestation\":").expect("is attested");
        let document = format!("{}\"attestation\":{other}}}", &document[..end]);
        assert_eq!(open(document.as_bytes()), Err(Fault::BadAttestation), "{other}");
    }
}

#[test]
fn a_padded_document_is_no_evidence() {
    let mut request = request();
    request["padding"] = "x".repeat(16 * 1024).into();
    let opened = open(attested(&alice(), bob().me(), &request, NOW).as_bytes());
    assert!(matches!(opened, Ok(Opened::Message { evidence: None, .. })), "{opened:?}");
}

#[test]
fn a_node_proves_who_speaks_for_it() {
    let node = documents::node_of(1);
    let claim = alice().claim(node);
    let topic = tightrope::wire::topic(documents::SECRET);
    let proof = documents::sign(1, &claim);
    let hello = |proof: &str, named: NodeId| {
        let message = json!({"type": "hello", "publicKey": node.to_string(), "alias": "a",
            "version": 1, "nodeId": named.to_string(), "proof": proof});
        open(signed(&alice(), &message, NOW).as_bytes())
    };
    assert!(claim.starts_with("tightrope/1 ") && !claim.contains(&topic.to_string()), "{claim}");
    assert!(matches!(hello(&proof, node), Ok(Opened::Message { .. })));
    let lies = [
        documents::sign(2, &claim),
        documents::sign(1, &bob().claim(node)),
        documents::sign(1, &alice().claim(documents::node_of(2))),
        proof[1..].to_owned(),
        proof.to_uppercase(),
        String::new(),
        "y".repeat(104),
    ];
    for lie in lies {
        assert_eq!(hello(&lie, node), Err(Fault::BadProof { node }), "{lie}");
    }
    assert_eq!(hello(&proof, documents::node_of(2)), Err(Fault::NodesDiffer));
}

/// Opens a document of Alice's as Bob, at [`NOW`].
fn open(document: &[u8]) -> Result<Opened, Fault> {
    Inbox::new(alice().me()).open(&bob(), document, Time::default(), NOW)
}

fn node() -> String {
    documents::node_of(1).to_string()
}

fn hello() -> Value {
    json!({"type": "hello", "publicKey": node(), "alias": "a"})
}
