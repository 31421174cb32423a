//! The layout of the file `oplog`: two slots for headers, and behind them entries.
//!
//! Headers are written to the two slots in turn, so a torn one leaves the other. Each frame has a
//! bit: the two slots' bits together tell which slot is live, and only entries with the bit of the
//! live slot count. So one write of a header voids all entries before it. Nothing here touches the
//! disk.

use super::header::{Entry, Header};

/// How many bytes a slot takes.
const SLOT_BYTES: usize = 4096;
/// Where the entries begin.
pub(super) const ENTRIES_AT: usize = 2 * SLOT_BYTES;
/// What stands before the content of a frame: a checksum, and the length with two bits.
const PREFIX_BYTES: usize = 8;

/// Which slots and entries count, and what the next frame must look like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Layout {
    /// The bit of each slot.
    bits: [bool; 2],
    /// Where the live entries end.
    end: usize,
}

impl Layout {
    /// That of an empty file: the first header goes to the first slot.
    pub(super) const NEW: Self = Self { bits: [true, false], end: ENTRIES_AT };

    /// Where the live entries end, and the next one goes.
    pub(super) const fn end(self) -> usize {
        self.end
    }

    /// Whether the second slot is the live one, which is also the bit of live entries.
    const fn live(self) -> bool {
        self.bits[0] != self.bits[1]
    }

    /// The frame of the next header, where it goes, and the layout once it is there.
    pub(super) fn header(self, content: &[u8]) -> (Vec<u8>, usize, Self) {
        let slot = usize::from(!self.live());
        let mut bits = self.bits;
        bits[slot] = !bits[slot];
        let next = Self { bits, end: ENTRIES_AT };
        (frame(content, bits[slot]), slot * SLOT_BYTES, next)
    }

    /// The frame of the next entry, which goes to [`Layout::end`], and the layout once it is there.
    pub(super) fn entry(self, content: &[u8]) -> (Vec<u8>, Self) {
        let bytes = frame(content, self.live());
        let next = Self { end: self.end + bytes.len(), ..self };
        (bytes, next)
    }
}

/// What a file `oplog` says.
#[derive(Debug)]
pub(super) struct Oplog {
    /// The live header.
    pub(super) header: Header,
    /// The live entries, in order.
    pub(super) entries: Vec<Entry>,
    /// Where all that stands.
    pub(super) layout: Layout,
    /// The first thing that is not as we would have written it, if there is one.
    pub(super) fault: Option<Fault>,
}

/// Bytes of the file that do not count and should.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The header in this slot.
    Slot(usize),
    /// What stands at this offset behind the last entry.
    Tail(usize),
}

/// Why a file `oplog` says nothing to us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unreadable {
    /// Neither slot holds a whole header.
    NoHeader,
    /// The header or an entry is whole, and says what a log of ours never does.
    NotOurs,
}

impl Oplog {
    /// Reads the file's bytes.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let slots = [0, 1].map(|slot| Frame::read(bytes, slot * SLOT_BYTES));
        let bits = match &slots {
            [Some(first), Some(second)] => [first.bit, second.bit],
            [Some(first), None] => [first.bit; 2],
            [None, Some(second)] => [!second.bit, second.bit],
            [None, None] => return Err(Unreadable::NoHeader),
        };
        let fault = slots.iter().position(Option::is_none).map(Fault::Slot);
        let mut layout = Layout { bits, end: ENTRIES_AT };
        let live = layout.live();
        let [first, second] = slots;
        let header = if live { second } else { first }
            .and_then(|frame| Header::from_bytes(frame.content))
            .ok_or(Unreadable::NotOurs)?;

        let mut entries = Vec::new();
        let mut tail = Frame::read(bytes, layout.end);
        while let Some(frame) = tail.filter(|frame| frame.bit == live && !frame.is_partial) {
            entries.push(Entry::from_bytes(frame.content).ok_or(Unreadable::NotOurs)?);
            layout.end += PREFIX_BYTES + frame.content.len();
            tail = Frame::read(bytes, layout.end);
        }
        // A whole entry with the other bit is one that the live header made void.
        let is_clean = bytes.len() <= layout.end || tail.is_some();
        let fault = fault.or_else(|| (!is_clean).then_some(Fault::Tail(layout.end)));
        Ok(Self { header, entries, layout, fault })
    }

    /// The number of blocks.
    pub(super) fn length(&self) -> u64 {
        self.entries.last().map_or_else(|| self.header.length(), |entry| entry.signed.length)
    }
}

/// A frame whose checksum is right.
#[derive(Clone, Copy)]
struct Frame<'a> {
    bit: bool,
    is_partial: bool,
    content: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at `at`, if a whole one is there.
    fn read(bytes: &'a [u8], at: usize) -> Option<Self> {
        let (checksum, rest) = bytes.get(at..)?.split_first_chunk()?;
        let (prefix, after) = rest.split_first_chunk()?;
        let prefix = u32::from_le_bytes(*prefix);
        let content = after.get(..usize::try_from(prefix >> 2).ok()?)?;
        let covered = &rest[..4 + content.len()];
        (crc32fast::hash(covered) == u32::from_le_bytes(*checksum)).then_some(Self {
            bit: prefix & 1 != 0,
            is_partial: prefix & 2 != 0,
            content,
        })
    }
}

/// The bytes of a frame.
fn frame(content: &[u8], bit: bool) -> Vec<u8> {
    // A commit is at most a few MiB; a longer one would not pass its own checksum when read.
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let mut covered = ((length << 2) | u32::from(bit)).to_le_bytes().to_vec();
    covered.extend_from_slice(content);
    let mut bytes = crc32fast::hash(&covered).to_le_bytes().to_vec();
    bytes.append(&mut covered);
    bytes
}
