//! One run: from an open log to the stop, or to an append that fails.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::desk::{Desk, Wanted};
use super::execute::{Effect, Executor};
use super::figures::{Count, Named, counts};
use super::input::Input;
use super::invoice::HoldKey;
use super::keys::Keys;
use super::peers::{PeerEvent, Peers, Speaker};
use super::slots::{Slots, Twin, slots, twin};
use super::supervise::{is_full_list, supervise};
use super::systemd::{self, Watchdog};
use super::{DaemonError, Mode, Outside, Stopped, heard, tell};
use crate::audit::{Audit, AuditError, Mask};
use crate::clock::Clock;
use crate::core::Core;
use crate::core::action::Action;
use crate::core::event::{Event, OwnNode};
use crate::core::ledger::Ledger;
use crate::core::narrative::Narrative;
use crate::core::policy::Limits;
use crate::ids::NodeId;
use crate::lnd::Lnd;
use crate::time::Time;

/// How many inputs may wait for the loop. Senders wait beyond that; nothing is dropped.
const INPUTS_MAX: usize = 256;
/// How long a stop waits for what is in flight. A payment that takes longer is taken up by the
/// next start.
const STOP_GRACE: Duration = Duration::from_secs(15);
/// How long the end of a run waits for the disk: beyond any disk worth using, and short enough
/// that a stop, with the grace before, ends within the service manager's patience.
const DISK_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether the log is still there: a volume that went away is to be told of
/// before the next payment meets it.
const LOG_LOOK: Duration = Duration::from_secs(10);
/// How long a single pass may take.
const ONCE_MAX: Duration = Duration::from_secs(5 * 60);

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ended {
    Stopped(Stopped),
    LogFailed(AuditError),
}

/// The loop's state.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) core: Core,
    pub(super) clock: Clock,
    pub(super) executor: Executor,
    inputs: mpsc::Receiver<Input>,
    log_failed: mpsc::Receiver<AuditError>,
    pub(super) slots: Slots,
    /// What holds at the moment, for those who look after the nodes.
    pub(super) limits: watch::Sender<Limits>,
    supervisors: CancellationToken,
    mode: Mode,
    /// The line that the service manager was last told.
    status: String,
}

impl Run {
    /// Starts the core and the nodes' supervisors.
    pub(super) fn start(
        desk: &Desk,
        mode: Mode,
        audit: Audit,
        ledger: Ledger,
        speaker: Option<Speaker>,
        keys: Keys,
    ) -> Result<Self, DaemonError> {
        let config = &desk.config;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(DaemonError::Random)?;
        let mut clock = Clock::start(ledger.newest());
        let core = Core::new(config.settings.clone(), ledger, clock.now(), seed);
        let (sender, inputs) = mpsc::channel(INPUTS_MAX);
        let (failed, log_failed) = mpsc::channel(1);
        let executor = Executor {
            audit,
            nodes: BTreeMap::new(),
            inputs: sender.clone(),
            log_failed: failed,
            tasks: TaskTracker::new(),
            errands: TaskTracker::new(),
            cancel: CancellationToken::new(),
            speaker,
            said: None,
            hold_key: HoldKey::new(keys.hold),
            mask: Mask::new(config.audit.should_mask.clone()),
            is_verbose: config.audit.verbose_screen,
            figures: desk.figures.clone(),
        };
        let supervisors = executor.cancel.child_token();
        let limits = watch::Sender::new(config.settings.limits.clone());
        for slot in slots(config, &limits.subscribe())? {
            let supervised =
                supervise(slot, executor.speaker.clone(), executor.figures.clone(), sender.clone());
            executor.tasks.spawn(supervisors.clone().run_until_cancelled_owned(supervised));
        }
        Ok(Self {
            core,
            clock,
            executor,
            inputs,
            log_failed,
            slots: Slots::new(config),
            limits,
            supervisors,
            mode,
            status: String::new(),
        })
    }

