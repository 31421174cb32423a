//! [`Budget`]: what a node may still pay in this period, open payments included.
//!
//! A payment counts from its intent until its period has passed after it settled, and for as long
//! as nobody knows what became of it. The budget is folded from the payer's own records, so a
//! restart changes nothing.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::policy::{ChannelCaps, Policy};
use super::refusal::Refusal;
use crate::ids::{ChannelPoint, NodeId, PaymentHash};
use crate::time::{Time, whole_ms};
use crate::units::Msat;

/// All that our nodes paid, as far back as any period reaches.
#[derive(Debug)]
pub(crate) struct Budget {
    /// How long a payment is remembered after it ended: no period is longer.
    horizon: Duration,
    /// What each node paid.
    by_node: BTreeMap<NodeId, Purse>,
}

/// What one node paid.
#[derive(Debug, Default)]
struct Purse {
    /// Payments without outcome: they count whatever the time.
    open: BTreeMap<PaymentHash, Spent>,
    /// Payments that arrived, or may have, with the time of their end; the oldest first, as far
    /// as the clock allowed.
    ended: VecDeque<(Time, Spent)>,
}

/// One payment.
#[derive(Clone, Copy, Debug)]
struct Spent {
    point: ChannelPoint,
    amount: Msat,
}

/// A payment that is thought of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// Who would pay.
    pub(crate) node: NodeId,
    /// Over which channel.
    pub(crate) point: ChannelPoint,
    /// How much.
    pub(crate) amount: Msat,
    /// What is to count as if it were paid.
    pub(crate) asked: &'a [(ChannelPoint, Msat)],
}

/// A cap on what is paid in a period: on a node, or on one of its channels.
struct Cap<'a> {
    policy: &'a Policy,
    /// `None` for all channels of the node.
    point: Option<ChannelPoint>,
    payments_max: Option<u32>,
    amount_max: Option<Msat>,
}

impl Budget {
    /// An empty budget for periods of at most `period_max`.
    pub(crate) fn new(period_max: Duration) -> Self {
        // A fixed period that a payment ended in may last one period more.
        Self { horizon: period_max.saturating_mul(2), by_node: BTreeMap::new() }
    }

    /// Whether it reaches back far enough for periods of at most `period_max`.
    pub(crate) fn covers(&self, period_max: Duration) -> bool {
        period_max.saturating_mul(2) <= self.horizon
    }

    /// Counts a payment that is about to be sent.
    pub(crate) fn intend(
        &mut self,
        node: NodeId,
        hash: PaymentHash,
        point: ChannelPoint,
        amount: Msat,
    ) {
        self.by_node.entry(node).or_default().open.insert(hash, Spent { point, amount });
    }

    /// Gives a payment's amount back: the node says that it failed.
    pub(crate) fn give_back(&mut self, node: NodeId, hash: PaymentHash) {
        self.by_node.entry(node).or_default().open.remove(&hash);
    }

    /// Lets a payment count from `at` as one that arrived.
    pub(crate) fn end(&mut self, node: NodeId, hash: PaymentHash, at: Time) {
        let purse = self.by_node.entry(node).or_default();
        let Some(spent) = purse.open.remove(&hash) else { return };
        purse.ended.push_back((at, spent));
        while purse.ended.front().is_some_and(|(end, _)| *end + self.horizon < at) {
            purse.ended.pop_front();
        }
    }

    /// How many payments of a node, or of one channel of it, count at `now`, and what they come
    /// to.
    pub(crate) fn used(
        &self,
        node: NodeId,
        point: Option<ChannelPoint>,
        now: Time,
        policy: &Policy,
    ) -> (u64, Msat) {
        let cap = Cap { policy, point, payments_max: None, amount_max: None };
        let Some(purse) = self.by_node.get(&node) else { return (0, Msat::ZERO) };
        let counts = |end: &&(Time, Spent)| cap.counts_until(end.0) > now;
        let ended = purse.ended.iter().filter(counts).map(|(_, spent)| spent);
        let counting = purse.open.values().chain(ended).filter(|spent| cap.is_of(spent));
        let counting = counting.map(|spent| spent.amount);
        counting
            .fold((0, Msat::ZERO), |(count, sum), amount| (count + 1, sum.saturating_add(amount)))
    }

    /// Whether a payment may be made at `now`, under its node's caps and its channel's.
    pub(crate) fn check(
        &self,
        wish: &Wish<'_>,
        now: Time,
        policy: &Policy,
        caps: ChannelCaps,
    ) -> Result<(), Refusal> {
        let node_cap = Cap {
            policy,
            point: None,
            payments_max: Some(policy.payments_max),
            amount_max: Some(policy.amount_max),
        };
        let channel_cap = Cap {
            policy,
            point: Some(wish.point),
            payments_max: caps.payments_max,
            amount_max: caps.amount_max,
        };
        let empty = Purse::default();
        let purse = self.by_node.get(&wish.node).unwrap_or(&empty);
        node_cap.check(purse, wish, now)?;
        channel_cap.check(purse, wish, now)
    }
}

