//! What an operator's names mean: channels, and places for a pause.

use super::*;
use crate::core::record::{Pause, Scope};
use crate::ids::{ChannelPoint, Scid};

/// Alice's daemon, with two channels with Bob's, of which the second has an alias, and a third
/// with nobody of the cluster.
fn named() -> Pair {
    let mut pair = Pair::new(settings(), settings());
    let node = pair.daemons[ALICE].node.1;
    let mut channels = pair.seen(ALICE, 10, &[(1, 500_000, 500_000), (2, 500_000, 500_000)]);
    channels[1].other_scids = vec![scid("16000000x7x1")];
    let counterparty = fixture::NODE_C;
    channels.push(Channel { counterparty, ..fixture::channel(3, 500_000, 500_000) });
    pair.tell(ALICE, Event::ChannelsListed { node, with: None, channels });
    pair
}

fn scid(text: &str) -> Scid {
    text.parse().expect("a channel id")
}

fn check(name: &str, expected: &[u8]) {
    let expected: Vec<ChannelPoint> = expected.iter().map(|n| fixture::point(*n)).collect();
    assert_eq!(named().daemons[ALICE].core.channels_named(name), expected, "{name}");
}

fn check_scope(name: &str, expected: Option<Scope>) {
    assert_eq!(named().daemons[ALICE].core.scope_named(name), expected, "{name}");
}

fn hex(id: &impl ToString, digits: usize) -> String {
    id.to_string()[..digits].to_owned()
}

#[test]
fn a_channel_goes_by_each_of_its_ids_and_by_its_funding_output() {
    check("0x0x1", &[1]);
    check("16000000x7x1", &[2]);
    check(&scid("16000000x7x1").as_u64().to_string(), &[2]);
    check(&fixture::point(1).to_string(), &[1]);
    check(&fixture::point(3).to_string(), &[3]);
    check("alice:0x0x2", &[2]);
    check("alice:16000000x7x1", &[2]);
    check("alice:2", &[2]);
    for unknown in ["0x0x9", "9", "bob:0x0x9", "carol:0x0x1", &fixture::point(9).to_string()] {
        check(unknown, &[]);
    }
}

#[test]
fn a_channel_goes_by_the_nodes_at_its_ends_and_all_that_are_meant_are_named() {
    let (alice, bob, carol) = (fixture::node(1).1, fixture::node(2).1, fixture::NODE_C);
    check("alice", &[1, 2, 3]);
    check("bob", &[1, 2]);
    check(&hex(&alice, 8), &[1, 2, 3]);
    check(&bob.to_string(), &[1, 2]);
    check(&hex(&bob, 66).to_uppercase(), &[1, 2]);
    check(&hex(&carol, 8), &[3]);
    check(&hex(&carol, 7), &[]);
    let core = &named().daemons[ALICE].core;
    assert_eq!(core.scids_named("bob"), ["0x0x1", "0x0x2"]);
    // Carol has no name that we know of, and nothing is called nothing.
    for nobody in ["", "carol", "Alice", ":", "alice:"] {
        check(nobody, &[]);
    }
}

#[test]
fn a_watched_channel_is_known_while_its_node_does_not_answer() {
    let mut pair = named();
    let node = pair.daemons[ALICE].node.1;
    pair.tell(ALICE, Event::NodeDisconnected { node });
    let core = &pair.daemons[ALICE].core;
    let named = |n: u8| core.channels_named(&fixture::point(n).to_string());
    assert_eq!([named(1), named(3)], [vec![fixture::point(1)], Vec::new()]);
}

#[test]
fn a_pause_is_for_everything_a_node_a_peer_or_one_channel() {
    let (alice, bob) = (fixture::node(1).1, fixture::node(2).1);
    let peer = PeerKey::new([2; 32]);
    check_scope("all", Some(Scope::All));
    check_scope("ALL", Some(Scope::All));
    check_scope("alice", Some(Scope::Node(alice)));
    check_scope(&hex(&alice, 8), Some(Scope::Node(alice)));
    check_scope("bob", Some(Scope::Node(bob)));
    check_scope(&bob.to_string(), Some(Scope::Node(bob)));
    check_scope(&hex(&peer, 8), Some(Scope::Peer(peer)));
    check_scope("0x0x1", Some(Scope::Channel(fixture::point(1))));
    check_scope("alice:0x0x1", Some(Scope::Channel(fixture::point(1))));
    check_scope(&fixture::point(2).to_string(), Some(Scope::Channel(fixture::point(2))));
    for nothing in ["", "carol", "0x0x9", &hex(&peer, 7)] {
        check_scope(nothing, None);
    }
}

#[test]
fn a_name_that_two_nodes_bear_is_no_place_for_a_pause() {
    let mut pair = named();
    // A third peer's node calls itself as Bob's does.
    let hello =
        Hello { node: fixture::NODE_C, alias: "bob".to_owned(), version: None, proof: None };
    pair.meets(ALICE, 77, Message::Hello(hello));
    let core = &pair.daemons[ALICE].core;
    assert_eq!(core.scope_named("bob"), None);
    assert_eq!(core.channels_named("bob").len(), 3);
    // Neither does it become a channel's, where the two share only one.
    let mut pair = Pair::new(settings(), settings());
    pair.daemons[BOB].alias = "alice";
    pair.start(BOB);
    pair.part();
    pair.meet();
    pair.list(10, &[(1, 500_000, 500_000)]);
    assert_eq!(pair.daemons[ALICE].core.channels_named("alice"), [fixture::point(1)]);
    assert_eq!(pair.daemons[ALICE].core.scope_named("alice"), None);
}

#[test]
fn what_is_paused_can_be_resumed_when_it_is_gone() {
    let (peer, channel) = (PeerKey::new([2; 32]), fixture::point(1));
    for scope in [Scope::Peer(peer), Scope::Channel(channel), Scope::Node(fixture::node(2).1)] {
        let mut pair = named();
        pair.tell(ALICE, Event::PauseAsked(Pause { scope, until: None, reason: None }));
        pair.part();
        let (node, channels) = (pair.daemons[ALICE].node.1, Vec::new());
        pair.tell(ALICE, Event::ChannelsListed { node, with: None, channels });
        let core = &pair.daemons[ALICE].core;
        assert_eq!(core.scope_named(&scope.to_string()), Some(scope));
    }
}

#[test]
fn every_name_that_is_offered_is_understood() {
    let core = &named().daemons[ALICE].core;
    let names = core.names();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let is_scope = core.scope_named(&name).is_some();
        assert!(is_scope || !core.channels_named(&name).is_empty(), "{name}");
    }
}
