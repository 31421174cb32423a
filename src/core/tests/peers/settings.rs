//! Other settings while peers are connected: they are told, and those who are trusted no more are
//! not paid.

use super::*;

#[test]
fn a_peer_is_told_of_other_rules_at_once_and_goes_by_them() {
    let mut pair = Pair::new(band(50, 10), band(50, 10));
    pair.list(10, &[(1, 450_000, 550_000)]);
    assert_eq!(pair.requests(ALICE), 0);
    pair.tell(ALICE, Event::SettingsChanged(band(60, 10)));
    pair.talk();
    assert_eq!(pair.wants(ALICE).last().map(String::as_str), Some("CreateInvoice"));
    pair.invoice(ALICE);
    let granted: Vec<u64> = pair.paid(BOB).iter().map(|paid| paid.1).collect();
    // The middle of what the two want: 60 % here, and 50 % there.
    assert_eq!(granted, [100_000]);
}

#[test]
fn a_node_that_is_trusted_no_more_is_not_paid_what_it_asked_before() {
    let mut pair = Pair::new(band(50, 10), band(50, 10));
    pair.list(10, &[(1, 200_000, 800_000)]);
    let mut settings = band(50, 10);
    settings.trusted.insert(fixture::node(9).1);
    pair.tell(BOB, Event::SettingsChanged(settings));
    pair.talk();
    pair.invoice(ALICE);
    assert_eq!(pair.paid(BOB), []);
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("notTrusted"));
}
