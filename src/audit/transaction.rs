//! The lines of the transaction log: a [`Record`] as one JSON object, and back.
//!
//! The fields of the original keep their names and units; ours stand beside them. A value that
//! start-up needs has a field of its own, so the sentences are for people only.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::core::outcome::Cause;
use crate::core::outcome::Failure;
use crate::core::record::{Attempt, Bill, Entry, Evidence, InvoiceKind, Pause, Record, Scope};
use crate::ids::{ChannelPoint, NodeId, PaymentHash, PeerKey, RebalanceId, Scid};
use crate::time::Time;
use crate::units::{Msat, Sat};

/// All fields that a line may have, in the order in which they are written.
pub const FIELDS: [&str; 23] = [
    "record",
    "role",
    "state",
    "timestamp",
    "paidTo",
    "paidBy",
    "channelId",
    "amount",
    "amountMsat",
    "channelPoint",
    "rebalanceId",
    "paymentHash",
    "invoice",
    "held",
    "expiresAt",
    "reason",
    "failure",
    "cause",
    "scope",
    "until",
    "over",
    "peer",
    "envelope",
];

/// One line, in the order in which its fields are written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction<'a> {
    /// What the record says.
    record: Kind,
    /// Whose record it is; missing in pauses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    /// The original's word for how far it went; missing in pauses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    /// When the core decided on it, in ms.
    timestamp: Time,
    /// The payee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paid_to: Option<NodeId>,
    /// The payer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paid_by: Option<NodeId>,
    /// The channel's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel_id: Option<Scid>,
    /// What is asked, in whole sat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<Sat>,
    /// What is asked, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount_msat: Option<Msat>,
    /// The channel's funding output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel_point: Option<ChannelPoint>,
    /// The attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rebalance_id: Option<RebalanceId>,
    /// The payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payment_hash: Option<PaymentHash>,
    /// The invoice, in BOLT 11.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    invoice: Option<Cow<'a, str>>,
    /// Whether the payee's node holds the payment until it was looked at; missing where it does
    /// not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    held: bool,
    /// When the invoice expires, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
    /// Why, in a sentence or in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    reason: Option<Cow<'a, str>>,
    /// Why a payment failed, as a code and its figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    /// Why an attempt ended, as a code and its figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    /// Where a pause holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    /// When a pause ends by itself, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
    /// The channels that a payment came over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over: Option<Vec<Scid>>,
    /// The peer that signed `envelope`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peer: Option<PeerKey>,
    /// A document as a peer signed it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    envelope: Option<Cow<'a, str>>,
}

/// The kinds of records, as the field `record` names them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    RebalanceOpened,
    InvoiceCreated,
    RebalanceSettled,
    RebalanceFailed,
    PaidElsewhere,
    ResultAttested,
    RequestAttested,
    PaymentIntended,
    PaymentUnknown,
    PaymentSettled,
    PaymentFailed,
    Paused,
    Resumed,
}

/// Which side of a payment wrote the record.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Role {
    Payee,
    Payer,
}

/// How far a payment went: the original's words, and ours where nobody knows.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Pending,
    Complete,
    Failed,
    Unknown,
}

/// Writes a record as a line without its newline.
pub(super) fn encode(record: &Record) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Transaction::from(record))
}

/// Reads a line, with its newline or without; an error says what is wrong with it.
pub(super) fn decode(line: &[u8]) -> Result<Record, String> {
    // The whole line at once, which is much quicker than each of its strings.
    let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let line: Transaction<'_> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    line.into_record().map_err(|field| format!("{field} is missing"))
}

