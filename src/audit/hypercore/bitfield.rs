//! The file `bitfield`: one bit per block, which says that the block is there.
//!
//! Ours are always all there, so the file follows from the length alone.

/// How many blocks a page tells of, and how many bytes it takes.
const PAGE_BITS: u64 = 32_768;
const PAGE_BYTES: u64 = PAGE_BITS / 8;

/// How long the file is for `length` blocks.
pub(super) const fn byte_length(length: u64) -> u64 {
    length.div_ceil(PAGE_BITS) * PAGE_BYTES
}

/// The whole pages that change when a log grows from `old` to `new` blocks, and where they start.
pub(super) fn grown(old: u64, new: u64) -> (u64, Vec<u8>) {
    let start = old / PAGE_BITS * PAGE_BYTES;
    let bytes = (start..byte_length(new)).map(|at| byte(at, new)).collect();
    (start, bytes)
}

/// Where the file is wrong, of a log whose header tells of `flushed` blocks and which has `length`
/// by now. It must be right for either: it is written before the header.
pub(super) fn first_fault(bytes: &[u8], flushed: u64, length: u64) -> Option<u64> {
    let fault = |length| {
        let is_wrong = |(at, found): &(u64, &u8)| **found != byte(*at, length);
        let missing = (bytes.len() as u64) < byte_length(length);
        let wrong = (0..).zip(bytes).find(is_wrong).map(|(at, _)| at);
        wrong.or_else(|| missing.then_some(bytes.len() as u64))
    };
    fault(length).and_then(|_| fault(flushed))
}

/// The byte at `at` in the file for `length` blocks.
fn byte(at: u64, length: u64) -> u8 {
    match length.saturating_sub(8 * at) {
        bits @ 0..=7 => (1 << bits) - 1,
        8.. => 0xff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_bit_per_block_lowest_first() {
        check(0, 0, 0, 0, &[]);
        check(0, 1, 0, 4096, &[1, 0]);
        check(3, 9, 0, 4096, &[0xff, 1, 0]);
        check(32_767, 32_768, 0, 4096, &[0xff, 0xff]);
        check(32_768, 32_769, 4096, 4096, &[1, 0]);
        check(32_760, 65_537, 0, 3 * 4096, &[0xff, 0xff]);
    }

    fn check(old: u64, new: u64, start: u64, length: usize, begins: &[u8]) {
        let (at, bytes) = grown(old, new);
        assert_eq!((at, bytes.len()), (start, length), "{old} to {new}");
        assert!(bytes.starts_with(begins), "{old} to {new}");
        let ones: u64 = bytes.iter().map(|byte| u64::from(byte.count_ones())).sum();
        assert_eq!(ones, new - start * 8);
    }
}
