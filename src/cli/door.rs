//! [`Door`]: which running daemon a command asks, and how it waits for the answer.

use std::path::{Path, PathBuf};

use crate::config::{self, ConfigError};
use crate::control::{Client, ClientError};

/// Which daemon is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Door {
    /// The daemon's control socket, if not the one of the configuration.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl Door {
    /// A client of that daemon. Of the configuration in `dir`, nothing but the socket matters.
    pub(super) fn client(&self, dir: &Path) -> Result<Client, ConfigError> {
        let socket = match &self.socket {
            Some(socket) => socket.clone(),
            None => config::control_socket(dir, super::environment())?,
        };
        Ok(Client::new(socket))
    }
}

/// Waits for what the daemon answers.
pub(super) fn wait<T>(asking: impl Future<Output = Result<T, ClientError>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(asking)?)
}
