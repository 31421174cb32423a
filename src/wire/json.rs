//! JSON as a JavaScript peer means it: objects of scalars, read from bytes and written again.
//!
//! Numbers are kept as ECMAScript prints them, since that text is what signatures cover; strings
//! may hold lone surrogates, as JavaScript's may. Memory stays within a small multiple of the
//! bytes read. What the fields mean is not known here.

use std::collections::BTreeMap;

use super::fault::Fault;

/// How deep a value that is skipped may be nested, so that the stack is bounded.
const SKIPPED_DEPTH_MAX: u32 = 16;

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

/// Reads one JSON text from the front to the back.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which must be UTF-8.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        let text = str::from_utf8(bytes);
        text.map(|text| Self { text, at: 0 })
            .map_err(|error| Fault::NotJson { at: error.valid_up_to() })
    }

    /// Nothing but white space follows.
    pub(super) fn end(mut self) -> Result<(), Fault> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unreadable()) }
    }

    /// Reads an object: `entry` reads each value.
    pub(super) fn entries(
        &mut self,
        mut entry: impl FnMut(&mut Self, Vec<u16>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            entry(self, key)?;
            if !self.take(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// Reads an object of scalars.
    pub(super) fn object(&mut self) -> Result<Object, Fault> {
        let mut object = Object::default();
        self.entries(|reader, key| {
            let value = reader.scalar()?;
            let is_new = object.0.insert(key, value).is_none();
            if is_new { Ok(()) } else { Err(Fault::DuplicateKey) }
        })?;
        Ok(object)
    }

    /// Reads a scalar.
    pub(super) fn scalar(&mut self) -> Result<Scalar, Fault> {
        match self.peek() {
            Some(b'{' | b'[') => Err(Fault::Nested),
            Some(b'"') => self.string().map(|units| Scalar::Text(Text::new(&units))),
            Some(b'-' | b'0'..=b'9') => self.number().map(Scalar::Number),
            Some(b'n') => self.word("null", Scalar::Null),
            Some(b't') => self.word("true", Scalar::Bool(true)),
            Some(b'f') => self.word("false", Scalar::Bool(false)),
            Some(_) | None => Err(self.unreadable()),
        }
    }

    /// Reads a value of any kind and forgets it.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        self.skip_within(SKIPPED_DEPTH_MAX)
    }

    fn skip_within(&mut self, depth: u32) -> Result<(), Fault> {
        let inner = match (self.peek(), depth.checked_sub(1)) {
            (Some(b'{' | b'['), None) => return Err(Fault::Nested),
            (Some(b'{'), Some(inner)) => {
                return self.entries(|reader, _| reader.skip_within(inner));
            }
            (Some(b'['), Some(inner)) => inner,
            (Some(_) | None, _) => return self.scalar().map(|_| ()),
        };
        self.expect(b'[')?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.skip_within(inner)?;
            if !self.take(b',') {
                return self.expect(b']');
            }
        }
    }

    /// Whether an object comes next.
    pub(super) fn is_at_object(&mut self) -> bool {
        self.peek() == Some(b'{')
    }

    fn word(&mut self, word: &str, value: Scalar) -> Result<Scalar, Fault> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.unreadable());
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.take_raw(b'-');
        if !self.take_raw(b'0') {
            self.digits()?;
        }
        if self.take_raw(b'.') {
            self.digits()?;
        }
        if self.take_raw(b'e') || self.take_raw(b'E') {
            let _is_signed = self.take_raw(b'+') || self.take_raw(b'-');
            self.digits()?;
        }
        let number: f64 = self.text[start..self.at].parse().map_err(|_| self.unreadable())?;
        if !number.is_finite() {
            return Err(Fault::NotFinite);
        }
        Ok(ryu_js::Buffer::new().format_finite(number).to_owned())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.unreadable());
        }
        self.at += length;
        Ok(())
    }

    /// Reads a string as UTF-16 code units.
    fn string(&mut self) -> Result<Vec<u16>, Fault> {
        self.expect(b'"')?;
        let mut units = Vec::new();
        loop {
            let Some(c) = self.text[self.at..].chars().next() else {
                return Err(self.unreadable());
            };
            match c {
                '"' => break,
                '\\' => units.push(self.escape()?),
                '\0'..='\x1f' => return Err(self.unreadable()),
                _ => {
                    self.at += c.len_utf8();
                    units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                }
            }
        }
        self.at += 1;
        Ok(units)
    }

    /// Reads what follows a backslash: one code unit, which may be half a character.
    fn escape(&mut self) -> Result<u16, Fault> {
        let escape = self.text.as_bytes().get(self.at + 1).copied();
        let unit = match escape {
            Some(c @ (b'"' | b'\\' | b'/')) => u16::from(c),
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => 0x0a,
            Some(b'r') => 0x0d,
            Some(b't') => 0x09,
            Some(b'u') => {
                let digits = self.text.get(self.at + 2..self.at + 6);
                let digits = digits.filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
                let unit = digits.and_then(|text| u16::from_str_radix(text, 16).ok());
                let unit = unit.ok_or(Fault::NotJson { at: self.at })?;
                self.at += 4;
                unit
            }
            Some(_) | None => return Err(self.unreadable()),
        };
        self.at += 2;
        Ok(unit)
    }

    /// The byte that follows any white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text[self.at..].trim_start_matches([' ', '\t', '\n', '\r']);
        self.at = self.text.len() - rest.len();
        rest.bytes().next()
    }

    /// Goes past `byte`, if it follows any white space.
    fn take(&mut self, byte: u8) -> bool {
        self.peek();
        self.take_raw(byte)
    }

    /// Goes past `byte`, if it follows at once.
    fn take_raw(&mut self, byte: u8) -> bool {
        let is_there = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.take(byte) { Ok(()) } else { Err(self.unreadable()) }
    }

    const fn unreadable(&self) -> Fault {
        Fault::NotJson { at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_json_parse_refuses_is_refused() {
        for json in [
            "",
            "{",
            "{}x",
            "{,}",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{a:1}",
            "{'a':1}",
            "\u{feff}{}",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "{\"a\":1.}",
            "{\"a\":1e}",
            "{\"a\":-}",
            "{\"a\":NaN}",
            "{\"a\":Infinity}",
            "{\"a\":0x1}",
            "{\"a\":tru}",
            "{\"a\":nul}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"\\u+123\"}",
            "{\"a\":\"",
            "{\"a\":\"\\",
            "{\"a\":\"\\u12",
            "{\"a\":\u{a0}1}",
            "[1]",
            "1",
            "\"a\"",
        ] {
            let fault = object(json).expect_err(json);
            assert!(matches!(fault, Fault::NotJson { .. }), "{json}: {fault:?}");
        }
    }

    #[test]
    fn nested_values_duplicate_keys_and_infinities_are_told_apart() {
        for (json, fault) in [
            (r#"{"a":{}}"#, Fault::Nested),
            (r#"{"a":[]}"#, Fault::Nested),
            (r#"{"a":1,"a":1}"#, Fault::DuplicateKey),
            (r#"{"a":1,"\u0061":1}"#, Fault::DuplicateKey),
            (r#"{"a":1e999}"#, Fault::NotFinite),
            (r#"{"a":-1e309}"#, Fault::NotFinite),
        ] {
            assert_eq!(object(json), Err(fault), "{json}");
        }
        assert!(object(r#"{"\ud800":1,"\ud801":1}"#).is_ok(), "JavaScript tells these keys apart");
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

    #[test]
    fn what_is_skipped_may_be_nested_but_not_for_ever() {
        let skip = |json: &str| {
            let mut reader = Reader::new(json.as_bytes())?;
            reader.skip()?;
            reader.end()
        };
        for json in [r#"[1,{"a":[],"a":{}},"b"] "#, "[[[[]]]]", "7", "{}", "[ ]"] {
            assert_eq!(skip(json), Ok(()), "{json}");
        }
        assert_eq!(skip(&"[".repeat(60_000)), Err(Fault::Nested));
        assert!(matches!(skip("[1 2]"), Err(Fault::NotJson { at: 3 })));
    }

    fn object(json: &str) -> Result<Object, Fault> {
        let mut reader = Reader::new(json.as_bytes())?;
        let object = reader.object()?;
        reader.end()?;
        Ok(object)
    }
}
