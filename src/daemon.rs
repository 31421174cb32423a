//! The daemon: one loop around the core.
//!
//! The only room that knows all the edges, and the one that knows no rule about money: it carries
//! events in, has actions performed ([`execute`]), keeps the nodes' connections alive
//! ([`supervise`]) and tells the service manager and the operator how things are.
//!
//! A run lasts as long as the transaction log can be written. When it cannot, everything in hand
//! is dropped and the daemon starts up again, which waits for a usable log; so recovery is the
//! ordinary start.

mod answer;
pub mod bootstrap;
pub mod check;
mod desk;
mod execute;
mod figures;
#[cfg(test)]
mod fixture;
mod input;
mod invoice;
mod keys;
mod peers;
mod run;
#[cfg(test)]
mod secrets;
mod slots;
mod supervise;
mod systemd;
mod tell;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use self::desk::Source;
use self::desk::{Desk, Standing};
use self::keys::{KeyError, Keys};
use self::peers::{PeerEvent, Peers};
use self::run::{Ended, Run};
use crate::audit::hypercore::Mark;
use crate::audit::{self, Audit, AuditError, Files, Mask, Remedy};
use crate::config::Config;
use crate::control::ControlError;
use crate::core::ledger::Ledger;
use crate::core::refusal::Refusal;
use crate::lnd::{Lnd, LndError};
use crate::swarm::SwarmError;

/// How long until a log that could not be used is tried again.
const LOG_RETRY: Duration = Duration::from_secs(10);

/// All calls that a daemon makes of a node: what its macaroon must permit, and need not exceed.
pub const NODE_CALLS: &[&str] = Lnd::PERMISSIONS;

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
    /// A key of the daemon's own cannot be used.
    #[error("the daemon's own keys cannot be used")]
    Keys(#[from] KeyError),
    /// The control socket cannot be opened.
    #[error("the control socket cannot be opened")]
    Control(#[from] ControlError),
    /// The settings of the swarm cannot be used.
    #[error("swarm cannot be used")]
    Swarm(#[from] SwarmError),
    /// The machine gives no random numbers.
    #[error("the machine gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// Signals cannot be caught.
    #[error("signals cannot be caught")]
    Signals(#[source] std::io::Error),
}

/// Keeps the channels in balance until `stop`, whatever the nodes and the disk do.
pub async fn run(
    config: Config,
    source: Source,
    mode: Mode,
    stop: CancellationToken,
) -> Result<Stopped, DaemonError> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let mut outside = Outside { peers: None, desk: Desk::new(config, source) };
    let stopped = keep_running(mode, &mut outside, &stop).await;
    outside.desk.close().await;
    if let Some(peers) = outside.peers {
        peers.leave().await;
    }
    stopped
}

/// What outlives a run.
#[derive(Debug)]
struct Outside {
    /// The peers, where there are any to be met.
    peers: Option<Peers>,
    desk: Desk,
}

impl Outside {
    /// Opens the control socket, and begins to meet the peers. The storage folder is ours by then.
    fn open(&mut self, keys: Keys) -> Result<(), DaemonError> {
        self.desk.open()?;
        if self.peers.is_none() {
            let peers = Peers::meet(&self.desk.config, keys.swarm)?;
            let offline = Some("the swarm is being entered".to_owned());
            self.desk.swarm = Standing { key: Some(peers.key()), offline };
            self.peers = Some(peers);
        }
        Ok(())
    }

    /// Tells whoever asks, peers and operator, that nothing is paid and why; for ever.
    async fn attend(&mut self, error: &str) {
        if let Err(closed) = self.desk.open() {
            tracing::warn!(
                error = tell::chain(&closed),
                "the control socket stays closed meanwhile"
            );
        }
        loop {
            tokio::select! {
                event = heard(&mut self.peers) => {
                    self.desk.swarm.note(&event);
                    if let (PeerEvent::Heard(heard), Some(peers)) = (event, &self.peers) {
                        peers.refuse(*heard, &Refusal::AuditUnavailable).await;
                    }
                }
                wanted = self.desk.next() => self.desk.serve_without_log(wanted, error),
            }
        }
    }
}

/// What happens next among the peers.
async fn heard(peers: &mut Option<Peers>) -> PeerEvent {
    match peers {
        Some(peers) => peers.next().await,
        None => std::future::pending().await,
    }
}

/// Runs again and again, for as long as nothing but the logs stands in the way. The peers are met
/// once there is a log, and then stay.
async fn keep_running(
    mode: Mode,
    outside: &mut Outside,
    stop: &CancellationToken,
) -> Result<Stopped, DaemonError> {
    let files = files(&outside.desk.config);
    // What this process last had open: with another log, what was paid would be forgotten.
    let mut before = None;
    loop {
        let error = match open(&files, before.clone(), &outside.desk.config).await {
            Ok((audit, ledger)) => {
                before = Some(audit.mark());
                let keys = Keys::open(&files.storage)?;
                if keys.is_hold_new && ledger.open_held() > 0 {
                    tell::hold_key_lost(ledger.open_held());
                }
                if mode == Mode::Forever {
                    outside.open(keys)?;
                }
                let speaker = outside.peers.as_ref().map(Peers::speaker);
                let run = Run::start(&outside.desk, mode, audit, ledger, speaker, keys)?;
                match run.drive(stop, outside).await {
                    Ended::Stopped(stopped) => return Ok(stopped),
                    Ended::LogFailed(error) if error.remedy() == Remedy::GiveUp => {
                        return Err(DaemonError::Audit(error));
                    }
                    Ended::LogFailed(error) => error,
                }
            }
            Err(error) if error.remedy() == Remedy::RetryLater => error,
            Err(error) => return Err(DaemonError::Audit(error)),
        };
        if mode == Mode::Once || stop.is_cancelled() {
            return Err(DaemonError::Audit(error));
        }
        tell::log_unusable(&error);
        systemd::ready();
        let error = tell::chain(&error);
        tokio::select! {
            () = stop.cancelled() => return Ok(Stopped::InGoodOrder),
            () = systemd::keep_alive_for(LOG_RETRY) => {}
            () = outside.attend(&error) => {}
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

/// Opens the logs, those from before where there were any, and folds the transaction log, off the
/// loop's thread.
async fn open(
    files: &Files,
    before: Option<Mark>,
    config: &Config,
) -> Result<(Audit, Ledger), AuditError> {
    let (files, period_max) = (files.clone(), config.settings.limits.period_max());
    let opening = tokio::task::spawn_blocking(move || {
        let mut ledger = Ledger::new(period_max);
        let fold = |record| ledger.apply(&record);
        let (audit, opened) = match before {
            Some(before) => audit::reopen(&files, &before, fold)?,
            None => audit::open(&files, fold)?,
        };
        Ok((audit, ledger, opened))
    });
    let (audit, ledger, opened) = opening.await.expect("opening the logs does not panic")?;
    tell::log_opened(&opened);
    Ok((audit, ledger))
}
