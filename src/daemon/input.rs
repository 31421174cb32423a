//! [`Input`]: the closed list of what the loop waits for, beside time and signals.

use crate::core::event::{Event, OwnNode};
use crate::ids::NodeId;
use crate::lnd::Lnd;

/// Everything that can wake the loop, but for time and signals.
#[derive(Debug)]
pub(super) enum Input {
    /// A node answers.
    Connected { slot: usize, node: OwnNode, version: String, lnd: Lnd },
    /// A node told something.
    Seen { slot: usize, event: Event },
    /// A node is gone, or did not answer.
    Disconnected { slot: usize, node: Option<NodeId>, error: String },
    /// An action led to something.
    Done(Event),
}
