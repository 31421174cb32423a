//! [`Door`]: which running daemon a command asks, and how it waits for the answer.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::printable::printable;
use crate::config;
use crate::control::{Client, ClientError, Done};

/// What helps at once where the configuration does not tell the socket.
const OR_NAME_IT: &str =
    "mend this, or name the daemon's socket (--socket /run/tightrope/control.sock)";

/// Which daemon is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Door {
    /// The daemon's control socket, if not the one of the configuration.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl Door {
    /// A client of that daemon. Of the configuration in `dir`, nothing but the socket matters, and
    /// where it cannot be read, the socket can be named: nobody is locked out of a pause.
    pub(super) fn client(&self, dir: &Path) -> anyhow::Result<Client> {
        let socket = match &self.socket {
            Some(socket) => socket.clone(),
            None => config::control_socket(dir, super::environment()).context(OR_NAME_IT)?,
        };
        Ok(Client::new(socket))
    }
}

/// Waits for what the daemon answers.
pub(super) fn wait<T>(asking: impl Future<Output = Result<T, ClientError>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(asking)?)
}

/// Prints `text`. A reader who has read enough, as `head` has, is no error.
pub(super) fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        said => said,
    }
}

/// Prints what the daemon says that it did.
pub(super) fn say_done(done: &Done) -> io::Result<()> {
    say(&format!("{}\n", printable(&done.done)))
}
