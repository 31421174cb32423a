//! [`Writer`]: the one thread that appends to a log, and the bounded queue before it.
//!
//! File I/O blocks, so it has a thread of its own; what it has begun, it ends. Whatever waits when
//! it looks up is appended as one commit, so many waiters share one fdatasync.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{mem, thread};

use tokio::sync::{mpsc, oneshot};

use super::error::AuditError;
use super::hypercore::{Lines, Log};
use super::storage::Storage;

/// How many appends may wait. At the slowest disk worth using, 10 ms per fdatasync, they are
/// written within a few syncs; more waiting than this means that the disk has stopped.
pub(super) const QUEUE_MAX: usize = 4096;
/// How many bytes one commit holds at most, beyond the append that exceeds it: what a disk writes
/// in a moment, and memory holds easily.
const COMMIT_BYTES_MAX: usize = 1 << 20;

/// Told when its lines are durable, or why they may not be.
pub(super) type Outcome = oneshot::Receiver<Result<(), AuditError>>;

/// What becomes of a log after a failed append.
#[derive(Clone, Copy, Debug)]
pub(super) enum Afterwards {
    /// It refuses all: somebody must look at what it holds before anything depends on it again.
    Refuse,
    /// It is opened anew for the next append, with this judge of lines: nobody depends on it.
    Reopen(fn(&[u8]) -> Result<(), String>),
}

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
    afterwards: Afterwards,
    /// Whether something could not be queued that later appends may build upon.
    has_hole: AtomicBool,
    /// Kept, so that it is clear who owns the thread; it ends when the queue does.
    _thread: thread::JoinHandle<()>,
}

