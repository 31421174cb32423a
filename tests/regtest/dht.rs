//! [`Dht`]: a place to meet on this machine, served by the daemon's own binary.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use super::ports::Port;
use super::process::Process;

/// A private DHT. It vanishes when this is dropped.
#[derive(Debug)]
pub(crate) struct Dht {
    port: Port<TcpListener>,
    output: PathBuf,
    process: Option<Process>,
}

impl Dht {
    /// Starts one; what it says is written into `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        let mut dht =
            Self { port: Port::claim_udp(), output: folder.join("dht.out"), process: None };
        dht.start_again();
        dht
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it where it was.
    pub(crate) fn start_again(&mut self) {
        assert!(self.process.is_none(), "the DHT is running");
        let arguments = ["bootstrap", "--listen", &self.address()].map(str::to_owned);
        let binary = Path::new(env!("CARGO_BIN_EXE_tightrope"));
        self.process = Some(Process::spawn(binary, &arguments, &self.output));
    }

    /// Where it is found.
    pub(crate) fn address(&self) -> String {
        self.port.address()
    }
}
