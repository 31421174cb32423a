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

fn check_scope(name: &str, expected: &[Scope]) {
    assert_eq!(named().daemons[ALICE].core.scopes_named(name), expected, "{name}");
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
    check("0:0:1", &[1]);
    check("alice:16000000:7:1", &[2]);
    check(&format!("{}:0x0x2", hex(&fixture::node(1).1, 8)), &[2]);
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
    // Carol has no name that we know of, and nothing is called nothing.
    for nobody in ["", " ", "carol", "Alice", ":", "alice:", ":0x0x1"] {
        check(nobody, &[]);
    }
}

#[test]
fn a_channel_is_known_by_its_ids_and_nodes_while_its_node_does_not_answer() {
    let mut pair = named();
    let node = pair.daemons[ALICE].node.1;
    pair.tell(ALICE, Event::NodeDisconnected { node });
    let core = &pair.daemons[ALICE].core;
    let named = |name: &str| core.channels_named(name);
    let points = [1, 2].map(fixture::point);
    for name in ["16000000x7x1", "alice:2", &points[1].to_string()] {
        assert_eq!(named(name), [points[1]], "{name}");
    }
    assert_eq!([named("alice"), named("bob")], [points.to_vec(), points.to_vec()]);
    assert_eq!(named(&fixture::point(3).to_string()), []);
    let kind = core.kind_of(Scope::Channel(points[0]));
    assert_eq!(kind, "the channel 0x0x1 of \"alice\" with \"bob\"");
}

#[test]
fn a_pause_is_for_everything_a_node_a_peer_or_one_channel() {
    let (alice, bob) = (fixture::node(1).1, fixture::node(2).1);
    let peer = PeerKey::new([2; 32]);
    check_scope("all", &[Scope::All]);
    check_scope("ALL", &[Scope::All]);
    check_scope("alice", &[Scope::Node(alice)]);
    check_scope(&hex(&alice, 8), &[Scope::Node(alice)]);
    check_scope("bob", &[Scope::Node(bob)]);
    check_scope(&bob.to_string(), &[Scope::Node(bob)]);
    check_scope(&hex(&peer, 8), &[Scope::Peer(peer)]);
    check_scope("0x0x1", &[Scope::Channel(fixture::point(1))]);
    check_scope("alice:0x0x1", &[Scope::Channel(fixture::point(1))]);
    check_scope(&fixture::point(2).to_string(), &[Scope::Channel(fixture::point(2))]);
    check_scope(&hex(&fixture::NODE_C, 8), &[Scope::Node(fixture::NODE_C)]);
    for nothing in ["", " ", "carol", "0x0x9", &hex(&peer, 7)] {
        check_scope(nothing, &[]);
    }
}

#[test]
fn a_whole_key_or_funding_output_is_a_place_though_nobody_knows_it() {
    let (node, peer, point) = (fixture::node(9).1, PeerKey::new([9; 32]), fixture::point(9));
    for scope in [Scope::Node(node), Scope::Peer(peer), Scope::Channel(point)] {
        check_scope(&scope.to_string(), &[scope]);
        check_scope(&scope.to_string().to_uppercase(), &[scope]);
        let core = &named().daemons[ALICE].core;
        assert!(!core.is_known(scope), "{scope}");
        assert!(core.channels_named(&scope.to_string()).is_empty(), "{scope}");
    }
}

#[test]
fn a_node_stays_a_node_when_its_daemon_leaves() {
    let mut pair = named();
    let bob = pair.daemons[BOB].node.1;
    pair.part();
    // One channel with it is all there is.
    let (node, channels) = (pair.daemons[ALICE].node.1, pair.seen(ALICE, 11, &[(1, 5, 5)]));
    pair.tell(ALICE, Event::ChannelsListed { node, with: None, channels });
    let core = &pair.daemons[ALICE].core;
    for name in ["bob", &bob.to_string(), &hex(&bob, 8)] {
        assert_eq!(core.scopes_named(name), [Scope::Node(bob)], "{name}");
    }
    assert_eq!(core.kind_of(Scope::Node(bob)), "the node \"bob\"");
}

