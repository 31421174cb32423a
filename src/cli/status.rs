//! `tightrope status`: how the running daemon stands, once or again and again.

pub(super) mod bar;
mod cluster;
pub(super) mod figures;
mod names;
mod row;
mod said;
mod text;
mod watch;

use std::path::Path;
use std::process::ExitCode;

use ratatui::crossterm::terminal;

use super::door::{Door, say, wait};

/// The width of lines that go to no terminal: nobody has to scroll there.
const WIDTH_MAX: usize = 1000;

/// How it is shown.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// As JSON, for programs; docs/control.md has the fields.
    #[arg(long)]
    json: bool,
    /// Again and again: on a screen with keys, or as lines where stdout is no terminal.
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    #[command(flatten)]
    door: Door,
}

/// Shows it.
pub(super) fn run(args: &StatusArgs, dir: &Path) -> anyhow::Result<ExitCode> {
    let client = args.door.client(dir)?;
    if args.watch {
        return watch::run(&client);
    }
    let status = wait(client.status())?;
    if args.json {
        say(&(serde_json::to_string_pretty(&status)? + "\n"))?;
    } else {
        say(&text::text(&status, width()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How many columns there are.
fn width() -> usize {
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let size = if is_terminal { terminal::size().ok() } else { None };
    size.map_or(WIDTH_MAX, |(columns, _)| columns.into())
}
