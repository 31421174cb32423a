//! For any two policies and any balances, two owners come to rest: no payment makes the other side
//! ask, and none goes back.

use arbtest::arbitrary::{Result, Unstructured};
use arbtest::arbtest;

use super::*;
use crate::units::Ppm;

/// How many payments a channel may take to come to rest: with the sizes below, each but the last
/// moves at least a thousandth of it.
const PAYMENTS_MAX: usize = 1_100;
/// What the channel holds, in sat.
const TOTAL: u64 = 1_000_000;

fn any_settings(u: &mut Unstructured<'_>) -> Result<Settings> {
    let share = |u: &mut Unstructured<'_>| u.int_in_range(0..=1_000_000).map(Ppm::new);
    let base = Policy {
        balance_point: share(u)?.expect("a share"),
        deadzone: share(u)?.expect("a share"),
        payment_min: Msat::new(u.int_in_range(0..=50_000_000)?),
        payment_max: Msat::new(u.int_in_range(1_000_000..=2_000_000_000)?),
        pause_min: Duration::ZERO,
        payments_max: u32::MAX,
        amount_max: Msat::MAX,
        ..Policy::default()
    };
    Ok(Settings { limits: Limits::new(base, Vec::new()), ..Settings::default() })
}

#[test]
fn any_two_owners_come_to_rest_and_no_payment_goes_back() {
    arbtest(|u| {
        let mut pair = Pair::new(any_settings(u)?, any_settings(u)?);
        let mut alice = u.int_in_range(0..=TOTAL)?;
        let mut updates = 10;
        let mut direction = None;
        for _ in 0..PAYMENTS_MAX {
            updates += 4;
            pair.list(updates, &[(1, alice, TOTAL - alice)]);
            let asks = [pair.invoice(ALICE), pair.invoice(BOB)];
            let payer = match asks {
                [false, false] => return Ok(()),
                [true, false] => BOB,
                [false, true] => ALICE,
                [true, true] => panic!("both ask at once"),
            };
            assert_eq!(*direction.get_or_insert(payer), payer, "a payment went back");
            let paid = pair.paid(payer);
            let [(_, sat)] = paid[..] else {
                // The one limit of the payer that the payee is not told.
                assert_eq!(pair.result(payer).refusal.as_deref(), Some("minTransactionSize"));
                return Ok(());
            };
            alice = if payer == BOB { alice + sat } else { alice - sat };
            pair.arrive(payer, alice, updates);
        }
        panic!("no rest after {PAYMENTS_MAX} payments");
    })
    .budget_ms(2_000);
}

impl Pair {
    /// The payment of `payer` is seen on its way and settled; Alice has `alice` after it.
    fn arrive(&mut self, payer: usize, alice: u64, updates: u64) {
        let (hash, sat) = self.paid(payer)[0];
        let payers_end = if payer == ALICE { alice } else { TOTAL - alice };
        for who in [ALICE, BOB] {
            let is_incoming = who != payer;
            let mine = if who == ALICE { alice } else { TOTAL - alice };
            let before = if is_incoming { mine - sat } else { mine };
            let rest = TOTAL - before - sat;
            let htlcs = vec![Htlc { is_incoming, amount: Msat::new(sat * 1000), hash }];
            let counterparty = self.daemons[1 - who].node.1;
            let channel = fixture::channel(1, before, rest);
            let capacity = Msat::new(TOTAL * 1000 + 1_000_000);
            let channel =
                Channel { updates: updates + 2, counterparty, htlcs, capacity, ..channel };
            let node = self.daemons[who].node.1;
            self.tell(who, Event::ChannelUpdated { node, channel });
        }
        assert!(payers_end <= TOTAL);
        self.settle(payer, 1);
        self.daemons[payer].wanted.clear();
        self.daemons[1 - payer].wanted.clear();
    }
}
