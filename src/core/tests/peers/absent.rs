//! What the report tells of nodes, peers and channels that are away, and what it tells once.

use super::*;
use crate::core::record::{Pause, Scope};
use crate::core::report::{ChannelReport, OpenState, Report};

/// Each side that is absent: whose it is, why, what it had in sat, and since how many seconds.
fn absent(core: &Core, now: Time) -> Vec<(String, String, u64, u64)> {
    let told = |side: ChannelReport| {
        let since = side.absent_since.expect("a time");
        let why = side.rest.expect("a reason").code;
        (side.alias, why, side.local.sat().sat(), now.since(since).as_secs())
    };
    core.report().absent_channels.into_iter().map(told).collect()
}

#[test]
fn a_node_that_is_down_keeps_its_channels_in_the_report_until_it_lists_them_again() {
    let mut world = World::new(settings());
    world.list(10, &[(1, 500_000, 500_000), (2, 450_000, 550_000)]);
    let alice = world.alice.1;
    world.tell(Event::NodeDisconnected { node: alice });
    world.pass(7);
    let sides = |sat| ("alice".to_owned(), "nodeDown".to_owned(), sat, 7);
    assert_eq!(absent(&world.core, world.now), [sides(500_000), sides(450_000)]);
    let report = world.core.report();
    assert_eq!(report.channels.len(), 2, "Bob's sides are still watched");
    let alices = report.nodes.iter().find(|node| node.node == alice).expect("she is known");
    assert_eq!((alices.up_since, alices.down_since), (None, Some(report.at.before(secs(7)))));

    world.connect(alice, "alice", true);
    let sides = |sat| ("alice".to_owned(), "nodeDown".to_owned(), sat, 7);
    assert_eq!(absent(&world.core, world.now), [sides(500_000), sides(450_000)]);
    assert!(world.core.report().nodes.iter().all(|node| node.down_since.is_none()));
    let (node, channels) = (alice, vec![world.views(1, 500_000, 500_000)[0].1.clone()]);
    world.tell(Event::ChannelsListed { node, with: None, channels });
    assert_eq!(absent(&world.core, world.now), [], "the other one was closed meanwhile");
}

#[test]
fn a_channel_that_is_closed_while_its_node_is_down_is_no_longer_told_of() {
    let mut world = World::new(settings());
    world.list(10, &[(1, 500_000, 500_000)]);
    let (alice, node) = (world.alice.1, world.bob.1);
    world.tell(Event::NodeDisconnected { node: alice });
    world.tell(Event::ChannelsListed { node, with: None, channels: Vec::new() });
    assert_eq!(absent(&world.core, world.now), []);
}

#[test]
fn a_peer_that_left_is_told_of_with_its_channels_until_somebody_speaks_for_its_node() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 500_000, 500_000)]);
    let heard_at = pair.daemons[ALICE].core.report().peers[0].heard_at;
    pair.pass(5);
    pair.part();
    let left_at = pair.now;
    pair.pass(3);
    let core = &pair.daemons[ALICE].core;
    let report = core.report();
    assert!(report.peers.is_empty() && report.channels.is_empty());
    let [peer] = &report.absent_peers[..] else { panic!("one peer left: {report:?}") };
    assert_eq!((peer.left_at, peer.heard_at), (Some(left_at), heard_at));
    assert_eq!(peer.nodes[0].alias, "bob");
    let side = ("alice".to_owned(), "peerAway".to_owned(), 500_000, 3);
    assert_eq!(absent(core, pair.now), [side]);
    assert_eq!(report.absent_channels[0].counterparty_alias, "bob");

    // Our own node goes too: both are away, and its figures are what they were.
    let alice = pair.daemons[ALICE].node.1;
    pair.tell(ALICE, Event::NodeDisconnected { node: alice });
    let side = ("alice".to_owned(), "nodeDown".to_owned(), 500_000, 0);
    assert_eq!(absent(&pair.daemons[ALICE].core, pair.now), [side]);

    // A legacy daemon has another key at each start: who speaks for the node is what counts.
    let bob = pair.daemons[BOB].node.1;
    pair.meets(ALICE, 9, hello(bob, None, None));
    assert!(pair.daemons[ALICE].core.report().absent_peers.is_empty());
}

/// A pause, so that a drift lasts.
fn paused() -> Event {
    Event::PauseAsked(Pause { scope: Scope::All, until: None, reason: None })
}

