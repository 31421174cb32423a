//! Each failure of a payment, told by both ends; and each cause for which an attempt ends unpaid.

use super::*;
use crate::core::outcome::{Cause, Failure};
use crate::core::record::{Pause, Scope};
use crate::core::refusal;
use crate::ids::Scid;

const DRIFTED: [(u8, u64, u64); 1] = [(1, 200_000, 800_000)];

/// Alice has asked Bob for 300,000 sat, and he has sent them.
fn sent() -> Pair {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &DRIFTED);
    pair.invoice(ALICE);
    pair
}

/// Bob's node says this of the payment, at each question for three minutes at most.
fn failed(outcome: &Outcome) -> Told {
    let mut pair = sent();
    let (hash, _) = pair.paid(BOB)[0];
    let failure = (0..180).find_map(|_| {
        pair.tell(BOB, Event::PaymentUpdated { hash, outcome: outcome.clone() });
        pair.talk();
        pair.pass(1);
        match pair.daemons[BOB].log.last()?.entry {
            Entry::PaymentFailed(_, _, failure) => Some(failure),
            _ => None,
        }
    });
    let hash = pair.offered();
    pair.tell(ALICE, Event::InvoiceEnded { hash, end: InvoiceEnd::Canceled });
    let mut sentences = said(&pair.daemons[ALICE].core, &["alice does not ask"]);
    sentences.extend(said(&pair.daemons[BOB].core, &["bob last"]));
    Told { code: refusal::code(&failure.expect("it has failed")), said: sentences }
}

#[test]
fn each_failure_is_reached_and_told_at_both_ends() {
    let scenarios = each! { Failure:
        TemporaryChannelFailure => || failed(&Outcome::Failed(Failure::TemporaryChannelFailure)),
        IncorrectPaymentDetails => || failed(&Outcome::Failed(Failure::IncorrectPaymentDetails)),
        ExpiryTooSoon => || failed(&Outcome::Failed(Failure::ExpiryTooSoon)),
        ChannelUnavailable => || failed(&Outcome::Failed(Failure::ChannelUnavailable)),
        AmountBelowMinimum => || failed(&Outcome::Failed(Failure::AmountBelowMinimum)),
        InsufficientBalance => || failed(&Outcome::Failed(Failure::InsufficientBalance)),
        Other => || failed(&Outcome::Failed(Failure::Other { number: 24 })),
        NotSent => || failed(&Outcome::NotSent { detail: "no route".to_owned() }),
        NotFound => || failed(&Outcome::NotFound),
    };
    check(scenarios, include_str!("../../../../../tests/data/why/failures.txt"));
}

/// What Alice's last attempt came to.
fn ended(core: &Core, log: &[Record]) -> Told {
    let cause = log.iter().rev().find_map(|record| match &record.entry {
        Entry::RebalanceFailed(_, _, cause) => Some(serde_json::to_value(cause).expect("a cause")),
        _ => None,
    });
    let code = cause.expect("an attempt has failed")["cause"].as_str().expect("a word").to_owned();
    Told { code, said: said(core, &["alice last", "alice does not ask"]) }
}

/// The same, where Bob is ours too, and something happens after Alice has opened her attempt.
fn ours(happens: impl FnOnce(&mut World, Vec<Action>)) -> Told {
    let mut world = World::new(settings());
    let asked = world.list(10, &DRIFTED);
    happens(&mut world, asked);
    ended(&world.core, &world.log)
}

/// The same, where Bob is a peer that was asked.
fn theirs(mut pair: Pair, happens: impl FnOnce(&mut Pair)) -> Told {
    happens(&mut pair);
    ended(&pair.daemons[ALICE].core, &pair.daemons[ALICE].log)
}

fn canceled(pair: &mut Pair) {
    let hash = pair.offered();
    pair.tell(ALICE, Event::InvoiceEnded { hash, end: InvoiceEnd::Canceled });
}

fn no_invoice() -> Told {
    ours(|world, asked| {
        let rebalance = asked.iter().find_map(|action| match action {
            Action::CreateInvoice { rebalance, .. } => Some(*rebalance),
            _ => None,
        });
        let rebalance = rebalance.expect("an invoice is asked for");
        world.tell(Event::InvoiceNotCreated { rebalance, error: "wallet locked".to_owned() });
    })
}

fn abandoned() -> Told {
    ours(|world, _| {
        world.restart();
        world.list(11, &[(1, 500_000, 500_000)]);
    })
}

fn refused() -> Told {
    ours(|world, asked| {
        world.tell(Event::PauseAsked(Pause { scope: Scope::All, until: None, reason: None }));
        world.invoice(&asked, |_| {});
    })
}

fn payment_failed() -> Told {
    ours(|world, asked| {
        let (hash, _) = payment(&world.invoice(&asked, |_| {})).expect("a payment");
        world.outcome(hash, Outcome::Failed(Failure::ChannelUnavailable));
    })
}

fn no_longer_needed() -> Told {
    ours(|world, asked| {
        world.update(11, 1, 500_000, 500_000);
        world.invoice(&asked, |_| {});
    })
}

/// Before Bob is asked, our operator pauses.
fn overtaken() -> Told {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &DRIFTED);
    theirs(pair, |pair| {
        let pause = Pause { scope: Scope::All, until: None, reason: None };
        pair.tell(ALICE, Event::PauseAsked(pause));
        pair.invoice(ALICE);
    })
}

fn by_peer() -> Told {
    theirs(sent(), |pair| {
        let (hash, _) = pair.paid(BOB)[0];
        let outcome = Outcome::Failed(Failure::Other { number: 24 });
        pair.tell(BOB, Event::PaymentUpdated { hash, outcome });
        pair.talk();
        canceled(pair);
    })
}

fn peer_gone() -> Told {
    theirs(sent(), |pair| {
        pair.part();
        canceled(pair);
    })
}

/// Bob is a legacy peer, and pays over the second of two channels.
fn paid_elsewhere() -> Told {
    let mut pair = Pair::apart(settings(), settings());
    let (peer, node) = (pair.daemons[BOB].key, pair.daemons[BOB].node.1);
    pair.tell(ALICE, Event::PeerConnected { peer });
    pair.hear(ALICE, hello(node, None, None));
    pair.list(10, &[(1, 200_000, 800_000), (2, 500_000, 500_000)]);
    pair.make_invoice(ALICE, |_| {});
    theirs(pair, |pair| {
        let hash = pair.offered();
        let held = Held { paid: Msat::new(300_000_000), over: vec![Scid::new(2)] };
        pair.tell(ALICE, Event::InvoiceHeld { hash, held });
        canceled(pair);
    })
}

#[test]
fn each_cause_is_reached_and_told() {
    let scenarios = each! { Cause:
        NoInvoice => no_invoice,
        Abandoned => abandoned,
        Refused => refused,
        PaymentFailed => payment_failed,
        NoLongerNeeded => no_longer_needed,
        InvoiceCanceled => || theirs(sent(), canceled),
        ByPeer => by_peer,
        PeerGone => peer_gone,
        Overtaken => overtaken,
        PaidElsewhere => paid_elsewhere,
    };
    check(scenarios, include_str!("../../../../../tests/data/why/causes.txt"));
}
