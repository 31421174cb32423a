//! Performs actions, and reports what became of them as events.
//!
//! A batch's records go to the log at once, in the order of batches; the rest of the batch begins
//! when they are durable, in its order. Each call to a node is a task of its own, so a payment
//! that takes days holds up nothing, and calls of one batch may overtake each other.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::figures::Figures;
use super::input::Input;
use super::invoice::{self, Fate, HoldKey, Wanted};
use super::peers::Speaker;
use super::tell;
use crate::audit::{Audit, AuditError, Mask};
use crate::core::action::Action;
use crate::core::event::Event;
use crate::core::message::Message;
use crate::core::outcome::Outcome;
use crate::ids::{NodeId, PeerKey};
use crate::lnd::Lnd;
use crate::time::Time;

/// How long a stop waits for errands.
const ERRANDS_MAX: Duration = Duration::from_secs(2);

/// What a task says when its node has not answered since the start.
const NOT_CONNECTED: &str = "the node does not answer";

/// Everything that actions are performed with.
#[derive(Debug)]
pub(super) struct Executor {
    pub(super) audit: Audit,
    /// The newest connection to each node that answered, under the key that it answered with.
    pub(super) nodes: BTreeMap<NodeId, watch::Sender<Lnd>>,
    pub(super) inputs: mpsc::Sender<Input>,
    /// Where the first failed append is told.
    pub(super) log_failed: mpsc::Sender<AuditError>,
    pub(super) tasks: TaskTracker,
    /// Small things that a stop waits for a moment to have done.
    pub(super) errands: TaskTracker,
    pub(super) cancel: CancellationToken,
    /// Speaks to the peers, where there are any to be met.
    pub(super) speaker: Option<Speaker>,
    /// Resolves when all that was to be said is said.
    pub(super) said: Option<oneshot::Receiver<()>>,
    pub(super) hold_key: HoldKey,
    pub(super) mask: Mask,
    pub(super) is_verbose: bool,
    pub(super) figures: Figures,
}

impl Executor {
    /// Uses this connection to the node from now on.
    pub(super) fn connected(&mut self, node: NodeId, lnd: Lnd) {
        match self.nodes.get(&node) {
            Some(newest) => drop(newest.send_replace(lnd)),
            None => drop(self.nodes.insert(node, watch::Sender::new(lnd))),
        }
    }

    /// Performs a batch, and begins `then` with what follows from its records.
    pub(super) fn perform(&mut self, now: Time, batch: Vec<Action>, then: Vec<Effect>) {
        let mut records = Vec::new();
        let mut effects: Vec<Effect> = Vec::new();
        let mut words = Vec::new();
        for action in batch {
            match action {
                Action::Record(record) => records.push(record),
                Action::Send { peer, message } => words.push((peer, message)),
                Action::Narrate(narrative) => {
                    tell::narrative(&narrative, &self.mask, self.is_verbose);
                    self.audit.narrate(now, &narrative);
                }
                action @ (Action::CreateInvoice { .. }
                | Action::WatchInvoice { .. }
                | Action::SettleHeld { .. }
                | Action::CancelHeld { .. }
                | Action::TrustPeer { .. }
                | Action::DropPeer { .. }
                | Action::CancelInvoice { .. }
                | Action::Pay(_)
                | Action::TrackPayment { .. }
                | Action::ListChannels { .. }
                | Action::ReadForwarding { .. }) => effects.extend(self.effect(action)),
            }
        }
        effects.extend(self.speech(words));
        effects.extend(then);
        if records.is_empty() {
            for effect in effects {
                self.spawn(effect);
            }
            return;
        }
        let durable = self.audit.record(records);
        let (tasks, cancel) = (self.tasks.clone(), self.cancel.clone());
        let (log_failed, figures) = (self.log_failed.clone(), self.figures.clone());
        let began = Instant::now();
        self.tasks.spawn(async move {
            match durable.await {
                Ok(()) => {
                    figures.appended(began.elapsed());
                    for effect in effects {
                        tasks.spawn(cancel.clone().run_until_cancelled_owned(effect));
                    }
                }
                // The first failure ends the run; further ones say nothing new.
                Err(error) => drop(log_failed.try_send(error)),
            }
        });
    }

    /// Has the log looked at by its own thread: one that is gone is to be noticed though nothing
    /// is to be written.
    pub(super) fn look_at_log(&self) {
        let (looked, log_failed) = (self.audit.look(), self.log_failed.clone());
        self.tasks.spawn(async move {
            if let Err(error) = looked.await {
                drop(log_failed.try_send(error));
            }
        });
    }

    /// The task of saying `words`, once all that was to be said before is said: a word that waits
    /// for the disk is not overtaken by a later one.
    fn speech(&mut self, words: Vec<(PeerKey, Message)>) -> Option<Effect> {
        if words.is_empty() {
            return None;
        }
        let speaker = self.speaker.clone()?;
        let (said, next) = oneshot::channel::<()>();
        let before = self.said.replace(next);
        Some(Box::pin(self.errands.track_future(async move {
            if let Some(before) = before {
                // Where it was never said, nothing is waited for.
                before.await.unwrap_or_default();
            }
            for (peer, message) in words {
                speaker.say(peer, message).await;
            }
            drop(said);
        })))
    }

