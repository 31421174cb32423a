//! [`Log`]: one append-only log in the on-disk format of Hypercore 10.
//!
//! Every block is one line, so the file `data` is the log for people and for recovery alike, and
//! `oplog`, `tree` and `bitfield` say that it is whole and who wrote it. Hence the rule that makes
//! one fdatasync per append enough:
//!
//! > A line counts once `data` is durable up to its end. Everything else is written after that, so
//! > it never says more than `data` holds, and what it lacks is taken in again from `data`.
//!
//! What the lines mean is not this file's business, nor who may write.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::AuditError;
use bitfield::grown;
use ed25519_dalek::SigningKey;
use header::{Entry, Header, Signed};
use merkle::{Merkle, NODE_BYTES, Node};
use oplog::{ENTRIES_AT, Layout};

mod bitfield;
mod compact;
mod folder;
mod header;
mod mark;
mod merkle;
mod open;
mod oplog;
mod signing;
mod verify;

pub use mark::Mark;
pub use open::Found;
pub use verify::{Verdict, verify};

/// How many bytes of entries `oplog` holds before they are moved to `tree` and `bitfield`.
/// Hypercore's own bound, so that what reads it whole at its start stays quick.
const ENTRIES_MAX: usize = 65_536;

/// Lines to append, each with its newline.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Lines {
    /// The lines, one after the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Lines {
    /// Adds one line, given without its newline.
    pub fn push(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
        self.ends.push(self.bytes.len());
    }

    /// Adds all lines of another.
    pub fn append(&mut self, other: &Self) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }

    /// How many bytes they are long.
    pub const fn byte_length(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The lines, each with its newline.
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.bytes.get(start..*end))
    }
}

/// A log that is open for appending. The caller sees to it that it is the only one.
#[derive(Debug)]
pub struct Log {
    /// The folder.
    path: PathBuf,
    /// What tells it from others.
    mark: Mark,
    /// Its four files.
    files: Files,
    /// Signs every commit.
    key: SigningKey,
    /// Where the next frame of `oplog` goes.
    layout: Layout,
    /// The tree of all blocks.
    tree: Merkle,
    /// The nodes that `tree` lacks; every one is in an entry of `oplog`, or follows from `data`.
    unflushed: Vec<Node>,
    /// How many blocks `bitfield` tells of.
    flushed: u64,
}

/// The files of a log.
#[derive(Debug)]
struct Files {
    oplog: File,
    tree: File,
    bitfield: File,
    data: File,
}

impl Log {
    /// How many blocks there are.
    pub const fn length(&self) -> u64 {
        self.tree.length()
    }

    /// How many bytes they are long.
    pub const fn byte_length(&self) -> u64 {
        self.tree.byte_length()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// What tells this log from others.
    pub const fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Where the lines are.
    pub fn data_path(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Appends the lines as one commit; they are durable when it returns. After an error, the log
    /// must be opened again. Writes nothing to files that are not where they were opened.
    pub fn append(&mut self, lines: &Lines) -> Result<(), AuditError> {
        self.mark.check_ends(self.byte_length(), self.layout.end() as u64)?;
        if lines.is_empty() {
            return Ok(());
        }
        let data = &self.files.data;
        data.write_all_at(&lines.bytes, self.byte_length())
            .and_then(|()| data.sync_data())
            .map_err(AuditError::io("append to", &self.data_path()))?;

        let ancestors = self.length();
        let first = self.unflushed.len();
        for line in lines.iter() {
            self.tree.append(line, &mut self.unflushed);
        }
        let nodes = self.unflushed[first..].to_vec();
        let entry = Entry { ancestors, signed: self.sign(), nodes };
        let (frame, layout) = self.layout.entry(&entry.to_bytes());
        self.files
            .oplog
            .write_all_at(&frame, self.layout.end() as u64)
            .map_err(self.error("append to", "oplog"))?;
        self.layout = layout;
        self.mark.reach(self.byte_length());
        Ok(())
    }

    /// Does what need not be done within an append: moves what `oplog` holds to the other files,
    /// when it has become much.
    pub fn tidy(&mut self) -> Result<(), AuditError> {
        if self.layout.end() - ENTRIES_AT < ENTRIES_MAX { Ok(()) } else { self.flush() }
    }

    /// Brings `tree` and `bitfield` up to date, and then says so in a new header, which voids the
    /// entries.
    fn flush(&mut self) -> Result<(), AuditError> {
        write_nodes(&self.files.tree, &mut self.unflushed)
            .and_then(|()| self.files.tree.sync_data())
            .map_err(self.error("write", "tree"))?;
        let (start, bytes) = grown(self.flushed, self.length());
        self.files
            .bitfield
            .write_all_at(&bytes, start)
            .and_then(|()| self.files.bitfield.sync_data())
            .map_err(self.error("write", "bitfield"))?;

        let signed = (self.length() > 0).then(|| (self.sign(), self.tree.root_hash()));
        let header = Header { key: self.key.clone(), tree: signed };
        let (frame, at, layout) = self.layout.header(&header.to_bytes());
        let oplog = &self.files.oplog;
        oplog
            .write_all_at(&frame, at as u64)
            .and_then(|()| oplog.sync_data())
            .and_then(|()| oplog.set_len(ENTRIES_AT as u64))
            .map_err(self.error("write", "oplog"))?;
        self.layout = layout;
        self.unflushed.clear();
        self.flushed = self.length();
        Ok(())
    }

    /// The present length, signed.
    fn sign(&self) -> Signed {
        Signed { length: self.length(), signature: signing::sign(&self.key, &self.tree) }
    }

    /// Wraps an error about one of the files.
    fn error(
        &self,
        doing: &'static str,
        file: &str,
    ) -> impl FnOnce(io::Error) -> AuditError + use<> {
        AuditError::io(doing, &self.path.join(file))
    }
}

/// Writes the nodes to the file `tree`, neighbours in one go.
fn write_nodes(tree: &File, nodes: &mut [Node]) -> io::Result<()> {
    nodes.sort_unstable_by_key(|node| node.index);
    for run in nodes.chunk_by(|left, right| left.index + 1 == right.index) {
        let bytes: Vec<u8> = run.iter().flat_map(|node| node.to_bytes()).collect();
        let first = run.first().map_or(0, |node| node.index);
        tree.write_all_at(&bytes, first * NODE_BYTES as u64)?;
    }
    Ok(())
}

/// The node at `index` of the file `tree`; `None` where the file is too short or has a hole.
fn read_node(tree: &File, index: u64) -> io::Result<Option<Node>> {
    let mut bytes = [0; NODE_BYTES];
    match tree.read_exact_at(&mut bytes, index * NODE_BYTES as u64) {
        Ok(()) if bytes == [0; NODE_BYTES] => Ok(None),
        Ok(()) => Ok(Some(Node::from_bytes(index, bytes))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
