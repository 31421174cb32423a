//! docs/operations.md against the program: every reason, setting and command in it exists.
//!
//! What the keys of the configuration are is held against docs/config.md by `config`, what a
//! document links to by `tidy`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde::de::value::MapDeserializer;
use serde_json::json;
use tightrope::core::absent::Away;
use tightrope::core::decide::Rest;
use tightrope::core::outcome::{Cause, Failure};
use tightrope::core::refusal::Refusal;

/// The documents that tell an operator what to type.
const DOCUMENTS: [&str; 5] =
    ["README.md", "docs/config.md", "docs/control.md", "docs/operations.md", "docs/simnet.md"];

#[test]
fn the_table_of_reasons_has_each_code_that_there_is_and_no_other() {
    let kinds = [
        ("rest", codes::<Rest>("code")),
        ("refusal", codes::<Refusal>("code")),
        ("failure", codes::<Failure>("code")),
        ("cause", codes::<Cause>("cause")),
        ("away", codes::<Away>("code")),
    ];
    let mut expected = BTreeMap::<String, BTreeSet<String>>::new();
    for (kind, codes) in kinds {
        assert!(codes.len() > 1, "{kind} has codes");
        for code in codes {
            expected.entry((*code).to_owned()).or_default().insert(kind.to_owned());
        }
    }
    let mut told = BTreeMap::new();
    for cells in table(&document("docs/operations.md"), "| code | kind |") {
        let [code, kinds, meaning, mend] = &cells[..] else { panic!("four cells: {cells:?}") };
        assert!(!meaning.is_empty() && !mend.is_empty(), "{code} is explained");
        let kinds = kinds.split(", ").map(str::to_owned).collect();
        let before = told.insert(code.trim_matches('`').to_owned(), kinds);
        assert!(before.is_none(), "{code} stands there twice");
    }
    assert_eq!(told, expected);
}

#[test]
fn the_table_of_reasons_names_each_setting_that_the_program_itself_names() {
    let rows = table(&document("docs/operations.md"), "| code | kind |");
    let mut compared = 0;
    for cells in &rows {
        let code = cells[0].trim_matches('`');
        for mend in cells[1].split(", ").map(|kind| mend(kind, code)) {
            for setting in mend.split(|c: char| !c.is_alphanumeric()).filter(|it| is_setting(it)) {
                assert!(cells[3].contains(setting), "{code}: {:?} of {mend:?}", cells[3]);
                compared += 1;
            }
        }
    }
    assert!(compared > 10, "compared {compared} settings");
}

#[test]
fn each_command_that_a_document_names_is_one_with_the_options_it_shows() {
    let mut named = 0;
    for path in DOCUMENTS {
        for line in commands(&document(path)) {
            if let Err(complaint) = is_known(&line) {
                panic!("{path}: {line:?}: {complaint}");
            }
            named += 1;
        }
    }
    assert!(named > 20, "found {named} commands");
}

#[test]
fn what_reads_the_journal_as_json_passes_over_the_lines_of_systemd() {
    let mut found = 0;
    for path in ["docs/logs.md", "docs/operations.md"] {
        let text = document(path);
        for line in
            text.lines().filter(|line| line.starts_with("journalctl") && line.contains("| jq "))
        {
            assert!(line.contains("R 'fromjson? | "), "{path}: {line}");
            found += 1;
        }
    }
    assert!(found > 3, "found {found}");
}

#[test]
fn the_first_configuration_means_the_same_wherever_a_command_is_run() {
    let readme = document("README.md");
    let blocks = readme.split("```json").skip(1).filter_map(|rest| rest.split("```").next());
    let first = blocks.into_iter().find(|block| block.contains("lightningNodes"));
    let first: serde_json::Value =
        serde_json::from_str(first.expect("a configuration")).expect("JSON");
    for path in [
        "/audit/storage/path",
        "/control/socket",
        "/lightningNodes/0/certPath",
        "/lightningNodes/0/macaroonPath",
    ] {
        let named = first.pointer(path).and_then(serde_json::Value::as_str);
        assert!(named.is_some_and(|named| named.starts_with('/')), "{path}: {named:?}");
    }
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    let text = "Run `tightrope dance`.\n```\nalias tightrope=x\nA=b tightrope audit eat | jq .\n\
                tightrope status --loud # ok\n```\n";
    let found = commands(text);
    assert_eq!(found, ["tightrope dance", "tightrope audit eat", "tightrope status --loud"]);
    assert!(found.iter().all(|line| is_known(line).is_err()));
    assert_eq!(is_known("tightrope --config /etc/tightrope audit tail -f --events"), Ok(()));
}

