//! Proofs that a peer speaks for a Lightning node: the node's own signature under a claim.
//!
//! The signature is that of LND's `SignMessage` (Core Lightning's `signmessage` has the same
//! form). It names its signer, so nobody needs to be asked.

use std::sync::LazyLock;

use bitcoin::hashes::{Hash, sha256d};
use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use bitcoin::secp256k1::{self, Message as Digest, Secp256k1, VerifyOnly};
use data_encoding::{Encoding, Specification};
use sha2::{Digest as _, Sha256};

use crate::ids::{NodeId, PeerKey, Topic};

/// What LND puts before a text, so that it can sign nothing else by mistake.
const PREFIX: &[u8] = b"Lightning Signed Message:";

/// The first byte of a signature that a compressed key made, before the recovery id is added.
const COMPRESSED: u8 = 31;

/// The alphabet of z-base-32.
static ZBASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("ybndrfg8ejkmcpqxot1uwisza345h769");
    specification.encoding().expect("32 symbols, all different")
});

static SECP256K1: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// The text that `node` signs to prove that `peer` speaks for it in the cluster that meets under
/// `topic`.
pub(super) fn claim(topic: &Topic, peer: PeerKey, node: NodeId) -> String {
    let cluster = Topic::new(Sha256::digest(topic.as_bytes()).into());
    format!("tightrope/1 {cluster} {peer} {node}")
}

/// Whether `signature` is `node`'s under `text`.
pub(super) fn holds(signature: &str, text: &str, node: NodeId) -> bool {
    recover(signature, text).is_some_and(|signer| signer.serialize() == *node.as_bytes())
}

/// The key that made `signature` under `text`.
fn recover(signature: &str, text: &str) -> Option<secp256k1::PublicKey> {
    let bytes = ZBASE32.decode(signature.as_bytes()).ok()?;
    let (first, compact) = bytes.split_first()?;
    let id = RecoveryId::from_i32(first.checked_sub(COMPRESSED)?.into()).ok()?;
    let signature = RecoverableSignature::from_compact(compact, id).ok()?;
    let digest = sha256d::Hash::hash(&[PREFIX, text.as_bytes()].concat());
    SECP256K1.recover_ecdsa(&Digest::from_digest(digest.to_byte_array()), &signature).ok()
}
