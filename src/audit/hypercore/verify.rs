//! [`verify()`]: checks every byte of a log against its key, and changes none.
//!
//! The tree is built anew from `data` and compared with every node that is stored. Whether its
//! roots bear the signature then tells which of the two files is wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use data_encoding::HEXLOWER;

use super::merkle::{Merkle, NODE_BYTES, Node};
use super::open::{newest, unreadable};
use super::oplog::{Fault, Oplog};
use super::{AuditError, bitfield, signing};

/// How many places of one file are named; more would only scroll the first ones away.
const NAMED_MAX: usize = 5;
/// How often a log is read again that a daemon changed meanwhile.
const ATTEMPTS: usize = 10;

/// What a check of a log found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// The log's public key, in hex: its name.
    pub key: String,
    /// How many lines are signed.
    pub length: u64,
    /// How many bytes they are long.
    pub byte_length: u64,
    /// How many bytes stand in `data` beyond them, which the next start takes in or cuts.
    pub unsigned: u64,
    /// What is wrong; nothing where the log is whole.
    pub damage: Vec<Damage>,
}

/// One thing that is wrong with a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Damage {
    /// The file.
    pub file: &'static str,
    /// What is wrong with it, and where.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

/// Checks the log in `folder`, whether or not a daemon appends to it.
pub fn verify(folder: &Path) -> Result<Verdict, AuditError> {
    let path = folder.join("oplog");
    let read = || fs::read(&path).map_err(AuditError::io("read", &path));
    let mut bytes = read()?;
    for _ in 1..ATTEMPTS {
        let verdict = check(folder, &bytes);
        let now = read()?;
        let is_whole = verdict.as_ref().is_ok_and(|verdict| verdict.damage.is_empty());
        if is_whole || now == bytes {
            return verdict;
        }
        bytes = now;
    }
    check(folder, &bytes)
}

/// Checks the log in `folder`, whose `oplog` held these bytes a moment ago.
fn check(folder: &Path, bytes: &[u8]) -> Result<Verdict, AuditError> {
    let path = folder.join("oplog");
    let oplog = Oplog::read(bytes).map_err(|fault| unreadable(fault, &path))?;
    let mut damage: Vec<Damage> = oplog.fault.map(oplog_damage).into_iter().collect();
    let (tree, mut wrong) = compare(folder, &oplog)?;
    if tree.length() < oplog.length() {
        let what = format!("only {} of {} signed lines are there", tree.length(), oplog.length());
        damage.push(Damage { file: "data", what });
    }
    let is_signed = newest(&oplog).is_none_or(|signed| {
        let key = oplog.header.key.verifying_key();
        signing::is_signed(&key, &tree.root_hash(), signed.length, &signed.signature)
    });
    if !is_signed && wrong.is_empty() && damage.is_empty() {
        let what = "the lines and the tree agree, but the key did not sign them".to_owned();
        damage.push(Damage { file: "data", what });
    }
    if !is_signed {
        // Then what is wrong above a line is a consequence.
        wrong.retain(|place| place.line.is_some());
    }
    let rest = wrong.len().saturating_sub(NAMED_MAX);
    damage.extend(wrong.iter().take(NAMED_MAX).map(|place| place.damage(is_signed)));
    if rest > 0 {
        damage.push(Damage { file: "data", what: format!("and {rest} more places") });
    }
    damage.extend(bitfield_damage(folder, &oplog)?);

    let data = folder.join("data");
    let end = fs::metadata(&data).map_err(AuditError::io("read", &data))?.len();
    Ok(Verdict {
        key: HEXLOWER.encode(oplog.header.key.verifying_key().as_bytes()),
        length: oplog.length(),
        byte_length: tree.byte_length(),
        unsigned: end.saturating_sub(tree.byte_length()),
        damage,
    })
}

/// A node that is not stored as `data` has it.
struct Wrong {
    /// Its number in the tree.
    index: u64,
    /// The line above which it stands, and where that begins.
    line: Option<(u64, u64)>,
}

impl Wrong {
    /// Says so of the file that is to blame: `tree`, where `data` bears the signature.
    fn damage(&self, is_data_signed: bool) -> Damage {
        match self.line {
            Some((line, offset)) if !is_data_signed => {
                let what = format!("line {line}, at byte {offset}, is not what was signed");
                Damage { file: "data", what }
            }
            Some(_) | None => {
                let at = self.index * NODE_BYTES as u64;
                let what = format!(
                    "node {}, at byte {at}, is wrong; without this file the next start makes a \
                     new one from data",
                    self.index
                );
                Damage { file: "tree", what }
            }
        }
    }
}

