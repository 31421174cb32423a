//! Waiting for a condition, with a name and a limit; never sleeping for luck.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(20);

/// Waits until `probe` finds something; `what` is named if that takes longer than `limit`.
pub(crate) async fn until<T>(
    what: &str,
    limit: Duration,
    probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    until_by(STEP, what, limit, probe).await
}

/// Waits as [`until`] does, looking every `step`.
pub(crate) async fn until_by<T>(
    step: Duration,
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "after {limit:?} still waiting until {what}");
        sleep(step).await;
    }
}
