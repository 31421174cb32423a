//! Turns a [`File`] into a [`Config`], and tells every fault on the way.
//!
//! This is where keys are held against each other. Nodes and limits have rooms of their own.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::core::policy::Settings;
use crate::ids::NodeId;
use crate::time::parse_span;

use super::credentials::Credentials;
use super::fault::Findings;
use super::file::{self, File};
use super::node::{self, check_socket, read_pubkey};
use super::schema::{conform, decimal};
use super::secret::Secret;
use super::{AuditFiles, Config, Control, Log, Swarm, WEAK_SECRET, limits, socket};

/// The least number of characters of a secret that is not called weak (design, money rule 15).
const SECRET_CHARS_MIN: usize = 16;

/// The longest path of a Unix socket, in bytes: what the system's address has room for.
const SOCKET_BYTES_MAX: usize = 107;

/// The file that the sources make together, with the defaults where they are wrong or silent.
pub(super) fn read(value: Value, schema: &Value, findings: &mut Findings) -> Option<File> {
    let value = conform(schema, value, "", findings)?;
    serde_json::from_value(value)
        .map_err(|error| {
            // The schema let something through that the types refuse.
            findings.fault("(all)", error.to_string(), "hold it against config/schema.json");
        })
        .ok()
}

/// What the file means; `None` only where a fault was found.
pub(super) fn config(
    file: &File,
    dir: &Path,
    credentials: &Credentials,
    findings: &mut Findings,
) -> Option<Config> {
    if file.lightning_nodes.is_empty() {
        let mend = format!("name one in {}", dir.join("local.json").display());
        findings.fault("lightningNodes", "there is no node to look after", mend);
    }
    let secret = read_secret(file, credentials, findings);
    let nodes = node::read(&file.lightning_nodes, credentials, findings);
    let audit = read_audit(&file.audit, findings);
    let settings = read_settings(file, &nodes, findings);
    let swarm = read_swarm(&file.swarm, findings);
    let control = read_control(&file.control, &audit.storage, credentials, findings);
    Some(Config {
        secret: secret?,
        nodes,
        audit,
        settings: settings?,
        swarm,
        control: control?,
        log: Log { format: file.log.format, level: file.log.level },
        warnings: Vec::new(),
        sources: Vec::new(),
    })
}

/// The secret: as written, else from its file, else the credential `secret`.
fn read_secret(file: &File, credentials: &Credentials, findings: &mut Findings) -> Option<Secret> {
    let is_inline = file.secret != WEAK_SECRET;
    let credential = credentials.dir.as_ref().is_some_and(|dir| dir.join("secret").is_file());
    let (key, secret) = match (is_inline, file.secret_file.as_deref(), credential) {
        (true, Some(_), _) => {
            findings.fault("secret", "secretFile is set too", "keep one of the two");
            return None;
        }
        (false, Some(path), _) => ("secretFile", read_text(path, credentials, findings)?),
        (false, None, true) => ("secret", read_text("credential:secret", credentials, findings)?),
        (_, None, _) => ("secret", Secret::new(file.secret.clone())),
    };
    check_strength(&secret, file.allow_weak_secret, key, findings);
    Some(secret)
}

/// A secret that is the text of a file.
fn read_text(path: &str, credentials: &Credentials, findings: &mut Findings) -> Option<Secret> {
    let bytes = credentials.read(path, "secretFile", findings)?;
    let Ok(text) = String::from_utf8(bytes) else {
        findings.fault("secretFile", "the file is not UTF-8 text", "keep a line of text in it");
        return None;
    };
    Some(Secret::from_file_text(&text))
}

/// Checks that the secret is none that others can guess.
fn check_strength(secret: &Secret, is_weak_allowed: bool, key: &str, findings: &mut Findings) {
    let chars = secret.expose().chars().count();
    let mend = "whoever guesses it can ask your nodes for payments: \
                write a long random one, such as openssl rand -hex 32 gives";
    if chars == 0 {
        findings.fault(key, "the secret is empty", mend);
    } else if is_weak_allowed {
        findings.warn("allowWeakSecret", "the secret may be weak: never so where money is");
    } else if secret.expose() == WEAK_SECRET {
        findings.fault(key, "the secret is the default, which everybody knows", mend);
    } else if chars < SECRET_CHARS_MIN {
        let what = format!("the secret has fewer than {SECRET_CHARS_MIN} characters");
        findings.fault(key, what, mend);
    }
}

/// What the core is told.
fn read_settings(file: &File, nodes: &[node::Node], findings: &mut Findings) -> Option<Settings> {
    if file.trusted_nodes.is_empty() {
        let what = "empty, so every node that a holder of the secret runs may be asked and paid";
        findings.warn("trustedNodes", what);
    }
    let mut trusted: BTreeSet<NodeId> = BTreeSet::new();
    for (index, text) in file.trusted_nodes.iter().enumerate() {
        let key = format!("trustedNodes[{index}]");
        trusted.extend(read_pubkey(Some(text), &key, findings));
    }
    let limits = limits::read(&file.limits, findings);
    Some(Settings {
        limits,
        own: nodes.iter().filter_map(|node| node.pubkey).collect(),
        trusted,
        require_proof: file.require_proof,
        announce_interval: read_interval(file, findings)?,
        dry_run: file.dry_run,
    })
}

/// `announceInterval`; its bounds are the schema's.
fn read_interval(file: &File, findings: &mut Findings) -> Option<Duration> {
    let text = decimal(&file.announce_interval);
    let span = parse_span(&text);
    if span.is_err() {
        let mend = "write milliseconds as a number, such as 90000";
        findings.fault("announceInterval", format!("{text} is no usable interval"), mend);
    }
    span.ok()
}

