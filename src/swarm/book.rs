//! The peers that were found under the topic: whom to dial, and when.
//!
//! Pure: it is told what happens and at which time, and how much of a wait chance adds. A peer
//! that cannot be reached is tried ever more rarely, and forgotten until it is found again.
//!
//! Anybody can put records of peers that there are not into the DHT, any number of them. So those
//! that we have met, and before them those that are trusted, keep their places and are dialed
//! first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use peeroxide_dht::messages::Ipv4Peer;
use tokio::time::Instant;

use crate::ids::PeerKey;

/// How many peers are known at most. Who was never met gives way to who was; among the same, one
/// that fails gives way to one that is found.
pub(super) const PEERS_KNOWN_MAX: usize = 512;

/// How many peers are dialed at the same time.
const DIALS_MAX: usize = 16;

/// How many of them are peers that we never met, who may not exist.
const DIALS_OF_UNMET_MAX: usize = 12;

/// How long the smaller of two keys leaves the dialing to the other, which found it as well: two
/// connections at once cost a message or two when one of them is given up.
const SMALLER_KEY_WAIT: Duration = Duration::from_millis(700);

/// The first wait after a dial that failed or a connection that did not last; each next doubles.
const WAIT_FIRST: Duration = Duration::from_millis(500);

/// The longest wait: the DHT is asked for peers as often.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// A connection that lasted this long was a good one: the next dial comes soon.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// How many dials fail in a row before the peer is forgotten: by then it was out of reach for
/// about half an hour, and the DHT forgets where it was after twenty minutes.
const FAILS_MAX: u32 = 16;

/// The relays that are kept of a peer: a record of the DHT holds no more.
const RELAYS_MAX: usize = 3;

/// The peers that were found.
#[derive(Debug)]
pub(super) struct Book {
    me: PeerKey,
    known: BTreeMap<PeerKey, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The nodes of the DHT that reach the peer.
    relays: Vec<Ipv4Peer>,
    state: State,
    /// How many times in a row a dial failed or a connection did not last.
    fails: u32,
    rank: Rank,
}

/// Who keeps a place before whom.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Rank {
    /// There is a record of it, which may be a lie.
    Unmet,
    /// It was connected.
    Met,
    Trusted,
}

/// How many more peers can be connected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// In places that are free.
    pub(super) free: usize,
    /// Also in those of peers that are not trusted.
    pub(super) for_trusted: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Dialed at this time.
    Waiting(Instant),
    Dialing,
    Connected(Instant),
}

impl Book {
    /// An empty book of the peer `me`.
    pub(super) fn new(me: PeerKey) -> Self {
        Self { me, known: BTreeMap::new() }
    }

    /// The DHT says that `peer` is reached over `relays`.
    pub(super) fn found(
        &mut self,
        now: Instant,
        peer: PeerKey,
        mut relays: Vec<Ipv4Peer>,
        is_trusted: bool,
    ) {
        relays.truncate(RELAYS_MAX);
        if peer == self.me {
            return;
        }
        if let Some(entry) = self.known.get_mut(&peer) {
            if !relays.is_empty() && entry.relays != relays {
                entry.relays = relays;
                // It is elsewhere now: what failed there says nothing.
                if let State::Waiting(at) = &mut entry.state {
                    *at = (*at).min(now + WAIT_FIRST);
                }
            }
            return;
        }
        let rank = if is_trusted { Rank::Trusted } else { Rank::Unmet };
        if self.has_room_for(rank) {
            let wait = if self.me > peer { Duration::ZERO } else { SMALLER_KEY_WAIT };
            let state = State::Waiting(now + wait);
            self.known.insert(peer, Entry { relays, state, fails: 0, rank });
        }
    }

    /// The peers to dial by now, those first that are trusted, then those that were met, and of
    /// the same those that wait longest. They count as being dialed from now on.
    pub(super) fn due(
        &mut self,
        now: Instant,
        room: Room,
        mut banned_until: impl FnMut(&PeerKey) -> Option<Instant>,
    ) -> Vec<(PeerKey, Vec<Ipv4Peer>)> {
        let dialed = self.known.values().filter(|entry| entry.state == State::Dialing);
        let (mut dialing, mut unmet) = (0, 0);
        for entry in dialed {
            dialing += 1;
            unmet += usize::from(entry.rank == Rank::Unmet);
        }
        let mut due: Vec<_> = self
            .known
            .iter_mut()
            .filter_map(|(peer, entry)| match entry.state {
                State::Waiting(at) if at <= now => match banned_until(peer) {
                    Some(until) => {
                        entry.state = State::Waiting(until);
                        None
                    }
                    None => Some((at, *peer, entry)),
                },
                State::Waiting(_) | State::Dialing | State::Connected(_) => None,
            })
            .collect();
        due.sort_by_key(|(at, peer, entry)| (Reverse(entry.rank), *at, *peer));
        due.retain(|(_, _, entry)| {
            let places = if entry.rank == Rank::Trusted { room.for_trusted } else { room.free };
            let is_unmet = entry.rank == Rank::Unmet;
            let is_dialed =
                dialing < DIALS_MAX.min(places) && !(is_unmet && unmet >= DIALS_OF_UNMET_MAX);
            dialing += usize::from(is_dialed);
            unmet += usize::from(is_dialed && is_unmet);
            is_dialed
        });
        due.into_iter()
            .map(|(_, peer, entry)| {
                entry.state = State::Dialing;
                (peer, entry.relays.clone())
            })
            .collect()
    }

