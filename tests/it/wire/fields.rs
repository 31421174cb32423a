//! Which values the fields of a message may have, one by one.

use std::time::Duration;

use serde_json::{Value, json};
use tightrope::core::message::{Message, PayInvoice, PaymentResult};
use tightrope::time::Time;
use tightrope::units::{Ppm, Sat};
use tightrope::wire::{Fault, Inbox, Opened};

use super::documents::{NOW, alice, bob, node_of, request, signed};

#[test]
fn tokens_are_satoshis_in_plain_digits() {
    for (value, sat) in [
        (json!("1"), Some(1)),
        (json!("20000"), Some(20_000)),
        (json!("18446744073709551615"), Some(u64::MAX)),
        (json!("18446744073709551616"), None),
        (json!("0"), None),
        (json!("01"), None),
        (json!("+1"), None),
        (json!("-1"), None),
        (json!("1.0"), None),
        (json!("1e3"), None),
        (json!(" 1"), None),
        (json!("١"), None),
        (json!(""), None),
        (json!(20_000), None),
        (json!(true), None),
        (json!(null), None),
    ] {
        let read = asked("tokens", &value).expect("a request whatever it asks").tokens;
        assert_eq!(read, sat.map(Sat::new), "{value}");
    }
}

#[test]
fn a_request_names_its_channel_and_both_nodes() {
    let point = format!("{}:7", "0f".repeat(32));
    let read = asked("channelPoint", &json!(point)).expect("a request");
    assert_eq!(read.point.map(|point| point.to_string()), Some(point.clone()));
    let by_point =
        edited(&request(), &[("channelPoint", json!(point)), ("channelId", json!(null))]);
    assert!(matches!(read_of(&by_point), Ok(Message::PayInvoice(PayInvoice { scid: None, .. }))));

    let long = "l".repeat(7_090);
    for (field, values) in [
        ("channelId", vec![json!(null), json!("700123:1:0"), json!(700_123), json!("")]),
        ("channelPoint", vec![json!("0f:7"), json!(7)]),
        ("rebalanceId", vec![json!("ab"), json!(1)]),
        ("paidTo", vec![json!(null), json!("02ab"), json!(2)]),
        ("paidBy", vec![json!(null), json!(false)]),
        ("invoice", vec![json!(null), json!(1), json!(long)]),
    ] {
        for value in values {
            assert_eq!(asked(field, &value), Err(Fault::BadField { field }), "{field}: {value}");
        }
    }
    assert!(asked("invoice", &json!(long[1..])).is_ok());
}

#[test]
fn a_legacy_result_may_lack_what_the_original_leaves_out() {
    let result = answered(&[]).expect("a result");
    let expected = (false, None, None, None, false, None, None);
    let read = (
        result.is_allowed,
        result.reason,
        result.retry_in,
        result.hash,
        result.is_confirmed,
        result.refusal,
        result.max,
    );
    assert_eq!(read, expected);
    for (field, values) in [
        ("allow", vec![json!("true"), json!(1)]),
        ("confirmed", vec![json!("true"), json!(1)]),
        ("reason", vec![json!(1), json!(false)]),
        ("paymentId", vec![json!("cd"), json!(1)]),
        ("retryAt", vec![json!("1648741762439"), json!(true)]),
        ("refusal", vec![json!(1)]),
    ] {
        for value in values {
            let read = answered(&[(field, value.clone())]);
            assert_eq!(read, Err(Fault::BadField { field }), "{field}: {value}");
        }
    }
}

#[test]
fn a_retry_is_a_distance_of_at_most_an_hour() {
    let now = NOW.unix_ms();
    for (at, ms) in [
        (json!(now + 1), 1),
        (json!(now), 0),
        (json!(now - 1), 0),
        (json!(-5), 0),
        (json!(0.5), 0),
        (json!(1e-7), 0),
        (json!(-1e300), 0),
        (json!(now + 3_600_000), 3_600_000),
        (json!(now + 3_600_001), 3_600_000),
        (json!(1e20), 3_600_000),
        (json!(1.5e21), 3_600_000),
        (json!(1e300), 3_600_000),
    ] {
        let opened = answered_raw("retryAt", &at);
        assert_eq!(opened.retry_in, Some(Duration::from_millis(ms)), "{at}");
    }
}

