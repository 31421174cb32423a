//! What else `why` tells: how each side stands, the other end, pauses, and what is under way.

use super::*;
use crate::core::record::{Pause, Scope};
use crate::core::report::{OpenState, Why};
use crate::ids::Scid;

const DRIFTED: [(u8, u64, u64); 1] = [(1, 200_000, 800_000)];

/// What both ends say of the first channel, in order.
fn check(pair: &Pair, who: usize, expected: &[&str]) {
    let why = why(pair, who);
    assert_eq!(why.sentences, expected, "{}", why.sentences.join("\n"));
}

fn why(pair: &Pair, who: usize) -> Why {
    pair.daemons[who].core.why(fixture::point(1))
}

/// Whether a sentence like this is told, and how often.
fn times(why: &Why, part: &str) -> usize {
    why.sentences.iter().filter(|sentence| sentence.contains(part)).count()
}

fn key(n: u8) -> PeerKey {
    PeerKey::new([n; 32])
}

#[test]
fn both_ends_tell_the_whole_story_of_a_payment() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &DRIFTED);
    pair.invoice(ALICE);
    pair.pass(2);
    check(
        &pair,
        ALICE,
        &[
            "alice has 200000 sat of 1000000 sat on 0x0x1, 20.0000 %; it asks below 40.0000 %; \
             a rebalance would lift it to 50.0000 %.",
            "alice asks bob to pay 300000 sat.",
            &format!("bob is spoken for by a peer, {}.", key(2)),
            "bob wants 50.0000 %, asks below 40.0000 % and pays at most 1000000 sat at once.",
            "From bob to alice, 300000 sat, begun 2s ago: the invoice was offered and is not paid \
             yet; it expires in 58s.",
        ],
    );
    let under_way = "From bob to alice, 300000 sat, begun 2s ago: the payment is on its way.";
    assert_eq!(times(&why(&pair, BOB), under_way), 1);
    pair.settle(BOB, 1);
    for who in [ALICE, BOB] {
        pair.answer(who, 12, &[(1, 500_000, 500_000)]);
    }
    pair.pass(60);
    assert_eq!(times(&why(&pair, ALICE), "alice was last paid 300000 sat, 1m ago."), 1);
    assert_eq!(times(&why(&pair, BOB), "bob last paid 300000 sat, 1m ago."), 1);
    assert_eq!(why(&pair, BOB).open, []);
}

#[test]
fn what_ended_is_still_told_after_a_restart() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &DRIFTED);
    pair.invoice(ALICE);
    pair.settle(BOB, 1);
    pair.start(BOB);
    pair.meet();
    pair.list(12, &[(1, 500_000, 500_000)]);
    assert_eq!(times(&why(&pair, BOB), "bob last paid 300000 sat, just now."), 1);
}

#[test]
fn a_channel_with_nobody_of_the_cluster_says_so_and_no_reason_to_rest() {
    let mut pair = Pair::apart(settings(), settings());
    pair.list(10, &[(1, 500_000, 500_000)]);
    let bob = pair.daemons[BOB].node.1.to_string();
    let alone = format!(
        "No peer speaks for {}: it is not of the cluster, or its daemon is away. \
         The channel is left alone until one does.",
        &bob[..10]
    );
    check(&pair, ALICE, &["alice has 500000 sat of 1000000 sat on 0x0x1, 50.0000 %.", &alone]);
    pair.meet();
    assert_eq!(times(&why(&pair, ALICE), "does not ask"), 1);
    pair.part();
    let left = "The peer that spoke for bob left just now. \
                The channel is left alone until one does again.";
    check(&pair, ALICE, &["alice has 500000 sat of 1000000 sat on 0x0x1, 50.0000 %.", left]);
    assert_eq!(why(&pair, ALICE).sides[0].rest, None);
}

