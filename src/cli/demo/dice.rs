//! [`Dice`]: choices that are the same for the same seed.

use crate::simnet::Random;

/// What the story leaves to chance.
#[derive(Clone, Debug)]
pub(super) struct Dice(Random);

impl Dice {
    /// The choices of `seed`.
    pub(super) const fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// A number from `low` to `high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high.saturating_sub(low) + 1)
    }

    /// Yes or no.
    pub(super) fn coin(&mut self) -> bool {
        self.0.below(2) == 0
    }

    /// `total` in `count` parts, the largest at most three times the smallest.
    pub(super) fn parts(&mut self, total: u64, count: u64) -> Vec<u64> {
        let weights: Vec<u64> = (0..count).map(|_| self.between(100, 300)).collect();
        let sum: u64 = weights.iter().sum();
        let mut parts: Vec<u64> = weights.iter().map(|weight| total * weight / sum).collect();
        let told: u64 = parts.iter().sum();
        if let Some(last) = parts.last_mut() {
            *last += total - told;
        }
        parts
    }

    /// The same things in another order.
    pub(super) fn shuffled<T>(&mut self, mut things: Vec<T>) -> Vec<T> {
        for place in (1..things.len()).rev() {
            let most = u64::try_from(place).unwrap_or(0);
            let other = usize::try_from(self.between(0, most)).unwrap_or(0);
            things.swap(place, other);
        }
        things
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_rolls_the_same() {
        let rolls = |seed| {
            let mut dice = Dice::new(seed);
            (dice.between(1, 1000), dice.coin(), dice.parts(250_000, 6), dice.shuffled(vec![1, 2]))
        };
        assert_eq!(rolls(7), rolls(7));
        assert_ne!(rolls(7), rolls(8));
    }

    #[test]
    fn parts_come_to_the_whole_and_none_is_nothing() {
        for seed in 0..100 {
            let parts = Dice::new(seed).parts(200_000, 6);
            assert_eq!(parts.iter().sum::<u64>(), 200_000);
            assert!(parts.iter().all(|part| *part > 5_000), "{parts:?}");
        }
    }
}
