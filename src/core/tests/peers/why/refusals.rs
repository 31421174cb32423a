//! Each refusal: the payer's answer to the payee's request, told by the `why` of both.

use std::collections::BTreeSet;

use lightning_invoice::Currency;

use super::*;
use crate::core::record::{Pause, Scope};
use crate::core::refusal::Refusal;
use crate::ids::Scid;

/// Alice asks Bob for what she lacks, and he refuses, whose settings are these.
fn under(bob: Settings) -> Told {
    answered(drifted(bob), |_| {}, |_, _| {})
}

/// The same after a first payment of 300,000 sat, which Bob's node has told of or not.
fn after_a_payment(change: impl FnOnce(&mut Policy), is_seen: bool) -> Told {
    let mut bob = settings();
    change(&mut bob.limits.base);
    let mut pair = drifted(bob);
    pair.invoice(ALICE);
    pair.settle(BOB, 1);
    pair.answer(ALICE, 12, &[(1, 100_000, 900_000)]);
    if is_seen {
        pair.answer(BOB, 12, &[(1, 100_000, 900_000)]);
    }
    answered(pair, |_| {}, |_, _| {})
}

/// The same, where Alice's invoice is another one.
fn invoiced(change: impl FnOnce(&mut Wanted)) -> Told {
    answered(drifted(settings()), change, |_, _| {})
}

/// The same, where Bob hears another request, or something happens before he does.
fn meanwhile(happens: impl FnOnce(&mut Pair, &mut PayInvoice)) -> Told {
    answered(drifted(settings()), |_| {}, happens)
}

/// The same, where Bob's node tells of the channel in another way.
fn seen(change: impl FnOnce(&mut Channel)) -> Told {
    meanwhile(|pair, _| {
        let mut channels = pair.seen(BOB, 11, &[(1, 200_000, 800_000)]);
        change(&mut channels[0]);
        let node = pair.daemons[BOB].node.1;
        pair.tell(BOB, Event::ChannelsListed { node, with: None, channels });
    })
}

fn drifted(bob: Settings) -> Pair {
    let mut pair = Pair::new(settings(), bob);
    pair.list(10, &[(1, 200_000, 800_000)]);
    pair
}

/// Alice asks, Bob refuses, and her node cancels the invoice.
fn answered(
    mut pair: Pair,
    invoice: impl FnOnce(&mut Wanted),
    happens: impl FnOnce(&mut Pair, &mut PayInvoice),
) -> Told {
    assert!(pair.make_invoice(ALICE, invoice));
    let Some((ALICE, Message::PayInvoice(request))) = pair.said.pop_back() else {
        panic!("Alice asks");
    };
    let mut heard = request.clone();
    happens(&mut pair, &mut heard);
    // What Bob says meanwhile comes too late.
    pair.said.clear();
    pair.hear(BOB, Message::PayInvoice(heard));
    pair.talk();
    // Bob doubts his own figures for 3 s at most.
    pair.pass(3);
    let result = PaymentResult { request, ..pair.result(BOB) };
    told(pair, result)
}

/// Bob's answer reaches Alice.
fn told(mut pair: Pair, result: PaymentResult) -> Told {
    let (code, reason) = (result.refusal.clone(), result.reason.clone());
    let reason = reason.expect("a reason");
    pair.hear(ALICE, Message::PaymentResult(result));
    let hash = pair.offered();
    pair.tell(ALICE, Event::InvoiceEnded { hash, end: InvoiceEnd::Canceled });
    let mut sentences = said(&pair.daemons[ALICE].core, &["alice does not ask"]);
    assert!(sentences[0].contains(&reason), "{sentences:?}");
    sentences.extend(said(&pair.daemons[BOB].core, &["bob would not pay", "bob does not answer"]));
    Told { code: code.expect("a code"), said: sentences }
}

/// Bob's daemon cannot write its log, and answers before its core is there.
fn audit_unavailable() -> Told {
    let mut pair = drifted(settings());
    pair.make_invoice(ALICE, |_| {});
    let Some((ALICE, Message::PayInvoice(request))) = pair.said.pop_back() else {
        panic!("Alice asks");
    };
    let retry_in = Some(Duration::from_secs(60));
    let result = PaymentResult::refused(request, &Refusal::AuditUnavailable, retry_in);
    told(pair, result)
}

fn rebalance_off() -> Told {
    meanwhile(|pair, _| {
        let id = pair.daemons[BOB].node.1;
        pair.tell(
            BOB,
            Event::NodeConnected(OwnNode {
                id,
                alias: "bob".to_owned(),
                network: Network::Regtest,
                rebalances: false,
                can_hold: true,
                proof: None,
            }),
        );
        let channels = pair.seen(BOB, 11, &[(1, 200_000, 800_000)]);
        pair.tell(BOB, Event::ChannelsListed { node: id, with: None, channels });
    })
}

/// Alice's daemon is back, and has said hello only.
fn policy_unknown() -> Told {
    meanwhile(|pair, _| {
        let (peer, node) = (pair.daemons[ALICE].key, pair.daemons[ALICE].node.1);
        pair.tell(BOB, Event::PeerDisconnected { peer, reason: "left".to_owned() });
        pair.tell(BOB, Event::PeerConnected { peer });
        pair.hear(BOB, hello(node, Some(1), None));
    })
}

