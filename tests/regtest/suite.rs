//! The list of the scenarios, which stands here, once.

mod scenarios;

use libtest_mimic::Trial;

use crate::harness::ground::Ground;
use crate::trial::trial;

/// Makes a trial of each scenario, under its own name.
macro_rules! trials {
    ($ground:ident: $($room:ident::$scenario:ident,)*) => {
        vec![$(trial(
            $ground,
            concat!(stringify!($room), "::", stringify!($scenario)),
            scenarios::$room::$scenario,
        ),)*]
    };
}

/// All scenarios, on real nodes or on simulated ones: what is true of the one is of the other.
pub(crate) fn trials(ground: Ground) -> Vec<Trial> {
    trials![ground:
        // It takes minutes where a payment was intended and never sent.
        crash::killed_at_any_moment_it_pays_no_hash_twice_and_forgets_none,
        crash::either_owner_killed_at_any_moment_pays_no_hash_twice,
        ground::a_payment_from_outside_moves_one_channel_alone,
        ground::peers_of_before_meet_ask_and_pay,
        exact::only_the_channel_that_drifted_moves,
        owners::a_channel_between_two_owners_is_kept_in_both_directions,
        hostile::a_hostile_member_gets_no_more_than_the_caps,
        triangle::three_drifts_at_once_come_to_rest,
        changes::a_channel_opened_meanwhile_is_kept_and_a_closed_one_dropped,
        foreign::a_channel_is_kept_in_balance_under_traffic,
        check::check_says_what_would_be_done_and_moves_nothing,
        check::check_names_everything_that_is_wrong_with_the_nodes,
        once::one_pass_mends_what_has_drifted,
        once::a_stop_lets_the_records_of_a_payment_land,
        operator::a_pause_is_seen_on_both_sides_and_a_reload_holds_at_once,
        operator::the_metrics_tell_what_happened,
        operator::readers_that_stop_reading_hold_up_no_payment,
        outage::a_node_that_dies_in_the_middle_of_a_payment_is_taken_up_again,
        outage::a_node_that_is_down_at_the_start_is_found_when_it_comes,
        outage::a_wrong_macaroon_is_told_and_recovers_when_it_is_mended,
        limits::each_limit_has_its_reason_and_nothing_is_paid,
        limits::no_payment_is_larger_than_max_transaction_size,
        limits::the_payer_keeps_its_time_between_payments,
        limits::ten_drifts_at_once_see_two_payments_where_two_are_allowed,
        disk::a_full_disk_stops_payments_until_there_is_space,
        older::lnd_0_20_is_kept_in_balance,
        owners::owners_who_lost_each_other_go_on,
        owners::an_owner_of_an_older_lnd_keeps_up,
        legacy::a_payee_of_before_is_paid,
        legacy::a_payee_of_before_that_asks_twice_is_paid_once,
        legacy::a_payer_of_before_is_not_taken_from_on_another_channel,
        legacy::a_payer_of_before_is_taken_from_on_the_channel_that_was_asked,
        legacy::a_payer_of_before_is_taken_from_on_the_sole_channel,
        legacy::what_is_held_for_a_daemon_that_died_is_taken_when_it_is_back,
        secrets::nothing_that_is_written_holds_a_secret,
        held::what_a_held_invoice_is_paid_with_is_told_and_taken_or_given_back,
    ]
}
