//! The actor of a swarm: the only task that knows which peers are connected.
//!
//! It never waits for a peer, for the DHT or for the reader of events; whatever may take long is
//! a task that sends a [`Notice`] when it is done.

use std::collections::BTreeMap;

use peeroxide_dht::hyperdht::{KeyPair, ServerEvent};
use peeroxide_dht::messages::Ipv4Peer;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::accept::{Door, Guest};
use super::book::{Book, Room};
use super::dial::{DialError, dial};
use super::link::{Gone, Link, Opened, Surroundings, Teller};
use super::node::{Attendant, Net, chance};
use super::standing::Standing;
use super::tie::newer_stays;
use super::{SendError, Settings, SwarmEvent};
use crate::ids::{PeerKey, Topic};

/// How many notices wait; whoever has another one waits as well.
const NOTICES_MAX: usize = 64;

/// How many requests of those who dial us wait. Each costs curve operations, and whoever waits
/// behind so many asks again or has gone: the oldest is not answered.
const REQUESTS_MAX: usize = 256;

/// A message to send.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) peer: PeerKey,
    pub(super) message: Vec<u8>,
    pub(super) answer: oneshot::Sender<Result<(), SendError>>,
}

/// What the tasks of the swarm tell the actor.
#[derive(Debug)]
pub(super) enum Notice {
    /// Our node of the DHT is in use.
    Up { net: Net, told: Vec<Ipv4Peer>, requests: mpsc::UnboundedReceiver<ServerEvent> },
    /// Our node of the DHT has died.
    Down,
    /// The addresses to tell peers, as the DHT knows them by now.
    Told(Vec<Ipv4Peer>),
    /// Peers were found under the topic.
    Found(Vec<(PeerKey, Vec<Ipv4Peer>)>),
    /// A dial has ended.
    Dialed { peer: PeerKey, result: Result<Box<Opened>, DialError> },
    /// A peer that dialed us is there.
    Accepted(Box<Opened>),
    /// A connection has ended.
    Ended { peer: PeerKey, id: u64 },
}

/// Our node of the DHT, once it runs.
struct Up {
    net: Net,
    told: Vec<Ipv4Peer>,
    requests: mpsc::UnboundedReceiver<ServerEvent>,
}

/// The state of a swarm.
pub(super) struct Actor {
    pair: KeyPair,
    me: PeerKey,
    peers_max: usize,
    book: Book,
    up: Option<Up>,
    door: Door,
    links: BTreeMap<PeerKey, Link>,
    /// Connections that have ended, while their events are not all told. A peer with one is not
    /// connected with: events that nobody reads would pile up.
    tellers: BTreeMap<PeerKey, Teller>,
    /// Ends the dials that are under way.
    dials: BTreeMap<PeerKey, CancellationToken>,
    next_id: u64,
    events: mpsc::Sender<SwarmEvent>,
    notices: mpsc::Sender<Notice>,
    noticed: mpsc::Receiver<Notice>,
    standing: watch::Receiver<Standing>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Actor {
    /// An actor that has yet to run, and the task that keeps it in the DHT.
    pub(super) fn new(
        settings: Settings,
        pair: KeyPair,
        topic: Topic,
        events: mpsc::Sender<SwarmEvent>,
        standing: watch::Receiver<Standing>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (notices, noticed) = mpsc::channel(NOTICES_MAX);
        let (me, peers_max) = (PeerKey::new(pair.public_key), settings.peers_max);
        let attendant = Attendant {
            settings,
            me: pair.clone(),
            topic,
            events: events.clone(),
            notices: notices.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(attendant.attend());
        let door = Door::new(pair.clone(), tasks.clone(), notices.clone(), stop.clone());
        Self {
            pair,
            me,
            peers_max,
            book: Book::new(me),
            up: None,
            door,
            links: BTreeMap::new(),
            tellers: BTreeMap::new(),
            dials: BTreeMap::new(),
            next_id: 0,
            events,
            notices,
            noticed,
            standing,
            tasks,
            stop,
        }
    }

    /// Runs until the swarm is left, or nobody is there any longer to be told of it. If it should
    /// panic where that does not end the process, the swarm is left, and whoever reads its events
    /// sees their end.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let (stop, events) = (self.stop.clone(), self.events.clone());
        let _leaves = stop.clone().drop_guard();
        loop {
            self.dial_who_is_due();
            let next = self.next_dial();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = events.closed() => break,
                command = commands.recv() => match command {
                    Some(command) => self.send(command),
                    None => break,
                },
                // The actor holds a sender itself.
                Some(notice) = self.noticed.recv() => self.notice(notice),
                Ok(()) = self.standing.changed() => self.heed_standing(),
                request = request(&mut self.up) => self.answer(request),
                () = sleep_until_some(next) => {}
            }
        }
        self.stop.cancel();
        self.close_all();
    }

