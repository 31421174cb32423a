//! [`SocketFile`]: the Unix socket, made and removed so that no living daemon loses its own.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use tokio::net::{UnixListener, UnixSocket};

use super::ControlError;

/// Who may connect: the daemon's own user.
const MODE: u32 = 0o600;

/// How many callers may wait to be let in.
const BACKLOG: u32 = 64;

/// The file of a socket that is listened on. It goes when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Its device and inode: what another daemon put there later is not ours to remove.
    identity: (u64, u64),
}

impl SocketFile {
    /// Listens on `path`. What a dead daemon left there is replaced.
    pub(super) fn listen(path: &Path) -> Result<(UnixListener, Self), ControlError> {
        let fault = |source| ControlError::Socket { socket: path.to_owned(), source };
        // Two daemons that start at once must not each take the other's socket for a dead one's.
        let _alone = lock_folder(path)?;
        remove_stale(path)?;
        let socket = UnixSocket::new_stream().map_err(fault)?;
        // Linux gives the file the mode of the socket, so it is never open to others; elsewhere it
        // has its mode a moment later.
        let descriptor = socket.as_fd().try_clone_to_owned().map_err(fault)?;
        drop(File::from(descriptor).set_permissions(Permissions::from_mode(MODE)));
        socket.bind(path).map_err(fault)?;
        let about = fs::symlink_metadata(path).map_err(fault)?;
        let file = Self { path: path.to_owned(), identity: (about.dev(), about.ino()) };
        fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(fault)?;
        Ok((socket.listen(BACKLOG).map_err(fault)?, file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let about = fs::symlink_metadata(&self.path);
        if about.is_ok_and(|about| (about.dev(), about.ino()) == self.identity) {
            // What cannot be removed is stale, and the next start replaces it.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// A folder that is locked until this is dropped.
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing alone would leave the lock to a process that is being started just now. Where
        // this fails, closing is what is left.
        drop(self.0.unlock());
    }
}

/// Locks the folder of `path`.
fn lock_folder(path: &Path) -> Result<Locked, ControlError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let fault = |source| ControlError::Socket { socket: path.to_owned(), source };
    let file = File::open(folder).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(Locked(file)),
        Err(fs::TryLockError::WouldBlock) => {
            Err(ControlError::FolderLocked { folder: folder.to_owned() })
        }
        Err(fs::TryLockError::Error(source)) => Err(fault(source)),
    }
}

/// Removes the socket at `path`, unless somebody listens on it.
fn remove_stale(path: &Path) -> Result<(), ControlError> {
    let fault = |source| ControlError::Socket { socket: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(about) if about.file_type().is_socket() => {}
        Ok(_) => return Err(ControlError::NotASocket { socket: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fault(error)),
    }
    match connect(path) {
        // Nobody listens: whoever did is dead.
        Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(fault),
        Err(Errno::NOENT) => Ok(()),
        Ok(stream) => Err(ControlError::InUse { socket: path.to_owned(), pid: peer(stream) }),
        // Whoever listens there has more callers than it takes, and lives.
        Err(Errno::AGAIN) => Err(ControlError::InUse { socket: path.to_owned(), pid: None }),
        Err(error) => Err(fault(error.into())),
    }
}

/// Connects without waiting to be let in, which may take for ever where a daemon is halted.
fn connect(path: &Path) -> Result<UnixStream, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    rustix::net::connect(&socket, &address)?;
    Ok(UnixStream::from(socket))
}

/// The process at the other end of `stream`.
fn peer(stream: UnixStream) -> Option<i32> {
    tokio::net::UnixStream::from_std(stream).ok()?.peer_cred().ok()?.pid()
}
