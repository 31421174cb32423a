//! Reads the lengths of a secret stream's frames as they pass, and ends it at one that is too long.
//!
//! The secret stream would make room for 16 MiB at a stranger's word. Frames are three bytes of
//! length, little-endian, and as many bytes; nothing else is looked at.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::MESSAGE_BYTES_MAX;

/// The longest frame: a message, its tag and its authenticator.
const FRAME_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 17;

/// A stream whose incoming frames are measured.
#[derive(Debug)]
pub(super) struct Measured<T> {
    inner: T,
    ruler: Ruler,
}

impl<T> Measured<T> {
    /// Measures what comes from `inner`.
    pub(super) fn new(inner: T) -> Self {
        Self { inner, ruler: Ruler::default() }
    }
}

/// Where in a frame the reader is.
#[derive(Debug, Default)]
struct Ruler {
    /// How much of the body is yet to come.
    body: usize,
    /// The bytes of the length that are there, and how many.
    length: (usize, u32),
}

impl Ruler {
    /// Takes in the next bytes; false where they begin a frame that is too long.
    fn admits(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((first, rest)) = bytes.split_first() {
            if self.body > 0 {
                let passed = self.body.min(bytes.len());
                self.body -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            let (length, count) = self.length;
            self.length = (length | usize::from(*first) << (8 * count), count + 1);
            bytes = rest;
            if count == 2 {
                self.body = std::mem::take(&mut self.length).0;
                if self.body > FRAME_BYTES_MAX {
                    return false;
                }
            }
        }
        true
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Measured<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if self.ruler.admits(&buf.filled()[before..]) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Ready(Err(io::Error::new(io::ErrorKind::FileTooLarge, "the frame is too long")))
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Measured<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of these lengths, cut into pieces of `piece` bytes.
    #[track_caller]
    fn check(lengths: &[usize], piece: usize, is_admitted: bool) {
        let mut bytes = Vec::new();
        for length in lengths {
            bytes.extend_from_slice(&length.to_le_bytes()[..3]);
            bytes.resize(bytes.len() + length, 0xff);
        }
        let mut ruler = Ruler::default();
        let admits = bytes.chunks(piece).all(|piece| ruler.admits(piece));
        assert_eq!(admits, is_admitted, "{lengths:?} by {piece}");
    }

    #[test]
    fn a_frame_that_is_too_long_is_told_by_its_length() {
        for piece in [1, 2, 3, 7, 1_200, 1_000_000] {
            check(&[56, 0, 17, FRAME_BYTES_MAX, 1, 256, 65_536], piece, true);
            check(&[56, FRAME_BYTES_MAX + 1], piece, false);
            check(&[0, 0, 0xff_ff_ff], piece, false);
        }
        assert!(!Ruler::default().admits(&[0xff, 0xff, 0xff]), "before any of its body");
    }
}