    /// Turns the loop until the stop, or until an append fails.
    pub(super) async fn drive(mut self, stop: &CancellationToken, outside: &mut Outside) -> Ended {
        self.narrate(&Narrative::Starting { version: env!("CARGO_PKG_VERSION").to_owned() });
        self.handle(Event::Started);
        // Those who came before, or while there was no run.
        for told in outside.peers.iter().flat_map(Peers::told) {
            self.handle(told);
        }
        self.tell_status();
        systemd::ready();
        let ended = self.turn(stop, outside).await;
        let ended = match ended {
            Ended::Stopped(stopped) => self.wind_down(stopped, outside).await,
            Ended::LogFailed(_) => ended,
        };
        self.executor.finish_errands().await;
        self.close(ended).await
    }

    /// Ends what is left of the run, waits until the last records are durable, and closes the
    /// logs. An append that failed meanwhile is how the run ended after all.
    async fn close(mut self, ended: Ended) -> Ended {
        self.executor.cancel.cancel();
        self.executor.tasks.close();
        self.inputs.close();
        let (tasks, audit) = (self.executor.tasks, self.executor.audit);
        let closing = async {
            tasks.wait().await;
            audit.close().await;
        };
        let closed = tokio::time::timeout(DISK_MAX, closing).await;
        match (self.log_failed.try_recv(), closed) {
            (Ok(error), _) => Ended::LogFailed(error),
            (Err(_), Ok(())) => ended,
            (Err(_), Err(_)) => {
                tracing::error!("the disk does not answer: the logs are left as they are");
                Ended::LogFailed(AuditError::Unanswered)
            }
        }
    }

