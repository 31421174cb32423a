//! What stands in the file `oplog`: headers, which tell of everything that is flushed to the other
//! files, and entries, which tell of what is not.
//!
//! Only the shape that an append-only log of one writer has: no forks, no user data, no clearing.
//! Where they stand in the file, and which of them count, is `oplog.rs`'s business.

use ed25519_dalek::SigningKey;

use super::compact::{Reader, put_bytes, put_uint};
use super::merkle::{Hash, Node};
use super::signing;

/// The flags of a header with a manifest and a key pair.
const MANIFEST_AND_KEYS: u64 = 2 | 4;
/// The flags of an entry with nodes, a new length, and a change of the bitfield.
const NODES_UPGRADE_BITFIELD: u64 = 2 | 4 | 8;

/// A signed length of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Signed {
    /// The number of blocks.
    pub(super) length: u64,
    /// The signature over the tree at that length.
    pub(super) signature: [u8; 64],
}

/// The state of a log whose other files are up to date.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// The key pair of the log.
    pub(super) key: SigningKey,
    /// The length and the roots' hash; `None` of an empty log.
    pub(super) tree: Option<(Signed, Hash)>,
}

impl Header {
    /// The number of blocks.
    pub(super) fn length(&self) -> u64 {
        self.tree.as_ref().map_or(0, |(signed, _)| signed.length)
    }

    /// The bytes of this header.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let public = self.key.verifying_key();
        let mut out = Vec::with_capacity(512);
        put_uint(&mut out, 1); // version
        put_uint(&mut out, MANIFEST_AND_KEYS);
        out.extend_from_slice(public.as_bytes());
        out.extend_from_slice(&manifest(public.as_bytes()));
        put_bytes(&mut out, public.as_bytes());
        put_bytes(&mut out, &self.key.to_keypair_bytes());
        put_uint(&mut out, 0); // user data
        put_uint(&mut out, 0); // fork
        put_uint(&mut out, self.length());
        match &self.tree {
            Some((signed, root_hash)) => {
                put_bytes(&mut out, root_hash);
                put_bytes(&mut out, &signed.signature);
            }
            None => out.extend_from_slice(&[0, 0]),
        }
        put_uint(&mut out, 0); // reorganisations
        put_uint(&mut out, self.length()); // blocks that are there without a gap
        out
    }

    /// The header that these bytes are; `None` where it is not of the shape that we write.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let is_known = reader.is_uint(1) && reader.is_uint(MANIFEST_AND_KEYS);
        let public: [u8; 32] = reader.fixed()?;
        let is_ours = reader.fixed()? == manifest(&public) && reader.bytes()? == public;
        let key = SigningKey::from_keypair_bytes(reader.bytes()?.try_into().ok()?).ok()?;
        let is_plain = reader.is_uint(0) && reader.is_uint(0);
        let length = reader.uint()?;
        let (root_hash, signature) = (reader.bytes()?, reader.bytes()?);
        let is_whole = reader.is_uint(0) && reader.uint()? <= length;
        let tree = match length {
            0 => None,
            1.. => {
                let signature = signature.try_into().ok()?;
                Some((Signed { length, signature }, root_hash.try_into().ok()?))
            }
        };
        let is_all = is_known && is_ours && is_plain && is_whole;
        (is_all && key.verifying_key().as_bytes() == &public).then_some(Self { key, tree })
    }
}

/// The manifest of a log that only the key which names it may sign: version 0, BLAKE2b, one signer
/// with Ed25519 in the default namespace.
fn manifest(public: &[u8; 32]) -> [u8; 68] {
    let mut bytes = [0; 68];
    bytes[2] = 1;
    bytes[4..36].copy_from_slice(&signing::default_namespace());
    bytes[36..].copy_from_slice(public);
    bytes
}

/// One commit that may not have reached the other files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    /// The length before it.
    pub(super) ancestors: u64,
    /// The length after it, signed.
    pub(super) signed: Signed,
    /// The nodes that it added.
    pub(super) nodes: Vec<Node>,
}

impl Entry {
    /// The bytes of this entry.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + 42 * self.nodes.len());
        put_uint(&mut out, NODES_UPGRADE_BITFIELD);
        put_uint(&mut out, self.nodes.len() as u64);
        for node in &self.nodes {
            put_uint(&mut out, node.index);
            put_uint(&mut out, node.size);
            out.extend_from_slice(&node.hash);
        }
        put_uint(&mut out, 0); // fork
        put_uint(&mut out, self.ancestors);
        put_uint(&mut out, self.signed.length);
        put_bytes(&mut out, &self.signed.signature);
        put_uint(&mut out, 0); // set, not cleared
        put_uint(&mut out, self.ancestors);
        put_uint(&mut out, self.signed.length.saturating_sub(self.ancestors));
        out
    }

    /// The entry that these bytes are; `None` where it is not of the shape that we write.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let is_known = reader.is_uint(NODES_UPGRADE_BITFIELD);
        let mut nodes = Vec::new();
        for _ in 0..reader.uint()? {
            let (index, size) = (reader.uint()?, reader.uint()?);
            nodes.push(Node { index, size, hash: reader.fixed()? });
        }
        let is_first_fork = reader.is_uint(0);
        let (ancestors, length) = (reader.uint()?, reader.uint()?);
        let signature = reader.bytes()?.try_into().ok()?;
        let grows = ancestors < length;
        let is_set = reader.is_uint(0)
            && reader.is_uint(ancestors)
            && reader.is_uint(length.saturating_sub(ancestors));
        (is_known && is_first_fork && grows && is_set).then_some(Self {
            ancestors,
            signed: Signed { length, signature },
            nodes,
        })
    }
}