impl Cap<'_> {
    fn check(&self, purse: &Purse, wish: &Wish<'_>, now: Time) -> Result<(), Refusal> {
        let amount = wish.amount;
        let is_capped = |spent: &Spent| self.is_of(spent);
        let asked =
            wish.asked.iter().map(|(point, amount)| Spent { point: *point, amount: *amount });
        let open = purse.open.values().copied().chain(asked);
        let open: Vec<Msat> = open.filter(is_capped).map(|spent| spent.amount).collect();
        let mut ended: Vec<(Time, Msat)> = purse
            .ended
            .iter()
            .filter(|(_, spent)| is_capped(spent))
            .map(|(end, spent)| (self.counts_until(*end), spent.amount))
            .filter(|(until, _)| *until > now)
            .collect();
        ended.sort_unstable();

        if let Some(max) = self.payments_max {
            let max = usize::try_from(max).unwrap_or(usize::MAX);
            let excess = (open.len() + ended.len() + 1).saturating_sub(max);
            if excess > 0 {
                let retry_at = (max > open.len()).then(|| ended.get(excess - 1)).flatten();
                let retry_at = retry_at.map(|(until, _)| *until);
                return Err(Refusal::MaxTransactionsPerPeriod { retry_at });
            }
        }
        let Some(max) = self.amount_max else { return Ok(()) };
        let mut used: Msat =
            open.iter().copied().chain(ended.iter().map(|(_, amount)| *amount)).sum();
        let left = max.saturating_sub(used);
        if amount <= left {
            return Ok(());
        }
        let freed = ended.iter().find(|(_, freed)| {
            used = used.saturating_sub(*freed);
            used.checked_add(amount).is_some_and(|sum| sum <= max)
        });
        Err(Refusal::MaxAmountPerPeriod { left, retry_at: freed.map(|(until, _)| *until) })
    }

    /// Whether a payment is one that the cap is on.
    fn is_of(&self, spent: &Spent) -> bool {
        self.point.is_none_or(|point| spent.point == point)
    }

    /// Until when a payment that ended at `end` counts.
    fn counts_until(&self, end: Time) -> Time {
        if self.policy.period_rolls {
            return end + self.policy.period;
        }
        let period = whole_ms(self.policy.period).max(1);
        let next = (end.unix_ms() / period).saturating_add(1);
        Time::from_unix_ms(next.saturating_mul(period))
    }
}

#[cfg(test)]
mod tests {
    use arbtest::arbtest;

    use super::*;

    const NODE: NodeId = NodeId::new([2; 33]);

    fn point(n: u8) -> ChannelPoint {
        ChannelPoint::new([n; 32], 0)
    }

    fn at(s: u64) -> Time {
        Time::from_unix_ms(s * 1000)
    }

    fn policy(payments_max: u32, sat_max: u64, rolls: bool) -> Policy {
        Policy {
            payments_max,
            amount_max: Msat::new(sat_max * 1000),
            period: Duration::from_secs(100),
            period_rolls: rolls,
            ..Policy::default()
        }
    }

    /// A budget with one payment of 10 sat for each end; `None` is open.
    fn spent(ends: &[Option<u64>]) -> Budget {
        let mut budget = Budget::new(Duration::from_secs(100));
        for (n, end) in (0_u8..).zip(ends) {
            let hash = PaymentHash::new([n; 32]);
            budget.intend(NODE, hash, point(n % 2), Msat::new(10_000));
            if let Some(end) = end {
                budget.end(NODE, hash, at(*end));
            }
        }
        budget
    }

    fn check(budget: &Budget, now: u64, policy: &Policy, sat: u64) -> Result<(), Refusal> {
        let wish = Wish { node: NODE, point: point(0), amount: Msat::new(sat * 1000), asked: &[] };
        budget.check(&wish, at(now), policy, ChannelCaps::default())
    }

    #[test]
    fn a_payment_counts_until_its_period_has_passed() {
        let budget = spent(&[Some(1000)]);
        let retry_at = Some(at(1100));
        let refusal = Refusal::MaxTransactionsPerPeriod { retry_at };
        assert_eq!(check(&budget, 1099, &policy(1, 99, true), 1), Err(refusal));
        assert_eq!(check(&budget, 1100, &policy(1, 99, true), 1), Ok(()));
    }

