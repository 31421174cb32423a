//! Traffic: payments between two nodes again and again, of random sizes, from the world's seed.

use std::time::Duration;

use crate::ids::NodeId;
use crate::units::{Msat, Sat};

use super::invoice::{Lock, NewInvoice};
use super::payment::NewPayment;
use super::random::Random;
use super::{Due, World};

/// What a payment of traffic may cost at most: a hundredth, and enough for a small one.
const FEE_MIN: Msat = Msat::new(10_000);
/// How long a payment of traffic may be tried, in s.
const PATIENCE_S: u32 = 15;
/// The most parts of a payment of traffic.
const PARTS_MAX: u32 = 4;
/// For how many blocks money may be locked, as lnd has it.
const CLTV_MAX: u32 = 2_016;

/// A stream of payments.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Traffic {
    /// Who pays.
    pub(crate) payer: NodeId,
    /// Who is paid.
    pub(crate) payee: NodeId,
    /// How long from one to the next.
    pub(crate) every: Duration,
    /// How much.
    pub(crate) sizes: Sizes,
}

/// How large payments are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sizes {
    /// Each size from the first to the second is as likely as any other.
    Even(Sat, Sat),
    /// Each order of magnitude is: many are small, few are large.
    Uneven(Sat, Sat),
}

impl Sizes {
    /// One of the sizes.
    fn draw(self, random: &mut Random) -> Sat {
        let between = |low: u64, high: u64, random: &mut Random| {
            low + random.below(high.saturating_sub(low).saturating_add(1))
        };
        match self {
            Self::Even(low, high) => Sat::new(between(low.sat(), high.sat(), random)),
            Self::Uneven(low, high) => {
                // First how many binary digits it has, then which of those that have so many.
                let (low, high) = (low.sat().max(1), high.sat().max(1));
                let digits = between(low.ilog2().into(), high.ilog2().into(), random);
                let first = low.max(1 << digits);
                let last = high.min((1 << digits) * 2 - 1);
                Sat::new(between(first, last, random))
            }
        }
    }
}

impl World {
    /// Begins a stream of payments; it ends with the world.
    pub(crate) fn add_traffic(&mut self, traffic: Traffic) {
        // Each stream has numbers of its own, which nothing else draws from.
        self.streams += 1;
        let words = [&self.seed.to_be_bytes(), traffic.payer.as_bytes().as_slice()];
        let words = [words.concat().as_slice(), traffic.payee.as_bytes()].concat();
        let random = Random::of(&words, self.streams);
        self.plan(traffic.every, Due::Traffic(traffic, random));
    }

    /// The next payment of a stream. One that the channels cannot carry fails, as traffic does.
    pub(super) fn flow(&mut self, traffic: Traffic, mut random: Random) {
        let size = traffic.sizes.draw(&mut random).msat();
        self.plan(traffic.every, Due::Traffic(traffic, random));
        let is_up = |id| self.node(id).is_some_and(|node| node.is_up);
        if !is_up(traffic.payer) || !is_up(traffic.payee) || size == Msat::ZERO {
            return;
        }
        let invoice = NewInvoice {
            memo: "traffic".to_owned(),
            amount: size,
            to_live: None,
            cltv: None,
            is_private: false,
            lock: Lock::Own,
        };
        let Ok(made) = self.add_invoice(traffic.payee, invoice) else { return };
        let payment = NewPayment {
            request: made.request.clone(),
            amount: Msat::ZERO,
            first: Vec::new(),
            last: None,
            fee_max: Msat::new(size.msat() / 100).max(FEE_MIN),
            parts_max: PARTS_MAX,
            patience_s: PATIENCE_S,
            cltv_max: CLTV_MAX,
            may_pay_itself: false,
        };
        let begun = self.send_payment(traffic.payer, payment);
        debug_assert!(begun.is_ok() || traffic.payer == traffic.payee, "{begun:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_within_their_bounds_and_reach_them() {
        check(Sizes::Even(Sat::new(5), Sat::new(8)), 5, 8);
        check(Sizes::Even(Sat::new(5), Sat::new(5)), 5, 5);
        check(Sizes::Uneven(Sat::new(3), Sat::new(70)), 3, 70);
        check(Sizes::Uneven(Sat::new(64), Sat::new(64)), 64, 64);
    }

    #[test]
    fn uneven_sizes_are_mostly_small() {
        let mut random = Random::new(1);
        let sizes = Sizes::Uneven(Sat::new(1_000), Sat::new(1_000_000));
        let drawn = (0..1_000).map(|_| sizes.draw(&mut random).sat());
        let small = drawn.filter(|size| *size < 32_000).count();
        assert!((400..600).contains(&small), "{small} of 1,000");
    }

    #[track_caller]
    fn check(sizes: Sizes, low: u64, high: u64) {
        let mut random = Random::new(3);
        let drawn: Vec<u64> = (0..2_000).map(|_| sizes.draw(&mut random).sat()).collect();
        assert_eq!(drawn.iter().min(), Some(&low), "{sizes:?}");
        assert_eq!(drawn.iter().max(), Some(&high), "{sizes:?}");
    }
}
