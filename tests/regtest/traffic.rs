//! [`Traffic`]: payments that have nothing to do with the daemon, while something else goes on.

use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::channel::Way;

/// A stream of payments, until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Traffic {
    stop: CancellationToken,
    task: JoinHandle<Tally>,
}

/// What became of the payments.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Those that arrived.
    pub(crate) settled: u32,
    /// Those that the channel could not carry at that moment.
    pub(crate) failed: u32,
}

impl Traffic {
    /// Pays `sat` over each of `ways`, once in every `period`, whether or not the earlier
    /// payments have arrived.
    pub(crate) fn start(ways: [Way; 2], sat: i64, period: Duration) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(ways, sat, period, stop.clone()));
        Self { stop, task }
    }

    /// Makes no more payments, and waits for those that are on their way.
    pub(crate) async fn stop(mut self) -> Tally {
        self.stop.cancel();
        (&mut self.task).await.expect("traffic does not panic")
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(ways: [Way; 2], sat: i64, period: Duration, stop: CancellationToken) -> Tally {
    let mut under_way = JoinSet::new();
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        for way in &ways {
            let way = way.clone();
            under_way.spawn(async move { way.pay(sat).await });
        }
    }
    let mut tally = Tally::default();
    for paid in under_way.join_all().await {
        match paid {
            Ok(()) => tally.settled += 1,
            Err(_) => tally.failed += 1,
        }
    }
    tally
}
