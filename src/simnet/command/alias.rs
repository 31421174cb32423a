//! What a node is called. Whether there is such a node is for others to say.

use std::fmt;

use super::words::Complaint;

/// The most characters of a name: as many as BOLT 7 has room for.
const CHARS_MAX: usize = 32;

/// The name of a node: 1 to 32 of a to z, 0 to 9 and `-`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Alias(String);

impl Alias {
    /// Reads one.
    pub(in crate::simnet) fn read(text: &str) -> Result<Self, Complaint> {
        let is_meant = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=CHARS_MAX).contains(&text.len()) && text.chars().all(is_meant) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Complaint::not(text, "name of a node: write 1 to 32 of a to z, 0 to 9 and -"))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
