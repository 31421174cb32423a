//! `tightrope run`: the daemon in the foreground, until SIGTERM or SIGINT.
//!
//! SIGHUP has it read its configuration again, as `tightrope reload` does.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::daemon::{self, DaemonError, Mode, Source, Stopped};

/// Runs the daemon on this thread.
pub(super) fn run(config: Config, source: Source, mode: Mode) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).map_err(DaemonError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(DaemonError::Signals)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(DaemonError::Signals)?;
        let again = Arc::clone(&source.again);
        let daemon = daemon::run(config, source, mode, stop.clone());
        tokio::pin!(daemon);
        loop {
            tokio::select! {
                stopped = &mut daemon => return stopped,
                _ = terminate.recv() => stop.cancel(),
                _ = interrupt.recv() => stop.cancel(),
                _ = hangup.recv() => again.notify_one(),
            }
        }
    });
    // A disk that hangs holds up a thread that reads from it, and must not hold up the end.
    runtime.shutdown_background();
    Ok(match ended? {
        Stopped::InGoodOrder => ExitCode::SUCCESS,
        Stopped::Incomplete => ExitCode::FAILURE,
    })
}
