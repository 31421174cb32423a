//! Reading the lines of a log back, in order.
//!
//! Never locks, so it works beside a daemon that appends: a line that is not whole yet is not one.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::error::AuditError;
use super::transaction;
use crate::core::record::Record;

/// How much is read at once.
const READ_BYTES: usize = 1 << 20;

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
        let file = BufReader::with_capacity(READ_BYTES, file);
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

/// Hands every record of the log in `folder` to `fold`.
pub(super) fn fold(folder: &Path, mut fold: impl FnMut(Record)) -> Result<(), AuditError> {
    let mut reader = Reader::open(folder)?;
    while let Some((offset, line)) = reader.next_line()? {
        match transaction::decode(line) {
            Ok(record) => fold(record),
            Err(reason) => return Err(foreign_line(folder, offset, reason)),
        }
    }
    Ok(())
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
