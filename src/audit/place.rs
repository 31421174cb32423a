//! [`Place`]: whether a path still leads to the file that is open.
//!
//! A file that was removed, moved away or covered by a mount takes what is written as before, and
//! nobody finds it again. Nothing is opened here, and nothing changed.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::AuditError;

/// Where an open file was found. Only while it is open, because its number is given anew later.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Place {
    /// That of a file which was opened at this path just now.
    pub(super) fn new(path: PathBuf, file: &File) -> Result<Self, AuditError> {
        let found = file.metadata().map_err(lost(&path))?;
        Ok(Self { path, device: found.dev(), inode: found.ino() })
    }

    /// How many bytes the file has; an error where the path does not lead to it any more.
    pub(super) fn length(&self) -> Result<u64, AuditError> {
        let found = look(&self.path)?;
        if (found.dev(), found.ino()) == (self.device, self.inode) {
            return Ok(found.len());
        }
        Err(AuditError::Gone { path: self.path.clone(), found: "another file" })
    }

    /// The path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The error about a file that is not as long as it was written.
    pub(super) fn resized(&self, length: u64, expected: u64) -> AuditError {
        AuditError::Resized { path: self.path.clone(), length, expected }
    }
}

/// What stands at the path.
pub(super) fn look(path: &Path) -> Result<Metadata, AuditError> {
    fs::metadata(path).map_err(lost(path))
}

/// Wraps what the operating system said when a file was looked for that was there before.
pub(super) fn lost(path: &Path) -> impl FnOnce(io::Error) -> AuditError + use<> {
    let path = path.to_owned();
    move |error| {
        if error.kind() == io::ErrorKind::NotFound {
            AuditError::Gone { path, found: "nothing" }
        } else {
            AuditError::io("look at", &path)(error)
        }
    }
}
