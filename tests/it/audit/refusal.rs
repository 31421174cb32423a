//! Folders that must not be touched, lines that must not be folded, and how to go on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{audit, every_kind, files, reopen};
use tightrope::audit::hypercore::{Found, Lines, Log, verify};
use tightrope::audit::{AuditError, Files, Remedy};

#[test]
fn a_folder_of_another_format_is_refused_with_the_mend() {
    for (name, found) in [
        ("secret_key", "Hypercore 9"),
        ("signatures", "Hypercore 9"),
        ("db", "Hypercore 11"),
        ("CORESTORE", "Hypercore 11"),
        ("holiday.jpg", "no log of ours"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        fs::create_dir(files.event_log()).expect("is made");
        fs::write(files.event_log().join(name), "theirs").expect("is written");
        let said = refusal(&files);
        assert!(said.contains(found) && said.contains("audit.eventLog"), "{said}");
        let left: Vec<_> = fs::read_dir(files.event_log()).expect("is there").collect();
        assert_eq!(left.len(), 1, "{name} alone, as it was");
    }
}

#[test]
fn two_logs_of_one_name_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = files(folder.path());
    files.events.clone_from(&files.transactions);
    assert!(refusal(&files).contains("must differ"));
}

#[tokio::test]
async fn a_line_that_was_never_signed_and_is_not_ours_stops_the_start_until_it_is_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = written(folder.path()).await;
    let data = files.transaction_log().join("data");
    let mut lines = fs::read(&data).expect("is there");
    let signed = lines.len();
    lines.extend_from_slice(
        b"{\"record\":\"resumed\",\"timestamp\":1,\"scope\":\"all\"}\nnot ours\n",
    );
    fs::write(&data, &lines).expect("is written");

    let said = refusal(&files);
    let foreign = lines.len() - "not ours\n".len();
    let mend = format!("truncate -s {foreign} {}", data.display());
    assert!(said.contains(&format!("at byte {foreign}")) && said.contains(&mend), "{said}");
    assert_eq!(fs::read(&data).expect("is there"), lines, "nothing was changed");

    lines.truncate(foreign);
    fs::write(&data, &lines).expect("is cut");
    let (folded, opened) = reopen(&files).await;
    assert!(foreign > signed);
    assert_eq!((folded.len(), opened.transactions.taken_in), (every_kind().len() + 1, 1));
}

#[tokio::test]
async fn a_signed_record_of_a_later_version_stops_the_start_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = written(folder.path()).await;
    let (mut log, _) = Log::open(&files.transaction_log(), |_| Ok(())).expect("opens");
    let offset = log.byte_length();
    let mut lines = Lines::default();
    lines.push(br#"{"record":"rebalanceDreamt","timestamp":1}"#);
    log.append(&lines).expect("is durable");
    drop(log);
    let said = refusal(&files);
    assert!(said.contains(&format!("at byte {offset}")), "{said}");
    assert!(said.contains("rebalanceDreamt") && said.contains("newer tightrope"), "{said}");
}

#[tokio::test]
async fn a_lost_key_pair_is_an_error_until_the_operator_asks_for_a_new_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = written(folder.path()).await;
    let before = verify(&files.transaction_log()).expect("can be checked");
    let oplog = files.transaction_log().join("oplog");
    fs::write(&oplog, [0; 8192]).expect("is lost");
    assert!(refusal(&files).contains("move it away"));

    fs::remove_file(&oplog).expect("is moved away");
    let (folded, opened) = reopen(&files).await;
    assert_eq!(folded, every_kind());
    let taken_in = every_kind().len() as u64;
    assert_eq!(opened.transactions, Found { is_new: true, taken_in, ..Found::default() });
    let after = verify(&files.transaction_log()).expect("can be checked");
    assert_ne!(after.key, before.key);
    assert_eq!((after.length, after.damage), (taken_in, vec![]));
}

#[tokio::test]
async fn nobody_else_can_read_the_key_pair() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = written(&folder.path().join("storage")).await;
    for (path, expected) in [
        (files.storage.clone(), 0o700),
        (files.transaction_log(), 0o700),
        (files.transaction_log().join("oplog"), 0o600),
        (files.transaction_log().join("data"), 0o600),
    ] {
        let mode = fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, expected, "{}", path.display());
    }
}

/// Logs with one record of every kind.
async fn written(storage: &Path) -> Files {
    let files = files(storage);
    let (audit, _) = audit::open(&files, drop).expect("opens");
    audit.record(every_kind()).await.expect("is durable");
    audit.close().await;
    files
}

/// What is said when the logs cannot be opened, now or later.
fn refusal(files: &Files) -> String {
    let refusal: AuditError = audit::open(files, drop).expect_err("is refused");
    assert_eq!(refusal.remedy(), Remedy::GiveUp, "{refusal}");
    refusal.to_string()
}