    /// Takes leave of whoever is connected, or has just been.
    fn close_all(&mut self) {
        for link in self.links.values() {
            link.close(Gone::Leaving);
        }
        self.noticed.close();
        while let Ok(notice) = self.noticed.try_recv() {
            if let Notice::Dialed { result: Ok(opened), .. } | Notice::Accepted(opened) = notice {
                self.tasks.spawn(opened.refuse());
            }
        }
    }

    fn send(&mut self, Command { peer, message, answer }: Command) {
        let sent =
            self.links.get_mut(&peer).map_or(Err(SendError::Gone), |link| link.send(message));
        if let Err(sent) = answer.send(sent) {
            let _about = super::span(peer).entered();
            tracing::debug!("nobody waits to hear that a message was put in line: {sent:?}");
        }
    }

    fn notice(&mut self, notice: Notice) {
        let now = Instant::now();
        match notice {
            Notice::Up { net, told, requests } => self.up = Some(Up { net, told, requests }),
            Notice::Down => self.go_down(),
            Notice::Told(told) => {
                if let Some(up) = &mut self.up {
                    up.told = told;
                }
            }
            Notice::Found(peers) => {
                let standing = self.standing.borrow();
                for (peer, relays) in peers {
                    self.book.found(now, peer, relays, standing.trusts(&peer));
                }
            }
            Notice::Dialed { peer, result } => {
                self.dials.remove(&peer);
                match result {
                    Ok(opened) => self.open(now, *opened),
                    Err(error) => {
                        super::span(peer).in_scope(|| tracing::debug!(%error, "not dialed"));
                    }
                }
                // Where there is a connection, this says nothing.
                self.book.failed(now, &peer, chance());
            }
            Notice::Accepted(opened) => self.open(now, *opened),
            Notice::Ended { peer, id } => self.end(now, peer, id),
        }
    }

    /// Puts a connection to use, or refuses it.
    fn open(&mut self, now: Instant, opened: Opened) {
        let peer = opened.peer;
        self.tellers.retain(|_, teller| !teller.is_finished());
        let is_welcome = match self.links.get(&peer) {
            Some(older) => {
                let is_newer_ours = opened.is_initiator;
                older.is_told()
                    && (older.is_over()
                        || newer_stays(&self.me, &peer, older.is_settled(), is_newer_ours))
            }
            None => self.is_welcome(&peer),
        };
        if !is_welcome || self.standing.borrow().bans.until(now, &peer).is_some() {
            self.tasks.spawn(opened.refuse());
            return;
        }
        if !self.links.contains_key(&peer) && self.links.len() >= self.peers_max {
            self.displace_one(now);
        }
        // A dial that was begun before would come after it, and seem to say that it was lost.
        if let Some(dial) = self.dials.remove(&peer) {
            dial.cancel();
        }
        let predecessor = self.links.remove(&peer).map(|older| {
            older.close(Gone::Replaced);
            older.into_teller()
        });
        self.next_id += 1;
        let around = Surroundings {
            tasks: &self.tasks,
            events: &self.events,
            notices: &self.notices,
            stop: &self.stop,
        };
        let link = Link::start(self.next_id, opened, predecessor, &around);
        self.links.insert(peer, link);
        let is_trusted = self.standing.borrow().trusts(&peer);
        self.book.connected(now, &peer, is_trusted);
    }

    /// Ends the oldest connection with a peer that is not trusted.
    fn displace_one(&mut self, now: Instant) {
        let standing = self.standing.borrow();
        let untrusted = self.links.iter().filter(|(peer, _)| !standing.trusts(peer));
        let oldest = untrusted.min_by_key(|(_, link)| link.id).map(|(peer, link)| (*peer, link.id));
        drop(standing);
        let Some((peer, id)) = oldest else { return };
        if let Some(link) = self.links.get(&peer) {
            link.close(Gone::Displaced);
        }
        self.end(now, peer, id);
    }

    fn end(&mut self, now: Instant, peer: PeerKey, id: u64) {
        if self.links.get(&peer).is_some_and(|link| link.id == id)
            && let Some(link) = self.links.remove(&peer)
        {
            self.tellers.insert(peer, link.into_teller());
            self.book.gone(now, &peer, chance());
        }
    }