#[test]
fn words_of_a_peer_are_cut_and_cannot_steer_a_terminal() {
    let noise = format!("\u{1b}[2J{}\u{202e}", "é".repeat(400));
    let result = answered(&[("reason", json!(noise)), ("refusal", json!(noise))]);
    let result = result.expect("a result");
    let cut = |chars: usize| Some(format!("[2J{}", "é".repeat(chars - 3)));
    assert_eq!((result.reason, result.refusal), (cut(256), cut(64)));

    let hello = json!({"type": "hello", "publicKey": node_of(1).to_string(), "alias": noise});
    let Ok(Message::Hello(hello)) = read_of(&hello) else { panic!("a hello") };
    assert_eq!(Some(hello.alias), cut(32));
}

#[test]
fn the_most_that_is_granted_may_be_nothing() {
    for (value, sat) in [
        (json!("0"), Some(0)),
        (json!("5"), Some(5)),
        (json!("00"), None),
        (json!(5), None),
        (json!(null), None),
    ] {
        let result = answered(&[("maxTokens", value.clone())]).expect("a result");
        assert_eq!(result.max, sat.map(Sat::new), "{value}");
    }
}

#[test]
fn a_hello_with_a_version_names_its_node_under_the_signature() {
    let hello = |fields: &[(&str, Value)]| {
        let bare = json!({"type": "hello", "publicKey": node_of(1).to_string()});
        read_of(&edited(&bare, fields))
    };
    let node = json!(node_of(1).to_string());
    let Ok(Message::Hello(read)) = hello(&[("version", json!(2)), ("nodeId", node.clone())]) else {
        panic!("a hello of a later version");
    };
    assert_eq!((read.version, read.alias.as_str()), (Some(2), ""));
    for (fields, fault) in [
        (vec![("version", json!(1))], Fault::BadField { field: "nodeId" }),
        (vec![("nodeId", json!(node_of(2).to_string()))], Fault::NodesDiffer),
        (vec![("version", json!(0)), ("nodeId", node.clone())], BAD_VERSION),
        (vec![("version", json!(1.5)), ("nodeId", node.clone())], BAD_VERSION),
        (vec![("version", json!("1")), ("nodeId", node)], BAD_VERSION),
        (vec![("alias", json!(1))], Fault::BadField { field: "alias" }),
        (vec![("publicKey", json!(null))], Fault::BadField { field: "publicKey" }),
    ] {
        assert_eq!(hello(&fields), Err(fault), "{fields:?}");
    }
}

const BAD_VERSION: Fault = Fault::BadField { field: "version" };

#[test]
fn a_policy_is_whole_or_none() {
    let policy = json!({"type": "policy", "channelPoint": format!("{}:7", "0f".repeat(32)),
        "balancePoint": 1_000_000, "deadzone": 0, "maxTransactionSize": "0", "paused": true});
    let Ok(Message::Policy(read)) = read_of(&policy) else { panic!("a policy") };
    assert_eq!((read.balance_point, read.deadzone), (Ppm::ONE, Ppm::ZERO));
    for (field, value) in [
        ("channelPoint", json!(null)),
        ("balancePoint", json!(1_000_001)),
        ("balancePoint", json!("500000")),
        ("deadzone", json!(-1)),
        ("deadzone", json!(null)),
        ("maxTransactionSize", json!(1000)),
        ("paused", json!(null)),
    ] {
        let read = read_of(&edited(&policy, &[(field, value.clone())]));
        assert_eq!(read, Err(Fault::BadField { field }), "{field}: {value}");
    }
}

fn asked(field: &str, value: &Value) -> Result<PayInvoice, Fault> {
    let message = read_of(&edited(&request(), &[(field, value.clone())]))?;
    let Message::PayInvoice(request) = message else { panic!("{message:?}") };
    Ok(request)
}

fn answered(fields: &[(&str, Value)]) -> Result<PaymentResult, Fault> {
    let bare = edited(&request(), &[("type", json!("paymentResult"))]);
    let message = read_of(&edited(&bare, fields))?;
    let Message::PaymentResult(result) = message else { panic!("{message:?}") };
    Ok(result)
}

fn answered_raw(field: &str, value: &Value) -> PaymentResult {
    answered(&[(field, value.clone())]).expect("a result")
}

/// The message with some fields set.
fn edited(message: &Value, fields: &[(&str, Value)]) -> Value {
    let mut message = message.clone();
    for (field, value) in fields {
        message[*field] = value.clone();
    }
    message
}

/// What Bob understands of a message of Alice's.
fn read_of(message: &Value) -> Result<Message, Fault> {
    let document = signed(&alice(), message, NOW);
    let opened =
        Inbox::new(alice().me()).open(&bob(), document.as_bytes(), Time::default(), NOW)?;
    let Opened::Message { message, .. } = opened else { panic!("{opened:?}") };
    Ok(message)
}
