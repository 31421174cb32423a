//! What is counted of what was decided, and what the status comes to, line by line.

use serde_json::{Value, json};

use super::*;
use crate::core::action::Action;
use crate::core::fixture::{self, NODE_A, NODE_B};
use crate::core::message::{Message, PayInvoice, PaymentResult};
use crate::core::narrative::Narrative;
use crate::core::outcome::{Cause, Failure};
use crate::core::record::{Attempt, Entry, InvoiceKind, Record};
use crate::core::refusal::Refusal;
use crate::ids::{NodeId, PaymentHash, PeerKey, RebalanceId, Scid};
use crate::time::Time;
use crate::units::{Msat, Sat};

const HASH: PaymentHash = PaymentHash::new([9; 32]);
const NOW: Time = Time::from_unix_ms(1_800_000_000_000);

fn attempt() -> Attempt {
    Attempt {
        rebalance: RebalanceId::new([1; 16]),
        paid_to: NODE_A,
        paid_by: NODE_B,
        point: fixture::point(1),
        scid: Scid::new(1),
        amount: Msat::new(5_000_000),
        kind: InvoiceKind::Plain,
    }
}

fn paid_by_alice() -> Attempt {
    Attempt { paid_to: NODE_B, paid_by: NODE_A, ..attempt() }
}

/// A refusal that we send to a peer that asked `paid_by` to pay.
fn refusal(paid_by: NodeId, is_allowed: bool) -> Action {
    let request = PayInvoice {
        invoice: String::new(),
        tokens: None,
        scid: None,
        point: None,
        paid_to: NODE_B,
        paid_by,
        rebalance: None,
    };
    let result = PaymentResult::refused(request, &Refusal::NotTrusted, None);
    let message = Message::PaymentResult(PaymentResult { is_allowed, ..result });
    Action::Send { peer: PeerKey::new([3; 32]), message }
}

