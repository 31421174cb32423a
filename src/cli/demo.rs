//! `tightrope demo`: the README's story of Alice and Bob, on this machine and with nothing else.
//!
//! The nodes are simulated, or real with `--real`; all else is as an operator has it: two daemons
//! as processes of their own, with configurations, identities, logs and sockets, which meet over a
//! DHT. All of it ends with this process, and the folder that it lies in is removed.

mod board;
mod cast;
mod dht;
mod diary;
mod dice;
mod network;
mod news;
mod node;
mod observer;
mod owner;
mod plain;
mod show;
mod stage;
mod standing;
mod story;
mod summary;
mod traffic;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::dht::Dht;
use self::diary::brief;
use self::network::Kind;
use self::news::Teller;
use self::observer::Observer;
use self::show::Show;
use self::stage::{Setting, Stage};
use self::summary::Summary;
use super::door::say;
use crate::simnet::real::BINARIES;

/// How the story is played.
#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// The amounts and their order: the same for the same number.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Leave all of it running after the story, until Ctrl-C, and say how to look at it.
    #[arg(long)]
    keep: bool,
    /// Lines instead of a screen, as where stdout is no terminal.
    #[arg(long)]
    plain: bool,
    /// On real btcd and lnd, which `bash tests/regtest/build.sh` builds.
    #[arg(long)]
    real: bool,
    /// Where those binaries are.
    #[arg(long, value_name = "DIR", requires = "real", default_value = BINARIES)]
    binaries: PathBuf,
}

/// What has been played.
#[derive(Debug)]
struct Played {
    stage: Stage,
    summary: Summary,
    took: Duration,
    _dht: Dht,
}

/// Plays the story on this thread.
pub(super) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(perform(args))
}

/// Plays it, shows it, and ends everything that was started.
async fn perform(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let folder = tempfile::Builder::new().prefix("tightrope-demo-").tempdir();
    let folder = folder.context("a folder is to be made for the demo (TMPDIR names another)")?;
    let mut stop = Stop::listen()?;
    let (teller, mut news) = Teller::new();
    let mut show = Show::begin(args.plain)?;
    let breath = show.breath();
    let played = {
        let playing = play(args, folder.path(), teller, breath);
        tokio::pin!(playing);
        loop {
            tokio::select! {
                played = &mut playing => break Some(played),
                Some(news) = news.recv() => show.show(news)?,
                left = show.left() => break left.map(|()| None)?,
                () = stop.wanted() => break None,
            }
        }
    };
    while let Ok(news) = news.try_recv() {
        show.show(news)?;
    }
    drop(show);
    let Some(played) = played else {
        say("\nended before the end of the story\n")?;
        return Ok(ExitCode::FAILURE);
    };
    let Played { mut stage, summary, took, _dht } = played?;
    say(&format!("\nAfter {}:\n{}", brief(took), summary.text))?;
    for fault in &summary.faults {
        say(&format!("  NOT AS IT SHOULD BE: {fault}\n"))?;
    }
    if args.keep {
        say(&how_to_look(&stage, &folder))?;
        tokio::select! {
            () = stop.wanted() => {}
            // The traffic goes on; its news has been seen.
            ended = story::go_on(&mut stage) => ended?,
            () = async { while news.recv().await.is_some() {} } => {}
        }
        for owner in &mut stage.owners {
            owner.stop().await?;
        }
    }
    let is_good = summary.faults.is_empty();
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sets the stage, plays, and sums up. The daemons are stopped before their logs are verified,
/// unless they are to be kept.
async fn play(
    args: &DemoArgs,
    folder: &Path,
    teller: Teller,
    breath: Duration,
) -> anyhow::Result<Played> {
    let begin = Instant::now();
    let dht = Dht::host().await?;
    let kind =
        if args.real { Kind::Real(args.binaries.clone()) } else { Kind::Simulated(args.seed) };
    let secrets = [story::ALICES, story::BOBS];
    let setting = Setting { kind: &kind, folder, seed: args.seed, dht: dht.address(), secrets };
    let mut stage = Stage::set(setting, teller).await?;
    let mut observer = Observer::of(&stage);
    let played = tokio::select! {
        played = story::play(&mut stage, breath) => played,
        looked = observer.watch() => looked,
    };
    observer.read_logs().await?;
    let mut summary = Summary::of(&stage, observer.tallies()).await;
    // A daemon that has ended makes a story bad that seemed to end well.
    if let Err(error) = played.and_then(|()| stage.check()) {
        summary.faults.push(format!("{error:#}"));
        summary.last_words(&stage);
    }
    if !args.keep {
        for owner in &mut stage.owners {
            let stopped = owner.stop().await;
            summary.faults.extend(stopped.err().map(|error| format!("{error:#}")));
        }
        observer.read_logs().await?;
    }
    summary.verify(&stage, args.keep);
    Ok(Played { stage, summary, took: begin.elapsed(), _dht: dht })
}

/// How to look at what is kept running.
fn how_to_look(stage: &Stage, folder: &TempDir) -> String {
    let binary = std::env::args_os().next().unwrap_or_else(|| "tightrope".into());
    let binary = binary.display();
    let [alice, bob] = stage.owners.each_ref().map(|owner| owner.folder().display());
    let folder = folder.path().display();
    format!(
        "\nAll of it runs on, and so does the traffic. From another terminal:\n  \
         {binary} --config {alice} status --watch\n  \
         {binary} --config {bob} why A\n  \
         {binary} --config {alice} audit tail -f\n  \
         {binary} --config {bob} audit list --events\n\
         Ctrl-C ends everything and removes {folder}\n"
    )
}

/// The signals that end the demo.
#[derive(Debug)]
struct Stop([Signal; 3]);

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// Waits for one of them.
    async fn wanted(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
