//! The bytes of a macaroon, version 2 of the binary format: fields with a type and a length.
//!
//! Nothing is believed here but the form; caveats of third parties, which lnd never makes, are
//! refused.

use std::fmt;

/// The first byte of the format.
const VERSION: u8 = 2;
/// The fields, by their types on the wire.
const END: usize = 0;
const LOCATION: usize = 1;
const IDENTIFIER: usize = 2;
const SIGNATURE: usize = 6;

/// A macaroon as it is carried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Sealed {
    /// Where it was baked; signed by nobody.
    pub(super) location: String,
    /// What it permits, and the root key.
    pub(super) id: Vec<u8>,
    /// What must hold for it to be taken.
    pub(super) caveats: Vec<Vec<u8>>,
    /// The last HMAC of the chain.
    pub(super) signature: [u8; 32],
}

/// What is wrong with the bytes, in lnd's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unreadable {
    /// There are none.
    Empty,
    /// They are of another format.
    Format,
    /// They end early, or are in no order.
    Fields(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty macaroon data"),
            Self::Format => f.write_str("cannot determine data format of binary-encoded macaroon"),
            Self::Fields(what) => write!(f, "unmarshal v2: {what}"),
        }
    }
}

impl std::error::Error for Unreadable {}

impl Sealed {
    /// The bytes that are carried.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        push(&mut bytes, LOCATION, self.location.as_bytes());
        push(&mut bytes, IDENTIFIER, &self.id);
        bytes.push(0);
        for caveat in &self.caveats {
            push(&mut bytes, IDENTIFIER, caveat);
            bytes.push(0);
        }
        bytes.push(0);
        push(&mut bytes, SIGNATURE, &self.signature);
        bytes
    }

    /// Reads what is carried.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (&version, mut rest) = bytes.split_first().ok_or(Unreadable::Empty)?;
        if version != VERSION {
            return Err(Unreadable::Format);
        }
        let mut head = section(&mut rest)?;
        let mut location = String::new();
        if head.first().is_some_and(|field| field.0 == LOCATION) {
            location = String::from_utf8_lossy(head.remove(0).1).into_owned();
        }
        let [(IDENTIFIER, id)] = head[..] else {
            return Err(Unreadable::Fields("invalid macaroon header"));
        };
        let mut caveats = Vec::new();
        loop {
            match section(&mut rest)?[..] {
                [] => break,
                [(IDENTIFIER, caveat)] => caveats.push(caveat.to_vec()),
                _ => return Err(Unreadable::Fields("invalid field found in caveat")),
            }
        }
        let (SIGNATURE, signature) = field(&mut rest)? else {
            return Err(Unreadable::Fields("unexpected field found instead of signature"));
        };
        let signature = signature
            .try_into()
            .map_err(|_| Unreadable::Fields("signature has unexpected length"))?;
        Ok(Self { location, id: id.to_vec(), caveats, signature })
    }
}

/// Appends a field.
fn push(bytes: &mut Vec<u8>, kind: usize, value: &[u8]) {
    for number in [kind, value.len()] {
        let number = u64::try_from(number).expect("a length fits into 64 bits");
        prost::encoding::encode_varint(number, bytes);
    }
    bytes.extend_from_slice(value);
}

/// Reads fields up to the end of their section.
fn section<'a>(rest: &mut &'a [u8]) -> Result<Vec<(usize, &'a [u8])>, Unreadable> {
    let mut fields: Vec<(usize, &[u8])> = Vec::new();
    loop {
        if rest.is_empty() {
            return Err(Unreadable::Fields("section extends past end of buffer"));
        }
        let read = field(rest)?;
        if read.0 == END {
            return Ok(fields);
        }
        if fields.last().is_some_and(|last| last.0 >= read.0) {
            return Err(Unreadable::Fields("fields out of order"));
        }
        fields.push(read);
    }
}

/// Reads a field: its type and its value.
fn field<'a>(rest: &mut &'a [u8]) -> Result<(usize, &'a [u8]), Unreadable> {
    let kind = number(rest)?;
    if kind == END {
        return Ok((END, &[]));
    }
    let length = number(rest)?;
    let (value, after) = rest
        .split_at_checked(length)
        .ok_or(Unreadable::Fields("field data extends past end of buffer"))?;
    *rest = after;
    Ok((kind, value))
}

/// Reads a number of variable length.
fn number(rest: &mut &[u8]) -> Result<usize, Unreadable> {
    if rest.is_empty() {
        return Err(Unreadable::Fields("varint value extends past end of buffer"));
    }
    let read = prost::encoding::decode_varint(rest);
    let number = read.ok().and_then(|number| i32::try_from(number).ok());
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.ok_or(Unreadable::Fields("varint value out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_macaroon_is_told_as_lnd_does() {
        check("", "empty macaroon data");
        check("ff", "cannot determine data format of binary-encoded macaroon");
        check("02", "unmarshal v2: section extends past end of buffer");
        check("0201", "unmarshal v2: varint value extends past end of buffer");
        check("020105", "unmarshal v2: field data extends past end of buffer");
        check("020000", "unmarshal v2: invalid macaroon header");
        check("02020200000000060100", "unmarshal v2: signature has unexpected length");
    }

    /// Checks what is said of bytes, given in hex.
    #[track_caller]
    fn check(hex: &str, expected: &str) {
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex");
        let error = Sealed::from_bytes(&bytes).expect_err("no macaroon");
        assert_eq!(error.to_string(), expected);
    }
}
