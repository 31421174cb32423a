//! `tightrope check` on real nodes: what it says of good ones, and of every kind of bad one.

use serde_json::json;
use tightrope::lnd::Lnd;

use crate::harness::channel::Open;
use crate::harness::daemon::{Daemon, credentials};
use crate::harness::network::{ALICE, BOB, CAROL, Network};
use crate::harness::node::Version::Lnd21;

/// A drift is found and told, and nothing is paid, invoiced or recorded.
pub(crate) async fn check_says_what_would_be_done_and_moves_nothing() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    network.drift(link, ALICE, 300_000).await;
    let before = network.agreed_balances(link, ALICE).await;
    let daemon = Daemon::new(&network).await;

    let (code, said) = daemon.check().await;

    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("would ask for 300"), "{said}");
    assert!(said.contains("rests: in balance"), "{said}");
    assert!(said.contains("pays at most 100000000 sat and 20 times in 4h"), "{said}");
    assert!(said.contains("any node that a holder of the secret runs"), "{said}");
    assert!(said.contains("one at least needs a UDP port"), "{said}");
    assert_eq!(network.agreed_balances(link, ALICE).await, before);
    assert!(!daemon.storage().exists());
}

/// Each fault of each node is named, all in one run.
pub(crate) async fn check_names_everything_that_is_wrong_with_the_nodes() {
    let network = Network::start(&[Lnd21, Lnd21, Lnd21]).await;
    let [alice, bob, carol] = [ALICE, BOB, CAROL].map(|n| &network[n]);
    let whole = async |n: usize| network[n].bake(Lnd::PERMISSIONS).await;
    let without = |lacking: [&str; 2]| {
        let kept = Lnd::PERMISSIONS.iter().filter(|call| !lacking.contains(call));
        kept.copied().collect::<Vec<_>>()
    };
    let lacking = ["/lnrpc.Lightning/AddInvoice", "/routerrpc.Router/SendToRouteV2"];
    let mut poor = credentials(alice, &alice.bake(&without(lacking)).await);
    poor["pubkey"] = json!(bob.id());
    let mut wrong_certificate = credentials(carol, &whole(CAROL).await);
    wrong_certificate["certPath"] = json!(alice.certificate());
    let mut absent = credentials(bob, &whole(BOB).await);
    absent["socket"] = json!("127.0.0.1:1");
    let mut twin = credentials(bob, &whole(BOB).await);
    twin["socket"] = json!(bob.socket().replace("127.0.0.1", "localhost"));
    let mut daemon = Daemon::new(&network).await;
    daemon.config["lightningNodes"] =
        json!([poor, credentials(bob, &whole(BOB).await), wrong_certificate, absent, twin]);

    let (code, said) = daemon.check().await;

    assert_eq!(code, Some(1), "{said}");
    for call in Lnd::PERMISSIONS {
        let is_told = said.contains(&format!("the macaroon lacks uri:{call}"));
        assert_eq!(is_told, lacking.contains(call), "{call}: {said}");
    }
    for fault in [
        &format!("{} answers, but pubkey names {}", alice.id(), bob.id()),
        "presents a certificate that is not trusted",
        "127.0.0.1:1 does not answer",
        "it is the same node as lightningNodes[1]: remove one",
        "allowWeakSecret",
        "trustedNodes: empty",
    ] {
        assert!(said.contains(fault), "{fault}: {said}");
    }
}
