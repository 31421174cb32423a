//! Many peers that start at the same time.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::peers::{Peer, host};

/// Longer than forty take on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// So many peers join at once, over a DHT of one node. Says how long it took until each was
/// connected with each other.
pub(super) async fn meet(count: u8) -> Duration {
    let dht = host().await;
    let started = Instant::now();
    let mut meeting = JoinSet::new();
    for seed in 1..=count {
        let mut peer = Peer::join(seed, &dht);
        meeting.spawn(async move {
            while peer.connected.len() + 1 < usize::from(count) {
                peer.next().await;
            }
            peer
        });
    }
    let met = tokio::time::timeout(PATIENCE, meeting.join_all()).await;
    assert_eq!(met.expect("all meet").len(), usize::from(count));
    started.elapsed()
}
