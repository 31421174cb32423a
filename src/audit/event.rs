//! The lines of the event log: a [`Narrative`] as one JSON object.
//!
//! `event` and `data` as in the original, with masked values hidden, and the time in ms. The daemon
//! never reads them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::mask::Mask;
use crate::core::narrative::Narrative;
use crate::time::Time;

/// One line, in the order in which its fields are written.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Event {
    /// What happened.
    pub(super) event: String,
    /// To what, or with which figures.
    #[serde(default)]
    pub(super) data: Value,
    /// When, in ms.
    pub(super) timestamp: Time,
}

/// Writes an event as a line without its newline.
pub(super) fn encode(at: Time, narrative: &Narrative, mask: &Mask) -> serde_json::Result<Vec<u8>> {
    /// A narrative as it serialises itself.
    #[derive(Deserialize)]
    struct Told {
        event: String,
        #[serde(default)]
        data: Value,
    }
    let told: Told = serde_json::from_value(serde_json::to_value(narrative)?)?;
    serde_json::to_vec(&Event { event: told.event, data: mask.hide(told.data), timestamp: at })
}

/// Reads a line, with its newline or without; an error says what is wrong with it.
pub(super) fn decode(line: &[u8]) -> Result<Event, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}
