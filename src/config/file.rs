//! The config file: its keys as they are written in JSON, with their defaults.
//!
//! [`File`] is the one place that knows the keys: `config/schema.json`, the check for unknown keys
//! and types, and the names of environment variables are made from it. Nothing is judged here
//! beyond the type, so nothing here is `Debug`: it holds secrets as they were written.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// The most that a size may be, in satoshis: all bitcoin that there will be.
const SAT_MAX: u64 = 2_100_000_000_000_000;

/// The configuration of Tightrope. Paths are relative to the working directory.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Tightrope configuration")]
pub(super) struct File {
    /// What the cluster shares: at least 16 characters, long and random. Better kept in
    /// `secretFile` or in the systemd credential `secret`.
    pub(super) secret: String,
    /// A file with the secret (its final newline is not part of it), or `credential:NAME`.
    pub(super) secret_file: Option<String>,
    /// Whether a secret that can be guessed is good enough: for tests and demonstrations only.
    pub(super) allow_weak_secret: bool,
    /// The Lightning nodes to look after.
    pub(super) lightning_nodes: Vec<Node>,
    /// How often each node is announced to all peers, in milliseconds; at least 1000.
    #[schemars(range(min = 1000))]
    pub(super) announce_interval: Number,
    /// Where and how the logs are kept.
    pub(super) audit: Audit,
    /// How much is moved, how often, and when.
    pub(super) limits: Limits,
    /// The public keys of the nodes of other owners that may be asked and paid; empty means all.
    pub(super) trusted_nodes: Vec<String>,
    /// Whether peers must prove with a signature of their Lightning node that they run it.
    pub(super) require_proof: bool,
    /// Whether to say what would be done, and move nothing.
    pub(super) dry_run: bool,
    /// How peers are found and reached.
    pub(super) swarm: Swarm,
    /// How `tightrope status` and its like reach the daemon.
    pub(super) control: Control,
    /// What the daemon says on stderr.
    pub(super) log: Log,
}

/// One Lightning node.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["socket"]))]
pub(super) struct Node {
    /// What kind of node it is: `lnd`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Where its gRPC listens, `host:port`.
    pub(super) socket: String,
    /// Its TLS certificate: the PEM file in base64 or hex, or the PEM text. Without one the node
    /// must have a publicly trusted certificate.
    pub(super) cert: Option<String>,
    /// The file of its TLS certificate, or `credential:NAME`.
    pub(super) cert_path: Option<String>,
    /// Its macaroon in base64 or hex.
    pub(super) macaroon: Option<String>,
    /// The file of its macaroon, or `credential:NAME`.
    pub(super) macaroon_path: Option<String>,
    /// Its public key, 66 hex digits: the daemon works with no other node at this socket.
    pub(super) pubkey: Option<String>,
    /// Whether its channels are kept in balance; if not, it is only shown.
    pub(super) rebalance: bool,
}

/// Where and how the logs are kept.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Audit {
    /// Where the logs lie.
    pub(super) storage: Storage,
    /// The name of the transaction log within the storage folder.
    pub(super) transaction_history: String,
    /// The name of the event log within the storage folder.
    pub(super) event_log: String,
    /// Whether each event is also shown on the screen.
    pub(super) verbose_screen_logging: bool,
    /// The keys whose values are masked in the event log and on the screen.
    pub(super) should_mask: Vec<String>,
}

/// Where the logs lie.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Storage {
    /// The storage folder.
    pub(super) path: String,
}

/// How much is moved, how often, and when.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Limits {
    /// What holds where `idSettings` say nothing else.
    pub(super) base_settings: LimitKeys,
    /// What differs for a node or a channel.
    pub(super) id_settings: Vec<IdSettings>,
}

/// What differs for a node or a channel.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["id"], "additionalProperties" = false))]
pub(super) struct IdSettings {
    /// A node's alias, a channel id such as `700123x1x0`, or `alias:channelId` for that node's
    /// side of the channel.
    pub(super) id: String,
    /// What differs.
    #[serde(flatten)]
    pub(super) keys: LimitKeys,
}

/// The limits. Where one is `null`, what it would differ from holds.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = false))]
pub(super) struct LimitKeys {
    /// The most that is asked or paid at once, in satoshis.
    #[schemars(range(max = SAT_MAX))]
    pub(super) max_transaction_size: Option<u64>,
    /// The least that is asked or paid at once, in satoshis.
    #[schemars(range(max = SAT_MAX))]
    pub(super) min_transaction_size: Option<u64>,
    /// How many payments a node makes in a period.
    #[schemars(range(max = u32::MAX))]
    pub(super) max_transactions_per_period: Option<u32>,
    /// How much a node pays in a period, in satoshis.
    #[schemars(range(max = SAT_MAX))]
    pub(super) max_amount_per_period: Option<u64>,
    /// How long a period is: a time such as `4h`, or a number of milliseconds. Set for nodes, not
    /// for channels.
    pub(super) limits_period: Option<Span>,
    /// Whether a period is the time up to the present moment; if not, periods follow each other,
    /// counted from 1970 in UTC. Set for nodes, not for channels.
    pub(super) use_rolling_limits_period: Option<bool>,
    /// How long a channel rests between payments: a time such as `60s`, or a number of
    /// milliseconds.
    pub(super) min_time_between_payments: Option<Span>,
    /// How often a node is asked for its channels while it sends no events, in seconds, at least
    /// 0.1. Set for nodes, not for channels.
    pub(super) refresh_rate: Option<Number>,
    /// The share of a channel that this side holds when in balance, 0 to 1.
    #[schemars(range(max = 1, min = 0))]
    pub(super) balance_point: Option<Number>,
    /// How far below that the share may fall before this side asks to be paid, 0 to 1.
    #[schemars(range(max = 1, min = 0))]
    pub(super) deadzone: Option<Number>,
}

/// A length of time as it was written: a text such as `4h`, or a number of milliseconds.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Span(pub(super) Value);

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"] })
    }
}

/// How peers are found and reached.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Swarm {
    /// The nodes, `host:port`, over which a DHT of one's own is entered; empty means the public
    /// one.
    pub(super) bootstrap: Vec<String>,
    /// The address to listen on.
    pub(super) host: String,
    /// The UDP port to listen on; 0 means any.
    pub(super) port: u16,
    /// How many peers are connected at most.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) max_peers: u16,
    /// Whether to take it that others cannot reach the port on their own.
    pub(super) firewalled: bool,
}

/// How `tightrope status` and its like reach the daemon.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Control {
    /// The Unix socket to listen on; `null` means `control.sock` in the storage folder.
    pub(super) socket: Option<String>,
    /// The TCP address to listen on too, such as `127.0.0.1:9740`; `null` means none.
    pub(super) listen: Option<String>,
    /// A file with the token that callers over TCP must show, or `credential:NAME`; needed unless
    /// the address is a loopback one.
    pub(super) token_file: Option<String>,
}

/// What the daemon says on stderr.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Log {
    /// Lines for people, or one JSON object a line.
    pub(super) format: LogFormat,
    /// The least severe level that is said.
    pub(super) level: LogLevel,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "a documented variant is no plain enum in the schema")]
pub enum LogFormat {
    Human,
    Json,
}

/// How severe a line of the log must be to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "a documented variant is no plain enum in the schema")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}
