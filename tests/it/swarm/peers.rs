//! Peers for tests, each of which waits for what is expected of it, and for no more than so long.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tightrope::ids::{PeerKey, Topic};
use tightrope::swarm::{Bootstrap, Gone, SendError, Settings, Swarm, SwarmEvent};
use tokio::sync::mpsc;

/// Longer than anything takes here, on a machine that has much else to do.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A DHT of its own for a test.
pub(super) async fn host() -> Bootstrap {
    Bootstrap::listen(SocketAddr::new(LOOPBACK, 0)).await.expect("a port")
}

pub(super) fn topic() -> Topic {
    Topic::new([7; 32])
}

/// Settings to enter the DHT over `bootstrap`.
pub(super) fn settings(bootstrap: SocketAddr) -> Settings {
    Settings {
        bootstrap: vec![bootstrap.to_string()],
        host: bootstrap.ip(),
        port: 0,
        peers_max: 64,
        firewalled: false,
    }
}

/// A peer and what it is told.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) swarm: Swarm,
    pub(super) events: mpsc::Receiver<SwarmEvent>,
}

impl Peer {
    /// The peer with the identity `seed` joins.
    pub(super) fn join(seed: u8, dht: &Bootstrap, topic: Topic) -> Self {
        Self::join_with(seed, settings(dht.address()), topic)
    }

    pub(super) fn join_with(seed: u8, settings: Settings, topic: Topic) -> Self {
        let (swarm, events) = Swarm::join(settings, [seed; 32], topic).expect("good settings");
        Self { swarm, events }
    }

    pub(super) fn key(&self) -> PeerKey {
        self.swarm.key()
    }

    pub(super) async fn send(&self, to: &Self, message: Vec<u8>) -> Result<(), SendError> {
        self.swarm.send(to.key(), message).await
    }

    /// The first event from now on of which `pick` makes something; others are passed over.
    pub(super) async fn until<T>(&mut self, mut pick: impl FnMut(SwarmEvent) -> Option<T>) -> T {
        let picked = async {
            loop {
                let event = self.events.recv().await.expect("the swarm was not left");
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
        };
        tokio::time::timeout(PATIENCE, picked).await.expect("comes in time")
    }

    pub(super) async fn joined(&mut self) {
        self.until(|event| matches!(event, SwarmEvent::Joined { .. }).then_some(())).await;
    }

    pub(super) async fn connected_to(&mut self, other: &Self) {
        let key = other.key();
        self.until(|event| {
            matches!(event, SwarmEvent::Connected { peer, .. } if peer == key).then_some(())
        })
        .await;
    }

    pub(super) async fn message_from(&mut self, other: &Self) -> Vec<u8> {
        let key = other.key();
        self.until(|event| {
            let SwarmEvent::Message { peer, bytes } = event else { return None };
            (peer == key).then_some(bytes)
        })
        .await
    }

    pub(super) async fn lost(&mut self, other: PeerKey) -> Gone {
        self.until(|event| {
            let SwarmEvent::Disconnected { peer, reason } = event else { return None };
            (peer == other).then_some(reason)
        })
        .await
    }
}