/// Aliases are free text: none is taken for what another thing is called or might be.
#[test]
fn nobody_is_taken_for_something_else_by_its_alias() {
    let (alice, point) = (fixture::node(1).1, fixture::point(1));
    let absent =
        ["9x9x9", "9:9:9", "9", "alice:9x9x9", "0399999999", &fixture::point(9).to_string()];
    let cases = [
        ("0x0x1", vec![Scope::Channel(point)]),
        ("0:0:1", vec![Scope::Channel(point)]),
        ("alice:0x0x1", vec![Scope::Channel(point)]),
        ("alice", vec![Scope::Node(alice)]),
        (&hex(&alice, 8), vec![Scope::Node(alice)]),
        ("all", vec![Scope::All]),
        ("", vec![]),
        (absent[5], vec![Scope::Channel(fixture::point(9))]),
    ];
    let absent = absent[..5].iter().map(|name| (*name, vec![]));
    for (name, expected) in cases.into_iter().chain(absent) {
        let mut pair = named();
        let (node, alias) = (fixture::node(77).1, name.to_owned());
        let hello = Hello { node, alias, version: Some(1), proof: None };
        pair.meets(ALICE, 77, Message::Hello(hello));
        let core = &pair.daemons[ALICE].core;
        assert_eq!(core.scopes_named(name), expected, "{name}");
    }
}

#[test]
fn a_name_that_two_nodes_of_others_bear_means_both() {
    let mut pair = named();
    // A third peer's node calls itself as Bob's does.
    let hello =
        Hello { node: fixture::NODE_C, alias: "bob".to_owned(), version: None, proof: None };
    pair.meets(ALICE, 77, Message::Hello(hello));
    let core = &pair.daemons[ALICE].core;
    let both = [Scope::Node(pair.daemons[BOB].node.1), Scope::Node(fixture::NODE_C)];
    assert_eq!(core.scopes_named("bob"), both);
    assert_eq!(core.channels_named("bob").len(), 3);
}

#[test]
fn what_is_paused_can_be_resumed_when_it_is_gone() {
    let (peer, channel) = (PeerKey::new([2; 32]), fixture::point(1));
    for scope in [Scope::Peer(peer), Scope::Channel(channel), Scope::Node(fixture::node(2).1)] {
        let mut pair = named();
        pair.tell(ALICE, Event::PauseAsked(Pause { scope, until: None, reason: None }));
        // A restart forgets all that is not recorded.
        pair.start(ALICE);
        let core = &pair.daemons[ALICE].core;
        for name in [&scope.to_string(), &hex(&scope, 8)] {
            assert_eq!(core.pauses_named(name), [scope]);
        }
        for other in ["all", "alice", &hex(&scope, 7), ""] {
            assert_eq!(core.pauses_named(other), [], "{other}");
        }
    }
}

#[test]
fn of_several_that_a_name_may_mean_the_one_that_is_paused_is_resumed() {
    let mut pair = named();
    let scope = Scope::Node(fixture::NODE_C);
    pair.tell(ALICE, Event::PauseAsked(Pause { scope, until: None, reason: None }));
    let hello =
        Hello { node: fixture::NODE_C, alias: "bob".to_owned(), version: None, proof: None };
    pair.meets(ALICE, 77, Message::Hello(hello));
    assert_eq!(pair.daemons[ALICE].core.pauses_named("bob"), [scope]);
}

#[test]
fn every_name_that_is_offered_is_understood() {
    let core = &named().daemons[ALICE].core;
    let names = [core.names(), core.keys()].concat();
    assert!(names.len() >= 9, "{names:?}");
    for name in names {
        let scopes = core.scopes_named(&name);
        assert!(scopes.len() == 1 && core.is_known(scopes[0]), "{name}: {scopes:?}");
    }
}

#[test]
fn a_legacy_peer_has_nodes_to_be_paused_in_its_place() {
    let (legacy, version) = (fixture::node(77).1, fixture::node(78).1);
    let mut pair = named();
    pair.meets(ALICE, 77, hello(legacy, None, None));
    pair.meets(ALICE, 78, hello(version, Some(1), None));
    let core = &pair.daemons[ALICE].core;
    assert_eq!(core.nodes_of_legacy(PeerKey::new([77; 32])), [legacy]);
    assert_eq!(core.nodes_of_legacy(PeerKey::new([78; 32])), []);
    assert_eq!(core.nodes_of_legacy(PeerKey::new([79; 32])), []);
}
