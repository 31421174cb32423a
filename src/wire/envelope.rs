//! The envelope around a message: its parts, and the texts that its signatures cover.
//!
//! Both texts are functions of what a document means, never of how it was spelled. No key and no
//! secret is known here.

use std::collections::BTreeSet;

use super::fault::Fault;
use super::json::{Object, Reader, Scalar, Text};
use crate::ids::PeerKey;
use crate::time::Time;

/// The largest integer that every JavaScript peer reads as it was written.
pub(super) const INTEGER_MAX: u64 = (1 << 53) - 1;

/// A document, taken apart. Nothing in it has been verified.
#[derive(Debug)]
pub(super) struct Envelope {
    /// The message.
    pub(super) message: Object,
    /// When its sender says that it was made.
    pub(super) timestamp: Time,
    /// The cluster's signature, in hex.
    pub(super) signature: String,
    /// The sender's own signature, where there is one.
    pub(super) attestation: Option<Scalar>,
}

impl Envelope {
    /// Takes a document apart. Keys of the envelope that are not known are passed over.
    pub(super) fn read(document: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(document)?;
        let mut keys = BTreeSet::new();
        let (mut message, mut timestamp, mut signature, mut attestation) = (None, None, None, None);
        reader.entries(|reader, key| {
            match String::from_utf16_lossy(&key).as_str() {
                "message" if reader.is_at_object() => message = Some(reader.object()?),
                "timestamp" => timestamp = Some(reader.scalar()?),
                "signature" => signature = Some(reader.scalar()?),
                "attestation" => attestation = Some(reader.scalar()?),
                _ => reader.skip()?,
            }
            if keys.insert(key) { Ok(()) } else { Err(Fault::DuplicateKey) }
        })?;
        reader.end()?;
        let time = timestamp.as_ref().and_then(integer);
        let Some(Scalar::Text(Text { text: signature, .. })) = signature else {
            return Err(Fault::BadField { field: "signature" });
        };
        Ok(Self {
            message: message.ok_or(Fault::BadField { field: "message" })?,
            timestamp: time.ok_or(Fault::BadField { field: "timestamp" })?,
            signature,
            attestation: attestation.filter(|value| *value != Scalar::Null),
        })
    }
}

/// A point in time that was written as a number.
fn integer(value: &Scalar) -> Option<Time> {
    let Scalar::Number(text) = value else { return None };
    text.parse().ok().filter(|ms| *ms <= INTEGER_MAX).map(Time::from_unix_ms)
}

/// The text that the cluster's signature covers: the message as query text, with the time and the
/// sender's key in base58 in place of fields of those names.
pub(super) fn signed_text(message: &Object, timestamp: Time, sender: &str) -> String {
    let mut signed = message.clone();
    signed.insert("timestamp", Scalar::Number(timestamp.unix_ms().to_string()));
    signed.insert("publicKey", Scalar::text(sender));
    signed.to_query()
}

/// The message and its time as canonical JSON; `None` where that cannot hold the message.
pub(super) fn canonical(message: &Object, timestamp: Time) -> Option<String> {
    let message = message.to_json()?;
    Some(format!(r#"{{"message":{message},"timestamp":{}}}"#, timestamp.unix_ms()))
}

/// The text that an attestation covers.
pub(super) fn attested_text(canonical: &str, recipient: PeerKey) -> String {
    format!("tightrope/1 attestation\n{canonical}\n{recipient}")
}
