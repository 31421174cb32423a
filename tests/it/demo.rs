//! The demo: the story is played to its good end, and nothing of it is left behind.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything here may take on a machine that has much else to do.
const LIMIT: Duration = Duration::from_secs(120);

fn demo(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tightrope"));
    // What an operator has set for a daemon of their own is none of the demo's business.
    command.env("TIGHTROPE__LIMITS__BASESETTINGS__MAXTRANSACTIONSIZE", "1");
    command.arg("demo").args(arguments).current_dir(folder).env("TMPDIR", folder);
    command
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether nothing is left in the folder.
fn is_empty(folder: &Path) -> bool {
    folder.read_dir().expect("a folder").next().is_none()
}

/// How long the story may take, by its own clock. It waits for events, and takes 10 to 12 s without
/// optimization on two idle cores, 14 s on two with four times the work that they can do; the rest
/// is left to the tests beside it.
const STORY_TIME_MAX: Duration = Duration::from_secs(30);

#[test]
fn every_channel_comes_to_rest_in_time_and_both_logs_verify() {
    let folder = folder();
    let output = demo(folder.path(), &["--seed", "7"]).output().expect("it runs");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for (part, count) in [
        ("\n1. Two owners who do not know each other\n", 1),
        ("nobody has mended A–C within 1.5 s\n", 1),
        ("a peer speaks for C, by a signature of C itself\n", 1),
        ("A–C is kept in balance from now on\n", 2),
        ("E–B is kept in balance from now on\n", 2),
        ("at rest in its deadzone\n", 5),
        ("transaction-log verified: ", 2),
        ("event-log       verified: ", 2),
        ("NOT AS IT SHOULD BE", 0),
        // It is no terminal that it speaks to.
        ("\u{1b}", 0),
    ] {
        assert_eq!(said.matches(part).count(), count, "{part:?} in:\n{said}");
    }
    for part in [" asks ", " finds it in order, and pays ", " is mended "] {
        assert!(said.matches(part).count() >= 2, "{part:?} in:\n{said}");
    }
    let took = said.lines().find_map(|line| line.strip_prefix("After ")?.strip_suffix(" s:"));
    let took = took.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs_f64);
    assert!(took.is_some_and(|took| took < STORY_TIME_MAX), "{took:?} in:\n{said}");
    assert!(is_empty(folder.path()), "something is left");
}

#[test]
fn a_signal_ends_everything_whatever_the_story_has_come_to() {
    for (signal, code) in [(Signal::TERM, Some(1)), (Signal::INT, Some(1)), (Signal::KILL, None)] {
        let folder = folder();
        let mut child = start(folder.path());
        // The demo, and both daemons.
        until("the daemons run", || (processes_in(folder.path()) == 2).then_some(()));
        kill_process(Pid::from_child(&child), signal).expect("it runs");
        let status = until("it ends", || child.try_wait().expect("a child of ours"));
        assert_eq!(status.code(), code);
        until("the daemons end with it", || (processes_in(folder.path()) == 0).then_some(()));
        // Nobody removes anything after a kill.
        assert_eq!(is_empty(folder.path()), signal != Signal::KILL);
    }
}

#[test]
fn what_is_kept_can_be_looked_at_until_it_is_ended() {
    let folder = folder();
    let said = folder.path().join("said");
    let file = std::fs::File::create(&said).expect("a file");
    let mut child = demo(folder.path(), &["--keep", "--plain"]).stdout(file).spawn().expect("runs");
    let hint = until("it says how to look at it", || {
        let said = std::fs::read_to_string(&said).expect("a file");
        let whole = said.contains("Ctrl-C ends everything and removes");
        let mut lines = said.lines();
        lines.find(|line| whole && line.contains("status --watch")).map(str::to_owned)
    });
    let words: Vec<&str> = hint.split_whitespace().collect();
    let [binary, "--config", config, "status", "--watch"] = words.as_slice() else {
        panic!("{hint:?} is no command")
    };
    for question in [&["status"] as &[&str], &["why", "C"], &["audit", "verify"]] {
        let mut command = Command::new(binary);
        command.args(["--config", config]).args(question).current_dir(folder.path());
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{question:?}: {}", text(&output));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let status = until("it ends", || child.try_wait().expect("a child of ours"));
    assert_eq!(status.code(), Some(0));
    std::fs::remove_file(&said).expect("a file");
    assert!(is_empty(folder.path()), "something is left");
}

#[test]
fn without_real_nodes_it_says_what_builds_them() {
    let folder = folder();
    let output = demo(folder.path(), &["--real"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("target/regtest (build them with `bash tests/regtest/build.sh`"),
        "{said}"
    );
    assert!(is_empty(folder.path()), "something is left");
}

/// A demo whose words nobody reads.
fn start(folder: &Path) -> Child {
    let mut command = demo(folder, &[]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs")
}

/// How many processes were told of something in this folder.
fn processes_in(folder: &Path) -> usize {
    let folder = folder.display().to_string();
    let processes = Path::new("/proc").read_dir().expect("processes").filter_map(Result::ok);
    let told = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    told.filter(|told| String::from_utf8_lossy(told).contains(&folder)).count()
}

/// Waits until `probe` finds something.
fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "after {LIMIT:?} still waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
