//! [`Inbox`]: opens what one peer sends, and keeps in mind what it sent of late.
//!
//! The checks go from cheap to dear, and nothing is believed before the cluster's signature holds.

use std::collections::VecDeque;
use std::time::Duration;

use super::envelope::Envelope;
use super::fault::Fault;
use super::messages::{self, Context};
use super::seal::{self, Seal};
use super::text::{CODE_CHARS_MAX, clean};
use crate::core::message::Message;
use crate::ids::PeerKey;
use crate::time::Time;

/// The most bytes of a document.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// The most documents that a peer may send in any [`WINDOW`].
pub const RECEIVED_MAX: usize = 500;

/// How long arrivals are remembered. A document is fresh for twice [`AGE_MAX`], so none that was
/// forgotten can come again.
const WINDOW: Duration = Duration::from_secs(10);

/// How far a document's time may be from ours, either way.
const AGE_MAX: Duration = Duration::from_secs(5);

/// The most bytes of a document that is kept as evidence: the longest invoice and all else that
/// belongs there, twice. A longer one is padded.
const EVIDENCE_BYTES_MAX: usize = 16 * 1024;

/// What a document turned out to be.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, and a message is usual")]
pub enum Opened {
    /// A message.
    Message {
        /// What it says.
        message: Message,
        /// When the peer made it, by its own clock.
        sent_at: Time,
        /// The whole document, where it is a request or a result and the peer attested it.
        evidence: Option<String>,
    },
    /// A document that came before.
    Duplicate,
    /// An authentic message of a type that we do not know.
    Unknown {
        /// Its type.
        kind: String,
    },
}

/// What one peer sends us: its rate, and what was seen of it.
///
/// At most 500 arrivals of 48 bytes. It may outlive a connection: a peer that connects anew then
/// has neither a new rate nor unseen documents.
#[derive(Debug)]
pub struct Inbox {
    from: PeerKey,
    /// The peer's key as signatures have it.
    sender: String,
    arrivals: VecDeque<Arrival>,
    duplicates: u64,
}

#[derive(Debug)]
struct Arrival {
    /// When, on a clock that only advances.
    at: Time,
    /// The document's signature, once that is known to be right.
    signature: Option<[u8; 32]>,
}

impl Inbox {
    /// An inbox for the peer `from`.
    pub fn new(from: PeerKey) -> Self {
        Self { from, sender: seal::base58(from), arrivals: VecDeque::new(), duplicates: 0 }
    }

    /// How many documents came twice.
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Opens a document. `mono` is a monotonic time for the rate, `wall` the wall clock for
    /// freshness and distances.
    pub fn open(
        &mut self,
        seal: &Seal,
        document: &[u8],
        mono: Time,
        wall: Time,
    ) -> Result<Opened, Fault> {
        if document.len() > DOCUMENT_BYTES_MAX {
            return Err(Fault::TooLong { length: document.len() });
        }
        self.arrive(mono)?;
        let envelope = Envelope::read(document)?;
        let signature = seal.verify(&envelope, &self.sender)?;
        let sent_at = envelope.timestamp;
        if sent_at.since(wall).max(wall.since(sent_at)) > AGE_MAX {
            return Err(Fault::Stale { sent_at, wall });
        }
        if !self.is_first(signature) {
            self.duplicates += 1;
            return Ok(Opened::Duplicate);
        }
        let is_attested = envelope.attestation.is_some();
        if is_attested && !seal::attests(&envelope, self.from, seal.me()) {
            return Err(Fault::BadAttestation);
        }
        let context = Context { seal, from: self.from, wall };
        let fields = &envelope.message;
        let Some(message) = messages::read(fields, &context)? else {
            return Ok(Opened::Unknown { kind: clean(messages::kind(fields)?, CODE_CHARS_MAX) });
        };
        let is_evidence = is_attested
            && document.len() <= EVIDENCE_BYTES_MAX
            && matches!(message, Message::PayInvoice(_) | Message::PaymentResult(_));
        let evidence = is_evidence.then(|| String::from_utf8_lossy(document).into_owned());
        Ok(Opened::Message { message, sent_at, evidence })
    }

    /// Notes that a document came.
    fn arrive(&mut self, at: Time) -> Result<(), Fault> {
        while self.arrivals.front().is_some_and(|first| at.since(first.at) > WINDOW) {
            self.arrivals.pop_front();
        }
        if self.arrivals.len() >= RECEIVED_MAX {
            return Err(Fault::TooFast);
        }
        self.arrivals.push_back(Arrival { at, signature: None });
        Ok(())
    }

    /// Whether no document with this signature came before the one that just arrived.
    fn is_first(&mut self, signature: [u8; 32]) -> bool {
        let is_first = !self.arrivals.iter().any(|known| known.signature == Some(signature));
        if let Some(last) = self.arrivals.back_mut().filter(|_| is_first) {
            last.signature = Some(signature);
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_never_stops_costs_twenty_four_kilobytes() {
        let seal = Seal::new(b"a secret of the tests".to_vec(), [1; 32]);
        let mut inbox = Inbox::new(seal.me());
        for ms in 0..100_000 {
            let _fault = inbox.open(&seal, b"{}", Time::from_unix_ms(ms), Time::default());
        }
        assert_eq!(inbox.arrivals.len(), RECEIVED_MAX);
        assert!(inbox.arrivals.capacity() * size_of::<Arrival>() <= 24 * 1024);
    }
}
