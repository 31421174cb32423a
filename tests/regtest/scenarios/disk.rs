//! A disk that fills up under the logs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Completion;
use serde_json::json;

use crate::harness::channel::Open;
use crate::harness::daemon::Daemon;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::Lnd21;
use crate::harness::proof;

/// How large the disk is: enough for the logs of a test, little to be filled.
const DISK: &str = "size=4m";
/// How many channels drift: their records fill what slack the last pages of the logs have.
const LINKS: usize = 8;
/// A daemon that could not write tries again every 10 s; here it does so in vain, once at least.
const QUIET: Duration = Duration::from_secs(15);
/// How long after there is space until everything is mended.
const RECOVERY_LIMIT: Duration = Duration::from_secs(120);

/// While the transaction log cannot be written nothing is paid, and that is said; when there is
/// space again the daemon goes on by itself.
pub(crate) async fn a_full_disk_stops_payments_until_there_is_space() -> Completion {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let Some(disk) = Disk::mount(&network.folder().join("disk")) else {
        return Completion::ignored_with("mounting a tmpfs is not permitted");
    };
    let links = network.open(&[Open::even(ALICE, BOB, 1_000_000); LINKS]).await;
    let mut daemon = Daemon::new(&network).await;
    daemon.config["audit"]["storage"]["path"] = json!(disk.path.join("storage"));
    daemon.start();
    daemon.watches(LINKS).await;

    disk.fill();
    for link in &links {
        network.drift(*link, ALICE, 300_000).await;
    }
    daemon.says("AuditUnavailable").await;
    for link in &links {
        network.agreed_balances(*link, ALICE).await;
    }
    let paid = proof::count_paid(&network).await;
    assert!(paid < LINKS, "all was paid in spite of the full disk");
    proof::nothing_moves(&network, &daemon, QUIET).await;
    assert_eq!(proof::count_paid(&network).await, paid);

    disk.free();
    for link in &links {
        daemon.settles(*link, 1, RECOVERY_LIMIT).await;
    }
    daemon.comes_to_rest(RECOVERY_LIMIT).await;
    for link in &links {
        network.agreed_balances(*link, ALICE).await.assert_even();
    }
    daemon.stop().await;
    proof::check(&network, &daemon.journal()).await;
    Completion::Completed
}

/// A small disk of the test's own. Dropped, it is unmounted.
struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts it; `None` where that is not permitted.
    fn mount(path: &Path) -> Option<Self> {
        std::fs::create_dir(path).expect("a folder to mount on");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(path);
        let output = mount.output().expect("mount cannot be run");
        output.status.success().then(|| Self { path: path.to_owned() })
    }

    /// Leaves no space on it.
    fn fill(&self) {
        let full = std::fs::write(self.filler(), vec![0; 16 << 20]);
        let error = full.expect_err("more than the disk holds");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }

    /// Leaves space on it again.
    fn free(&self) {
        std::fs::remove_file(self.filler()).expect("the filler");
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: in a panic the daemon may still have files open there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}
