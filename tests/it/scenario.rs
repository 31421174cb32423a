//! Scenarios of the simulated network: those that are shipped, those that are wrong, and any text.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arbtest::arbitrary::{Result, Unstructured};
use arbtest::arbtest;
use expect_test::expect_file;
use tightrope::simnet::command::{COMMANDS, Command, FAULTS, Prompt};
use tightrope::simnet::scenario::Scenario;

use crate::docs::document;

/// How long the properties are tried.
const BUDGET: Duration = Duration::from_secs(2);

/// What a line can be made of, right or wrong.
const WORDS: [&str; 62] = [
    "seed",
    "node",
    "channel",
    "traffic",
    "at",
    "pay",
    "drift",
    "open",
    "close",
    "mine",
    "fault",
    "clear",
    "balances",
    "help",
    "quit",
    "slow",
    "refuse",
    "lost-answer",
    "unknown",
    "stale",
    "stuck",
    "disconnect",
    "restart",
    "height",
    "clock",
    "for",
    "every",
    "even",
    "uneven",
    "push",
    "private",
    "fee",
    "alice",
    "bob",
    "carol",
    "bob#2",
    "bob#0",
    "#",
    "0.20",
    "0.21",
    "0",
    "1",
    "7",
    "30000",
    "1_000_000",
    "500_000",
    "16777216",
    "18446744073709551616",
    "1..2",
    "2..1",
    "..",
    "5s",
    "500ms",
    "1.5s",
    "99999d",
    "-3",
    "+90s",
    "-",
    "+",
    "é",
    "\u{2003}",
    "\u{0}",
];

#[test]
fn the_shipped_scenarios_are_good() {
    let files = scenarios("config/simnet");
    assert!(files.len() >= 2, "found them");
    for file in files {
        let scenario = Scenario::read(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(Scenario::parse(&scenario.to_string()).as_ref(), Ok(&scenario));
        assert!(scenario.script.is_sorted_by_key(|(time, _)| *time));
    }
}

#[test]
fn a_bad_scenario_is_told_every_fault_with_its_line() {
    for file in scenarios("tests/data/simnet/bad") {
        let text = fs::read_to_string(&file).expect("is text");
        let faults = Scenario::parse(&text).expect_err("is bad");
        let told: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
        expect_file![file.with_extension("txt")].assert_eq(&told);
    }
}

#[test]
fn a_file_that_is_no_text_is_told_with_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.scenario");
    let check = |parts: &[&str]| {
        let error = Scenario::read(&path).expect_err("cannot be read");
        let told = format!("{:#}", anyhow::Error::from(error));
        for part in parts {
            assert!(told.contains(part), "{told}");
        }
    };
    check(&["a.scenario cannot be read", "No such file"]);
    fs::write(&path, [0xff]).expect("is written");
    check(&["a.scenario cannot be read", "UTF-8"]);
    fs::write(&path, "node alice\nnode alice\nnode bbo!\n").expect("is written");
    check(&["a.scenario has 2 faults:\n", "a.scenario:2:6: ", "a.scenario:3:6: "]);
}

#[test]
fn the_documentation_has_every_command_and_every_fault_and_a_scenario_that_is_good() {
    let text = document("docs/simnet.md");
    for (form, _) in COMMANDS.into_iter().chain(FAULTS) {
        let form = format!("| `{}` |", form.replace('|', "\\|"));
        assert!(text.contains(&form), "{form}");
    }
    let example = text.split("```scenario").nth(1).and_then(|rest| rest.split("```").next());
    let example = Scenario::parse(example.expect("has an example"));
    assert_eq!(example.map(|scenario| scenario.script.len()), Ok(3));
    let prompt = text.lines().filter_map(|line| line.strip_prefix("> "));
    assert!(prompt.map(Prompt::read).all(|line| matches!(line, Ok(Some(_)))));
}

#[test]
fn any_text_is_read_or_refused_and_what_is_read_prints_as_itself() {
    arbtest(|u| {
        let text = text(u)?;
        if let Ok(scenario) = Scenario::parse(&text) {
            assert_eq!(Scenario::parse(&scenario.to_string()), Ok(scenario), "{text}");
        }
        for line in text.lines() {
            if let Ok(command) = line.parse::<Command>() {
                assert_eq!(command.to_string().parse(), Ok(command), "{line}");
            }
            drop(Prompt::read(line));
        }
        Ok(())
    })
    .budget(BUDGET)
    .run();
}

#[test]
fn a_command_of_its_own_words_is_read_and_prints_as_itself() {
    let mut count = 0;
    arbtest(|u| {
        let line = command(u)?;
        match line.parse::<Command>() {
            Ok(command) => assert_eq!(command.to_string().parse(), Ok(command), "{line}"),
            // The only thing that two random nodes can have against each other.
            Err(misread) => {
                assert!(misread.to_string().contains("both sides"), "{line}: {misread}")
            }
        }
        count += 1;
        Ok(())
    })
    .budget(BUDGET)
    .run();
    assert!(count > 100, "tried {count}");
}

/// Lines of known words, or any characters.
fn text(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(1, 4)? {
        return u.arbitrary();
    }
    let mut text =
        if u.arbitrary()? { "node alice\nnode bob\nnode carol\n" } else { "" }.to_owned();
    while !u.is_empty() && text.len() < 4096 {
        text.push_str(if u.ratio(1, 3)? { "\n" } else { " " });
        text.push_str(&if u.ratio(1, 8)? { command(u)? } else { (*u.choose(&WORDS)?).to_owned() });
    }
    Ok(text)
}

/// A line that is right but for nodes that may be the same.
fn command(u: &mut Unstructured<'_>) -> Result<String> {
    let name = |u: &mut Unstructured<'_>| u.choose(&["alice", "bob", "c-3"]).copied();
    let (one, other) = (name(u)?, name(u)?);
    let sat = u.int_in_range(1..=2_100_000_000_000_000_u64)?;
    let span = format!("{}ms", u.int_in_range(1..=1_000_000_000_u64)?);
    let nth =
        if u.arbitrary()? { format!("#{}", u.int_in_range(1..=u16::MAX)?) } else { String::new() };
    let lasts = if u.arbitrary()? { format!(" for {span}") } else { String::new() };
    Ok(match u.int_in_range(0..=9)? {
        0 => format!("pay {one} {other} {sat}"),
        1 => format!("drift {one} {other}{nth} {sat}"),
        2 => format!("open {one} {other} {sat} even fee {} {}", u.arbitrary::<u32>()?, 1_000_000),
        3 => format!("open {one} {other} {sat} push {sat} private"),
        4 => format!("close {one} {other}{nth}"),
        5 => format!("mine {}", u.int_in_range(1..=10_000)?),
        6 => format!("fault slow {one} {span}{lasts}"),
        7 => format!("fault height {one} {}{lasts}", u.int_in_range(-100_000..=100_000)?),
        8 => format!("fault clock {one} -{span}{lasts}"),
        _ => format!("fault {} {one} {other}{lasts}", u.choose(&["stuck", "disconnect"])?),
    })
}

/// The scenarios of a folder, in order.
fn scenarios(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "scenario"));
    paths.sort();
    paths
}
