//! What waits to be said: its order, its pace, its bound.

use std::time::Duration;

use tightrope::core::message::Message;
use tightrope::time::Time;
use tightrope::wire::{Full, Outbox, SENT_PER_SECOND_MAX};

use super::documents;

#[test]
fn requests_and_results_go_first_each_in_the_order_in_which_they_came() {
    let [hello, request, paid, _, _, policy] = samples();
    let mut outbox = Outbox::default();
    for message in [&hello, &policy, &request, &paid] {
        outbox.push(message.clone()).expect("there is room");
    }
    let left: Vec<_> = std::iter::from_fn(|| outbox.take(at(0))).collect();
    assert_eq!(left, [request, paid, hello, policy]);
}

#[test]
fn no_second_holds_more_than_twenty_five() {
    let [_, request, ..] = samples();
    let mut outbox = Outbox::default();
    assert_eq!(outbox.next_at(at(0)), None);
    for _ in 0..100 {
        outbox.push(request.clone()).expect("there is room");
    }
    let (mut left, mut now) = (Vec::new(), at(7));
    while let Some(next) = outbox.next_at(now) {
        assert!(next >= now);
        now = next;
        while outbox.take(now).is_some() {
            left.push(now);
        }
        assert_eq!(outbox.take(now), None);
    }
    assert_eq!(left.len(), 100);
    for window in left.windows(SENT_PER_SECOND_MAX + 1) {
        assert!(window[SENT_PER_SECOND_MAX].since(window[0]) >= Duration::from_secs(1));
    }
    assert_eq!(left.last(), Some(&at(3_007)));
}

#[test]
fn a_peer_that_takes_nothing_costs_no_more_than_a_bound() {
    let [hello, request, _, _, _, policy] = samples();
    let mut outbox = Outbox::default();
    for n in 0..500 {
        outbox.push(request.clone()).unwrap_or_else(|full| panic!("{n}: {full}"));
    }
    assert_eq!(outbox.push(request), Err(Full));
    let Message::Policy(policy) = policy else { panic!("is the policy") };
    for n in 0..2_000 {
        let point = format!("{}:{n}", "0f".repeat(32)).parse().expect("a channel point");
        let policy = tightrope::core::message::PeerPolicy { point, ..policy };
        outbox.push(Message::Policy(policy)).expect("there is room");
        outbox.push(Message::Policy(policy)).expect("takes the place of the first");
    }
    assert_eq!(outbox.push(hello), Err(Full));
    assert!(size_of::<Message>() <= 320, "{}", size_of::<Message>());
}

#[test]
fn a_newer_hello_takes_the_place_of_the_one_that_waits() {
    let [hello, ..] = samples();
    let Message::Hello(mut newer) = hello.clone() else { panic!("is the hello") };
    newer.alias = "renamed".to_owned();
    let mut outbox = Outbox::default();
    outbox.push(hello).expect("there is room");
    outbox.push(Message::Hello(newer.clone())).expect("there is room");
    assert_eq!(outbox.take(at(0)), Some(Message::Hello(newer)));
    assert_eq!(outbox.take(at(0)), None);
}

fn samples() -> [Message; 6] {
    documents::samples().try_into().expect("six of them")
}

fn at(ms: u64) -> Time {
    Time::from_unix_ms(ms)
}
