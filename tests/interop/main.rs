//! Opens our audit logs with npm's `hypercore@10`, and its appends with ours; signs and checks
//! documents in JavaScript; meets `hyperswarm@4`; has `ln-service` drive simulated nodes.
//!
//! Needs Node and npm; says so in one line and counts as skipped without them.
//! Run it with `cargo test --test interop`.

mod ln_service;
mod packages;
mod swarm;
mod wire;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use tightrope::audit::hypercore::{Found, Lines, Log, verify};
use tightrope::audit::{self, Files, Mask};
use tightrope::core::narrative::Narrative;
use tightrope::core::record::{Entry, Pause, Record, Scope};
use tightrope::time::Time;

/// Runs one of the tests below, which tell a failure by a panic.
fn trial(name: &str, test: fn()) -> Trial {
    let run = move || -> Result<(), Failed> {
        test();
        Ok(())
    };
    Trial::test(name, run)
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let mut trials = vec![
        trial(
            "hypercore_reads_what_we_wrote_and_we_read_what_it_appends",
            hypercore_reads_what_we_wrote_and_we_read_what_it_appends,
        ),
        trial(
            "hypercore_reads_a_log_of_more_than_one_page_of_the_bitfield",
            hypercore_reads_a_log_of_more_than_one_page_of_the_bitfield,
        ),
        trial(
            "hypercore_reads_a_log_that_was_taken_in_again_from_data",
            hypercore_reads_a_log_that_was_taken_in_again_from_data,
        ),
        trial("hypercore_reads_both_logs_of_a_daemon", hypercore_reads_both_logs_of_a_daemon),
        trial("what_javascript_signs_we_open", wire::what_javascript_signs_we_open),
        trial("what_we_sign_javascript_accepts", wire::what_we_sign_javascript_accepts),
        trial("ln_service_drives_a_simulated_node", ln_service::ln_service_drives_a_simulated_node),
        trial(
            "the_ln_service_of_the_original_drives_a_simulated_node",
            ln_service::the_ln_service_of_the_original_drives_a_simulated_node,
        ),
        trial("we_dial_node", swarm::we_dial_node),
        trial("node_dials_us", swarm::node_dials_us),
        trial("node_and_we_dial_each_other", swarm::node_and_we_dial_each_other),
        trial(
            "a_firewalled_node_and_we_find_each_other",
            swarm::a_firewalled_node_and_we_find_each_other,
        ),
        trial(
            "a_node_that_is_killed_is_noticed_within_15_s",
            swarm::a_node_that_is_killed_is_noticed_within_15_s,
        ),
        trial("a_node_that_takes_leave_is_heard", swarm::a_node_that_takes_leave_is_heard),
        trial("node_hears_us_take_leave", swarm::node_hears_us_take_leave),
        trial("a_node_that_says_too_much_is_dropped", swarm::a_node_that_says_too_much_is_dropped),
        trial("nodes_meet_over_our_dht", swarm::nodes_meet_over_our_dht),
        trial(
            "a_dht_that_comes_back_is_joined_again",
            swarm::a_dht_that_comes_back_is_joined_again,
        ),
        trial("forty_peers_all_meet", swarm::forty_peers_all_meet),
        trial(
            "peers_that_come_and_go_for_a_minute_meet_in_the_end",
            swarm::peers_that_come_and_go_for_a_minute_meet_in_the_end,
        ),
    ];
    if !arguments.list && packages::install("interop").is_none() {
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
        arguments.include_ignored = false;
        arguments.ignored = false;
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The transaction log with records, and the event log with what is told of them.
fn hypercore_reads_both_logs_of_a_daemon() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Files {
        storage: folder.path().to_owned(),
        transactions: "transaction-log".to_owned(),
        events: "event-log".to_owned(),
        mask: Mask::new(["message"]),
    };
    let (log, _) = audit::open(&files, |_| ()).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for ms in 0..20 {
            let at = Time::from_unix_ms(ms);
            let pause = Pause { scope: Scope::All, until: None, reason: Some(ms.to_string()) };
            let records = vec![
                Record { at, entry: Entry::Paused(pause) },
                Record { at, entry: Entry::Resumed(Scope::All) },
            ];
            log.record(records).await.expect("is durable");
            log.narrate(at, &Narrative::Error { message: "something is wrong".to_owned() });
        }
        log.close().await;
    });
    check(&files.transaction_log(), 40);
    check(&files.event_log(), 20);
}

