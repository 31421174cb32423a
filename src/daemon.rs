//! The daemon: one loop around the core.
//!
//! The only room that knows all the edges, and the one that knows no rule about money: it carries
//! events in, has actions performed ([`execute`]), keeps the nodes' connections alive
//! ([`supervise`]) and tells the service manager and the operator how things are.
//!
//! A run lasts as long as the transaction log can be written. When it cannot, everything in hand
//! is dropped and the daemon starts up again, which waits for a usable log; so recovery is the
//! ordinary start.

pub mod check;
mod execute;
mod input;
mod run;
mod supervise;
mod systemd;
mod tell;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::run::{Ended, Run};
use crate::audit::{self, AuditError, Files, Mask, Opened, Remedy};
use crate::config::Config;
use crate::core::ledger::Ledger;
use crate::lnd::LndError;

/// How long until a log that could not be used is tried again.
const LOG_RETRY: Duration = Duration::from_secs(10);

/// How long the daemon is to run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Until it is told to stop.
    Forever,
    /// Until every node was looked at once and what that led to has ended.
    Once,
}

/// How the daemon ended, where nothing was wrong with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stopped {
    /// As it was told to.
    InGoodOrder,
    /// After its one pass, with a node or a payment that did not answer.
    Incomplete,
}

/// Why the daemon cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The logs are in a state that only the operator can mend.
    #[error("the audit logs cannot be used")]
    Audit(#[source] AuditError),
    /// A node's certificate, macaroon or socket cannot be used at all.
    #[error("lightningNodes[{index}] cannot be used")]
    Node {
        /// Its place in the config.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: LndError,
    },
    /// The machine gives no random numbers.
    #[error("the machine gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// Signals cannot be caught.
    #[error("signals cannot be caught")]
    Signals(#[source] std::io::Error),
}

/// Keeps the channels in balance until `stop`, whatever the nodes and the disk do.
pub async fn run(
    config: &Config,
    mode: Mode,
    stop: CancellationToken,
) -> Result<Stopped, DaemonError> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let files = files(config);
    loop {
        let (audit, ledger) = match open(&files, config).await {
            Ok(opened) => opened,
            Err(error) if error.remedy() == Remedy::RetryLater => {
                tell::log_unusable(&error);
                systemd::ready();
                if mode == Mode::Once {
                    return Err(DaemonError::Audit(error));
                }
                tokio::select! {
                    () = stop.cancelled() => return Ok(Stopped::InGoodOrder),
                    () = systemd::keep_alive_for(LOG_RETRY) => continue,
                }
            }
            Err(error) => return Err(DaemonError::Audit(error)),
        };
        match Run::start(config, mode, audit, ledger)?.drive(&stop).await {
            Ended::Stopped(stopped) => return Ok(stopped),
            Ended::LogFailed(error) => tell::log_unusable(&error),
        }
    }
}

/// Where the logs are.
pub fn files(config: &Config) -> Files {
    let audit = &config.audit;
    Files {
        storage: audit.storage.clone(),
        transactions: audit.transactions.clone(),
        events: audit.events.clone(),
        mask: Mask::new(audit.should_mask.clone()),
    }
}

/// Opens the logs and folds the transaction log, off the loop's thread.
async fn open(files: &Files, config: &Config) -> Result<(audit::Audit, Ledger), AuditError> {
    let (files, period_max) = (files.clone(), config.settings.limits.period_max());
    let opening = tokio::task::spawn_blocking(move || {
        let mut ledger = Ledger::new(period_max);
        let (audit, opened) = audit::open(&files, |record| ledger.apply(&record))?;
        Ok((audit, ledger, opened))
    });
    let (audit, ledger, opened): (_, _, Opened) =
        opening.await.expect("opening the logs does not panic")?;
    tell::log_opened(&opened);
    Ok((audit, ledger))
}
