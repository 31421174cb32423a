//! The Merkle tree over the blocks of a log, as Hypercore numbers and hashes it.
//!
//! Block `i` is the leaf `2 i`; the parent of two neighbours lies halfway between them. A tree
//! that is not full has several roots, which only ever merge: a node never changes once it is
//! there. Where the nodes are kept is not this file's business.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};

/// The hash of everything in Hypercore.
pub(super) type Hash = [u8; 32];

/// How many bytes a node takes in the file `tree`: its size and its hash.
pub(super) const NODE_BYTES: usize = 40;

/// One node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Node {
    /// Its number in the tree.
    pub(super) index: u64,
    /// How many bytes of `data` lie below it.
    pub(super) size: u64,
    /// The hash of its block, or of its two children.
    pub(super) hash: Hash,
}

impl Node {
    /// The leaf above block `number`.
    fn leaf(number: u64, block: &[u8]) -> Self {
        let size = block.len() as u64;
        Self { index: 2 * number, size, hash: hash(&[&[0], &size.to_le_bytes(), block]) }
    }

    /// The node above two neighbours.
    fn parent(left: &Self, right: &Self) -> Self {
        let size = left.size + right.size;
        let hash = hash(&[&[1], &size.to_le_bytes(), &left.hash, &right.hash]);
        Self { index: left.index.midpoint(right.index), size, hash }
    }

    /// The node as it stands in the file `tree`.
    pub(super) fn to_bytes(self) -> [u8; NODE_BYTES] {
        let mut bytes = [0; NODE_BYTES];
        bytes[..8].copy_from_slice(&self.size.to_le_bytes());
        bytes[8..].copy_from_slice(&self.hash);
        bytes
    }

    /// The node that these bytes of the file `tree` are.
    pub(super) fn from_bytes(index: u64, bytes: [u8; NODE_BYTES]) -> Self {
        let mut size = [0; 8];
        let mut hash = [0; 32];
        size.copy_from_slice(&bytes[..8]);
        hash.copy_from_slice(&bytes[8..]);
        Self { index, size: u64::from_le_bytes(size), hash }
    }
}

/// What must be known of a tree to append to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Merkle {
    /// The roots, largest first.
    roots: Vec<Node>,
    /// How many blocks there are.
    length: u64,
    /// How many bytes they are long.
    byte_length: u64,
}

impl Merkle {
    /// The tree of `length` blocks that has these roots.
    pub(super) fn new(length: u64, roots: Vec<Node>) -> Self {
        let byte_length = roots.iter().map(|root| root.size).fold(0, u64::saturating_add);
        Self { roots, length, byte_length }
    }

    /// How many blocks there are.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// How many bytes they are long.
    pub(super) const fn byte_length(&self) -> u64 {
        self.byte_length
    }

    /// Adds a block, and to `nodes` the nodes that came to be.
    pub(super) fn append(&mut self, block: &[u8], nodes: &mut Vec<Node>) {
        let mut node = Node::leaf(self.length, block);
        nodes.push(node);
        // As in counting: each trailing one of the old length is a carry.
        for _ in 0..self.length.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                node = Node::parent(&left, &node);
                nodes.push(node);
            }
        }
        self.roots.push(node);
        self.length += 1;
        self.byte_length += block.len() as u64;
    }

    /// The hash over all roots, which is what the log's key signs.
    pub(super) fn root_hash(&self) -> Hash {
        let mut hasher = Blake2b::<U32>::new();
        hasher.update([2]);
        for root in &self.roots {
            hasher.update(root.hash);
            hasher.update(root.index.to_le_bytes());
            hasher.update(root.size.to_le_bytes());
        }
        hasher.finalize().into()
    }
}

/// The numbers of the roots of a tree of `length` blocks, largest first.
pub(super) fn root_indices(length: u64) -> impl Iterator<Item = u64> {
    let mut before = 0;
    (0..u64::BITS).rev().map(|bit| 1 << bit).filter(move |factor| length & factor != 0).map(
        move |factor| {
            let index = 2 * before + factor - 1;
            before += factor;
            index
        },
    )
}

/// BLAKE2b-256 of the parts, one after the other.
pub(super) fn hash(parts: &[&[u8]]) -> Hash {
    let mut hasher = Blake2b::<U32>::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_where_hypercore_numbers_them() {
        check(0, &[]);
        check(1, &[0]);
        check(2, &[1]);
        check(3, &[1, 4]);
        check(7, &[3, 9, 12]);
        check(8, &[7]);
    }

    #[test]
    fn a_node_reads_back_from_its_bytes() {
        let node = Node::leaf(3, b"block");
        assert_eq!(Node::from_bytes(6, node.to_bytes()), node);
    }

    /// Appends `length` blocks and compares the roots with the formula and with `expected`.
    fn check(length: u64, expected: &[u64]) {
        let mut tree = Merkle::default();
        let mut nodes = Vec::new();
        for _ in 0..length {
            tree.append(b"block", &mut nodes);
        }
        let grown: Vec<u64> = tree.roots.iter().map(|root| root.index).collect();
        assert_eq!(grown, expected);
        assert_eq!(root_indices(length).collect::<Vec<_>>(), expected);
        assert_eq!(tree.byte_length(), 5 * length);
    }
}
