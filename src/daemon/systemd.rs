//! What the service manager is told: READY, STATUS, WATCHDOG and STOPPING.
//!
//! Without a service manager all of it is nothing. A notification that cannot be sent is no
//! reason to stop, and is told once in the log.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// The daemon runs; said once, and again without harm.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// The daemon is about to stop.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// What `systemctl status` shows.
pub(super) fn status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

/// Waits for `span`, and meanwhile tells that the daemon is alive.
pub(super) async fn keep_alive_for(span: Duration) {
    let mut watchdog = Watchdog::start();
    let end = tokio::time::sleep(span);
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return,
            () = watchdog.tick() => {}
        }
    }
}

/// Tells the service manager that the loop still turns, twice in each period that it allows.
#[derive(Debug)]
pub(super) struct Watchdog(Option<tokio::time::Interval>);

impl Watchdog {
    /// The watchdog that the service manager asks for, if it does.
    pub(super) fn start() -> Self {
        Self(sd_notify::watchdog_enabled().map(|limit| {
            let period = limit / 2;
            let mut ticks = interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            send(&[NotifyState::Watchdog]);
            ticks
        }))
    }

    /// Resolves when the service manager was told; never where it does not ask.
    pub(super) async fn tick(&mut self) {
        match &mut self.0 {
            Some(ticks) => {
                ticks.tick().await;
                send(&[NotifyState::Watchdog]);
            }
            None => std::future::pending().await,
        }
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