    /// When the next peer is to be dialed. While that is past, dials that end make room for it.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let waiting = self.known.values().filter_map(|entry| match entry.state {
            State::Waiting(at) if at > now => Some(at),
            State::Waiting(_) | State::Dialing | State::Connected(_) => None,
        });
        waiting.min()
    }

    /// A dial of `peer` failed; `chance`, below 256, is how much of the wait chance adds.
    pub(super) fn failed(&mut self, now: Instant, peer: &PeerKey, chance: u8) {
        let Some(entry) = self.known.get_mut(peer) else { return };
        // It may have dialed us meanwhile.
        if entry.state == State::Dialing {
            entry.wait(now, chance);
        }
        if entry.fails > FAILS_MAX {
            self.known.remove(peer);
        }
    }

    /// There is a connection to `peer`, whoever dialed. One that was not found yet is known from
    /// here on, or it would be dialed once it is found.
    pub(super) fn connected(&mut self, now: Instant, peer: &PeerKey, is_trusted: bool) {
        let state = State::Connected(now);
        let rank = if is_trusted { Rank::Trusted } else { Rank::Met };
        if let Some(entry) = self.known.get_mut(peer) {
            (entry.state, entry.rank) = (state, rank);
        } else if self.has_room_for(rank) {
            self.known.insert(*peer, Entry { relays: Vec::new(), state, fails: 0, rank });
        }
    }

    /// Whom `trusts` names is trusted, and nobody else.
    pub(super) fn heed_trust(&mut self, trusts: impl Fn(&PeerKey) -> bool) {
        for (peer, entry) in &mut self.known {
            entry.rank = match entry.rank {
                _ if trusts(peer) => Rank::Trusted,
                Rank::Trusted => Rank::Met,
                rank @ (Rank::Met | Rank::Unmet) => rank,
            };
        }
    }

    /// There is none any longer.
    pub(super) fn gone(&mut self, now: Instant, peer: &PeerKey, chance: u8) {
        let Some(entry) = self.known.get_mut(peer) else { return };
        if let State::Connected(since) = entry.state
            && now >= since + GOOD_CONNECTION
        {
            entry.fails = 0;
        }
        entry.wait(now, chance);
        if self.me < *peer
            && let State::Waiting(at) = &mut entry.state
        {
            *at += SMALLER_KEY_WAIT;
        }
    }

    /// Whether there is room for one more of such a rank. To make it, one that waits is forgotten:
    /// of those with a lower rank, and those of the same that fail, the lowest that failed most.
    fn has_room_for(&mut self, rank: Rank) -> bool {
        if self.known.len() < PEERS_KNOWN_MAX {
            return true;
        }
        let gives_way = |entry: &Entry| {
            let is_less = entry.rank < rank || (entry.rank == rank && entry.fails > 0);
            is_less && matches!(entry.state, State::Waiting(_))
        };
        let losing = self.known.iter().filter(|(_, entry)| gives_way(entry));
        let worst = losing.min_by_key(|(_, entry)| (entry.rank, Reverse(entry.fails)));
        let worst = worst.map(|(peer, _)| *peer);
        worst.is_some_and(|worst| self.known.remove(&worst).is_some())
    }
}

impl Entry {
    fn wait(&mut self, now: Instant, chance: u8) {
        self.state = State::Waiting(now + back_off(self.fails, chance));
        self.fails = self.fails.saturating_add(1);
    }
}

