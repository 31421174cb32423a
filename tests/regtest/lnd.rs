//! [`Lnd`]: one real lnd, as a program with a folder and two ports.

use std::path::{Path, PathBuf};

use super::binaries;
use super::btcd::Btcd;
use super::node::Version;
use super::ports::Port;
use super::process::Process;

/// An lnd with a wallet of its own. It may be down; its folder and its ports stay.
#[derive(Debug)]
pub(crate) struct Lnd {
    alias: &'static str,
    version: Version,
    folder: PathBuf,
    chain: Vec<String>,
    listen: Port,
    serve: Port,
    process: Option<Process>,
}

impl Lnd {
    /// Starts a new one; it takes a while to serve.
    pub(crate) fn start(alias: &'static str, version: Version, folder: &Path, btcd: &Btcd) -> Self {
        let folder = folder.join(alias);
        std::fs::create_dir(&folder).expect("a folder for the node");
        let chain = btcd.flags_for_lnd();
        let (listen, serve) = (Port::claim(), Port::claim());
        let mut lnd = Self { alias, version, folder, chain, listen, serve, process: None };
        lnd.start_again();
        lnd
    }

    /// Ends it at once; does nothing where it is down.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it where it was; it must be down.
    pub(crate) fn start_again(&mut self) {
        assert!(self.process.is_none(), "{} is running", self.alias);
        let arguments = self.arguments();
        let output = self.folder.join("lnd.out");
        self.process = Some(Process::spawn(&self.binary(), &arguments, &output));
    }

    /// Where its gRPC listens.
    pub(crate) fn socket(&self) -> String {
        self.serve.address()
    }

    /// Where other nodes reach it.
    pub(crate) fn host(&self) -> String {
        self.listen.address()
    }

    /// Where its certificate and its macaroons lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn binary(&self) -> PathBuf {
        binaries::path(match self.version {
            Version::Lnd20 => "lnd-0.20",
            Version::Lnd21 => "lnd-0.21",
        })
    }

    fn arguments(&self) -> Vec<String> {
        let own = [
            format!("--lnddir={}", self.folder.display()),
            format!("--alias={}", self.alias),
            format!("--listen={}", self.listen.address()),
            format!("--rpclisten={}", self.serve.address()),
        ];
        let flags = [
            "--norest",
            "--noseedbackup",
            "--nobootstrap",
            "--tlsdisableautofill",
            "--bitcoin.defaultchanconfs=1",
            "--trickledelay=50",
            "--gossip.sub-batch-delay=5ms",
            "--maxpendingchannels=20",
            "--debuglevel=info",
            "--logging.no-commit-hash",
            // What real nodes have, and lnd's test builds have not by default.
            "--protocol.anchors",
        ];
        let flags = flags.into_iter().map(str::to_owned);
        self.chain.iter().cloned().chain(own).chain(flags).collect()
    }
}
