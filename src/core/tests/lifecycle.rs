//! From drift to rest: rules 1, 2, 5, 8 and 11, and what a stop and a pause do.

use super::*;
use crate::core::outcome::Failure;
use crate::core::record::{Pause, Scope};

#[test]
fn a_drift_is_invoiced_paid_and_recorded_in_that_order() {
    let mut world = World::new(settings());
    let asked = world.list(10, &[(1, 200_000, 800_000)]);
    let steps = ["ReadForwarding", "ReadForwarding", "RebalanceOpened", "CreateInvoice"];
    assert_eq!(names(&asked), steps);
    let paid = world.invoice(&asked, |_| {});
    assert_eq!(names(&paid), ["InvoiceCreated", "PaymentIntended", "Pay", "WatchInvoice"]);
    let (hash, sat) = payment(&paid).expect("a payment");
    assert_eq!(sat, 300_000);
    world.in_flight(11, 1, 200_000, 500_000, hash, 300_000);
    let settled = world.settle(hash);
    assert_eq!(names(&settled), ["PaymentSettled", "RebalanceSettled"]);
    let rest = world.update(12, 1, 500_000, 500_000);
    assert_eq!(names(&rest), [""; 0]);
    assert!(world.core.is_at_rest());
}

#[test]
fn the_payment_is_pinned_to_the_payers_own_channel_and_its_counterparty() {
    let mut world = World::new(settings());
    let asked = world.list(10, &[(1, 200_000, 800_000)]);
    let paid = world.invoice(&asked, |_| {});
    let authorized = paid.iter().find_map(|action| match action {
        Action::Pay(authorized) => Some(authorized),
        _ => None,
    });
    let authorized = authorized.expect("a payment");
    assert_eq!(authorized.payer(), world.bob.1);
    assert_eq!(authorized.payee(), world.alice.1);
    assert_eq!(authorized.point(), fixture::point(1));
    assert_eq!(authorized.scid(), fixture::channel(1, 0, 0).scid);
    assert_eq!(authorized.amount(), Msat::new(300_000_000));
    assert_eq!(authorized.min_final_cltv(), 80);
}

#[test]
fn nothing_moves_until_a_snapshot_shows_the_settlement() {
    let mut world = World::new(settings());
    let hash = world.pay_once();
    world.settle(hash);
    assert_eq!(asked(&world.pass(1)), [0; 0]);
    assert_eq!(asked(&world.update(12, 1, 500_000, 500_000)), [0; 0]);
    assert_eq!(asked(&world.update(13, 1, 100_000, 900_000)), [400_000]);
}

#[test]
fn a_list_is_asked_for_where_no_snapshot_comes() {
    let mut world = World::new(settings());
    let hash = world.pay_once();
    world.settle(hash);
    assert_eq!(names(&world.pass(9)), [""; 0]);
    assert_eq!(names(&world.pass(1)), ["ListChannels", "ListChannels"]);
    // A list that was under way already is no answer.
    assert_eq!(asked(&world.list(11, &[(1, 200_000, 800_000)])), [0; 0]);
    assert_eq!(asked(&world.answer(12, &[(1, 200_000, 800_000)])), [300_000]);
}

#[test]
fn updates_that_are_not_ours_do_not_show_a_settlement() {
    let mut world = World::new(settings());
    let hash = world.send_once();
    // Others' HTLCs come before ours, and lnd tells of ours late.
    let settled = world.settle(hash);
    assert!(names(&settled).contains(&"ListChannels".to_owned()));
    assert_eq!(asked(&world.update(12, 1, 200_000, 800_000)), [0; 0]);
    world.in_flight(13, 1, 200_000, 500_000, hash, 300_000);
    assert_eq!(asked(&world.update(14, 1, 500_000, 500_000)), [0; 0]);
    assert_eq!(asked(&world.update(15, 1, 100_000, 900_000)), [400_000]);
}

