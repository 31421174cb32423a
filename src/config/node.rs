//! Turns each entry of `lightningNodes` into a [`Node`], and reads the files that it names.
//!
//! A certificate and a macaroon come inline or from a file, a file by path or as a credential of
//! systemd. Whether the node answers is not tried here.

use std::collections::BTreeMap;

use data_encoding::{BASE64_NOPAD, HEXLOWER_PERMISSIVE};

use crate::ids::NodeId;

use super::credentials::Credentials;
use super::fault::Findings;
use super::file;
use super::secret::Macaroon;

/// One Lightning node, and how to speak with it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where its gRPC listens, `host:port`.
    pub socket: String,
    /// Its TLS certificate in PEM; without one, it must be publicly trusted.
    pub certificate: Option<Vec<u8>>,
    /// The token that it asks for.
    pub macaroon: Macaroon,
    /// The only node that may answer at the socket.
    pub pubkey: Option<NodeId>,
    /// Whether its channels are kept in balance.
    pub rebalance: bool,
    source: Source,
}

/// What a node was read from.
#[derive(Clone)]
struct Source {
    entry: file::Node,
    credentials: Credentials,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The entry may hold a macaroon.
        f.write_str("Source(..)")
    }
}

impl Node {
    /// What the configuration says of it, whatever the files hold that it names.
    pub(super) const fn entry(&self) -> &file::Node {
        &self.source.entry
    }

    /// The same node with its files read anew: a certificate or a macaroon may have been
    /// replaced. Where they cannot be used, as it was.
    pub fn reread(&self) -> Self {
        let Source { entry, credentials } = &self.source;
        let mut findings = Findings::default();
        let read = read_one(entry, "lightningNodes", credentials, &mut findings);
        read.filter(|_| !findings.is_faulty()).unwrap_or_else(|| self.clone())
    }
}

/// Reads all nodes. One that is at fault is left out: the faults are told.
pub(super) fn read(
    nodes: &[file::Node],
    credentials: &Credentials,
    findings: &mut Findings,
) -> Vec<Node> {
    let mut seen = BTreeMap::new();
    let mut read = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let key = format!("lightningNodes[{index}]");
        // The same node twice would be asked and paid for twice.
        for (name, text) in [("socket", Some(&node.socket)), ("pubkey", node.pubkey.as_ref())] {
            let Some(text) = text.filter(|text| !text.is_empty()) else { continue };
            if let Some(earlier) = seen.insert((name, text.to_lowercase()), index) {
                let what = format!("lightningNodes[{earlier}] has this {name} too");
                findings.fault(&format!("{key}.{name}"), what, "remove one of the two");
            }
        }
        read.extend(read_one(node, &key, credentials, findings));
    }
    read
}

/// Reads one node.
fn read_one(
    node: &file::Node,
    key: &str,
    credentials: &Credentials,
    findings: &mut Findings,
) -> Option<Node> {
    check_kind(&node.kind, key, findings);
    check_socket(&node.socket, &format!("{key}.socket"), "127.0.0.1:10009", findings);
    let certificate = read_certificate(node, key, credentials, findings);
    let macaroon = read_macaroon(node, key, credentials, findings);
    let pubkey = read_pubkey(node.pubkey.as_deref(), &format!("{key}.pubkey"), findings);
    Some(Node {
        socket: node.socket.clone(),
        certificate,
        macaroon: macaroon?,
        pubkey,
        rebalance: node.rebalance,
        source: Source { entry: node.clone(), credentials: credentials.clone() },
    })
}

/// Checks that the node is of a kind that we speak with.
fn check_kind(kind: &str, key: &str, findings: &mut Findings) {
    let key = format!("{key}.type");
    match kind {
        "lnd" => {}
        "cln-rest" => findings.fault(
            &key,
            "cln-rest cannot be told which channel to pay over, so money could move elsewhere",
            "remove this node; lnd is supported",
        ),
        // Not repeated: whatever stands here could have been meant for another key.
        _ => findings.fault(&key, "unknown type of node", "write lnd"),
    }
}