    async fn turn(&mut self, stop: &CancellationToken, outside: &mut Outside) -> Ended {
        let mut watchdog = Watchdog::start();
        let mut looks = tokio::time::interval_at(Instant::now() + LOG_LOOK, LOG_LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let pass_ends = tokio::time::sleep(ONCE_MAX);
        tokio::pin!(pass_ends);
        loop {
            if self.mode == Mode::Once && self.has_passed() {
                return Ended::Stopped(self.verdict());
            }
            let woken = self.deadline();
            tokio::select! {
                biased;
                Some(error) = self.log_failed.recv() => return Ended::LogFailed(error),
                () = stop.cancelled() => return Ended::Stopped(Stopped::InGoodOrder),
                () = watchdog.tick() => {}
                _ = looks.tick() => self.executor.look_at_log(),
                next = next(&mut self.inputs, outside, woken) => self.take(next, outside),
                () = &mut pass_ends, if self.mode == Mode::Once => {
                    return Ended::Stopped(Stopped::Incomplete);
                }
            }
            self.tell_status();
        }
    }

    /// Begins nothing new, and lets what is in flight end and be recorded.
    async fn wind_down(&mut self, stopped: Stopped, outside: &mut Outside) -> Ended {
        systemd::stopping();
        let mut watchdog = Watchdog::start();
        self.supervisors.cancel();
        self.handle(Event::Stopping);
        let grace = tokio::time::sleep(STOP_GRACE);
        tokio::pin!(grace);
        while !self.core.is_at_rest() {
            let woken = self.deadline();
            tokio::select! {
                biased;
                Some(error) = self.log_failed.recv() => return Ended::LogFailed(error),
                () = watchdog.tick() => {}
                next = next(&mut self.inputs, outside, woken) => match next {
                    Next::Input(Input::Done(event)) => self.handle(event),
                    // The nodes are not followed any longer.
                    Next::Input(_) => {}
                    Next::Heard(_) | Next::Wanted(_) | Next::Woken => self.take(next, outside),
                },
                () = &mut grace => {
                    tracing::warn!("a payment is still open: the next start takes it up");
                    break;
                }
            }
        }
        self.narrate(&Narrative::Shutdown {});
        Ended::Stopped(stopped)
    }

    /// Resolves when the core wants to be woken.
    fn deadline(&mut self) -> impl Future<Output = ()> + use<> {
        let wait = self.core.next_deadline().map(|(at, _)| self.clock.until(at));
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }

    fn take(&mut self, next: Next, outside: &mut Outside) {
        match next {
            Next::Input(input) => self.take_in(input),
            Next::Heard(event) => self.hear(event, outside),
            Next::Wanted(wanted) => self.serve(wanted, &mut outside.desk),
            Next::Woken => self.handle(Event::Woken),
        }
    }

    pub(super) fn take_in(&mut self, input: Input) {
        match input {
            Input::Connected { slot, node, version, lnd } => {
                self.connected(slot, node, version, lnd);
            }
            Input::Seen { slot, event } => {
                if self.slots.told(slot, is_full_list(&event)) {
                    self.handle(event);
                }
            }
            Input::Disconnected { slot, node, error } => self.disconnected(slot, node, error),
            Input::Done(event) => self.handle(event),
        }
    }

    /// Takes in what happened among the peers.
    fn hear(&mut self, event: PeerEvent, outside: &mut Outside) {
        outside.desk.swarm.note(&event);
        match event {
            PeerEvent::Joined => {
                if let Some(topic) = outside.peers.as_ref().map(Peers::topic) {
                    self.narrate(&Narrative::SwarmConnected { topic });
                }
            }
            PeerEvent::Offline { reason } => {
                self.narrate(&Narrative::SwarmDisconnected { reason });
            }
            PeerEvent::Connected { peer } => self.handle(Event::PeerConnected { peer }),
            PeerEvent::Heard(heard) => self.handle(Event::Heard(*heard)),
            PeerEvent::Broke { peer, fault, has_spoken } => {
                let (code, reason) = (fault.code().to_owned(), fault.to_string());
                // Strangers are not told of: they would fill the log.
                if has_spoken {
                    let reason = reason.clone();
                    self.narrate(&Narrative::PeerDropped { remote_peer: peer, reason, code });
                }
                self.handle(Event::PeerDisconnected { peer, reason });
            }
            PeerEvent::Disconnected { peer, reason } => {
                self.handle(Event::PeerDisconnected { peer, reason });
            }
        }
    }

    fn connected(&mut self, slot: usize, node: OwnNode, version: String, lnd: Lnd) {
        let id = node.id;
        if let Err(Twin { of }) = self.slots.connected(slot, id, version) {
            return self.say(format!("lightningNodes[{slot}]: {}", twin(of)));
        }
        self.executor.connected(id, lnd);
        self.handle(Event::NodeConnected(node));
    }

    fn disconnected(&mut self, slot: usize, node: Option<NodeId>, error: String) {
        let now = self.clock.now();
        let Some(is_news) = self.slots.disconnected(slot, now, &error) else { return };
        if is_news {
            let span = tell::node(slot, self.slots.socket(slot));
            span.in_scope(|| self.say(format!("lightningNodes[{slot}]: {error}")));
        }
        if let Some(node) = node {
            self.handle(Event::NodeDisconnected { node });
        }
    }

    /// Tells the operator, on stderr and in the event log.
    pub(super) fn say(&mut self, message: String) {
        self.narrate(&Narrative::Error { message });
    }

    pub(super) fn narrate(&mut self, narrative: &Narrative) {
        tell::narrative(narrative, &self.executor.mask, self.executor.is_verbose);
        self.executor.audit.narrate(self.clock.now(), narrative);
    }

    pub(super) fn handle(&mut self, event: Event) {
        self.handle_and(event, None);
    }

    /// Has the core take in an event, and `then` begin once all that it records is durable.
    pub(super) fn handle_and(&mut self, event: Event, then: Option<Effect>) {
        if let Some(step) = self.clock.step() {
            tell::clock_stepped(step);
            self.executor.figures.clock_stepped(step);
        }
        let now = self.clock.now();
        let batch = self.core.handle(now, event);
        let mut then: Vec<Effect> = then.into_iter().collect();
        then.extend(self.counting(now, &batch));
        self.executor.perform(now, batch, then);
    }

    /// Counts what was decided, once it is durable.
    fn counting(&self, now: Time, batch: &[Action]) -> Option<Effect> {
        let counted = batch.iter().flat_map(|action| counts(now, action, |node| self.name(node)));
        let counts: Vec<Count> = counted.collect();
        if counts.is_empty() {
            return None;
        }
        let figures = self.executor.figures.clone();
        Some(Box::pin(async move { counts.iter().for_each(|count| figures.add(count)) }))
    }

    /// What a node is called, and whether it is ours.
    fn name(&self, node: NodeId) -> Named {
        Named { name: self.core.called(node), is_ours: self.core.is_ours(node) }
    }

    /// Whether the one pass is over: every node has listed its channels or failed to, and what
    /// that led to has ended.
    fn has_passed(&self) -> bool {
        self.slots.are_looked_at() && self.core.is_at_rest()
    }

    fn verdict(&self) -> Stopped {
        let are_up = self.slots.up() == self.slots.len();
        if are_up { Stopped::InGoodOrder } else { Stopped::Incomplete }
    }

    fn tell_status(&mut self) {
        let mut status = format!(
            "{} of {} nodes answer, {} peers, {} channels watched, {} payments open",
            self.slots.up(),
            self.slots.len(),
            self.core.peers(),
            self.core.watched(),
            self.core.open_payments()
        );
        if let Some(fault) = self.slots.fault() {
            status.push_str(&format!("; {fault}"));
        }
        if status != self.status {
            systemd::status(&status);
            self.status = status;
        }
    }
}

/// What wakes the loop in the ordinary course of things.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is moved once")]
enum Next {
    Input(Input),
    Heard(PeerEvent),
    Wanted(Wanted),
    Woken,
}

/// What happens next. Where much happens at once, chance decides: neither nodes nor peers nor the
/// operator can keep the others waiting for long.
async fn next(
    inputs: &mut mpsc::Receiver<Input>,
    outside: &mut Outside,
    woken: impl Future<Output = ()>,
) -> Next {
    tokio::select! {
        Some(input) = inputs.recv() => Next::Input(input),
        event = heard(&mut outside.peers) => Next::Heard(event),
        wanted = outside.desk.next() => Next::Wanted(wanted),
        () = woken => Next::Woken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fixture;
    use crate::core::record::{Attempt, Entry, InvoiceKind, Record};
    use crate::daemon::Source;
    use crate::ids::{RebalanceId, Scid};
    use crate::units::Msat;

    #[tokio::test]
    async fn an_append_that_fails_during_the_stop_is_how_the_run_ends() {
        let ended = check(async |run| run.executor.audit.clone().close().await).await;
        assert!(matches!(ended, Ended::LogFailed(AuditError::Stopped)), "{ended:?}");
    }

    #[tokio::test]
    async fn a_stop_does_not_wait_for_a_disk_that_hangs() {
        let ended = check(async |run| {
            run.executor.tasks.spawn(std::future::pending::<()>());
            tokio::time::pause();
        });
        let ended = ended.await;
        assert!(matches!(ended, Ended::LogFailed(AuditError::Unanswered)), "{ended:?}");
    }

    #[tokio::test]
    async fn a_stop_with_nothing_wrong_is_in_good_order() {
        let ended = check(async |_| ()).await;
        assert!(matches!(ended, Ended::Stopped(Stopped::InGoodOrder)), "{ended:?}");
    }

    /// Starts a run that has an attempt to end at once, does `harm` to it, and stops it.
    async fn check(harm: impl AsyncFnOnce(&mut Run)) -> Ended {
        let folder = tempfile::tempdir().expect("a folder");
        let config = super::super::fixture::config(folder.path(), &serde_json::json!({}));
        let files = super::super::files(&config);
        let (audit, _) = crate::audit::open(&files, drop).expect("opens");
        let mut ledger = Ledger::new(config.settings.limits.period_max());
        let attempt = Attempt {
            rebalance: RebalanceId::new([1; 16]),
            paid_to: fixture::NODE_A,
            paid_by: fixture::NODE_B,
            point: fixture::point(1),
            scid: Scid::new(1),
            amount: Msat::new(1_000),
            kind: InvoiceKind::Plain,
        };
        ledger.apply(&Record { at: Time::default(), entry: Entry::RebalanceOpened(attempt) });
        let keys = Keys::open(&files.storage).expect("has keys");
        let desk = Desk::new(config.clone(), Source::unchanging(config));
        let mut run = Run::start(&desk, Mode::Forever, audit, ledger, None, keys).expect("starts");
        harm(&mut run).await;
        let stop = CancellationToken::new();
        stop.cancel();
        run.drive(&stop, &mut Outside { peers: None, desk }).await
    }
}
