//! Rule 6: an unknown outcome is a state, and only the node's own word ends it.

use super::*;
use crate::core::outcome::Failure;

/// A world that was killed between the intent and the answer.
fn killed() -> (World, PaymentHash) {
    let mut world = World::new(settings());
    let hash = world.pay_once();
    let actions = world.restart();
    let expected = ["PaymentUnknown", "WatchInvoice", "TrackPayment"];
    assert_eq!(names(&actions), expected, "recovery tracks and never pays");
    (world, hash)
}

fn terminal(world: &World) -> Vec<String> {
    let is_terminal = |record: &&Record| {
        matches!(
            record.entry,
            Entry::PaymentSettled(..)
                | Entry::PaymentFailed(..)
                | Entry::RebalanceSettled(..)
                | Entry::RebalanceFailed(..)
        )
    };
    world.log.iter().filter(is_terminal).map(|record| first_word(&record.entry)).collect()
}

#[test]
fn after_a_kill_the_channel_is_blocked_until_the_node_tells() {
    let (mut world, hash) = killed();
    assert_eq!(asked(&world.list(20, &[(1, 100_000, 900_000)])), [0; 0]);
    world.outcome(hash, Outcome::InFlight { has_attempts: true });
    assert_eq!(asked(&world.update(21, 1, 100_000, 900_000)), [0; 0]);
    world.settle(hash);
    assert_eq!(terminal(&world), ["PaymentSettled", "RebalanceSettled"]);
    // A list made after the settlement shows it.
    assert_eq!(asked(&world.answer(22, &[(1, 200_000, 800_000)])), [300_000]);
}

#[test]
fn every_error_after_dispatch_is_unknown_and_the_node_is_asked_again_and_again() {
    let mut world = World::new(settings());
    let hash = world.pay_once();
    let unknown = || Outcome::Unknown { detail: "connection reset".to_owned() };
    assert_eq!(names(&world.outcome(hash, unknown())), ["PaymentUnknown"]);
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(names(&world.pass(wait - 1)), [""; 0]);
        assert_eq!(names(&world.pass(1)), ["TrackPayment"]);
        assert_eq!(names(&world.outcome(hash, unknown())), [""; 0]);
    }
    assert!(!world.core.is_at_rest());
}

#[test]
fn not_found_ends_it_only_long_after_the_connection_and_the_expiry() {
    let (mut world, hash) = killed();
    let mut waited = 0;
    while terminal(&world).is_empty() {
        waited += 1;
        world.pass(1);
        world.outcome(hash, Outcome::NotFound);
        assert!(waited < 1_000);
    }
    assert_eq!(waited, 120, "60 s for the invoice, and 60 s after that");
    assert_eq!(terminal(&world), ["PaymentFailed"]);
    // Whether it arrived after all is for the invoice's own node to say.
    let end = InvoiceEnd::Settled { paid: Msat::MAX, over: Vec::new() };
    world.tell(Event::InvoiceEnded { hash, end });
    assert_eq!(terminal(&world), ["PaymentFailed", "RebalanceSettled"]);
}

#[test]
fn not_found_is_not_believed_soon_after_a_reconnection() {
    let (mut world, hash) = killed();
    world.pass(200);
    let bob = world.bob.1;
    world.tell(Event::NodeDisconnected { node: bob });
    assert_eq!(names(&world.connect(bob, "bob", true)), ["TrackPayment"]);
    world.pass(59);
    world.outcome(hash, Outcome::NotFound);
    assert_eq!(terminal(&world), [""; 0]);
    assert_eq!(names(&world.pass(1)), ["TrackPayment"]);
    world.outcome(hash, Outcome::NotFound);
    assert_eq!(terminal(&world), ["PaymentFailed"]);
}

#[test]
fn what_the_node_does_not_know_counts_as_if_it_had_settled() {
    let mut limited = settings();
    limited.limits.base.payments_max = 1;
    let mut world = World::new(limited);
    let hash = world.pay_once();
    world.outcome(hash, Outcome::NotSent { detail: String::new() });
    world.update(12, 1, 200_000, 800_000);
    assert_eq!(asked(&world.pass(60)), [0; 0]);
    assert_eq!(asked(&world.pass(4 * 60 * 60)), [300_000]);
    assert!(!Failure::NotSent.gives_back() && !Failure::NotFound.gives_back());
}

#[test]
fn an_attempt_without_an_invoice_is_abandoned_and_one_unpaid_is_cancelled() {
    let mut world = World::new(settings());
    world.list(10, &[(1, 200_000, 800_000)]);
    assert_eq!(names(&world.restart()), ["RebalanceFailed"]);
    assert_eq!(last_failure(&world.log), "abandoned");

    // Killed when the invoice was recorded, and the intent was not.
    let mut world = World::new(settings());
    world.pay_once();
    world.log.pop();
    let actions = world.restart();
    assert_eq!(names(&actions), ["CancelInvoice", "WatchInvoice"]);
    let hash = actions.iter().find_map(|action| match action {
        Action::CancelInvoice { hash, .. } => Some(*hash),
        _ => None,
    });
    let end = InvoiceEnd::Canceled;
    world.tell(Event::InvoiceEnded { hash: hash.expect("a hash"), end });
    assert_eq!(last_failure(&world.log), "invoiceCanceled");
    assert!(world.core.is_at_rest());
}

#[test]
fn a_payment_without_an_htlc_stays_unknown_and_the_operator_is_told_once_how_to_end_it() {
    let (mut world, hash) = killed();
    let told = |actions: Vec<Action>| {
        let told = actions.iter().filter_map(|action| match action {
            Action::Narrate(narrative) => serde_json::to_value(narrative).ok(),
            _ => None,
        });
        told.filter(|told| told["event"] == "error").count()
    };
    let stuck = || Outcome::InFlight { has_attempts: false };
    assert_eq!(told(world.outcome(hash, stuck())), 0, "every payment is so for a moment");
    world.pass(60);
    assert_eq!(told(world.outcome(hash, stuck())), 1);
    assert_eq!(told(world.outcome(hash, stuck())), 0);

    // An attempt that its node knows of, and the channel does not, is the same.
    let (mut world, hash) = killed();
    world.list(20, &[(1, 200_000, 800_000)]);
    let lost = || Outcome::InFlight { has_attempts: true };
    world.outcome(hash, lost());
    world.pass(60);
    assert_eq!(told(world.outcome(hash, lost())), 1);
    world.pass(1_000_000);
    assert!(terminal(&world).is_empty());
}

#[test]
fn a_late_or_repeated_answer_changes_nothing() {
    let mut world = World::new(settings());
    let hash = world.pay_once();
    world.settle(hash);
    let before = world.log.len();
    world.settle(hash);
    world.outcome(hash, Outcome::Failed(Failure::NotFound));
    world.outcome(PaymentHash::new([9; 32]), Outcome::Settled);
    assert_eq!(world.log.len(), before);
}
