//! Who may speak for which node, and what becomes of those who lie.

use super::*;
use crate::core::roster::Distrust;

/// Why Alice sends Bob away, if she does.
fn dropped(pair: &Pair) -> Option<Distrust> {
    pair.daemons[ALICE].wanted.iter().find_map(|action| match action {
        Action::DropPeer { reason, .. } => Some(*reason),
        _ => None,
    })
}

#[test]
fn nobody_may_claim_a_node_of_ours() {
    let mut pair = Pair::new(settings(), settings());
    let node = pair.daemons[ALICE].node.1;
    pair.hear(ALICE, hello(node, Some(1), Some("signed")));
    assert_eq!(dropped(&pair), Some(Distrust::ClaimsOurNode));
    assert_eq!(pair.daemons[ALICE].core.peers(), 0);
}

#[test]
fn a_claim_that_turns_out_to_be_for_a_node_of_ours_is_undone() {
    let mut pair = Pair::new(settings(), settings());
    let late = fixture::node(9).1;
    pair.hear(ALICE, hello(late, Some(1), None));
    assert_eq!(dropped(&pair), None);
    pair.tell(
        ALICE,
        Event::NodeConnected(OwnNode {
            id: late,
            alias: "late".to_owned(),
            network: Network::Regtest,
            rebalances: true,
            can_hold: true,
            proof: None,
        }),
    );
    assert_eq!(dropped(&pair), Some(Distrust::ClaimsOurNode));
}

#[test]
fn where_proof_is_required_a_bare_claim_is_refused() {
    let strict = Settings { require_proof: true, ..settings() };
    let pair = Pair::new(strict.clone(), settings());
    assert_eq!(dropped(&pair), Some(Distrust::Unproven));
    let mut pair = Pair::apart(strict, settings());
    let peer = pair.daemons[BOB].key;
    pair.tell(ALICE, Event::PeerConnected { peer });
    let node = pair.daemons[BOB].node.1;
    pair.hear(ALICE, hello(node, Some(1), Some("signed")));
    assert_eq!(dropped(&pair), None);
}

#[test]
fn others_than_trusted_nodes_are_neither_asked_nor_paid() {
    let strict = Settings { trusted: [fixture::node(9).1].into(), ..settings() };
    let mut pair = Pair::new(strict.clone(), settings());
    pair.list(10, &[(1, 200_000, 800_000)]);
    assert_eq!(pair.rest(ALICE), "the node at the other end is not among trustedNodes");
    let mut pair = Pair::new(settings(), strict);
    pair.list(10, &[(1, 200_000, 800_000)]);
    assert!(pair.invoice(ALICE));
    assert_eq!(pair.result(BOB).refusal.as_deref(), Some("notTrusted"));
}

/// A peer that is no owner is believed nothing, and causes nothing to be told.
#[test]
fn a_claim_that_waits_has_the_owner_told_nothing() {
    let mut pair = Pair::new(settings(), settings());
    pair.list(10, &[(1, 500_000, 500_000)]);
    let node = pair.daemons[ALICE].node.1;
    pair.meets(BOB, 77, hello(node, Some(1), None));
    let told = pair.said.iter().any(|(_, message)| matches!(message, Message::Policy(_)));
    assert!(!told);
}

#[test]
fn a_node_that_is_excepted_is_announced_to_nobody() {
    let mut pair = Pair::apart(settings(), settings());
    let id = pair.daemons[ALICE].node.1;
    let node = OwnNode {
        id,
        alias: "alice".to_owned(),
        network: Network::Regtest,
        rebalances: false,
        can_hold: true,
        proof: None,
    };
    pair.tell(ALICE, Event::NodeConnected(node));
    pair.meet();
    pair.pass(90);
    assert!(!pair.heard.iter().any(|it| matches!(it, (ALICE, Message::Hello(_)))));
}

#[test]
fn a_node_that_we_name_and_that_has_not_answered_is_ours_all_the_same() {
    let node = fixture::node(9).1;
    let own = Settings { own: [node].into(), ..settings() };
    let mut pair = Pair::new(own, settings());
    pair.hear(ALICE, hello(node, Some(1), Some("signed")));
    assert_eq!(dropped(&pair), Some(Distrust::ClaimsOurNode));
}

#[test]
fn only_who_shares_a_channel_is_kept_whoever_else_comes() {
    let mut pair = Pair::new(settings(), settings());
    assert!(pair.daemons[ALICE].trusted.is_empty());
    pair.list(10, &[(1, 500_000, 500_000)]);
    assert_eq!(pair.daemons[ALICE].trusted, [pair.daemons[BOB].key]);
}

#[test]
fn our_nodes_are_announced_at_every_interval_while_they_answer() {
    let mut pair = Pair::new(settings(), settings());
    let check = |pair: &Pair, expected: usize| {
        let hellos = pair.heard.iter().filter(|it| matches!(it, (ALICE, Message::Hello(_))));
        assert_eq!(hellos.count(), expected);
    };
    check(&pair, 1);
    pair.pass(89);
    check(&pair, 1);
    pair.pass(1);
    check(&pair, 2);
    let node = pair.daemons[ALICE].node.1;
    pair.tell(ALICE, Event::NodeDisconnected { node });
    pair.pass(90);
    check(&pair, 2);
}
