//! The commands that ask a running daemon: what they print, and how they exit.

use std::process::Output;

use expect_test::{Expect, expect, expect_file};
use tokio::process::Command;

use super::*;

/// Runs `tightrope` with the configuration in `folder`.
async fn run(folder: &TempDir, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tightrope"))
        .args(args)
        .env("TIGHTROPE_CONFIG_DIR", folder.path())
        .output()
        .await
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A stand-in daemon whose configuration names its socket, and cannot be used for anything else.
fn stand() -> Stand {
    let stand = Stand::new(None, None);
    let local = json!({ "secrte": 1, "control": { "socket": socket(&stand.folder) } });
    fs::write(stand.folder.path().join("local.json"), local.to_string()).expect("a config");
    stand
}

/// Checks what a command says, stdout first, and its exit code.
async fn check(stand: &Stand, args: &[&str], expected: Expect) {
    let output = run(&stand.folder, args).await;
    let code = output.status.code().expect("it was not killed");
    let said = text(&output.stdout) + &text(&output.stderr);
    expected.assert_eq(&format!("{said}exit {code}\n"));
}

#[tokio::test]
async fn a_status_is_printed_as_json_and_as_text() {
    let stand = stand();
    let json = run(&stand.folder, &["status", "--json"]).await;
    assert_eq!(json.status.code(), Some(0));
    expect_file!["../../data/cli/status.json"].assert_eq(&text(&json.stdout));
    let plain = run(&stand.folder, &["status"]).await;
    assert_eq!(plain.status.code(), Some(0));
    expect_file!["../../data/cli/status-pipe.txt"].assert_eq(&text(&plain.stdout));
}

#[tokio::test]
async fn each_command_says_what_the_daemon_did() {
    let stand = stand();
    check(
        &stand,
        &["why", "Dörte/☂"],
        expect![[r#"
        alice asks for 1000000 sat.
        exit 0
    "#]],
    )
    .await;
    check(
        &stand,
        &["why", "700123"],
        expect![[r#"
            tightrope: nothing is called "700123" (did you mean 700123x1x0, ca\u{1b}rol?)
            exit 1
        "#]],
    )
    .await;
    check(
        &stand,
        &["pause"],
        expect![[r#"
        paused: all
        exit 0
    "#]],
    )
    .await;
    check(
        &stand,
        &["pause", "alice", "--for", "2h", "--reason", "tea"],
        expect![[r#"
        paused: alice
        exit 0
    "#]],
    )
    .await;
    check(
        &stand,
        &["resume", "alice"],
        expect![[r#"
        resumed: alice
        exit 0
    "#]],
    )
    .await;
    check(
        &stand,
        &["reload"],
        expect![[r#"
            tightrope: it cannot be done:
              limits: no
              log.level: no
            exit 1
        "#]],
    )
    .await;
    let asked = stand.close().await;
    let tea = Pause {
        scope: "alice".to_owned(),
        for_ms: Some(7_200_000),
        reason: Some("tea".to_owned()),
    };
    assert_eq!(asked[3], Question::Pause(tea));
}

#[tokio::test]
async fn a_name_that_is_not_one_is_answered_with_names_that_are() {
    let stand = stand();
    check(
        &stand,
        &["why", "alice"],
        expect![[r#"
        tightrope: nothing is called "alice" (did you mean 700123x1x0, ca\u{1b}rol?)
          no answer from 10.0.0.1:10009
          (before its first one, a node goes by its whole key, and its channels by their points)
        exit 1
    "#]],
    )
    .await;
    check(
        &stand,
        &["why", "bob"],
        expect![[r#"
        tightrope: "bob" may mean several things; name one of them:
          01…:0  the channel 0x0x1 of "alice" with "bob"
          02…:0  the channel 0x0x2 of "alice" with "bob"
          and 3 more
        exit 1
    "#]],
    )
    .await;
    stand.close().await;
}

#[tokio::test]
async fn a_command_without_a_daemon_says_where_it_looked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for args in [&["status"] as &[&str], &["why", "a"], &["pause"], &["resume"], &["reload"]] {
        let args = [args, &["--socket", "/nowhere/control.sock"]].concat();
        let output = run(&folder, &args).await;
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = text(&output.stderr);
        assert!(said.contains("no daemon listens on /nowhere/control.sock"), "{said}");
    }
    let file = folder.path().join("no-socket");
    fs::write(&file, "").expect("a file");
    for other in [folder.path(), &file] {
        let output = run(&folder, &["status", "--socket", &other.display().to_string()]).await;
        let said = text(&output.stderr);
        assert!(said.contains(&format!("{} is no socket", other.display())), "{said}");
    }
    fs::write(folder.path().join("local.json"), "{}").expect("a config");
    let said = text(&run(&folder, &["status"]).await.stderr);
    let place = "./storage/control.sock, relative to the working directory";
    assert!(said.contains(place), "{said}");
    for args in [
        &["status", "--json", "--watch"] as &[&str],
        &["pause", "--for", "0s"],
        &["pause", "--for", "soon"],
        &["pause", "--dry-run"],
        &["pause", ""],
        &["pause", "--for", "0.5ms"],
        &["pause", "--for", "-1h"],
        &["pause", "--for", "99999999d"],
        &["resume", ""],
        &["why", ""],
        &["why"],
    ] {
        assert_eq!(run(&folder, args).await.status.code(), Some(64), "{args:?}");
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_locks_nobody_out() {
    let stand = stand();
    fs::write(stand.folder.path().join("local.json"), "{ not json").expect("a config");
    for command in ["status", "pause"] {
        let output = run(&stand.folder, &[command]).await;
        assert_eq!(output.status.code(), Some(78), "{command}");
        let said = text(&output.stderr);
        assert!(said.contains("local.json") && said.contains("--socket /run/tightrope"), "{said}");
        let socket = socket(&stand.folder).display().to_string();
        let output = run(&stand.folder, &[command, "--socket", &socket]).await;
        assert_eq!(output.status.code(), Some(0), "{command}: {}", text(&output.stderr));
    }
    let output = run(&stand.folder, &["status", "--config", "/nowhere"]).await;
    assert_eq!(output.status.code(), Some(78));
    let said = text(&output.stderr);
    assert!(said.contains("the folder /nowhere does not exist"), "{said}");
}

#[tokio::test]
async fn a_length_that_is_none_is_told_in_words_of_ours() {
    let stand = stand();
    for (length, words) in [
        ("-1h", "\"-1h\" is not a length of time"),
        ("99999999d", "over ten years: leave --for out"),
    ] {
        let said = text(&run(&stand.folder, &["pause", "--for", length]).await.stderr);
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(stand.close().await, [], "nothing was asked");
}

#[tokio::test]
async fn a_watch_without_a_terminal_prints_lines_and_waits_for_a_daemon() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tightrope"))
        .args(["status", "--watch", "--socket"])
        .arg(socket(&folder))
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary runs");
    let stdout = child.stdout.take().expect("a pipe");
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stdout));
    let first = lines.next_line().await.expect("a line").expect("not the end");
    assert!(first.contains("no daemon listens on"), "{first}");

    let (asked, questions) = mpsc::channel(8);
    let server = Server::start(&settings(socket(&folder)), asked).expect("a server");
    let daemon = tokio::spawn(stand_in(questions));
    let second = lines.next_line().await.expect("a line").expect("not the end");
    assert!(second.contains("nodes 1/3, peers 3, sides: 1 ask"), "{second}");
    child.kill().await.expect("it is killed");
    server.close().await;
    daemon.await.expect("the stand-in ends");
}
