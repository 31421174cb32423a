//! [`Outbox`]: what waits to be said to one peer.
//!
//! Bounded and paced, so that we never go over the rate at which a peer drops us. It holds
//! meanings: a message is stamped and signed when it leaves, or it would be stale on arrival.

use std::collections::VecDeque;
use std::time::Duration;

use crate::core::message::Message;
use crate::time::Time;

/// The most messages that leave in any second: half of what a peer allows.
pub const SENT_PER_SECOND_MAX: usize = 25;

/// The window of that rate.
const SECOND: Duration = Duration::from_secs(1);

/// The most requests and results that wait: 20 s of sending, after which they are worth nothing.
const URGENT_MAX: usize = 500;

/// The most hellos and policies that wait, one for each node and each channel.
const OTHERS_MAX: usize = 2_000;

/// The queue for requests and results is full: the peer does not take what we say.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too much waits to be said to the peer")]
pub struct Full;

/// What waits to be said to one peer. Requests and results go first.
///
/// At most 2,500 messages, each a few hundred bytes and an invoice at most.
#[derive(Debug, Default)]
pub struct Outbox {
    urgent: VecDeque<Message>,
    others: VecDeque<Message>,
    /// When the last messages left, at most as many as may leave in a second.
    left_at: VecDeque<Time>,
}

impl Outbox {
    /// Lets a message wait. A hello or policy takes the place of an older one for the same node or
    /// channel.
    pub fn push(&mut self, message: Message) -> Result<(), Full> {
        let (queue, max) = match &message {
            Message::PayInvoice(_) | Message::PaymentResult(_) => (&mut self.urgent, URGENT_MAX),
            Message::Hello(_) | Message::Policy(_) => {
                if let Some(older) = self.others.iter_mut().find(|m| is_replaced(m, &message)) {
                    *older = message;
                    return Ok(());
                }
                (&mut self.others, OTHERS_MAX)
            }
        };
        if queue.len() >= max {
            return Err(Full);
        }
        queue.push_back(message);
        Ok(())
    }

    /// The message to be said now, if the rate allows one.
    pub fn take(&mut self, mono: Time) -> Option<Message> {
        if self.next_at(mono)? > mono {
            return None;
        }
        let message = self.urgent.pop_front().or_else(|| self.others.pop_front())?;
        if self.left_at.len() >= SENT_PER_SECOND_MAX {
            self.left_at.pop_front();
        }
        self.left_at.push_back(mono);
        Some(message)
    }

    /// When the next message may leave: not before `mono`; `None` while nothing waits.
    pub fn next_at(&self, mono: Time) -> Option<Time> {
        if self.urgent.is_empty() && self.others.is_empty() {
            return None;
        }
        let is_held = self.left_at.len() >= SENT_PER_SECOND_MAX;
        let oldest = self.left_at.front().filter(|_| is_held);
        Some(oldest.map_or(mono, |at| mono.max(*at + SECOND)))
    }
}

/// Whether `newer` says all that `older` would.
fn is_replaced(older: &Message, newer: &Message) -> bool {
    match (older, newer) {
        (Message::Hello(older), Message::Hello(newer)) => older.node == newer.node,
        (Message::Policy(older), Message::Policy(newer)) => older.point == newer.point,
        (
            Message::Hello(_)
            | Message::Policy(_)
            | Message::PayInvoice(_)
            | Message::PaymentResult(_),
            _,
        ) => false,
    }
}
