//! [`Btcd`]: the private chain that real nodes live on.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::{RealError, ports, until};
use crate::simnet::process::Process;

/// A valid address of nobody here, for a chain that is thrown away.
pub(super) const NOBODY: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

/// A running btcd. Each start begins a new chain: btcd deletes its regtest database.
#[derive(Debug)]
pub(super) struct Btcd {
    process: Process,
    place: Place,
}

/// Where a btcd is, whether it runs or not.
#[derive(Clone, Debug)]
struct Place {
    folder: PathBuf,
    binaries: PathBuf,
    rpc: SocketAddr,
    p2p: SocketAddr,
}

impl Btcd {
    /// Starts a chain whose blocks pay `mining_address`.
    pub(super) async fn start(
        folder: &Path,
        binaries: &Path,
        mining_address: &str,
    ) -> Result<Self, RealError> {
        // Else btcd and btcctl look for one in the home folder.
        let none = folder.join("none.conf");
        std::fs::write(&none, "").map_err(|source| RealError::File { path: none, source })?;
        let (folder, binaries) = (folder.to_owned(), binaries.to_owned());
        let place = Place { folder, binaries, rpc: ports::free()?, p2p: ports::free()? };
        Self::at(place, mining_address).await
    }

    /// Begins a new chain in its place; no lnd may be running.
    pub(super) async fn restart(self, mining_address: &str) -> Result<Self, RealError> {
        let Self { process, place } = self;
        drop(process);
        Self::at(place, mining_address).await
    }

    async fn at(place: Place, mining_address: &str) -> Result<Self, RealError> {
        let btcd = Self { process: place.spawn(mining_address)?, place };
        until("btcd answers", &btcd.place.folder, async || {
            btcd.ask(&["getblockcount"]).await.map(Some)
        })
        .await?;
        Ok(btcd)
    }

    /// Makes `count` blocks.
    pub(super) async fn mine(&self, count: u32) -> Result<(), RealError> {
        self.ask(&["generate", &count.to_string()]).await.map(drop)
    }

    /// How many transactions wait to be mined.
    pub(super) async fn waiting(&self) -> Result<usize, RealError> {
        let said = self.ask(&["getrawmempool"]).await?;
        let pool: Result<Vec<String>, _> = serde_json::from_str(&said);
        let fault = |_| RealError::Chain { question: "getrawmempool".to_owned(), said };
        pool.map(|pool| pool.len()).map_err(fault)
    }

    /// What an lnd needs to know to use this chain.
    pub(super) fn flags_for_lnd(&self) -> Vec<String> {
        vec![
            "--bitcoin.regtest".to_owned(),
            "--bitcoin.node=btcd".to_owned(),
            format!("--btcd.rpchost={}", self.place.rpc),
            "--btcd.rpcuser=u".to_owned(),
            "--btcd.rpcpass=p".to_owned(),
            format!("--btcd.rpccert={}", self.place.path("rpc.cert")),
        ]
    }

    async fn ask(&self, question: &[&str]) -> Result<String, RealError> {
        let place = &self.place;
        let fault = |said: String| RealError::Chain { question: question.join(" "), said };
        let output = Command::new(place.binaries.join("btcctl"))
            .arg(format!("--configfile={}", place.path("none.conf")))
            .arg("--regtest")
            .arg(format!("--rpcserver={}", place.rpc))
            .args(["--rpcuser=u", "--rpcpass=p"])
            .arg(format!("--rpccert={}", place.path("rpc.cert")))
            .args(question)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| fault(error.to_string()))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(fault(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }
}

impl Place {
    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn spawn(&self, mining_address: &str) -> Result<Process, RealError> {
        let arguments = [
            "--regtest".to_owned(),
            format!("--configfile={}", self.path("none.conf")),
            format!("--datadir={}", self.path("btcd")),
            format!("--logdir={}", self.path("btcd-log")),
            "--rpcuser=u".to_owned(),
            "--rpcpass=p".to_owned(),
            format!("--rpclisten={}", self.rpc),
            format!("--listen={}", self.p2p),
            format!("--rpccert={}", self.path("rpc.cert")),
            format!("--rpckey={}", self.path("rpc.key")),
            "--txindex".to_owned(),
            "--nobanning".to_owned(),
            "--nostalldetect".to_owned(),
            "--trickleinterval=100ms".to_owned(),
            "--rpcmaxwebsockets=50".to_owned(),
            format!("--miningaddr={mining_address}"),
        ];
        let arguments = arguments.into_iter().map(OsString::from);
        let output = self.folder.join("btcd.out");
        Ok(Process::start(&self.binaries.join("btcd"), arguments, &output)?)
    }
}
