//! `tightrope status`: how the running daemon stands.
#![expect(clippy::print_stdout, reason = "commands speak to people")]

use std::path::Path;
use std::process::ExitCode;

use super::door::{Door, wait};

/// How it is shown.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// As JSON, for programs; docs/control.md has the fields.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    door: Door,
}

/// Shows it.
pub(super) fn run(args: &StatusArgs, dir: &Path) -> anyhow::Result<ExitCode> {
    let status = wait(args.door.client(dir)?.status())?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        println!("{} runs since {}", status.version, status.started_at);
    }
    Ok(ExitCode::SUCCESS)
}
