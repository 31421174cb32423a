//! [`AuditError`]: what can be wrong with a log, and how it is mended.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a log cannot be used, or an append did not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuditError {
    /// The operating system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: Arc<io::Error>,
    },
    /// Another daemon uses the storage folder.
    #[error(
        "process {owner} uses {path} already: stop that daemon, or give this one its own \
         audit.storage.path"
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The other's process id, as it wrote it down.
        owner: String,
    },
    /// Both logs have the same name.
    #[error(
        "{path} cannot hold both logs: audit.transactionHistory and audit.eventLog must differ"
    )]
    SameName {
        /// The folder that both would use.
        path: PathBuf,
    },
    /// The folder holds something else than our log.
    #[error(
        "{path} holds {found}: choose other names in audit.transactionHistory and audit.eventLog, \
         or move the folder away"
    )]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// A line is not a record of this version.
    #[error("{path} has at byte {offset} a line that is not a record of ours ({reason}): {mend}")]
    ForeignLine {
        /// The file.
        path: PathBuf,
        /// Where the line begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
        /// How to go on.
        mend: String,
    },
    /// The files of a log contradict each other.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and how to go on.
        what: String,
    },
    /// A path does not lead to the file any more that is open.
    #[error(
        "{path} is gone, {found} is there: put back what was there (should be on its volume: is \
         it mounted?)"
    )]
    Gone {
        /// Where the file was.
        path: PathBuf,
        /// What is there now.
        found: &'static str,
    },
    /// A file is not as long as it was written.
    #[error(
        "{path} has {length} bytes instead of {expected}: something else writes to it; stop that, \
         and put a copy of the folder back if it lacks its end"
    )]
    Resized {
        /// The file.
        path: PathBuf,
        /// How long it is.
        length: u64,
        /// How long it was made.
        expected: u64,
    },
    /// It is another log than before: with it, what was paid would be forgotten.
    #[error(
        "{path} is not the log that was there before, or lacks its end (should be on its volume: \
         is it mounted?)"
    )]
    AnotherLog {
        /// The log.
        path: PathBuf,
    },
    /// More is waiting than the queue holds.
    #[error("the disk is too slow: {waiting} appends are waiting already")]
    QueueFull {
        /// How many.
        waiting: usize,
    },
    /// An earlier append failed, or the log was closed.
    #[error("the log takes nothing more until it is opened again")]
    Stopped,
    /// The disk has not done what it began.
    #[error(
        "the disk does not answer: whether the newest entries are written is not known until the \
         next start"
    )]
    Unanswered,
}

/// What helps against an [`AuditError`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remedy {
    /// Opening again, when the disk has come to its senses.
    RetryLater,
    /// Nothing that a program could do.
    GiveUp,
}

impl AuditError {
    /// What helps against it.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Io { .. }
            | Self::Gone { .. }
            | Self::Resized { .. }
            | Self::AnotherLog { .. }
            | Self::QueueFull { .. }
            | Self::Stopped => Remedy::RetryLater,
            Self::Locked { .. }
            | Self::SameName { .. }
            | Self::ForeignFolder { .. }
            | Self::ForeignLine { .. }
            | Self::Damaged { .. }
            | Self::Unanswered => Remedy::GiveUp,
        }
    }

    /// Wraps what the serialiser said, which takes all that we give it, of a record.
    pub(super) fn encode(source: serde_json::Error) -> Self {
        Self::io("write", Path::new("a record"))(source.into())
    }

    /// Wraps what the operating system said when we were `doing` something to `path`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source: Arc::new(source) }
    }
}
