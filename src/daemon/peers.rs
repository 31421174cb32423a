//! The other daemons of the cluster: joins the swarm's bytes to the wire's messages.
//!
//! One task owns the swarm and what is to be said and was heard of each peer. It outlives a run,
//! so that peers hear a refusal while the log cannot be written. What a message means is not known
//! here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::clock;
use crate::config::Config;
use crate::core::event::Heard;
use crate::core::message::{Message, PaymentResult};
use crate::core::refusal::Refusal;
use crate::ids::{NodeId, PeerKey, Topic};
use crate::swarm::{self, Swarm, SwarmError, SwarmEvent};
use crate::time::Time;
use crate::wire::{self, Fault, Inbox, Opened, Outbox, Seal};

/// How many orders may wait for the task. Who gives them waits beyond that.
const ORDERS_MAX: usize = 256;
/// How many events may wait for the loop. Beyond that, the peers are read no further.
const EVENTS_MAX: usize = 64;

/// How long what was heard of a peer is kept after it left: as long as its rate and the memory of
/// what it has said last.
const INBOX_KEPT: Duration = Duration::from_secs(10);
/// How long a peer may be connected, and how long it is kept away, that says nothing: a member
/// speaks for its nodes at once.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What happened among the peers.
#[derive(Debug)]
pub(super) enum PeerEvent {
    /// Peers can find us.
    Joined,
    /// The swarm cannot be reached; it is tried again for ever.
    Offline { reason: String },
    /// A peer is connected.
    Connected { peer: PeerKey },
    /// A peer said something.
    Heard(Box<Heard>),
    /// A peer sent what no member of the cluster would; it is sent away.
    Broke { peer: PeerKey, fault: Fault },
    /// A peer is gone.
    Disconnected { peer: PeerKey, reason: String },
}

/// Something to be done about a peer.
#[derive(Debug)]
enum Order {
    Say { peer: PeerKey, message: Box<Message> },
    SendAway { peer: PeerKey, time: Duration },
}

/// Speaks to the peers. Clones speak to the same ones.
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    seal: Arc<Seal>,
    orders: mpsc::Sender<Order>,
}

/// The peers, as the loop hears them.
#[derive(Debug)]
pub(super) struct Peers {
    speaker: Speaker,
    events: mpsc::Receiver<PeerEvent>,
    swarm: Swarm,
    topic: Topic,
    /// Who is connected, as far as the loop was told.
    connected: BTreeSet<PeerKey>,
}

impl Speaker {
    /// Says something to a peer, if it is connected.
    pub(super) async fn say(&self, peer: PeerKey, message: Message) {
        let order = Order::Say { peer, message: Box::new(message) };
        // The task is gone only when the daemon stops.
        drop(self.orders.send(order).await);
    }

    /// Sends a peer away for some time.
    pub(super) async fn send_away(&self, peer: PeerKey, time: Duration) {
        drop(self.orders.send(Order::SendAway { peer, time }).await);
    }

    /// The text that a node of ours signs to prove that this daemon speaks for it.
    pub(super) fn claim(&self, node: NodeId) -> String {
        self.seal.claim(node)
    }
}

impl Peers {
    /// Begins to meet the peers that share the configuration's secret, under the swarm key that
    /// `identity` is the seed of.
    pub(super) fn meet(config: &Config, identity: [u8; 32]) -> Result<Self, SwarmError> {
        let secret = config.secret.expose().as_bytes().to_vec();
        let topic = wire::topic(&secret);
        let seal = Arc::new(Seal::new(secret, identity));
        let (swarm, swarm_events) = Swarm::join(settings(config), identity, topic)?;
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let (told, events) = mpsc::channel(EVENTS_MAX);
        let conversations = Conversations {
            seal: Arc::clone(&seal),
            swarm: swarm.clone(),
            talks: BTreeMap::new(),
            left: BTreeMap::new(),
            began: Instant::now(),
            told,
        };
        // It ends when the swarm has been left and gives no more events.
        drop(tokio::spawn(conversations.run(swarm_events, ordered)));
        let speaker = Speaker { seal, orders };
        Ok(Self { speaker, events, swarm, topic, connected: BTreeSet::new() })
    }

