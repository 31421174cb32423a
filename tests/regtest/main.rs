//! The daemon on real lnd and btcd: `cargo test --test regtest`.
//!
//! Each scenario has a network of its own. The nodes are built when they are first needed; without
//! Go all scenarios are skipped, which is said in one line, and without Node those in which a peer
//! of before speaks.

mod comparison;
mod demo;
#[path = "harness.rs"]
#[expect(dead_code, reason = "the figures use more of it")]
mod harness;
#[path = "suite.rs"]
mod suite;
#[path = "trial.rs"]
mod trial;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use crate::harness::binaries;
use crate::harness::ground::Ground;

/// How many networks run at once at most: the nodes need the processor more than we do.
const NETWORKS_MAX: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads.get_or_insert_with(|| processors.min(NETWORKS_MAX));
    let mut trials = suite::trials(Ground::Real);
    trials.extend(comparison::trials());
    trials.push(demo::trial_on_real_nodes());
    if !arguments.list && binaries::build().is_none() {
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
        arguments.include_ignored = false;
        arguments.ignored = false;
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
