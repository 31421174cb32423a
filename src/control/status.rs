//! [`Status`]: how the daemon stands, as `/status` and `tightrope status --json` show it.
//!
//! The fields are stable: programs read them. New ones may be added.

use serde::{Deserialize, Serialize};

use crate::core::report::Report;
use crate::ids::{NodeId, PeerKey};
use crate::time::Time;

/// How the daemon stands.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started, by the wall clock.
    pub started_at: Time,
    /// The entries of `lightningNodes`, in order.
    pub slots: Vec<SlotStatus>,
    /// How it stands with the swarm.
    pub swarm: SwarmStatus,
    /// How it stands with the transaction log.
    pub log: LogStatus,
    /// The last steps of the wall clock over 2 s, in ms, forward ones positive; the newest last.
    pub clock_steps_ms: Vec<i64>,
    /// What the core knows.
    #[serde(flatten)]
    pub report: Report,
}

/// One entry of `lightningNodes`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotStatus {
    /// Where the node should listen.
    pub socket: String,
    /// The node, if it answers.
    pub node: Option<NodeId>,
    /// The node that answered there last, whether or not it still does.
    pub last_node: Option<NodeId>,
    /// Its version.
    pub lnd_version: Option<String>,
    /// Why it does not answer; `None` while it does, and until the first try has ended.
    pub error: Option<String>,
    /// Why it last did not answer, or did not last.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Time>,
}

/// How it stands with the swarm.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SwarmStatus {
    /// Our name among peers; `None` while no peer is to be met.
    pub key: Option<PeerKey>,
    /// Whether peers can find us.
    pub is_joined: bool,
    /// Why they cannot.
    pub error: Option<String>,
}

/// How it stands with the transaction log.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogStatus {
    /// Whether it can be written: without it, nothing is paid.
    pub is_usable: bool,
    /// Why it cannot.
    pub error: Option<String>,
    /// How many batches of records wait for the disk.
    pub waiting: u64,
}
