//! [`Side`]: what the core keeps in mind about one side of a channel, beyond snapshots and
//! records. A restart forgets it, and may.

use std::time::Duration;

use super::channel::Channel;
use super::decide::Rest;
use super::outcome::PeerWord;
use super::refusal::Refusal;
use crate::ids::PaymentHash;
use crate::time::Time;
use crate::units::Msat;

/// How long a side waits after its first failed attempt, doubled with each further one.
const BACKOFF_MIN: Duration = Duration::from_secs(5);
/// How often that doubles: 5 s to about 11 minutes.
const BACKOFF_DOUBLINGS_MAX: u32 = 7;
/// How long until a list is asked for again that shows a settlement, doubled each time.
const LIST_WAIT_MIN: Duration = Duration::from_secs(10);
/// How often that doubles: 10 s to about 11 minutes.
const LIST_DOUBLINGS_MAX: u32 = 6;

/// One side of a watched channel.
#[derive(Debug, Default)]
pub(crate) struct Side {
    /// The reason why it rests, as last told.
    pub(crate) rest: Option<Rest>,
    /// Where its figures stand after the last payment.
    pub(crate) settling: Settling,
    /// How many lists were asked for since the last payment.
    lists: u32,
    /// Its attempts that failed, since one succeeded.
    failures: u32,
    /// Until when it does not ask after a failure or a refusal.
    pub(crate) holds_until: Option<Time>,
    /// Why a peer did not pay it last, until one paid.
    pub(crate) by_peer: Option<PeerWord>,
    /// The last request that it turned down, until it paid one.
    pub(crate) turned_down: Option<TurnedDown>,
    /// The most that it asks, after the channel could not carry more.
    pub(crate) amount_max: Option<Msat>,
    /// Since when its share is seen to be below its threshold, but for payments on their way.
    pub(crate) low_since: Option<Time>,
    /// When its node was last asked for its own bounds because they were in the way.
    pub(crate) bounds_asked_at: Option<Time>,
}

/// A request that a side turned down.
#[derive(Clone, Debug)]
pub(crate) struct TurnedDown {
    /// When.
    pub(crate) at: Time,
    /// Why.
    pub(crate) refusal: Refusal,
}

/// Where a side's snapshots stand in the course of a payment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Settling {
    /// They show all that was settled, as far as we know.
    #[default]
    Shown,
    /// A payment is on its way.
    Sent {
        /// The payment.
        hash: PaymentHash,
        /// The first `updates` that can be without its HTLC again; `None` until a snapshot had
        /// it in flight. Other HTLCs count updates too, so nothing else tells.
        floor: Option<u64>,
    },
    /// A payment settled, and the snapshot that shows it has not come.
    Awaited {
        /// The payment.
        hash: PaymentHash,
        /// As above; `None` where only a list that is asked for from here on can tell.
        floor: Option<u64>,
    },
}

impl Side {
    /// A payment over the channel is about to be sent.
    pub(crate) fn sent(&mut self, hash: PaymentHash) {
        self.settling = Settling::Sent { hash, floor: None };
        self.lists = 0;
    }

    /// The payment settled; `channel` is the newest snapshot. Says whether the side waits for one
    /// that shows it.
    pub(crate) fn settled(&mut self, hash: PaymentHash, channel: Option<&Channel>) -> bool {
        let floor = match self.settling {
            Settling::Sent { hash: sent, floor } if sent == hash => floor,
            Settling::Shown | Settling::Sent { .. } | Settling::Awaited { .. } => None,
        };
        self.settling = Settling::Awaited { hash, floor };
        if let Some(channel) = channel {
            self.observe(channel);
        }
        self.settling != Settling::Shown
    }

    /// The payment failed: nothing is to be waited for.
    pub(crate) fn unsent(&mut self, hash: PaymentHash) {
        if matches!(self.settling, Settling::Sent { hash: sent, .. } if sent == hash) {
            self.settling = Settling::Shown;
        }
    }

    /// Takes a snapshot in.
    pub(crate) fn observe(&mut self, channel: &Channel) {
        let (Settling::Sent { hash, floor } | Settling::Awaited { hash, floor }) =
            &mut self.settling
        else {
            return;
        };
        if channel.htlcs.iter().any(|htlc| htlc.hash == *hash) {
            *floor = Some(channel.updates.saturating_add(1));
        } else if floor.is_some_and(|floor| channel.updates >= floor)
            && matches!(self.settling, Settling::Awaited { .. })
        {
            self.settling = Settling::Shown;
        }
    }