/// The wait after `fails` failures before: between half and all of what doubling gives.
pub(super) fn back_off(fails: u32, chance: u8) -> Duration {
    let whole = WAIT_FIRST.saturating_mul(1 << fails.min(10)).min(WAIT_MAX);
    whole / 2 + whole * u32::from(chance) / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: PeerKey = PeerKey::new([1; 32]);
    const LARGE: PeerKey = PeerKey::new([2; 32]);

    /// The key with the number `n`.
    fn key(n: usize) -> PeerKey {
        let mut key = [3; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        PeerKey::new(key)
    }

    fn dialed(book: &mut Book, now: Instant, free: usize) -> Vec<PeerKey> {
        let room = Room { free, for_trusted: free };
        book.due(now, room, |_| None).into_iter().map(|(peer, _)| peer).collect()
    }

    fn relay(port: u16) -> Vec<Ipv4Peer> {
        vec![Ipv4Peer { host: "203.0.113.7".to_owned(), port }]
    }

    #[test]
    fn the_wait_doubles_up_to_a_bound_and_chance_takes_at_most_half() {
        let ms = |fails, chance| back_off(fails, chance).as_millis();
        assert_eq!([0, 1, 2, 3].map(|fails| ms(fails, 0)), [250, 500, 1_000, 2_000]);
        assert_eq!([0, 1, 2, 3].map(|fails| ms(fails, 255)), [499, 998, 1_996, 3_992]);
        assert_eq!(
            [9, 10, 11, u32::MAX].map(|fails| ms(fails, 0)),
            [128_000, 150_000, 150_000, 150_000]
        );
    }

    #[test]
    fn a_peer_that_dialed_us_before_it_was_found_is_not_dialed() {
        let now = Instant::now();
        let mut book = Book::new(LARGE);
        book.connected(now, &SMALL, false);
        book.found(now, SMALL, vec![], false);
        assert!(dialed(&mut book, now, 9).is_empty());
        book.gone(now, &SMALL, 0);
        assert_eq!(dialed(&mut book, now + WAIT_FIRST, 9), [SMALL]);
    }

    #[test]
    fn the_smaller_key_leaves_the_first_dial_to_the_larger() {
        let now = Instant::now();
        let mut large = Book::new(LARGE);
        large.found(now, SMALL, vec![], false);
        assert_eq!(dialed(&mut large, now, 9), [SMALL]);
        let mut small = Book::new(SMALL);
        small.found(now, LARGE, vec![], false);
        assert!(dialed(&mut small, now, 9).is_empty());
        assert_eq!(small.next(now), Some(now + SMALLER_KEY_WAIT));
        assert_eq!(dialed(&mut small, now + SMALLER_KEY_WAIT, 9), [LARGE]);
        small.found(now, SMALL, vec![], false);
        assert_eq!(small.known.len(), 1, "nobody dials itself");
    }

    #[test]
    fn a_peer_that_is_dialed_or_connected_is_not_dialed_again() {
        let now = Instant::now();
        let mut book = Book::new(LARGE);
        book.found(now, SMALL, vec![], false);
        assert_eq!(dialed(&mut book, now, 9), [SMALL]);
        assert!(dialed(&mut book, now + WAIT_MAX, 9).is_empty());
        book.connected(now, &SMALL, false);
        book.failed(now, &SMALL, 0);
        assert!(dialed(&mut book, now + WAIT_MAX, 9).is_empty());
        book.gone(now, &SMALL, 0);
        assert_eq!(dialed(&mut book, now + WAIT_MAX, 9), [SMALL]);
    }

    #[test]
    fn only_a_connection_that_lasted_makes_the_next_dial_quick() {
        let mut now = Instant::now();
        let mut book = Book::new(LARGE);
        book.found(now, SMALL, vec![], false);
        let mut wait_after = |lasted| {
            book.connected(now, &SMALL, false);
            now += lasted;
            book.gone(now, &SMALL, 0);
            book.next(now).map(|at| (at - now).as_millis())
        };
        let short = Duration::from_secs(1);
        assert_eq!([short, short, short].map(&mut wait_after), [250, 500, 1_000].map(Some));
        assert_eq!(wait_after(GOOD_CONNECTION), Some(250));
    }

    #[test]
    fn a_peer_that_stays_out_of_reach_is_forgotten() {
        let mut now = Instant::now();
        let mut book = Book::new(LARGE);
        book.found(now, SMALL, vec![], false);
        let mut dials = 0;
        while book.known.contains_key(&SMALL) {
            now += WAIT_MAX;
            assert_eq!(dialed(&mut book, now, 9), [SMALL]);
            book.failed(now, &SMALL, 255);
            dials += 1;
        }
        assert_eq!(dials, FAILS_MAX + 1);
    }

    #[test]
    fn dials_at_once_and_peers_known_are_bounded() {
        let now = Instant::now();
        let mut book = Book::new(PeerKey::new([0xff; 32]));
        for n in 0..PEERS_KNOWN_MAX + 5 {
            book.found(now, key(n), vec![], false);
        }
        assert_eq!(book.known.len(), PEERS_KNOWN_MAX);
        assert_eq!(dialed(&mut book, now, 3).len(), 3);
        assert_eq!(dialed(&mut book, now, 999).len(), DIALS_OF_UNMET_MAX - 3);
        assert!(dialed(&mut book, now, 999).is_empty());
        book.failed(now, &key(0), 0);
        book.found(now, SMALL, vec![], false);
        assert!(book.known.contains_key(&SMALL) && !book.known.contains_key(&key(0)));
    }

    #[test]
    fn a_banned_peer_waits_for_the_end_of_its_ban() {
        let now = Instant::now();
        let end = now + Duration::from_secs(60);
        let mut book = Book::new(LARGE);
        book.found(now, SMALL, vec![], false);
        let room = Room { free: 9, for_trusted: 9 };
        assert!(book.due(now, room, |_| Some(end)).is_empty());
        assert_eq!(book.next(now), Some(end));
        assert_eq!(dialed(&mut book, end, 9), [SMALL]);
    }

    #[test]
    fn records_of_peers_that_there_are_not_cost_those_we_met_nothing() {
        let mut now = Instant::now();
        let mut book = Book::new(PeerKey::new([0xff; 32]));
        for (peer, is_trusted) in [(SMALL, false), (LARGE, true)] {
            book.connected(now, &peer, is_trusted);
            book.gone(now, &peer, 255);
        }
        for n in 0..2 * PEERS_KNOWN_MAX {
            book.found(now, key(n), vec![], false);
        }
        // Those that we met wait for the end of a ban, while all others are dialed.
        now += WAIT_MAX;
        let room = Room { free: 9_999, for_trusted: 9_999 };
        let has_met = |peer: &PeerKey| [SMALL, LARGE].contains(peer);
        let due = book.due(now, room, |peer| has_met(peer).then_some(now + WAIT_FIRST));
        assert_eq!(due.len(), DIALS_OF_UNMET_MAX);
        now += WAIT_FIRST;
        assert_eq!(dialed(&mut book, now, 9_999), [LARGE, SMALL], "the trusted one first");
        for peer in [SMALL, LARGE] {
            book.failed(now, &peer, 0);
        }
        for n in 2 * PEERS_KNOWN_MAX..3 * PEERS_KNOWN_MAX {
            book.found(now, key(n), vec![], false);
        }
        let rank = |book: &Book, peer| book.known.get(&peer).map(|entry| entry.rank);
        assert_eq!(
            [SMALL, LARGE].map(|peer| rank(&book, peer)),
            [Rank::Met, Rank::Trusted].map(Some)
        );
        assert_eq!(book.known.len(), PEERS_KNOWN_MAX);
        let third = PeerKey::new([9; 32]);
        book.found(now, third, vec![], true);
        assert_eq!(
            rank(&book, third),
            Some(Rank::Trusted),
            "a trusted one takes the place of one that never was"
        );
    }

    #[test]
    fn where_all_places_are_taken_only_the_trusted_are_dialed() {
        let now = Instant::now();
        let mut book = Book::new(PeerKey::new([0xff; 32]));
        for peer in [SMALL, LARGE] {
            book.found(now, peer, vec![], false);
        }
        let room = Room { free: 0, for_trusted: 1 };
        assert!(book.due(now, room, |_| None).is_empty());
        book.heed_trust(|peer| *peer == LARGE);
        let due = book.due(now, room, |_| None);
        assert_eq!(due.into_iter().map(|(peer, _)| peer).collect::<Vec<_>>(), [LARGE]);
        book.heed_trust(|_| false);
        assert_eq!([SMALL, LARGE].map(|peer| book.known[&peer].rank), [Rank::Unmet, Rank::Met]);
    }

    #[test]
    fn a_peer_that_is_found_elsewhere_is_dialed_soon() {
        let mut now = Instant::now();
        let mut book = Book::new(LARGE);
        book.found(now, SMALL, relay(1), false);
        for _ in 0..10 {
            now += WAIT_MAX;
            assert_eq!(dialed(&mut book, now, 9), [SMALL]);
            book.failed(now, &SMALL, 255);
        }
        let late = book.next(now).expect("it is dialed again");
        assert!(late > now + WAIT_MAX / 2, "by now, it is dialed rarely");
        for same in [relay(1), vec![]] {
            book.found(now, SMALL, same, false);
            assert_eq!(book.next(now), Some(late), "nothing new is known");
        }
        book.found(now, SMALL, relay(2), false);
        assert_eq!(book.next(now), Some(now + WAIT_FIRST));
        book.found(now + WAIT_FIRST / 2, SMALL, relay(3), false);
        assert_eq!(book.next(now), Some(now + WAIT_FIRST), "no later for that");
    }
}
