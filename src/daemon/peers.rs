//! The other daemons of the cluster: joins the swarm's bytes to the wire's messages.
//!
//! One task owns the swarm and what is to be said and was heard of each peer. It outlives a run,
//! so that peers hear a refusal while the log cannot be written. What a message means is not known
//! here.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::clock;
use crate::config::Config;
use crate::core::event::{Event, Heard};
use crate::core::message::{Message, PaymentResult};
use crate::core::refusal::Refusal;
use crate::ids::{NodeId, PeerKey, Topic};
use crate::swarm::{self, Swarm, SwarmError, SwarmEvent};
use crate::time::Time;
use crate::wire::{self, Fault, Inbox, Opened, Outbox, Seal};

/// How many orders may wait for the task. Who gives them waits beyond that.
const ORDERS_MAX: usize = 256;
/// How long what is yet to be said may take at the end.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);
/// How many nodes of one peer are kept in mind for a run that begins anew.
const HELLOS_MAX: usize = 256;
/// How many documents of one connection are ignored before the peer is sent away for a while.
const IGNORED_MAX: u32 = 10;
/// For how long.
const IGNORED_AWAY: Duration = Duration::from_secs(60);
/// How many events may wait for the loop. Beyond that, the peers are read no further.
const EVENTS_MAX: usize = 64;

/// How long what was heard of a peer is kept after it left: as long as its rate and the memory of
/// what it has said last.
const INBOX_KEPT: Duration = Duration::from_secs(10);

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
    Broke { peer: PeerKey, fault: Fault, has_spoken: bool },
    /// A peer is gone.
    Disconnected { peer: PeerKey, reason: String },
}

/// Something to be done about a peer.
#[derive(Debug)]
enum Order {
    Say {
        peer: PeerKey,
        message: Box<Message>,
    },
    SendAway {
        peer: PeerKey,
        time: Duration,
    },
    Trust {
        peer: PeerKey,
    },
    /// Whatever waits to be said is said now, and told when it is.
    LastWords {
        said: oneshot::Sender<()>,
    },
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
    /// Who is connected, as far as the loop was told, and what each last said of each node: a run
    /// that begins anew must know it, and it is not said again for long.
    connected: BTreeMap<PeerKey, BTreeMap<NodeId, Heard>>,
    /// The task that the events come from.
    task: JoinHandle<()>,
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

    /// Keeps the connection to a peer, whoever else comes.
    pub(super) async fn trust(&self, peer: PeerKey) {
        drop(self.orders.send(Order::Trust { peer }).await);
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
        let task = tokio::spawn(conversations.run(swarm_events, ordered));
        let speaker = Speaker { seal, orders };
        Ok(Self { speaker, events, swarm, topic, connected: BTreeMap::new(), task })
    }

    pub(super) fn speaker(&self) -> Speaker {
        self.speaker.clone()
    }

    /// Our name among them.
    pub(super) fn key(&self) -> PeerKey {
        self.swarm.key()
    }

    /// What the cluster meets under.
    pub(super) const fn topic(&self) -> Topic {
        self.topic
    }

    /// What [`Self::next`] told of those who are connected, for a core that was not there.
    pub(super) fn told(&self) -> Vec<Event> {
        let told = self.connected.iter().flat_map(|(peer, hellos)| {
            let connected = Event::PeerConnected { peer: *peer };
            [connected].into_iter().chain(hellos.values().cloned().map(Event::Heard))
        });
        told.collect()
    }

    /// What happens next. Can be dropped and called again without loss.
    pub(super) async fn next(&mut self) -> PeerEvent {
        let event = self.events.recv().await.expect("the peers' task outlives those who listen");
        match &event {
            PeerEvent::Connected { peer } => {
                self.connected.insert(*peer, BTreeMap::new());
            }
            PeerEvent::Disconnected { peer, .. } | PeerEvent::Broke { peer, .. } => {
                self.connected.remove(peer);
            }
            PeerEvent::Heard(heard) => {
                if let (Message::Hello(hello), Some(hellos)) =
                    (&heard.message, self.connected.get_mut(&heard.peer))
                    && (hellos.len() < HELLOS_MAX || hellos.contains_key(&hello.node))
                {
                    hellos.insert(hello.node, Heard::clone(heard));
                }
            }
            PeerEvent::Joined | PeerEvent::Offline { .. } => {}
        }
        event
    }

    /// Answers what was heard with `refusal`, if it is a request.
    pub(super) async fn refuse(&self, heard: Heard, refusal: &Refusal) {
        if let Message::PayInvoice(request) = heard.message {
            let result = PaymentResult::refused(request, refusal, Some(REFUSED_RETRY));
            self.speaker.say(heard.peer, Message::PaymentResult(result)).await;
        }
    }