    #[test]
    fn a_fixed_period_ends_on_its_own_grid() {
        let budget = spent(&[Some(1050)]);
        let refusal = Refusal::MaxTransactionsPerPeriod { retry_at: Some(at(1100)) };
        assert_eq!(check(&budget, 1099, &policy(1, 99, false), 1), Err(refusal));
        assert_eq!(check(&budget, 1100, &policy(1, 99, false), 1), Ok(()));
    }

    #[test]
    fn an_open_payment_counts_for_ever() {
        let budget = spent(&[None]);
        let refusal = Refusal::MaxTransactionsPerPeriod { retry_at: None };
        assert_eq!(check(&budget, 999_999, &policy(1, 99, true), 1), Err(refusal));
        let refusal = Refusal::MaxAmountPerPeriod { left: Msat::new(5_000), retry_at: None };
        assert_eq!(check(&budget, 999_999, &policy(9, 15, true), 6), Err(refusal));
    }

    #[test]
    fn what_the_node_says_failed_is_given_back() {
        let mut budget = spent(&[None]);
        budget.give_back(NODE, PaymentHash::new([0; 32]));
        assert_eq!(check(&budget, 1, &policy(1, 10, true), 10), Ok(()));
    }

    #[test]
    fn the_amount_says_when_there_is_room_again() {
        let budget = spent(&[Some(1000), Some(1010), Some(1020)]);
        let refusal =
            Refusal::MaxAmountPerPeriod { left: Msat::new(5_000), retry_at: Some(at(1110)) };
        assert_eq!(check(&budget, 1050, &policy(9, 35, true), 20), Err(refusal));
        let never = Refusal::MaxAmountPerPeriod { left: Msat::new(5_000), retry_at: None };
        assert_eq!(check(&budget, 1050, &policy(9, 35, true), 36), Err(never));
    }

    #[test]
    fn a_record_dated_in_the_future_counts() {
        let budget = spent(&[Some(5000)]);
        assert!(check(&budget, 1000, &policy(1, 99, true), 1).is_err());
        assert!(check(&budget, 1000, &policy(1, 99, false), 1).is_err());
    }

    #[test]
    fn a_channels_own_cap_comes_on_top_of_its_nodes() {
        let budget = spent(&[Some(1000), Some(1000)]);
        let caps = ChannelCaps { payments_max: Some(1), amount_max: None };
        let policy = policy(9, 99, true);
        let over = |n| {
            let wish = Wish { node: NODE, point: point(n), amount: Msat::new(1), asked: &[] };
            budget.check(&wish, at(1001), &policy, caps)
        };
        assert!(over(0).is_err());
        assert!(over(1).is_err());
        assert_eq!(over(2), Ok(()));
    }

    /// No interleaving of intents and outcomes exceeds a cap in any period: whatever was allowed
    /// is replayed against a plain list of intervals.
    #[test]
    fn no_interleaving_exceeds_a_cap() {
        arbtest(|u| {
            let rolls = u.arbitrary()?;
            let policy = policy(u.int_in_range(0..=4)?, u.int_in_range(0..=60)?, rolls);
            let mut budget = Budget::new(policy.period);
            let mut now = u.int_in_range(0..=300)?;
            // Hash, amount in sat, intent, end: `None` while open.
            let mut paid: Vec<(u8, u64, u64, Option<u64>)> = Vec::new();
            for n in 0..u.int_in_range(0..=40_u8)? {
                now += u.int_in_range(0..=60)?;
                let open = paid.iter_mut().rfind(|(.., end)| end.is_none());
                let hash = |n: u8| PaymentHash::new([n; 32]);
                match (u.int_in_range(0..=3)?, open) {
                    (0, Some((n, _, _, end))) => {
                        budget.end(NODE, hash(*n), at(now));
                        *end = Some(now);
                    }
                    (1, Some((n, ..))) => {
                        let n = *n;
                        budget.give_back(NODE, hash(n));
                        paid.retain(|(m, ..)| *m != n);
                    }
                    _ => {
                        let sat = u.int_in_range(0..=30)?;
                        if check(&budget, now, &policy, sat).is_ok() {
                            budget.intend(NODE, hash(n), point(0), Msat::new(sat * 1000));
                            paid.push((n, sat, now, None));
                        }
                    }
                }
                let counts = |end: &Option<u64>| match end {
                    None => true,
                    Some(end) if rolls => end + 100 > now,
                    Some(end) => end / 100 >= now / 100,
                };
                let counted: Vec<_> = paid.iter().filter(|(.., end)| counts(end)).collect();
                assert!(counted.len() <= usize::try_from(policy.payments_max).expect("small"));
                let sum: u64 = counted.iter().map(|(_, sat, ..)| sat).sum();
                assert!(Sat::new(sum).msat() <= policy.amount_max);
            }
            Ok(())
        });
    }

    use crate::units::Sat;
}
