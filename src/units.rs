//! Amounts and shares: [`Msat`], [`Sat`] and [`Ppm`].
//!
//! The only place where integers become money. All arithmetic is in integers, checked or
//! saturating, and rounds down. What an amount means is the business of the room that holds it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in thousandths of a satoshi, the unit of the Lightning protocol (BOLT 2).
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Msat(u64);

impl Msat {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// More than there will ever be: the bound where no bound is set.
    pub const MAX: Self = Self(u64::MAX);

    /// An amount of `msat` thousandths of a satoshi.
    pub const fn new(msat: u64) -> Self {
        Self(msat)
    }

    /// The number of thousandths of a satoshi.
    pub const fn msat(self) -> u64 {
        self.0
    }

    /// This amount in whole satoshis, rounded down.
    pub const fn sat(self) -> Sat {
        Sat(self.0 / 1000)
    }

    /// This amount without its fraction of a satoshi.
    pub const fn whole(self) -> Self {
        Self(self.0 - self.0 % 1000)
    }

    /// The sum, or `None` where it would exceed what 64 bits hold.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The sum, at most [`Msat::MAX`].
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or nothing where `other` is larger.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `share` of this amount, rounded down to the msat.
    pub fn share(self, share: Ppm) -> Self {
        let part = u128::from(self.0) * u128::from(share.0) / u128::from(Ppm::ONE.0);
        Self(u64::try_from(part).unwrap_or(u64::MAX))
    }

    /// Whether this amount is less than `share` of `whole`, exactly: nothing is rounded.
    pub fn is_below(self, share: Ppm, whole: Self) -> bool {
        u128::from(self.0) * u128::from(Ppm::ONE.0) < u128::from(whole.0) * u128::from(share.0)
    }

    /// What part of `whole` this amount is, rounded down; `None` of nothing.
    pub fn part_of(self, whole: Self) -> Option<Ppm> {
        let ppm = (u128::from(self.0) * u128::from(Ppm::ONE.0)).checked_div(whole.0.into())?;
        u32::try_from(ppm).ok().map(Ppm)
    }
}

impl std::iter::Sum for Msat {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for Msat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 1000, self.0 % 1000) {
            (sat, 0) => write!(f, "{sat} sat"),
            (sat, msat) => write!(f, "{sat}.{msat:03} sat"),
        }
    }
}

/// An amount in whole satoshis, the unit of the config, the wire and the logs.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sat(u64);

impl Sat {
    /// An amount of `sat` satoshis.
    pub const fn new(sat: u64) -> Self {
        Self(sat)
    }

    /// The number of satoshis.
    pub const fn sat(self) -> u64 {
        self.0
    }

    /// The same amount in msat, at most [`Msat::MAX`].
    pub const fn msat(self) -> Msat {
        Msat(self.0.saturating_mul(1000))
    }
}

impl fmt::Display for Sat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sat", self.0)
    }
}

/// A share of a whole, in parts per million: 0 to [`Ppm::ONE`].
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Ppm(u32);

impl Ppm {
    /// None of it.
    pub const ZERO: Self = Self(0);
    /// The whole.
    pub const ONE: Self = Self(1_000_000);

    /// A share of `ppm` parts per million; `None` above the whole.
    pub const fn new(ppm: u32) -> Option<Self> {
        if ppm <= Self::ONE.0 { Some(Self(ppm)) } else { None }
    }

    /// The number of parts per million.
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// What is missing to the whole.
    pub const fn complement(self) -> Self {
        Self(Self::ONE.0.saturating_sub(self.0))
    }

    /// The difference, or none where `other` is larger.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04} %", self.0 / 10_000, self.0 % 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_print_in_satoshis() {
        assert_eq!(Msat::new(1_234_567).to_string(), "1234.567 sat");
        assert_eq!(Msat::new(1_000).to_string(), "1 sat");
        assert_eq!(Ppm::new(123_456).expect("a share").to_string(), "12.3456 %");
    }

    #[test]
    fn shares_round_down_and_comparisons_do_not_round() {
        let whole = Msat::new(3);
        let half = Ppm::new(500_000).expect("a share");
        assert_eq!(whole.share(half), Msat::new(1));
        assert!(Msat::new(1).is_below(half, whole));
        assert!(!Msat::new(2).is_below(half, whole));
        assert_eq!(Msat::MAX.share(Ppm::ONE), Msat::MAX);
        assert_eq!(Msat::ZERO.part_of(Msat::ZERO), None);
    }

    #[test]
    fn a_share_is_at_most_the_whole() {
        assert_eq!(Ppm::new(1_000_000), Some(Ppm::ONE));
        assert_eq!(Ppm::new(1_000_001), None);
    }
}
