//! Rules 12 and 13, and the rest of what an offer must pass: each refusal with the smallest offer
//! that earns it.

use lightning_invoice::Currency;

use super::*;

/// The refusal that Alice's invoice earns when `change` makes it another one.
fn check(change: impl FnOnce(&mut Wanted), expected: &str) {
    let mut world = World::new(settings());
    let asked = world.list(10, &[(1, 200_000, 800_000)]);
    let answered = world.invoice(&asked, change);
    assert_eq!(payment(&answered), None);
    assert_eq!(names(&answered), ["InvoiceCreated", "RebalanceFailed", "CancelInvoice"]);
    assert_eq!(last_failure(&world.log), expected);
}

#[test]
fn an_invoice_must_be_the_counterpartys_for_this_rebalance_of_this_channel() {
    check(|wanted| wanted.key = fixture::node(3).0, "wrongPayee");
    check(|wanted| wanted.memo = "two coffees".to_owned(), "notARebalanceInvoice");
    check(|wanted| wanted.memo = "tightrope rebalance".to_owned(), "notARebalanceInvoice");
    check(|wanted| wanted.memo.push(' '), "notARebalanceInvoice");
    check(|wanted| wanted.network = Currency::Bitcoin, "wrongNetwork");
}

#[test]
fn an_invoice_must_ask_for_the_offered_amount_exactly() {
    let amount = |msat| move |wanted: &mut Wanted| wanted.amount = Some(Msat::new(msat));
    check(amount(300_000_001), "wrongAmount");
    check(amount(299_999_999), "wrongAmount");
    check(|wanted| wanted.amount = None, "wrongAmount");
}

#[test]
fn an_invoice_must_be_fresh_and_live_neither_too_short_nor_too_long() {
    let made = |world_s: i64| {
        move |wanted: &mut Wanted| {
            wanted.made_at = Time::from_unix_ms(
                START.unix_ms().checked_add_signed(world_s * 1000).expect("a time"),
            );
            wanted.expiry = Duration::from_secs(120);
        }
    };
    check(made(-61), "notFresh");
    check(made(6), "notFresh");
    let life = |s| move |wanted: &mut Wanted| wanted.expiry = Duration::from_secs(s);
    check(life(9), "expiryOutOfRange");
    check(life(3601), "expiryOutOfRange");
}

#[test]
fn an_invoice_must_lock_the_money_for_a_sensible_number_of_blocks() {
    let cltv = |blocks| move |wanted: &mut Wanted| wanted.min_final_cltv = blocks;
    check(cltv(17), "cltvOutOfRange");
    check(cltv(145), "cltvOutOfRange");
    check(cltv(2016), "cltvOutOfRange");
}

#[test]
fn the_bounds_themselves_are_accepted() {
    let accept = |change: &dyn Fn(&mut Wanted)| {
        let mut world = World::new(settings());
        let asked = world.list(10, &[(1, 200_000, 800_000)]);
        assert!(payment(&world.invoice(&asked, change)).is_some());
    };
    accept(&|wanted| wanted.min_final_cltv = 18);
    accept(&|wanted| wanted.min_final_cltv = 144);
    accept(&|wanted| wanted.expiry = Duration::from_secs(10));
    accept(&|wanted| wanted.expiry = Duration::from_secs(3600));
    accept(&|wanted| wanted.made_at = wanted.made_at + Duration::from_secs(5));
}

#[test]
fn a_hash_is_paid_once() {
    let mut world = World::new(settings());
    let hash = world.pay_once();
    world.settle(hash);
    world.list(12, &[(1, 500_000, 500_000)]);
    let asked = world.update(13, 1, 100_000, 900_000);
    let answered = world.invoice(&asked, |wanted| wanted.preimage = 1);
    assert_eq!(payment(&answered), None);
    assert_eq!(last_failure(&world.log), "hashSeen");
}

#[test]
fn what_is_not_an_invoice_ends_the_attempt() {
    let mut world = World::new(settings());
    let batch = world.list(10, &[(1, 200_000, 800_000)]);
    let rebalance = batch.iter().find_map(|action| match action {
        Action::CreateInvoice { rebalance, .. } => Some(*rebalance),
        _ => None,
    });
    let rebalance = rebalance.expect("an invoice is asked for");
    world.tell(Event::InvoiceCreated { rebalance, invoice: "lnbcrt1".to_owned(), wall: START });
    assert_eq!(last_failure(&world.log), "noInvoice");
}

/// The refusal that an offer earns when something happens between the ask and the invoice.
fn meanwhile(happens: impl FnOnce(&mut World), expected: &str) {
    let mut world = World::new(settings());
    let asked = world.list(10, &[(1, 200_000, 800_000)]);
    happens(&mut world);
    assert_eq!(payment(&world.invoice(&asked, |_| {})), None);
    assert_eq!(last_failure(&world.log), expected);
}

/// Bob's view of the channel changes.
fn bobs_view(change: impl FnOnce(&mut Channel)) -> impl FnOnce(&mut World) {
    |world| {
        let [_, (node, mut channel)] = world.views(1, 200_000, 800_000);
        channel.updates = 11;
        change(&mut channel);
        world.tell(Event::ChannelsListed { node, with: None, channels: vec![channel] });
    }
}

#[test]
fn the_payer_goes_by_its_own_node_and_channel_at_that_moment() {
    meanwhile(
        |world| {
            let node = world.bob.1;
            world.tell(Event::NodeDisconnected { node });
        },
        "nodeDown",
    );
    meanwhile(
        |world| {
            let node = world.bob.1;
            world.tell(Event::ChannelsListed { node, with: None, channels: Vec::new() });
        },
        "unknownChannel",
    );
    meanwhile(bobs_view(|channel| channel.is_active = false), "inactive");
    meanwhile(bobs_view(|channel| channel.is_ordinary = false), "notOrdinary");
    meanwhile(bobs_view(|channel| channel.capacity = Msat::new(1)), "unreadable");
    meanwhile(bobs_view(|channel| channel.local = Msat::new(500_000_000)), "pastBand");
    meanwhile(bobs_view(|channel| channel.ours.htlcs_max = 0), "notSendable");
    meanwhile(
        |world| {
            world.tell(Event::Stopping);
        },
        "stopping",
    );
}

#[test]
fn the_payer_keeps_its_reserve_its_fee_buffer_and_its_htlc_bounds() {
    let sat = |sat: u64| Msat::new(sat * 1000);
    meanwhile(bobs_view(|channel| channel.ours.reserve = sat(500_001)), "notSendable");
    meanwhile(bobs_view(|channel| channel.ours.in_flight_max = sat(299_999)), "notSendable");
    meanwhile(bobs_view(|channel| channel.ours.htlc_min = sat(300_001)), "belowChannelMinimum");
    meanwhile(
        |world| {
            let (node, point) = (world.bob.1, fixture::point(1));
            let forwarding = crate::core::channel::Forwarding {
                htlc_min: Msat::new(1),
                htlc_max: Msat::new(299_999_999),
            };
            world.tell(Event::ForwardingRead { node, point, forwarding });
        },
        "notSendable",
    );
}
