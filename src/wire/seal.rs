//! [`Seal`]: what a daemon signs and verifies with.
//!
//! Two signatures: the cluster's (HMAC under the shared secret: "a member said this") and the
//! daemon's own attestation ("I said this, to you"), which a third party can check. Freshness and
//! replays are [`super::inbox`]'s business.

use std::fmt;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::envelope::{self, Envelope, INTEGER_MAX};
use super::fault::Fault;
use super::json::{Object, Scalar};
use super::{messages, proof};
use crate::core::message::Message;
use crate::ids::{NodeId, PeerKey, Topic};
use crate::time::Time;

/// What the daemons of a cluster meet under: SHA-256 of their secret.
pub fn topic(secret: &[u8]) -> Topic {
    Topic::new(Sha256::digest(secret).into())
}

/// What a daemon signs and verifies with: the cluster's secret, and its own identity.
pub struct Seal {
    topic: Topic,
    /// Has taken in the secret, and no text yet.
    mac: Hmac<Sha256>,
    identity: SigningKey,
    me: PeerKey,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").field("me", &self.me).finish_non_exhaustive()
    }
}

impl Seal {
    /// A seal of the cluster's secret and the seed of the daemon's swarm key (Ed25519).
    pub fn new(secret: Vec<u8>, identity: [u8; 32]) -> Self {
        let identity = SigningKey::from_bytes(&identity);
        Self {
            topic: topic(&secret),
            mac: Hmac::new_from_slice(&secret).expect("HMAC takes a key of any length"),
            me: PeerKey::new(identity.verifying_key().to_bytes()),
            identity,
        }
    }

    /// This daemon's name in the swarm.
    pub const fn me(&self) -> PeerKey {
        self.me
    }

    /// The text that a Lightning node signs to prove that this daemon speaks for it.
    pub fn claim(&self, node: NodeId) -> String {
        self.claim_of(self.me, node)
    }

    /// The same for another daemon of the cluster.
    pub(super) fn claim_of(&self, peer: PeerKey, node: NodeId) -> String {
        proof::claim(&self.topic, peer, node)
    }

    /// A message as one document for `to`, stamped `wall`, signed and attested. Send it at once.
    pub fn close(&self, to: PeerKey, message: &Message, wall: Time) -> Vec<u8> {
        let wall = Time::from_unix_ms(wall.unix_ms().min(INTEGER_MAX));
        self.close_fields(to, &messages::write(message, wall), wall)
    }

    fn close_fields(&self, to: PeerKey, fields: &Object, wall: Time) -> Vec<u8> {
        let canonical = envelope::canonical(fields, wall).expect("we write whole characters");
        let attested = envelope::attested_text(&canonical, to);
        let attestation = self.identity.sign(attested.as_bytes());
        let signature = self.mac(fields, wall, &base58(self.me)).finalize().into_bytes();
        let open = canonical.strip_suffix('}').expect("an object ends in a brace");
        let document = format!(
            r#"{open},"signature":"{}","attestation":"{}"}}"#,
            HEXLOWER.encode(&signature),
            HEXLOWER.encode(&attestation.to_bytes())
        );
        document.into_bytes()
    }

    /// The signature of an envelope from `sender` (in base58), verified in constant time.
    pub(super) fn verify(&self, envelope: &Envelope, sender: &str) -> Result<[u8; 32], Fault> {
        let bytes = HEXLOWER.decode(envelope.signature.as_bytes()).ok();
        let signature: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        let signature = signature.ok_or(Fault::BadSignature)?;
        let mac = self.mac(&envelope.message, envelope.timestamp, sender);
        mac.verify(&signature.into()).map(|()| signature).map_err(|_| Fault::BadSignature)
    }

    fn mac(&self, message: &Object, timestamp: Time, sender: &str) -> Hmac<Sha256> {
        let text = envelope::signed_text(message, timestamp, sender);
        self.mac.clone().chain_update(text)
    }
}

/// A peer's name as the cluster's signature has it.
pub(super) fn base58(peer: PeerKey) -> String {
    bs58::encode(peer.as_bytes()).into_string()
}

/// Whether `document` is what the daemon `from` said to the daemon `to`, by the word of `from`
/// alone: for those who do not know the secret, long after. Nothing else about it is judged.
pub fn is_attested(document: &[u8], from: PeerKey, to: PeerKey) -> bool {
    let envelope = Envelope::read(document);
    envelope.is_ok_and(|envelope| envelope.attestation.is_some() && attests(&envelope, from, to))
}

/// Whether the attestation of an envelope is `from`'s for `to`.
pub(super) fn attests(envelope: &Envelope, from: PeerKey, to: PeerKey) -> bool {
    let Some(Scalar::Text(attestation)) = &envelope.attestation else { return false };
    let bytes = HEXLOWER.decode(attestation.text.as_bytes()).ok();
    let signature = bytes.and_then(|bytes| Signature::from_slice(&bytes).ok());
    let key = VerifyingKey::from_bytes(from.as_bytes()).ok();
    let canonical = envelope::canonical(&envelope.message, envelope.timestamp);
    let (Some(signature), Some(key), Some(canonical)) = (signature, key, canonical) else {
        return false;
    };
    key.verify_strict(envelope::attested_text(&canonical, to).as_bytes(), &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_original() {
        for (message, signature) in [
            ("{}", "c3dfb60ae5688a56c637081659968910ff975d76545382b77d0053c5497b3d72"),
            (
                r#"{"test":"bob"}"#,
                "c0772207f745250f82b0afe0d215fb0b1b57e0accf143080831f81cec0249e33",
            ),
            (
                r#"{"test":"bob","abc":123.4}"#,
                "b9251a24783fe114d5086aab709448e1d557ca6d241facf5da27c95597da140b",
            ),
            // The envelope's time and the sender's key stand in for the message's own.
            (
                r#"{"publicKey":"x","timestamp":"y"}"#,
                "c3dfb60ae5688a56c637081659968910ff975d76545382b77d0053c5497b3d72",
            ),
        ] {
            let document = format!(
                r#"{{"message":{message},"timestamp":1648741762439,"signature":"{signature}"}}"#
            );
            let envelope = Envelope::read(document.as_bytes()).expect("an envelope");
            let sender = "5rRSNhSbbffXYW6uh9XmzH7CVkeWzzKUSfN4NAC4ojbf";
            let seal = |secret: &[u8]| Seal::new(secret.to_vec(), [1; 32]);
            assert!(seal(b"secret").verify(&envelope, sender).is_ok(), "{message}");
            let wrong = [
                seal(b"secrex").verify(&envelope, sender),
                seal(b"secret").verify(&envelope, "5rRSNhSbbffXYW6uh9XmzH7CVkeWzzKUSfN4NAC4ojbg"),
            ];
            assert_eq!(wrong, [Err(Fault::BadSignature); 2], "{message}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let shown = format!("{:?}", Seal::new(b"hunter2hunter2".to_vec(), [1; 32]));
        assert_eq!(shown, format!("Seal {{ me: {:?}, .. }}", Seal::new(vec![], [1; 32]).me()));
    }
}