fn hypercore_reads_what_we_wrote_and_we_read_what_it_appends() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty");
    drop(open(&empty));
    check(&empty, 0);

    let sizes = folder.path().join("sizes");
    let mut log = open(&sizes);
    // Each commit is still in `oplog` alone when a short log is copied, as after a kill.
    for size in [0, 1, 251, 252, 253, 254, 4095, 65_535, 65_536, 1_048_575] {
        append(&mut log, [vec![b'x'; size]]);
        check(&sizes, log.length());
    }
    append(&mut log, (0..100).map(|size| vec![b'y'; size]));
    check(&sizes, log.length());
    drop(log);
    check(&sizes, open(&sizes).length());
}

fn hypercore_reads_a_log_of_more_than_one_page_of_the_bitfield() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("long");
    let mut log = open(&path);
    for commit in 0..1100 {
        append(&mut log, (0..64).map(|line| format!("line {line} of {commit}").into_bytes()));
        // At the edge of a page and just beyond, each with entries that are not flushed.
        if [511, 512].contains(&commit) {
            check(&path, log.length());
        }
    }
    check(&path, 70_400);
}

fn hypercore_reads_a_log_that_was_taken_in_again_from_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mended");
    let mut log = open(&path);
    for line in 0..50_u8 {
        append(&mut log, [vec![b'a' + line % 26; usize::from(line)]]);
    }
    drop(log);
    let oplog = fs::OpenOptions::new().write(true).open(path.join("oplog")).expect("is there");
    oplog.set_len(9_000).expect("loses entries");
    let mut data = fs::OpenOptions::new().append(true).open(path.join("data")).expect("is there");
    data.write_all(b"torn").expect("gets a torn line");

    let (log, found) = Log::open(&path, |_| Ok(())).expect("opens");
    assert!(found.taken_in > 0 && found.cut == 4, "{found:?}");
    drop(log);
    check(&path, 50);
    fs::remove_file(path.join("tree")).expect("is there");
    let (_, found) = Log::open(&path, |_| Ok(())).expect("opens");
    assert!(found.is_rebuilt, "{found:?}");
    check(&path, 50);
}

/// Has `hypercore` check a copy of the log and append a line to it, which ours must then accept.
fn check(log: &Path, length: u64) {
    let copy = tempfile::tempdir().expect("a folder");
    for name in ["oplog", "tree", "bitfield", "data"] {
        fs::copy(log.join(name), copy.path().join(name)).expect("is copied");
    }
    let output = Command::new("node")
        .arg(home().join("hypercore.mjs"))
        .arg(copy.path())
        .arg(length.to_string())
        .output()
        .expect("node runs");
    assert!(
        output.status.success(),
        "{length} lines in {}: {}",
        log.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let verdict = verify(copy.path()).expect("can be checked");
    assert_eq!((verdict.length, verdict.damage), (length + 1, vec![]));
    let (mut theirs, found) = Log::open(copy.path(), |_| Ok(())).expect("opens");
    assert_eq!(found, Found::default());
    append(&mut theirs, [b"appended by us".to_vec()]);
    drop(theirs);
    let verdict = verify(copy.path()).expect("can be checked");
    assert_eq!((verdict.length, verdict.damage), (length + 2, vec![]));
}

fn open(path: &Path) -> Log {
    let (log, found) = Log::open(path, |_| Ok(())).expect("opens");
    assert_eq!((found.taken_in, found.cut, found.is_rebuilt), (0, 0, false));
    log
}

/// Appends lines as one commit.
fn append(log: &mut Log, contents: impl IntoIterator<Item = Vec<u8>>) {
    let mut lines = Lines::default();
    for content in contents {
        lines.push(&content);
    }
    log.append(&lines).expect("is durable");
    log.tidy().expect("is tidied");
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}
