//! The command line: its help, its exit codes, and what it never prints.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use expect_test::expect_file;

/// Runs `tightrope` with a config folder of its own.
fn tightrope(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tightrope"))
        .args(args)
        .env("TIGHTROPE_CONFIG_DIR", folder)
        .env("COLUMNS", "100")
        .output()
        .expect("the binary runs")
}

/// A config folder for one node at `socket`.
fn folder(socket: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let local = serde_json::json!({
        "secret": "a-secret-that-nobody-prints",
        "lightningNodes": [{ "socket": socket, "macaroon": "c0ffee0123456789" }],
        "audit": { "storage": { "path": folder.path().join("storage") } },
    });
    fs::write(folder.path().join("local.json"), local.to_string()).expect("a config");
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn each_command_has_help_with_an_example() {
    let folder = folder("127.0.0.1:1");
    let commands: [&[&str]; 16] = [
        &[],
        &["run"],
        &["check"],
        &["status"],
        &["why"],
        &["pause"],
        &["resume"],
        &["reload"],
        &["schema"],
        &["completions"],
        &["audit"],
        &["audit", "verify"],
        &["audit", "export"],
        &["bootstrap"],
        &["demo"],
        &["simnet"],
    ];
    let mut all = String::new();
    for command in commands {
        let output = tightrope(folder.path(), &[command, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0));
        let help = text(&output.stdout);
        assert!(help.contains("Example"), "{command:?} has no example");
        all.push_str(&format!("$ tightrope {}\n{help}\n", command.join(" ")));
    }
    expect_file!["../data/cli/help.txt"].assert_eq(&all);
}

#[test]
fn what_cannot_be_meant_exits_with_64_and_what_cannot_be_used_with_78() {
    let good = folder("127.0.0.1:1");
    for args in [
        &["bogus"] as &[&str],
        &["--bogus"],
        &["audit", "bogus"],
        &["--once", "check"],
        &["--once", "audit", "list"],
        &["--once", "schema"],
        &["check", "--once"],
        &["--dry-run", "status"],
        &["status", "--dry-run"],
        &["--dry-run", "audit", "list"],
        &["--dry-run", "schema"],
        &["simnet"],
    ] {
        assert_eq!(tightrope(good.path(), args).status.code(), Some(64), "{args:?}");
    }
    let bad = tempfile::tempdir().expect("a temporary folder");
    fs::write(bad.path().join("local.json"), "{\"secrte\": 1}").expect("a config");
    for args in [&[] as &[&str], &["check"], &["audit", "list"]] {
        let output = tightrope(bad.path(), args);
        assert_eq!(output.status.code(), Some(78), "{args:?}");
        assert!(text(&output.stderr).contains("did you mean secret?"), "{args:?}");
    }
}

#[test]
fn a_node_that_does_not_answer_makes_check_and_a_single_pass_exit_with_1() {
    let folder = folder("127.0.0.1:1");
    let check = tightrope(folder.path(), &["check"]);
    assert_eq!(check.status.code(), Some(1));
    let said = text(&check.stdout);
    assert!(said.contains("fault: 127.0.0.1:1 does not answer"), "{said}");
    assert!(said.contains("trustedNodes") && !said.contains("above"), "{said}");
    assert!(said.ends_with("no channel between two nodes that answer\n"), "{said}");
    for args in [
        &["--once"] as &[&str],
        &["run", "--once"],
        &["--once", "run"],
        &["--dry-run", "--once"],
        &["run", "--dry-run", "--once"],
        &["--dry-run", "check"],
        &["check", "--dry-run"],
    ] {
        let pass = tightrope(folder.path(), args);
        assert_eq!(pass.status.code(), Some(1), "{args:?}");
    }
}

#[test]
fn no_secret_is_printed() {
    let folder = folder("127.0.0.1:1");
    for args in [&["check"] as &[&str], &["--once"], &["run", "--once"]] {
        let output = tightrope(folder.path(), args);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!said.contains("nobody-prints") && !said.contains("c0ffee"), "{args:?}: {said}");
    }
}

#[test]
fn the_printed_schema_is_the_one_in_the_config_folder() {
    let folder = folder("127.0.0.1:1");
    let printed = text(&tightrope(folder.path(), &["schema"]).stdout);
    assert_eq!(printed, include_str!("../../config/schema.json"));
}

#[test]
fn completions_name_the_commands() {
    let folder = folder("127.0.0.1:1");
    let script = text(&tightrope(folder.path(), &["completions", "bash"]).stdout);
    assert!(script.contains("--dry-run") && script.contains("audit"), "{script}");
}