    pub(super) fn speaker(&self) -> Speaker {
        self.speaker.clone()
    }

    /// What the cluster meets under.
    pub(super) const fn topic(&self) -> Topic {
        self.topic
    }

    /// Who is connected, as far as [`Self::next`] told.
    pub(super) fn connected(&self) -> impl Iterator<Item = PeerKey> {
        self.connected.iter().copied()
    }

    /// What happens next. Can be dropped and called again without loss.
    pub(super) async fn next(&mut self) -> PeerEvent {
        let Some(event) = self.events.recv().await else {
            // The swarm was left.
            return std::future::pending().await;
        };
        match &event {
            PeerEvent::Connected { peer } => drop(self.connected.insert(*peer)),
            PeerEvent::Disconnected { peer, .. } => drop(self.connected.remove(peer)),
            PeerEvent::Joined
            | PeerEvent::Offline { .. }
            | PeerEvent::Heard(_)
            | PeerEvent::Broke { .. } => {}
        }
        event
    }

    /// Answers every request with `refusal`, for ever.
    pub(super) async fn refuse(&mut self, refusal: &Refusal) {
        loop {
            let PeerEvent::Heard(heard) = self.next().await else { continue };
            let Heard { peer, message, .. } = *heard;
            if let Message::PayInvoice(request) = message {
                let result = PaymentResult {
                    request,
                    is_allowed: false,
                    reason: Some(refusal.to_string()),
                    retry_in: Some(REFUSED_RETRY),
                    hash: None,
                    is_confirmed: false,
                    refusal: Some(refusal.code()),
                    max: None,
                };
                self.speaker.say(peer, Message::PaymentResult(result)).await;
            }
        }
    }

    /// Takes leave of everybody.
    pub(super) async fn leave(mut self) {
        let leaving = self.swarm.leave();
        let listening = async {
            while self.events.recv().await.is_some() {}
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = leaving => {}
            () = listening => {}
        }
    }
}

/// After how long a peer may ask again that was refused because the log cannot be written.
const REFUSED_RETRY: Duration = Duration::from_secs(60);

/// How the swarm is entered.
fn settings(config: &Config) -> swarm::Settings {
    let swarm = &config.swarm;
    swarm::Settings {
        bootstrap: swarm.bootstrap.clone(),
        host: swarm.host,
        port: swarm.port,
        peers_max: swarm.max_peers.into(),
        firewalled: swarm.firewalled,
    }
}

/// The task's state.
struct Conversations {
    seal: Arc<Seal>,
    swarm: Swarm,
    /// One for each connected peer.
    talks: BTreeMap<PeerKey, Talk>,
    /// What was heard of those who have left, and when they did: a peer that comes again at once
    /// has not a new rate, and its old messages are old.
    left: BTreeMap<PeerKey, (Instant, Inbox)>,
    began: Instant,
    told: mpsc::Sender<PeerEvent>,
}

/// What is heard from and said to one peer.
struct Talk {
    inbox: Inbox,
    outbox: Outbox,
    /// Since when it is connected.
    since: Instant,
    /// Whether it has said anything that a member of the cluster would.
    has_spoken: bool,
}

impl Conversations {
    async fn run(
        mut self,
        mut events: mpsc::Receiver<SwarmEvent>,
        mut orders: mpsc::Receiver<Order>,
    ) {
        let mut patrol = tokio::time::interval(SILENCE_MAX / 4);
        loop {
            let paced = self.next_word();
            tokio::select! {
                biased;
                Some(order) = orders.recv() => self.obey(order),
                () = paced => {}
                _ = patrol.tick() => self.send_the_silent_away(),
                event = events.recv() => {
                    let Some(event) = event else { return };
                    if self.take_in(event).await.is_err() {
                        return;
                    }
                }
            }
            self.say().await;
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Say { peer, message } => {
                let Some(talk) = self.talks.get_mut(&peer) else { return };
                if talk.outbox.push(*message).is_err() {
                    // It takes nothing from us: what it is not told, it asks for again.
                    tracing::debug!(%peer, "the peer takes nothing: a message is dropped");
                }
            }
            Order::SendAway { peer, time } => self.swarm.drop_peer(peer, time),
        }
    }

