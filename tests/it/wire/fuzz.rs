//! Anything may arrive: whatever it is, the door neither panics nor lets through what it should
//! not.
//!
//! Each target is a function of some entropy. They run for two seconds each, or for as long as
//! `TIGHTROPE_FUZZ_SECONDS` says; `fuzz/` runs the same under libFuzzer.

use std::time::Duration;

use arbtest::arbitrary::{Result, Unstructured};
use arbtest::arbtest;
use serde_json::{Map, Value, json};
use tightrope::core::message::{Hello, Message, PayInvoice, PaymentResult, PeerPolicy};
use tightrope::ids::{ChannelPoint, PaymentHash, RebalanceId, Scid};
use tightrope::time::Time;
use tightrope::units::{Ppm, Sat};
use tightrope::wire::{DOCUMENT_BYTES_MAX, Fault, Inbox, Opened};

use super::documents::{self, NOW, alice, bob, node_of, signed};

/// A function of some entropy that panics where the code under test is wrong.
type Target = fn(&mut Unstructured<'_>) -> Result<()>;

#[test]
fn any_bytes_are_refused_in_peace() {
    run(any_bytes);
}

#[test]
fn a_changed_byte_is_refused() {
    run(changed_byte);
}

#[test]
fn any_fields_are_understood_or_refused() {
    run(any_fields);
}

#[test]
fn what_one_daemon_closes_another_opens() {
    run(any_message);
}

fn run(target: Target) {
    let seconds = std::env::var("TIGHTROPE_FUZZ_SECONDS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(2);
    arbtest(target).budget(Duration::from_secs(seconds)).run();
}

/// Bytes as they come, or with the look of a document.
pub(crate) fn any_bytes(u: &mut Unstructured<'_>) -> Result<()> {
    const PIECES: [&str; 24] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "\\ud800",
        "\"message\":",
        "\"type\":",
        "\"timestamp\":",
        "\"signature\":",
        "\"attestation\":",
        "1648741762439",
        "-0",
        "1e999",
        "5e-324",
        "null",
        "true",
        " ",
        "\u{0}",
        "é",
    ];
    let document = if u.ratio(1, 2)? {
        u.arbitrary::<Vec<u8>>()?
    } else {
        let mut document = Vec::new();
        while !u.is_empty() && document.len() < DOCUMENT_BYTES_MAX {
            let piece = u.choose(&PIECES)?;
            document.extend(piece.bytes());
        }
        document
    };
    assert!(open(&document).is_err(), "{}", String::from_utf8_lossy(&document));
    Ok(())
}

/// A document that is whole but for one byte.
pub(crate) fn changed_byte(u: &mut Unstructured<'_>) -> Result<()> {
    let message = u.choose(&documents::samples())?.clone();
    let mut document = alice().close(bob().me(), &message, NOW);
    let whole = String::from_utf8(document.clone()).expect("is UTF-8");
    let at = u.choose_index(document.len())?;
    document[at] ^= u.int_in_range(1..=u8::MAX)?;
    match open(&document) {
        Err(_) => {}
        // A key that is not known is passed over, so the document is that of a legacy peer.
        Ok(Opened::Message { message: opened, evidence: None, .. }) => {
            let start = whole.find("attestation").expect("is attested");
            assert!((start..start + "attestation".len()).contains(&at), "byte {at} of {whole}");
            assert_eq!(opened, message);
        }
        Ok(opened) => panic!("byte {at} of {whole} gives {opened:?}"),
    }
    Ok(())
}

/// An authentic message with known fields and any values.
pub(crate) fn any_fields(u: &mut Unstructured<'_>) -> Result<()> {
    const FIELDS: [&str; 24] = [
        "type",
        "publicKey",
        "alias",
        "version",
        "nodeId",
        "proof",
        "invoice",
        "tokens",
        "channelId",
        "paidTo",
        "paidBy",
        "channelPoint",
        "rebalanceId",
        "allow",
        "reason",
        "retryAt",
        "paymentId",
        "confirmed",
        "confirmedAt",
        "refusal",
        "maxTokens",
        "balancePoint",
        "deadzone",
        "timestamp",
    ];
    let mut fields = Map::new();
    let kind = u.choose(&["hello", "payInvoice", "paymentResult", "policy", "other"])?;
    if u.ratio(9, 10)? {
        let sample = u.choose(&documents::samples())?.clone();
        let document = alice().close(bob().me(), &sample, NOW);
        let document: Value = serde_json::from_slice(&document).expect("is JSON");
        fields.extend(document["message"].as_object().expect("an object").clone());
    } else {
        fields.insert("type".to_owned(), json!(kind));
    }
    for _ in 0..u.int_in_range(0..=4)? {
        fields.insert((*u.choose(&FIELDS)?).to_owned(), any_scalar(u)?);
    }
    let document = signed(&alice(), &Value::Object(fields), NOW);
    match open(document.as_bytes()) {
        Ok(Opened::Message { message, sent_at, evidence: None }) => {
            assert_eq!(sent_at, NOW);
            is_sound(&message);
        }
        Ok(Opened::Unknown { kind }) => assert!(is_seen(&kind, 64), "{kind:?}"),
        Err(Fault::BadField { .. } | Fault::BadProof { .. } | Fault::NodesDiffer) => {}
        opened => panic!("{document} gives {opened:?}"),
    }
    Ok(())
}

fn any_scalar(u: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match u.int_in_range(0..=7)? {
        0 => Value::Null,
        1 => json!(u.arbitrary::<bool>()?),
        2 => json!(u.arbitrary::<i32>()?),
        3 => json!(u.arbitrary::<f64>()?),
        4 => json!(node_of(u.int_in_range(1..=3)?).to_string()),
        5 => json!(u.arbitrary::<u32>()?.to_string()),
        6 => json!(NOW.unix_ms().saturating_add(u.arbitrary::<u32>()?.into())),
        _ => json!(u.arbitrary::<String>()?),
    })
}