/// The line of the counter of attempts of Alice.
fn ended(role: &str, outcome: &str, reason: &str) -> String {
    let labels = format!(r#"alias="alice",outcome="{outcome}",reason="{reason}",role="{role}""#);
    format!("tightrope_rebalances_total{{{labels}}} 1")
}

/// The line of what came in or went out.
fn moved(direction: &str) -> String {
    let labels = format!(r#"alias="alice",counterparty="another",direction="{direction}""#);
    format!("tightrope_rebalanced_satoshis_total{{{labels}}} 5000")
}

/// Counts what follows from `action` where Alice alone is ours, and looks for `lines`.
fn check<T: AsRef<str>>(action: &Action, lines: &[T]) {
    let figures = Figures::new();
    let before = figures.registry.gather().len();
    let called = |node| Named {
        name: if node == NODE_A { "alice" } else { "another" }.to_owned(),
        is_ours: node == NODE_A,
    };
    for count in counts(NOW, action, called) {
        figures.add(&count);
    }
    let text = figures.text(&status());
    for line in lines.iter().map(AsRef::as_ref) {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
    if lines.is_empty() {
        assert_eq!(figures.registry.gather().len(), before, "{text}");
    }
}

fn record(entry: Entry) -> Action {
    Action::Record(Record { at: NOW, entry })
}

#[test]
fn what_arrives_is_counted_on_its_side() {
    let fees = r#"tightrope_fees_satoshis_total{alias="alice"} 0"#.to_owned();
    let settled = [ended("payee", "settled", ""), moved("in"), fees.clone()];
    check(&record(Entry::RebalanceSettled(attempt(), HASH)), &settled);
    let settled = [ended("payer", "settled", ""), moved("out"), fees];
    check(&record(Entry::PaymentSettled(paid_by_alice(), HASH)), &settled);
}

#[test]
fn what_does_not_arrive_is_counted_with_its_reason() {
    let entry = Entry::RebalanceFailed(attempt(), None, Cause::NoLongerNeeded);
    check(&record(entry), &[ended("payee", "failed", "noLongerNeeded")]);
    let entry = Entry::PaymentFailed(paid_by_alice(), HASH, Failure::ExpiryTooSoon);
    check(&record(entry), &[ended("payer", "failed", "expiryTooSoon")]);
    let refused = Cause::Refused { refusal: Refusal::Inactive };
    let entry = Entry::RebalanceFailed(paid_by_alice(), None, refused);
    check(&record(entry), &[ended("payer", "refused", "inactive")]);
    check(&refusal(NODE_A, false), &[ended("payer", "refused", "notTrusted")]);
}

/// A peer that names ever new payers makes no series with them.
#[test]
fn a_refusal_in_the_name_of_a_node_that_is_not_ours_is_not_counted() {
    check::<&str>(&refusal(NodeId::new([0x44; 33]), false), &[]);
    check::<&str>(&refusal(NODE_A, true), &[]);
}

#[test]
fn a_drift_is_as_long_as_it_lasted() {
    let paid = |drifted_at| {
        Action::Narrate(Narrative::InvoicePaid {
            rebalance_id: RebalanceId::new([1; 16]),
            payment_id: HASH,
            tokens: Sat::new(5_000),
            drifted_at,
        })
    };
    let before = Time::from_unix_ms(NOW.unix_ms() - 2_500);
    check(
        &paid(Some(before)),
        &[
            "tightrope_drift_to_settled_seconds_sum 2.5",
            r#"tightrope_drift_to_settled_seconds_bucket{le="2"} 0"#,
            r#"tightrope_drift_to_settled_seconds_bucket{le="5"} 1"#,
        ],
    );
    check(&paid(None), &["tightrope_drift_to_settled_seconds_count 0"]);
}

#[test]
fn what_is_rare_is_there_before_it_happens() {
    let figures = Figures::new();
    let text = figures.text(&status());
    for line in [
        r#"tightrope_reloads_total{outcome="refused"} 0"#,
        r#"tightrope_clock_steps_total{direction="back"} 0"#,
    ] {
        assert!(text.lines().any(|it| it == line), "{text}");
    }
    for step in 1..=7 {
        figures.clock_stepped(Step::Back(Duration::from_secs(step)));
    }
    assert_eq!(figures.last_steps(), [-3_000, -4_000, -5_000, -6_000, -7_000]);
}

/// The status of the golden file, which has something of everything.
fn status() -> Status {
    serde_json::from_str(include_str!("../../../tests/data/cli/status.json")).expect("a status")
}

/// The same with a change.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut status = serde_json::to_value(status()).expect("JSON");
    change(&mut status);
    Figures::new().text(&serde_json::from_value(status).expect("a status"))
}

#[test]
fn a_node_that_never_answered_goes_by_its_socket() {
    let text = changed(|status| {
        status["slots"] = json!([{ "socket": "10.0.0.9:10009", "error": "it does not answer" }]);
    });
    let line = r#"tightrope_node_up{alias="10.0.0.9:10009",node=""} 0"#;
    assert!(text.lines().any(|it| it == line), "{text}");
}

/// Without a log nothing is known of what is open or paused: no zero says that there is nothing.
#[test]
fn without_a_log_nothing_is_said_of_what_is_not_known() {
    let text = changed(|status| status["log"]["isUsable"] = json!(false));
    assert!(text.lines().any(|it| it == "tightrope_audit_usable 0"), "{text}");
    for name in
        ["tightrope_pauses", "tightrope_open_payments", "tightrope_node_up", "tightrope_peers"]
    {
        assert!(
            !text.contains(&format!("{name} ")) && !text.contains(&format!("{name}{{")),
            "{text}"
        );
    }
}

#[test]
fn what_is_left_to_pay_is_the_cap_less_what_was_used() {
    let text = changed(|status| {
        let node = &mut status["nodes"][0];
        node["alias"] = json!("alice");
        node["budget"] = json!({
            "periodMs": 1, "paymentsUsed": 3, "paymentsMax": 5,
            "amountUsed": 1_000_000, "amountMax": 9_000_000,
        });
    });
    let node = status().report.nodes[0].node;
    for line in [
        format!(r#"tightrope_budget_left_payments{{alias="alice",node="{node}"}} 2"#),
        format!(r#"tightrope_budget_left_satoshis{{alias="alice",node="{node}"}} 8000"#),
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
}