#[test]
fn a_channel_whose_node_does_not_answer_says_so() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &DRIFTED);
    let node = pair.daemons[BOB].node.1;
    pair.tell(BOB, Event::NodeDisconnected { node });
    let away = "bob does not answer, so nothing new is known of the channel: \
                bob had 800000 sat of 1000000 sat on 0x0x1, just now. \
                Start the node, or mend its entry.";
    check(&pair, BOB, &[away]);
}

#[test]
fn each_pause_is_told_with_its_place_reason_and_end() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &DRIFTED);
    let (node, peer, point) = (pair.daemons[ALICE].node.1, key(2), fixture::point(1));
    let end = pair.now + Duration::from_secs(7_200);
    let pause = |scope, until, reason: Option<&str>| {
        Event::PauseAsked(Pause { scope, until, reason: reason.map(ToOwned::to_owned) })
    };
    pair.tell(ALICE, pause(Scope::All, Some(end), Some("moving house")));
    pair.tell(ALICE, pause(Scope::Node(node), None, None));
    pair.tell(ALICE, pause(Scope::Peer(peer), None, None));
    pair.tell(ALICE, pause(Scope::Channel(point), Some(end), None));
    pair.tell(ALICE, pause(Scope::Channel(fixture::point(2)), None, None));
    let expected = [
        "Our operator paused payments everywhere, because of \"moving house\". \
         It ends in 2h, or with tightrope resume all."
            .to_owned(),
        format!(
            "Our operator paused payments on this channel. \
             It ends in 2h, or with tightrope resume {point}."
        ),
        format!(
            "Our operator paused payments on all channels of alice. \
             It ends with tightrope resume {node}."
        ),
        format!(
            "Our operator paused payments with the peer {peer}. \
             It ends with tightrope resume {peer}."
        ),
    ];
    assert_eq!(said(&pair.daemons[ALICE].core, &["Our operator"]), expected);
    // A pause that has ended is none.
    pair.pass(7_200);
    assert_eq!(said(&pair.daemons[ALICE].core, &["Our operator"]), expected[2..]);
    // The other end is told that there is one, and tells it.
    assert_eq!(times(&why(&pair, BOB), "alice's operator has paused payments here."), 1);
}

#[test]
fn what_the_other_end_has_not_told_is_said_too() {
    let mut pair = Pair::apart(settings(), settings());
    pair.list(10, &[(1, 500_000, 500_000)]);
    let (peer, node) = (key(2), pair.daemons[BOB].node.1);
    pair.tell(ALICE, Event::PeerConnected { peer });
    for (version, kind) in [(None, "a legacy peer"), (Some(1), "a peer")] {
        pair.hear(ALICE, hello(node, version, None));
        let why = why(&pair, ALICE);
        assert_eq!(times(&why, &format!("a node is spoken for by {kind}, {peer}.")), 1);
        assert_eq!(times(&why, "a node has not told its rules for the channel."), 1);
    }
}

#[test]
fn what_a_payer_turned_down_is_told_until_it_pays() {
    let mut bob = settings();
    bob.limits.base.payments_max = 0;
    let mut pair = Pair::new(settings(), bob);
    pair.list(10, &DRIFTED);
    pair.invoice(ALICE);
    assert_eq!(times(&why(&pair, BOB), "bob would not pay, just now"), 1);
    let hash = pair.offered();
    pair.tell(ALICE, Event::InvoiceEnded { hash, end: InvoiceEnd::Canceled });
    pair.tell(BOB, Event::SettingsChanged(settings()));
    pair.pass(5);
    pair.invoice(ALICE);
    assert_eq!(pair.paid(BOB).len(), 1);
    assert_eq!(times(&why(&pair, BOB), "bob would not pay"), 0);
}

