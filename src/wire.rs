//! The bytes between peers: turns each document into a [`Message`] and back.
//!
//! Signs, verifies, paces and bounds; opens no socket, reads no clock, starts no task: times are
//! arguments. What a message means for money is the core's business. The protocol itself is
//! written down in `docs/protocol.md`.
//!
//! [`Message`]: crate::core::message::Message

mod envelope;
mod fault;
mod inbox;
mod json;
mod messages;
mod outbox;
mod proof;
mod seal;
mod text;

pub use self::fault::Fault;
pub use self::inbox::{DOCUMENT_BYTES_MAX, Inbox, Opened, RECEIVED_MAX};
pub use self::outbox::{Full, Outbox, SENT_PER_SECOND_MAX};
pub use self::seal::{Seal, is_attested, topic};