/// The codes of an enum that serde tells apart by `tag`.
fn codes<T: for<'de> Deserialize<'de> + fmt::Debug>(tag: &str) -> &'static [&'static str] {
    let unheard_of = MapDeserializer::new([(tag, "?")].into_iter());
    match T::deserialize(unheard_of) {
        Err(Variants(codes)) => codes,
        Ok(value) => panic!("{value:?} has the code ?"),
    }
}

/// What the program says would change a reason of that kind, whatever its figures.
fn mend(kind: &str, code: &str) -> &'static str {
    let tag = if kind == "cause" { "cause" } else { "code" };
    let reason = json!({
        tag: code, "amount": 0, "detail": "", "expected": "mainnet", "left": 0, "max": 0, "min": 0,
        "number": 0, "over": [], "retryAt": 0, "until": 0, "why": "",
        "failure": { "code": "notSent" },
        "refusal": { "code": "stopping" },
        "word": { "code": null, "reason": "" },
    });
    match kind {
        "rest" => Rest::deserialize(reason).expect("a rest").mend(),
        "refusal" => Refusal::deserialize(reason).expect("a refusal").mend(),
        "failure" => Failure::deserialize(reason).expect("a failure").mend(),
        "away" => Away::deserialize(reason).expect("an absence").mend(),
        "cause" => Cause::deserialize(reason).expect("a cause").mend(),
        other => panic!("{code}: {other} is no kind of reason"),
    }
}

/// Whether a word is a key of the configuration: camelCase is nothing else in a sentence.
fn is_setting(word: &str) -> bool {
    word.starts_with(char::is_lowercase) && word.contains(char::is_uppercase)
}

/// What serde expected in the place of an unknown variant.
#[derive(Debug)]
struct Variants(&'static [&'static str]);

impl fmt::Display for Variants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {:?}", self.0)
    }
}

impl std::error::Error for Variants {}

impl serde::de::Error for Variants {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}

/// The metrics that docs/operations.md promises, each with its type and its labels.
pub(crate) fn metrics() -> BTreeMap<String, String> {
    let rows = table(&document("docs/operations.md"), "| metric |");
    let named = rows.iter().map(|cells| (cells[0].trim_matches('`').to_owned(), cells[1].clone()));
    let metrics: BTreeMap<_, _> = named.collect();
    assert_eq!(metrics.len(), rows.len(), "each stands there once");
    metrics
}

/// The cells of the rows of the table whose head begins with `head`.
pub(crate) fn table(text: &str, head: &str) -> Vec<Vec<String>> {
    let rows = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = |row: &str| {
        let inner = row.trim_matches('|');
        inner.split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    let rows: Vec<_> = rows.map(cells).collect();
    assert!(!rows.is_empty(), "there is a table {head}");
    rows
}

/// The command lines of ours in a document: in its blocks and in its sentences.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            let line = line.split(" #").next().unwrap_or(line);
            found.extend(line.split(['|', ';', '>']).filter_map(command));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).filter_map(command));
        }
    }
    found
}

/// The command, if it is one of ours, without the variables that are set for it.
fn command(text: &str) -> Option<String> {
    let words = text.split_whitespace().skip_while(|word| word.contains('='));
    let words: Vec<_> = words.collect();
    (*words.first()? == "tightrope").then(|| words.join(" "))
}

/// Whether the program knows the command and its options.
fn is_known(line: &str) -> Result<(), String> {
    let (mut path, mut options) = (Vec::new(), Vec::new());
    let mut page = help(&path);
    let mut words = line.split_whitespace().skip(1);
    while let Some(word) = words.next() {
        if word.starts_with('-') {
            options.push(word);
            if word == "--config" {
                words.next();
            }
        } else if subcommands(&page).contains(&word) {
            path.push(word.to_owned());
            page = help(&path);
        } else if !subcommands(&page).is_empty() {
            return Err(format!("no command {word}"));
        }
    }
    let known: Vec<_> = page.split([' ', ',', '\n']).collect();
    match options.iter().find(|option| !known.contains(option)) {
        Some(option) => Err(format!("no option {option}")),
        None => Ok(()),
    }
}

/// What `tightrope ... --help` prints.
fn help(path: &[String]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tightrope"));
    let output = command.args(path).arg("--help").env("COLUMNS", "100").output();
    String::from_utf8(output.expect("the binary runs").stdout).expect("help is UTF-8")
}

/// The commands that a page of help lists.
fn subcommands(page: &str) -> Vec<&str> {
    let lines = page.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    lines
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

/// A document of the repository.
pub(crate) fn document(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
