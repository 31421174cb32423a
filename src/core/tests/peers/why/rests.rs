//! Each reason to rest.

use std::collections::BTreeSet;

use super::*;
use crate::core::decide::Rest;
use crate::core::record::{Pause, Scope};
use crate::ids::Scid;

const EVEN: [(u8, u64, u64); 1] = [(1, 500_000, 500_000)];
const DRIFTED: [(u8, u64, u64); 1] = [(1, 200_000, 800_000)];

/// Why Alice rests, where Bob is ours too, after something.
fn ours(settings: Settings, happens: impl FnOnce(&mut World)) -> Told {
    let mut world = World::new(settings);
    happens(&mut world);
    rest_of(&world.core, world.alice.1)
}

/// The same, where all that is special is Alice's view of the channel, in which she is poor.
fn seen(change: impl FnOnce(&mut Channel)) -> Told {
    ours(settings(), |world| {
        world.list(10, &EVEN);
        let [(node, mut channel), _] = world.views(1, 200_000, 800_000);
        channel.updates = 11;
        change(&mut channel);
        world.tell(Event::ChannelsListed { node, with: None, channels: vec![channel] });
    })
}

/// Why Alice rests, where Bob is a peer, after something.
fn theirs(alice: Settings, happens: impl FnOnce(&mut Pair)) -> Told {
    let mut pair = Pair::apart(alice, settings());
    happens(&mut pair);
    rest_of(&pair.daemons[ALICE].core, pair.daemons[ALICE].node.1)
}

fn limited(change: impl FnOnce(&mut Policy)) -> Settings {
    let mut settings = settings();
    change(&mut settings.limits.base);
    settings
}

fn paused() -> Told {
    ours(settings(), |world| {
        world.list(10, &DRIFTED);
        let (scope, until) = (Scope::Node(world.bob.1), Some(world.now + Duration::from_secs(60)));
        world.restart();
        world.tell(Event::PauseAsked(Pause { scope, until, reason: None }));
        world.list(11, &DRIFTED);
    })
}

fn attempt_open() -> Told {
    let mut world = World::new(settings());
    world.list(10, &DRIFTED);
    world.update(11, 1, 200_000, 800_000);
    rest_of(&world.core, world.bob.1)
}

fn awaiting_snapshot() -> Told {
    ours(settings(), |world| {
        let hash = world.pay_once();
        world.settle(hash);
    })
}

fn cooling_down() -> Told {
    ours(limited(|policy| policy.pause_min = Duration::from_secs(60)), |world| {
        let hash = world.pay_once();
        world.settle(hash);
        world.update(12, 1, 100_000, 900_000);
    })
}

fn refused() -> Told {
    ours(limited(|policy| policy.payments_max = 1), |world| {
        let hash = world.pay_once();
        world.settle(hash);
        world.update(12, 1, 100_000, 900_000);
    })
}

fn paid_elsewhere() -> Told {
    ours(settings(), |world| {
        let hash = world.pay_once();
        world.outcome(hash, Outcome::Settled);
        let end = InvoiceEnd::Settled { paid: Msat::MAX, over: vec![Scid::new(77)] };
        world.tell(Event::InvoiceEnded { hash, end });
    })
}

fn not_trusted() -> Told {
    let trusted = BTreeSet::from([fixture::NODE_C]);
    theirs(Settings { trusted, ..settings() }, |pair| {
        pair.meet();
        pair.list(10, &DRIFTED);
    })
}

fn policy_unknown() -> Told {
    theirs(settings(), |pair| {
        pair.list(10, &DRIFTED);
        let peer = pair.daemons[BOB].key;
        pair.tell(ALICE, Event::PeerConnected { peer });
        let node = pair.daemons[BOB].node.1;
        pair.hear(ALICE, hello(node, Some(1), None));
    })
}

fn paused_by_peer() -> Told {
    theirs(settings(), |pair| {
        pair.meet();
        pair.list(10, &EVEN);
        let pause = Pause { scope: Scope::All, until: None, reason: None };
        pair.tell(BOB, Event::PauseAsked(pause));
        pair.talk();
        pair.list(11, &DRIFTED);
    })
}

fn cannot_hold() -> Told {
    theirs(settings(), |pair| {
        pair.daemons[ALICE].can_hold = false;
        pair.start(ALICE);
        let peer = pair.daemons[BOB].key;
        pair.tell(ALICE, Event::PeerConnected { peer });
        let node = pair.daemons[BOB].node.1;
        pair.hear(ALICE, hello(node, None, None));
        pair.list(10, &[(1, 200_000, 800_000), (2, 500_000, 500_000)]);
    })
}

fn by_peer() -> Told {
    theirs(settings(), |pair| {
        pair.daemons[BOB].settings.limits.base.payments_max = 0;
        pair.start(BOB);
        pair.meet();
        pair.list(10, &DRIFTED);
        pair.invoice(ALICE);
        let hash = pair.offered();
        pair.tell(ALICE, Event::InvoiceEnded { hash, end: InvoiceEnd::Canceled });
    })
}

#[test]
fn each_rest_is_reached_and_told() {
    let scenarios = each! { Rest:
        Stopping => || ours(settings(), |world| {
            world.list(10, &EVEN);
            world.tell(Event::Stopping);
        }),
        Balanced => || ours(settings(), |world| drop(world.list(10, &EVEN))),
        RebalanceOff => || ours(settings(), |world| {
            world.connect(world.bob.1, "bob", false);
            world.list(10, &DRIFTED);
        }),
        CounterpartyDown => || ours(settings(), |world| {
            world.list(10, &EVEN);
            world.tell(Event::NodeDisconnected { node: world.bob.1 });
        }),
        Paused => paused,
        AttemptOpen => attempt_open,
        AwaitingSnapshot => awaiting_snapshot,
        ViewsDiffer => || seen(|_| {}),
        Inactive => || seen(|channel| channel.is_active = false),
        NotOrdinary => || seen(|channel| channel.is_ordinary = false),
        Unreadable => || seen(|channel| channel.capacity = Msat::new(1)),
        BandsDoNotMeet => || {
            let apart = band(70, 10);
            ours(apart, |world| drop(world.list(10, &DRIFTED)))
        },
        TooSmall => || {
            let large = limited(|policy| policy.payment_min = Msat::new(400_000_000));
            ours(large, |world| drop(world.list(10, &DRIFTED)))
        },
        CoolingDown => cooling_down,
        NotTrusted => not_trusted,
        PolicyUnknown => policy_unknown,
        PausedByPeer => paused_by_peer,
        CannotHold => cannot_hold,
        PaidElsewhere => paid_elsewhere,
        ByPeer => by_peer,
        Refused => refused,
        DryRun => || {
            let dry = Settings { dry_run: true, ..settings() };
            ours(dry, |world| drop(world.list(10, &DRIFTED)))
        },
    };
    check(scenarios, include_str!("../../../../../tests/data/why/rests.txt"));
}
