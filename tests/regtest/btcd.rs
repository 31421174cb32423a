//! [`Btcd`]: the private chain that the nodes of a network live on.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::ports::Port;
use super::process::Process;
use super::{binaries, wait};

/// A valid address of nobody here, for a chain that is thrown away.
pub(crate) const NOBODY: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

/// A running btcd. Each start begins a new chain: btcd deletes its regtest database.
#[derive(Debug)]
pub(crate) struct Btcd {
    process: Process,
    folder: PathBuf,
    rpc: Port,
    p2p: Port,
}

impl Btcd {
    /// Starts a chain whose blocks pay `mining_address`.
    pub(crate) async fn start(folder: &Path, mining_address: &str) -> Self {
        // Else btcd and btcctl look for one in the home folder.
        std::fs::write(folder.join("none.conf"), "").expect("an empty config");
        let (rpc, p2p) = (Port::claim(), Port::claim());
        let process = spawn(folder, &rpc, &p2p, mining_address);
        let btcd = Self { process, folder: folder.to_owned(), rpc, p2p };
        btcd.wait().await;
        btcd
    }

    /// Begins a new chain in its place; no lnd may be running.
    pub(crate) async fn restart(self, mining_address: &str) -> Self {
        let Self { process, folder, rpc, p2p } = self;
        process.kill();
        let process = spawn(&folder, &rpc, &p2p, mining_address);
        let btcd = Self { process, folder, rpc, p2p };
        btcd.wait().await;
        btcd
    }

    /// Makes `count` blocks.
    pub(crate) async fn mine(&self, count: u32) {
        let mined = self.ask(&["generate", &count.to_string()]).await;
        mined.unwrap_or_else(|error| panic!("cannot mine: {error}"));
    }

    /// Waits until `count` transactions are there to be mined.
    pub(crate) async fn wait_for_mempool(&self, count: usize) {
        let what = format!("{count} transactions are in the mempool");
        wait::until(&what, Duration::from_secs(20), async || {
            let pool = self.ask(&["getrawmempool"]).await.ok()?;
            let pool: Vec<String> = serde_json::from_str(&pool).ok()?;
            (pool.len() >= count).then_some(())
        })
        .await;
    }

    /// What an lnd needs to know to use this chain.
    pub(crate) fn flags_for_lnd(&self) -> Vec<String> {
        vec![
            "--bitcoin.regtest".to_owned(),
            "--bitcoin.node=btcd".to_owned(),
            format!("--btcd.rpchost={}", self.rpc.address()),
            "--btcd.rpcuser=u".to_owned(),
            "--btcd.rpcpass=p".to_owned(),
            format!("--btcd.rpccert={}", self.folder.join("rpc.cert").display()),
        ]
    }

    async fn wait(&self) {
        wait::until("btcd answers", Duration::from_secs(20), async || {
            self.ask(&["getblockcount"]).await.ok()
        })
        .await;
    }

    async fn ask(&self, question: &[&str]) -> Result<String, String> {
        let output = Command::new(binaries::path("btcctl"))
            .arg(format!("--configfile={}", self.folder.join("none.conf").display()))
            .arg("--regtest")
            .arg(format!("--rpcserver={}", self.rpc.address()))
            .args(["--rpcuser=u", "--rpcpass=p"])
            .arg(format!("--rpccert={}", self.folder.join("rpc.cert").display()))
            .args(question)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("btcctl cannot be run");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

fn spawn(folder: &Path, rpc: &Port, p2p: &Port, mining_address: &str) -> Process {
    let path = |name: &str| folder.join(name).display().to_string();
    let arguments = [
        "--regtest".to_owned(),
        format!("--configfile={}", path("none.conf")),
        format!("--datadir={}", path("btcd")),
        format!("--logdir={}", path("btcd-log")),
        "--rpcuser=u".to_owned(),
        "--rpcpass=p".to_owned(),
        format!("--rpclisten={}", rpc.address()),
        format!("--listen={}", p2p.address()),
        format!("--rpccert={}", path("rpc.cert")),
        format!("--rpckey={}", path("rpc.key")),
        "--txindex".to_owned(),
        "--nobanning".to_owned(),
        "--nostalldetect".to_owned(),
        "--trickleinterval=100ms".to_owned(),
        "--rpcmaxwebsockets=50".to_owned(),
        format!("--miningaddr={mining_address}"),
    ];
    Process::spawn(&binaries::path("btcd"), &arguments, &folder.join("btcd.out"))
}
