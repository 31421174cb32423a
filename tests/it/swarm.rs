//! Peers that meet over a DHT of their own, on real sockets of the loopback interface.

mod churn;
mod crowd;
mod flood;
mod hostile_packets;
mod liar;
mod peers;
mod stranger;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::{Duration, Instant};

use peeroxide_dht::hyperdht::{self, HyperDhtConfig};
use rustix::process::{Pid, Signal, kill_process};
use tightrope::ids::PeerKey;
use tightrope::swarm::{Bootstrap, Gone, MESSAGE_BYTES_MAX, SendError, Settings, SwarmEvent};
use tokio::io::{AsyncBufReadExt, BufReader};

use peers::{Doomed, Peer, has_tasks, host, host_on, pair, settings, sockets_on, topic};

#[tokio::test]
async fn two_peers_exchange_messages_of_every_size_in_order() {
    let dht = host().await;
    let (mut a, mut b) = pair(&dht).await;
    let sizes = [1, 2, 17, 1_200, 65_535, MESSAGE_BYTES_MAX];
    let messages: Vec<Vec<u8>> =
        (0..40).map(|n: u8| vec![n; sizes[usize::from(n) % sizes.len()]]).collect();
    for message in &messages {
        a.send(b.key(), message.clone()).await.expect("is queued");
        b.send(a.key(), message.clone()).await.expect("is queued");
    }
    for message in &messages {
        assert!(&b.message_from(a.key()).await == message, "{} bytes", message.len());
        assert!(&a.message_from(b.key()).await == message, "{} bytes", message.len());
    }
    let too_long = a.send(b.key(), vec![0; MESSAGE_BYTES_MAX + 1]).await;
    assert_eq!(too_long, Err(SendError::TooLong { bytes: MESSAGE_BYTES_MAX + 1 }));
    let nobody = a.send(PeerKey::new([9; 32]), vec![0]).await;
    assert_eq!(nobody, Err(SendError::Gone));
}

