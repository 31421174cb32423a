//! Decides whether a side of a channel should rest or ask to be paid.
//!
//! The whole rebalancing rule is [`decide`]: a pure function of one channel and the two policies
//! that govern it. How often may be asked, and what has been spent, are other rooms.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::outcome::PeerWord;
use super::policy::Policy;
use super::refusal::Refusal;
use crate::time::Time;
use crate::units::{Msat, Ppm};

/// What to do about one side of a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Leave it alone until something changes.
    Rest(Rest),
    /// Ask the counterparty to pay `amount` over it.
    Ask {
        /// What to ask: whole satoshis.
        amount: Msat,
    },
}

/// Why a side of a channel does not ask to be paid.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Rest {
    /// The daemon is about to stop.
    Stopping,
    /// Its share is at or above its threshold.
    Balanced,
    /// One of the two nodes is excepted from rebalancing (`rebalance: false`).
    RebalanceOff,
    /// The node at the other end is ours and does not answer.
    CounterpartyDown,
    /// The operator paused new payments here.
    Paused {
        /// When that ends by itself; `None` until it is resumed.
        until: Option<Time>,
    },
    /// An attempt on this channel has not ended.
    AttemptOpen,
    /// The figures of the last payment over this channel are not in yet.
    AwaitingSnapshot,
    /// The two ends tell different balances: one of them is behind.
    ViewsDiffer,
    /// The two nodes are not connected to each other.
    Inactive,
    /// The channel is closing, broken, or of a kind that we do not touch.
    NotOrdinary,
    /// The node's figures for the channel cannot be right.
    Unreadable,
    /// The two sides' policies leave no balance at which both are content.
    BandsDoNotMeet,
    /// What could be moved is less than `minTransactionSize`.
    TooSmall {
        /// What could be moved.
        amount: Msat,
    },
    /// The last attempt was too short a time ago.
    CoolingDown {
        /// When the next one may be made.
        until: Time,
    },
    /// The payer is not among `trustedNodes`.
    NotTrusted,
    /// The peer's rules for the channel have not come: they come with its next hello.
    PolicyUnknown,
    /// The peer's operator paused new payments here.
    PausedByPeer,
    /// The payer may pay over any of several channels, and the node cannot hold a payment until
    /// it was looked at.
    CannotHold,
    /// The last payment came over another channel than asked.
    PaidElsewhere {
        /// When the next attempt may be made.
        until: Time,
    },
    /// The payer, a peer, said that it did not pay.
    ByPeer {
        /// Its word.
        word: PeerWord,
        /// When the next attempt may be made.
        until: Time,
    },
    /// The payer would refuse, so it is not even asked.
    Refused {
        /// Why it would.
        refusal: Refusal,
    },
    /// The daemon only says what it would do (`dryRun`).
    DryRun {
        /// What it would ask.
        amount: Msat,
    },
}

impl Rest {
    /// Whether the reason is worth a line in the event log: the others come and go with every
    /// payment.
    pub(crate) const fn is_notable(&self) -> bool {
        match self {
            Self::Stopping
            | Self::Balanced
            | Self::AttemptOpen
            | Self::AwaitingSnapshot
            | Self::ViewsDiffer
            | Self::CoolingDown { .. } => false,
            Self::RebalanceOff
            | Self::CounterpartyDown
            | Self::Paused { .. }
            | Self::Inactive
            | Self::NotOrdinary
            | Self::Unreadable
            | Self::BandsDoNotMeet
            | Self::NotTrusted
            | Self::PolicyUnknown
            | Self::PausedByPeer
            | Self::CannotHold
            | Self::PaidElsewhere { .. }
            | Self::ByPeer { .. }
            | Self::TooSmall { .. }
            | Self::Refused { .. }
            | Self::DryRun { .. } => true,
        }
    }

    /// When the reason may end by itself, where that is known.
    pub(crate) const fn until(&self) -> Option<Time> {
        match self {
            Self::CoolingDown { until }
            | Self::PaidElsewhere { until }
            | Self::ByPeer { until, .. } => Some(*until),
            Self::Paused { until } => *until,
            Self::Refused { refusal } => refusal.retry_at(),
            Self::Stopping
            | Self::Balanced
            | Self::RebalanceOff
            | Self::CounterpartyDown
            | Self::AttemptOpen
            | Self::AwaitingSnapshot
            | Self::ViewsDiffer
            | Self::Inactive
            | Self::NotOrdinary
            | Self::Unreadable
            | Self::BandsDoNotMeet
            | Self::NotTrusted
            | Self::PolicyUnknown
            | Self::PausedByPeer
            | Self::CannotHold
            | Self::TooSmall { .. }
            | Self::DryRun { .. } => None,
        }
    }

