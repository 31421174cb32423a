//! A configuration to test with, read from its file as the daemon reads it; no node answers.

use std::path::Path;

use serde_json::{Value, json};

use crate::config::{self, Config};

/// Writes a configuration to `folder`, with these limits for all, and reads it.
pub(super) fn config(folder: &Path, limits: &Value) -> Config {
    let local = json!({
        "secret": "correct horse battery staple",
        "lightningNodes": [{ "socket": "127.0.0.1:1", "macaroon": "0201" }],
        "audit": { "storage": { "path": folder.join("storage") } },
        "limits": { "baseSettings": limits },
    });
    std::fs::write(folder.join("local.json"), local.to_string()).expect("is written");
    config::load(folder, std::iter::empty(), json!({})).expect("good")
}