#[tokio::test]
async fn a_queue_that_is_full_says_so() {
    let dht = host().await;
    let (a, mut b) = pair(&dht).await;
    let mut queued = 0;
    let refused = loop {
        match a.send(b.key(), vec![0; 30_000]).await {
            Ok(()) => queued += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, SendError::Full);
    assert!((64..100).contains(&queued), "{queued} messages were taken");
    for _ in 0..queued {
        assert_eq!(b.message_from(a.key()).await.len(), 30_000, "what was taken comes");
    }
}

#[tokio::test]
async fn who_leaves_takes_leave_of_the_others_and_of_the_dht() {
    let dht = host().await;
    let (a, mut b) = pair(&dht).await;
    a.leave().await;
    assert_eq!(b.lost(a.key()).await, Gone::Closed);
    assert_eq!(b.send(a.key(), vec![1]).await, Err(SendError::Gone));
    assert_eq!(a.send(b.key(), vec![1]).await, Err(SendError::Gone));
    assert_eq!(announced(&dht).await, [b.key()]);
}

#[tokio::test]
async fn what_was_said_before_leaving_is_heard_and_stamped_when_it_came() {
    let dht = host().await;
    let (a, mut b) = pair(&dht).await;
    for n in 0..60 {
        a.send(b.key(), vec![n; 500]).await.expect("is queued");
    }
    a.leave().await;
    b.has_unread(60).await;
    let read = tokio::time::Instant::now();
    for n in 0..60 {
        let heard = b.until(|event| match event {
            SwarmEvent::Message { bytes, at, .. } => Some((bytes, at)),
            SwarmEvent::Disconnected { reason, .. } => panic!("{n} were heard: {reason}"),
            SwarmEvent::Joined { .. }
            | SwarmEvent::Offline { .. }
            | SwarmEvent::Connected { .. } => None,
        });
        let (bytes, at) = heard.await;
        assert_eq!(bytes, [n; 500]);
        assert!(at < read, "it came before it was read");
    }
    assert_eq!(b.lost(a.key()).await, Gone::Closed);
}

#[tokio::test]
async fn whoever_does_not_hear_the_last_words_delays_nobody_long() {
    let dht = host().await;
    let mut a = Peer::join(1, &dht);
    let doomed = Doomed::join(2, &dht);
    a.until(|event| matches!(event, SwarmEvent::Connected { .. }).then_some(())).await;
    doomed.kill();
    let dead = *a.connected.first().expect("is not noticed yet");
    for n in 0..3 {
        a.send(dead, vec![n]).await.expect("is queued");
    }
    // The first is under way, and nobody acknowledges it.
    tokio::task::yield_now().await;
    let left = Instant::now();
    a.leave().await;
    assert!(left.elapsed() < Duration::from_secs(4), "after {:?}", left.elapsed());
}

#[tokio::test]
async fn nothing_is_left_of_a_swarm_that_was_left() {
    let ip = Ipv4Addr::new(127, 0, 0, 21);
    let dht = host_on(ip).await;
    let (before, of_dht) = (tokio::runtime::Handle::current().metrics().num_alive_tasks(), 2);
    assert_eq!(sockets_on(ip), of_dht);
    let (mut a, mut b) = pair(&dht).await;
    a.send(b.key(), vec![1]).await.expect("is queued");
    b.message_from(a.key()).await;
    let doomed = Doomed::join(3, &dht);
    a.until(|event| matches!(event, SwarmEvent::Connected { .. }).then_some(())).await;
    doomed.kill();
    a.leave().await;
    b.leave().await;
    has_tasks(before).await;
    assert_eq!(sockets_on(ip), of_dht);
    dht.close().await;
    has_tasks(0).await;
    assert_eq!(sockets_on(ip), 0);
}

#[tokio::test]
async fn a_swarm_is_left_when_nobody_holds_it_any_longer() {
    let ip = Ipv4Addr::new(127, 0, 0, 22);
    let dht = host_on(ip).await;
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (a, mut b) = pair(&dht).await;
    let key = a.key();
    drop(a);
    assert_eq!(b.lost(key).await, Gone::Closed);
    b.leave().await;
    has_tasks(before).await;
    assert_eq!(sockets_on(ip), 2);
}

#[tokio::test]
async fn a_peer_that_dies_is_noticed_within_15_s_and_comes_back() {
    let dht = host().await;
    let mut a = Peer::join(1, &dht);
    let doomed = Doomed::join(2, &dht);
    let key = a
        .until(|event| match event {
            SwarmEvent::Connected { peer, .. } => Some(peer),
            SwarmEvent::Joined { .. }
            | SwarmEvent::Offline { .. }
            | SwarmEvent::Message { .. }
            | SwarmEvent::Disconnected { .. } => None,
        })
        .await;
    doomed.kill();
    let died = Instant::now();
    assert_eq!(a.lost(key).await, Gone::Silent);
    let noticed = died.elapsed();
    assert!(noticed < Duration::from_secs(15), "noticed after {noticed:?}");

    let doomed = Doomed::join(2, &dht);
    a.connected_to(key).await;
    a.send(key, b"again".to_vec()).await.expect("is queued");
    assert_eq!(a.message_from(key).await, b"again");
    // Messages went both ways, so the next life of the peer takes the place of this one at once.
    doomed.kill();
    let _doomed = Doomed::join(2, &dht);
    let died = Instant::now();
    assert_eq!(a.lost(key).await, Gone::Replaced);
    a.connected_to(key).await;
    assert!(died.elapsed() < Duration::from_secs(8), "back after {:?}", died.elapsed());
}

#[tokio::test]
async fn a_peer_that_was_dropped_comes_back_when_its_time_is_over() {
    let dht = host().await;
    let (mut a, mut b) = pair(&dht).await;
    let (dropped, span) = (Instant::now(), Duration::from_secs(3));
    a.swarm.drop_peer(b.key(), span);
    assert_eq!(a.lost(b.key()).await, Gone::Dropped);
    assert_eq!(b.lost(a.key()).await, Gone::Closed);
    a.connected_to(b.key()).await;
    b.connected_to(a.key()).await;
    assert!(dropped.elapsed() >= span, "back after {:?}", dropped.elapsed());
}

#[tokio::test]
async fn two_that_dial_each_other_at_the_same_time_keep_one_connection() {
    let dht = host().await;
    let (mut a, mut b) = pair(&dht).await;
    for round in 0..3_u8 {
        // When that is over, neither waits for the other to dial.
        let span = Duration::from_millis(200);
        a.swarm.drop_peer(b.key(), span);
        b.swarm.drop_peer(a.key(), span);
        a.lost(b.key()).await;
        b.lost(a.key()).await;
        // Either end may see the one that is given up first.
        let heard = async {
            loop {
                a.connected_to(b.key()).await;
                b.connected_to(a.key()).await;
                let is_sent = a.send(b.key(), vec![round]).await.is_ok();
                let heard = b.message_from(a.key());
                let heard = tokio::time::timeout(Duration::from_secs(1), heard).await;
                if let (true, Ok(heard)) = (is_sent, heard) {
                    break heard;
                }
            }
        };
        let heard = tokio::time::timeout(Duration::from_secs(20), heard).await;
        assert_eq!(heard.expect("one connection stays"), [round]);
        b.send(a.key(), vec![round]).await.expect("it is the same one at both ends");
        assert_eq!(a.message_from(b.key()).await, [round]);
    }
}

#[tokio::test]
async fn the_bootstrap_command_hosts_a_dht_until_it_is_told_to_stop() {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tightrope"))
        .args(["bootstrap", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary runs");
    let said = BufReader::new(command.stdout.take().expect("is piped")).lines().next_line().await;
    let said = said.expect("is text").expect("is said");
    let address = said.strip_prefix("listens on udp ").expect("says where");
    let settings = settings(address.parse().expect("an address"));
    let (mut a, mut b) = (Peer::join_with(1, settings.clone()), Peer::join_with(2, settings));
    a.connected_to(b.key()).await;
    b.connected_to(a.key()).await;
    let id = command.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    kill_process(id.expect("runs"), Signal::TERM).expect("is told");
    assert!(command.wait().await.expect("ends").success());
}

#[tokio::test]
async fn no_more_peers_are_connected_than_may_be() {
    let dht = host().await;
    let of_two = Settings { peers_max: 2, ..settings(dht.address()) };
    let mut a = Peer::join_with(1, of_two);
    a.joined().await;
    let mut others: Vec<Peer> = (2..6).map(|seed| Peer::join(seed, &dht)).collect();
    for other in &mut others {
        other.joined().await;
        while other.connected.iter().filter(|key| **key != a.key()).count() < 3 {
            other.next().await;
        }
    }
    while a.connected.len() < 2 {
        a.next().await;
    }
    // None of them has to give way to the others, who try again.
    a.trust_all();
    // The others have all met, and had the same chances with `a`.
    let leaving = others.iter().position(|other| a.connected.contains(&other.key()));
    let leaving = others.remove(leaving.expect("is one of them"));
    leaving.leave().await;
    assert_eq!(a.lost(leaving.key()).await, Gone::Closed);
    assert_eq!(a.connected.len(), 1);
    a.until(|event| matches!(event, SwarmEvent::Connected { .. }).then_some(())).await;
    assert_eq!(a.connected.len(), 2);
}

#[tokio::test]
async fn the_only_place_is_given_to_one_after_another() {
    let dht = host().await;
    // The largest key dials; the others have to wait for what it does.
    for seed in [1, 9] {
        let of_one = Settings { peers_max: 1, ..settings(dht.address()) };
        let mut a = Peer::join_with(seed, of_one);
        a.joined().await;
        for other in [2, 3] {
            let mut other = Peer::join(other, &dht);
            a.connected_to(other.key()).await;
            other.connected_to(a.key()).await;
            other.leave().await;
            assert_eq!(a.lost(other.key()).await, Gone::Closed);
        }
        a.leave().await;
    }
}

#[tokio::test]
async fn a_dht_that_comes_up_later_is_joined() {
    let address = host().await.address();
    let mut a = Peer::join_with(1, settings(address));
    a.offline().await;
    let dht = Bootstrap::listen(address).await.expect("the port is free again");
    a.joined().await;
    let mut b = Peer::join(2, &dht);
    a.connected_to(b.key()).await;
    b.connected_to(a.key()).await;
}

#[tokio::test]
async fn peers_behind_a_firewall_dial_out() {
    let dht = host().await;
    let walled = Settings { firewalled: true, ..settings(dht.address()) };
    let (mut a, mut b) = (Peer::join(1, &dht), Peer::join_with(2, walled));
    a.connected_to(b.key()).await;
    b.connected_to(a.key()).await;
}

#[tokio::test]
async fn two_daemons_with_one_key_take_turns() {
    let dht = host().await;
    let (mut a, b) = pair(&dht).await;
    a.send(b.key(), vec![1]).await.expect("is queued");
    b.send(a.key(), vec![2]).await.expect("is queued");
    a.message_from(b.key()).await;
    let twin = Peer::join(2, &dht);
    // Whichever has its turn: that events alternate is checked by the peer itself.
    assert_eq!(a.lost(b.key()).await, Gone::Replaced);
    a.connected_to(twin.key()).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_and_had_later() {
    let dht = host().await;
    let taken = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("is bound").port();
    let mut a = Peer::join_with(1, Settings { port, ..settings(dht.address()) });
    a.offline().await;
    drop(taken);
    let joined = |event| match event {
        SwarmEvent::Joined { port } => Some(port),
        SwarmEvent::Offline { .. }
        | SwarmEvent::Connected { .. }
        | SwarmEvent::Message { .. }
        | SwarmEvent::Disconnected { .. } => None,
    };
    assert_eq!(a.until(joined).await, port);
}

#[tokio::test]
async fn a_dozen_peers_all_meet() {
    eprintln!("12 peers have met after {:?}", crowd::meet(12).await);
}

#[test]
fn peers_that_come_and_go_meet_in_the_end() {
    eprintln!("{}", churn::churn(Ipv4Addr::new(127, 0, 0, 23), Duration::from_secs(3), 1));
}

/// Who is found under the topic.
async fn announced(dht: &Bootstrap) -> Vec<PeerKey> {
    let mut config = HyperDhtConfig::default();
    let SocketAddr::V4(address) = dht.address() else { panic!("is IPv4") };
    config.dht.bootstrap = vec![address.to_string()];
    config.dht.host = address.ip().to_string();
    let runtime = libudx::UdxRuntime::new().expect("a runtime");
    let (_tasks, node, _requests) = hyperdht::spawn(&runtime, config).await.expect("starts");
    node.bootstrapped().await.expect("enters");
    let results = node.lookup(*topic().as_bytes()).await.expect("answers");
    let peers = results.into_iter().flat_map(|result| result.peers);
    let keys = peers.map(|peer| PeerKey::new(peer.public_key)).collect();
    node.destroy().await.expect("ends");
    keys
}
