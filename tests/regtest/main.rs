//! The daemon on real lnd and btcd: `cargo test --test regtest`.
//!
//! Each scenario has a network of its own. The nodes are built when they are first needed; without
//! Go all scenarios are skipped, which is said in one line.

#[path = "harness.rs"]
#[expect(dead_code, reason = "the figures use more of it")]
mod harness;
mod scenarios;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};

use crate::harness::binaries;

/// No scenario takes longer; one that hangs must end, and its nodes with it.
const LIMIT: Duration = Duration::from_secs(300);
/// How many networks run at once at most: the nodes need the processor more than we do.
const NETWORKS_MAX: usize = 4;

/// Makes a trial of each scenario, under its own name.
macro_rules! trials {
    ($($room:ident::$scenario:ident,)*) => {
        vec![$(Trial::test(
            concat!(stringify!($room), "::", stringify!($scenario)),
            || { run(stringify!($scenario), scenarios::$room::$scenario()); Ok(()) },
        ),)*]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads.get_or_insert_with(|| processors.min(NETWORKS_MAX));
    let mut trials = trials![
        ground::a_payment_from_outside_moves_one_channel_alone,
        exact::only_the_channel_that_drifted_moves,
        triangle::three_drifts_at_once_come_to_rest,
        changes::a_channel_opened_meanwhile_is_kept_and_a_closed_one_dropped,
        foreign::a_channel_is_kept_in_balance_under_traffic,
        once::one_pass_mends_what_has_drifted,
        once::a_stop_lets_the_records_of_a_payment_land,
        older::lnd_0_20_is_kept_in_balance,
    ];
    if !arguments.list && binaries::build().is_none() {
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
        arguments.include_ignored = false;
        arguments.ignored = false;
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs a scenario to its end.
#[expect(clippy::print_stderr, reason = "how long a scenario took is for people")]
fn run(name: &str, scenario: impl Future<Output = ()>) {
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime
        .expect("a runtime")
        .block_on(async { tokio::time::timeout(LIMIT, scenario).await.is_ok() });
    assert!(ended, "{name} has not ended after {LIMIT:?}");
    eprintln!("regtest: {name} took {} ms", started.elapsed().as_millis());
}
