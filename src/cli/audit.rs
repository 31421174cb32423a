//! `tightrope audit`: reads, verifies and exports the audit logs.
//!
//! Works beside a running daemon, and changes nothing.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::audit::hypercore::{Verdict, verify};
use crate::audit::{Files, Reader};

mod csv;
mod human;

/// How often `tail -f` looks for more: at once to an eye, and nothing to a disk.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

/// What to do with the audit logs.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Print all entries, oldest first.
    #[command(after_help = "Example: tightrope audit list --json | jq .amount")]
    List {
        /// Which log, and how.
        #[command(flatten)]
        view: View,
    },
    /// Print the newest entries.
    #[command(after_help = "Example: tightrope audit tail -f --events")]
    Tail {
        /// Which log, and how.
        #[command(flatten)]
        view: View,
        /// Go on printing entries as they come.
        #[arg(short, long)]
        follow: bool,
        /// How many entries to begin with.
        #[arg(short = 'n', long, default_value_t = 10)]
        lines: usize,
    },
    /// Check every byte of both logs against their keys; exit 1 where something is wrong.
    #[command(after_help = "Example: tightrope audit verify")]
    Verify,
    /// Write the transaction log to stdout in another format.
    #[command(after_help = "Example: tightrope audit export --csv > transactions.csv")]
    Export {
        /// As comma-separated values, with a header.
        #[arg(long, required = true)]
        csv: bool,
    },
}

/// Which log to print, and how.
#[derive(Clone, Copy, Debug, Args)]
pub struct View {
    /// The event log instead of the transaction log.
    #[arg(long)]
    events: bool,
    /// The entries as they are stored, one JSON object each.
    #[arg(long)]
    json: bool,
}

impl View {
    /// The log's folder.
    fn folder(self, files: &Files) -> PathBuf {
        if self.events { files.event_log() } else { files.transaction_log() }
    }

    /// Prints one line of the log. Tells whether it could be read.
    fn print(self, offset: u64, line: &[u8], out: &mut dyn Write) -> io::Result<bool> {
        if self.json {
            out.write_all(line)?;
            return Ok(true);
        }
        match serde_json::from_slice::<Value>(line) {
            Ok(entry) if self.events => writeln!(out, "{}", human::event(&entry))?,
            Ok(entry) => writeln!(out, "{}", human::transaction(&entry))?,
            Err(error) => {
                writeln!(
                    out,
                    "at byte {offset} is no JSON ({error}): see `tightrope audit verify`"
                )?;
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Runs one of the commands.
pub fn run(command: AuditCommand, files: &Files, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let done = match command {
        AuditCommand::List { view } => tail(view, files, None, false, out),
        AuditCommand::Tail { view, follow, lines } => tail(view, files, Some(lines), follow, out),
        AuditCommand::Verify => verify_both(files, out),
        AuditCommand::Export { csv: _ } => export(&files.transaction_log(), out),
    };
    match done.and_then(|is_whole| out.flush().map(|()| is_whole).map_err(Into::into)) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        // Whoever reads has seen enough, as `head` has.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error),
    }
}

/// Prints the last `lines` entries, or all, and then those that come if it is to `follow`. Tells
/// whether all could be read.
fn tail(
    view: View,
    files: &Files,
    lines: Option<usize>,
    follow: bool,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    let mut reader = open(&view.folder(files))?;
    let mut is_whole = true;
    if let Some(lines) = lines {
        let mut newest = VecDeque::new();
        while let Some((offset, line)) = reader.next_line()? {
            newest.push_back((offset, line.to_owned()));
            if newest.len() > lines {
                newest.pop_front();
            }
        }
        for (offset, line) in newest {
            is_whole &= view.print(offset, &line, out)?;
        }
    }
    loop {
        while let Some((offset, line)) = reader.next_line()? {
            is_whole &= view.print(offset, line, out)?;
        }
        if !follow {
            return Ok(is_whole);
        }
        out.flush()?;
        thread::sleep(FOLLOW_INTERVAL);
    }
}

/// Checks both logs. Tells whether both are whole.
fn verify_both(files: &Files, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mut are_whole = true;
    for folder in [files.transaction_log(), files.event_log()] {
        match verify(&folder) {
            Ok(verdict) => {
                are_whole &= verdict.damage.is_empty();
                report(&folder, &verdict, out)?;
            }
            Err(error) => {
                are_whole = false;
                let error = anyhow::Error::from(error);
                writeln!(out, "{} cannot be checked: {error:#}", folder.display())?;
            }
        }
    }
    Ok(are_whole)
}

/// Says what was found in a log.
fn report(folder: &Path, verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let Verdict { key, length, byte_length, unsigned, damage } = verdict;
    let state = if damage.is_empty() { "whole" } else { "damaged" };
    let folder = folder.display();
    writeln!(out, "{folder} is {state}: {length} entries, {byte_length} bytes, signed by {key}")?;
    for place in damage {
        writeln!(out, "  {place}")?;
    }
    if *unsigned > 0 {
        writeln!(
            out,
            "  {unsigned} bytes are not signed yet; the daemon does that when it starts"
        )?;
    }
    Ok(())
}

/// Writes the log as comma-separated values. Tells whether all could be read.
fn export(folder: &Path, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mut reader = open(folder)?;
    csv::header(out)?;
    while let Some((offset, line)) = reader.next_line()? {
        let entry: Value = serde_json::from_slice(line)
            .with_context(|| format!("at byte {offset} of {}/data", folder.display()))?;
        csv::row(&entry, out)?;
    }
    Ok(true)
}

/// Opens a log for reading.
fn open(folder: &Path) -> anyhow::Result<Reader> {
    if !folder.is_dir() {
        let from = if folder.is_relative() { ", relative to the working directory" } else { "" };
        anyhow::bail!("there is no log in {}{from}: has the daemon run yet?", folder.display());
    }
    Ok(Reader::open(folder)?)
}

/// Whether the error is that nobody reads any more.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
