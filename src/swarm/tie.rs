//! Which of two connections with the same peer stays.
//!
//! Both ends must come to the same end without a word. The rule is that of hyperswarm 4, to which
//! time is added: a connection on which nothing was said is not waited for when its peer is back.

use crate::ids::PeerKey;

/// Whether a new connection with `peer` takes the place of the one that there is.
///
/// The older one is given up when it was settled, for then the peer must have lost it to make
/// another. Else both were made at the same time, and that of the larger key stays.
pub(super) fn newer_stays(
    me: &PeerKey,
    peer: &PeerKey,
    is_older_settled: bool,
    is_newer_ours: bool,
) -> bool {
    is_older_settled || (me > peer) == is_newer_ours
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: PeerKey = PeerKey::new([1; 32]);
    const LARGE: PeerKey = PeerKey::new([2; 32]);

    #[test]
    fn both_ends_keep_what_the_larger_key_dialed() {
        for is_larges in [true, false] {
            let at_large = newer_stays(&LARGE, &SMALL, false, is_larges);
            let at_small = newer_stays(&SMALL, &LARGE, false, !is_larges);
            assert_eq!((at_large, at_small), (is_larges, is_larges));
        }
    }

    #[test]
    fn a_connection_that_was_settled_gives_way_to_any_newer_one() {
        for (me, peer, is_ours) in [(&LARGE, &SMALL, false), (&SMALL, &LARGE, true)] {
            assert!(newer_stays(me, peer, true, is_ours));
        }
    }
}