impl Writer {
    /// Starts the thread. The storage folder is held as long as the log is open.
    pub(super) fn start(
        name: &str,
        log: Log,
        afterwards: Afterwards,
        storage: Arc<Storage>,
    ) -> Result<Self, AuditError> {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let path = log.data_path();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let thread = Thread { log, storage, failed: false, afterwards, queue };
                let closing = thread.run();
                if let Some(closing) = closing {
                    // Nobody waits any more: then nobody need be told.
                    let _ = closing.send(());
                }
            })
            .map_err(AuditError::io("start a thread for", &path))?;
        Ok(Self { jobs, afterwards, has_hole: AtomicBool::new(false), _thread: thread })
    }

    /// Queues lines, without waiting.
    pub(super) fn append(&self, lines: Lines) -> Result<Outcome, AuditError> {
        if self.has_hole.load(Ordering::Relaxed) {
            return Err(AuditError::Stopped);
        }
        let (told, outcome) = oneshot::channel();
        match self.jobs.try_send(Job::Append(lines, told)) {
            Ok(()) => Ok(outcome),
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.leave_out();
                Err(AuditError::QueueFull { waiting: QUEUE_MAX })
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(AuditError::Stopped),
        }
    }

    /// How many appends wait to be begun.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Something is missing: what comes after it is refused, where that would make a hole.
    pub(super) fn leave_out(&self) {
        match self.afterwards {
            Afterwards::Refuse => self.has_hole.store(true, Ordering::Relaxed),
            Afterwards::Reopen(_) => {}
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
    storage: Arc<Storage>,
    /// Whether the last append failed.
    failed: bool,
    afterwards: Afterwards,
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
            if !waiters.is_empty() {
                self.commit(&lines, waiters);
            }
            if closing.is_some() {
                return closing;
            }
        }
        None
    }

    /// Appends the lines, tells those who wait, and only then tidies up.
    fn commit(&mut self, lines: &Lines, waiters: Vec<oneshot::Sender<Result<(), AuditError>>>) {
        let outcome = self
            .storage
            .check()
            .and_then(|()| self.recover())
            .and_then(|()| self.log.append(lines));
        for waiter in waiters {
            // One who does not wait any more need not be told.
            let _ = waiter.send(outcome.clone());
        }
        match outcome.and_then(|()| self.log.tidy()) {
            Ok(()) if mem::take(&mut self.failed) => {
                let folder = self.log.folder().display();
                tracing::warn!(%folder, "the log takes entries again");
            }
            Err(error) if !mem::replace(&mut self.failed, true) => {
                // Where money depends on the log, the run ends, which is told as an error.
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "the log lacks entries from here on");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Makes a log that failed usable again, if that is wanted.
    fn recover(&mut self) -> Result<(), AuditError> {
        match self.afterwards {
            Afterwards::Refuse | Afterwards::Reopen(_) if !self.failed => Ok(()),
            Afterwards::Refuse => Err(AuditError::Stopped),
            Afterwards::Reopen(is_ours) => {
                (self.log, _) = Log::open(self.log.folder(), is_ours)?;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_full_queue_is_an_error_and_never_waited_for() {
        let (writer, queue) = filled(Afterwards::Reopen(|_| Ok(())));
        drop(queue);
        let ended = writer.append(Lines::default()).expect_err("has ended");
        assert!(matches!(ended, AuditError::Stopped), "{ended}");
    }

    #[test]
    fn after_a_full_queue_a_log_that_money_depends_on_refuses_all_though_there_is_room() {
        for (afterwards, goes_on) in
            [(Afterwards::Refuse, false), (Afterwards::Reopen(|_| Ok(())), true)]
        {
            let (writer, mut queue) = filled(afterwards);
            queue.try_recv().expect("there is room again");
            assert_eq!(writer.append(Lines::default()).is_ok(), goes_on, "{afterwards:?}");
        }
    }

    /// A writer whose queue nobody reads, and which has refused an append for that.
    fn filled(afterwards: Afterwards) -> (Writer, mpsc::Receiver<Job>) {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let has_hole = AtomicBool::new(false);
        let writer = Writer { jobs, afterwards, has_hole, _thread: thread::spawn(|| {}) };
        for _ in 0..QUEUE_MAX {
            writer.append(Lines::default()).expect("fits");
        }
        let full = writer.append(Lines::default()).expect_err("does not fit");
        assert!(matches!(full, AuditError::QueueFull { .. }), "{full}");
        (writer, queue)
    }

    #[test]
    fn a_log_that_nothing_depends_on_is_made_anew_only_in_the_folder_that_was_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, away) = (folder.path().join("storage"), folder.path().join("away"));
        let storage = Arc::new(Storage::take(&path).expect("is free"));
        let (log, _) = Log::open(&path.join("log"), |_| Ok(())).expect("opens");
        let writer =
            Writer::start("test", log, Afterwards::Reopen(|_| Ok(())), storage).expect("starts");
        let append = |line: &[u8]| {
            let mut lines = Lines::default();
            lines.push(line);
            writer.append(lines).expect("is queued").blocking_recv().expect("is answered")
        };
        fs::rename(&path, &away).expect("is moved");
        for _ in 0..2 {
            append(b"lost").expect_err("is not there");
            assert!(!path.exists());
        }
        fs::rename(&away, &path).expect("is moved back");
        append(b"one").expect("goes on");
        fs::remove_dir_all(path.join("log")).expect("is removed");
        append(b"lost").expect_err("is not there");
        append(b"two").expect("goes on in a new log");
        assert_eq!(fs::read_to_string(path.join("log/data")).expect("is there"), "two\n");
    }

    #[test]
    fn a_log_that_money_depends_on_refuses_all_after_a_failure() {
        check(Afterwards::Refuse, &["full", "stopped", "stopped"], "");
    }

    #[test]
    fn a_log_that_nothing_depends_on_goes_on_when_it_can() {
        check(Afterwards::Reopen(|_| Ok(())), &["full", "full", "ok"], "line 2\n");
    }

    /// Appends two lines while the disk is full, and one later.
    fn check(afterwards: Afterwards, outcomes: &[&str], expected: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Log::open(folder.path(), |_| Ok(())).expect("is made"));
        let data = folder.path().join("data");
        fs::remove_file(&data).expect("is there");
        symlink("/dev/full", &data).expect("is linked");
        let (log, _) = Log::open(folder.path(), |_| Ok(())).expect("opens");
        let storage = tempfile::tempdir().expect("a folder");
        let taken = Arc::new(Storage::take(storage.path()).expect("is free"));
        let writer = Writer::start("test", log, afterwards, taken).expect("starts");
        for (number, outcome) in outcomes.iter().enumerate() {
            if number == 2 {
                fs::remove_file(&data).expect("is there");
            }
            let mut lines = Lines::default();
            lines.push(format!("line {number}").as_bytes());
            let appended = writer.append(lines).expect("is queued").blocking_recv();
            let told = match appended.expect("is answered") {
                Ok(()) => "ok",
                Err(AuditError::Stopped) => "stopped",
                Err(_) => "full",
            };
            assert_eq!(told, *outcome, "append {number}");
        }
        assert_eq!(fs::read_to_string(&data).unwrap_or_default(), expected);
    }
}
