//! `tightrope why`: the daemon's own sentences about one channel.
#![expect(clippy::print_stdout, reason = "commands speak to people")]

use std::process::ExitCode;

use super::door::wait;
use crate::control::Client;

/// Prints the sentences, one a line.
pub(super) fn run(channel: &str, client: &Client) -> anyhow::Result<ExitCode> {
    for sentence in wait(client.why(channel))?.sentences {
        println!("{sentence}");
    }
    Ok(ExitCode::SUCCESS)
}
