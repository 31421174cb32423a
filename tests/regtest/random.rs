//! [`Random`]: what a test leaves to chance, had again with the seed that it told.

/// What is left to chance, and where that begins.
#[derive(Debug)]
pub(crate) struct Random {
    seed: u64,
    numbers: tightrope::simnet::Random,
}

impl Random {
    /// From the seed in `TIGHTROPE_SEED`, or one that is told.
    #[expect(clippy::print_stderr, reason = "a failure can be had again with the seed")]
    pub(crate) fn seeded() -> Self {
        let given = std::env::var("TIGHTROPE_SEED").ok();
        let given = given.map(|seed| seed.parse().expect("TIGHTROPE_SEED is a number"));
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
        eprintln!("kill -9 with TIGHTROPE_SEED={seed}");
        Self::new(seed)
    }

    const fn new(seed: u64) -> Self {
        Self { seed, numbers: tightrope::simnet::Random::new(seed) }
    }

    /// Other numbers of the same seed, for the `n`th of several that run at once.
    pub(crate) const fn apart(self, n: u64) -> Self {
        Self::new(self.seed ^ (n << 40))
    }

    /// A number below `bound`.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.numbers.below(bound)
    }
}