#[test]
fn what_others_are_refused_on_its_channel_is_not_told_of_the_payer() {
    let mut bob = settings();
    bob.limits.base.payments_max = 0;
    let mut pair = Pair::new(settings(), bob);
    pair.list(10, &DRIFTED);
    let [alice, bob] = [ALICE, BOB].map(|who| pair.daemons[who].node.1);
    let request = PayInvoice {
        invoice: "lnbc1".to_owned(),
        tokens: None,
        scid: None,
        point: Some(fixture::point(1)),
        paid_to: alice,
        paid_by: bob,
        rebalance: None,
    };
    // One that speaks for nobody, and one that speaks for a node elsewhere.
    pair.meets(BOB, 77, Message::PayInvoice(request.clone()));
    pair.meets(BOB, 78, hello(fixture::NODE_C, Some(1), None));
    pair.meets(BOB, 78, Message::PayInvoice(request.clone()));
    pair.talk();
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("notItsNode"));
    assert_eq!(times(&why(&pair, BOB), "bob would not pay"), 0);
    pair.invoice(ALICE);
    pair.meets(BOB, 77, Message::PayInvoice(request));
    assert_eq!(times(&why(&pair, BOB), "bob would not pay, just now: maxTransactions"), 1);
}

/// Bob's side of a payment that his node says this of, a minute apart.
fn tracked(outcome: &Outcome) -> Pair {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &DRIFTED);
    pair.invoice(ALICE);
    let (hash, _) = pair.paid(BOB)[0];
    for _ in 0..2 {
        pair.tell(BOB, Event::PaymentUpdated { hash, outcome: outcome.clone() });
        pair.pass(60);
        pair.tell(BOB, Event::PaymentUpdated { hash, outcome: outcome.clone() });
    }
    pair
}

#[test]
fn each_state_of_what_is_open_is_told_with_what_comes_next() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &DRIFTED);
    let why_alice = why(&pair, ALICE);
    assert_eq!(why_alice.open[0].state, OpenState::AwaitingInvoice);
    assert_eq!(times(&why_alice, "the payee's node makes the invoice"), 1);

    let lost = tracked(&Outcome::Unknown { detail: "reset".to_owned() });
    assert_eq!(why(&lost, BOB).open[0].state, OpenState::Unknown);
    assert_eq!(times(&why(&lost, BOB), "has not told the outcome; it is asked in 8s"), 1);

    let stuck = tracked(&Outcome::InFlight { has_attempts: false });
    assert_eq!(why(&stuck, BOB).open[0].state, OpenState::Stuck);
    let told = "a restart of lnd may end it; the node is asked in 8s";
    assert_eq!(times(&why(&stuck, BOB), told), 1);

    // Bob cannot count on what is in flight.
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &DRIFTED);
    let mut channels = pair.seen(BOB, 11, &[(1, 200_000, 500_000)]);
    let amount = Msat::new(300_000_000);
    channels[0].htlcs = vec![Htlc { is_incoming: false, amount, hash: PaymentHash::new([3; 32]) }];
    channels[0].capacity = Msat::new(1_001_000_000);
    let node = pair.daemons[BOB].node.1;
    pair.tell(BOB, Event::ChannelsListed { node, with: None, channels });
    pair.invoice(ALICE);
    assert_eq!(why(&pair, BOB).open[0].state, OpenState::Waiting);
    let told = "the payer waits for HTLCs in flight, and decides in 3s at the latest";
    assert_eq!(times(&why(&pair, BOB), told), 1);
}

#[test]
fn a_payment_that_went_astray_has_its_end_told() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 200_000, 800_000), (2, 500_000, 500_000)]);
    pair.invoice(ALICE);
    let hash = pair.offered();
    let end = InvoiceEnd::Settled { paid: Msat::new(300_000_000), over: vec![Scid::new(2)] };
    pair.tell(ALICE, Event::InvoiceEnded { hash, end });
    pair.pass(60);
    let why = why(&pair, ALICE);
    assert_eq!(times(&why, "the last payment came over another channel"), 1);
    assert_eq!(times(&why, "It may ask again in 59m."), 1);
}
