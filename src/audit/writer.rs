//! [`Writer`]: the one thread that appends to a log, and the bounded queue before it.
//!
//! File I/O blocks, so it has a thread of its own; what it has begun, it ends. Whatever waits when
//! it looks up is appended as one commit, so many waiters share one fdatasync.

use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::error::AuditError;
use super::hypercore::{Lines, Log};

/// How many appends may wait. At the slowest disk worth using, 10 ms per fdatasync, they are
/// written within a few syncs; more waiting than this means that the disk has stopped.
pub(super) const QUEUE_MAX: usize = 4096;
/// How many bytes one commit holds at most, beyond the append that exceeds it: what a disk writes
/// in a moment, and memory holds easily.
const COMMIT_BYTES_MAX: usize = 1 << 20;

/// Told when its lines are durable, or why they may not be.
pub(super) type Outcome = oneshot::Receiver<Result<(), AuditError>>;

/// Something for the thread.
enum Job {
    /// Lines to append.
    Append(Lines, oneshot::Sender<Result<(), AuditError>>),
    /// To end, once everything before is done.
    Close(oneshot::Sender<()>),
}

/// The near end of the queue.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    /// Kept, so that it is clear who owns the thread; it ends when the queue does.
    _thread: thread::JoinHandle<()>,
}

impl Writer {
    /// Starts the thread. `guard` lives as long as the log is open.
    pub(super) fn start<G: Send + 'static>(
        name: &str,
        log: Log,
        guard: G,
    ) -> Result<Self, AuditError> {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let path = log.data_path();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let closing = Thread { log, failed: false, queue }.run();
                drop(guard);
                if let Some(closing) = closing {
                    // Nobody waits any more: then nobody need be told.
                    let _ = closing.send(());
                }
            })
            .map_err(AuditError::io("start a thread for", &path))?;
        Ok(Self { jobs, _thread: thread })
    }

    /// Queues lines, without waiting.
    pub(super) fn append(&self, lines: Lines) -> Result<Outcome, AuditError> {
        let (told, outcome) = oneshot::channel();
        match self.jobs.try_send(Job::Append(lines, told)) {
            Ok(()) => Ok(outcome),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(AuditError::QueueFull { waiting: QUEUE_MAX })
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(AuditError::Stopped),
        }
    }

    /// Waits until everything that was queued is done and the files are closed.
    pub(super) async fn close(&self) {
        let (told, closed) = oneshot::channel();
        // Both fail only where the thread has ended, and that is all that is wanted.
        if self.jobs.send(Job::Close(told)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

/// The far end of the queue.
struct Thread {
    log: Log,
    /// Whether an append failed: from then on all are refused.
    failed: bool,
    queue: mpsc::Receiver<Job>,
}

impl Thread {
    /// Appends until it is told to end, or nobody is left. Returns whom to tell of the end.
    fn run(mut self) -> Option<oneshot::Sender<()>> {
        while let Some(job) = self.queue.blocking_recv() {
            let mut lines = Lines::default();
            let mut waiters = Vec::new();
            let mut next = Some(job);
            let mut closing = None;
            while let Some(job) = next.take() {
                match job {
                    Job::Append(more, waiter) => {
                        lines.append(&more);
                        waiters.push(waiter);
                        if lines.byte_length() < COMMIT_BYTES_MAX {
                            next = self.queue.try_recv().ok();
                        }
                    }
                    Job::Close(told) => closing = Some(told),
                }
            }
            self.commit(&lines, waiters);
            if closing.is_some() {
                return closing;
            }
        }
        None
    }

    /// Appends the lines, tells those who wait, and only then tidies up.
    fn commit(&mut self, lines: &Lines, waiters: Vec<oneshot::Sender<Result<(), AuditError>>>) {
        let outcome = if self.failed { Err(AuditError::Stopped) } else { self.log.append(lines) };
        for waiter in waiters {
            // One who does not wait any more need not be told.
            let _ = waiter.send(outcome.clone());
        }
        if let Err(error) = outcome.and_then(|()| self.log.tidy())
            && !self.failed
        {
            self.failed = true;
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(cause, "{error}; the log takes nothing more until it is opened again");
        }
    }
}
