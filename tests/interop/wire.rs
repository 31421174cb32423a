//! Signatures over documents, as JavaScript and as we make and check them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tightrope::core::message::{Hello, Message};
use tightrope::ids::NodeId;
use tightrope::time::Time;
use tightrope::wire::{Inbox, Opened, Seal};

/// The secret and the time of the golden files, whose sender has the seed `01…` and whose
/// recipient `02…`.
const SECRET: &str = "a secret of the golden files";
const NOW: Time = Time::from_unix_ms(1_648_741_762_439);

/// How many random documents are signed in JavaScript and opened by us.
const DOCUMENTS: usize = 10_000;

pub(crate) fn what_javascript_signs_we_open() {
    let settings = json!({"count": DOCUMENTS, "seed": 7, "timestamp": NOW.unix_ms()});
    let output = run("make", settings, "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("is UTF-8");
    let documents: Vec<&str> = lines.lines().collect();
    assert_eq!(documents.len(), DOCUMENTS);
    let is_attested = |document: &&&str| document.contains("\"attestation\"");
    let attested = documents.iter().filter(is_attested).count();
    assert!((1..DOCUMENTS).contains(&attested), "some strings are whole, and some are not");
    for document in documents {
        let opened =
            Inbox::new(alice().me()).open(&bob(), document.as_bytes(), Time::default(), NOW);
        assert_eq!(opened, Ok(Opened::Unknown { kind: "coercion".to_owned() }), "{document}");
    }
}

pub(crate) fn what_we_sign_javascript_accepts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wire");
    let paths =
        fs::read_dir(folder).expect("is there").map(|entry| entry.expect("is there").path());
    let is_document = |path: &std::path::PathBuf| !path.to_string_lossy().contains(".meaning.");
    let golden = paths.filter(is_document).map(|path| fs::read_to_string(path).expect("is text"));
    let mut documents: Vec<String> = golden.collect();
    assert!(documents.len() > 10, "found the golden files");
    // Some of every kind of character.
    let characters: Vec<char> = ('\0'..=char::MAX).collect();
    for alias in characters.chunks(32).step_by(16) {
        let node = NodeId::new([2; 33]);
        let hello = Hello { node, alias: alias.iter().collect(), version: Some(1), proof: None };
        let document = alice().close(bob().me(), &Message::Hello(hello), NOW);
        documents.push(String::from_utf8(document).expect("is UTF-8"));
    }
    let mut lines = String::new();
    for document in &documents {
        writeln!(lines, "{document}").expect("is written");
    }
    let output = run("check", json!({}), &lines);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), documents.len().to_string());

    let last = documents.last().expect("there are many");
    let (signed, _) = last.split_once("\"attestation\"").expect("is attested");
    let attested_by_nobody = format!(r#"{signed}"attestation":"{}"}}"#, "00".repeat(64));
    for wrong in [last.replacen("\"alias\":\"", "\"alias\":\"x", 1), attested_by_nobody] {
        assert!(!run("check", json!({}), &wrong).status.success(), "{wrong}");
    }
}

fn run(mode: &str, mut settings: Value, input: &str) -> Output {
    settings["secret"] = SECRET.into();
    settings["identity"] = "01".repeat(32).into();
    settings["recipient"] = bob().me().to_string().into();
    let mut node = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/coercion.mjs"))
        .args([mode, &settings.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs");
    // It reads all of its input before it prints anything.
    let mut stdin = node.stdin.take().expect("is piped");
    stdin.write_all(input.as_bytes()).expect("is read");
    drop(stdin);
    node.wait_with_output().expect("node ends")
}

fn alice() -> Seal {
    Seal::new(SECRET.into(), [1; 32])
}

fn bob() -> Seal {
    Seal::new(SECRET.into(), [2; 32])
}
