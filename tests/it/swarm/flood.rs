//! Peers that send more than anybody reads.

use std::time::{Duration, Instant};

use tightrope::ids::PeerKey;
use tightrope::swarm::{Gone, SendError, Swarm, SwarmEvent};

use super::peers::{Peer, host, pair};

/// Small enough that many go out at once, large enough that few fill an inbox.
const MESSAGE_BYTES: usize = 2_200;

#[tokio::test]
async fn a_flooding_peer_does_not_keep_another_from_being_heard() {
    let dht = host().await;
    let (mut reader, flooder) = pair(&dht).await;
    let mut quiet = Peer::join(3, &dht);
    quiet.connected_to(reader.key()).await;
    reader.connected_to(quiet.key()).await;
    let flood = tokio::spawn(flood(flooder.swarm.clone(), reader.key()));
    let (mut flooded, mut longest) = (0, Duration::ZERO);
    for n in 0..100_u8 {
        let sent = Instant::now();
        quiet.send(reader.key(), vec![n]).await.expect("is queued");
        let heard = loop {
            if let SwarmEvent::Message { peer, bytes, .. } = reader.next().await {
                if peer == quiet.key() {
                    break bytes;
                }
                flooded += 1;
            }
        };
        assert_eq!(heard, [n]);
        longest = longest.max(sent.elapsed());
    }
    flood.abort();
    assert!(flooded > 50, "only {flooded} messages of the flood came");
    assert!(longest < Duration::from_secs(2), "heard after {longest:?}");
}

#[tokio::test]
async fn a_peer_that_sends_more_than_is_read_is_dropped_and_only_it() {
    let dht = host().await;
    let (mut reader, mut flooder) = pair(&dht).await;
    let mut quiet = Peer::join(3, &dht);
    quiet.connected_to(reader.key()).await;
    reader.connected_to(quiet.key()).await;
    // Nothing is read until the flooder is dropped, which says that its inbox was full.
    let flood = tokio::spawn(flood(flooder.swarm.clone(), reader.key()));
    assert_eq!(flooder.lost(reader.key()).await, Gone::Closed);
    flood.abort();
    quiet.send(reader.key(), b"still here".to_vec()).await.expect("is queued");

    let mut unread = 0;
    let (mut is_heard, mut reason) = (false, None);
    while !is_heard || reason.is_none() {
        match reader.next().await {
            SwarmEvent::Message { peer, bytes, .. } if peer == quiet.key() => {
                is_heard = bytes == b"still here";
            }
            SwarmEvent::Message { bytes, .. } => unread += bytes.len(),
            SwarmEvent::Disconnected { peer, reason: why } => {
                assert_eq!(peer, flooder.key());
                reason = Some(why);
            }
            SwarmEvent::Joined { .. }
            | SwarmEvent::Offline { .. }
            | SwarmEvent::Connected { .. } => {}
        }
    }
    assert_eq!(reason, Some(Gone::Flooding));
    let bound = 2 * 1_024 * 1_024 + 65 * MESSAGE_BYTES;
    assert!((bound / 2..=bound).contains(&unread), "{unread} bytes were kept");
}

/// Sends as much as goes out, until the peer is gone.
async fn flood(swarm: Swarm, to: PeerKey) {
    loop {
        match swarm.send(to, vec![0; MESSAGE_BYTES]).await {
            Ok(()) => {}
            Err(SendError::Full) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(SendError::Gone | SendError::TooLong { .. }) => return,
        }
    }
}
