//! [`Timers`]: every deadline of the core, by name.
//!
//! A timer only wakes the core, which then looks at the state of things; a timer that fires
//! needlessly does no harm.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::ids::{ChannelPoint, PaymentHash};
use crate::time::Time;

/// A reason to wake.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize)]
pub enum Timer {
    /// It is time to announce our nodes to all peers.
    Announce,
    /// A channel's reason to rest may have ended.
    Reconsider(ChannelPoint),
    /// An offer has waited for HTLCs long enough.
    OfferWaited(ChannelPoint),
    /// It is time to ask again what became of a payment.
    Track(PaymentHash),
    /// The snapshot that shows a settlement has not come.
    SnapshotMissing(ChannelPoint),
}

/// At most one deadline for each reason to wake.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_timer: BTreeMap<Timer, Time>,
    by_time: BTreeSet<(Time, Timer)>,
}

impl Timers {
    /// Sets `timer` to `at`, whatever it was set to.
    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        self.clear(timer);
        self.by_timer.insert(timer, at);
        self.by_time.insert((at, timer));
    }

    /// Sets `timer` to `at`, unless it fires earlier.
    pub(crate) fn set_at_latest(&mut self, timer: Timer, at: Time) {
        if self.by_timer.get(&timer).is_none_or(|set| at < *set) {
            self.set(timer, at);
        }
    }

    /// Forgets `timer`.
    pub(crate) fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.by_timer.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    /// When `timer` fires, if it is set.
    pub(crate) fn at(&self, timer: Timer) -> Option<Time> {
        self.by_timer.get(&timer).copied()
    }

    /// The soonest deadline.
    pub(crate) fn next(&self) -> Option<(Time, Timer)> {
        self.by_time.first().copied()
    }

    /// Takes out the soonest timer that is due at `now`.
    pub(crate) fn take_due(&mut self, now: Time) -> Option<Timer> {
        let (at, timer) = self.next()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_fires_once_at_its_last_setting() {
        let timer = Timer::Track(PaymentHash::new([1; 32]));
        let at = Time::from_unix_ms;
        let mut timers = Timers::default();
        timers.set(timer, at(10));
        timers.set(timer, at(20));
        timers.set_at_latest(timer, at(30));
        assert_eq!(timers.next(), Some((at(20), timer)));
        assert_eq!(timers.take_due(at(19)), None);
        assert_eq!(timers.take_due(at(20)), Some(timer));
        assert_eq!(timers.take_due(at(99)), None);
    }
}
