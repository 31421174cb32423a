//! The peers that the caller wants nothing to do with for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::PeerKey;

/// How many peers are remembered. Keys cost nothing, so a stranger can have any number of them;
/// the ban that would end first gives way.
const BANS_MAX: usize = 1_024;

/// The peers that are dropped, and until when.
#[derive(Clone, Debug, Default)]
pub(super) struct Bans(BTreeMap<PeerKey, Ban>);

#[derive(Clone, Copy, Debug)]
struct Ban {
    /// Connections that are older than this are to be closed.
    since: Instant,
    until: Instant,
}

impl Bans {
    /// Drops `peer` from `now` on. What was to end later ends no earlier for that.
    pub(super) fn add(&mut self, now: Instant, peer: PeerKey, for_how_long: Duration) {
        if self.0.len() >= BANS_MAX && !self.0.contains_key(&peer) {
            let first = self.0.iter().min_by_key(|(_, ban)| ban.until).map(|(peer, _)| *peer);
            first.and_then(|first| self.0.remove(&first));
        }
        // A length of time that no clock reaches is a year.
        let year = Duration::from_secs(31_536_000);
        let until = now + for_how_long.min(year);
        let until = self.0.get(&peer).map_or(until, |ban| ban.until.max(until));
        self.0.insert(peer, Ban { since: now, until });
    }

    /// Until when nothing is to do with `peer`, if that lies ahead.
    pub(super) fn until(&self, now: Instant, peer: &PeerKey) -> Option<Instant> {
        self.0.get(peer).map(|ban| ban.until).filter(|until| *until > now)
    }

    /// Whether a connection to `peer` that was made at `made` is to be closed.
    pub(super) fn closes(&self, peer: &PeerKey, made: Instant) -> bool {
        self.0.get(peer).is_some_and(|ban| made <= ban.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_closes_what_was_before_it_and_ends() {
        let (peer, other) = (PeerKey::new([1; 32]), PeerKey::new([2; 32]));
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut bans = Bans::default();
        bans.add(after(5), peer, Duration::from_secs(10));
        assert!(bans.closes(&peer, start) && !bans.closes(&peer, after(15)));
        assert!(!bans.closes(&other, start));
        assert_eq!(bans.until(after(14), &peer), Some(after(15)));
        assert_eq!(bans.until(after(15), &peer), None);
        bans.add(after(6), other, Duration::MAX);
        assert!(bans.until(after(31_536_000), &other).is_some());
    }

    #[test]
    fn a_shorter_ban_does_not_end_a_longer_one() {
        let (peer, start) = (PeerKey::new([1; 32]), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut bans = Bans::default();
        bans.add(start, peer, Duration::from_secs(3_600));
        bans.add(after(5), peer, Duration::from_secs(60));
        assert!(bans.closes(&peer, after(5)));
        assert_eq!(bans.until(after(65), &peer), Some(after(3_600)));
        bans.add(after(3_590), peer, Duration::from_secs(60));
        assert_eq!(bans.until(after(3_600), &peer), Some(after(3_650)));
    }

    #[test]
    fn the_number_of_bans_is_bounded() {
        let mut bans = Bans::default();
        let now = Instant::now();
        for n in 0..=BANS_MAX {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            bans.add(now, PeerKey::new(key), Duration::from_secs(60));
        }
        assert_eq!(bans.0.len(), BANS_MAX);
    }
}
