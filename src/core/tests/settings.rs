//! Other settings while everything runs: they hold at once, also for what was asked under the old
//! ones; and no cap counts further back than is remembered (rule 3).

use super::*;

fn changed(world: &World, change: impl FnOnce(&mut Settings)) -> Event {
    let mut settings = world.settings.clone();
    change(&mut settings);
    Event::SettingsChanged(settings)
}

#[test]
fn a_lower_cap_holds_for_what_was_asked_before() {
    let mut world = World::new(settings());
    let asked = world.list(10, &[(1, 200_000, 800_000)]);
    let lower = |settings: &mut Settings| settings.limits.base.payment_max = Msat::new(100_000_000);
    world.tell(changed(&world, lower));
    assert_eq!(payment(&world.invoice(&asked, |_| {})), None);
    assert_eq!(last_failure(&world.log), "maxTransactionSize");
    let again = world.pass(5);
    assert_eq!(super::asked(&again), [100_000]);
    assert_eq!(payment(&world.invoice(&again, |_| {})).map(|paid| paid.1), Some(100_000));
}

#[test]
fn what_was_paid_under_the_old_caps_counts_under_the_new_ones() {
    let mut world = World::new(settings());
    let hash = world.pay_once();
    world.settle(hash);
    world.update(12, 1, 500_000, 500_000);
    world.tell(changed(&world, |settings| settings.limits.base.payments_max = 1));
    assert_eq!(asked(&world.update(13, 1, 200_000, 800_000)), [0; 0]);
    let raised = changed(&world, |settings| settings.limits.base.payments_max = 2);
    assert_eq!(asked(&world.tell(raised)), [300_000]);
}

/// Settings whose period is so long.
fn with(seconds: u64) -> Settings {
    let mut settings = settings();
    settings.limits.base.period = Duration::from_secs(seconds);
    settings
}

#[test]
fn no_period_is_counted_that_is_longer_than_what_is_remembered() {
    let mut world = World::new(settings());
    let remembered = settings().limits.period_max().as_secs();
    for (seconds, is_taken) in
        [(remembered + 1, false), (60, true), (remembered, true), (u64::MAX, false)]
    {
        assert_eq!(world.core.remembers_enough_for(&with(seconds)), is_taken, "{seconds} s");
        if is_taken {
            world.tell(Event::SettingsChanged(with(seconds)));
            assert_eq!(world.core.settings, with(seconds), "{seconds} s");
        }
    }
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "further back than is remembered"))]
fn who_does_not_ask_before_is_found_out_and_changes_nothing() {
    let mut world = World::new(settings());
    world.tell(Event::SettingsChanged(with(settings().limits.period_max().as_secs() + 1)));
    assert_eq!(world.core.settings, settings());
}
