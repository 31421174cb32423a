//! [`Mask`]: which values of the event log are hidden, and how.
//!
//! As in the original: of a string the first characters stay, anything else goes altogether. The
//! transaction log is never masked, because start-up reads it.

use std::collections::BTreeSet;

use serde_json::Value;

/// How many characters of a masked string stay readable.
const READABLE: usize = 8;
/// What stands in place of a masked value that is not a string.
const PROTECTED: &str = "**[protected data]**";

/// The keys whose values are hidden.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Mask {
    keys: BTreeSet<String>,
}

impl Mask {
    /// Hides the values of these keys.
    pub fn new(keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { keys: keys.into_iter().map(Into::into).collect() }
    }

    /// `data` with the values of the masked keys at its top level hidden.
    pub fn hide(&self, mut data: Value) -> Value {
        if let Value::Object(fields) = &mut data {
            for (_, value) in fields.iter_mut().filter(|(key, _)| self.keys.contains(*key)) {
                *value = Value::String(hidden(value));
            }
        }
        data
    }

    /// A text that is the value of `key`, hidden where that is masked.
    pub fn hide_text(&self, key: &str, text: String) -> String {
        if self.keys.contains(key) { readable(&text) } else { text }
    }
}

/// What is shown of a masked value.
fn hidden(value: &Value) -> String {
    match value {
        Value::String(text) => readable(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            PROTECTED.to_owned()
        }
    }
}

/// What is shown of a masked text.
fn readable(text: &str) -> String {
    let mark = |(at, c)| if at < READABLE { c } else { '*' };
    text.chars().enumerate().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_keep_their_first_eight_characters() {
        check(json!({"topic": "0123456789"}), json!({"topic": "01234567**"}));
        check(json!({"topic": "0123"}), json!({"topic": "0123"}));
        check(json!({"topic": "äöüäöüäöüß"}), json!({"topic": "äöüäöüäö**"}));
    }

    #[test]
    fn other_values_go_altogether() {
        check(json!({"topic": 7}), json!({"topic": PROTECTED}));
        check(json!({"topic": ["secret"]}), json!({"topic": PROTECTED}));
    }

    #[test]
    fn other_keys_and_deeper_levels_stay() {
        check(json!({"alias": "0123456789"}), json!({"alias": "0123456789"}));
        check(json!({"a": {"topic": "0123456789"}}), json!({"a": {"topic": "0123456789"}}));
    }

    #[test]
    fn a_text_by_itself_is_hidden_as_within_an_entry() {
        let mask = Mask::new(["topic"]);
        assert_eq!(mask.hide_text("topic", "0123456789".into()), "01234567**");
        assert_eq!(mask.hide_text("alias", "0123456789".into()), "0123456789");
    }

    fn check(data: Value, expected: Value) {
        assert_eq!(Mask::new(["topic"]).hide(data), expected);
    }
}
