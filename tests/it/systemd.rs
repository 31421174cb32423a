//! The service manager's notify protocol, on a real socket, and the unit file.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a notification may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The daemon with one node that does not answer, and the socket that it notifies.
struct Service {
    daemon: Child,
    socket: UnixDatagram,
    _folder: tempfile::TempDir,
}

impl Service {
    fn start(prepare: impl FnOnce(&Path)) -> Self {
        Self::start_with(Stdio::null(), prepare)
    }

    fn start_with(stderr: Stdio, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let local = serde_json::json!({
            "secret": "correct horse battery staple",
            "lightningNodes": [{ "socket": "127.0.0.1:1", "macaroon": "0201" }],
            "audit": { "storage": { "path": folder.path().join("storage") } },
            // No peer is there to be met, least of all outside this machine.
            "swarm": { "bootstrap": ["127.0.0.1:1"], "host": "127.0.0.1", "port": 0 },
        // No peer is there to be met, least of all outside this machine.
        "swarm": { "bootstrap": ["127.0.0.1:1"], "host": "127.0.0.1", "port": 0 },
        });
        fs::write(folder.path().join("local.json"), local.to_string()).expect("a config");
        prepare(folder.path());
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let daemon = Command::new(env!("CARGO_BIN_EXE_tightrope"))
            .arg("--config")
            .arg(folder.path())
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "400000")
            .env_remove("WATCHDOG_PID")
            .stderr(stderr)
            .spawn()
            .expect("the daemon starts");
        Self { daemon, socket, _folder: folder }
    }

    /// Reads notifications until one has a line that begins with `wanted`.
    fn expect(&self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 4096];
        while Instant::now() < deadline {
            let length = match self.socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("{wanted} did not come: {error}"),
            };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if let Some(line) = text.lines().find(|line| line.starts_with(wanted)) {
                return line.to_owned();
            }
        }
        panic!("{wanted} did not come in time");
    }

    fn signal(&self, signal: &str) {
        let pid = self.daemon.id().to_string();
        let killed = Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(killed.success());
    }

    fn terminate(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.expect("STOPPING=1");
        self.daemon.wait().expect("the daemon ends").code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already, or a test failed.
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}

#[test]
fn systemd_is_told_of_the_start_the_state_each_period_and_the_stop() {
    let mut service = Service::start(|_| {});
    service.expect("READY=1");
    let status = service
        .expect("STATUS=0 of 1 nodes answer, 0 peers, 0 channels watched, 0 payments open; ");
    assert!(status.contains("lightningNodes[0]: 127.0.0.1:1 does not answer"), "{status}");
    service.expect("WATCHDOG=1");
    service.expect("WATCHDOG=1");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_log_that_cannot_be_used_is_told_and_waited_for() {
    let mut service = Service::start(|folder| {
        // Where the storage folder should be, there is a file.
        fs::write(folder.join("storage"), "in the way").expect("a file");
    });
    service.expect("STATUS=AuditUnavailable: nothing is paid");
    service.expect("WATCHDOG=1");
    fs::remove_file(service._folder.path().join("storage")).expect("the file was there");
    service.expect("STATUS=0 of 1 nodes answer");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_hangup_is_no_reason_to_stop() {
    let mut service = Service::start(|_| {});
    service.expect("READY=1");
    service.signal("-HUP");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn stderr_that_takes_nothing_is_no_reason_to_stop() {
    let full = fs::File::options().write(true).open("/dev/full").expect("it is there");
    let mut service = Service::start_with(full.into(), |_| {});
    service.expect("READY=1");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn the_unit_names_what_the_daemon_speaks() {
    let unit = include_str!("../../config/tightrope.service");
    for line in ["Type=notify", "WatchdogSec=60", "StateDirectory=tightrope", "User=tightrope"] {
        assert!(unit.lines().any(|unit_line| unit_line == line), "{line}");
    }
}