/// Bob's node tells that it is he who is poor, and he asks first.
fn attempt_open() -> Told {
    meanwhile(|pair, _| {
        let channels = pair.seen(BOB, 11, &[(1, 800_000, 200_000)]);
        let node = pair.daemons[BOB].node.1;
        pair.tell(BOB, Event::ChannelsListed { node, with: None, channels });
    })
}

/// Bob's rules are others, and Alice has not heard.
fn changed(change: impl FnOnce(&mut Policy)) -> Told {
    meanwhile(|pair, _| {
        let mut changed = settings();
        change(&mut changed.limits.base);
        pair.tell(BOB, Event::SettingsChanged(changed));
    })
}

/// A payment under the invoice's hash has failed before.
fn hash_seen() -> Told {
    let mut pair = drifted(settings());
    pair.invoice_with(ALICE, |wanted| wanted.preimage = 99);
    let (hash, _) = pair.paid(BOB)[0];
    let failure = crate::core::outcome::Failure::ExpiryTooSoon;
    pair.tell(BOB, Event::PaymentUpdated { hash, outcome: Outcome::Failed(failure) });
    pair.talk();
    pair.tell(ALICE, Event::InvoiceEnded { hash, end: InvoiceEnd::Canceled });
    pair.pass(5);
    answered(pair, |wanted| wanted.preimage = 99, |_, _| {})
}

#[test]
fn each_refusal_is_reached_and_told_at_both_ends() {
    let scenarios = each! { Refusal:
        DryRun => || under(Settings { dry_run: true, ..settings() }),
        Stopping => || meanwhile(|pair, _| pair.tell(BOB, Event::Stopping)),
        Paused => || meanwhile(|pair, _| {
            let pause = Pause { scope: Scope::All, until: None, reason: None };
            pair.tell(BOB, Event::PauseAsked(pause));
        }),
        NodeDown => || meanwhile(|pair, _| {
            let node = pair.daemons[BOB].node.1;
            pair.tell(BOB, Event::NodeDisconnected { node });
        }),
        RebalanceOff => rebalance_off,
        AuditUnavailable => audit_unavailable,
        NotOurNode => || meanwhile(|_, request| request.paid_by = fixture::NODE_C),
        NotItsNode => || meanwhile(|pair, _| {
            let proven = hello(pair.daemons[ALICE].node.1, Some(1), Some("signed"));
            pair.meets(BOB, 77, proven);
        }),
        NotTrusted => || {
            under(Settings { trusted: BTreeSet::from([fixture::NODE_C]), ..settings() })
        },
        PolicyUnknown => policy_unknown,
        ChannelIdsDiffer => || meanwhile(|_, request| request.scid = Some(Scid::new(77))),
        UnknownChannel => || meanwhile(|pair, _| {
            let node = pair.daemons[BOB].node.1;
            pair.tell(BOB, Event::ChannelsListed { node, with: None, channels: Vec::new() });
        }),
        Inactive => || seen(|channel| channel.is_active = false),
        NotOrdinary => || seen(|channel| channel.is_ordinary = false),
        Unreadable => || seen(|channel| channel.capacity = Msat::new(1)),
        BadInvoice => || meanwhile(|_, request| request.invoice = "lnbc1".to_owned()),
        WrongNetwork => || invoiced(|wanted| wanted.network = Currency::Bitcoin),
        WrongPayee => || invoiced(|wanted| wanted.key = fixture::node(3).0),
        NotARebalanceInvoice => || invoiced(|wanted| wanted.memo = "two coffees".to_owned()),
        BlindedPaths => || invoiced(|wanted| wanted.has_blinded_paths = true),
        WrongAmount => || invoiced(|wanted| wanted.amount = None),
        NotFresh => || invoiced(|wanted| wanted.made_at = START + Duration::from_secs(6)),
        ExpiryOutOfRange => || invoiced(|wanted| wanted.expiry = Duration::from_secs(9)),
        CltvOutOfRange => || invoiced(|wanted| wanted.min_final_cltv = 2_016),
        HashSeen => hash_seen,
        AttemptOpen => attempt_open,
        AwaitingSnapshot => || after_a_payment(|_| {}, false),
        MaxTransactionSize => || changed(|policy| policy.payment_max = Msat::new(200_000_000)),
        MinTransactionSize => || changed(|policy| policy.payment_min = Msat::new(400_000_000)),
        MaxTransactionsPerPeriod => || after_a_payment(|policy| policy.payments_max = 1, true),
        MaxAmountPerPeriod => || {
            after_a_payment(|policy| policy.amount_max = Msat::new(400_000_000), true)
        },
        MinTimeBetweenPayments => || {
            after_a_payment(|policy| policy.pause_min = Duration::from_secs(60), true)
        },
        BandsDoNotMeet => || changed(|policy| policy.balance_point = crate::units::Ppm::ONE),
        PastBand => || seen(|channel| {
            channel.local = Msat::new(500_000_000);
            channel.remote = Msat::new(500_000_000);
        }),
        BelowChannelMinimum => || seen(|channel| channel.ours.htlc_min = Msat::new(300_001_000)),
        NotSendable => || seen(|channel| channel.ours.in_flight_max = Msat::new(299_999_000)),
    };
    check(scenarios, include_str!("../../../../../tests/data/why/refusals.txt"));
}
