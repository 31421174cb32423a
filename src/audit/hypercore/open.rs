//! Opening a log: what its files say is checked against each other, and mended where `data` allows.
//!
//! Cheap by design: the signature is checked over the roots of the tree, not over every block;
//! [`super::verify()`] does that.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::folder;
use super::header::Signed;
use super::merkle::{Merkle, root_indices};
use super::oplog::{Oplog, Unreadable};
use super::{AuditError, Files, Log, Mark, bitfield, read_node, signing};

/// What opening a log found and did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// Whether there was no key pair, so that a new one was made.
    pub is_new: bool,
    /// How many whole lines stood beyond the length that `oplog` tells of, and were taken in.
    pub taken_in: u64,
    /// How many bytes of a torn last line were cut off.
    pub cut: u64,
    /// Whether `tree` had to be built anew from `data`.
    pub is_rebuilt: bool,
}

impl Log {
    /// Opens the log in `folder`, or makes one. `is_ours` judges the lines that must be taken in
    /// again: a reason stops it all, before anything is changed.
    pub fn open(
        folder: &Path,
        is_ours: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(Self, Found), AuditError> {
        let (files, is_new) = folder::open(folder)?;
        let (log, found) = Self::load(folder, files, is_ours)?;
        Ok((log, Found { is_new, ..found }))
    }

    /// Opens the log that was opened before, with all that it had by then. Makes none, and leaves
    /// another one as it is.
    pub fn reopen(
        mark: &Mark,
        is_ours: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(Self, Found), AuditError> {
        mark.find()?;
        Self::load(mark.folder(), folder::reopen(mark.folder())?, is_ours)
    }

    /// Checks what the files say, and mends it.
    fn load(
        folder: &Path,
        files: Files,
        mut is_ours: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(Self, Found), AuditError> {
        let oplog_path = folder.join("oplog");
        let bytes = fs::read(&oplog_path).map_err(AuditError::io("read", &oplog_path))?;
        let oplog = Oplog::read(&bytes).map_err(|fault| unreadable(fault, &oplog_path))?;
        let key = oplog.header.key.verifying_key();
        let mut log = Self {
            path: folder.to_owned(),
            mark: Mark::new(folder.to_owned(), key, &files)?,
            files,
            key: oplog.header.key.clone(),
            layout: oplog.layout,
            tree: Merkle::default(),
            unflushed: oplog.entries.iter().flat_map(|entry| entry.nodes.clone()).collect(),
            flushed: oplog.header.length(),
        };
        let is_rebuilt = !log.load_tree(&oplog)?;
        let (taken_in, cut) = log.take_in(&mut is_ours)?;
        let is_bitfield_whole = log.is_bitfield_whole(oplog.length())?;
        if !is_bitfield_whole {
            log.flushed = 0;
        }
        let is_clean = oplog.entries.is_empty() && oplog.fault.is_none() && is_bitfield_whole;
        if !is_clean || is_rebuilt || taken_in > 0 {
            log.flush()?;
        }
        log.mark.reach(log.byte_length());
        Ok((log, Found { is_new: false, taken_in, cut, is_rebuilt }))
    }

    /// Loads the roots, or builds the tree anew where they do not bear the signature. Tells whether
    /// loading was enough.
    fn load_tree(&mut self, oplog: &Oplog) -> Result<bool, AuditError> {
        let Some(signed) = newest(oplog) else { return Ok(true) };
        if let Some(tree) = self.stored_tree(signed.length)?
            && self.bears(&tree, signed)
        {
            self.tree = tree;
            return Ok(true);
        }
        let data = self.read_data(0)?;
        self.unflushed.clear();
        for line in data.split_inclusive(|byte| *byte == b'\n') {
            if self.tree.length() < signed.length {
                self.tree.append(line, &mut self.unflushed);
            }
        }
        if self.tree.length() == signed.length && self.bears(&self.tree, signed) {
            return Ok(false);
        }
        Err(AuditError::Damaged {
            path: self.data_path(),
            what: "it is not what the log's key signed; `tightrope audit verify` tells where, \
                   and a copy of the folder must be put back"
                .to_owned(),
        })
    }

    /// The tree of `length` blocks, if all its roots are there.
    fn stored_tree(&self, length: u64) -> Result<Option<Merkle>, AuditError> {
        let fresh: BTreeMap<_, _> = self.unflushed.iter().map(|node| (node.index, *node)).collect();
        let mut roots = Vec::new();
        for index in root_indices(length) {
            let node = match fresh.get(&index) {
                Some(node) => Some(*node),
                None => read_node(&self.files.tree, index).map_err(self.error("read", "tree"))?,
            };
            let Some(node) = node else { return Ok(None) };
            roots.push(node);
        }
        Ok(Some(Merkle::new(length, roots)))
    }

    /// Whether the log's key signed this tree.
    fn bears(&self, tree: &Merkle, signed: &Signed) -> bool {
        let key = self.key.verifying_key();
        signing::is_signed(&key, &tree.root_hash(), signed.length, &signed.signature)
    }

    /// Takes in the whole lines beyond the tree, and cuts what follows them. Tells how many lines
    /// and how many bytes that were.
    fn take_in(
        &mut self,
        is_ours: &mut impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(u64, u64), AuditError> {
        let start = self.byte_length();
        self.check_end_of_line(start)?;
        let tail = self.read_data(start)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let (lines, torn) = tail.split_at(whole);
        let mut offset = start;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            is_ours(line).map_err(|reason| self.foreign_line(offset, reason))?;
            offset += line.len() as u64;
        }
        let data = &self.files.data;
        if !torn.is_empty() {
            data.set_len(offset).map_err(self.error("cut the torn line of", "data"))?;
        }
        if !tail.is_empty() {
            // Written once more, because an fdatasync that failed leaves pages which only seem to
            // be on the disk.
            data.write_all_at(lines, start)
                .and_then(|()| data.sync_data())
                .map_err(self.error("write", "data"))?;
        }
        let before = self.length();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.tree.append(line, &mut self.unflushed);
        }
        Ok((self.length() - before, torn.len() as u64))
    }

    /// An error unless `data` reaches to `end` and has a newline there.
    fn check_end_of_line(&self, end: u64) -> Result<(), AuditError> {
        let Some(last) = end.checked_sub(1) else { return Ok(()) };
        let mut byte = [0];
        match self.files.data.read_exact_at(&mut byte, last) {
            Ok(()) if byte == *b"\n" => Ok(()),
            Ok(()) | Err(_) => Err(AuditError::Damaged {
                path: self.data_path(),
                what: format!(
                    "its {} signed lines do not end at byte {end}; a copy of the folder must be \
                     put back",
                    self.length()
                ),
            }),
        }
    }

    /// The bytes of `data` from `start` on.
    fn read_data(&self, start: u64) -> Result<Vec<u8>, AuditError> {
        let data = &self.files.data;
        let error = || self.error("read", "data");
        let end = data.metadata().map_err(error())?.len();
        let length = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        data.read_exact_at(&mut bytes, start).map_err(error())?;
        Ok(bytes)
    }

    /// Whether the file `bitfield` says what the header's length asks for, or this one.
    fn is_bitfield_whole(&self, length: u64) -> Result<bool, AuditError> {
        let path = self.path.join("bitfield");
        let bytes = fs::read(&path).map_err(AuditError::io("read", &path))?;
        Ok(bitfield::first_fault(&bytes, self.flushed, length).is_none())
    }

    /// The error about a line that cannot be taken in.
    fn foreign_line(&self, offset: u64, reason: String) -> AuditError {
        let path = self.data_path();
        let mend = format!(
            "it was never signed, so look at it, and cut it and what follows with \
             `truncate -s {offset} {}`",
            path.display()
        );
        AuditError::ForeignLine { path, offset, reason, mend }
    }
}

/// The newest signed length; `None` of an empty log.
pub(super) fn newest(oplog: &Oplog) -> Option<&Signed> {
    let entry = oplog.entries.last().map(|entry| &entry.signed);
    entry.or_else(|| oplog.header.tree.as_ref().map(|(signed, _)| signed))
}

/// The error about a file `oplog` that says nothing to us.
pub(super) fn unreadable(fault: Unreadable, path: &Path) -> AuditError {
    let path = path.to_owned();
    match fault {
        Unreadable::NoHeader => AuditError::Damaged {
            path,
            what: "neither header is whole, so the key pair is lost; put a copy of the file back, \
                   or move it away to have all lines of data signed under a new key"
                .to_owned(),
        },
        Unreadable::NotOurs => {
            AuditError::ForeignFolder { path, found: "a Hypercore that this version did not write" }
        }
    }
}
