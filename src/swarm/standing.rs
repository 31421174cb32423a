//! What the caller thinks of peers: whom it trusts, and whom it wants nothing to do with.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::bans::Bans;
use crate::ids::PeerKey;

/// How many peers are trusted at most; the one of whom that was said longest ago gives way. More
/// than a cluster has, since a member without a lasting key has a new one at each start.
const TRUSTED_MAX: usize = 256;

/// What the caller thinks of peers.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) bans: Bans,
    /// Who is trusted, by when that was said last.
    trusted: BTreeMap<PeerKey, u64>,
    /// Counts how often it was said.
    said: u64,
}

impl Standing {
    /// Trusts `peer`; true where it was not trusted before.
    pub(super) fn trust(&mut self, peer: PeerKey) -> bool {
        self.said += 1;
        if self.trusted.insert(peer, self.said).is_some() {
            return false;
        }
        if self.trusted.len() > TRUSTED_MAX {
            let first = self.trusted.iter().min_by_key(|(_, said)| **said).map(|(peer, _)| *peer);
            first.and_then(|first| self.trusted.remove(&first));
        }
        true
    }

    /// Drops `peer` from `now` on; it has to earn trust again.
    pub(super) fn drop_peer(&mut self, now: Instant, peer: PeerKey, for_how_long: Duration) {
        self.trusted.remove(&peer);
        self.bans.add(now, peer, for_how_long);
    }

    /// Whether `peer` is trusted.
    pub(super) fn trusts(&self, peer: &PeerKey) -> bool {
        self.trusted.contains_key(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> PeerKey {
        let mut key = [3; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        PeerKey::new(key)
    }

    #[test]
    fn trust_is_new_once_and_ends_when_the_peer_is_dropped() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        assert!(standing.trust(key(1)) && !standing.trust(key(1)));
        assert!(standing.trusts(&key(1)) && !standing.trusts(&key(2)));
        standing.drop_peer(now, key(1), Duration::from_secs(1));
        assert!(!standing.trusts(&key(1)));
        assert!(standing.bans.until(now, &key(1)).is_some());
    }

    #[test]
    fn those_of_whom_it_was_said_long_ago_give_way() {
        let mut standing = Standing::default();
        for n in 0..TRUSTED_MAX {
            standing.trust(key(n));
        }
        standing.trust(key(0));
        standing.trust(key(TRUSTED_MAX));
        assert_eq!(standing.trusted.len(), TRUSTED_MAX);
        assert!(standing.trusts(&key(0)) && !standing.trusts(&key(1)));
    }
}
