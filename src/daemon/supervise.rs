//! Keeps the connection to one node alive, for ever.
//!
//! lnd locked, restarting, gone, or answering with the wrong key is a state that is told, not an
//! end. The wait between tries doubles up to a bound and is jittered, so that many daemons do not
//! return at once. Only a session that has lasted makes it short again: a node may well list its
//! channels and then end its events, over and over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::figures::Figures;
use super::input::Input;
use super::peers::Speaker;
use super::tell;
use crate::config::Node;
use crate::core::event::{Event, OwnNode};
use crate::core::policy::Limits;
use crate::ids::NodeId;
use crate::lnd::{Endpoint, Lnd, LndError, Meter};

/// How long until the first new try.
const WAIT_MIN: Duration = Duration::from_millis(500);
/// How long until a new try at most.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How many events of one node may wait for the loop; the node's mailbox holds back the rest.
const EVENTS_MAX: usize = 16;

/// One entry of `lightningNodes`.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Its place in the config.
    pub(super) index: usize,
    /// What the config says of it.
    pub(super) node: Node,
    /// Tells how often it is looked at, at the moment.
    pub(super) limits: watch::Receiver<Limits>,
}

impl Slot {
    /// A new connection, with the certificate and the macaroon as they are at this moment.
    pub(super) fn connect(&self) -> Result<Lnd, LndError> {
        let node = self.node.reread();
        Lnd::new(&Endpoint {
            socket: node.socket,
            certificate: node.certificate,
            macaroon: node.macaroon.expose().to_vec(),
        })
    }
}

/// Why a connection ended or never began.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The edge says so.
    #[error(transparent)]
    Lnd(#[from] LndError),
    /// Another node answers than the config names. The keys are shortened: this goes into the
    /// event log too, where keys may be masked.
    #[error(
        "{}... answers, but pubkey names {}...: mend socket or pubkey",
        found.shortened(),
        expected.shortened()
    )]
    WrongNode { found: NodeId, expected: NodeId },
    /// The node cannot carry payments yet.
    #[error("the node is not synced to its chain yet")]
    NotSynced,
}

/// Connects, follows, and connects again until the task is cancelled.
pub(super) async fn supervise(
    slot: Slot,
    speaker: Option<Speaker>,
    figures: Figures,
    inputs: mpsc::Sender<Input>,
) {
    let mut wait = Duration::ZERO;
    loop {
        let began = Instant::now();
        let speaking = session(&slot, speaker.as_ref(), &figures, &inputs);
        let (node, error) = speaking.instrument(tell::node(slot.index, &slot.node.socket)).await;
        let lasted = node.map(|_| began.elapsed());
        let error = tell::chain(&error);
        let gone = Input::Disconnected { slot: slot.index, node, error };
        if inputs.send(gone).await.is_err() {
            return;
        }
        wait = next_wait(wait, lasted);
        tokio::time::sleep(jittered(wait)).await;
    }
}

/// How long to wait after a session, if it was one, that `lasted` so long, when the wait before
/// it was `before`.
fn next_wait(before: Duration, lasted: Option<Duration>) -> Duration {
    match lasted {
        Some(lasted) if lasted > WAIT_MAX => WAIT_MIN,
        Some(_) | None => before.saturating_mul(2).clamp(WAIT_MIN, WAIT_MAX),
    }
}

