//! [`Owner`]: somebody with nodes and a daemon of their own, as a child process of this one.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::news::Who;
use super::node::Node;
use crate::control;
use crate::daemon;
use crate::ids::NodeId;
use crate::simnet::process::Process;

/// How long a daemon may take to stop: it lets payments under way end.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether it has.
const STEP: Duration = Duration::from_millis(20);
/// How many of a daemon's last lines are shown where something went wrong.
const LINES_SHOWN: usize = 12;

/// Somebody with nodes and a daemon, which runs or not.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) who: Who,
    folder: PathBuf,
    config: Value,
    process: Option<Process>,
}

impl Owner {
    /// An owner of `nodes`, whose daemon is not started. It is given macaroons that allow what a
    /// daemon does, and nothing else.
    pub(super) async fn new(
        who: Who,
        folder: &Path,
        nodes: &[Node],
        secret: &str,
        dht: SocketAddr,
    ) -> anyhow::Result<Self> {
        let folder = folder.join(who.name().to_lowercase());
        fs::create_dir(&folder).with_context(|| format!("{} is to be made", folder.display()))?;
        let mut entries = Vec::new();
        for node in nodes {
            let macaroon = folder.join(format!("{}.macaroon", node.alias));
            write_private(&macaroon, &node.client.bake(daemon::NODE_CALLS).await?)?;
            let certificate = folder.join(format!("{}.cert", node.alias));
            fs::copy(&node.certificate, &certificate)
                .with_context(|| format!("{} is to be copied", node.certificate.display()))?;
            entries.push(json!({
                "socket": node.socket.to_string(),
                "certPath": certificate,
                "macaroonPath": macaroon,
                "pubkey": node.id.to_string(),
            }));
        }
        let config = json!({
            "secret": secret,
            "lightningNodes": entries,
            "audit": { "storage": { "path": folder.join("storage") } },
            "control": { "socket": folder.join("control.sock") },
            "swarm": { "bootstrap": [dht.to_string()], "host": "127.0.0.1", "firewalled": false },
            "limits": { "baseSettings": {
                "maxTransactionSize": 500_000,
                "maxTransactionsPerPeriod": 1000,
                "maxAmountPerPeriod": 100_000_000,
                "limitsPeriod": "1h",
                // Quick enough for a story; an operator has minutes.
                "minTimeBetweenPayments": "500ms",
                "refreshRate": 1,
            } },
            "log": { "level": "info" },
        });
        Ok(Self { who, folder, config, process: None })
    }

    /// What is to be given to `--config`.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the log of transactions, and that of events.
    pub(super) fn logs(&self) -> [PathBuf; 2] {
        let storage = self.folder.join("storage");
        [storage.join("transaction-log"), storage.join("event-log")]
    }

    /// Its daemon, to be asked.
    pub(super) fn client(&self) -> control::Client {
        control::Client::new(self.folder.join("control.sock"))
    }

    /// Writes another secret into the configuration.
    pub(super) fn share(&mut self, secret: &str) {
        self.config["secret"] = json!(secret);
    }

    /// Writes into the configuration whose nodes are trusted.
    pub(super) fn trust(&mut self, nodes: &[NodeId]) {
        self.config["trustedNodes"] = nodes.iter().map(ToString::to_string).collect();
    }

    /// Has the daemon read its configuration again.
    pub(super) async fn reload(&self) -> anyhow::Result<()> {
        self.write_config()?;
        self.client().reload().await?;
        Ok(())
    }

    /// Starts the daemon.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.write_config()?;
        let binary = std::env::current_exe()?;
        let arguments = [OsString::from("--config"), self.folder.clone().into(), "run".into()];
        self.process = Some(Process::start(&binary, arguments, &self.folder.join("daemon.log"))?);
        Ok(())
    }

    /// Asks the daemon to stop, and waits until it has.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.terminate();
        let deadline = Instant::now() + STOP_TIME_MAX;
        let status = loop {
            if let Some(status) = process.ended() {
                break status;
            }
            if Instant::now() >= deadline {
                let limit = STOP_TIME_MAX.as_secs();
                bail!("{}'s daemon has not stopped within {limit} s", self.who.name());
            }
            sleep(STEP).await;
        };
        if !status.success() {
            bail!("{}'s daemon ended with {status}", self.who.name());
        }
        Ok(())
    }

    /// An error where the daemon has ended by itself.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.process.as_mut().and_then(Process::ended) {
            Some(status) => bail!("{}'s daemon ended with {status}", self.who.name()),
            None => Ok(()),
        }
    }

    /// What its daemon said last.
    pub(super) fn last_words(&self) -> String {
        let said = fs::read_to_string(self.folder.join("daemon.log")).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }

    fn write_config(&self) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(&self.config)?;
        write_private(&self.folder.join("local.json"), &text)
    }
}

/// Writes a file that only its owner may read, or writes it anew.
fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    opened
        .and_then(|mut file| file.write_all(bytes))
        .with_context(|| format!("{} is to be written", path.display()))
}