/// Where the logs lie: two names in one folder.
fn read_audit(audit: &file::Audit, findings: &mut Findings) -> AuditFiles {
    if audit.storage.path.is_empty() {
        findings.fault("audit.storage.path", "missing", "name a folder, such as ./storage/");
    }
    for (name, key) in [
        (&audit.transaction_history, "audit.transactionHistory"),
        (&audit.event_log, "audit.eventLog"),
    ] {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
            let mend = "write one plain name: the folder is audit.storage.path";
            findings.fault(key, format!("{name:?} is not a plain name"), mend);
        }
    }
    if audit.transaction_history == audit.event_log {
        let what = "audit.transactionHistory has this name too";
        findings.fault("audit.eventLog", what, "give the two logs two names");
    }
    AuditFiles {
        storage: PathBuf::from(&audit.storage.path),
        transactions: audit.transaction_history.clone(),
        events: audit.event_log.clone(),
        verbose_screen: audit.verbose_screen_logging,
        should_mask: audit.should_mask.clone(),
    }
}

/// How peers are found and reached.
fn read_swarm(swarm: &file::Swarm, findings: &mut Findings) -> Swarm {
    for (index, socket) in swarm.bootstrap.iter().enumerate() {
        let key = format!("swarm.bootstrap[{index}]");
        check_socket(socket, &key, "127.0.0.1:49737", findings);
    }
    let host = swarm.host.parse().unwrap_or_else(|_| {
        let mend = "write one such as 0.0.0.0: the DHT speaks no IPv6";
        findings.fault("swarm.host", format!("{:?} is no IPv4 address", swarm.host), mend);
        Ipv4Addr::UNSPECIFIED
    });
    Swarm {
        bootstrap: swarm.bootstrap.clone(),
        host: IpAddr::V4(host),
        port: swarm.port,
        max_peers: swarm.max_peers,
        firewalled: swarm.firewalled,
    }
}

/// How the daemon is reached on its own machine.
fn read_control(
    control: &file::Control,
    storage: &Path,
    credentials: &Credentials,
    findings: &mut Findings,
) -> Option<Control> {
    let named = control.socket.as_deref().map(PathBuf::from);
    let socket = named.unwrap_or_else(|| socket::in_folder(storage));
    if socket.as_os_str().len() > SOCKET_BYTES_MAX {
        let what = format!("{} is longer than {SOCKET_BYTES_MAX} bytes", socket.display());
        findings.fault("control.socket", what, "name a shorter path for the socket");
    }
    let token_file = match control.token_file.as_deref() {
        Some(path) => {
            // Where there is no such file, this is likely the token itself: it is not repeated.
            credentials.read(path, "control.tokenFile", findings)?;
            Some(credentials.find(path, "control.tokenFile", findings)?)
        }
        None => None,
    };
    let listen = match control.listen.as_deref() {
        Some(text) => Some(read_listen(text, token_file.is_some(), findings)?),
        None => None,
    };
    Some(Control { socket, listen, token_file })
}

/// The TCP address to listen on.
fn read_listen(text: &str, has_token: bool, findings: &mut Findings) -> Option<SocketAddr> {
    let key = "control.listen";
    let Ok(listen) = text.parse::<SocketAddr>() else {
        let mend = "write an IP address and a port, such as 127.0.0.1:9740";
        findings.fault(key, format!("{text:?} is no address"), mend);
        return None;
    };
    if !listen.ip().is_loopback() && !has_token {
        let mend = "set control.tokenFile, or listen on 127.0.0.1";
        findings.fault(key, "anybody who reaches this address could pause the daemon", mend);
    }
    Some(listen)
}

#[cfg(test)]
mod tests {
    use arbtest::arbitrary::{self, Unstructured};
    use serde_json::{Map, json};

    use super::*;
    use crate::config::schema::schema;

    /// A value that agrees with `schema` more often than not.
    fn value(schema: &Value, u: &mut Unstructured<'_>) -> arbitrary::Result<Value> {
        if u.ratio(1, 8)? {
            let numbers =
                [json!(0), json!(-1), json!(1e6), json!(0.1), json!(u64::MAX), json!(-0.0)];
            let others = [json!(null), json!(true), json!(""), json!("4h"), json!([]), json!({})];
            return Ok(u.choose(&[numbers, others].concat())?.clone());
        }
        if let Some(properties) = schema["properties"].as_object() {
            let mut object = Map::new();
            for (key, part) in properties {
                if u.ratio(1, 2)? {
                    object.insert(key.clone(), value(part, u)?);
                }
            }
            return Ok(Value::Object(object));
        }
        if schema["items"].is_object() {
            let items = (0..u.int_in_range(0..=3)?).map(|_| value(&schema["items"], u));
            return items.collect::<arbitrary::Result<_>>().map(Value::Array);
        }
        Ok(schema["default"].clone())
    }

    #[test]
    fn what_the_schema_lets_through_is_read_and_nothing_panics() {
        let schema = schema();
        arbtest::arbtest(|u| {
            let mut findings = Findings::default();
            let written = value(&schema, u)?;
            let is_object = written.is_object();
            let file = read(written, &schema, &mut findings);
            assert_eq!(file.is_some(), is_object, "{findings:?}");
            if let Some(file) = file {
                let nowhere = Credentials { dir: None };
                let config = config(&file, Path::new("config"), &nowhere, &mut findings);
                assert!(config.is_some() || findings.is_faulty(), "missing without a fault");
            }
            Ok(())
        });
    }
}
