//! [`Mark`]: what tells one log from another, and whether it still is where it was opened.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ed25519_dalek::VerifyingKey;

use super::oplog::Oplog;
use super::{AuditError, Files, open};
use crate::audit::place::{self, Place};

/// A log as it was opened, and how much is in it by now.
#[derive(Clone, Debug)]
pub struct Mark {
    folder: PathBuf,
    /// Its public key, which names it.
    key: VerifyingKey,
    data: Place,
    oplog: Place,
    /// How many bytes of `data` are durable.
    durable: Arc<AtomicU64>,
}

impl Mark {
    /// That of a log which was opened just now.
    pub(super) fn new(
        folder: PathBuf,
        key: VerifyingKey,
        files: &Files,
    ) -> Result<Self, AuditError> {
        let data = Place::new(folder.join("data"), &files.data)?;
        let oplog = Place::new(folder.join("oplog"), &files.oplog)?;
        Ok(Self { folder, key, data, oplog, durable: Arc::default() })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says that `data` is durable up to here.
    pub(super) fn reach(&self, end: u64) {
        self.durable.store(end, Ordering::Relaxed);
    }

    /// An error unless the files that appends go to are where they were opened, and end where the
    /// last append ended. The others follow from them.
    pub(super) fn check_ends(&self, data: u64, oplog: u64) -> Result<(), AuditError> {
        let length = self.data.length()?;
        if length != data {
            return Err(self.data.resized(length, data));
        }
        // What a header made void may stand behind the entries.
        let length = self.oplog.length()?;
        if length < oplog { Err(self.oplog.resized(length, oplog)) } else { Ok(()) }
    }

    /// An error unless this log is in its folder, with all that was durable. Changes nothing.
    pub(in crate::audit) fn find(&self) -> Result<(), AuditError> {
        let path = self.oplog.path();
        let bytes = fs::read(path).map_err(place::lost(path))?;
        let oplog = Oplog::read(&bytes).map_err(|fault| open::unreadable(fault, path))?;
        let length = place::look(self.data.path())?.len();
        if oplog.header.key.verifying_key() == self.key
            && length >= self.durable.load(Ordering::Relaxed)
        {
            return Ok(());
        }
        Err(AuditError::AnotherLog { path: self.folder.clone() })
    }
}
