//! The key pair of a log, and what it signs.
//!
//! The public key names the log. The manifest is version 0 with that key as its only signer, which
//! every hypercore@10 reads.

use std::io;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::merkle::{Hash, Merkle, hash};

/// The number of the namespace under which trees are signed, and of the default one of a signer.
const TREE: u8 = 0;
const DEFAULT: u8 = 4;

/// A key pair from the system's randomness.
pub(super) fn generate() -> io::Result<SigningKey> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Signs the tree at its present length.
pub(super) fn sign(key: &SigningKey, tree: &Merkle) -> [u8; 64] {
    key.sign(&signable(&tree.root_hash(), tree.length())).to_bytes()
}

/// Whether the log's key signed a tree of this length with these roots.
pub(super) fn is_signed(
    public: &VerifyingKey,
    root_hash: &Hash,
    length: u64,
    signature: &[u8; 64],
) -> bool {
    let signature = Signature::from_bytes(signature);
    public.verify_strict(&signable(root_hash, length), &signature).is_ok()
}

/// The namespace that a manifest gives its signer where none is chosen.
pub(super) fn default_namespace() -> Hash {
    namespace(DEFAULT)
}

/// What is signed: the namespace, the root hash, the length, and the fork, which is always 0.
fn signable(root_hash: &Hash, length: u64) -> [u8; 80] {
    let mut message = [0; 80];
    message[..32].copy_from_slice(&namespace(TREE));
    message[32..64].copy_from_slice(root_hash);
    message[64..72].copy_from_slice(&length.to_le_bytes());
    message
}

/// One of Hypercore's namespaces.
fn namespace(number: u8) -> Hash {
    hash(&[&hash(&[b"hypercore"]), &[number]])
}