#[test]
fn a_drift_that_nobody_sees_is_none_and_begins_when_the_channel_is_back() {
    let drifted = [(1, 200_000, 800_000)];
    let mut pair = Pair::new(settings(), settings());
    pair.tell(ALICE, paused());
    pair.list(10, &drifted);
    assert_eq!(pair.daemons[ALICE].core.report().channels[0].low_since, Some(START));
    pair.part();
    let side = pair.daemons[ALICE].core.report().absent_channels.remove(0);
    assert_eq!(side.low_since, None, "its peer is away");
    pair.pass(200_000);
    pair.meet();
    let side = pair.daemons[ALICE].core.report().channels.remove(0);
    assert_eq!(side.low_since, Some(pair.now));

    let mut world = World::new(settings());
    world.tell(paused());
    world.list(10, &drifted);
    let alices = |core: &Core| {
        let Report { channels, absent_channels, .. } = core.report();
        let mut sides = channels.into_iter().chain(absent_channels);
        sides.find(|side| side.alias == "alice").expect("her side").low_since
    };
    assert_eq!(alices(&world.core), Some(START));
    world.tell(Event::NodeDisconnected { node: world.alice.1 });
    assert_eq!(alices(&world.core), None, "its node is down");
    world.pass(200_000);
    world.connect(world.alice.1, "alice", true);
    world.list(11, &drifted);
    assert_eq!(alices(&world.core), Some(world.now));
}

/// Alice loses one of her peers.
fn leave(pair: &mut Pair, n: u8) {
    let (peer, reason) = (PeerKey::new([n; 32]), String::new());
    pair.tell(ALICE, Event::PeerDisconnected { peer, reason });
}

#[test]
fn strangers_that_leave_are_not_told_of_and_of_others_only_the_last() {
    let mut pair = Pair::new(settings(), settings());
    pair.tell(ALICE, Event::PeerConnected { peer: PeerKey::new([9; 32]) });
    leave(&mut pair, 9);
    let left = |pair: &Pair| pair.daemons[ALICE].core.report().absent_peers.len();
    assert_eq!(left(&pair), 0);
    for n in 10..=99 {
        pair.meets(ALICE, n, hello(NodeId::new([n; 33]), None, None));
        leave(&mut pair, n);
    }
    assert_eq!(left(&pair), 64);
}

#[test]
fn strangers_in_any_number_do_not_have_the_owner_of_a_channels_other_end_forgotten() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 500_000, 500_000)]);
    let bob = pair.daemons[BOB].node.1;
    let come_and_go = |pair: &mut Pair, n, node| {
        pair.meets(ALICE, n, hello(node, None, None));
        leave(pair, n);
    };
    // They say that they speak for his node, while he does.
    (10..=90).for_each(|n| come_and_go(&mut pair, n, bob));
    pair.part();
    (91..=170).for_each(|n| come_and_go(&mut pair, n, NodeId::new([n; 33])));
    // Our own node goes, and its channels with it.
    let alice = pair.daemons[ALICE].node.1;
    pair.tell(ALICE, Event::NodeDisconnected { node: alice });
    (171..=250).for_each(|n| come_and_go(&mut pair, n, NodeId::new([n; 33])));
    let report = pair.daemons[ALICE].core.report();
    assert_eq!(report.absent_peers.len(), 64);
    assert!(report.absent_peers.iter().any(|peer| peer.peer == pair.daemons[BOB].key));
}

#[test]
fn a_channel_tells_its_pauses_its_cap_and_its_last_rebalance_and_a_payment_is_told_once() {
    let mut settings = settings();
    let cap = crate::core::policy::Override {
        id: "bob:0x0x1".to_owned(),
        payments_max: Some(3),
        ..Default::default()
    };
    settings.limits = Limits::new(settings.limits.base, vec![cap]);
    let mut world = World::new(settings);
    let bobs = |world: &World| {
        let mut sides = world.core.report().channels.into_iter();
        sides.find(|side| side.alias == "bob").expect("his side")
    };
    let hash = world.send_once();
    let open = world.core.report().open;
    let states: Vec<OpenState> = open.iter().map(|open| open.state).collect();
    assert_eq!(states, [OpenState::Dispatched], "both ends are ours");
    assert_eq!(bobs(&world).last_rebalance_at, None);
    world.pass(2);
    world.settle(hash);
    let side = bobs(&world);
    assert_eq!(side.last_rebalance_at, Some(world.now));
    let cap = side.cap.expect("it is capped");
    assert_eq!((cap.payments_used, cap.payments_max, cap.amount_max), (1, Some(3), None));
    assert_eq!(side.paused_by, []);
    let scope = Scope::Node(world.alice.1);
    world.tell(Event::PauseAsked(Pause { scope, until: None, reason: None }));
    assert_eq!(bobs(&world).paused_by, [scope]);
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
