//! [`Random`]: what a test leaves to chance, had again with the seed that it told.

/// Numbers that look random, the same for the same seed (SplitMix64).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// From the seed in `TIGHTROPE_SEED`, or one that is told.
    #[expect(clippy::print_stderr, reason = "a failure can be had again with the seed")]
    pub(crate) fn seeded() -> Self {
        let given = std::env::var("TIGHTROPE_SEED").ok();
        let given = given.map(|seed| seed.parse().expect("TIGHTROPE_SEED is a number"));
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
        eprintln!("kill -9 with TIGHTROPE_SEED={seed}");
        Self(seed)
    }

    /// Other numbers of the same seed, for the `n`th of several that run at once.
    pub(crate) const fn apart(self, n: u64) -> Self {
        Self(self.0 ^ (n << 40))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
