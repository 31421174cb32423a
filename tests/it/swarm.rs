//! Peers that meet over a DHT of their own, on real sockets of the loopback interface.

mod peers;

use std::time::Duration;

use peers::{Peer, host, topic};
use tightrope::swarm::{Gone, MESSAGE_BYTES_MAX, SendError};

#[tokio::test]
async fn two_peers_exchange_messages_of_every_size_in_order() {
    let dht = host().await;
    let mut a = Peer::join(1, &dht, topic());
    let mut b = Peer::join(2, &dht, topic());
    a.connected_to(&b).await;
    b.connected_to(&a).await;
    let sizes = [1, 2, 17, 1_200, 65_535, MESSAGE_BYTES_MAX];
    let messages: Vec<Vec<u8>> =
        (0..40).map(|n: u8| vec![n; sizes[usize::from(n) % sizes.len()]]).collect();
    for message in &messages {
        a.send(&b, message.clone()).await.expect("is queued");
        b.send(&a, message.clone()).await.expect("is queued");
    }
    for message in &messages {
        assert_eq!(&b.message_from(&a).await, message);
        assert_eq!(&a.message_from(&b).await, message);
    }
    let too_long = a.send(&b, vec![0; MESSAGE_BYTES_MAX + 1]).await;
    assert_eq!(too_long, Err(SendError::TooLong { bytes: MESSAGE_BYTES_MAX + 1 }));
}

#[tokio::test]
async fn who_leaves_takes_leave_of_the_others() {
    let dht = host().await;
    let mut a = Peer::join(1, &dht, topic());
    a.joined().await;
    let mut b = Peer::join(2, &dht, topic());
    b.connected_to(&a).await;
    a.connected_to(&b).await;
    tokio::time::timeout(Duration::from_secs(5), a.swarm.leave()).await.expect("leaves in time");
    assert_eq!(b.lost(a.key()).await, Gone::Closed);
    assert_eq!(b.send(&a, vec![1]).await, Err(SendError::Gone));
}
