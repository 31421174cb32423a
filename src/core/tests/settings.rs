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

#[test]
fn a_period_that_is_longer_than_what_is_remembered_is_not_gone_by() {
    let mut world = World::new(settings());
    let with = |seconds: u64| {
        let mut settings = settings();
        settings.limits.base.period = Duration::from_secs(seconds);
        settings
    };
    let remembered = settings().limits.period_max().as_secs();
    for (seconds, is_taken) in
        [(remembered + 1, false), (60, true), (remembered, true), (u64::MAX, false)]
    {
        assert_eq!(world.core.remembers_enough_for(&with(seconds)), is_taken, "{seconds} s");
        let before = world.core.settings.clone();
        world.tell(Event::SettingsChanged(with(seconds)));
        let expected = if is_taken { with(seconds) } else { before };
        assert_eq!(world.core.settings, expected, "{seconds} s");
    }
}