/// What holds of every message that arrives.
fn is_sound(message: &Message) {
    match message {
        Message::Hello(hello) => {
            assert!(is_seen(&hello.alias, 32), "{hello:?}");
            assert_ne!(hello.version, Some(0), "{hello:?}");
        }
        Message::PayInvoice(request) => is_sound_request(request),
        Message::PaymentResult(result) => {
            is_sound_request(&result.request);
            assert!(result.reason.as_ref().is_none_or(|reason| is_seen(reason, 256)));
            assert!(result.refusal.as_ref().is_none_or(|code| is_seen(code, 64)));
            assert!(result.retry_in.is_none_or(|span| span <= Duration::from_secs(3_600)));
        }
        Message::Policy(policy) => {
            assert!(policy.balance_point <= Ppm::ONE && policy.deadzone <= Ppm::ONE);
        }
    }
}

fn is_sound_request(request: &PayInvoice) {
    assert!(request.scid.is_some() || request.point.is_some(), "{request:?}");
    assert!(request.invoice.len() <= 7_089 && request.tokens != Some(Sat::new(0)), "{request:?}");
}

/// Whether text is short and steers nothing.
fn is_seen(text: &str, chars: usize) -> bool {
    text.chars().count() <= chars && !text.contains(char::is_control)
}

/// Any message that we could send.
pub(crate) fn any_message(u: &mut Unstructured<'_>) -> Result<()> {
    let kind = u.int_in_range(0..=3)?;
    let message = match kind {
        0 => {
            let number = u.int_in_range(1..=4)?;
            let node = node_of(number);
            let is_proven = u.arbitrary::<bool>()?;
            Message::Hello(Hello {
                node,
                alias: any_text(u, 32)?,
                version: u.arbitrary::<Option<u32>>()?.map(|version| u64::from(version) + 1),
                proof: is_proven.then(|| documents::sign(number, &alice().claim(node))),
            })
        }
        1 => Message::PayInvoice(any_request(u)?),
        2 => Message::PaymentResult(PaymentResult {
            request: any_request(u)?,
            is_allowed: u.arbitrary()?,
            reason: any_option(u, |u| any_text(u, 256))?,
            retry_in: any_option(u, |u| u.int_in_range(0..=3_600_000).map(Duration::from_millis))?,
            hash: u.arbitrary::<Option<_>>()?.map(PaymentHash::new),
            is_confirmed: u.arbitrary()?,
            refusal: any_option(u, |u| any_text(u, 64))?,
            max: u.arbitrary::<Option<_>>()?.map(Sat::new),
        }),
        _ => Message::Policy(PeerPolicy {
            point: ChannelPoint::new(u.arbitrary()?, u.arbitrary()?),
            balance_point: Ppm::new(u.int_in_range(0..=1_000_000)?).expect("a share"),
            deadzone: Ppm::new(u.int_in_range(0..=1_000_000)?).expect("a share"),
            payment_max: Sat::new(u.int_in_range(0..=u64::MAX / 1_000)?).msat(),
            is_paused: u.arbitrary()?,
        }),
    };
    let document = alice().close(bob().me(), &message, NOW);
    assert!(document.len() < 16 * 1024, "{} bytes", document.len());
    let Ok(Opened::Message { message: opened, .. }) = open(&document) else {
        panic!("{}", String::from_utf8_lossy(&document));
    };
    assert_eq!(opened, message);
    Ok(())
}

fn any_request(u: &mut Unstructured<'_>) -> Result<PayInvoice> {
    let scid = any_option(u, |u| u.arbitrary().map(Scid::new))?;
    let point = ChannelPoint::new(u.arbitrary()?, u.arbitrary()?);
    let has_point = scid.is_none() || u.arbitrary()?;
    Ok(PayInvoice {
        invoice: any_text(u, 7_089 / 4)?,
        tokens: any_option(u, |u| u.int_in_range(1..=u64::MAX).map(Sat::new))?,
        scid,
        point: has_point.then_some(point),
        paid_to: node_of(u.int_in_range(1..=4)?),
        paid_by: node_of(u.int_in_range(1..=4)?),
        rebalance: u.arbitrary::<Option<_>>()?.map(RebalanceId::new),
    })
}

/// Text that nobody needs to clean.
fn any_text(u: &mut Unstructured<'_>, chars: usize) -> Result<String> {
    let text: String = u.arbitrary()?;
    let seen = text.chars().filter(|c| c.is_alphanumeric() || "\"\\/&= ⚡😀\u{fffd}".contains(*c));
    Ok(seen.take(chars).collect())
}

fn any_option<T>(
    u: &mut Unstructured<'_>,
    any: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if u.arbitrary()? { any(u).map(Some) } else { Ok(None) }
}

fn open(document: &[u8]) -> std::result::Result<Opened, Fault> {
    Inbox::new(alice().me()).open(&bob(), document, Time::default(), NOW)
}
