//! [`Traffic`]: payments that have nothing to do with the daemon, while something else goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::channel::Way;

/// A stream of payments, until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Traffic {
    stop: CancellationToken,
    arrived: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Traffic {
    /// Pays `sat` over each of `ways`, once in every `period`, whether or not the earlier
    /// payments have arrived.
    pub(crate) fn start(ways: [Way; 2], sat: i64, period: Duration) -> Self {
        let (stop, arrived) = (CancellationToken::new(), Arc::<AtomicU32>::default());
        let task = tokio::spawn(run(ways, sat, period, stop.clone(), arrived.clone()));
        Self { stop, arrived, task }
    }

    /// How many payments have arrived.
    pub(crate) fn arrived(&self) -> u32 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Makes no more payments, and waits for those that are on their way.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.task).await.expect("traffic does not panic");
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    ways: [Way; 2],
    sat: i64,
    period: Duration,
    stop: CancellationToken,
    arrived: Arc<AtomicU32>,
) {
    let mut under_way = JoinSet::new();
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        for way in &ways {
            let (way, arrived) = (way.clone(), arrived.clone());
            under_way.spawn(async move {
                // One that the channel cannot carry at that moment fails, as traffic does.
                if way.pay(sat).await.is_ok() {
                    arrived.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    under_way.join_all().await;
}
