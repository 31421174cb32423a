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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_that_lnd_made_name_their_nodes() {
        // Published by people who run LND.
        for (text, signature, node) in [
            (
                "is this compatible?",
                "rbgfioj114mh48d8egqx8o9qxqw4fmhe8jbeeabdioxnjk8z3t1ma1hu1fiswpakgucwwzwo\
                 6ofycffbsqusqdimugbh41n1g698hr9t",
                "02b80cabdf82638aac86948e4c06e82064f547768dcef977677b9ea931ea75bab5",
            ),
            (
                "hi",
                "rnrphcjswusbacjnmmmrynh9pqip7sy5cx695h6mfu64iac6qmcmsd8xnsyczwmpqp9shqkt\
                 h3h4jmkgyqu5z47jfn1q7gpxtaqpx4xg",
                "02de60d194e1ca5947b59fe8e2efd6aadeabfb67f2e89e13ae1a799c1e08e4a43b",
            ),
            (
                "hi",
                "ry8bbsopmduhxy3dr5d9ekfeabdpimfx95kagdem7914wtca79jwamtbw4rxh69hg7n6x9ty\
                 8cqk33knbxaqftgxsfsaeprxkn1k48p3",
                "022b8ece90ee891cbcdac0c1cc6af46b73c47212d8defbce80265ac81a6b794931",
            ),
        ] {
            let node = node.parse().expect("a node");
            assert!(holds(signature, text, node), "{text}");
            assert!(!holds(signature, "another text", node), "{text}");
            assert!(!holds(signature, text, NodeId::new([2; 33])), "{text}");
        }
    }
}
