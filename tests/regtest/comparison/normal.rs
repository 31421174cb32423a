//! [`Said`]: what a node said, with all that differs between any two tellings of the story under
//! names that do not: keys, hashes, channels, heights and times.

use std::collections::BTreeMap;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;

use super::recorder::Entry;

/// What a node said, field by field.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// In which act.
    pub(crate) act: String,
    /// When, in microseconds since the act began.
    pub(crate) at_us: u64,
    /// The node and the call.
    pub(crate) whence: String,
    /// The values by their paths; of what may be there or not, `is there`.
    pub(crate) fields: BTreeMap<String, String>,
}

/// Fields that are points in time.
const TIMES: [&str; 10] = [
    "timestamp",
    "timestamp_ns",
    "creation_date",
    "settle_date",
    "creation_time_ns",
    "attempt_time_ns",
    "resolve_time_ns",
    "accept_time",
    "resolve_time",
    "best_header_timestamp",
];
/// Fields that are heights; so is `expiry` in a hop.
const HEIGHTS: [&str; 9] = [
    "height",
    "incoming_timelock",
    "outgoing_timelock",
    "block_height",
    "expiration_height",
    "total_time_lock",
    "accept_height",
    "expiry_height",
    "close_height",
];
/// Fields that are channels' ids.
const SCIDS: [&str; 4] = ["chan_id", "channel_id", "incoming_channel_id", "outgoing_channel_id"];
/// Fields by which neither the daemon goes nor what it is told by others.
const UNREAD: [&str; 19] = [
    "attempt_id",
    "chain_hash",
    "chan_capacity",
    "channel_update",
    "close_initiator",
    "failure_detail",
    "features",
    "first_hop_amount_msat",
    "htlc_msat",
    "info",
    "last_update",
    "lifetime",
    "payment_index",
    "push_amount_sat",
    "settled_balance",
    "settle_index",
    "uptime",
    "wallet_synced",
    "wire_failure",
];
/// Fields that are random, and what each is: the same value bears the same name.
const RANDOM: [(&str, &str); 17] = [
    ("r_hash", "hash"),
    ("hash_lock", "hash"),
    ("payment_hash", "hash"),
    ("r_preimage", "preimage"),
    ("preimage", "preimage"),
    ("payment_preimage", "preimage"),
    ("payment_addr", "secret"),
    ("block_hash", "block"),
    ("closing_tx_hash", "transaction"),
    ("closing_txid", "transaction"),
    ("txid", "transaction"),
    ("funding_txid_bytes", "transaction"),
    ("funding_txid_str", "transaction"),
    ("channel_point", "point"),
    ("chan_point", "point"),
    ("payment_request", "invoice"),
    ("signature", "signature"),
];

/// All that was heard, under lasting names.
pub(crate) fn normal(entries: &[Entry]) -> Vec<Said> {
    let mut names = Names::of(entries);
    entries.iter().map(|entry| names.said(entry)).collect()
}

/// The names of what differs between any two tellings.
struct Names {
    /// The height at the beginning.
    height: i64,
    /// Nodes' keys, and channels' ids.
    known: BTreeMap<String, String>,
    /// Random values: where each was first seen.
    seen: BTreeMap<String, String>,
    /// How many of a kind were first seen in an act.
    counts: BTreeMap<String, usize>,
}

impl Names {
    fn of(entries: &[Entry]) -> Self {
        let mut known = BTreeMap::new();
        let mut height = None;
        for entry in entries {
            if entry.call == "GetInfo" && entry.said.get("identity_pubkey").is_some() {
                known.insert(text(&entry.said["identity_pubkey"]), entry.node.to_owned());
                height = height.or_else(|| entry.said["block_height"].as_i64());
            }
            for channel in entry.said["channels"].as_array().into_iter().flatten() {
                known.insert(text(&channel["chan_id"]), channel_name(channel));
            }
            let opened = &entry.said["open_channel"];
            if opened.is_object() {
                known.insert(text(&opened["chan_id"]), channel_name(opened));
            }
        }
        let height = height.expect("the story begins with a look");
        Self { height, known, seen: BTreeMap::new(), counts: BTreeMap::new() }
    }

