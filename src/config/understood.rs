//! What was understood of the configuration, for people to read: secrets are masked.

use serde_json::{Value, json};

use crate::core::policy::Override;
use crate::time::whole_ms;

use super::file::LimitKeys;
use super::{Config, Node};

/// What stands for a secret.
const MASK: &str = "****";

impl Config {
    /// What was understood, in the words of the config file. Holds no secret.
    pub fn understood(&self) -> Value {
        let limits = &self.settings.limits;
        json!({
            "sources": self.sources,
            "secret": MASK,
            "lightningNodes": self.nodes.iter().map(node).collect::<Vec<_>>(),
            "announceInterval": whole_ms(self.settings.announce_interval),
            "audit": {
                "storage": { "path": self.audit.storage },
                "transactionHistory": self.audit.transactions,
                "eventLog": self.audit.events,
                "verboseScreenLogging": self.audit.verbose_screen,
                "shouldMask": self.audit.should_mask,
            },
            "limits": {
                "baseSettings": LimitKeys::from(&limits.base),
                "idSettings": limits.overrides().iter().map(id_setting).collect::<Vec<_>>(),
            },
            "trustedNodes": self.settings.trusted,
            "requireProof": self.settings.require_proof,
            "dryRun": self.settings.dry_run,
            "swarm": {
                "bootstrap": self.swarm.bootstrap,
                "host": self.swarm.host,
                "port": self.swarm.port,
                "maxPeers": self.swarm.max_peers,
                "firewalled": self.swarm.firewalled,
            },
            "control": {
                "socket": self.control.socket,
                "listen": self.control.listen,
                "tokenFile": self.control.token_file,
            },
            "log": { "format": self.log.format, "level": self.log.level },
        })
    }
}

/// One node, without its macaroon.
fn node(node: &Node) -> Value {
    let trust = if node.certificate.is_some() { "as given" } else { "publicly trusted" };
    json!({
        "socket": node.socket,
        "cert": trust,
        "macaroon": MASK,
        "pubkey": node.pubkey,
        "rebalance": node.rebalance,
    })
}

/// What differs for one id.
fn id_setting(over: &Override) -> Value {
    let mut setting = json!({ "id": over.id });
    if let (Value::Object(setting), Ok(Value::Object(keys))) =
        (&mut setting, serde_json::to_value(LimitKeys::from(over)))
    {
        setting.extend(keys.into_iter().filter(|(_, value)| !value.is_null()));
    }
    setting
}
