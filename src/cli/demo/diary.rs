//! [`Diary`]: what a daemon writes into its logs, in sentences, and what that comes to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::super::status::figures::{percent, sats};
use super::cast::Cast;
use super::news::{Line, Who};
use super::owner::Owner;
use crate::audit::Reader;
use crate::time::Time;
use crate::units::Msat;

/// Reads both logs of a daemon as they grow.
#[derive(Debug)]
pub(super) struct Diary {
    who: Who,
    cast: Cast,
    /// The log of transactions, and that of events.
    folders: [PathBuf; 2],
    readers: [Option<Reader>; 2],
    /// The attempts as payee, by their names: the payee, the payer, and the channel's name.
    attempts: BTreeMap<String, [String; 3]>,
    tally: Tally,
}

/// What a daemon's records come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// What it paid, and how often.
    pub(super) paid: (u64, Msat),
    /// What it was paid, and how often.
    pub(super) arrived: (u64, Msat),
    /// From each drift, since it was seen, to the payment that mended it, as payee.
    pub(super) times: Vec<Duration>,
}

/// A sentence, and when what it tells of happened.
#[derive(Debug)]
pub(super) struct Dated {
    pub(super) at: Time,
    pub(super) line: Line,
}

impl Diary {
    /// The diary of an owner's daemon.
    pub(super) fn of(owner: &Owner, cast: Cast) -> Self {
        let (who, folders) = (owner.who, owner.logs());
        let (attempts, tally) = (BTreeMap::new(), Tally::default());
        Self { who, cast, folders, readers: [None, None], attempts, tally }
    }

    /// What it comes to so far.
    pub(super) const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What has been written since the last time, the log of transactions first.
    pub(super) fn read(&mut self) -> anyhow::Result<Vec<Dated>> {
        let mut told = Vec::new();
        for log in [0, 1] {
            while let Some(entry) = self.next(log)? {
                let at = Time::from_unix_ms(entry["timestamp"].as_u64().unwrap_or(0));
                let sentence =
                    if log == 0 { self.transaction(&entry) } else { self.event(&entry, at) };
                let line = sentence.map(|text| Line { who: self.who, text });
                told.extend(line.map(|line| Dated { at, line }));
            }
        }
        Ok(told)
    }

    /// The next entry of a log, if there is one.
    fn next(&mut self, log: usize) -> anyhow::Result<Option<Value>> {
        let (folder, reader) = (&self.folders[log], &mut self.readers[log]);
        if reader.is_none() && folder.join("data").is_file() {
            *reader = Some(Reader::open(folder)?);
        }
        let Some(reader) = reader else { return Ok(None) };
        let line = reader.next_line()?;
        Ok(line.map(|(_, line)| serde_json::from_slice(line)).transpose()?)
    }

    /// A record in a sentence, if it is worth one.
    fn transaction(&mut self, entry: &Value) -> Option<String> {
        let node = |field: &str| self.cast.node(entry[field].as_str()?);
        let (payee, payer) = (node("paidTo")?, node("paidBy")?);
        let point = entry["channelPoint"].as_str()?.parse().ok()?;
        let (_, link) = self.cast.link(point)?;
        let name = self.cast.name(point);
        let amount = Msat::new(entry["amountMsat"].as_u64()?);
        let sat = sats(amount);
        let is_own = Who::of(link.near) == Who::of(link.far);
        let reason = || entry["reason"].as_str().unwrap_or_default().to_owned();
        match entry["record"].as_str()? {
            "rebalanceOpened" => {
                let id = entry["rebalanceId"].as_str()?.to_owned();
                let why = self.cast.total(point).and_then(|total| share_before(amount, total));
                let why = why.map(|share| format!(": it has {share} there")).unwrap_or_default();
                let sentence = format!("{payee} asks {payer} for {sat} sat over {name}{why}");
                self.attempts.insert(id, [payee, payer, name]);
                Some(sentence)
            }
            "paymentIntended" if !is_own => {
                Some(format!("{payer} finds it in order, and pays {payee} {sat} sat over {name}"))
            }
            "paymentSettled" => {
                add(&mut self.tally.paid, amount);
                None
            }
            "rebalanceSettled" => {
                add(&mut self.tally.arrived, amount);
                None
            }
            "paymentUnknown" => Some(format!(
                "what became of {sat} sat from {payer} to {payee} is asked of {payer}"
            )),
            "paymentFailed" => {
                Some(format!("{payer} could not pay {payee} {sat} sat: {}", reason()))
            }
            "rebalanceFailed" if !is_own => {
                Some(format!("{payee} was not paid {sat} sat: {}", reason()))
            }
            _ => None,
        }
    }

    /// An event in a sentence, if it is worth one.
    fn event(&mut self, entry: &Value, at: Time) -> Option<String> {
        let data = &entry["data"];
        let text = |field: &str| data[field].as_str();
        match entry["event"].as_str()? {
            "starting" => Some("the daemon starts".to_owned()),
            "shutdown" => Some("the daemon stops in good order".to_owned()),
            "reloaded" => Some(format!("the daemon takes over {}", list(&data["taken"]))),
            "peerHello" if data["isProven"].as_bool()? => {
                let alias = text("alias")?;
                Some(format!("a peer speaks for {alias}, by a signature of {alias} itself"))
            }
            "startWatchingChannel" => {
                let point = text("channelPoint")?.parse().ok()?;
                Some(format!("{} is kept in balance from now on", self.cast.name(point)))
            }
            "invoicePaid" => {
                let [payee, _, name] = self.attempts.get(text("rebalanceId")?)?;
                let drifted = data["driftedAt"].as_u64().map(Time::from_unix_ms);
                let after = drifted.map(|drifted| at.since(drifted));
                self.tally.times.extend(after);
                let after =
                    after.map(|after| format!(" {} after its drift was seen", brief(after)));
                Some(format!("{payee} is paid; {name} is mended{}", after.unwrap_or_default()))
            }
            "offerRefused" => Some(format!("a request is refused: {}", text("reason")?)),
            "error" => Some(format!("error: {}", text("message")?)),
            _ => None,
        }
    }
}

fn add(sum: &mut (u64, Msat), amount: Msat) {
    *sum = (sum.0 + 1, sum.1.saturating_add(amount));
}

/// The share of a side that asks for what it lacks to the half.
fn share_before(asked: Msat, total: Msat) -> Option<String> {
    let half = Msat::new(total.msat() / 2);
    half.saturating_sub(asked).part_of(total).map(percent)
}

/// Texts in a row.
fn list(texts: &Value) -> String {
    let texts = texts.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join(", ")
}

/// A length of time, short ones to the millisecond.
pub(super) fn brief(span: Duration) -> String {
    match span.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        ms => format!("{}.{} s", ms / 1000, ms / 100 % 10),
    }
}
