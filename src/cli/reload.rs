//! `tightrope reload`: has the running daemon read its configuration again.

use std::process::ExitCode;

use super::door::{say_done, wait};
use crate::control::Client;

/// Prints what was done, or fails with every fault that kept the daemon from it.
pub(super) fn run(client: &Client) -> anyhow::Result<ExitCode> {
    say_done(&wait(client.reload())?)?;
    Ok(ExitCode::SUCCESS)
}