/// Builds the tree from the lines of `data`, and finds the stored nodes that differ.
fn compare(folder: &Path, oplog: &Oplog) -> Result<(Merkle, Vec<Wrong>), AuditError> {
    let data = folder.join("data");
    let file = File::open(&data).map_err(AuditError::io("open", &data))?;
    let mut lines = BufReader::with_capacity(1 << 20, file);
    let mut stored = Stored::read(folder, oplog)?;

    let mut tree = Merkle::default();
    let mut wrong = Vec::new();
    let (mut line, mut nodes) = (Vec::new(), Vec::new());
    while tree.length() < oplog.length() {
        let place = (tree.length() + 1, tree.byte_length());
        line.clear();
        lines.read_until(b'\n', &mut line).map_err(AuditError::io("read", &data))?;
        if line.is_empty() {
            break;
        }
        tree.append(&line, &mut nodes);
        for node in nodes.drain(..).filter(|node| !stored.is_right(node)) {
            let line = node.index.is_multiple_of(2).then_some(place);
            wrong.push(Wrong { index: node.index, line });
        }
    }
    wrong.extend(stored.strays(2 * tree.length()).map(|index| Wrong { index, line: None }));
    Ok((tree, wrong))
}

/// The nodes as they are stored.
struct Stored {
    /// The file `tree`.
    tree: Vec<u8>,
    /// Those in the entries of `oplog`, which `tree` may lack.
    entries: BTreeMap<u64, Node>,
    /// Which nodes of `tree` were asked for.
    is_seen: Vec<bool>,
}

impl Stored {
    /// Reads them.
    fn read(folder: &Path, oplog: &Oplog) -> Result<Self, AuditError> {
        let path = folder.join("tree");
        let tree = fs::read(&path).map_err(AuditError::io("read", &path))?;
        let nodes = oplog.entries.iter().flat_map(|entry| &entry.nodes);
        let is_seen = vec![false; tree.len() / NODE_BYTES];
        Ok(Self { tree, entries: nodes.map(|node| (node.index, *node)).collect(), is_seen })
    }

    /// Whether the node is stored like this wherever it must be.
    fn is_right(&mut self, node: &Node) -> bool {
        let at = usize::try_from(node.index).unwrap_or(usize::MAX);
        if let Some(is_seen) = self.is_seen.get_mut(at) {
            *is_seen = true;
        }
        let in_tree = self.at(at);
        let is_in_tree = in_tree == Some(&node.to_bytes()[..]);
        match self.entries.get(&node.index) {
            None => is_in_tree,
            Some(entry) => entry == node && (is_in_tree || in_tree.is_none_or(is_hole)),
        }
    }

    /// The nodes below `end` that no tree of this length has, and that are there.
    fn strays(&self, end: u64) -> impl Iterator<Item = u64> {
        let places = (0..end).zip(self.is_seen.iter().enumerate());
        places
            .filter(|(_, (at, is_seen))| !**is_seen && !self.at(*at).is_none_or(is_hole))
            .map(|(index, _)| index)
    }

    /// The bytes of the node that stands at this place of `tree`.
    fn at(&self, place: usize) -> Option<&[u8]> {
        let start = place.checked_mul(NODE_BYTES)?;
        self.tree.get(start..start.checked_add(NODE_BYTES)?)
    }
}

/// Whether nothing was ever written there.
fn is_hole(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Says what is wrong with `oplog`.
fn oplog_damage(fault: Fault) -> Damage {
    let what = match fault {
        Fault::Slot(slot) => format!("header {slot} is not whole; the next start writes it anew"),
        Fault::Tail(offset) => format!(
            "the entry at byte {offset} is not whole; the next start signs the lines of data that \
             it told of anew"
        ),
    };
    Damage { file: "oplog", what }
}

/// Says what is wrong with `bitfield`.
fn bitfield_damage(folder: &Path, oplog: &Oplog) -> Result<Option<Damage>, AuditError> {
    let path = folder.join("bitfield");
    let bytes = fs::read(&path).map_err(AuditError::io("read", &path))?;
    let fault = bitfield::first_fault(&bytes, oplog.header.length(), oplog.length());
    Ok(fault.map(|at| {
        let what = format!("byte {at} is wrong; the next start writes it anew");
        Damage { file: "bitfield", what }
    }))
}