#[test]
fn lists_that_show_nothing_are_asked_for_ever_more_rarely() {
    let mut world = World::new(settings());
    let hash = world.send_once();
    world.settle(hash);
    let mut lists = 0;
    for _ in 0..3600 {
        let asked = names(&world.pass(1));
        lists += asked.iter().filter(|name| *name == "ListChannels").count();
        world.in_flight(13, 1, 200_000, 500_000, hash, 300_000);
    }
    assert!((2..=40).contains(&lists), "{lists} lists in an hour");
}

#[test]
fn a_payee_that_needs_it_no_more_is_not_paid() {
    let mut world = World::new(settings());
    let batch = world.list(10, &[(1, 200_000, 800_000)]);
    let [(node, view), _] = world.views(1, 700_000, 300_000);
    world.tell(Event::ChannelUpdated { node, channel: Channel { updates: 11, ..view } });
    let answered = world.invoice(&batch, |_| {});
    assert_eq!(payment(&answered), None);
    assert_eq!(last_failure(&world.log), "noLongerNeeded");
}

#[test]
fn what_came_another_way_or_short_is_told_and_the_side_stays_away() {
    for (paid, over) in [(299_999_999, 1), (300_000_000, 77)] {
        let mut world = World::new(settings());
        let hash = world.pay_once();
        world.outcome(hash, Outcome::Settled);
        let over = vec![crate::ids::Scid::new(over)];
        let end = InvoiceEnd::Settled { paid: Msat::new(paid), over };
        let told = world.tell(Event::InvoiceEnded { hash, end });
        use crate::core::narrative::Narrative::{Error, PaidElsewhere};
        let is_told = |action: &Action| {
            matches!(action, Action::Narrate(Error { .. } | PaidElsewhere { .. }))
        };
        assert!(told.iter().any(is_told));
        assert_eq!(asked(&world.update(12, 1, 100_000, 900_000)), [0; 0]);
        assert_eq!(asked(&world.pass(3_599)), [0; 0]);
        assert_eq!(asked(&world.pass(1)), [400_000]);
    }
}

#[test]
fn bounds_in_the_way_are_read_again_in_time() {
    let mut world = World::new(settings());
    let (node, point) = (world.bob.1, fixture::point(1));
    world.list(10, &[(1, 500_000, 500_000)]);
    let forwarding = |sat: u64| crate::core::channel::Forwarding {
        htlc_min: Msat::new(1),
        htlc_max: Msat::new(sat * 1000),
    };
    world.tell(Event::ForwardingRead { node, point, forwarding: forwarding(500) });
    let refused = world.update(11, 1, 200_000, 800_000);
    assert!(names(&refused).contains(&"ReadForwarding".to_owned()));
    assert_eq!(names(&world.pass(599)), [""; 0]);
    assert_eq!(names(&world.pass(1)), ["ReadForwarding"]);
    let read = world.tell(Event::ForwardingRead { node, point, forwarding: forwarding(900_000) });
    assert_eq!(asked(&read), [300_000]);
}

#[test]
fn a_channel_in_balance_or_without_a_view_of_both_ends_rests() {
    let mut world = World::new(settings());
    assert_eq!(asked(&world.list(10, &[(1, 400_000, 600_000)])), [0; 0]);
    let bob = world.bob.1;
    world.tell(Event::NodeDisconnected { node: bob });
    let [(node, view), _] = world.views(1, 100_000, 900_000);
    let channel = Channel { updates: 11, ..view };
    assert_eq!(asked(&world.tell(Event::ChannelUpdated { node, channel })), [0; 0]);
}

#[test]
fn a_channel_that_a_list_lacks_is_let_go_and_an_error_is_no_list() {
    let mut world = World::new(settings());
    world.list(10, &[(1, 500_000, 500_000)]);
    assert_eq!(world.core.watched(), 1);
    let node = world.alice.1;
    world.tell(Event::NodeDisconnected { node });
    assert_eq!(world.core.watched(), 1);
    world.connect(node, "alice", true);
    world.list(11, &[]);
    assert_eq!(world.core.watched(), 0);

    // Closed while both were away.
    world.list(12, &[(2, 500_000, 500_000)]);
    for (node, alias) in [(world.alice.1, "alice"), (world.bob.1, "bob")] {
        world.tell(Event::NodeDisconnected { node });
        world.connect(node, alias, true);
    }
    assert_eq!(world.core.watched(), 1);
    world.list(13, &[]);
    assert_eq!(world.core.watched(), 0);
}

