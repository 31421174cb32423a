//! The transaction log as comma-separated values (RFC 4180).

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::Value;

use crate::audit::TRANSACTION_FIELDS;

/// Writes the names of the columns.
pub(super) fn header(out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}\r\n", TRANSACTION_FIELDS.join(","))
}

/// Writes one entry; a field that it does not have stays empty.
pub(super) fn row(entry: &Value, out: &mut dyn Write) -> io::Result<()> {
    let cells = TRANSACTION_FIELDS.map(|field| cell(&entry[field]));
    write!(out, "{}\r\n", cells.join(","))
}

/// A value as a cell.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Cow::Owned(value.to_string())
        }
    };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        check(json!(null), "");
        check(json!(7), "7");
        check(json!("plain words"), "plain words");
        check(json!("one, two"), "\"one, two\"");
        check(json!("say \"no\"\n"), "\"say \"\"no\"\"\n\"");
        check(json!({"code": "other", "number": 3}), r#""{""code"":""other"",""number"":3}""#);
    }

    fn check(value: Value, expected: &str) {
        assert_eq!(cell(&value), expected);
    }
}
