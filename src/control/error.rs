//! [`ControlError`]: why the daemon cannot be reached where its operator wants it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::token::TOKEN_BYTES_MIN;

/// Why the control socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A living daemon has the socket.
    #[error("{}: {} listens there already (stop it, or name another control.socket)",
        socket.display(),
        pid.map_or_else(|| "a process".to_owned(), |pid| format!("the process {pid}")))]
    InUse {
        /// The socket.
        socket: PathBuf,
        /// Who has it, where the system says so.
        pid: Option<i32>,
    },
    /// Something that is no socket stands where the socket should be.
    #[error("{}: is no socket (move it, or name another control.socket)", socket.display())]
    NotASocket {
        /// Where the socket should be.
        socket: PathBuf,
    },
    /// Another process holds the socket's folder while it starts.
    #[error("{}: another process has locked the folder (start again when it is done)",
        folder.display())]
    FolderLocked {
        /// The folder.
        folder: PathBuf,
    },
    /// The socket cannot be made.
    #[error("{}: cannot be listened on (its folder should be there, and the daemon's user should \
        be able to write it)", socket.display())]
    Socket {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The TCP address cannot be had.
    #[error(
        "tcp {address} cannot be listened on (control.listen should be free, and of this machine)"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Anybody could reach the daemon, and no token keeps them out.
    #[error(
        "tcp {address}: others reach this address (set control.tokenFile, or listen on \
        127.0.0.1)"
    )]
    NoToken {
        /// The address.
        address: SocketAddr,
    },
    /// The token cannot be read.
    #[error("{}: cannot be read (control.tokenFile should name a file that the daemon's user may \
        read)", path.display())]
    TokenUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read the token.
    #[error("{}: every user of this machine can read the token (chmod 600 it)", path.display())]
    TokenOpen {
        /// The file.
        path: PathBuf,
    },
    /// The token could be guessed, or cannot be sent in a header.
    #[error("{}: not a token (should be one line of at least {TOKEN_BYTES_MIN} visible ASCII \
        characters: openssl rand -hex 32)", path.display())]
    TokenWeak {
        /// The file.
        path: PathBuf,
    },
}