/// One connection, from the first call to its end. Names the node if the loop was told
/// that it is connected, which it is once its first full list is in.
async fn session(
    slot: &Slot,
    speaker: Option<&Speaker>,
    figures: &Figures,
    inputs: &mpsc::Sender<Input>,
) -> (Option<NodeId>, Broken) {
    let lnd = match slot.connect() {
        Ok(lnd) => lnd.metered({
            let figures = figures.clone();
            Meter::new(move |method, code, took| figures.called(method, code, took))
        }),
        Err(error) => return (None, error.into()),
    };
    let info = match lnd.info().await {
        Ok(info) => info,
        Err(error) => return (None, error.into()),
    };
    Span::current().record("publicKey", info.id.shortened());
    if let Some(expected) = slot.node.pubkey.filter(|expected| *expected != info.id) {
        return (None, Broken::WrongNode { found: info.id, expected });
    }
    if !info.is_synced {
        return (None, Broken::NotSynced);
    }
    // What a peer is told of the node holds for the whole session, so an error is the session's.
    let (can_hold, proof) = match speaker {
        None => (false, None),
        Some(speaker) => match (lnd.can_hold().await, prove(&lnd, info.id, speaker).await) {
            (Ok(can_hold), Ok(proof)) => (can_hold, proof),
            (Err(error), _) | (_, Err(error)) => return (None, error.into()),
        },
    };
    let node = OwnNode {
        id: info.id,
        alias: info.alias.clone(),
        network: info.network,
        rebalances: slot.node.rebalance,
        can_hold,
        proof,
    };
    let (events, mut received) = mpsc::channel(EVENTS_MAX);
    // Only a node that lists its channels counts as connected: one that merely says its name
    // would come and go for ever.
    let mut connected = Some(Input::Connected {
        slot: slot.index,
        node,
        version: info.version.clone(),
        lnd: lnd.clone(),
    });
    let has_listed = AtomicBool::new(false);
    let forwarding = async {
        while let Some(event) = received.recv().await {
            // The receiver is gone only when the run has ended, and this task with it.
            if let Some(connected) = connected.take() {
                drop(inputs.send(connected).await);
                has_listed.store(true, Ordering::Relaxed);
            }
            drop(inputs.send(Input::Seen { slot: slot.index, event }).await);
        }
        std::future::pending::<()>().await;
    };
    let error = tokio::select! {
        error = lnd.follow(info.id, &info, slot.limits.clone(), events) => error,
        () = forwarding => unreachable!("forwarding never ends"),
    };
    (has_listed.load(Ordering::Relaxed).then_some(info.id), error.into())
}

/// The node's signature under our claim to speak for it; `None` where the macaroon does not allow
/// it. Peers that do not ask for one do without.
async fn prove(lnd: &Lnd, node: NodeId, speaker: &Speaker) -> Result<Option<String>, LndError> {
    match lnd.sign_message(&speaker.claim(node)).await {
        Ok(proof) => Ok(Some(proof)),
        Err(error @ LndError::Permission { .. }) => {
            let error = tell::chain(&error);
            tracing::warn!(error, "peers get no proof that this daemon runs the node");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Between half of `wait` and all of it.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without randomness the wait is merely the same for all.
    let share = getrandom::fill(&mut byte).map_or(255, |()| u32::from(byte[0]));
    wait / 2 + wait / 2 * share / u32::from(u8::MAX)
}

/// Whether an event is a list of all of a node's channels.
pub(super) const fn is_full_list(event: &Event) -> bool {
    matches!(event, Event::ChannelsListed { with: None, .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fixture;

    #[test]
    fn the_wait_grows_until_a_session_lasts() {
        let mut wait = Duration::ZERO;
        let mut check = |lasted: Option<u64>, millis: u64| {
            wait = next_wait(wait, lasted.map(Duration::from_secs));
            assert_eq!(wait, Duration::from_millis(millis), "after {lasted:?}");
        };
        check(None, 500);
        check(None, 1_000);
        check(Some(1), 2_000);
        for millis in [4_000, 8_000, 16_000, 30_000, 30_000] {
            check(Some(20), millis);
        }
        check(Some(31), 500);
    }

    #[test]
    fn an_error_that_is_kept_has_no_whole_key() {
        let wrong = Broken::WrongNode { found: fixture::NODE_A, expected: fixture::NODE_B };
        assert_eq!(
            wrong.to_string(),
            "0a0a0a0a... answers, but pubkey names 0b0b0b0b...: mend socket or pubkey"
        );
    }
}
