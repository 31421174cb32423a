//! Rule 3: the payer's caps hold, whatever is asked at once and whenever it is killed.

use arbtest::arbtest;

use super::*;
use crate::core::outcome::Failure;

fn capped(change: impl FnOnce(&mut Policy)) -> Settings {
    let mut settings = settings();
    change(&mut settings.limits.base);
    settings
}

#[test]
fn ten_drifts_at_once_against_two_payments_make_two() {
    let mut world = World::new(capped(|policy| policy.payments_max = 2));
    let drifted: Vec<(u8, u64, u64)> = (1..=10).map(|n| (n, 200_000, 800_000)).collect();
    let batch = world.list(10, &drifted);
    assert_eq!(asked(&batch), [300_000, 300_000], "no invoice is made that would be refused");
    let mut paid = Vec::new();
    for action in batch {
        if matches!(action, Action::CreateInvoice { .. }) {
            paid.extend(payment(&world.invoice(&[action], |_| {})));
        }
    }
    assert_eq!(paid.len(), 2);
    let failure = Failure::InsufficientBalance;
    let failed = world.outcome(paid[0].0, Outcome::Failed(failure));
    assert_eq!(asked(&failed), [300_000], "what is given back is there for the next");
}

#[test]
fn the_payer_refuses_what_it_could_not_foresee() {
    let mut world = World::new(capped(|policy| policy.payments_max = 1));
    let batch = world.list(10, &[(1, 200_000, 800_000)]);
    // A payment over another channel that nobody knew of when Alice asked.
    let hash = PaymentHash::new([9; 32]);
    let attempt = crate::core::record::Attempt {
        rebalance: crate::ids::RebalanceId::new([9; 16]),
        paid_to: world.alice.1,
        paid_by: world.bob.1,
        point: fixture::point(2),
        scid: crate::ids::Scid::new(2),
        amount: Msat::new(1_000),
        kind: crate::core::record::InvoiceKind::Plain,
    };
    let bill = crate::core::record::Bill { hash, invoice: String::new(), expires_at: world.now };
    let entry = Entry::PaymentIntended(attempt.clone(), bill);
    world.core.ledger.apply(&Record { at: world.now, entry });
    let refused = world.invoice(&batch, |_| {});
    assert_eq!(payment(&refused), None);
    assert_eq!(last_failure(&world.log), "maxTransactionsPerPeriod");
    // What held it back is given back at once, long before the period is over.
    let entry = Entry::PaymentFailed(attempt, hash, Failure::InsufficientBalance);
    world.core.ledger.apply(&Record { at: world.now, entry });
    assert_eq!(asked(&world.pass(4)), [0; 0]);
    assert_eq!(asked(&world.pass(1)), [300_000]);
}

#[test]
fn an_ask_is_no_larger_than_the_payer_grants() {
    let mut world = World::new(capped(|policy| policy.payment_max = Msat::new(70_000_000)));
    assert_eq!(asked(&world.list(10, &[(1, 200_000, 800_000)])), [70_000]);
    let mut world = World::new(capped(|policy| policy.amount_max = Msat::new(60_000_000)));
    assert_eq!(asked(&world.list(10, &[(1, 200_000, 800_000)])), [60_000]);
}

#[test]
fn a_channel_is_paid_no_sooner_than_its_pause_allows() {
    let mut world = World::new(capped(|policy| policy.pause_min = Duration::from_secs(60)));
    let hash = world.pay_once();
    world.settle(hash);
    assert_eq!(asked(&world.update(12, 1, 100_000, 900_000)), [0; 0]);
    assert_eq!(asked(&world.pass(59)), [0; 0]);
    assert_eq!(asked(&world.pass(1)), [400_000]);
}

#[test]
fn a_period_that_passes_lets_the_next_payment_through_by_itself() {
    let mut world = World::new(capped(|policy| policy.payments_max = 1));
    let hash = world.pay_once();
    world.settle(hash);
    assert_eq!(asked(&world.update(12, 1, 100_000, 900_000)), [0; 0]);
    assert_eq!(asked(&world.pass(4 * 60 * 60 - 1)), [0; 0]);
    assert_eq!(asked(&world.pass(1)), [400_000]);
}

/// No interleaving of drifts, answers and kills pays more within a period than a cap allows, or
/// one hash twice. The model is the list of payments that left, each with its end.
#[test]
fn no_interleaving_of_drifts_answers_and_kills_exceeds_a_cap() {
    arbtest(|u| {
        let (payments_max, sat_max) = (u.int_in_range(1..=4_u32)?, u.int_in_range(1..=900)?);
        let sat_max = sat_max * 1000;
        let mut world = World::new(capped(|policy| {
            policy.payments_max = payments_max;
            policy.amount_max = Msat::new(sat_max * 1000);
            policy.period = Duration::from_secs(600);
        }));
        // Hash, amount in sat, end; `None` while open.
        let mut sent: Vec<(PaymentHash, u64, Option<Time>)> = Vec::new();
        let mut updates = 10;
        for _ in 0..u.int_in_range(0..=25)? {
            updates += 10;
            let open = sent.iter().position(|(.., end)| end.is_none());
            match (u.int_in_range(0..=4)?, open) {
                (0, Some(open)) => {
                    world.settle(sent[open].0);
                    sent[open].2 = Some(world.now);
                    let even: Vec<_> = (1..=3).map(|n| (n, 500_000, 500_000)).collect();
                    world.answer(updates, &even);
                }
                (1, Some(open)) => {
                    world.outcome(sent[open].0, Outcome::Failed(Failure::InsufficientBalance));
                    sent.remove(open);
                }
                (2, _) => {
                    world.restart();
                }
                (3, _) => {
                    world.pass(u.int_in_range(1..=400)?);
                }
                _ => {
                    let poor = u.int_in_range(0..=350_000)?;
                    let drifted: Vec<_> = (1..=3).map(|n| (n, poor, 1_000_000 - poor)).collect();
                    let is_killed: bool = u.arbitrary()?;
                    for action in world.list(updates, &drifted) {
                        if !matches!(action, Action::CreateInvoice { .. }) {
                            continue;
                        }
                        if let Some((hash, sat)) = payment(&world.invoice(&[action], |_| {})) {
                            assert!(sent.iter().all(|(other, ..)| *other != hash));
                            sent.push((hash, sat, None));
                        }
                    }
                    if is_killed {
                        world.restart();
                    }
                }
            }
            let counts = |end: &Option<Time>| {
                end.is_none_or(|end| end + Duration::from_secs(600) > world.now)
            };
            let counted: Vec<_> = sent.iter().filter(|(.., end)| counts(end)).collect();
            assert!(counted.len() <= usize::try_from(payments_max).expect("small"));
            assert!(counted.iter().map(|(_, sat, _)| sat).sum::<u64>() <= sat_max);
        }
        Ok(())
    });
}
