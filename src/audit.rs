//! The audit logs: append durably, read back, verify.
//!
//! Two logs in one storage folder: the transaction log, which start-up folds and without which
//! nothing is paid, and the event log, for people. [`open`] is the door. What the records mean is
//! the core's business.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::narrative::Narrative;
use crate::core::record::Record;
use crate::time::Time;
use hypercore::{Found, Lines, Log, Mark};
use storage::Storage;
use writer::{Afterwards, Writer};

mod error;
mod event;
pub mod hypercore;
mod mask;
mod place;
mod replay;
mod storage;
mod transaction;
mod writer;

pub use error::{AuditError, Remedy};
pub use mask::Mask;
pub use replay::Reader;
pub use transaction::FIELDS as TRANSACTION_FIELDS;

/// Where the logs are, and what is hidden in them.
#[derive(Clone, Debug)]
pub struct Files {
    /// The folder of both; one daemon uses it at a time.
    pub storage: PathBuf,
    /// The transaction log's name in it.
    pub transactions: String,
    /// The event log's name in it.
    pub events: String,
    /// What is hidden in the event log.
    pub mask: Mask,
}

impl Files {
    /// The folder of the transaction log.
    pub fn transaction_log(&self) -> PathBuf {
        self.storage.join(&self.transactions)
    }

    /// The folder of the event log.
    pub fn event_log(&self) -> PathBuf {
        self.storage.join(&self.events)
    }
}

/// What opening the logs found, for the operator.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Opened {
    /// How many records the transaction log has.
    pub records: u64,
    /// What was found in the transaction log.
    pub transactions: Found,
    /// What was found in the event log.
    pub events: Found,
}

/// Opens both logs, makes them where they are missing, and hands every record of the transaction
/// log to `fold`, in order. Blocks while it reads.
pub fn open(files: &Files, fold: impl FnMut(Record)) -> Result<(Audit, Opened), AuditError> {
    open_with(files, |folder| Log::open(folder, is_record), fold)
}

/// The same for a transaction log that was open before: it must be that one, with all that was
/// durable in it. Where it is not there, nothing is made that could be taken for it later.
pub fn reopen(
    files: &Files,
    before: &Mark,
    fold: impl FnMut(Record),
) -> Result<(Audit, Opened), AuditError> {
    // Before the storage folder is made anew, for its lock.
    before.find()?;
    open_with(files, |_| Log::reopen(before, is_record), fold)
}

/// Opens both logs, the transaction log by `open`.
fn open_with(
    files: &Files,
    open: impl FnOnce(&Path) -> Result<(Log, Found), AuditError>,
    fold: impl FnMut(Record),
) -> Result<(Audit, Opened), AuditError> {
    let storage = Arc::new(Storage::take(&files.storage)?);
    if files.transaction_log() == files.event_log() {
        return Err(AuditError::SameName { path: files.event_log() });
    }
    let (transactions, found) = open(&files.transaction_log())?;
    let (events, found_events) = Log::open(&files.event_log(), is_event)?;
    let opened =
        Opened { records: transactions.length(), transactions: found, events: found_events };
    replay::fold(&files.transaction_log(), fold)?;
    let shared = Shared {
        mark: transactions.mark().clone(),
        transactions: Writer::start(
            "transaction-log",
            transactions,
            Afterwards::Refuse,
            Arc::clone(&storage),
        )?,
        events: Writer::start("event-log", events, Afterwards::Reopen(is_event), storage)?,
        mask: files.mask.clone(),
        unheard: AtomicU64::new(0),
    };
    Ok((Audit(Arc::new(shared)), opened))
}

/// Whether a line of the transaction log is one, and why not.
fn is_record(line: &[u8]) -> Result<(), String> {
    transaction::decode(line).map(drop)
}

/// Whether a line of the event log is one, and why not.
fn is_event(line: &[u8]) -> Result<(), String> {
    event::decode(line).map(drop)
}

/// The open logs.
#[derive(Clone, Debug)]
pub struct Audit(Arc<Shared>);

/// What all clones share.
#[derive(Debug)]
struct Shared {
    /// Where the transaction log is, and how much is in it.
    mark: Mark,
    transactions: Writer,
    events: Writer,
    mask: Mask,
    /// How many events were dropped since the last one that was not.
    unheard: AtomicU64,
}

impl Audit {
    /// Appends to the transaction log. The records are queued by the call itself, in the order of
    /// calls; the future resolves once they are durable. They become durable together or, where the
    /// process dies, as a prefix. After any error the log refuses all that comes later, until it
    /// is opened again: so what is durable has no holes.
    pub fn record(
        &self,
        records: Vec<Record>,
    ) -> impl Future<Output = Result<(), AuditError>> + Send + use<> {
        let queued = self.enqueue(&records);
        async move { queued?.await.unwrap_or(Err(AuditError::Stopped)) }
    }

    /// Queues the records for the transaction log.
    fn enqueue(&self, records: &[Record]) -> Result<writer::Outcome, AuditError> {
        let mut lines = Lines::default();
        for record in records {
            let line = transaction::encode(record).map_err(|error| {
                self.0.transactions.leave_out();
                AuditError::encode(error)
            })?;
            lines.push(&line);
        }
        self.0.transactions.append(lines)
    }

    /// Looks whether an append would find the transaction log where it was opened, and as long as
    /// it was left. The log's own thread looks, as a disk may hang; an error is the log's end, as
    /// one of an append is.
    pub fn look(&self) -> impl Future<Output = Result<(), AuditError>> + Send + use<> {
        self.record(Vec::new())
    }

    /// What tells the transaction log from others, for [`reopen`].
    pub fn mark(&self) -> Mark {
        self.0.mark.clone()
    }

    /// How many appends wait for the transaction log.
    pub fn waiting(&self) -> usize {
        self.0.transactions.waiting()
    }

    /// Queues an event for the event log. Never waits: what the queue cannot take is dropped, and
    /// counted in a warning.
    pub fn narrate(&self, at: Time, narrative: &Narrative) {
        let queued = event::encode(at, narrative, &self.0.mask)
            .map_err(AuditError::encode)
            .and_then(|line| {
                let mut lines = Lines::default();
                lines.push(&line);
                self.0.events.append(lines)
            });
        match queued {
            Ok(_) => {
                let dropped = self.0.unheard.swap(0, Ordering::Relaxed);
                if dropped > 0 {
                    tracing::warn!(dropped, "the event log could not keep up and lacks entries");
                }
            }
            Err(error) => {
                if self.0.unheard.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(%error, "the event log lacks entries from here on");
                }
            }
        }
    }

    /// Waits until everything queued is durable, closes the files and gives the folder back.
    pub async fn close(self) {
        self.0.transactions.close().await;
        self.0.events.close().await;
    }
}