impl<'a> From<&'a Record> for Transaction<'a> {
    fn from(record: &'a Record) -> Self {
        let line = Self::bare(&record.entry, record.at);
        match &record.entry {
            Entry::RebalanceOpened(_) => line,
            Entry::InvoiceCreated(_, bill) | Entry::PaymentIntended(_, bill) => Self {
                payment_hash: Some(bill.hash),
                invoice: Some(Cow::Borrowed(&bill.invoice)),
                expires_at: Some(bill.expires_at),
                ..line
            },
            Entry::RebalanceSettled(_, hash)
            | Entry::PaymentUnknown(_, hash)
            | Entry::PaymentSettled(_, hash) => Self { payment_hash: Some(*hash), ..line },
            Entry::RebalanceFailed(_, hash, cause) => Self {
                payment_hash: *hash,
                reason: Some(cause.to_string().into()),
                cause: Some(cause.clone()),
                ..line
            },
            Entry::PaidElsewhere(_, hash, over) => {
                Self { payment_hash: Some(*hash), over: Some(over.clone()), ..line }
            }
            Entry::ResultAttested(_, evidence) | Entry::RequestAttested(_, evidence) => Self {
                peer: Some(evidence.peer),
                envelope: Some(Cow::Borrowed(&evidence.envelope)),
                ..line
            },
            Entry::PaymentFailed(_, hash, failure) => Self {
                payment_hash: Some(*hash),
                reason: Some(failure.to_string().into()),
                failure: Some(*failure),
                ..line
            },
            Entry::Paused(pause) => Self {
                scope: Some(pause.scope),
                until: pause.until,
                reason: pause.reason.as_deref().map(Cow::Borrowed),
                ..line
            },
            Entry::Resumed(scope) => Self { scope: Some(*scope), ..line },
        }
    }
}

impl Transaction<'_> {
    /// The fields that follow from the kind, the time and the attempt.
    fn bare(entry: &Entry, timestamp: Time) -> Self {
        let (record, role, state) = words(entry);
        let attempt = entry.attempt();
        Self {
            record,
            role,
            state,
            timestamp,
            paid_to: attempt.map(|attempt| attempt.paid_to),
            paid_by: attempt.map(|attempt| attempt.paid_by),
            channel_id: attempt.map(|attempt| attempt.scid),
            amount: attempt.map(|attempt| attempt.amount.sat()),
            amount_msat: attempt.map(|attempt| attempt.amount),
            channel_point: attempt.map(|attempt| attempt.point),
            rebalance_id: attempt.map(|attempt| attempt.rebalance),
            payment_hash: None,
            invoice: None,
            held: attempt.is_some_and(|attempt| attempt.kind == InvoiceKind::Held),
            expires_at: None,
            reason: None,
            failure: None,
            cause: None,
            scope: None,
            until: None,
            over: None,
            peer: None,
            envelope: None,
        }
    }

    /// The record that the line is; an error names a field that is missing.
    fn into_record(self) -> Result<Record, &'static str> {
        let hash = self.payment_hash.ok_or("paymentHash");
        let entry = match self.record {
            Kind::RebalanceOpened => Entry::RebalanceOpened(self.attempt()?),
            Kind::InvoiceCreated => Entry::InvoiceCreated(self.attempt()?, self.bill()?),
            Kind::RebalanceSettled => Entry::RebalanceSettled(self.attempt()?, hash?),
            Kind::RebalanceFailed => Entry::RebalanceFailed(
                self.attempt()?,
                self.payment_hash,
                self.cause.ok_or("cause")?,
            ),
            Kind::PaidElsewhere => {
                Entry::PaidElsewhere(self.attempt()?, hash?, self.over.ok_or("over")?)
            }
            Kind::ResultAttested => Entry::ResultAttested(self.attempt()?, self.evidence()?),
            Kind::RequestAttested => Entry::RequestAttested(self.attempt()?, self.evidence()?),
            Kind::PaymentIntended => Entry::PaymentIntended(self.attempt()?, self.bill()?),
            Kind::PaymentUnknown => Entry::PaymentUnknown(self.attempt()?, hash?),
            Kind::PaymentSettled => Entry::PaymentSettled(self.attempt()?, hash?),
            Kind::PaymentFailed => {
                Entry::PaymentFailed(self.attempt()?, hash?, self.failure.ok_or("failure")?)
            }
            Kind::Paused => Entry::Paused(Pause {
                scope: self.scope.ok_or("scope")?,
                until: self.until,
                reason: self.reason.map(Cow::into_owned),
            }),
            Kind::Resumed => Entry::Resumed(self.scope.ok_or("scope")?),
        };
        Ok(Record { at: self.timestamp, entry })
    }

    /// The attempt that the line is about.
    fn attempt(&self) -> Result<Attempt, &'static str> {
        Ok(Attempt {
            rebalance: self.rebalance_id.ok_or("rebalanceId")?,
            paid_to: self.paid_to.ok_or("paidTo")?,
            paid_by: self.paid_by.ok_or("paidBy")?,
            point: self.channel_point.ok_or("channelPoint")?,
            scid: self.channel_id.ok_or("channelId")?,
            amount: self.amount_msat.ok_or("amountMsat")?,
            kind: if self.held { InvoiceKind::Held } else { InvoiceKind::Plain },
        })
    }

    /// The signed document that the line keeps.
    fn evidence(&self) -> Result<Evidence, &'static str> {
        Ok(Evidence {
            peer: self.peer.ok_or("peer")?,
            envelope: self.envelope.as_deref().ok_or("envelope")?.to_owned(),
        })
    }

    /// The invoice that the line is about.
    fn bill(&self) -> Result<Bill, &'static str> {
        Ok(Bill {
            hash: self.payment_hash.ok_or("paymentHash")?,
            invoice: self.invoice.as_deref().ok_or("invoice")?.to_owned(),
            expires_at: self.expires_at.ok_or("expiresAt")?,
        })
    }
}

