//! A scenario as a trial: on which ground it stands, for how long it may run, what it returns.

use std::time::{Duration, Instant};

use libtest_mimic::{Completion, Trial};

use crate::harness::ground::Ground;

/// No scenario takes longer; one that hangs must end, and its nodes with it.
const LIMIT: Duration = Duration::from_secs(400);

/// A scenario as a trial.
pub(crate) fn trial<T>(
    ground: Ground,
    name: impl Into<String>,
    scenario: impl FnOnce() -> T + Send + 'static,
) -> Trial
where
    T: Future<Output: IntoCompletion>,
{
    let name = name.into();
    Trial::ignorable_test(name.clone(), move || {
        ground.stand();
        Ok(run(ground, &name, scenario()).into_completion())
    })
}

/// What a scenario may return.
pub(crate) trait IntoCompletion {
    /// Whether it was run, or found that it cannot be run here.
    fn into_completion(self) -> Completion;
}

impl IntoCompletion for () {
    fn into_completion(self) -> Completion {
        Completion::Completed
    }
}

impl IntoCompletion for Completion {
    fn into_completion(self) -> Completion {
        self
    }
}

/// Runs a scenario to its end.
#[expect(clippy::print_stderr, reason = "how long a scenario took is for people")]
fn run<T>(ground: Ground, name: &str, scenario: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended =
        runtime.expect("a runtime").block_on(async { tokio::time::timeout(LIMIT, scenario).await });
    let Ok(found) = ended else { panic!("{name} has not ended after {LIMIT:?}") };
    eprintln!("{}: {name} took {} ms", ground.name(), started.elapsed().as_millis());
    found
}