    /// Waits a moment for errands that were begun.
    pub(super) async fn finish_errands(&self) {
        self.errands.close();
        // What is not done by then is done by the invoice's own expiry.
        drop(tokio::time::timeout(ERRANDS_MAX, self.errands.wait()).await);
    }

    fn spawn(&self, effect: Effect) {
        self.tasks.spawn(self.cancel.clone().run_until_cancelled_owned(effect));
    }

    /// The task that an action comes to, in the span of what it is about. It does nothing before
    /// it is spawned.
    fn effect(&self, action: Action) -> Option<Effect> {
        let span = tell::span(&action, &self.mask);
        self.task(action).map(|task| -> Effect { Box::pin(task.instrument(span)) })
    }

    fn task(&self, action: Action) -> Option<Effect> {
        let inputs = self.inputs.clone();
        let node = |id: &NodeId| self.nodes.get(id).map(|newest| newest.borrow().clone());
        Some(match action {
            Action::Record(_) | Action::Narrate(_) | Action::Send { .. } => return None,
            action @ (Action::CreateInvoice { .. }
            | Action::WatchInvoice { .. }
            | Action::SettleHeld { .. }
            | Action::CancelHeld { .. }
            | Action::CancelInvoice { .. }) => return self.invoice_task(action),
            Action::TrustPeer { peer } => {
                let speaker = self.speaker.clone()?;
                Box::pin(async move { speaker.trust(peer).await })
            }
            Action::DropPeer { peer, reason } => {
                let speaker = self.speaker.clone()?;
                Box::pin(async move { speaker.send_away(peer, reason.keeps_away_for()).await })
            }
            Action::Pay(authorized) => {
                let lnd = node(&authorized.payer());
                report(inputs, async move {
                    let outcome = match lnd {
                        Some(lnd) => lnd.pay(&authorized).await,
                        None => Outcome::NotSent { detail: NOT_CONNECTED.to_owned() },
                    };
                    Some(Event::PaymentUpdated { hash: authorized.hash(), outcome })
                })
            }
            Action::TrackPayment { node: id, hash, .. } => {
                let lnd = node(&id)?;
                report(inputs, async move {
                    let outcome = lnd.track(hash).await;
                    Some(Event::PaymentUpdated { hash, outcome })
                })
            }
            Action::ListChannels { node: id, with } => {
                let lnd = node(&id)?;
                report(inputs, async move {
                    let channels = lnd.channels(Some(with)).await.ok()?;
                    Some(Event::ListAnswered { node: id, with, channels })
                })
            }
            Action::ReadForwarding { node: id, point, scid } => {
                let lnd = node(&id)?;
                report(inputs, async move {
                    let forwarding = lnd.forwarding(id, point, scid).await.ok()?;
                    Some(Event::ForwardingRead { node: id, point, forwarding })
                })
            }
        })
    }

    /// The same for what is done with an invoice at its node.
    fn invoice_task(&self, action: Action) -> Option<Effect> {
        let inputs = self.inputs.clone();
        let node = |id: &NodeId| self.nodes.get(id).map(|newest| newest.borrow().clone());
        Some(match action {
            Action::CreateInvoice {
                rebalance,
                node: id,
                amount,
                memo,
                expiry,
                min_final_cltv,
                kind,
                ..
            } => {
                let wanted = Wanted { rebalance, amount, memo, expiry, min_final_cltv, kind };
                let (lnd, key) = (node(&id), self.hold_key);
                report(inputs, async move { Some(invoice::create(lnd, wanted, key).await) })
            }
            Action::WatchInvoice { node: id, hash, .. } => {
                let (newest, told) = (self.nodes.get(&id)?.subscribe(), inputs.clone());
                report(inputs, async move { Some(invoice::follow(newest, hash, told).await) })
            }
            Action::SettleHeld { node: id, rebalance, hash, .. } => {
                let newest = self.nodes.get(&id)?.subscribe();
                let fate = Fate::settle(self.hold_key.preimage(rebalance), hash);
                Box::pin(invoice::end_held(newest, fate))
            }
            Action::CancelHeld { node: id, rebalance, hash, .. } => {
                let newest = self.nodes.get(&id)?.subscribe();
                let hash = hash.unwrap_or_else(|| self.hold_key.preimage(rebalance).hash());
                Box::pin(invoice::end_held(newest, Fate::GiveBack(hash)))
            }
            Action::CancelInvoice { node: id, hash, .. } => {
                let lnd = node(&id)?;
                Box::pin(self.errands.track_future(async move {
                    // It expires by itself within the minute.
                    if let Err(error) = lnd.cancel_invoice(hash).await {
                        let error = tell::chain(&error);
                        tracing::debug!(%hash, error, "invoice not cancelled");
                    }
                }))
            }
            Action::Record(_)
            | Action::Narrate(_)
            | Action::Pay(_)
            | Action::TrackPayment { .. }
            | Action::ListChannels { .. }
            | Action::ReadForwarding { .. }
            | Action::Send { .. }
            | Action::TrustPeer { .. }
            | Action::DropPeer { .. } => return None,
        })
    }
}

/// Something that is done in a task of its own.
pub(super) type Effect = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task that reports what it led to.
fn report(
    inputs: mpsc::Sender<Input>,
    task: impl Future<Output = Option<Event>> + Send + 'static,
) -> Effect {
    Box::pin(async move {
        if let Some(event) = task.await {
            // The loop is gone only when the run has ended.
            drop(inputs.send(Input::Done(event)).await);
        }
    })
}
