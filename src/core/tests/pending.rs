//! Rule 5: however the HTLCs in flight end, a payment leaves neither side too rich or too poor.

use arbtest::arbitrary::Unstructured;
use arbtest::{arbitrary, arbtest};

use super::*;
use crate::core::channel::Htlc;
use crate::core::decide::target;
use crate::units::Ppm;

/// What each channel here holds, in sat.
const TOTAL: u64 = 1_000_000;

/// Any settings under which both sides have one policy.
fn any_settings(u: &mut Unstructured<'_>) -> arbitrary::Result<Settings> {
    let share = |ppm| Ppm::new(ppm).expect("a share");
    let mut settings = settings();
    settings.limits.base.balance_point = share(u.int_in_range(300_000..=700_000)?);
    settings.limits.base.deadzone = share(u.int_in_range(0..=300_000)?);
    Ok(settings)
}

/// A few HTLCs: whether they flow to Alice, and their amounts in sat.
fn any_htlcs(u: &mut Unstructured<'_>) -> arbitrary::Result<Vec<(bool, u64)>> {
    let count = u.int_in_range(0..=3)?;
    (0..count).map(|_| Ok((u.arbitrary()?, u.int_in_range(1..=130_000)?))).collect()
}

/// The channel as Alice and as Bob sees it; Bob has what neither Alice nor an HTLC has.
fn views(world: &World, updates: u64, alice: u64, htlcs: &[(bool, u64)]) -> [(NodeId, Channel); 2] {
    let in_flight: u64 = htlcs.iter().map(|(_, sat)| sat).sum();
    world.views(1, alice, TOTAL - alice - in_flight).map(|(node, view)| {
        let seen = htlcs.iter().map(|(to_alice, sat)| Htlc {
            is_incoming: *to_alice == (node == world.alice.1),
            amount: sat_of(*sat),
            hash: PaymentHash::new([9; 32]),
        });
        let htlcs = seen.collect();
        (node, Channel { updates, htlcs, capacity: sat_of(TOTAL + 1_000), ..view })
    })
}

fn sat_of(sat: u64) -> Msat {
    Msat::new(sat * 1000)
}

fn list(world: &mut World, (node, channel): (NodeId, Channel)) -> Vec<Action> {
    world.tell(Event::ChannelsListed { node, with: None, channels: vec![channel] })
}

/// What Alice asks for, in a world where she is the poor one.
#[test]
fn the_payee_asks_for_no_more_than_it_lacks_if_every_htlc_becomes_its_own() {
    arbtest(|u| {
        let settings = any_settings(u)?;
        let policy = settings.limits.base.clone();
        let mut world = World::new(settings);
        let (alice, htlcs) = (u.int_in_range(0..=300_000)?, any_htlcs(u)?);
        let mut batch = Vec::new();
        for view in views(&world, 10, alice, &htlcs) {
            batch.extend(list(&mut world, view));
        }
        if let [sat] = asked(&batch)[..] {
            let in_flight: u64 = htlcs.iter().map(|(_, sat)| sat).sum();
            let target = target(&policy, &policy).expect("the bands meet, for something was asked");
            assert!(sat_of(alice + in_flight + sat) <= sat_of(TOTAL).share(target));
        }
        Ok(())
    });
}

/// Alice asks while nothing is in flight; then Bob sees HTLCs, and she does not.
#[test]
fn the_payer_gives_no_more_than_it_can_spare_if_it_loses_every_htlc() {
    arbtest(|u| {
        let settings = any_settings(u)?;
        let policy = settings.limits.base.clone();
        let mut world = World::new(settings);
        let (alice, htlcs) = (u.int_in_range(0..=300_000)?, any_htlcs(u)?);
        let mut batch = Vec::new();
        for view in views(&world, 10, alice, &[]) {
            batch.extend(list(&mut world, view));
        }
        if asked(&batch).is_empty() {
            return Ok(());
        }
        let [_, bobs] = views(&world, 11, alice, &htlcs);
        let bob = bobs.1.local;
        list(&mut world, bobs);
        if let Some((_, paid)) = payment(&world.invoice(&batch, |_| {})) {
            let left = bob.saturating_sub(sat_of(paid));
            assert!(!left.is_below(policy.threshold(), sat_of(TOTAL)));
        }
        Ok(())
    });
}
