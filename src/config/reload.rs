//! What a running daemon takes in of a configuration that has changed, and what it does not.
//!
//! Limits, trusted nodes and the log's level change at once. Everything else is bound to
//! connections and files that are open, and waits for a restart.

use crate::core::policy::Settings;

use super::{Config, Log, Node};

/// Which keys of a configuration have changed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Those that a running daemon takes in.
    pub taken: Vec<&'static str>,
    /// Those that wait for a restart.
    pub left: Vec<&'static str>,
}

impl Config {
    /// This configuration with as much of `next` as a running daemon takes in, and what that is.
    pub fn reloaded(&self, next: Self) -> (Self, Changes) {
        let (before, after) = (&self.settings, &next.settings);
        let are_others = self.nodes.iter().map(Node::entry).ne(next.nodes.iter().map(Node::entry));
        let taken = [
            ("limits", before.limits != after.limits),
            ("trustedNodes", before.trusted != after.trusted),
            ("log.level", self.log.level != next.log.level),
        ];
        let left = [
            ("secret", self.secret != next.secret),
            ("lightningNodes", are_others),
            ("announceInterval", before.announce_interval != after.announce_interval),
            ("audit", self.audit != next.audit),
            ("requireProof", before.require_proof != after.require_proof),
            ("dryRun", before.dry_run != after.dry_run),
            ("swarm", self.swarm != next.swarm),
            ("control", self.control != next.control),
            ("log.format", self.log.format != next.log.format),
        ];
        let changes = Changes { taken: changed(&taken), left: changed(&left) };
        let settings = Settings {
            limits: next.settings.limits,
            trusted: next.settings.trusted,
            ..before.clone()
        };
        let log = Log { level: next.log.level, ..self.log };
        (Self { settings, log, warnings: next.warnings, ..self.clone() }, changes)
    }
}

fn changed(keys: &[(&'static str, bool)]) -> Vec<&'static str> {
    keys.iter().filter(|(_, is_other)| *is_other).map(|(key, _)| *key).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;

    fn load(dir: &Path, changes: Value) -> Config {
        let mut local = json!({
            "secret": "correct horse battery staple",
            "lightningNodes": [{ "socket": "127.0.0.1:1", "macaroonPath": dir.join("macaroon") }],
        });
        for (key, value) in changes.as_object().unwrap() {
            local[key] = value.clone();
        }
        std::fs::write(dir.join("local.json"), local.to_string()).unwrap();
        crate::config::load(dir, std::iter::empty(), json!({})).unwrap()
    }

    fn check(changes: Value, taken: &[&str], left: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("macaroon"), [2, 1]).unwrap();
        let before = load(folder.path(), json!({}));
        let after = load(folder.path(), changes.clone());
        let (now, found) = before.reloaded(after.clone());
        assert_eq!((&found.taken[..], &found.left[..]), (taken, left), "{changes}");
        // What was left out is what a second reload finds again, and nothing else.
        let again = now.reloaded(after).1;
        assert_eq!((&again.taken[..], &again.left[..]), (&[][..], left), "{changes}");
    }

    #[test]
    fn limits_trust_and_the_level_are_taken_in_and_the_rest_is_named() {
        check(json!({}), &[], &[]);
        let base = json!({ "baseSettings": { "maxTransactionSize": 5000, "refreshRate": 3 } });
        check(json!({ "limits": base }), &["limits"], &[]);
        let node = format!("02{}", "ab".repeat(32));
        check(json!({ "trustedNodes": [node] }), &["trustedNodes"], &[]);
        check(json!({ "log": { "level": "debug" } }), &["log.level"], &[]);
        check(json!({ "log": { "format": "json" } }), &[], &["log.format"]);
        check(json!({ "dryRun": true, "requireProof": true }), &[], &["requireProof", "dryRun"]);
        check(json!({ "secret": "another horse, another staple" }), &[], &["secret"]);
        check(json!({ "announceInterval": 5000 }), &[], &["announceInterval"]);
        check(json!({ "audit": { "shouldMask": [] } }), &[], &["audit"]);
        check(json!({ "swarm": { "maxPeers": 3 } }), &[], &["swarm"]);
        check(json!({ "control": { "listen": "127.0.0.1:9740" } }), &[], &["control"]);
        let nodes = json!([{ "socket": "127.0.0.1:2", "macaroon": "0201" }]);
        check(
            json!({ "lightningNodes": nodes, "dryRun": true }),
            &[],
            &["lightningNodes", "dryRun"],
        );
    }

    #[test]
    fn a_macaroon_that_was_replaced_in_its_file_is_no_change_since_each_connection_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("macaroon"), [2, 1]).unwrap();
        let before = load(folder.path(), json!({}));
        std::fs::write(folder.path().join("macaroon"), [2, 2]).unwrap();
        let after = load(folder.path(), json!({}));
        assert_eq!(before.reloaded(after).1, Changes::default());
    }
}
