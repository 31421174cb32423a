//! Rule 5: however the HTLCs in flight end, a payment leaves neither side too rich or too poor.

use arbtest::arbtest;

use super::*;
use crate::core::channel::Htlc;
use crate::core::decide::target;
use crate::units::Ppm;

/// A channel of 1,000,000 sat with HTLCs in flight, seen from both ends.
fn both_views(world: &World, alice: u64, htlcs: &[(bool, u64)]) -> [(NodeId, Channel); 2] {
    let in_flight: u64 = htlcs.iter().map(|(_, sat)| sat).sum();
    let views = world.views(1, alice, 1_000_000 - alice - in_flight);
    let mut is_alice = true;
    views.map(|(node, view)| {
        let seen = htlcs.iter().map(|(to_alice, sat)| Htlc {
            is_incoming: *to_alice == is_alice,
            amount: Msat::new(sat * 1000),
            hash: PaymentHash::new([9; 32]),
        });
        let htlcs = seen.collect();
        is_alice = false;
        (node, Channel { updates: 10, htlcs, capacity: Msat::new(1_001_000_000), ..view })
    })
}

#[test]
fn however_htlcs_end_no_side_leaves_its_band() {
    arbtest(|u| {
        let share = |ppm| Ppm::new(ppm).expect("a share");
        let mut settings = settings();
        let base = &mut settings.limits.base;
        base.balance_point = share(u.int_in_range(0..=700_000)?);
        base.deadzone = share(u.int_in_range(0..=300_000)?);
        let policy = base.clone();
        let mut world = World::new(settings);
        let alice: u64 = u.int_in_range(0..=600_000)?;
        let htlcs: Vec<(bool, u64)> = (0..u.int_in_range(0..=3)?)
            .map(|_| Ok((u.arbitrary()?, u.int_in_range(1..=130_000)?)))
            .collect::<arbtest::arbitrary::Result<_>>()?;
        let mut batch = Vec::new();
        for (node, channel) in both_views(&world, alice, &htlcs) {
            let channels = vec![channel];
            batch.extend(world.tell(Event::ChannelsListed { node, with: None, channels }));
        }
        if asked(&batch).is_empty() {
            return Ok(());
        }
        let Some((_, paid)) = payment(&world.invoice(&batch, |_| {})) else { return Ok(()) };
        let in_flight: u64 = htlcs.iter().map(|(_, sat)| sat).sum();
        let sat = |sat: u64| Msat::new(sat * 1000);
        let total = sat(1_000_000);
        let target = target(&policy, &policy).expect("the bands meet, for something was paid");
        assert!(sat(alice + in_flight + paid) <= total.share(target), "the payee got too much");
        let bob = 1_000_000 - alice - in_flight - paid;
        assert!(!sat(bob).is_below(policy.threshold(), total), "the payer gave too much");
        Ok(())
    });
}
