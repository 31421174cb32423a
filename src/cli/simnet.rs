//! `tightrope simnet`: a network of simulated nodes in the foreground, for experiments.
//!
//! It begins as its scenario says, tells how each node is reached, and then plays the script and
//! does what is asked. All of it ends with this process.

mod doors;
mod play;

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use super::door::say;
use crate::simnet::scenario::Scenario;
use crate::simnet::{LndVersion, Settings, Simnet};
use play::{Lines, Play};

/// What network, and for whom.
#[derive(Debug, clap::Args)]
pub(super) struct SimnetArgs {
    /// The nodes, the channels and what happens, in the words of docs/simnet.md.
    #[arg(long, value_name = "FILE")]
    scenario: PathBuf,
    /// Ask for no commands: stay until SIGINT, SIGTERM or SIGHUP.
    #[arg(long)]
    serve: bool,
    /// Which lnd the nodes are of which the scenario does not say so.
    #[arg(long, value_name = "0.20|0.21", default_value_t)]
    lnd_version: LndVersion,
    /// Where the nodes have their folders; a temporary place, which vanishes with them, where this
    /// is missing.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Runs the network on this thread.
pub(super) fn run(args: SimnetArgs) -> anyhow::Result<ExitCode> {
    let scenario = Scenario::read(&args.scenario)?;
    let temporary;
    let version = args.lnd_version;
    let folder = match args.folder {
        Some(folder) => std::path::absolute(folder)?,
        None => {
            temporary = tempfile::Builder::new().prefix("tightrope-simnet-").tempdir()?;
            temporary.path().to_owned()
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = LocalSet::new().block_on(&runtime, network(scenario, version, folder, args.serve));
    // The thread that waits for a line must not hold up the end.
    runtime.shutdown_background();
    ended?;
    Ok(ExitCode::SUCCESS)
}

async fn network(
    scenario: Scenario,
    version: LndVersion,
    folder: PathBuf,
    is_served: bool,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A terminal that is closed must not leave macaroons behind.
    let mut hangup = signal(SignalKind::hangup())?;
    let network = Rc::new(Simnet::start(Settings { folder, seed: scenario.seed }));
    scenario.set_up(&network, version).await?;
    say(&doors::text(&network.nodes()))?;
    let lines = if is_served { Lines::Never } else { Lines::of_stdin() };
    let mut play = Play::new(network, scenario.script, lines);
    tokio::select! {
        ended = play.go_on() => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    }
}
