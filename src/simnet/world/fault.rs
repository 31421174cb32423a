//! [`Faults`]: what is wrong with a node because somebody wants to see what follows.
//!
//! A node's server heeds them at its door; the world knows of them where they touch what is told.
//! What is wrong between two nodes is the business of `peers`.

use std::time::Duration;

use super::channel::Channel;

/// Something that can be wrong with a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// Each call takes so much longer.
    Slow(Duration),
    /// No call is answered: UNAVAILABLE.
    Refuse,
    /// What is to be paid is paid, and the answer is lost: UNAVAILABLE.
    LoseAnswers,
    /// A payment that is begun is never sent, and stays in flight until the node is restarted.
    Forget,
    /// The list of channels stays as it is, and nobody is told of changed balances.
    Stale,
    /// The height that the node tells is off by so many blocks.
    Height(i32),
    /// The node's clock is off by so many ms.
    Clock(i64),
}

/// All that is wrong with a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// How much longer each call takes.
    pub(crate) slow: Duration,
    /// Whether no call is answered.
    pub(crate) refuses: bool,
    /// Whether the answers to payments are lost.
    pub(crate) loses_answers: bool,
    /// Whether payments are begun and not sent.
    pub(crate) forgets: bool,
    /// The channels as they are told, where they stay as they were.
    pub(crate) stale: Option<Vec<Channel>>,
    /// By how many blocks the height is off.
    pub(crate) height: i32,
    /// By how many ms the clock is off.
    pub(crate) clock_ms: i64,
}

impl Faults {
    /// Has one more thing be wrong; `channels` are the node's, as they are.
    pub(super) fn add(&mut self, fault: Fault, channels: impl FnOnce() -> Vec<Channel>) {
        match fault {
            Fault::Slow(slow) => self.slow = slow,
            Fault::Refuse => self.refuses = true,
            Fault::LoseAnswers => self.loses_answers = true,
            Fault::Forget => self.forgets = true,
            Fault::Stale => self.stale = Some(channels()),
            Fault::Height(blocks) => self.height = blocks,
            Fault::Clock(ms) => self.clock_ms = ms,
        }
    }

    /// Mends one thing, whatever its measure.
    pub(super) fn mend(&mut self, fault: Fault) {
        match fault {
            Fault::Slow(_) => self.slow = Duration::ZERO,
            Fault::Refuse => self.refuses = false,
            Fault::LoseAnswers => self.loses_answers = false,
            Fault::Forget => self.forgets = false,
            Fault::Stale => self.stale = None,
            Fault::Height(_) => self.height = 0,
            Fault::Clock(_) => self.clock_ms = 0,
        }
    }
}
