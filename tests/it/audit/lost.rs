//! Logs that are taken away, or changed, under the daemon that has them open.

use std::fmt::Debug;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{audit, every_kind, files, numbered};
use tempfile::TempDir;
use tightrope::audit::hypercore::verify;
use tightrope::audit::{Audit, AuditError, Files, Remedy};
use tightrope::core::narrative::Narrative;
use tightrope::core::record::Record;
use tightrope::time::Time;

#[tokio::test]
async fn a_folder_that_was_removed_is_noticed_and_not_made_anew() {
    let lost = check(|files| fs::remove_dir_all(&files.storage), "lock is gone, nothing").await;
    lost.stays_away();
}

#[tokio::test]
async fn a_folder_that_was_moved_is_noticed_and_usable_once_it_is_back() {
    let away = |files: &Files| fs::rename(&files.storage, files.storage.with_extension("away"));
    let lost = check(away, "lock is gone, nothing").await;
    lost.stays_away();
    let away = lost.files.storage.with_extension("away");
    let moved = |(path, bytes): &(PathBuf, Vec<u8>)| {
        let inner = path.strip_prefix(&lost.files.storage).expect("is below");
        (away.join(inner), bytes.clone())
    };
    assert_eq!(
        contents(&away),
        lost.before.iter().map(moved).collect::<Vec<_>>(),
        "what was moved is as it was"
    );
    fs::rename(&away, &lost.files.storage).expect("is moved back");
    lost.is_usable_again().await;
}

#[tokio::test]
async fn an_empty_folder_in_its_place_stays_empty() {
    let cover = |files: &Files| {
        fs::rename(&files.storage, files.storage.with_extension("away"))?;
        fs::create_dir(&files.storage)
    };
    let lost = check(cover, "lock is gone, nothing").await;
    assert_refused(lost.reopen(), "nothing is there");
    assert_eq!(contents(&lost.files.storage), []);
}

#[tokio::test]
async fn a_log_that_was_moved_alone_is_not_made_anew() {
    let folder = |files: &Files| files.transaction_log();
    let away = |files: &Files| fs::rename(folder(files), folder(files).with_extension("away"));
    let lost = check(away, "data is gone, nothing").await;
    assert_refused(lost.reopen(), "nothing is there");
    assert!(!folder(&lost.files).exists());
    fs::rename(folder(&lost.files).with_extension("away"), folder(&lost.files)).expect("is back");
    lost.is_usable_again().await;
}

#[tokio::test]
async fn another_log_in_its_place_is_refused_however_often_it_is_opened() {
    let other = |files: &Files| {
        fs::rename(&files.storage, files.storage.with_extension("away"))?;
        // What a second daemon makes.
        drop(audit::open(files, drop).expect("is made"));
        Ok(())
    };
    let lost = check(other, "lock is gone, another file").await;
    let theirs = contents(&lost.files.transaction_log());
    for _ in 0..2 {
        assert_refused(lost.reopen(), "is not the log that was there");
    }
    assert_eq!(contents(&lost.files.transaction_log()), theirs, "it is as they left it");
    fs::remove_dir_all(&lost.files.storage).expect("is removed");
    fs::rename(lost.files.storage.with_extension("away"), &lost.files.storage).expect("is back");
    lost.is_usable_again().await;
}

#[tokio::test]
async fn data_that_was_cut_is_noticed_and_not_written_past_its_end() {
    let data = |files: &Files| files.transaction_log().join("data");
    let lost = check(|files| resize(&data(files), 5), "data has 5 bytes instead of").await;
    assert_eq!(fs::metadata(data(&lost.files)).expect("is there").len(), 5);
    assert_refused(lost.reopen(), "is not the log that was there");
    let was = |(path, _): &&(PathBuf, _)| *path == data(&lost.files);
    let (_, whole) = lost.before.iter().find(was).expect("was there");
    fs::write(data(&lost.files), whole).expect("is put back");
    lost.is_usable_again().await;
}

#[tokio::test]
async fn data_that_was_replaced_by_a_copy_is_noticed_and_then_taken() {
    let replace = |files: &Files| replace(&files.transaction_log().join("data"));
    let lost = check(replace, "data is gone, another file").await;
    lost.is_usable_again().await;
}

