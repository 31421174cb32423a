//! The daemon's own door: HTTP with JSON over a Unix socket, and over TCP where that is configured.
//!
//! The server knows no more than how to put a [`Question`] to the loop and to write its [`Answer`];
//! a client that is slow to read holds up nobody else. What is served where is written down in
//! `docs/control.md`.

mod client;
mod error;
mod reply;
mod route;
mod server;
mod socket;
mod status;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub use self::client::{Client, ClientError};
pub use self::error::ControlError;
pub use self::server::Server;
pub use self::status::{LogStatus, SlotStatus, Status, SwarmStatus};

use crate::core::report::Why;

/// Where the daemon is to be reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ControlSettings {
    /// The Unix socket, which only the daemon's own user may use.
    pub socket: PathBuf,
    /// A TCP address too.
    pub listen: Option<SocketAddr>,
    /// The file with the token that callers over TCP must show.
    pub token_file: Option<PathBuf>,
}

/// What a client wants to know or to have done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// How things stand.
    Status,
    /// Why something or nothing happens on a channel, named by any id, point or alias.
    Why {
        /// The channel, as the operator named it.
        channel: String,
    },
    /// Stop new payments somewhere.
    Pause(Pause),
    /// Allow them again.
    Resume {
        /// Where: `all`, or whatever names a node, a peer or a channel.
        scope: String,
    },
    /// Read the configuration again: limits, trusted nodes, log level.
    Reload,
    /// The figures, in Prometheus' text format.
    Metrics,
}

/// What is to be paused, and how.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pause {
    /// Where: `all`, or whatever names a node, a peer or a channel.
    pub scope: String,
    /// For how long, in ms; until it is resumed where that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What the loop answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// How things stand.
    Status(Box<Status>),
    /// Why something or nothing happens on a channel.
    Why(Box<Why>),
    /// It is done: where, in words.
    Done(Done),
    /// Nothing has that name.
    Unknown(Unknown),
    /// The name may mean several things.
    Ambiguous(Ambiguous),
    /// It cannot be done: every fault.
    Faulty(Faulty),
    /// The figures.
    Metrics(String),
}

/// What was done.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// A sentence.
    pub done: String,
}

/// Nothing has that name.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unknown {
    /// What was looked for.
    pub unknown: String,
    /// What is near it, the nearest first.
    pub nearest: Vec<String>,
    /// The sockets whose nodes have not answered since the start: they go by their whole keys.
    #[serde(default)]
    pub silent: Vec<String>,
}

/// A name may mean several things.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ambiguous {
    /// The name.
    pub ambiguous: String,
    /// What it may mean; not more than can be looked through.
    pub meanings: Vec<Meaning>,
    /// How many further meanings there are.
    pub more: usize,
}

/// One of several things that a name may mean.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meaning {
    /// A name that means nothing else.
    pub name: String,
    /// What it is, in words.
    pub what: String,
}

/// What is in the way.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Faulty {
    /// Each fault in a sentence.
    pub faults: Vec<String>,
}

/// A question, and where the answer goes.
#[derive(Debug)]
pub struct Asked {
    /// What is wanted.
    pub question: Question,
    /// Where the answer goes. Whoever asked may be gone.
    pub answer: oneshot::Sender<Answer>,
}

/// The longest pause that has an end: a longer one is a slip of the hand, and one without an end is
/// what is meant.
pub const PAUSE_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);

/// How long the loop may take to answer.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
