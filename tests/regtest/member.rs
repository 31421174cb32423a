//! [`Member`]: somebody who knows the secret and says whatever a test has it say, true or not.
//!
//! It is on the swarm as the daemon is, with the daemon's own bytes; what it says is its own.

use std::time::Duration;

use tightrope::clock;
use tightrope::core::message::{Hello, Message, PayInvoice, PaymentResult};
use tightrope::ids::{NodeId, PeerKey};
use tightrope::swarm::{SendError, Settings, Swarm, SwarmEvent};
use tightrope::time::Time;
use tightrope::wire::{self, Inbox, Opened, Seal};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::dht::Dht;

/// How long a peer may take to be found, or to say something.
const LIMIT: Duration = Duration::from_secs(20);

/// Somebody who knows the secret.
#[derive(Debug)]
pub(crate) struct Member {
    swarm: Swarm,
    events: mpsc::Receiver<SwarmEvent>,
    pub(crate) seal: Seal,
    /// Whom it speaks to.
    peer: PeerKey,
}

/// What a member sees next.
#[derive(Debug)]
pub(crate) enum Seen {
    /// The peer answers a request.
    Result(Box<PaymentResult>),
    /// The peer has hung up.
    Gone,
}

impl Member {
    /// Joins those who know `secret`, and waits until it is connected to whoever speaks for
    /// `node`.
    pub(crate) async fn meet(dht: &Dht, secret: &str, identity: u8, node: NodeId) -> Self {
        let identity = [identity; 32];
        let seal = Seal::new(secret.into(), identity);
        let settings = Settings {
            bootstrap: vec![dht.address()],
            host: "127.0.0.1".parse().expect("an address"),
            port: 0,
            peers_max: 64,
            firewalled: false,
        };
        let topic = wire::topic(secret.as_bytes());
        let (swarm, mut events) = Swarm::join(settings, identity, topic).expect("it joins");
        let peer = timeout(LIMIT, speaker_for(&seal, &mut events, node)).await;
        Self { peer: peer.expect("the peer is there"), swarm, events, seal }
    }

    /// Says that it speaks for a node.
    pub(crate) async fn claim(&self, node: NodeId, proof: Option<String>) {
        let alias = "mallory".to_owned();
        self.say(&Message::Hello(Hello { node, alias, version: Some(1), proof })).await;
    }

    /// Says something, properly signed.
    pub(crate) async fn say(&self, message: &Message) {
        self.write(self.seal.close(self.peer, message, clock::wall())).await;
    }

    /// Writes a document, whatever is in it.
    pub(crate) async fn write(&self, document: Vec<u8>) {
        self.flood(&document, 1).await;
    }

    /// Writes a document again and again, as fast as the peer takes it, until it hangs up or has
    /// had `count` of them.
    pub(crate) async fn flood(&self, document: &[u8], count: usize) {
        let mut written = 0;
        while written < count {
            match self.swarm.send(self.peer, document.to_vec()).await {
                Ok(()) => written += 1,
                Err(SendError::Full) => tokio::task::yield_now().await,
                Err(SendError::Gone | SendError::TooLong { .. }) => return,
            }
        }
    }

    /// A request as a document of its own.
    pub(crate) fn document(&self, request: &PayInvoice) -> Vec<u8> {
        self.seal.close(self.peer, &Message::PayInvoice(request.clone()), clock::wall())
    }

    /// Asks, and returns the answer and how long it took.
    pub(crate) async fn ask(&mut self, request: &PayInvoice) -> (PaymentResult, Duration) {
        let asked = std::time::Instant::now();
        self.say(&Message::PayInvoice(request.clone())).await;
        match self.sees().await {
            Seen::Result(result) => (*result, asked.elapsed()),
            Seen::Gone => panic!("the peer hung up at {request:?}"),
        }
    }

    /// What it sees next of the peer.
    pub(crate) async fn sees(&mut self) -> Seen {
        let seen = timeout(LIMIT, async {
            loop {
                match self.events.recv().await.expect("the swarm is there") {
                    SwarmEvent::Message { peer, bytes, .. } if peer == self.peer => {
                        if let Some(Message::PaymentResult(it)) = open(&self.seal, peer, &bytes) {
                            return Seen::Result(Box::new(it));
                        }
                    }
                    SwarmEvent::Disconnected { peer, .. } if peer == self.peer => {
                        return Seen::Gone;
                    }
                    SwarmEvent::Joined { .. }
                    | SwarmEvent::Offline { .. }
                    | SwarmEvent::Connected { .. }
                    | SwarmEvent::Message { .. }
                    | SwarmEvent::Disconnected { .. } => {}
                }
            }
        });
        seen.await.expect("the peer answers or hangs up")
    }
}

/// Whoever speaks for `node`.
async fn speaker_for(
    seal: &Seal,
    events: &mut mpsc::Receiver<SwarmEvent>,
    node: NodeId,
) -> PeerKey {
    loop {
        if let SwarmEvent::Message { peer, bytes, .. } = events.recv().await.expect("a swarm")
            && let Some(Message::Hello(hello)) = open(seal, peer, &bytes)
            && hello.node == node
        {
            return peer;
        }
    }
}

/// The message in a document.
fn open(seal: &Seal, peer: PeerKey, bytes: &[u8]) -> Option<Message> {
    // A new inbox each time: what it forgets is no matter here.
    match Inbox::new(peer).open(seal, bytes, Time::default(), clock::wall()) {
        Ok(Opened::Message { message, .. }) => Some(message),
        Ok(Opened::Duplicate | Opened::Unknown { .. }) | Err(_) => None,
    }
}
