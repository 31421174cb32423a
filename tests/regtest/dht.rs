//! [`Dht`]: a place to meet on this machine, served by the daemon's own binary.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ports::Port;
use super::process::Process;
use super::wait;

/// How long it may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A private DHT. It vanishes when this is dropped.
#[derive(Debug)]
pub(crate) struct Dht {
    port: Port<TcpListener>,
    output: PathBuf,
    /// How often it was started.
    starts: usize,
    process: Option<Process>,
}

impl Dht {
    /// Starts one and waits until it listens; what it says is written into `folder`.
    pub(crate) async fn start(folder: &Path) -> Self {
        let output = folder.join("dht.out");
        let mut dht = Self { port: Port::claim_udp(), output, starts: 0, process: None };
        dht.start_again().await;
        dht
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it where it was.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.process.is_none(), "the DHT is running");
        let arguments = ["bootstrap", "--listen", &self.address()].map(str::to_owned);
        let binary = Path::new(env!("CARGO_BIN_EXE_tightrope"));
        self.process = Some(Process::spawn(binary, &arguments, &self.output));
        self.starts += 1;
        let what = format!("a DHT listens on {}", self.address());
        wait::until(&what, START_LIMIT, async || {
            let said = std::fs::read_to_string(&self.output).unwrap_or_default();
            (said.matches("listens on").count() == self.starts).then_some(())
        })
        .await;
    }

    /// Where it is found.
    pub(crate) fn address(&self) -> String {
        self.port.address()
    }
}
