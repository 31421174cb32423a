//! The commands and their help.
//!
//! Exit codes: 0, 1 for what went wrong while running, 64 for a command line that cannot be
//! meant, 78 for a configuration that cannot be used.
#![expect(clippy::print_stdout, reason = "commands speak to people")]

pub mod audit;
mod bootstrap;
mod check;
mod demo;
mod door;
mod keys;
mod pause;
mod printable;
mod reload;
mod run;
mod simnet;
mod status;
mod why;

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, reload as reloading};

use crate::config::{self, Config, ConfigError, LogFormat, LogLevel};
use crate::daemon::{self, Source};
use crate::simnet::process;
use crate::simnet::scenario::ScenarioError;

use door::Door;

/// The command line cannot be meant (`EX_USAGE`).
const USAGE: u8 = 64;
/// The configuration, or a scenario, cannot be used (`EX_CONFIG`).
const CONFIG: u8 = 78;

/// Keeps the channels of a cluster of Lightning nodes in balance, unattended.
#[derive(Debug, Parser)]
#[command(version, about, after_help = "Example: tightrope --config /etc/tightrope check")]
struct Cli {
    /// The folder with local.json.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "TIGHTROPE_CONFIG_DIR",
        hide_env_values = true,
        default_value = config::FOLDER
    )]
    config: PathBuf,
    /// Say what would be done, and pay nothing.
    #[arg(long)]
    dry_run: bool,
    /// Look at every node once, do what is to be done, and exit.
    #[arg(long)]
    once: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon; the default.
    #[command(after_help = "Example: tightrope --config /etc/tightrope run --once")]
    Run {
        /// Look at every node once, do what is to be done, and exit.
        #[arg(long)]
        once: bool,
        /// Say what would be done, and pay nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Try the configuration, every node and every permission; move nothing.
    #[command(after_help = "Example: tightrope --config /etc/tightrope check")]
    Check {
        /// As with dryRun in the configuration.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show how the running daemon stands: nodes, peers, channels, budgets, what is under way.
    #[command(after_help = "Example: tightrope --config /etc/tightrope status --watch")]
    Status(status::StatusArgs),
    /// Explain in sentences why something or nothing happens on a channel.
    #[command(after_help = "Example: tightrope --config /etc/tightrope why 700123x1x0")]
    Why {
        /// The channel: any of its ids (700123x1x0, 700123:1:0, LND's chan_id, alias:id), its
        /// funding output, or the alias or key of a node whose only channel it is.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        channel: String,
        #[command(flatten)]
        door: Door,
    },
    /// Stop new payments; what is under way ends. Holds across restarts.
    #[command(
        after_help = "Example: tightrope pause alice --for 2h --reason 'moving to another machine'"
    )]
    Pause(pause::PauseArgs),
    /// Allow new payments again.
    #[command(after_help = "Example: tightrope --config /etc/tightrope resume alice")]
    Resume(pause::ResumeArgs),
    /// Have the running daemon read its configuration again: limits, trusted nodes, log level.
    #[command(after_help = "Example: tightrope --config /etc/tightrope reload")]
    Reload(Door),
    /// Read, verify and export the audit logs.
    #[command(subcommand, after_help = "Example: tightrope --config /etc/tightrope audit tail -f")]
    Audit(audit::AuditCommand),
    /// Host a DHT node, over which the daemons of a private swarm find each other.
    #[command(after_help = "Example: tightrope bootstrap --listen 203.0.113.7:49737")]
    Bootstrap {
        /// This machine's IPv4 address, as the daemons see it, and a UDP port.
        #[arg(long, value_name = "HOST:PORT")]
        listen: SocketAddr,
    },
    /// Play a story of two owners with five nodes and two daemons, on this machine alone.
    #[command(after_help = "Example: tightrope demo --keep")]
    Demo(demo::DemoArgs),
    /// Run a network of simulated lnd nodes, for experiments with any LND client.
    #[command(
        after_help = "Example: tightrope simnet --scenario config/simnet/three-nodes.scenario"
    )]
    Simnet(simnet::SimnetArgs),
    /// Become a program that ends with the process that started it.
    #[command(hide = true)]
    Leash {
        /// That process.
        parent: u32,
        /// The program.
        program: PathBuf,
        /// What it is told.
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Print the JSON schema of the configuration.
    #[command(after_help = "Example: tightrope schema > schema.json")]
    Schema,
    /// Print completions for a shell.
    #[command(after_help = "Example: tightrope completions bash > tightrope.bash")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

impl Cli {
    /// Itself, if its parts can be meant together.
    fn sensible(self) -> Result<Self, clap::Error> {
        let words = match self.command {
            None | Some(Command::Run { .. }) => None,
            Some(_) if self.once => Some("--once goes with run only"),
            Some(Command::Check { .. }) => None,
            Some(_) if self.dry_run => Some("--dry-run goes with run and check only"),
            Some(_) => None,
        };
        match words {
            Some(words) => Err(Self::command().error(ErrorKind::ArgumentConflict, words)),
            None => Ok(self),
        }
    }
}

/// Runs the command that the command line names.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse().and_then(Cli::sensible) {
        Ok(cli) => cli,
        Err(error) => {
            // Where even that cannot be printed, the exit code tells.
            drop(error.print());
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            // Where even that cannot be printed, the exit code tells.
            drop(writeln!(std::io::stderr(), "tightrope: {error:#}"));
            let is_unusable = error.is::<ConfigError>() || error.is::<ScenarioError>();
            if is_unusable { ExitCode::from(CONFIG) } else { ExitCode::FAILURE }
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command.unwrap_or(Command::Run { once: cli.once, dry_run: cli.dry_run }) {
        Command::Run { once, dry_run } => {
            let mode = if once || cli.once { daemon::Mode::Once } else { daemon::Mode::Forever };
            let (dir, is_dry) = (cli.config, dry_run || cli.dry_run);
            let config = load(&dir, is_dry)?;
            let set_level = log_to_stderr(config.log);
            let read = Box::new(move || load(&dir, is_dry));
            run::run(config, Source { read, set_level, again: Arc::default() }, mode)
        }
        Command::Check { dry_run } => check::run(&load(&cli.config, dry_run || cli.dry_run)?),
        Command::Status(args) => status::run(&args, &cli.config),
        Command::Why { channel, door } => why::run(&channel, &door.client(&cli.config)?),
        Command::Pause(args) => pause::pause(args, &cli.config),
        Command::Resume(args) => pause::resume(&args, &cli.config),
        Command::Reload(door) => reload::run(&door.client(&cli.config)?),
        Command::Audit(command) => {
            let files = daemon::files(&load(&cli.config, false)?);
            audit::run(command, &files, &mut std::io::stdout().lock())
        }
        Command::Bootstrap { listen } => bootstrap::run(listen),
        Command::Demo(args) => demo::run(&args),
        Command::Simnet(args) => simnet::run(args),
        Command::Leash { parent, program, arguments } => {
            let error = process::on_leash(parent, &program, &arguments);
            anyhow::bail!("{} does not start: {error}", program.display())
        }
        Command::Schema => {
            println!("{}", serde_json::to_string_pretty(&config::schema())?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            let command = &mut Cli::command();
            clap_complete::generate(shell, command, "tightrope", &mut std::io::stdout().lock());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Reads the configuration: files, environment, flags.
fn load(dir: &std::path::Path, is_dry: bool) -> Result<Config, ConfigError> {
    let flags = if is_dry { json!({ "dryRun": true }) } else { json!({}) };
    config::load(dir, environment(), flags)
}

/// The environment. A variable that is not text is none of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Starts the log on stderr, as the configuration has it. What is returned has it follow another
/// level.
fn log_to_stderr(log: config::Log) -> Box<dyn Fn(LogLevel) + Send + Sync> {
    let (layer, handle) = reloading::Layer::new(filter(log.level));
    let registry = tracing_subscriber::registry().with(layer);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // A line that cannot be written is no reason to stop, and telling of it would fail too.
        .log_internal_errors(false)
        .with_target(false);
    match log.format {
        LogFormat::Human => {
            let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry.with(lines.with_ansi(is_terminal)).init();
        }
        LogFormat::Json => registry.with(lines.json()).init(),
    }
    // It fails only where the log is gone.
    Box::new(move |level| drop(handle.reload(filter(level))))
}

/// What of `level` is written. The libraries below us are told of only where they warn.
fn filter(level: LogLevel) -> EnvFilter {
    let level = match level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    };
    EnvFilter::new(format!("warn,tightrope={level}"))
}
