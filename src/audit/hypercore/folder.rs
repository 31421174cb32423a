//! The folder of a log: making one, and telling ours from others.
//!
//! A folder becomes a log of ours the moment that `oplog` with its key pair is there, whole; the
//! other files may be missing until then.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::header::Header;
use super::oplog::Layout;
use super::{AuditError, ENTRIES_AT, Files, signing};

/// What `oplog` is called while it is written.
const UNFINISHED: &str = "oplog.new";
/// All that may stand in a folder that has no `oplog`, or lost it.
const OURS: [&str; 4] = [UNFINISHED, "tree", "bitfield", "data"];

/// Makes what is missing and opens the four files. Tells whether the key pair is new.
pub(super) fn open(folder: &Path) -> Result<(Files, bool), AuditError> {
    make_folder(folder)?;
    refuse_foreign(folder)?;
    let is_new = !folder.join("oplog").exists();
    if is_new {
        make_oplog(folder).map_err(AuditError::io("make a log in", folder))?;
    }
    let data = folder.join("data");
    private().open(&data).map_err(AuditError::io("open", &data))?;
    Ok((reopen(folder)?, is_new))
}

/// Opens the four files of a log that is there; what follows from the others may be missing.
pub(super) fn reopen(folder: &Path) -> Result<Files, AuditError> {
    let open = |name, is_made| {
        let path = folder.join(name);
        private().create(is_made).open(&path).map_err(AuditError::io("open", &path))
    };
    let files = Files {
        oplog: open("oplog", false)?,
        data: open("data", false)?,
        tree: open("tree", true)?,
        bitfield: open("bitfield", true)?,
    };
    sync_folder(folder)?;
    Ok(files)
}

/// Makes the folder and those above it, for our eyes only.
fn make_folder(folder: &Path) -> Result<(), AuditError> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(AuditError::io("make", folder))?;
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path) -> Result<(), AuditError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(AuditError::io("sync the folder", folder))
}

/// Makes `oplog` with a new key pair, whole or not at all.
fn make_oplog(folder: &Path) -> io::Result<()> {
    let header = Header { key: signing::generate()?, tree: None }.to_bytes();
    // Both slots, so that one can be lost.
    let (first, _, layout) = Layout::NEW.header(&header);
    let (second, second_at, _) = layout.header(&header);
    let mut bytes = vec![0; ENTRIES_AT];
    bytes[..first.len()].copy_from_slice(&first);
    bytes[second_at..second_at + second.len()].copy_from_slice(&second);

    let unfinished = folder.join(UNFINISHED);
    let mut file = private().truncate(true).open(&unfinished)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join("oplog"))
}

/// How a file of ours is opened: made where it is missing, for our eyes only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options
}

/// An error where the folder holds something that must not be touched.
fn refuse_foreign(folder: &Path) -> Result<(), AuditError> {
    let has = |name: &str| folder.join(name).exists();
    let found = if has("secret_key") || has("key") || has("signatures") {
        "a log of Hypercore 9, as the original wrote it"
    } else if has("db") || has("CORESTORE") {
        "a store of Hypercore 11"
    } else if !has("oplog") && holds_others(folder)? {
        "files that are no log of ours"
    } else {
        return Ok(());
    };
    Err(AuditError::ForeignFolder { path: folder.to_owned(), found })
}

/// Whether the folder has an entry whose name we do not give.
fn holds_others(folder: &Path) -> Result<bool, AuditError> {
    let error = |source| AuditError::io("list", folder)(source);
    for entry in fs::read_dir(folder).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        if !OURS.iter().any(|ours| name == **ours) {
            return Ok(true);
        }
    }
    Ok(false)
}
