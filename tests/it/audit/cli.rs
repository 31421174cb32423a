//! `tightrope audit`, as an operator meets it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::{audit, every_kind, files};
use tightrope::core::narrative::Narrative;
use tightrope::core::record::Record;
use tightrope::time::Time;

#[tokio::test]
async fn the_commands_read_the_logs_while_a_daemon_holds_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let (audit, _) = audit::open(&files(&folder.path().join("storage")), drop).expect("opens");
    audit.record(every_kind()).await.expect("is durable");
    audit.narrate(Time::from_unix_ms(5), &Narrative::Shutdown {});

    let list = said(&tightrope(folder.path(), &["audit", "list"]));
    assert_eq!(list.lines().count(), every_kind().len());
    assert_eq!(
        list.lines().next(),
        Some(
            "1970-01-01T00:00:01.000Z rebalanceOpened: 1234 sat over 790405x3965x1 \
             from 0303030303 to 0202020202"
        )
    );
    let newest = said(&tightrope(folder.path(), &["audit", "tail", "-n", "1"]));
    assert_eq!(Some(newest.trim_end()), list.lines().next_back());

    let json = said(&tightrope(folder.path(), &["audit", "list", "--json"]));
    let records: Vec<&str> = json.lines().collect();
    assert_eq!(records.len(), every_kind().len());

    let csv = said(&tightrope(folder.path(), &["audit", "export", "--csv"]));
    let header = csv.lines().next().expect("has a header");
    assert!(header.starts_with("record,role,state,timestamp,paidTo,"), "{header}");
    let rows = csv.matches("\r\n").count() - 1;
    assert_eq!(rows, every_kind().len(), "a newline in a value ends no row");

    let verdict = said(&tightrope(folder.path(), &["audit", "verify"]));
    assert!(verdict.contains("transaction-log is whole: 13 entries"), "{verdict}");
    audit.close().await;
    let events = said(&tightrope(folder.path(), &["audit", "list", "--events"]));
    assert_eq!(events, "1970-01-01T00:00:00.005Z shutdown\n");
}

#[tokio::test]
async fn verify_says_where_a_log_is_damaged_and_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(&folder.path().join("storage"));
    let (audit, _) = audit::open(&files, drop).expect("opens");
    let records: Vec<Record> = every_kind();
    audit.record(records).await.expect("is durable");
    audit.close().await;
    let path = files.transaction_log().join("data");
    let data = fs::read_to_string(&path).expect("is there");
    fs::write(&path, data.replacen("\"paymentSettled\"", "\"paymentUnknown\"", 1))
        .expect("is forged");

    let output = tightrope(folder.path(), &["audit", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    let verdict = String::from_utf8(output.stdout).expect("is text");
    assert!(verdict.contains("transaction-log is damaged"), "{verdict}");
    assert!(verdict.contains("data: line 9, at byte "), "{verdict}");
    assert!(verdict.contains("event-log is whole"), "{verdict}");
}

#[test]
fn without_a_log_the_commands_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in [["audit", "list"], ["audit", "tail"], ["audit", "verify"]] {
        let output = tightrope(folder.path(), &command);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
    }
    let output = tightrope(folder.path(), &["audit", "list"]);
    let said = String::from_utf8(output.stderr).expect("is text");
    assert!(said.contains("has the daemon run yet?"), "{said}");
}

/// Runs the command on the storage in `folder`.
fn tightrope(folder: &Path, arguments: &[&str]) -> Output {
    let local = serde_json::json!({
        "secret": "correct horse battery staple",
        "lightningNodes": [{ "socket": "127.0.0.1:1", "macaroon": "0201" }],
        "audit": { "storage": { "path": folder.join("storage") } },
    });
    fs::write(folder.join("local.json"), local.to_string()).expect("a config");
    Command::new(env!("CARGO_BIN_EXE_tightrope"))
        .arg("--config")
        .arg(folder)
        .args(arguments)
        .output()
        .expect("runs")
}

/// What a command that succeeded said.
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("is text")
}
