//! `tightrope simnet`: what it prints, what the prompt answers, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use expect_test::expect_file;
use rustix::process::{Pid, Signal, kill_process};

/// Three nodes, the first and the last of which reach each other over the second.
const SCENARIO: &str = "
node alice
node bob 0.20
node carol
channel alice bob 1_000_000 even fee 1000 500
channel bob carol 1_000_000 even fee 1000 500
";

/// What is written on the prompt.
const PROMPT: &str = "
balances
drift bob alice#2 5_000
pay alice dave 1
pya alice carol 1
open alice carol 500_000 push 100_000   # a comment
close bob carol
mine 1
drift bob alice 5_000
pay alice bob 1_000
help
quit
pay alice carol 1
";

#[test]
fn the_prompt_answers_each_line_and_survives_wrong_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = play(folder.path(), SCENARIO, PROMPT);
    expect_file!["../data/cli/prompt.txt"].assert_eq(&told);
}

#[test]
fn a_script_is_played_to_its_end_where_nobody_asks_for_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "\
        at 0s pay alice carol 20_000\n\
        at 1.5s fault refuse bob\n\
        at 1.7s balances\n\
        at 1.8s fault clear bob\n\
        at 1.9s close bob carol\n\
        at 2s mine 1\n\
        at 2.2s pay alice carol 5\n";
    let told = play(folder.path(), &format!("{SCENARIO}{script}"), "");
    expect_file!["../data/cli/script.txt"].assert_eq(&told);
}

/// Who forwards earns what the example says.
#[test]
fn the_example_of_three_nodes_plays_as_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = play(folder.path(), include_str!("../../config/simnet/three-nodes.scenario"), "");
    expect_file!["../data/cli/three-nodes.txt"].assert_eq(&told);
}

#[test]
fn a_served_network_stays_until_it_is_told_to_end_and_leaves_no_folder() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        ends_at(signal);
    }
}

/// A signal ends a served network, and nothing of it stays.
fn ends_at(signal: Signal) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut process = spawn(folder.path(), SCENARIO, &["--serve"]);
    let mut told = BufReader::new(process.stdout.take().expect("is piped")).lines();
    let mut value = |name: &str| {
        let found = told.find_map(|line| {
            let line = line.expect("is text");
            line.trim_start().strip_prefix(name).map(|value| value.trim().to_owned())
        });
        found.unwrap_or_else(|| panic!("no {name}"))
    };
    let (socket, certificate) = (value("socket"), value("cert"));
    TcpStream::connect(&socket).expect("listens");
    assert!(fs::exists(&certificate).expect("can be looked for"));
    let pid = Pid::from_child(&process);
    kill_process(pid, signal).expect("is heard");
    assert!(process.wait().expect("ends").success());
    assert!(TcpStream::connect(&socket).is_err(), "nobody listens");
    assert!(!fs::exists(&certificate).expect("can be looked for"));
}

#[test]
fn a_bad_scenario_is_told_and_exits_with_78() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut process = spawn(folder.path(), "node alice\nnode alice\n", &[]);
    let mut told = String::new();
    process.stderr.take().expect("is piped").read_to_string(&mut told).expect("is text");
    assert_eq!(process.wait().expect("ends").code(), Some(78));
    assert!(told.contains("a.scenario:2:6: `alice` is the node of line 1 already"), "{told}");
}

/// What a network prints to whom the prompt is written at once; all that differs between runs is
/// masked.
fn play(folder: &Path, scenario: &str, prompt: &str) -> String {
    let nodes = folder.join("nodes").display().to_string();
    let mut process = spawn(folder, scenario, &["--folder", &nodes]);
    let mut input = process.stdin.take().expect("is piped");
    input.write_all(prompt.as_bytes()).expect("is heard");
    drop(input);
    let output = process.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stdout).expect("is text");
    told.replace(&nodes, "DIR").lines().map(|line| masked(line) + "\n").collect()
}

/// A line without its ports and without how long things took.
fn masked(line: &str) -> String {
    let words = line.split(' ').collect::<Vec<_>>();
    let masked = words.iter().enumerate().map(|(index, word)| {
        let is_time = words.get(index + 1).is_some_and(|unit| *unit == "ms");
        match word.split_once("127.0.0.1:") {
            Some((before, after)) => {
                let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{before}127.0.0.1:PORT{after}")
            }
            None if is_time => "N".to_owned(),
            None => (*word).to_owned(),
        }
    });
    masked.collect::<Vec<_>>().join(" ")
}

fn spawn(folder: &Path, scenario: &str, args: &[&str]) -> Child {
    let file = folder.join("a.scenario");
    fs::write(&file, scenario).expect("is written");
    Command::new(env!("CARGO_BIN_EXE_tightrope"))
        .arg("simnet")
        .arg("--scenario")
        .arg(&file)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs")
}
