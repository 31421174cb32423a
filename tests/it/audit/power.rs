//! Power cuts: of each file, what was written after its last sync may be missing.

use std::fs;
use std::path::Path;

use super::quick_folder;
use tempfile::TempDir;
use tightrope::audit::hypercore::{Found, Lines, Log, verify};

/// The files of a log, and what is in them.
type Files = [(&'static str, Vec<u8>); 4];

#[test]
fn a_log_opens_with_all_lines_wherever_its_oplog_was_cut() {
    let folder = written();
    let now = read(folder.path());
    // The entries are never synced before they are flushed: any part of them may be missing.
    for length in 8192..=now[0].1.len() {
        let mut cut = now.clone();
        cut[0].1.truncate(length);
        check(&cut, &now[3].1);
        if let Some(last) = cut[0].1.last_mut() {
            *last ^= 1;
        }
        check(&cut, &now[3].1);
    }
}

#[test]
fn a_torn_last_line_is_cut_and_whole_ones_are_taken_in() {
    let folder = written();
    let now = read(folder.path());
    let more = b"whole\nand torn";
    for length in 0..=more.len() {
        let mut torn = now.clone();
        torn[3].1.extend_from_slice(&more[..length]);
        let whole = if length < 6 { 0 } else { 6 };
        let expected = [&now[3].1, &more[..whole]].concat();
        let found = check(&torn, &expected);
        assert_eq!(found.cut, (length - whole) as u64);
        assert_eq!(found.taken_in, u64::from(whole > 0));
    }
}

#[test]
fn a_log_opens_with_all_lines_wherever_a_flush_was_cut() {
    let folder = written();
    let before = read(folder.path());
    drop(Log::open(folder.path(), |_| Ok(())).expect("opens, which flushes"));
    let after = read(folder.path());
    let lines = &before[3].1;
    // First the tree is written, then the bitfield, and then one slot of the oplog.
    for length in before[1].1.len()..=after[1].1.len() {
        let mut cut = before.clone();
        cut[1].1 = after[1].1[..length].to_vec();
        check(&cut, lines);
    }
    for slot in [0, 4096] {
        for length in 0..512 {
            let mut cut = after.clone();
            cut[0].1 = before[0].1.clone();
            let written = slot..slot + length;
            cut[0].1[written.clone()].copy_from_slice(&after[0].1[written]);
            check(&cut, lines);
        }
    }
    check(&after, lines);
}

#[test]
fn no_file_can_be_cut_anywhere_without_an_error_or_a_mend() {
    let folder = written();
    drop(Log::open(folder.path(), |_| Ok(())).expect("opens, which flushes"));
    let now = read(folder.path());
    for (file, (name, bytes)) in now.iter().enumerate() {
        for length in 0..bytes.len() {
            // Between the headers of the oplog are zeros.
            if *name == "oplog" && length % 4096 > 512 && length % 4096 < 4000 {
                continue;
            }
            let mut cut = now.clone();
            cut[file].1.truncate(length);
            let folder = laid_out(&cut);
            match Log::open(folder.path(), |_| Ok(())) {
                Ok(_) => assert_eq!(read(folder.path())[3].1, now[3].1, "{name} cut at {length}"),
                Err(error) => assert!(
                    *name == "data" || (*name == "oplog" && length < 512),
                    "{name} cut at {length}: {error}"
                ),
            }
        }
    }
}

/// A log with commits that were flushed, and commits that were not.
fn written() -> TempDir {
    let folder = quick_folder();
    for commits in [3, 2] {
        let (mut log, _) = Log::open(folder.path(), |_| Ok(())).expect("opens");
        for _ in 0..commits {
            let mut lines = Lines::default();
            lines.push(format!("line {}", log.length()).as_bytes());
            lines.push(b"");
            log.append(&lines).expect("is durable");
        }
    }
    folder
}

fn read(folder: &Path) -> Files {
    ["oplog", "tree", "bitfield", "data"]
        .map(|name| (name, fs::read(folder.join(name)).expect("is there")))
}

fn laid_out(files: &Files) -> TempDir {
    let folder = quick_folder();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("is written");
    }
    folder
}

/// Opens a log of these files, which must have exactly these lines then, and be whole.
fn check(files: &Files, lines: &[u8]) -> Found {
    let folder = laid_out(files);
    let (log, found) = Log::open(folder.path(), |_| Ok(())).expect("opens");
    assert_eq!(fs::read(log.data_path()).expect("is there"), lines);
    assert_eq!(log.byte_length(), lines.len() as u64);
    let verdict = verify(folder.path()).expect("can be checked");
    assert_eq!((verdict.unsigned, verdict.damage), (0, vec![]));
    found
}