/// What the fields `record`, `role` and `state` say of an entry.
const fn words(entry: &Entry) -> (Kind, Option<Role>, Option<State>) {
    let payee = Some(Role::Payee);
    let payer = Some(Role::Payer);
    match entry {
        Entry::RebalanceOpened(..) => (Kind::RebalanceOpened, payee, Some(State::Pending)),
        Entry::InvoiceCreated(..) => (Kind::InvoiceCreated, payee, Some(State::Pending)),
        Entry::RebalanceSettled(..) => (Kind::RebalanceSettled, payee, Some(State::Complete)),
        Entry::RebalanceFailed(..) => (Kind::RebalanceFailed, payee, Some(State::Failed)),
        Entry::PaidElsewhere(..) => (Kind::PaidElsewhere, payee, None),
        Entry::ResultAttested(..) => (Kind::ResultAttested, payee, None),
        Entry::RequestAttested(..) => (Kind::RequestAttested, payer, None),
        Entry::PaymentIntended(..) => (Kind::PaymentIntended, payer, Some(State::Pending)),
        Entry::PaymentUnknown(..) => (Kind::PaymentUnknown, payer, Some(State::Unknown)),
        Entry::PaymentSettled(..) => (Kind::PaymentSettled, payer, Some(State::Complete)),
        Entry::PaymentFailed(..) => (Kind::PaymentFailed, payer, Some(State::Failed)),
        Entry::Paused(_) => (Kind::Paused, None, None),
        Entry::Resumed(_) => (Kind::Resumed, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_fields_is_the_order_in_which_they_are_written() {
        let filler = |field: &str| match field {
            "record" => r#""paused""#.to_owned(),
            "role" => r#""payer""#.to_owned(),
            "state" => r#""pending""#.to_owned(),
            "paidTo" | "paidBy" => format!("{:?}", "02".repeat(33)),
            "channelId" => r#""1x2x3""#.to_owned(),
            "channelPoint" => format!("{:?}", format!("{}:0", "02".repeat(32))),
            "rebalanceId" => format!("{:?}", "02".repeat(16)),
            "paymentHash" => format!("{:?}", "02".repeat(32)),
            "invoice" | "reason" | "envelope" => r#""text""#.to_owned(),
            "failure" => r#"{"code":"notSent"}"#.to_owned(),
            "cause" => r#"{"cause":"abandoned"}"#.to_owned(),
            "held" => "true".to_owned(),
            "over" => r#"["1x2x3"]"#.to_owned(),
            "peer" => format!("{:?}", "02".repeat(32)),
            "scope" => r#""all""#.to_owned(),
            _ => "1".to_owned(),
        };
        let fields = FIELDS.map(|field| format!("{field:?}:{}", filler(field)));
        let full = format!("{{{}}}", fields.join(","));
        let line: Transaction<'_> = serde_json::from_str(&full).expect("is a line");
        assert_eq!(serde_json::to_string(&line).expect("is written"), full);
    }

    #[test]
    fn a_line_that_is_no_record_of_ours_says_why() {
        check(r#"{"record":"paymentDreamt","timestamp":1}"#, "unknown variant `paymentDreamt`");
        check(r#"{"record":"paymentSettled","timestamp":1}"#, "rebalanceId is missing");
        check(r#"{"record":"resumed","timestamp":1}"#, "scope is missing");
        check("", "EOF while parsing");
    }

    fn check(line: &str, reason: &str) {
        let error = decode(line.as_bytes()).expect_err("is no record");
        assert!(error.starts_with(reason), "{error}");
    }
}