#[test]
fn an_offer_waits_for_htlcs_in_flight_and_no_longer_than_three_seconds() {
    let busy = |world: &World, updates| {
        let [_, (node, view)] = world.views(1, 100_000, 400_000);
        let amount = Msat::new(500_000_000);
        let htlc = Htlc { is_incoming: true, amount, hash: PaymentHash::new([3; 32]) };
        let channel =
            Channel { updates, htlcs: vec![htlc], capacity: Msat::new(1_001_000_000), ..view };
        Event::ChannelUpdated { node, channel }
    };
    // Alice, as payee, sees no HTLC; Bob, as payer, cannot count on what is on its way to him.
    let mut world = World::new(settings());
    let asked = world.list(10, &[(1, 100_000, 900_000)]);
    world.tell(busy(&world, 11));
    let waiting = world.invoice(&asked, |_| {});
    assert_eq!(names(&waiting), ["InvoiceCreated", "WatchInvoice"]);
    let paid = world.update(12, 1, 100_000, 900_000);
    assert_eq!(payment(&paid).map(|(_, sat)| sat), Some(400_000));

    let mut world = World::new(settings());
    let asked = world.list(10, &[(1, 100_000, 900_000)]);
    world.tell(busy(&world, 11));
    world.invoice(&asked, |_| {});
    assert_eq!(names(&world.pass(2)), [""; 0]);
    assert_eq!(names(&world.pass(1)), ["RebalanceFailed", "CancelInvoice"]);
    assert_eq!(last_failure(&world.log), "pastBand");
}

#[test]
fn an_offer_whose_invoice_is_cancelled_meanwhile_is_let_go() {
    let mut world = World::new(settings());
    let asked = world.list(10, &[(1, 100_000, 900_000)]);
    let [_, (node, view)] = world.views(1, 100_000, 400_000);
    let amount = Msat::new(500_000_000);
    let htlcs = vec![Htlc { is_incoming: true, amount, hash: PaymentHash::new([3; 32]) }];
    let channel = Channel { updates: 11, htlcs, capacity: Msat::new(1_001_000_000), ..view };
    world.tell(Event::ChannelUpdated { node, channel });
    let waiting = world.invoice(&asked, |_| {});
    let hash = waiting.iter().find_map(|action| match action {
        Action::WatchInvoice { hash, .. } => Some(*hash),
        _ => None,
    });
    let end = InvoiceEnd::Canceled;
    world.tell(Event::InvoiceEnded { hash: hash.expect("an invoice is watched"), end });
    let before = world.log.len();
    assert_eq!(payment(&world.update(12, 1, 100_000, 900_000)), None);
    assert_eq!(names(&world.pass(3)), [""; 0]);
    assert_eq!(world.log.len(), before, "one terminal record, and no payment");
}

#[test]
fn a_failed_payment_is_given_back_and_tried_again_later_with_another_invoice() {
    let mut world = World::new(settings());
    let first = world.pay_once();
    let failed = world.outcome(first, Outcome::Failed(Failure::TemporaryChannelFailure));
    let steps = ["PaymentFailed", "ReadForwarding", "RebalanceFailed", "CancelInvoice"];
    assert_eq!(names(&failed), steps);
    world.update(12, 1, 200_000, 800_000);
    assert_eq!(asked(&world.pass(4)), [0; 0]);
    let again = world.pass(1);
    assert_eq!(asked(&again), [150_000], "half of what the channel could not carry");
    let (second, _) = payment(&world.invoice(&again, |_| {})).expect("a payment");
    assert_ne!(first, second);
    assert_eq!(world.intents(first), 1);
}

