//! Daemons that are killed, and disks that are full, in child processes: the test itself, run once
//! more with the storage folder in its environment.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{audit, files, numbered, reopen};
use tightrope::audit::hypercore::verify;

/// Names the storage folder to the child.
const STORAGE: &str = "TIGHTROPE_TEST_STORAGE";
/// The test that the child runs.
const CHILD: &str = "audit::crash::what_was_acknowledged_is_there_after_a_kill_at_any_point";
/// How many calls the child has waiting at the same time.
const WAITING: usize = 4;

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill_at_any_point() {
    if let Some(storage) = std::env::var_os(STORAGE) {
        return append_until_refused(Path::new(&storage)).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut rng = 0x2545_f491_4f6c_dd1d_u64;
    let mut length = 0;
    for _ in 0..40 {
        rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The kill comes after so many acknowledgements, and so hits the appends behind them; with
        // none it hits the making or the opening of the logs.
        let acknowledgements = rng >> 32 & 31;
        let mut child = child(&["-c", "exec \"$@\""], folder.path());
        let mut acked = None;
        for line in lines(&mut child).take(usize::try_from(acknowledgements).expect("is small")) {
            acked = number(&line, "acked ");
        }
        child.kill().expect("is killed");
        child.wait().expect("is dead");
        length = check(folder.path(), length, acked).await;
    }
    assert!(length > 100, "only {length} records in all");
}

#[tokio::test]
async fn a_full_disk_is_reported_and_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut length = 0;
    // Each limit is met by another write, after the space that the one before it left.
    for limit in (100..160).step_by(12) {
        // Blocks of 512 bytes, as POSIX counts them; the limit is an error and not a signal.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", limit * 2);
        let mut child = child(&["-c", &script], folder.path());
        let said: Vec<String> = lines(&mut child).collect();
        child.wait().expect("ends");
        let acked = said.iter().filter_map(|line| number(line, "acked ")).next_back();
        let refused = said.iter().filter(|line| line.contains("refused")).count();
        assert!(refused > WAITING, "all that waits is refused, and what comes later: {said:?}");
        length = check(folder.path(), length, acked).await;
    }
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$@\"";
    let mut child = child(&["-c", script], folder.path());
    let said: Vec<String> = lines(&mut child).collect();
    child.wait().expect("ends");
    assert!(said.iter().any(|line| line == "not opened: RetryLater"), "{said:?}");
}

/// Opens the logs after a crash, and tells how many records there are: all from 0 on in order,
/// with those that were there before and those that were acknowledged.
async fn check(storage: &Path, before: u64, acked: Option<u64>) -> u64 {
    let files = files(storage);
    let (folded, _) = reopen(&files).await;
    let length = folded.len() as u64;
    assert!(folded == (0..length).map(numbered).collect::<Vec<_>>(), "gap or change");
    assert!(length >= before, "{before} before and {length} now");
    assert!(acked.is_none_or(|acked| length > acked), "{acked:?} acknowledged of {length}");
    let verdict = verify(&files.transaction_log()).expect("can be checked");
    assert_eq!((verdict.length, verdict.unsigned, verdict.damage), (length, 0, vec![]));
    length
}

/// Starts the child under a shell script.
fn child(script: &[&str], storage: &Path) -> Child {
    Command::new("sh")
        .args(script)
        .arg("sh")
        .arg(std::env::current_exe().expect("this test"))
        .args([CHILD, "--exact", "--nocapture"])
        .env(STORAGE, storage)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

/// What the child says, line by line.
fn lines(child: &mut Child) -> impl Iterator<Item = String> {
    let said = BufReader::new(child.stdout.take().expect("is piped"));
    said.lines().map_while(Result::ok).filter(|line| {
        ["acked ", "refused", "not opened"].iter().any(|said| line.starts_with(said))
    })
}

/// The number behind a word.
fn number(line: &str, word: &str) -> Option<u64> {
    line.strip_prefix(word)?.parse().ok()
}

/// What the child does: it appends, and says what it was told.
async fn append_until_refused(storage: &Path) {
    let mut next = 0;
    let (audit, _) = match audit::open(&files(storage), |_| next += 1) {
        Ok(opened) => opened,
        Err(error) => return say(&format!("not opened: {:?}", error.remedy())),
    };
    let mut waiting = VecDeque::new();
    let mut refused = 0;
    while refused < 2 * WAITING {
        while waiting.len() < WAITING {
            let batch = next..next + 1 + next % 3;
            next = batch.end;
            waiting.push_back((next - 1, audit.record(batch.map(numbered).collect())));
        }
        let (last, appended) = waiting.pop_front().expect("some wait");
        match appended.await {
            Ok(()) => say(&format!("acked {last}")),
            Err(error) => {
                refused += 1;
                say(&format!("refused {last}: {error}"));
            }
        }
    }
}

/// Says something past the test runner.
fn say(line: &str) {
    // On a line of its own, whatever the runner has begun.
    writeln!(std::io::stdout(), "\n{line}").expect("is heard");
}
