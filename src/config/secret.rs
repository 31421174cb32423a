//! [`Secret`] and [`Macaroon`]: what must never be printed.
//!
//! Neither has a `Display`, and their `Debug` says nothing of what they hold. The bytes come out by
//! methods whose names are easy to search for. Where they are read from is not decided here.

use std::fmt;

/// A text that only its owners may know: what a cluster shares, or a token.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text as it is.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Wraps the text of a file, without the newline that editors put at its end.
    pub fn from_file_text(text: &str) -> Self {
        let line = text.strip_suffix('\n').unwrap_or(text);
        Self(line.strip_suffix('\r').unwrap_or(line).to_owned())
    }

    /// The text itself. Whoever calls this keeps it out of logs, errors and records.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The token that LND asks for with each call.
#[derive(Clone, Eq, PartialEq)]
pub struct Macaroon(Vec<u8>);

impl Macaroon {
    /// Wraps the bytes of a macaroon file.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes themselves. Whoever calls this keeps them out of logs, errors and records.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Macaroon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Macaroon(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_final_newline_is_the_editors_and_the_rest_is_the_secret() {
        for (text, secret) in [("a b\n", "a b"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a ")] {
            assert_eq!(Secret::from_file_text(text).expose(), secret, "{text:?}");
        }
    }

    #[test]
    fn debug_says_nothing() {
        let shown = format!("{:?} {:?}", Secret::new("hush".into()), Macaroon::new(vec![0xab]));
        assert_eq!(shown, "Secret(..) Macaroon(..)");
        assert_eq!(Macaroon::new(vec![0x02, 0xab]).expose(), [0x02, 0xab]);
    }
}
