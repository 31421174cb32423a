//! Reads JSON from the front to the back, as `JSON.parse` does: what that refuses is refused.

use super::{Object, Scalar, Text};
use crate::wire::fault::Fault;

/// The most keys of an object: some times what a message needs, so that a stranger's document costs
/// little before its signature is known to be wrong.
const KEYS_MAX: usize = 64;

/// How deep a value that is skipped may be nested, so that the stack is bounded.
const SKIPPED_DEPTH_MAX: u32 = 16;

/// Reads one JSON text from the front to the back.
#[derive(Debug)]
pub(in crate::wire) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which must be UTF-8.
    pub(in crate::wire) fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        let text = str::from_utf8(bytes);
        text.map(|text| Self { text, at: 0 })
            .map_err(|error| Fault::NotJson { at: error.valid_up_to() })
    }

    /// Nothing but white space follows.
    pub(in crate::wire) fn end(mut self) -> Result<(), Fault> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unreadable()) }
    }

    /// Reads an object: `entry` reads each value.
    pub(in crate::wire) fn entries(
        &mut self,
        mut entry: impl FnMut(&mut Self, Vec<u16>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Ok(());
        }
        for _ in 0..KEYS_MAX {
            let key = self.string()?;
            self.expect(b':')?;
            entry(self, key)?;
            if !self.take(b',') {
                return self.expect(b'}');
            }
        }
        Err(Fault::TooManyKeys)
    }

    /// Reads an object of scalars.
    pub(in crate::wire) fn object(&mut self) -> Result<Object, Fault> {
        let mut object = Object::default();
        self.entries(|reader, key| {
            let value = reader.scalar()?;
            let is_new = object.0.insert(key, value).is_none();
            if is_new { Ok(()) } else { Err(Fault::DuplicateKey) }
        })?;
        Ok(object)
    }

    /// Reads a scalar.
    pub(in crate::wire) fn scalar(&mut self) -> Result<Scalar, Fault> {
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
    pub(in crate::wire) fn skip(&mut self) -> Result<(), Fault> {
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
    pub(in crate::wire) fn is_at_object(&mut self) -> bool {
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

    #[test]
    fn an_object_takes_four_times_its_bytes_and_sixteen_kilobytes_at_most() {
        let pairs = |count: u32| (0..count).map(|n| format!(r#""{n}":1"#)).collect::<Vec<_>>();
        assert_eq!(object(&format!("{{{}}}", pairs(65).join(","))), Err(Fault::TooManyKeys));
        for json in [
            format!("{{{}}}", pairs(64).join(",")),
            format!(r#"{{"a":"{}"}}"#, "é".repeat(30_000)),
            format!(r#"{{"{}":1}}"#, "a".repeat(40_000)),
            format!(r#"{{"{}":1}}"#, r"\ud800".repeat(10_000)),
            format!(r#"{{"a":1{}}}"#, "0".repeat(300)),
        ] {
            let object = object(&json).expect("an object");
            let sizes = object.0.iter().map(|(key, value)| {
                // The tree's nodes are half full at least; an allocation takes 32 bytes at least.
                let entry = 2 * (size_of_val(key) + size_of_val(value));
                entry + (2 * key.capacity()).max(32) + value.as_str().len().max(32)
            });
            let size: usize = sizes.sum();
            assert!(size <= 4 * json.len() + 16 * 1024, "{size} for {}", json.len());
        }
    }

    #[test]
    fn a_number_keeps_its_value_however_it_is_spelled() {
        arbtest::arbtest(|u| {
            let number: f64 = u.arbitrary()?;
            if number.is_finite() {
                for spelled in
                    [format!("{number}"), format!("{number:e}"), format!("{number:.40e}")]
                {
                    let value = Reader::new(spelled.as_bytes()).and_then(|mut json| json.scalar());
                    let Ok(Scalar::Number(text)) = value else { panic!("{spelled}: {value:?}") };
                    assert_eq!(text.parse(), Ok(number), "{spelled}");
                }
            }
            Ok(())
        });
    }

    fn object(json: &str) -> Result<Object, Fault> {
        let mut reader = Reader::new(json.as_bytes())?;
        let object = reader.object()?;
        reader.end()?;
        Ok(object)
    }
}