    /// Whether `other` is the same reason, whatever its figures.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Refused { refusal: a }, Self::Refused { refusal: b }) => {
                std::mem::discriminant(a) == std::mem::discriminant(b)
            }
            (Self::ByPeer { word: a, .. }, Self::ByPeer { word: b, .. }) => a.code == b.code,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopping => f.write_str("the daemon is about to stop"),
            Self::Balanced => f.write_str("in balance"),
            Self::RebalanceOff => f.write_str("one of its nodes has rebalance set to false"),
            Self::CounterpartyDown => f.write_str("the node at the other end does not answer"),
            Self::Paused { until: None } => f.write_str("payments are paused here"),
            Self::Paused { until: Some(until) } => {
                write!(f, "payments are paused here until {until}")
            }
            Self::AttemptOpen => f.write_str("an attempt is under way"),
            Self::AwaitingSnapshot => {
                f.write_str("the balances after the last payment are not known yet")
            }
            Self::ViewsDiffer => f.write_str("its two nodes do not tell the same balances yet"),
            Self::Inactive => f.write_str("the two nodes are not connected to each other"),
            Self::NotOrdinary => f.write_str("the channel is closing, broken or holds assets"),
            Self::Unreadable => f.write_str("the channel's balances exceed its capacity"),
            Self::BandsDoNotMeet => f.write_str(
                "no balance contents both sides: lower a balancePoint or widen a deadzone",
            ),
            Self::TooSmall { amount } => {
                write!(f, "only {amount} could be moved, less than minTransactionSize")
            }
            Self::CoolingDown { until } => {
                write!(f, "its last attempt was a short time ago; the next may be made at {until}")
            }
            Self::NotTrusted => f.write_str("the node at the other end is not among trustedNodes"),
            Self::PolicyUnknown => f.write_str("the peer's policy for it is not known yet"),
            Self::PausedByPeer => f.write_str("the peer's operator paused payments here"),
            Self::CannotHold => f.write_str(
                "the payer may pay over another channel, and our node cannot hold a payment: \
                 give the macaroon the calls of invoicesrpc",
            ),
            Self::PaidElsewhere { until } => write!(
                f,
                "the last payment came over another channel; \
                 the next attempt may be made at {until}"
            ),
            Self::ByPeer { word, until } => {
                write!(f, "the payer said: {word}; the next attempt may be made at {until}")
            }
            Self::Refused { refusal } => write!(f, "the payer would refuse: {refusal}"),
            Self::DryRun { amount } => write!(f, "dryRun is set; {amount} would be asked"),
        }
    }
}

/// Returns what the payee should do about `channel`, seen from its side.
///
/// Every HTLC in flight counts as the payee's own, so an ask never rests on money that may come.
pub fn decide(channel: &Channel, payee: &Policy, payer: &Policy) -> Decision {
    if !channel.is_ordinary {
        return Decision::Rest(Rest::NotOrdinary);
    }
    if !channel.is_active {
        return Decision::Rest(Rest::Inactive);
    }
    let Some(total) = channel.total() else {
        return Decision::Rest(Rest::Unreadable);
    };
    let Some(target) = target(payee, payer) else {
        return Decision::Rest(Rest::BandsDoNotMeet);
    };
    let own = channel.local_if_won();
    if !own.is_below(payee.threshold(), total) {
        return Decision::Rest(Rest::Balanced);
    }
    let missing = total.share(target).saturating_sub(own);
    let amount =
        missing.min(payee.payment_max).min(payer.payment_max).min(channel.receivable()).whole();
    if amount < payee.payment_min || amount == Msat::ZERO {
        return Decision::Rest(Rest::TooSmall { amount });
    }
    Decision::Ask { amount }
}

/// Whether a side is below its threshold; not so where its figures make no sense.
pub(crate) fn is_low(channel: &Channel, policy: &Policy) -> bool {
    channel.total().is_some_and(|total| channel.local_if_won().is_below(policy.threshold(), total))
}

/// The payee's share at which a rebalance leaves the channel, the same seen from either end;
/// `None` where no share contents both sides.
///
/// The payee's balance point where the payer can live with it, else the middle of both wishes,
/// as far as it lets neither side fall below its threshold.
pub fn target(payee: &Policy, payer: &Policy) -> Option<Ppm> {
    let floor = payee.threshold();
    let ceiling = payer.threshold().complement();
    if floor > ceiling {
        return None;
    }
    let payers_wish = payer.balance_point.complement();
    if payee.balance_point <= payers_wish {
        return Some(payee.balance_point);
    }
    let middle = (payee.balance_point.ppm() + payers_wish.ppm()) / 2;
    Ppm::new(middle).map(|middle| middle.clamp(floor, ceiling))
}

#[cfg(test)]
mod tests {
    use arbtest::arbitrary::Unstructured;
    use arbtest::arbtest;

    use super::*;
    use crate::core::channel::Htlc;
    use crate::core::fixture;
    use crate::ids::PaymentHash;

    /// A policy for a balance point and a deadzone in percent.
    fn policy(balance_point: u32, deadzone: u32) -> Policy {
        Policy {
            balance_point: Ppm::new(balance_point * 10_000).expect("a percentage"),
            deadzone: Ppm::new(deadzone * 10_000).expect("a percentage"),
            payment_min: Msat::ZERO,
            ..Policy::default()
        }
    }

