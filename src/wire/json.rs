//! JSON as a JavaScript peer means it: objects of scalars, read from bytes and written again.
//!
//! Numbers are kept as ECMAScript prints them, since that text is what signatures cover; strings
//! may hold lone surrogates, as JavaScript's may. An object takes at most 16 KiB and four
//! times the bytes that it was read from. What the fields mean is not known here.

mod read;

use std::collections::BTreeMap;

pub(super) use self::read::Reader;

/// A value of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Scalar {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A finite number, as ECMAScript's `Number::toString` prints it.
    Number(String),
    /// A string.
    Text(Text),
}

impl Scalar {
    /// A string.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(Text { text: text.to_owned(), is_whole: true })
    }

    /// The value as JavaScript's `String(value)` gives it, in UTF-8.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Number(text) => text,
            Self::Text(text) => &text.text,
        }
    }
}

/// A string of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Text {
    /// The string, with U+FFFD for each lone surrogate, as Node hashes it.
    pub(super) text: String,
    /// Whether nothing had to be replaced.
    pub(super) is_whole: bool,
}

impl Text {
    /// A string of UTF-16 code units.
    fn new(units: &[u16]) -> Self {
        match String::from_utf16(units) {
            Ok(text) => Self { text, is_whole: true },
            Err(_) => Self { text: String::from_utf16_lossy(units), is_whole: false },
        }
    }
}

/// An object of scalars, by the UTF-16 code units of their keys: the order in which JavaScript
/// sorts strings.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Object(BTreeMap<Vec<u16>, Scalar>);

impl Object {
    /// The value under `key`.
    pub(super) fn value(&self, key: &str) -> Option<&Scalar> {
        self.0.get(&units(key))
    }

    /// Puts a value under `key`, in place of one that may be there.
    pub(super) fn insert(&mut self, key: &str, value: Scalar) {
        self.0.insert(units(key), value);
    }

    /// The object as query text: `key=value` joined by `&`, sorted by key.
    pub(super) fn to_query(&self) -> String {
        let pairs = self.0.iter().map(|(key, value)| {
            let key = String::from_utf16_lossy(key);
            [&key, "=", value.as_str()].concat()
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    /// The object as canonical JSON (RFC 8785); `None` with a lone surrogate, which that forbids.
    pub(super) fn to_json(&self) -> Option<String> {
        let mut json = String::from("{");
        for (key, value) in &self.0 {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&quoted(&String::from_utf16(key).ok()?));
            json.push(':');
            match value {
                Scalar::Text(text) if !text.is_whole => return None,
                Scalar::Text(text) => json.push_str(&quoted(&text.text)),
                Scalar::Null | Scalar::Bool(_) | Scalar::Number(_) => json.push_str(value.as_str()),
            }
        }
        json.push('}');
        Some(json)
    }
}

/// A JSON string, escaped as RFC 8785 and `JSON.stringify` do.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The UTF-16 code units of `text`.
fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fault::Fault;

    #[test]
    fn scalars_become_text_as_javascript_makes_it() {
        for (json, text) in [
            ("1e21", "1e+21"),
            ("1e20", "100000000000000000000"),
            ("-0", "0"),
            ("-0.0e5", "0"),
            ("5e-324", "5e-324"),
            ("1e-999", "0"),
            ("123.4", "123.4"),
            ("1e-6", "0.000001"),
            ("1E-7", "1e-7"),
            ("9007199254740993", "9007199254740992"),
            ("123456789012345678901234567890", "1.2345678901234568e+29"),
            ("0.1e1", "1"),
            ("true", "true"),
            ("false", "false"),
            ("null", "null"),
            (r#""null""#, "null"),
            (r#""\"\\\/\b\f\n\r\té""#, "\"\\/\u{8}\u{c}\n\r\té"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""a\ud800b""#, "a\u{fffd}b"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        ] {
            let value = Reader::new(json.as_bytes()).and_then(|mut reader| reader.scalar());
            assert_eq!(value.as_ref().map(Scalar::as_str), Ok(text), "{json}");
        }
    }

    #[test]
    fn keys_sort_by_their_utf_16_code_units() {
        let object = object(r#"{"b":1,"10":2,"9":3,"\uffff":4,"😀":5,"__proto__":6}"#);
        let query = object.expect("an object").to_query();
        assert_eq!(query, "10=2&9=3&__proto__=6&b=1&😀=5&\u{ffff}=4");
    }

    #[test]
    fn canonical_json_is_that_of_rfc_8785() {
        let json =
            r#" { "\u20ac" : "$" , "\r":-0 , "1":1E30,"\u0080":4.50, "a":"\u000f\u007f\/\n"} "#;
        let canonical = object(json).expect("an object").to_json();
        let expected =
            "{\"\\r\":0,\"1\":1e+30,\"a\":\"\\u000f\u{7f}/\\n\",\"\u{80}\":4.5,\"€\":\"$\"}";
        assert_eq!(canonical.as_deref(), Some(expected));
        for lone in [r#"{"a":"\ud800"}"#, r#"{"\ud800":1}"#] {
            assert_eq!(object(lone).expect("an object").to_json(), None);
        }
    }

    fn object(json: &str) -> Result<Object, Fault> {
        let mut reader = Reader::new(json.as_bytes())?;
        let object = reader.object()?;
        reader.end()?;
        Ok(object)
    }
}