#[tokio::test]
async fn an_oplog_that_was_replaced_by_a_copy_is_noticed_and_then_taken() {
    let replace = |files: &Files| replace(&files.transaction_log().join("oplog"));
    let lost = check(replace, "oplog is gone, another file").await;
    lost.is_usable_again().await;
}

#[tokio::test]
async fn a_lock_that_was_removed_is_noticed_and_made_anew() {
    let unlock = |files: &Files| fs::remove_file(files.storage.join("lock"));
    let lost = check(unlock, "lock is gone, nothing").await;
    lost.is_usable_again().await;
}

#[tokio::test]
async fn entries_that_were_cut_and_bytes_of_others_fail_the_next_append() {
    for (name, length) in [("oplog", 8192), ("data", 100_000)] {
        let lost = Lost::new().await;
        resize(&lost.files.transaction_log().join(name), length).expect("is changed");
        let said = format!("{name} has {length} bytes instead of");
        assert_refused(lost.audit.record(vec![numbered(1)]).await, &said);
    }
}

/// Open logs, which something happens to.
struct Lost {
    files: Files,
    audit: Audit,
    /// What the storage folder held then.
    before: Vec<(PathBuf, Vec<u8>)>,
    _folder: TempDir,
}

impl Lost {
    /// Opens logs, with one record of every kind.
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(&folder.path().join("storage"));
        let (audit, _) = audit::open(&files, drop).expect("opens");
        audit.record(every_kind()).await.expect("is durable");
        audit.look().await.expect("nothing has happened");
        Self { before: contents(&files.storage), files, audit, _folder: folder }
    }

    /// The start that follows on the end of a run.
    fn reopen(&self) -> Result<(Audit, Vec<Record>), AuditError> {
        let mut folded = Vec::new();
        let fold = |record| folded.push(record);
        let (audit, _) = audit::reopen(&self.files, &self.audit.mark(), fold)?;
        Ok((audit, folded))
    }

    /// The next starts find nothing, and leave nothing.
    fn stays_away(&self) {
        for _ in 0..2 {
            assert_refused(self.reopen(), "nothing is there");
            assert!(!self.files.storage.exists());
        }
    }

    /// The next start finds all that was durable, and takes more.
    async fn is_usable_again(&self) {
        let (audit, folded) = self.reopen().expect("opens");
        assert_eq!(folded, every_kind());
        audit.record(vec![numbered(1)]).await.expect("is durable");
        audit.look().await.expect("is where it was");
        audit.close().await;
        let verdict = verify(&self.files.transaction_log()).expect("can be checked");
        assert_eq!((verdict.unsigned, verdict.damage), (0, vec![]));
    }
}

/// Has `happen` happen to open logs: whoever looks and the next append must say so, and what is
/// left in the storage folder must be as it was left.
async fn check(happen: impl Fn(&Files) -> io::Result<()>, said: &str) -> Lost {
    // The first error is the last that a log has words for, so each has logs of its own.
    let looked_at = Lost::new().await;
    happen(&looked_at.files).expect("happens");
    assert_refused(looked_at.audit.look().await, said);
    let lost = Lost::new().await;
    happen(&lost.files).expect("happens");
    let left = contents(&lost.files.storage);
    assert_refused(lost.audit.record(vec![numbered(1)]).await, said);
    lost.audit.narrate(Time::from_unix_ms(5), &Narrative::Shutdown {});
    lost.audit.clone().close().await;
    let events = |(path, _): &(PathBuf, _)| !path.starts_with(lost.files.event_log());
    let now: Vec<_> = contents(&lost.files.storage).into_iter().filter(events).collect();
    assert_eq!(now, left.into_iter().filter(events).collect::<Vec<_>>());
    lost
}

/// Refused for now, in these words.
fn assert_refused<T: Debug>(outcome: Result<T, AuditError>, said: &str) {
    let error = outcome.expect_err("is refused");
    assert!(error.to_string().contains(said), "{error}");
    assert_eq!(error.remedy(), Remedy::RetryLater);
}

/// All files below a folder that may be missing, in order.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("is listed").path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).expect("is there");
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

/// Cuts a file, or makes it longer.
fn resize(path: &Path, length: u64) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.set_len(length)
}

/// Puts a copy in the place of a file.
fn replace(path: &Path) -> io::Result<()> {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy)?;
    fs::rename(copy, path)
}
