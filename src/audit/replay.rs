//! Reading the lines of a log back, in order.
//!
//! Never locks, so it works beside a daemon that appends: a line that is not whole yet is not one.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::{iter, thread};

use super::error::AuditError;
use super::transaction;
use crate::core::record::Record;

/// How much is read at once.
const READ_BYTES: u64 = 1 << 20;
/// How many pieces of that size are decoded ahead at most: more would only wait to be folded.
const AHEAD_MAX: usize = 8;

/// Reads the lines of a log.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    /// The present line, as far as it is there.
    line: Vec<u8>,
    /// Whether that was handed out.
    is_whole: bool,
    /// Where it begins.
    offset: u64,
}

impl Reader {
    /// Opens the log in `folder` at its beginning.
    pub fn open(folder: &Path) -> Result<Self, AuditError> {
        let path = folder.join("data");
        let file = File::open(&path).map_err(AuditError::io("open", &path))?;
        let file = BufReader::new(file);
        Ok(Self { path, file, line: Vec::new(), is_whole: false, offset: 0 })
    }

    /// The next whole line with its newline, and the byte at which it begins. `None` at the end;
    /// there may be more later.
    pub fn next_line(&mut self) -> Result<Option<(u64, &[u8])>, AuditError> {
        if self.is_whole {
            self.offset += self.line.len() as u64;
            self.line.clear();
        }
        self.file.read_until(b'\n', &mut self.line).map_err(AuditError::io("read", &self.path))?;
        self.is_whole = self.line.ends_with(b"\n");
        Ok(self.is_whole.then_some((self.offset, &self.line)))
    }
}

/// Hands every record of the log in `folder` to `fold`, in order. Threads decode ahead of it,
/// because that is nearly all of the work.
pub(super) fn fold(folder: &Path, mut fold: impl FnMut(Record)) -> Result<(), AuditError> {
    // Twice the cores, so that none is idle while a piece is folded.
    let ahead = thread::available_parallelism().map_or(1, |cores| 2 * cores.get()).min(AHEAD_MAX);
    let mut chunks = Chunks::open(folder.join("data"))?;
    thread::scope(|scope| {
        let mut decoding = VecDeque::new();
        loop {
            while decoding.len() < ahead
                && let Some(chunk) = chunks.next_chunk()?
            {
                decoding.push_back(scope.spawn(move || chunk.decode()));
            }
            let Some(next) = decoding.pop_front() else { return Ok(()) };
            let decoded = next.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let foreign = |(offset, reason)| foreign_line(folder, offset, reason);
            decoded.map_err(foreign)?.into_iter().for_each(&mut fold);
        }
    })
}

/// Reads a file in pieces of whole lines.
struct Chunks {
    path: PathBuf,
    file: File,
    /// The beginning of a line, whose end was not read yet.
    rest: Vec<u8>,
    /// Where that stands.
    offset: u64,
}

/// Some whole lines.
struct Chunk {
    bytes: Vec<u8>,
    /// Where they begin.
    offset: u64,
}

impl Chunks {
    fn open(path: PathBuf) -> Result<Self, AuditError> {
        let file = File::open(&path).map_err(AuditError::io("open", &path))?;
        Ok(Self { path, file, rest: Vec::new(), offset: 0 })
    }

    /// The next lines; `None` at the end, whether or not a line is whole there.
    fn next_chunk(&mut self) -> Result<Option<Chunk>, AuditError> {
        let mut bytes = std::mem::take(&mut self.rest);
        loop {
            let more = (&self.file)
                .take(READ_BYTES)
                .read_to_end(&mut bytes)
                .map_err(AuditError::io("read", &self.path))?;
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            if whole > 0 {
                self.rest = bytes.split_off(whole);
                let offset = self.offset;
                self.offset += bytes.len() as u64;
                return Ok(Some(Chunk { bytes, offset }));
            }
            if more == 0 {
                self.rest = bytes;
                return Ok(None);
            }
        }
    }
}

impl Chunk {
    /// The records; an error says where the first line begins that is none, and why.
    fn decode(self) -> Result<Vec<Record>, (u64, String)> {
        let mut offset = self.offset;
        let decode = |line: &[u8]| {
            let start = offset;
            offset += line.len() as u64;
            transaction::decode(line).map_err(|reason| (start, reason))
        };
        lines(&self.bytes).map(decode).collect()
    }
}

/// The lines of some bytes, each with its newline. Finds them several bytes at a time.
fn lines(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    iter::from_fn(move || {
        let mut rest = bytes;
        let length = rest.skip_until(b'\n').ok()?;
        let (line, rest) = bytes.split_at(length);
        bytes = rest;
        (length > 0).then_some(line)
    })
}

/// The error about a signed line that is not a record of this version.
fn foreign_line(folder: &Path, offset: u64, reason: String) -> AuditError {
    AuditError::ForeignLine {
        path: folder.join("data"),
        offset,
        reason,
        mend: "if a newer tightrope wrote it, run that one; else `tightrope audit verify` tells \
               whether it is damaged, and a copy of the folder must be put back"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_whole_lines_however_long() {
        let long = vec![b'x'; 3 << 20];
        let lines = [b"a\nb\n", &long[..], b"\nc\n\n", &long[..700], b"\n"].concat();
        check(&lines, lines.len());
        check(b"whole\ntorn", 6);
        check(b"torn", 0);
        check(b"", 0);
    }

    fn check(bytes: &[u8], whole: usize) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("is written");
        let mut chunks = Chunks::open(file.path().to_owned()).expect("opens");
        let mut read = Vec::new();
        while let Some(chunk) = chunks.next_chunk().expect("reads") {
            assert_eq!(chunk.offset, read.len() as u64);
            assert!(chunk.bytes.ends_with(b"\n"));
            read.extend(chunk.bytes);
        }
        assert_eq!(read, bytes[..whole]);
    }
}
