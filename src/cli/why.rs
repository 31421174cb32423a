//! `tightrope why`: the daemon's own sentences about one channel.

use std::process::ExitCode;

use super::door::{say, wait};
use super::printable::printable;
use crate::control::Client;

/// Prints the sentences, one a line.
pub(super) fn run(channel: &str, client: &Client) -> anyhow::Result<ExitCode> {
    for sentence in wait(client.why(channel))?.sentences {
        say(&format!("{}\n", printable(&sentence)))?;
    }
    Ok(ExitCode::SUCCESS)
}
