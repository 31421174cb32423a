//! `tightrope reload`: has the running daemon read its configuration again.
#![expect(clippy::print_stdout, reason = "commands speak to people")]

use std::process::ExitCode;

use super::door::wait;
use crate::control::Client;

/// Prints what was done, or fails with every fault that kept the daemon from it.
pub(super) fn run(client: &Client) -> anyhow::Result<ExitCode> {
    println!("{}", wait(client.reload())?.done);
    Ok(ExitCode::SUCCESS)
}