#[test]
fn an_invoice_that_is_not_made_ends_the_attempt() {
    let mut world = World::new(settings());
    let batch = world.list(10, &[(1, 200_000, 800_000)]);
    let rebalance = batch.iter().find_map(|action| match action {
        Action::CreateInvoice { rebalance, .. } => Some(*rebalance),
        _ => None,
    });
    let rebalance = rebalance.expect("an invoice is asked for");
    world.tell(Event::InvoiceNotCreated { rebalance, error: "wallet locked".to_owned() });
    assert_eq!(last_failure(&world.log), "noInvoice");
    assert_eq!(asked(&world.pass(5)), [300_000]);
}

#[test]
fn a_pause_stops_what_is_new_survives_a_restart_and_lets_what_is_in_flight_end() {
    let mut world = World::new(settings());
    let hash = world.pay_once();
    let pause = Pause { scope: Scope::All, until: None, reason: None };
    world.tell(Event::PauseAsked(pause));
    world.settle(hash);
    assert_eq!(asked(&world.update(12, 1, 100_000, 900_000)), [0; 0]);
    world.restart();
    assert_eq!(asked(&world.list(13, &[(1, 100_000, 900_000)])), [0; 0]);
    assert_eq!(asked(&world.tell(Event::ResumeAsked(Scope::All))), [400_000]);
}

#[test]
fn a_pause_ends_by_itself_and_holds_only_where_it_was_set() {
    let mut world = World::new(settings());
    let until = Some(world.now + Duration::from_secs(60));
    world.list(10, &[(1, 500_000, 500_000), (2, 500_000, 500_000)]);
    let scope = Scope::Channel(fixture::point(1));
    world.tell(Event::PauseAsked(Pause { scope, until, reason: None }));
    assert_eq!(asked(&world.update(11, 1, 100_000, 900_000)), [0; 0]);
    assert_eq!(asked(&world.update(11, 2, 200_000, 800_000)), [300_000]);
    assert_eq!(asked(&world.pass(59)), [0; 0]);
    assert_eq!(asked(&world.pass(1)), [400_000]);
}

#[test]
fn a_pause_that_comes_before_the_invoice_stops_the_payment() {
    let mut world = World::new(settings());
    let asked = world.list(10, &[(1, 200_000, 800_000)]);
    let scope = Scope::Node(world.bob.1);
    world.tell(Event::PauseAsked(Pause { scope, until: None, reason: None }));
    assert_eq!(names(&world.invoice(&asked, |_| {})).last().unwrap(), "CancelInvoice");
    assert_eq!(last_failure(&world.log), "paused");
}

#[test]
fn a_daemon_that_stops_begins_nothing_and_ends_what_it_began() {
    let mut world = World::new(settings());
    let asked = world.list(10, &[(1, 200_000, 800_000), (2, 200_000, 800_000)]);
    let hash = payment(&world.invoice(&asked, |_| {})).expect("a payment").0;
    world.tell(Event::Stopping);
    assert!(!world.core.is_at_rest());
    world.in_flight(11, 1, 200_000, 500_000, hash, 300_000);
    assert_eq!(names(&world.settle(hash)), ["PaymentSettled", "RebalanceSettled"]);
    assert_eq!(super::asked(&world.update(12, 1, 100_000, 900_000)), [0; 0]);
}

#[test]
fn a_dry_run_says_what_it_would_ask_and_asks_nothing() {
    let mut world = World::new(Settings { dry_run: true, ..settings() });
    let batch = world.list(10, &[(1, 200_000, 800_000)]);
    assert_eq!(asked(&batch), [0; 0]);
    let told = batch.iter().rev().find_map(|action| match action {
        Action::Narrate(narrative) => {
            let told = serde_json::to_value(narrative).unwrap();
            (told["event"] == "channelRests").then(|| told["data"]["rest"].clone())
        }
        _ => None,
    });
    let expected = serde_json::json!({"code": "dryRun", "amount": 300_000_000});
    assert_eq!(told, Some(expected));
}

#[test]
fn a_node_that_is_excepted_neither_asks_nor_pays() {
    let mut world = World::new(settings());
    let bob = world.bob.1;
    world.connect(bob, "bob", false);
    assert_eq!(asked(&world.list(10, &[(1, 200_000, 800_000), (2, 800_000, 200_000)])), [0; 0]);
}
