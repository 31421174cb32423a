//! The audit logs through real files.

mod cli;
mod crash;
mod damage;
mod lost;
mod power;
mod refusal;

use std::path::{Path, PathBuf};

use tightrope::audit::{self, Audit, AuditError, Files, Mask, Opened};
use tightrope::core::narrative::Narrative;
use tightrope::core::outcome::Cause;
use tightrope::core::outcome::Failure;
use tightrope::core::record::{Attempt, Bill, Entry, InvoiceKind, Pause, Record, Scope};
use tightrope::core::refusal::Refusal;
use tightrope::ids::{ChannelPoint, NodeId, PaymentHash, RebalanceId, Scid};
use tightrope::time::Time;
use tightrope::units::Msat;

#[tokio::test]
async fn every_kind_of_record_is_folded_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(folder.path());
    let (audit, _) = audit::open(&files, |_| panic!("a new log is empty")).expect("opens");
    audit.record(every_kind()).await.expect("is durable");
    audit.close().await;

    let (folded, opened) = reopen(&files).await;
    assert_eq!(folded, every_kind());
    assert_eq!(opened.records, folded.len() as u64);
    assert!(!opened.transactions.is_new);
}

#[tokio::test]
async fn a_second_daemon_is_refused_with_the_first_ones_pid() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(folder.path());
    let (first, _) = audit::open(&files, drop).expect("opens");
    let refusal = audit::open(&files, drop).expect_err("is taken");
    let us = std::process::id().to_string();
    assert!(matches!(&refusal, AuditError::Locked { owner, .. } if *owner == us), "{refusal}");
    first.close().await;
    audit::open(&files, drop).expect("is free again");
}

#[tokio::test]
async fn events_are_masked_lines_of_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(folder.path());
    let (audit, _) = audit::open(&files, drop).expect("opens");
    let narrative = Narrative::LightningDisconnect { public_key: node(7) };
    audit.narrate(Time::from_unix_ms(5), &narrative);
    audit.narrate(Time::from_unix_ms(6), &Narrative::Shutdown {});
    audit.close().await;

    let data = std::fs::read_to_string(files.event_log().join("data")).expect("is there");
    let masked = format!("07070707{}", "*".repeat(58));
    assert_eq!(
        data,
        format!(
            "{{\"event\":\"lightningDisconnect\",\"data\":{{\"publicKey\":\"{masked}\"}},\
             \"timestamp\":5}}\n{{\"event\":\"shutdown\",\"data\":{{}},\"timestamp\":6}}\n"
        )
    );
    let verdict = audit::hypercore::verify(&files.event_log()).expect("can be checked");
    assert_eq!((verdict.length, verdict.damage), (2, vec![]));
}

/// Opens the logs, and closes them again.
async fn reopen(files: &Files) -> (Vec<Record>, Opened) {
    let mut folded = Vec::new();
    let (audit, opened): (Audit, _) =
        audit::open(files, |record| folded.push(record)).expect("opens");
    audit.close().await;
    (folded, opened)
}

/// A folder in memory where there is one: what is written thousands of times need not wear a disk.
fn quick_folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    tempfile::tempdir_in(parent).expect("a folder")
}

fn files(storage: &Path) -> Files {
    Files {
        storage: storage.to_owned(),
        transactions: "transaction-log".to_owned(),
        events: "event-log".to_owned(),
        mask: Mask::new(["publicKey"]),
    }
}

/// The `n`th of many records, some short and some longer than a page.
fn numbered(n: u64) -> Record {
    let length = if n.is_multiple_of(7) { 5_000 } else { n % 50 };
    let reason = "r".repeat(usize::try_from(length).expect("is short"));
    let pause = Pause { scope: Scope::All, until: None, reason: Some(reason) };
    Record { at: Time::from_unix_ms(n), entry: Entry::Paused(pause) }
}

fn node(byte: u8) -> NodeId {
    NodeId::new([byte; 33])
}

/// One record of every kind, with every field that it can have.
fn every_kind() -> Vec<Record> {
    let attempt = Attempt {
        rebalance: RebalanceId::new([1; 16]),
        paid_to: node(2),
        paid_by: node(3),
        point: ChannelPoint::new([4; 32], 5),
        scid: Scid::new(869_059_488_412_139_521),
        amount: Msat::new(1_234_567),
        kind: InvoiceKind::Plain,
    };
    let hash = PaymentHash::new([6; 32]);
    let bill = Bill {
        hash,
        invoice: "lnbc1 \"quoted\"\n".to_owned(),
        expires_at: Time::from_unix_ms(9_000),
    };
    let refused = Cause::Refused { refusal: Refusal::PastBand { max: Msat::new(5) } };
    let failed = Cause::PaymentFailed { failure: Failure::Other { number: -3 } };
    let pause = Pause {
        scope: Scope::Node(node(2)),
        until: Some(Time::from_unix_ms(77)),
        reason: Some("maintenance: 50 %, \"quoted\"".to_owned()),
    };
    let entries = [
        Entry::RebalanceOpened(attempt.clone()),
        Entry::InvoiceCreated(attempt.clone(), bill.clone()),
        Entry::RebalanceSettled(attempt.clone(), hash),
        Entry::RebalanceFailed(attempt.clone(), Some(hash), refused),
        Entry::RebalanceFailed(attempt.clone(), Some(hash), failed),
        Entry::RebalanceFailed(attempt.clone(), None, Cause::NoInvoice { detail: "ä".to_owned() }),
        Entry::PaymentIntended(attempt.clone(), bill),
        Entry::PaymentUnknown(attempt.clone(), hash),
        Entry::PaymentSettled(attempt.clone(), hash),
        Entry::PaymentFailed(attempt, hash, Failure::NotFound),
        Entry::Paused(pause),
        Entry::Paused(Pause { scope: Scope::All, until: None, reason: None }),
        Entry::Resumed(Scope::Channel(ChannelPoint::new([4; 32], 5))),
    ];
    (1_000..=u64::MAX)
        .map(Time::from_unix_ms)
        .zip(entries)
        .map(|(at, entry)| Record { at, entry })
        .collect()
}