    /// An error says that nobody listens any more.
    async fn take_in(&mut self, event: SwarmEvent) -> Result<(), Unheard> {
        let told = match event {
            SwarmEvent::Joined { .. } => PeerEvent::Joined,
            SwarmEvent::Offline { reason } => {
                PeerEvent::Offline { reason: super::tell::chain(&reason) }
            }
            SwarmEvent::Connected { peer, .. } => {
                let inbox = match self.left.remove(&peer) {
                    Some((_, inbox)) => inbox,
                    None => Inbox::new(peer),
                };
                let (outbox, since) = (Outbox::default(), Instant::now());
                self.talks.insert(peer, Talk { inbox, outbox, since, has_spoken: false });
                PeerEvent::Connected { peer }
            }
            SwarmEvent::Disconnected { peer, reason } => {
                self.forget(peer);
                PeerEvent::Disconnected { peer, reason: reason.to_string() }
            }
            SwarmEvent::Message { peer, bytes } => match self.open(peer, &bytes) {
                Some(event) => event,
                None => return Ok(()),
            },
        };
        self.told.send(told).await.map_err(|_| Unheard)
    }

    /// Reads a document, and sends its peer away where no member would send it.
    fn open(&mut self, peer: PeerKey, bytes: &[u8]) -> Option<PeerEvent> {
        let (mono, wall) = (self.mono(), clock::wall());
        let talk = self.talks.get_mut(&peer)?;
        match talk.inbox.open(&self.seal, bytes, mono, wall) {
            Ok(Opened::Message { message, sent_at, evidence }) => {
                talk.has_spoken = true;
                let heard = Heard { peer, message, sent_at, wall, evidence };
                Some(PeerEvent::Heard(Box::new(heard)))
            }
            Ok(Opened::Duplicate) => None,
            Ok(Opened::Unknown { kind }) => {
                tracing::debug!(%peer, kind, "a message of an unknown type is ignored");
                None
            }
            Err(fault) => {
                let Some(time) = fault.keeps_away_for() else {
                    tracing::warn!(%peer, code = fault.code(), "a message is ignored: {fault}");
                    return None;
                };
                self.swarm.drop_peer(peer, time);
                // What it has sent beyond this is of no interest.
                self.forget(peer);
                Some(PeerEvent::Broke { peer, fault })
            }
        }
    }

    /// Lets go of a peer, and of those who left long ago.
    fn forget(&mut self, peer: PeerKey) {
        let now = Instant::now();
        self.left.retain(|_, (left, _)| now.duration_since(*left) < INBOX_KEPT);
        if let Some(talk) = self.talks.remove(&peer) {
            self.left.insert(peer, (now, talk.inbox));
        }
    }

    /// Sends those away who are connected and have nothing to say: whoever knows the topic can
    /// connect, and takes the place of a member.
    fn send_the_silent_away(&mut self) {
        let now = Instant::now();
        let is_silent =
            |talk: &Talk| !talk.has_spoken && now.duration_since(talk.since) >= SILENCE_MAX;
        for (peer, _) in self.talks.iter().filter(|(_, talk)| is_silent(talk)) {
            self.swarm.drop_peer(*peer, SILENCE_MAX);
        }
    }

    /// Says what the peers' rates allow.
    async fn say(&mut self) {
        let mono = self.mono();
        for (peer, talk) in &mut self.talks {
            while let Some(message) = talk.outbox.take(mono) {
                let document = self.seal.close(*peer, &message, clock::wall());
                if let Err(error) = self.swarm.send(*peer, document).await {
                    tracing::debug!(%peer, "not said: {}", super::tell::chain(&error));
                }
            }
        }
    }

    /// Resolves when something may be said.
    fn next_word(&self) -> impl Future<Output = ()> + use<> {
        let mono = self.mono();
        let next = self.talks.values().filter_map(|talk| talk.outbox.next_at(mono)).min();
        let wait = next.map(|at| at.since(mono));
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }

    /// A time that only advances.
    fn mono(&self) -> Time {
        Time::default() + self.began.elapsed()
    }
}

/// Nobody listens any more.
struct Unheard;
