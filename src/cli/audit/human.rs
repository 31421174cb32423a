//! Entries of the logs as lines for people.
//!
//! Fields are taken as they come, so that an entry of another version can be read as well. What
//! others may have written is shown without its control characters, which a terminal would obey.

use serde_json::Value;

use crate::time::Time;

/// How many digits of a node's key are shown: as many as tell nodes apart.
const KEY_DIGITS: usize = 10;

/// A line of the transaction log.
pub(super) fn transaction(entry: &Value) -> String {
    let mut line = format!("{} {}", time(&entry["timestamp"]), text(&entry["record"]));
    if !entry["amount"].is_null() {
        let (from, to) = (key(&entry["paidBy"]), key(&entry["paidTo"]));
        let (amount, channel) = (text(&entry["amount"]), text(&entry["channelId"]));
        line.push_str(&format!(": {amount} sat over {channel} from {from} to {to}"));
    }
    for (field, word) in [("scope", ""), ("until", "until "), ("reason", "because ")] {
        let value = &entry[field];
        if !value.is_null() {
            let value = if field == "until" { time(value) } else { text(value) };
            line.push_str(&format!(", {word}{value}"));
        }
    }
    line
}

/// A line of the event log.
pub(super) fn event(entry: &Value) -> String {
    let mut line = format!("{} {}", time(&entry["timestamp"]), text(&entry["event"]));
    for (field, value) in entry["data"].as_object().into_iter().flatten() {
        line.push_str(&format!(" {}={}", clean(field), text(value)));
    }
    line
}

/// A time as people read it.
fn time(value: &Value) -> String {
    let time = value.as_u64().map(|ms| Time::from_unix_ms(ms).to_string());
    time.unwrap_or_else(|| text(value))
}

/// The beginning of a node's key.
fn key(value: &Value) -> String {
    text(value).chars().take(KEY_DIGITS).collect()
}

/// A value without quotes, if it is a string.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            clean(&value.to_string())
        }
    }
}

/// The text without characters that a terminal would obey.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_transaction_is_a_sentence() {
        let entry = json!({
            "record": "paymentFailed", "timestamp": 1_648_741_762_439_u64, "amount": 1234,
            "channelId": "790405x3965x1", "paidBy": "03".repeat(33), "paidTo": "02".repeat(33),
            "reason": "the channel was disabled or gone",
        });
        assert_eq!(
            transaction(&entry),
            "2022-03-31T15:49:22.439Z paymentFailed: 1234 sat over 790405x3965x1 from 0303030303 \
             to 0202020202, because the channel was disabled or gone"
        );
    }

    #[test]
    fn a_pause_says_where_and_until_when() {
        let entry = json!({
            "record": "paused", "timestamp": 0,
            "scope": "all", "until": 1000, "reason": "\u{1b}[2J",
        });
        assert_eq!(
            transaction(&entry),
            "1970-01-01T00:00:00.000Z paused, all, until 1970-01-01T00:00:01.000Z, because \
             \u{fffd}[2J"
        );
    }

    #[test]
    fn an_event_shows_its_data() {
        let entry = json!({
            "event": "shutdown", "timestamp": 1, "data": {"alias": "bob\n", "tokens": 7},
        });
        assert_eq!(event(&entry), "1970-01-01T00:00:00.001Z shutdown alias=bob\u{fffd} tokens=7");
    }
}