    /// Says what is yet to be said, and takes leave of everybody.
    pub(super) async fn leave(mut self) {
        let (said, last_words) = oneshot::channel();
        let leaving = async {
            let order = self.speaker.orders.send(Order::LastWords { said });
            let spoken = async { order.await.is_ok() && last_words.await.is_ok() };
            drop(tokio::time::timeout(LAST_WORDS_MAX, spoken).await);
            self.swarm.leave().await;
        };
        let listening = async {
            while self.events.recv().await.is_some() {}
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = leaving => {}
            () = listening => {}
        }
        self.task.abort();
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
    span: Span,
    inbox: Inbox,
    outbox: Outbox,
    /// Whether it has said anything that a member of the cluster would.
    has_spoken: bool,
    /// How many of its documents were ignored.
    ignored: u32,
}

impl Talk {
    /// Notes a fault. Returns how long its peer is to be kept away, if it is.
    fn ignores(&mut self, fault: &Fault) -> Option<Duration> {
        if let Some(time) = fault.keeps_away_for() {
            return Some(time);
        }
        // A peer may go on like this for ever: it is told once, and borne for a while. A stranger
        // may come again as somebody else: nobody is woken by it.
        if self.ignored == 0 {
            let code = fault.code();
            if matches!(fault, Fault::BadSignature) {
                tracing::debug!(code, "a message is ignored: {fault}");
            } else {
                tracing::warn!(code, "a message is ignored: {fault}");
            }
        }
        self.ignored += 1;
        (self.ignored >= IGNORED_MAX).then_some(IGNORED_AWAY)
    }
}

impl Conversations {
    async fn run(
        mut self,
        mut events: mpsc::Receiver<SwarmEvent>,
        mut orders: mpsc::Receiver<Order>,
    ) {
        loop {
            let paced = self.next_word();
            tokio::select! {
                biased;
                Some(order) = orders.recv() => self.obey(order).await,
                () = paced => {}
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

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Say { peer, message } => {
                let Some(talk) = self.talks.get_mut(&peer) else { return };
                if talk.outbox.push(*message).is_err() {
                    // It takes nothing from us: what it is not told, it asks for again.
                    let _about = talk.span.enter();
                    tracing::debug!("the peer takes nothing: a message is dropped");
                }
            }
            Order::SendAway { peer, time } => self.swarm.drop_peer(peer, time),
            Order::Trust { peer } => self.swarm.trust(peer),
            Order::LastWords { said } => {
                self.say().await;
                // Whoever asked may have waited long enough.
                said.send(()).unwrap_or_default();
            }
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
                let (span, outbox) = (swarm::span(peer), Outbox::default());
                let talk = Talk { span, inbox, outbox, has_spoken: false, ignored: 0 };
                self.talks.insert(peer, talk);
                PeerEvent::Connected { peer }
            }
            SwarmEvent::Disconnected { peer, reason } => {
                self.forget(peer);
                PeerEvent::Disconnected { peer, reason: reason.to_string() }
            }
            SwarmEvent::Message { peer, bytes, at } => match self.open(peer, &bytes, at) {
                Some(event) => event,
                None => return Ok(()),
            },
        };
        self.told.send(told).await.map_err(|_| Unheard)
    }

    /// Reads a document that came at `at`, and sends its peer away where no member would send it.
    fn open(&mut self, peer: PeerKey, bytes: &[u8], at: Instant) -> Option<PeerEvent> {
        // It is judged as it came, however long it waited here.
        let mono = Time::default() + at.saturating_duration_since(self.began);
        let wall = clock::wall().before(at.elapsed());
        let talk = self.talks.get_mut(&peer)?;
        let span = talk.span.clone();
        let _about = span.enter();
        match talk.inbox.open(&self.seal, bytes, mono, wall) {
            Ok(Opened::Message { message, sent_at, evidence }) => {
                talk.has_spoken = true;
                let heard = Heard { peer, message, sent_at, wall, evidence };
                Some(PeerEvent::Heard(Box::new(heard)))
            }
            Ok(Opened::Duplicate) => None,
            Ok(Opened::Unknown { kind }) => {
                talk.has_spoken = true;
                tracing::debug!(kind, "a message of an unknown type is ignored");
                None
            }
            Err(fault) => {
                let has_spoken = talk.has_spoken;
                let time = talk.ignores(&fault)?;
                self.swarm.drop_peer(peer, time);
                // What it has sent beyond this is of no interest.
                self.forget(peer);
                Some(PeerEvent::Broke { peer, fault, has_spoken })
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

    /// Says what the peers' rates allow.
    async fn say(&mut self) {
        let mono = self.mono();
        for (peer, talk) in &mut self.talks {
            while let Some(message) = talk.outbox.take(mono) {
                let document = self.seal.close(*peer, &message, clock::wall());
                let saying = async {
                    if let Err(error) = self.swarm.send(*peer, document).await {
                        tracing::debug!(error = super::tell::chain(&error), "not said");
                    }
                };
                saying.instrument(talk.span.clone()).await;
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
