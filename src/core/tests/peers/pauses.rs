//! Pauses: what outlives a restart, what peers are told, and which of several ends last.

use super::*;
use crate::core::record::{Pause, Scope};

/// Alice's channel is poor, so that she asks as soon as she may.
const POOR: [(u8, u64, u64); 1] = [(1, 200_000, 800_000)];
const BY_PEER: &str = "the peer's operator paused payments here";

fn pause(pair: &mut Pair, who: usize, scope: Scope, seconds: Option<u64>) {
    let until = seconds.map(|seconds| pair.now + Duration::from_secs(seconds));
    pair.tell(who, Event::PauseAsked(Pause { scope, until, reason: None }));
    pair.talk();
}

/// Starts Bob again on what he recorded, and lets both meet.
fn restart_bob(pair: &mut Pair) {
    pair.part();
    pair.start(BOB);
    pair.meet();
    pair.list(12, &POOR);
}

/// Each place for a pause in which the channel is.
fn places(pair: &Pair) -> [Scope; 5] {
    let [alice, bob] = [ALICE, BOB].map(|who| Scope::Node(pair.daemons[who].node.1));
    let peer = Scope::Peer(pair.daemons[ALICE].key);
    [Scope::All, alice, bob, peer, Scope::Channel(fixture::point(1))]
}

#[test]
fn a_pause_of_each_kind_outlives_a_restart_and_is_told_until_it_is_resumed() {
    for n in 0..5 {
        let mut pair = Pair::new(settings(), settings());
        let scope = places(&pair)[n];
        pause(&mut pair, BOB, scope, None);
        pair.list(10, &POOR);
        assert_eq!(pair.rest(ALICE), BY_PEER, "{scope}");
        restart_bob(&mut pair);
        assert_eq!(pair.rest(ALICE), BY_PEER, "{scope}");
        pair.tell(BOB, Event::ResumeAsked(scope));
        pair.talk();
        assert!(pair.invoice(ALICE), "{scope}");
        assert_eq!(pair.paid(BOB).len(), 1, "{scope}");
    }
}

#[test]
fn a_pause_of_each_kind_ends_in_time_also_after_a_restart() {
    for n in 0..5 {
        let mut pair = Pair::new(settings(), settings());
        let scope = places(&pair)[n];
        pause(&mut pair, BOB, scope, Some(60));
        restart_bob(&mut pair);
        pair.pass(59);
        assert_eq!(pair.rest(ALICE), BY_PEER, "{scope}");
        pair.pass(1);
        assert!(pair.invoice(ALICE), "{scope}");
    }
}

#[test]
fn of_several_pauses_the_end_of_the_last_is_told() {
    let mut pair = Pair::new(settings(), settings());
    let [all, alice, ..] = places(&pair);
    let end = |pair: &Pair, seconds| {
        format!("payments are paused here until {}", pair.now + Duration::from_secs(seconds))
    };
    pause(&mut pair, ALICE, all, Some(10));
    pair.list(10, &POOR);
    assert_eq!(pair.rest(ALICE), end(&pair, 10));
    pause(&mut pair, ALICE, alice, Some(60));
    assert_eq!(pair.rest(ALICE), end(&pair, 60));
    pause(&mut pair, ALICE, alice, None);
    assert_eq!(pair.rest(ALICE), "payments are paused here");
    pair.pass(10);
    assert_eq!(pair.rest(ALICE), "payments are paused here");
    pair.tell(ALICE, Event::ResumeAsked(alice));
    assert!(pair.invoice(ALICE));
}
