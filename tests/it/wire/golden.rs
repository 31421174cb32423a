//! Every message as a document, beside what it means: `tests/data/wire/`.
//!
//! `<name>.json` is the document, `<name>.meaning.json` the message in it. `UPDATE_EXPECT=1`
//! writes them anew. Another implementation can be checked against them: `docs/protocol.md` says
//! how they were made.

use std::path::Path;

use expect_test::expect_file;
use serde_json::{Value, json};
use tightrope::time::Time;
use tightrope::wire::{Inbox, Opened};

use super::documents::{self, NOW, alice, bob, node_of, request, signed};

/// Where the documents lie.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/wire");

#[test]
fn our_messages_are_those_of_the_golden_files() {
    let names = [
        "hello",
        "pay-invoice",
        "payment-result-paid",
        "payment-result-refused",
        "payment-result-failed",
        "policy",
    ];
    for (name, message) in names.into_iter().zip(documents::samples()) {
        let document = alice().close(bob().me(), &message, NOW);
        check(name, &String::from_utf8(document).expect("is UTF-8"));
    }
}

#[test]
fn legacy_messages_mean_what_the_golden_files_say() {
    let retry_at = NOW.unix_ms() + 60_000;
    for (name, message) in [
        (
            "legacy-hello",
            json!({"type": "hello", "publicKey": node_of(1).to_string(), "alias": "alice"}),
        ),
        ("legacy-pay-invoice", request()),
        (
            "legacy-payment-result-paid",
            answer(&json!({"allow": true, "paymentId": "cd".repeat(32), "confirmed": true,
                "confirmedAt": "2022-03-31T15:49:22.000Z"})),
        ),
        (
            "legacy-payment-result-refused",
            answer(&json!({"allow": false, "retryAt": retry_at, "paymentId": null,
                "reason": "20 transactions in last 4h. Limit is 20", "confirmed": false,
                "confirmedAt": null})),
        ),
        (
            "legacy-payment-result-failed",
            answer(&json!({"reason": "payment failed", "paymentId": null, "confirmed": false,
                "confirmedAt": null})),
        ),
    ] {
        check(name, &signed(&alice(), &message, NOW));
    }
}

/// A legacy result: the request with what became of it.
fn answer(result: &Value) -> Value {
    let mut message = request();
    for (key, value) in result.as_object().expect("an object") {
        message[key] = value.clone();
    }
    message["type"] = "paymentResult".into();
    message
}

fn check(name: &str, document: &str) {
    let opened = Inbox::new(alice().me()).open(&bob(), document.as_bytes(), Time::default(), NOW);
    let Ok(Opened::Message { message, .. }) = opened else { panic!("{name}: {opened:?}") };
    let meaning = serde_json::to_string_pretty(&message).expect("is told") + "\n";
    let path = |name: String| Path::new(FOLDER).join(name);
    expect_file![path(format!("{name}.json"))].assert_eq(document);
    expect_file![path(format!("{name}.meaning.json"))].assert_eq(&meaning);
}
