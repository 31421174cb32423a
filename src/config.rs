//! The configuration: what the operator wrote, valid and typed.
//!
//! [`load`] reads all sources and gives a [`Config`], or every fault at once. A `Config` that
//! exists is valid: nobody checks it again. Secrets are never printed, by `Debug`, an error or
//! [`Config::understood`]. Whether the nodes answer is not tried here.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::core::policy::Settings;

mod check;
mod credentials;
mod defaults;
mod fault;
mod file;
mod limits;
mod node;
mod reload;
mod repeats;
mod schema;
mod secret;
mod socket;
mod sources;
mod understood;

pub use defaults::defaults;
pub use fault::{ConfigError, Fault, SyntaxError, Warning};
pub use file::{LogFormat, LogLevel};
pub use node::Node;
pub use reload::Changes;
pub use schema::schema;
pub use secret::{Macaroon, Secret};

/// The folder that is read where none is named. It may be missing where the environment says all.
pub const FOLDER: &str = "./config";

/// The secret that stands in the original's defaults, which everybody knows.
const WEAK_SECRET: &str = "secret";

/// Everything that the operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the cluster shares.
    pub secret: Secret,
    /// The nodes to look after; at least one.
    pub nodes: Vec<Node>,
    /// Where and how the logs are kept.
    pub audit: AuditFiles,
    /// What the core is told.
    pub settings: Settings,
    /// How peers are found and reached.
    pub swarm: Swarm,
    /// How the daemon is reached on its own machine.
    pub control: Control,
    /// What the daemon says on stderr.
    pub log: Log,
    /// What the operator should know, though it stops nothing.
    pub warnings: Vec<Warning>,
    /// What was read, the strongest last.
    pub sources: Vec<String>,
}

/// Where and how the logs are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditFiles {
    /// The storage folder.
    pub storage: PathBuf,
    /// The transaction log's name within it: one path segment.
    pub transactions: String,
    /// The event log's name within it: another one.
    pub events: String,
    /// Whether each event is also shown on the screen.
    pub verbose_screen: bool,
    /// The keys whose values are masked in the event log and on the screen.
    pub should_mask: Vec<String>,
}

/// How peers are found and reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Swarm {
    /// The nodes, `host:port`, over which a DHT is entered; empty means the public one.
    pub bootstrap: Vec<String>,
    /// The address to listen on.
    pub host: IpAddr,
    /// The UDP port to listen on; 0 means any.
    pub port: u16,
    /// How many peers are connected at most; at least one.
    pub max_peers: u16,
    /// Whether others cannot reach the port on their own.
    pub firewalled: bool,
}

/// How the daemon is reached on its own machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Control {
    /// The Unix socket to listen on.
    pub socket: PathBuf,
    /// The TCP address to listen on too. Where it is no loopback address, there is a token.
    pub listen: Option<SocketAddr>,
    /// The file with the token that callers over TCP must show.
    pub token_file: Option<PathBuf>,
}

/// What the daemon says on stderr.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Log {
    /// How a line is written.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: LogLevel,
}

/// The control socket of the configuration in `dir`, whatever else may be wrong with that.
pub fn control_socket(
    dir: &Path,
    env: impl Iterator<Item = (String, String)>,
) -> Result<PathBuf, ConfigError> {
    let (env, mut findings) = (env.collect(), fault::Findings::default());
    let flags = serde_json::Value::Null;
    let sources = sources::read(dir, &env, flags, &schema(), &mut findings);
    // A file that cannot be read may name another socket.
    if findings.is_unread() {
        Err(findings.into_error(dir))
    } else {
        Ok(socket::of(&sources.value))
    }
}

/// Reads the configuration in `dir`, under what the environment and the flags say.
///
/// `flags` is an object of the file's shape, such as `{"dryRun": true}`.
pub fn load(
    dir: &Path,
    env: impl Iterator<Item = (String, String)>,
    flags: serde_json::Value,
) -> Result<Config, ConfigError> {
    let env: BTreeMap<String, String> = env.collect();
    let mut findings = fault::Findings::default();
    let schema = schema();
    let sources = sources::read(dir, &env, flags, &schema, &mut findings);
    if findings.is_unread() {
        // What stands in a file that cannot be read must not be missed elsewhere.
        return Err(findings.into_error(dir));
    }
    let credentials =
        credentials::Credentials { dir: env.get("CREDENTIALS_DIRECTORY").map(PathBuf::from) };
    let file = check::read(sources.value, &schema, &mut findings);
    let config = file.and_then(|file| check::config(&file, dir, &credentials, &mut findings));
    match config {
        Some(config) if !findings.is_faulty() => {
            Ok(Config { warnings: findings.warnings, sources: sources.names, ..config })
        }
        Some(_) | None => Err(findings.into_error(dir)),
    }
}