    /// Whether a peer that is not connected may be: there is a place, or somebody's to be had.
    fn is_welcome(&self, peer: &PeerKey) -> bool {
        let standing = self.standing.borrow();
        let untold = || self.tellers.iter().filter(|(_, teller)| !teller.is_finished());
        let has_place = self.links.len() < self.peers_max
            || self.links.keys().any(|connected| !standing.trusts(connected));
        has_place && untold().count() < self.peers_max && untold().all(|(other, _)| other != peer)
    }

    /// Whom a handshake would let in.
    fn guest(&self, now: Instant, peer: &PeerKey) -> Guest {
        let standing = self.standing.borrow();
        let is_connected = self.links.contains_key(peer);
        if *peer == self.me
            || standing.bans.until(now, peer).is_some()
            || !(is_connected || self.is_welcome(peer))
        {
            Guest::Unwelcome
        } else if is_connected || standing.trusts(peer) {
            Guest::Known
        } else {
            Guest::Stranger
        }
    }

    /// Takes in what the caller thinks of peers by now.
    fn heed_standing(&mut self) {
        let standing = self.standing.borrow_and_update();
        for (peer, link) in &self.links {
            if standing.bans.closes(peer, link.made) {
                link.close(Gone::Dropped);
            }
        }
        self.book.heed_trust(|peer| standing.trusts(peer));
    }

    /// Lets go of a node of the DHT that has died: its port is free once no stream uses it.
    fn go_down(&mut self) {
        self.up = None;
        for dial in self.dials.values() {
            dial.cancel();
        }
        for link in self.links.values() {
            link.close(Gone::Restarting);
        }
    }

    /// Answers a peer that dials us.
    fn answer(&mut self, request: ServerEvent) {
        let Some(up) = &self.up else { return };
        let now = Instant::now();
        let Some(call) = self.door.hear(now, &up.told, request) else { return };
        let guest = self.guest(now, &call.peer());
        self.door.answer(now, &up.net, call, guest);
    }

    fn dial_who_is_due(&mut self) {
        let Some(up) = &self.up else { return };
        let now = Instant::now();
        let standing = self.standing.borrow();
        let trusted = self.links.keys().filter(|peer| standing.trusts(peer)).count();
        let room = Room {
            free: self.peers_max.saturating_sub(self.links.len()),
            for_trusted: self.peers_max.saturating_sub(trusted),
        };
        let due = self.book.due(now, room, |peer| standing.bans.until(now, peer));
        for (peer, relays) in due {
            let dialing = dial(up.net.clone(), self.pair.clone(), peer, relays);
            let (notices, cancel) = (self.notices.clone(), CancellationToken::new());
            self.dials.insert(peer, cancel.clone());
            let dialed = async move {
                let result = cancel.run_until_cancelled(dialing).await;
                let result = result.unwrap_or(Err(DialError::Superseded)).map(Box::new);
                // The actor is gone when nobody listens.
                drop(notices.send(Notice::Dialed { peer, result }).await);
            };
            let dialed = self.stop.clone().run_until_cancelled_owned(dialed);
            self.tasks.spawn(dialed.instrument(super::span(peer)));
        }
    }

    /// When to dial next, if there is anything to dial over.
    fn next_dial(&self) -> Option<Instant> {
        self.up.as_ref().and_then(|_| self.book.next(Instant::now()))
    }
}

/// The next peer that dials us; never where there is no DHT.
async fn request(up: &mut Option<Up>) -> ServerEvent {
    let Some(Up { requests, .. }) = up else { return std::future::pending().await };
    match next_of(requests).await {
        Some(request) => request,
        None => std::future::pending().await,
    }
}

/// The next of those who wait, of whom only the latest are left.
async fn next_of<T>(waiting: &mut mpsc::UnboundedReceiver<T>) -> Option<T> {
    while waiting.len() > REQUESTS_MAX {
        drop(waiting.try_recv());
    }
    waiting.recv().await
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_too_many_who_wait_the_oldest_are_not_answered() {
        let (comes, mut waiting) = mpsc::unbounded_channel();
        for n in 0..1_000 {
            comes.send(n).expect("somebody waits");
        }
        assert_eq!(next_of(&mut waiting).await, Some(1_000 - REQUESTS_MAX));
        assert_eq!(next_of(&mut waiting).await, Some(1_001 - REQUESTS_MAX));
    }
}
