//! `tightrope bootstrap`: a DHT node in the foreground, until SIGTERM or SIGINT.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::daemon::bootstrap::bootstrap;

/// Hosts the node on this thread, and prints where it listens.
pub(super) fn run(listen: SocketAddr) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let is_up = |address| {
            let setting = format!("\"swarm\": {{ \"bootstrap\": [\"{address}\"] }}");
            let said = format!("listens on udp {address}\npeers enter over it with: {setting}\n");
            // It is hosted all the same where nobody reads that.
            drop(std::io::stdout().write_all(said.as_bytes()));
        };
        let hosting = bootstrap(listen, is_up, stop.clone());
        tokio::pin!(hosting);
        loop {
            tokio::select! {
                ended = &mut hosting => break ended?,
                _ = terminate.recv() => stop.cancel(),
                _ = interrupt.recv() => stop.cancel(),
            }
        }
        anyhow::Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
