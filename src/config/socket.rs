//! Where the daemon of a configuration listens, for commands that only ask it.
//!
//! Nothing else in the configuration matters to them: neither its faults nor its secrets.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::defaults::defaults;

/// The socket's name in the storage folder, where none is configured.
const NAME: &str = "control.sock";

/// The socket that the sum of all sources means.
pub(super) fn of(value: &Value) -> PathBuf {
    let defaults = defaults();
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let default = |pointer: &str| defaults.pointer(pointer).and_then(Value::as_str);
    let storage = || text(STORAGE).or_else(|| default(STORAGE)).unwrap_or_default();
    text("/control/socket").map_or_else(|| in_folder(Path::new(storage())), PathBuf::from)
}

/// The socket in the storage folder.
pub(super) fn in_folder(storage: &Path) -> PathBuf {
    storage.join(NAME)
}

/// Where the storage folder stands in a configuration.
const STORAGE: &str = "/audit/storage/path";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_socket_is_found_whatever_else_is_wrong() {
        for (config, socket) in [
            (json!({}), "./storage/control.sock"),
            (json!({ "secret": 7, "lightningNodes": "none" }), "./storage/control.sock"),
            (json!({ "audit": { "storage": { "path": "/srv/a" } } }), "/srv/a/control.sock"),
            (json!({ "audit": 1, "control": { "socket": "/run/t.sock" } }), "/run/t.sock"),
            (json!({ "control": { "socket": null } }), "./storage/control.sock"),
        ] {
            assert_eq!(of(&config), Path::new(socket), "{config}");
        }
    }
}
