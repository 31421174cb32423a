//! What the daemon has written: its two logs, read while it writes on.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tightrope::ids::{ChannelPoint, NodeId, PaymentHash, RebalanceId};

/// Both logs as they were at one moment.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The transaction log.
    pub(crate) transactions: Vec<Transaction>,
    /// The event log.
    pub(crate) events: Vec<Event>,
}

/// A line of the transaction log.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transaction {
    /// Its kind, such as `paymentIntended`.
    pub(crate) record: String,
    /// When, in ms.
    pub(crate) timestamp: u64,
    /// The payer.
    pub(crate) paid_by: Option<NodeId>,
    /// What is asked.
    pub(crate) amount_msat: Option<u64>,
    /// The channel.
    pub(crate) channel_point: Option<ChannelPoint>,
    /// The attempt.
    pub(crate) rebalance_id: Option<RebalanceId>,
    /// The payment.
    pub(crate) payment_hash: Option<PaymentHash>,
    /// Why a payment failed, as a code and its figures.
    pub(crate) failure: Option<Value>,
}

/// A line of the event log.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Event {
    /// Its name, such as `startWatchingChannel`.
    pub(crate) event: String,
    /// Its figures.
    #[serde(default)]
    pub(crate) data: Value,
    /// When, in ms.
    pub(crate) timestamp: u64,
}

impl Journal {
    /// Reads both logs of a storage folder; empty where they are not there yet.
    pub(crate) fn read(storage: &Path) -> Self {
        Self {
            transactions: lines(&storage.join("transaction-log/data")),
            events: lines(&storage.join("event-log/data")),
        }
    }

    /// This one and that of another daemon on the same network.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.transactions.extend(other.transactions);
        self.events.extend(other.events);
        self
    }

    /// The records of one kind.
    pub(crate) fn of(&self, record: &str) -> impl Iterator<Item = &Transaction> {
        self.transactions.iter().filter(move |line| line.record == record)
    }

    /// The records of one kind about one channel.
    pub(crate) fn on(
        &self,
        record: &str,
        point: ChannelPoint,
    ) -> impl Iterator<Item = &Transaction> {
        self.of(record).filter(move |line| line.channel_point == Some(point))
    }

    /// The events of one name.
    pub(crate) fn told(&self, event: &str) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |line| line.event == event)
    }
}

/// The whole lines of a log, the last of which may be torn.
fn lines<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    let text = std::fs::read(path).unwrap_or_default();
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let read = |line: &[u8]| {
        serde_json::from_slice(line).unwrap_or_else(|error| {
            panic!("{}: {error}: {}", path.display(), String::from_utf8_lossy(line))
        })
    };
    lines.map(read).collect()
}
