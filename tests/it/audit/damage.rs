//! Flipped bytes, each of which `verify` must find.

use std::fs;
use std::ops::Range;
use std::path::Path;

use super::quick_folder;
use tightrope::audit::hypercore::{Lines, Log, verify};

#[test]
fn every_flipped_byte_is_found() {
    let folder = quick_folder();
    // Some lines are in all files, some in `data` and `oplog` alone.
    write(folder.path(), &[3, 1, 2], &[1, 2]);
    for (name, range) in live(folder.path()) {
        for at in range {
            check(folder.path(), name, at, 0x01);
            check(folder.path(), name, at, 0x80);
        }
    }
}

#[test]
fn a_flipped_byte_of_any_log_is_found() {
    arbtest::arbtest(|u| {
        let folder = quick_folder();
        let flushed: Vec<u8> = u.arbitrary()?;
        let pending: Vec<u8> = u.arbitrary()?;
        write(folder.path(), &flushed, &pending);
        let places = live(folder.path());
        let (name, range) = u.choose(&places)?;
        if !range.is_empty() {
            let at = u.choose_index(range.len())?;
            check(folder.path(), name, range.start + at, u.int_in_range(1..=255)?);
        }
        Ok(())
    })
    .budget_ms(2_000);
}

/// Writes a log: commits of so many lines, which the second opening flushes, and then some more.
fn write(folder: &Path, flushed: &[u8], pending: &[u8]) {
    for commits in [flushed, pending] {
        let (mut log, _) = Log::open(folder, |_| Ok(())).expect("opens");
        for count in commits {
            let mut lines = Lines::default();
            for line in 0..*count {
                lines.push(format!("line {line} after {}", log.length()).as_bytes());
            }
            log.append(&lines).expect("is durable");
        }
    }
}

/// The parts of the files that count.
fn live(folder: &Path) -> Vec<(&'static str, Range<usize>)> {
    let length = |name| fs::read(folder.join(name)).expect("is there").len();
    let oplog = fs::read(folder.join("oplog")).expect("is there");
    let slot = |at: usize| {
        let prefix = oplog[at + 4..at + 8].try_into().expect("is whole");
        at..at + 8 + (u32::from_le_bytes(prefix) >> 2) as usize
    };
    vec![
        ("oplog", slot(0)),
        ("oplog", slot(4096)),
        ("oplog", 8192..oplog.len()),
        ("data", 0..length("data")),
        ("tree", 0..length("tree")),
        ("bitfield", 0..length("bitfield")),
    ]
}

/// Flips bits of one byte, sees that it is found, and flips them back.
fn check(folder: &Path, name: &str, at: usize, bits: u8) {
    let path = folder.join(name);
    let whole = fs::read(&path).expect("is there");
    let mut damaged = whole.clone();
    damaged[at] ^= bits;
    fs::write(&path, damaged).expect("is damaged");
    let is_found = verify(folder).map_or(true, |verdict| !verdict.damage.is_empty());
    assert!(is_found, "byte {at} of {name} with {bits:#x}");
    fs::write(&path, whole).expect("is mended");
    let verdict = verify(folder).expect("can be checked");
    assert_eq!(verdict.damage, vec![], "the log as it was");
}
