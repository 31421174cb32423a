//! The daemon on the simulated network: `cargo test --test simnet`.
//!
//! The scenarios are those of the suite on real nodes, and so is the harness. Nothing is needed but
//! what builds the daemon; without Node, those in which a peer of before speaks are skipped.

#[path = "../regtest/harness.rs"]
#[expect(dead_code, reason = "the figures and the comparison use more of it")]
mod harness;
#[path = "../regtest/suite.rs"]
mod suite;
#[path = "../regtest/trial.rs"]
mod trial;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use crate::harness::ground::Ground;

/// How many networks run at once at most: their nodes wait most of the time.
const NETWORKS_MAX: usize = 8;
/// How many for each processor.
const NETWORKS_EACH: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let networks = (NETWORKS_EACH * processors).min(NETWORKS_MAX);
    arguments.test_threads.get_or_insert(networks);
    libtest_mimic::run(&arguments, suite::trials(Ground::Simulated)).exit_code()
}
