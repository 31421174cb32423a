//! Finds and reads the files that the config names: by path, or as credentials of systemd.
//!
//! What is in a file is not judged here, and never printed; nor is its path, for people put the
//! secret itself where its file should be named.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::fault::Findings;

/// The most that a file may hold: far above what a configuration or a certificate needs.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a path begins with that names a credential of systemd.
const CREDENTIAL: &str = "credential:";

/// Where the credentials of the service are.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    /// Where systemd puts the credentials of the service.
    pub(super) dir: Option<PathBuf>,
}

impl Credentials {
    /// The file that `written` names; `None` where that is a fault, which is told.
    pub(super) fn find(
        &self,
        written: &str,
        key: &str,
        findings: &mut Findings,
    ) -> Option<PathBuf> {
        let Some(name) = written.strip_prefix(CREDENTIAL) else { return Some(written.into()) };
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            findings.fault(key, "not a credential's name", "write credential:NAME");
            return None;
        }
        let Some(dir) = &self.dir else {
            let mend =
                format!("start under systemd with LoadCredential={name}:PATH, or name a file");
            findings.fault(key, "there are no credentials: $CREDENTIALS_DIRECTORY is unset", mend);
            return None;
        };
        Some(dir.join(name))
    }

    /// What the file that `written` names holds; `None` where that is a fault, which is told.
    pub(super) fn read(
        &self,
        written: &str,
        key: &str,
        findings: &mut Findings,
    ) -> Option<Vec<u8>> {
        let path = self.find(written, key, findings)?;
        match read_file(&path) {
            Ok((bytes, is_open)) => {
                if is_open && !written.starts_with(CREDENTIAL) && !is_public(key) {
                    findings
                        .warn(key, "every user of this machine can read the file: chmod o-r it");
                }
                Some(bytes)
            }
            Err(error) => {
                let mend = "name a file that the user who runs tightrope may read, as seen from \
                            the working directory";
                findings.fault(key, format!("the file cannot be read: {}", error.kind()), mend);
                None
            }
        }
    }
}

/// Whether what `key` names is no secret.
fn is_public(key: &str) -> bool {
    key.ends_with(".certPath")
}

/// The content of a file, and whether every user of the machine can read it.
pub(super) fn read_file(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let file = fs::File::open(path)?;
    let is_open = file.metadata()?.mode() & 0o004 != 0;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > FILE_BYTES_MAX) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok((bytes, is_open))
}