    fn check(channel: &Channel, payee: (u32, u32), payer: (u32, u32), expected: &str) {
        let said = match decide(channel, &policy(payee.0, payee.1), &policy(payer.0, payer.1)) {
            Decision::Rest(rest) => format!("rest: {rest}"),
            Decision::Ask { amount } => format!("ask {amount}"),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn rests_inside_the_deadzone() {
        check(&fixture::channel(1, 400, 600), (50, 10), (50, 10), "rest: in balance");
        check(&fixture::channel(1, 399, 601), (50, 10), (50, 10), "ask 101 sat");
    }

    #[test]
    fn goes_half_way_where_both_want_more() {
        check(&fixture::channel(1, 100, 900), (80, 30), (60, 30), "ask 500 sat");
        check(&fixture::channel(1, 100, 900), (80, 10), (60, 30), "ask 600 sat");
        check(&fixture::channel(1, 100, 900), (80, 30), (60, 10), "ask 400 sat");
    }

    #[test]
    fn stays_away_where_the_bands_do_not_meet() {
        check(
            &fixture::channel(1, 100, 900),
            (70, 10),
            (50, 5),
            "rest: no balance contents both sides: lower a balancePoint or widen a deadzone",
        );
    }

    #[test]
    fn counts_what_is_in_flight_as_its_own() {
        let htlc = |is_incoming| Htlc {
            is_incoming,
            amount: Msat::new(100_000),
            hash: PaymentHash::new([0; 32]),
        };
        for is_incoming in [true, false] {
            let channel =
                Channel { htlcs: vec![htlc(is_incoming)], ..fixture::channel(1, 300, 600) };
            check(&channel, (50, 10), (50, 10), "rest: in balance");
            let channel =
                Channel { htlcs: vec![htlc(is_incoming)], ..fixture::channel(1, 200, 700) };
            check(&channel, (50, 10), (50, 10), "ask 200 sat");
        }
    }

    #[test]
    fn leaves_alone_what_it_cannot_trust() {
        let channel = fixture::channel(1, 100, 900);
        let inactive = Channel { is_active: false, ..channel.clone() };
        check(&inactive, (50, 10), (50, 10), "rest: the two nodes are not connected to each other");
        let closing = Channel { is_ordinary: false, ..channel.clone() };
        check(&closing, (50, 10), (50, 10), "rest: the channel is closing, broken or holds assets");
        let absurd = Channel { capacity: Msat::new(999_999), ..channel };
        check(&absurd, (50, 10), (50, 10), "rest: the channel's balances exceed its capacity");
    }

    fn any_policy(u: &mut Unstructured<'_>) -> arbtest::arbitrary::Result<Policy> {
        let share = |u: &mut Unstructured<'_>| u.int_in_range(0..=1_000_000).map(Ppm::new);
        Ok(Policy {
            balance_point: share(u)?.expect("a share"),
            deadzone: share(u)?.expect("a share"),
            payment_min: Msat::new(u.int_in_range(0..=2_000)?),
            payment_max: Msat::new(u.int_in_range(0..=2_000_000)?),
            ..Policy::default()
        })
    }

    #[test]
    fn both_ends_compute_the_same_target() {
        arbtest(|u| {
            let (payee, payer) = (any_policy(u)?, any_policy(u)?);
            match target(&payee, &payer) {
                None => assert!(target(&payer, &payee).is_none()),
                Some(share) => {
                    assert!(share >= payee.threshold());
                    assert!(share.complement() >= payer.threshold());
                    let sum = payee.balance_point.ppm() + payer.balance_point.ppm();
                    if sum > Ppm::ONE.ppm() {
                        let back = target(&payer, &payee).expect("the bands meet").complement();
                        assert!(share.ppm().abs_diff(back.ppm()) <= 1, "{share} {back}");
                    }
                }
            }
            Ok(())
        });
    }

    /// For any two policies and any balance: one payment makes the payer ask for nothing, and
    /// repeating it comes to an end without a payment back.
    #[test]
    fn no_two_policies_play_ping_pong() {
        arbtest(|u| {
            let (a, b) = (any_policy(u)?, any_policy(u)?);
            let total = u.int_in_range(1..=10_000)?;
            let mut local = u.int_in_range(0..=total)?;
            let mut direction = None;
            for _ in 0..100_000 {
                let seen_by_a = fixture::channel(1, local, total - local);
                let seen_by_b = fixture::channel(1, total - local, local);
                let asks = |decision| match decision {
                    Decision::Ask { amount } => Some(amount.sat().sat()),
                    Decision::Rest(_) => None,
                };
                let (to_a, to_b) =
                    (asks(decide(&seen_by_a, &a, &b)), asks(decide(&seen_by_b, &b, &a)));
                assert!(to_a.is_none() || to_b.is_none(), "both ask at once");
                let now = to_a.map(|_| 'a').or_else(|| to_b.map(|_| 'b'));
                let Some(now) = now else { return Ok(()) };
                assert_eq!(*direction.get_or_insert(now), now, "a payment went back");
                local = local + to_a.unwrap_or(0) - to_b.unwrap_or(0);
            }
            panic!("no rest after 100,000 payments");
        });
    }
}
