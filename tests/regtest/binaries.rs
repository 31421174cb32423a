//! The binaries of the nodes, built once by `build.sh`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The exit code of `build.sh` where there is no Go.
const NO_GO: i32 = 3;

/// Builds what is not built yet. `None` without Go, as the script has said by then.
pub(crate) fn build() -> Option<()> {
    let status = Command::new(root().join("tests/regtest/build.sh")).status();
    let status = status.expect("build.sh cannot be run");
    if status.code() == Some(NO_GO) {
        return None;
    }
    assert!(status.success(), "build.sh failed: {status}");
    Some(())
}

/// The binary of a node.
pub(crate) fn path(name: &str) -> PathBuf {
    root().join("target/regtest").join(name)
}

/// The top of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