/// Checks that `socket` is `host:port`.
pub(super) fn check_socket(socket: &str, key: &str, example: &str, findings: &mut Findings) {
    let mend = format!("write host:port, such as {example}");
    if socket.is_empty() {
        return findings.fault(key, "missing", mend);
    }
    let is_host = |host: &str| {
        let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match name {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains([':', '/', '[', ']', '@', ' ']),
        }
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if !socket.rsplit_once(':').is_some_and(|(host, port)| is_host(host) && is_port(port)) {
        findings.fault(key, format!("{socket:?} is not host:port"), mend);
    }
}

/// Reads a public key, where there is one.
pub(super) fn read_pubkey(
    text: Option<&str>,
    key: &str,
    findings: &mut Findings,
) -> Option<NodeId> {
    let id = text?.parse().ok().filter(|id: &NodeId| matches!(id.as_bytes()[0], 2 | 3));
    if id.is_none() {
        let mend = "write the 66 hex digits that lncli getinfo calls identity_pubkey";
        findings.fault(key, "not a node's public key", mend);
    }
    id
}

/// Reads the certificate; none means that the node's is publicly trusted.
fn read_certificate(
    node: &file::Node,
    key: &str,
    credentials: &Credentials,
    findings: &mut Findings,
) -> Option<Vec<u8>> {
    let inline = node.cert.as_deref().filter(|text| !text.is_empty());
    let (key, bytes) = match (inline, node.cert_path.as_deref()) {
        (None, None) => return None,
        (Some(text), None) if text.contains("-----BEGIN") => {
            (format!("{key}.cert"), text.as_bytes().to_vec())
        }
        (Some(text), None) => {
            let key = format!("{key}.cert");
            let bytes = decode(text, &key, "certificate", findings)?;
            (key, bytes)
        }
        (None, Some(path)) => {
            let key = format!("{key}.certPath");
            let bytes = credentials.read(path, &key, findings)?;
            (key, bytes)
        }
        (Some(_), Some(_)) => {
            findings.fault(&format!("{key}.cert"), "certPath is set too", "keep one of the two");
            return None;
        }
    };
    let begin: &[u8] = b"-----BEGIN CERTIFICATE-----";
    if !bytes.windows(begin.len()).any(|window| window == begin) {
        findings.fault(&key, "not a certificate in PEM", "give what lnd's tls.cert holds");
        return None;
    }
    Some(bytes)
}

/// Reads the macaroon, which must be there.
fn read_macaroon(
    node: &file::Node,
    key: &str,
    credentials: &Credentials,
    findings: &mut Findings,
) -> Option<Macaroon> {
    let inline = node.macaroon.as_deref().filter(|text| !text.is_empty());
    let inline_key = format!("{key}.macaroon");
    let bytes = match (inline, node.macaroon_path.as_deref()) {
        (Some(text), None) => decode(text, &inline_key, "macaroon", findings)?,
        (None, Some(path)) => {
            let key = format!("{key}.macaroonPath");
            let bytes = credentials.read(path, &key, findings)?;
            if bytes.is_empty() {
                findings.fault(&key, "the file is empty", "name the file that lncli baked");
                return None;
            }
            bytes
        }
        (Some(_), Some(_)) => {
            findings.fault(&inline_key, "macaroonPath is set too", "keep one of the two");
            return None;
        }
        (None, None) => {
            let mend = "name its file in macaroonPath, or write it here in base64 or hex";
            findings.fault(&inline_key, "missing", mend);
            return None;
        }
    };
    Some(Macaroon::new(bytes))
}

/// Reads bytes written in hex or base64 (either alphabet, padded or not, spaces and line breaks
/// allowed).
fn decode(text: &str, key: &str, noun: &str, findings: &mut Findings) -> Option<Vec<u8>> {
    let compact: String = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    let compact = compact.trim_end_matches('=').as_bytes();
    let bytes = HEXLOWER_PERMISSIVE.decode(compact).or_else(|_| BASE64_NOPAD.decode(compact));
    let bytes = bytes.ok().filter(|bytes| !bytes.is_empty());
    if bytes.is_none() {
        let path = if noun == "certificate" { "certPath" } else { "macaroonPath" };
        let mend = format!("encode the {noun} file with base64 -w0, or name it in {path}");
        findings.fault(key, "neither base64 nor hex", mend);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_a_host_and_a_port() {
        for (socket, is_good) in [
            ("127.0.0.1:10009", true),
            ("[::1]:10009", true),
            ("alice.example:1", true),
            ("::1:10009", false),
            ("alice", false),
            ("alice:0", false),
            ("alice:65536", false),
            ("alice:+1", false),
            (":10009", false),
            ("https://alice:10009", false),
        ] {
            let mut findings = Findings::default();
            check_socket(socket, "key", "a:1", &mut findings);
            assert_eq!(!findings.is_faulty(), is_good, "{socket}");
        }
    }

    #[test]
    fn bytes_are_read_from_hex_and_from_every_base64() {
        for text in ["0201fbff", "0201FBFF", "AgH7/w==", "AgH7/w", "AgH7_w", "Ag\nH7/ w=="] {
            let bytes = decode(text, "key", "macaroon", &mut Findings::default());
            assert_eq!(bytes, Some(vec![0x02, 0x01, 0xfb, 0xff]), "{text}");
        }
        for text in ["0201f", "AgH7*w", "ä", " ", "=="] {
            let mut findings = Findings::default();
            assert_eq!(decode(text, "key", "macaroon", &mut findings), None, "{text}");
            assert!(findings.is_faulty(), "{text}");
        }
    }
}
