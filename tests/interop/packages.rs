//! The packages of the JavaScript side, which more than one suite runs.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs them if they are not yet, and names their folder; without Node, says in one line that
/// `suite` does without. Of callers at the same time, one installs and the others wait.
pub(crate) fn install(suite: &str) -> Option<PathBuf> {
    let runs = |program| Command::new(program).arg("--version").output().is_ok();
    if !runs("node") || !runs("npm") {
        writeln!(std::io::stderr(), "{suite}: skipped, no Node").expect("is said");
        return None;
    }
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let lock = home.join("package-lock.json");
    let locked = File::open(&lock).expect("is there");
    locked.lock().expect("can be locked");
    let wanted = fs::read(&lock).expect("can be read");
    // npm empties the folder first, so what lies there was written when all was well.
    let installed = home.join("node_modules/.installed");
    if fs::read(&installed).is_ok_and(|found| found == wanted) {
        return Some(home);
    }
    let status = Command::new("npm")
        .args(["ci", "--silent", "--no-audit", "--no-fund"])
        .current_dir(&home)
        .status()
        .expect("npm runs");
    assert!(status.success(), "npm could not install tests/interop/package-lock.json");
    fs::write(installed, wanted).expect("can be written");
    Some(home)
}