    /// Takes in a snapshot from a list that was asked for after the settlement.
    pub(crate) fn observe_answer(&mut self, channel: &Channel) {
        if let Settling::Awaited { hash, .. } = self.settling
            && !channel.htlcs.iter().any(|htlc| htlc.hash == hash)
        {
            self.settling = Settling::Shown;
        }
        self.observe(channel);
    }

    /// Whether a settlement waits for a snapshot.
    pub(crate) const fn awaits_snapshot(&self) -> bool {
        matches!(self.settling, Settling::Awaited { .. })
    }

    /// A list is asked for. Returns how long to wait before the next.
    pub(crate) fn list_asked(&mut self) -> Duration {
        let doublings = self.lists.min(LIST_DOUBLINGS_MAX);
        self.lists = self.lists.saturating_add(1);
        LIST_WAIT_MIN.saturating_mul(1 << doublings)
    }

    /// An attempt succeeded.
    pub(crate) fn succeeded(&mut self) {
        (self.failures, self.holds_until, self.amount_max) = (0, None, None);
        self.by_peer = None;
    }

    /// The payer refused for a reason that will be foreseen: the next attempt waits a moment.
    pub(crate) fn refused(&mut self, now: Time) {
        self.holds_until = Some(now + BACKOFF_MIN);
    }

    /// The channel could not carry `amount`: the next attempt asks less.
    pub(crate) fn halve(&mut self, amount: Msat) {
        self.amount_max = Some(Msat::new(amount.msat() / 2));
    }

    /// An attempt failed: the next waits longer.
    pub(crate) fn failed(&mut self, now: Time) {
        let doublings = self.failures.min(BACKOFF_DOUBLINGS_MAX);
        self.failures = self.failures.saturating_add(1);
        self.holds_until = Some(now + BACKOFF_MIN.saturating_mul(1 << doublings));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::channel::Htlc;
    use crate::core::fixture;

    const HASH: PaymentHash = PaymentHash::new([5; 32]);

    fn channel(updates: u64, is_pending: bool) -> Channel {
        let htlc = Htlc { is_incoming: true, amount: Msat::new(1), hash: HASH };
        let htlcs = if is_pending { vec![htlc] } else { Vec::new() };
        Channel { updates, htlcs, ..fixture::channel(1, 400, 600) }
    }

    fn sent() -> Side {
        let mut side = Side::default();
        side.sent(HASH);
        side
    }

    #[test]
    fn a_settlement_is_shown_by_the_snapshot_after_the_htlc() {
        let mut side = sent();
        side.observe(&channel(11, true));
        assert!(side.settled(HASH, Some(&channel(11, true))));
        side.observe(&channel(11, false));
        assert!(side.awaits_snapshot());
        side.observe(&channel(12, false));
        assert!(!side.awaits_snapshot());
    }

    #[test]
    fn a_snapshot_from_before_the_htlc_does_not_show_it_whatever_its_updates() {
        let mut side = sent();
        assert!(side.settled(HASH, Some(&channel(99, false))));
        side.observe(&channel(100, false));
        assert!(side.awaits_snapshot());
        side.observe(&channel(101, true));
        side.observe(&channel(102, false));
        assert!(!side.awaits_snapshot());
    }

    #[test]
    fn a_snapshot_may_come_before_the_settlement_is_told() {
        let mut side = sent();
        side.observe(&channel(11, true));
        side.observe(&channel(12, false));
        assert!(!side.settled(HASH, Some(&channel(12, false))));
    }

    #[test]
    fn a_list_that_was_asked_for_afterwards_shows_it_unless_the_htlc_is_still_there() {
        let mut side = Side::default();
        assert!(side.settled(HASH, Some(&channel(99, false))));
        side.observe_answer(&channel(100, true));
        assert!(side.awaits_snapshot());
        side.observe_answer(&channel(101, false));
        assert!(!side.awaits_snapshot());
    }

    #[test]
    fn each_failure_doubles_the_wait_and_halves_the_ask() {
        let mut side = Side::default();
        let mut waits = Vec::new();
        for _ in 0..10 {
            side.failed(Time::default());
            side.halve(Msat::new(1_000));
            waits.push(side.holds_until.unwrap().unix_ms() / 1000);
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 640, 640]);
        assert_eq!(side.amount_max, Some(Msat::new(500)));
        side.succeeded();
        assert_eq!(side.holds_until, None);
    }
}
