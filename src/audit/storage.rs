//! The storage folder: one daemon at a time, on a disk that takes writes.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::error::AuditError;
use super::place::Place;

/// The file whose lock says that a daemon uses the folder; it holds that daemon's process id.
const LOCK: &str = "lock";
/// The file that is written and removed to prove that the disk takes writes.
const PROBE: &str = "probe";
/// How much of it: enough for hundreds of records, so a disk that takes it is not full yet.
const PROBE_BYTES: usize = 65_536;

/// The storage folder, for as long as this lives.
#[derive(Debug)]
pub(super) struct Storage {
    lock: File,
    place: Place,
}

impl Storage {
    /// Makes the folder where it is missing, takes it, and tries the disk.
    pub(super) fn take(folder: &Path) -> Result<Self, AuditError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(AuditError::io("make", folder))?;
        let lock = lock(folder)?;
        let taken = Self { place: Place::new(folder.join(LOCK), &lock)?, lock };
        probe(&folder.join(PROBE))
            .map_err(AuditError::io("write to the disk, as tried with", &folder.join(PROBE)))?;
        Ok(taken)
    }

    /// An error where the lock is gone, so that another daemon may have the folder.
    pub(super) fn check(&self) -> Result<(), AuditError> {
        self.place.length().map(drop)
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // Closing alone would leave the lock to a process that is being started just now, as it
        // has our files until it runs. Where this fails, closing is what is left.
        drop(self.lock.unlock());
    }
}

/// Locks the folder, and writes down who did.
fn lock(folder: &Path) -> Result<File, AuditError> {
    let path = folder.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(AuditError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let owner = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
            return Err(AuditError::Locked { path: folder.to_owned(), owner });
        }
        Err(TryLockError::Error(error)) => return Err(AuditError::io("lock", &path)(error)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(AuditError::io("write", &path))?;
    Ok(file)
}

/// Writes a file through to the disk and removes it.
fn probe(path: &Path) -> io::Result<()> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(&[0x5a; PROBE_BYTES])?;
        file.sync_data()
    });
    let removed = fs::remove_file(path);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_free_at_once_though_a_child_still_has_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Storage::take(folder.path()).expect("is free");
        let inherited = first.lock.try_clone().expect("is open");
        assert!(matches!(Storage::take(folder.path()), Err(AuditError::Locked { .. })));
        drop(first);
        Storage::take(folder.path()).expect("is free again");
        drop(inherited);
    }
}
