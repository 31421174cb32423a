//! `tightrope audit`: reads, verifies and exports the audit logs.

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use crate::audit::Files;

/// What to do with the audit logs.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Name the folders of both logs.
    Where,
}

/// Runs one of the commands.
pub fn run(_: AuditCommand, files: &Files, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    writeln!(out, "{}", files.transaction_log().display())?;
    writeln!(out, "{}", files.event_log().display())?;
    Ok(ExitCode::SUCCESS)
}
