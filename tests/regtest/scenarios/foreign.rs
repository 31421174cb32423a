//! Traffic that is not the daemon's, on a channel that is.

use std::time::Duration;

use serde_json::json;

use crate::harness::channel::Open;
use crate::harness::daemon::Daemon;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::Lnd21;
use crate::harness::proof;
use crate::harness::traffic::Traffic;

use super::REBALANCE_LIMIT;

/// What a payment of the traffic moves, and how often one starts in each direction.
const TRAFFIC_SAT: i64 = 2_000;
const TRAFFIC_PERIOD: Duration = Duration::from_millis(100);
/// How many drifts there are at least, and how many payments of the traffic arrive meanwhile.
const DRIFTS_MIN: usize = 3;
const TRAFFIC_MIN: u32 = 50;
/// More than is on its way at any moment.
const IN_FLIGHT_SAT: i64 = 20 * TRAFFIC_SAT;

/// Payments start every 100 ms in both directions, so that HTLCs are always in flight; each drift
/// is mended all the same.
pub(crate) async fn a_channel_is_kept_in_balance_under_traffic() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 2_000_000)).await;
    let mut daemon = Daemon::new(&network).await;
    // However many drifts the traffic takes.
    daemon.limit("maxTransactionsPerPeriod", json!(1_000));
    daemon.start();
    daemon.watches(1).await;

    let ways = [network.way(link, ALICE).await, network.way(link, BOB).await];
    let traffic = Traffic::start(ways, TRAFFIC_SAT, TRAFFIC_PERIOD);
    let mut drifts = 0;
    while drifts < DRIFTS_MIN || traffic.arrived() < TRAFFIC_MIN {
        network.drift(link, if drifts % 2 == 0 { ALICE } else { BOB }, 500_000).await;
        drifts += 1;
        daemon.settles(link, drifts, REBALANCE_LIMIT).await;
    }
    traffic.stop().await;

    let balances = network.agreed_balances(link, ALICE).await;
    let target = (balances.local + balances.remote) / 2;
    assert!((balances.local - target).abs() <= IN_FLIGHT_SAT, "{balances:?}");
    daemon.stop().await;
    proof::check(&network, &daemon.journal()).await;
}
