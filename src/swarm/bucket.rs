//! Bounds how many strangers are answered in a span of time.

use std::time::Duration;

use tokio::time::Instant;

/// How many strangers are answered at once: all of a cluster that starts at the same time.
const BURST: u32 = 64;

/// How long it takes until one more is answered. A handshake costs about four curve operations,
/// and a stranger that is let in may take the place of another: at this rate, whoever is let in
/// among many has some seconds to show that it is a member.
const INTERVAL: Duration = Duration::from_millis(60);

/// A bucket of leave to be answered, which fills with time.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// When it is full again, if it is not.
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes leave for one, if there is any.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + INTERVAL;
        let is_left = full_at <= now + INTERVAL * BURST;
        if is_left {
            self.full_at = Some(full_at);
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_one_by_one() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        let mut taken_at = |now| (0..1_000).filter(|_| bucket.take(now)).count();
        assert_eq!(taken_at(start), 64);
        assert_eq!(taken_at(start + INTERVAL - Duration::from_millis(1)), 0);
        assert_eq!(taken_at(start + INTERVAL), 1);
        assert_eq!(taken_at(start + INTERVAL * 11), 10);
        assert_eq!(taken_at(start + INTERVAL * 1_000), 64);
    }
}
