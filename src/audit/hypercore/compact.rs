//! The compact encoding in which Hypercore writes its numbers and byte strings.
//!
//! Little-endian; a number takes one byte up to 0xfc, else a marker and two, four or eight.

/// Appends a number in as few bytes as it needs.
pub(super) fn put_uint(out: &mut Vec<u8>, number: u64) {
    let bytes = number.to_le_bytes();
    match number {
        0..=0xfc => out.push(bytes[0]),
        0xfd..=0xffff => {
            out.push(0xfd);
            out.extend_from_slice(&bytes[..2]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xfe);
            out.extend_from_slice(&bytes[..4]);
        }
        0x1_0000_0000.. => {
            out.push(0xff);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Appends a byte string behind its length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what the functions above wrote; every method is `None` where the bytes end too early.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next number.
    pub(super) fn uint(&mut self) -> Option<u64> {
        let [first] = self.fixed()?;
        match first {
            0xfd => self.fixed().map(|bytes| u16::from_le_bytes(bytes).into()),
            0xfe => self.fixed().map(|bytes| u32::from_le_bytes(bytes).into()),
            0xff => self.fixed().map(u64::from_le_bytes),
            small => Some(small.into()),
        }
    }

    /// The next byte string that stands behind its length.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.uint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// The next `N` bytes.
    pub(super) fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    /// Whether the next number is `expected`.
    pub(super) fn is_uint(&mut self, expected: u64) -> bool {
        self.uint() == Some(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_take_as_few_bytes_as_they_need() {
        check(0, 1);
        check(0xfc, 1);
        check(0xfd, 3);
        check(0xffff, 3);
        check(0x1_0000, 5);
        check(0xffff_ffff, 5);
        check(0x1_0000_0000, 9);
        check(u64::MAX, 9);
    }

    #[test]
    fn bytes_that_end_too_early_are_no_value() {
        assert_eq!(Reader(&[0xfd, 1]).uint(), None);
        assert_eq!(Reader(&[3, 1, 2]).bytes(), None);
        assert_eq!(Reader(&[0xff; 9]).bytes(), None);
        assert_eq!(Reader(&[]).fixed::<1>(), None);
    }

    fn check(number: u64, length: usize) {
        let mut out = Vec::new();
        put_uint(&mut out, number);
        assert_eq!(out.len(), length, "{number}");
        assert_eq!(Reader(&out).uint(), Some(number));
    }
}
