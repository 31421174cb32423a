//! The daemon's own keys: random bytes in files of the storage folder that nobody else may read.
//!
//! One names the daemon in the swarm, one makes the preimages of held invoices. Both are made at
//! the first start, and neither is ever printed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file with the key that the daemon has in the swarm.
const SWARM_KEY: &str = "swarm-key";
/// The file with the key that the preimages of held invoices are made from.
const HOLD_KEY: &str = "hold-key";

/// The daemon's keys.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    /// The seed of the key that the daemon has in the swarm (Ed25519).
    pub(super) swarm: [u8; 32],
    /// What the preimages of held invoices are made from.
    pub(super) hold: [u8; 32],
    /// Whether that was made just now.
    pub(super) is_hold_new: bool,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("{} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error(
        "{} may be read by others: chmod 600 it, unless they may have read it: then remove it \
         while no held invoice is open, and a new one is made", path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// It holds something else.
    #[error(
        "{} is not a key of 32 bytes: put the right file there; without it, what held invoices \
         were paid with cannot be taken, and peers know this daemon no more",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The machine gives no random numbers.
    #[error("the machine gives no random numbers")]
    Random(#[source] getrandom::Error),
}

impl Keys {
    /// Reads the keys in `storage`, and makes those that are missing.
    pub(super) fn open(storage: &Path) -> Result<Self, KeyError> {
        let (swarm, _) = open(&storage.join(SWARM_KEY))?;
        let (hold, is_hold_new) = open(&storage.join(HOLD_KEY))?;
        Ok(Self { swarm, hold, is_hold_new })
    }
}

/// Reads the key at `path`; makes it where there is none, and says so.
fn open(path: &Path) -> Result<([u8; 32], bool), KeyError> {
    let error = |source| KeyError::File { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            return Ok((make(path)?, true));
        }
        Err(source) => return Err(error(source)),
    };
    if file.metadata().map_err(error)?.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned() });
    }
    let mut key = Vec::new();
    (&file).take(33).read_to_end(&mut key).map_err(error)?;
    let key = key.try_into().map_err(|_| KeyError::Malformed { path: path.to_owned() })?;
    Ok((key, false))
}

/// Makes a key. It is whole under its name or not there at all, and there for good once this
/// returns: a preimage must not be made from a key that a power cut takes away.
fn make(path: &Path) -> Result<[u8; 32], KeyError> {
    let error = |source| KeyError::File { path: path.to_owned(), source };
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(KeyError::Random)?;
    let draft = path.with_extension("draft");
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(&key)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
    };
    write().map_err(error)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let made = Keys::open(folder.path()).unwrap();
        let read = Keys::open(folder.path()).unwrap();
        assert_eq!((made.swarm, made.hold), (read.swarm, read.hold));
        assert_ne!(made.swarm, made.hold);
        assert!(made.is_hold_new && !read.is_hold_new);
        for name in [SWARM_KEY, HOLD_KEY] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert_eq!(format!("{made:?}"), "Keys(..)");
    }

    #[test]
    fn a_key_that_cannot_be_trusted_says_why() {
        check(|path| fs::write(path, [7; 31]), 0o600, "is not a key of 32 bytes");
        check(|path| fs::write(path, [7; 33]), 0o600, "is not a key of 32 bytes");
        check(|path| fs::write(path, [7; 32]), 0o640, "may be read by others");
        check(fs::create_dir, 0o700, "cannot be used");
    }

    fn check(make: impl Fn(PathBuf) -> io::Result<()>, mode: u32, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(HOLD_KEY);
        make(path.clone()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = Keys::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
