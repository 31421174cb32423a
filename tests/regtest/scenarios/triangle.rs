//! Three nodes, each with a channel to each.

use std::time::Duration;

use serde_json::json;

use crate::harness::channel::Open;
use crate::harness::daemon::Daemon;
use crate::harness::network::{ALICE, BOB, CAROL, Network};
use crate::harness::node::Version::Lnd21;
use crate::harness::proof;

use super::REBALANCE_LIMIT;

/// How often the daemon looks at all channels, whatever the events say: ten times the refresh
/// rate that is set here.
const REFRESH: Duration = Duration::from_secs(2);

/// All three channels drift at once, in a circle; all come to rest, and rest.
pub(crate) async fn three_drifts_at_once_come_to_rest() {
    let network = Network::start(&[Lnd21; 3]).await;
    let circle = [(ALICE, BOB), (BOB, CAROL), (CAROL, ALICE)];
    let links = network.open(&circle.map(|(from, to)| Open::even(from, to, 1_000_000))).await;
    let mut daemon = Daemon::new(&network).await;
    daemon.limit("refreshRate", json!(0.2));
    daemon.start();
    daemon.watches(3).await;

    tokio::join!(
        network.drift(links[0], ALICE, 300_000),
        network.drift(links[1], BOB, 300_000),
        network.drift(links[2], CAROL, 300_000),
    );
    for link in &links {
        daemon.settles(*link, 1, REBALANCE_LIMIT).await;
        network.agreed_balances(*link, link.from).await.assert_even();
    }
    proof::nothing_moves(&network, &daemon, 3 * REFRESH).await;

    daemon.stop().await;
    let journal = daemon.journal();
    assert_eq!(journal.of("paymentIntended").count(), 3);
    proof::check(&network, &journal).await;
}