    fn said(&mut self, entry: &Entry) -> Said {
        let mut said = entry.said.clone();
        if let Some(Value::Array(channels)) = said.get_mut("channels") {
            // A node lists them by their outpoints, which are random.
            channels.sort_by_key(channel_name);
        }
        let mut fields = BTreeMap::new();
        self.flatten(&entry.act, "", &said, &mut fields);
        if fields.get("node1_pub").is_some_and(|key| key != "alice") {
            // The lesser key comes first.
            fields = fields.into_iter().map(|(path, value)| (exchanged(&path), value)).collect();
        }
        let whence = format!("{} {}", entry.node, entry.call);
        Said { act: entry.act.clone(), at_us: entry.at_us, whence, fields }
    }

    fn flatten(
        &mut self,
        act: &str,
        path: &str,
        value: &Value,
        fields: &mut BTreeMap<String, String>,
    ) {
        match value {
            Value::Object(map) => {
                fields.insert(path.to_owned(), "is there".to_owned());
                let read = map.iter().filter(|(key, _)| !UNREAD.contains(&key.as_str()));
                for (key, value) in read {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.flatten(act, &path, value, fields);
                }
            }
            Value::Array(list) => {
                fields.insert(path.to_owned(), format!("{} of them", list.len()));
                for (n, value) in list.iter().enumerate() {
                    self.flatten(act, &format!("{path}[{n}]"), value, fields);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                fields.insert(path.to_owned(), self.named(act, path, value));
            }
        }
    }

    fn named(&mut self, act: &str, path: &str, value: &Value) -> String {
        let key = path.rsplit('.').next().expect("the last part");
        let said = text(value);
        if said.is_empty() || said == "0" {
            return said;
        }
        if TIMES.contains(&key) {
            return "a time".to_owned();
        }
        if HEIGHTS.contains(&key) || (key == "expiry" && path.contains("hops")) {
            let height = value.as_i64().expect("a height");
            return format!("the first height and {}", height - self.height);
        }
        if SCIDS.contains(&key) {
            return self.known.get(&said).cloned().unwrap_or_else(|| "another".to_owned());
        }
        if let Some((_, kind)) = RANDOM.iter().find(|(name, _)| *name == key) {
            return self.random(act, kind, key, &said);
        }
        match key {
            "pubkey" if !self.known.contains_key(&said) => "a key".to_owned(),
            // lnd's says more, of the build.
            "version" => said.chars().take(4).collect(),
            "message" | "failure_string" => self.words(&said),
            _ => self.known.get(&said).cloned().unwrap_or(said),
        }
    }

    /// A random value by where it was first seen.
    fn random(&mut self, act: &str, kind: &str, key: &str, said: &str) -> String {
        let value = in_hex(key, said);
        if value.bytes().all(|byte| byte == b'0') {
            return format!("{} zeros", value.len());
        }
        let shape = match kind {
            // The part in front of the last 1 says the network and the amount.
            "invoice" => format!("{} ", said.rsplit_once('1').expect("an invoice").0),
            _ => format!("{} digits, ", value.len()),
        };
        let counts = &mut self.counts;
        let name = self.seen.entry(value).or_insert_with(|| {
            let count = counts.entry(format!("{kind} {act}")).or_default();
            *count += 1;
            format!("{kind} {count} of {act:?}")
        });
        shape + name
    }

    /// A sentence, without what is dumped into it and with the names of keys.
    fn words(&self, said: &str) -> String {
        let said = said.split("(update=").next().expect("the first part");
        let names = self.known.iter().filter(|(key, _)| key.len() > 60);
        names.fold(said.to_owned(), |said, (key, name)| said.replace(key, name))
    }
}

/// Bytes are in base64, what is called by text is in hex; transactions are displayed in reverse.
fn in_hex(key: &str, said: &str) -> String {
    match key {
        "r_hash" | "hash_lock" | "r_preimage" | "preimage" | "payment_addr" => {
            HEXLOWER.encode(&bytes(said))
        }
        "txid" | "funding_txid_bytes" => {
            let mut bytes = bytes(said);
            bytes.reverse();
            HEXLOWER.encode(&bytes)
        }
        "channel_point" | "chan_point" => said.split(':').next().expect("a txid").to_owned(),
        _ => said.to_owned(),
    }
}

fn bytes(said: &str) -> Vec<u8> {
    BASE64.decode(said.as_bytes()).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The story's channels differ in size.
fn channel_name(channel: &Value) -> String {
    format!("the channel of {}", channel["capacity"])
}

/// The same with the two ends of a channel exchanged.
fn exchanged(path: &str) -> String {
    match path.split_at_checked(5) {
        Some(("node1", rest)) => format!("node2{rest}"),
        Some(("node2", rest)) => format!("node1{rest}"),
        _ => path.to_owned(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
