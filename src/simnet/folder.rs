//! A node's folder, as lnd lays it out: its certificate and its macaroons, for its clients.
//!
//! What is there already is kept, so that clients know a node again that is served anew.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;

use super::macaroon::Oven;
use super::permissions;
use super::tls::{Identity, TlsError};
use crate::time::Time;

/// Where the macaroons lie.
const MACAROONS: &str = "data/chain/bitcoin/regtest";

/// Why a folder is not made.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file or folder cannot be written.
    #[error("cannot write {} (should be a folder that can be written to)", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is no certificate.
    #[error("cannot make a certificate in {} (remove tls.cert and tls.key there)", path.display())]
    Tls {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The certificate in a node's folder.
pub(crate) fn certificate(folder: &Path) -> PathBuf {
    folder.join("tls.cert")
}

/// Its key.
pub(crate) fn certificate_key(folder: &Path) -> PathBuf {
    folder.join("tls.key")
}

/// The macaroon of this name, such as `admin`.
pub(crate) fn macaroon(folder: &Path, name: &str) -> PathBuf {
    folder.join(MACAROONS).join(name).with_extension("macaroon")
}

/// Fills a node's folder with what is not there, and returns what its server shows.
///
/// The macaroons are of `oven`; the nonces tell them from each other only.
pub(crate) fn fill(
    folder: &Path,
    oven: &Oven,
    now: Time,
) -> Result<Arc<ServerConfig>, FolderError> {
    let macaroons = folder.join(MACAROONS);
    fs::create_dir_all(&macaroons)
        .map_err(|source| FolderError::Write { path: macaroons.clone(), source })?;
    let permitted = [
        ("admin", permissions::admin()),
        ("readonly", permissions::readonly()),
        ("invoice", permissions::invoice()),
    ];
    for (nonce, (name, permissions)) in (1..).zip(permitted) {
        let baked = oven.bake(0, [nonce; 16], &permissions);
        write(&macaroon(folder, name), &baked)?;
    }
    let fault =
        |source: TlsError| FolderError::Tls { path: folder.to_owned(), source: Box::new(source) };
    let (certificate, key) = (certificate(folder), certificate_key(folder));
    let known = match (fs::read_to_string(&certificate), fs::read_to_string(&key)) {
        (Ok(certificate), Ok(key)) => Some(Identity { certificate, key }),
        (_, _) => None,
    };
    if let Some(known) = known {
        return known.config().map_err(fault);
    }
    let made = Identity::new(now).map_err(fault)?;
    write(&key, made.key.as_bytes())?;
    write(&certificate, made.certificate.as_bytes())?;
    made.config().map_err(fault)
}

/// Writes a file that only its owner may read.
fn write(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes))
        .map_err(|source| FolderError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |path: PathBuf| fs::read(path).expect("a file");
        let oven = Oven::new([7; 32]);
        let now = Time::from_unix_ms(1_700_000_000_000);
        fill(folder.path(), &oven, now).expect("a folder that can be filled");
        let before = (read(certificate(folder.path())), read(macaroon(folder.path(), "admin")));
        fill(folder.path(), &oven, now).expect("a folder that can be filled again");
        let after = (read(certificate(folder.path())), read(macaroon(folder.path(), "admin")));
        assert_eq!(before, after);
    }
}
