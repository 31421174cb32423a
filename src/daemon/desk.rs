//! [`Desk`]: what the daemon keeps ready for its operator, whatever run it is in.
//!
//! The control socket and what is asked over it, the configuration and where it comes from, and
//! the figures. Answers that need the core are in [`super::answer`].

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::thread;

use tokio::sync::{Notify, mpsc, oneshot};

use super::figures::Figures;
use super::peers::PeerEvent;
use super::slots::Slots;
use super::{DaemonError, tell};
use crate::clock;
use crate::config::{Changes, Config, ConfigError, LogLevel};
use crate::control::{
    Answer, Asked, ControlSettings, Done, Faulty, LogStatus, Question, Server, SlotStatus, Status,
    SwarmStatus,
};
use crate::core::report::Report;
use crate::ids::PeerKey;
use crate::time::Time;

/// How many questions may wait for the loop.
const QUESTIONS_MAX: usize = 16;

/// Where the configuration comes from, and who else goes by it.
pub struct Source {
    /// Reads the configuration. May block for as long as a disk does.
    pub read: Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>,
    /// Has the log on stderr follow another level.
    pub set_level: Box<dyn Fn(LogLevel) + Send + Sync>,
    /// Is notified when the configuration is to be read again.
    pub again: Arc<Notify>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source(..)")
    }
}

impl Source {
    /// A source of a configuration that never changes.
    pub fn unchanging(config: Config) -> Self {
        Self {
            read: Box::new(move || Ok(config.clone())),
            set_level: Box::new(drop),
            again: Arc::default(),
        }
    }
}

/// What outlives a run, for the operator.
#[derive(Debug)]
pub(super) struct Desk {
    /// What holds.
    pub(super) config: Config,
    source: Arc<Source>,
    door: Option<Server>,
    questions: Option<mpsc::Receiver<Asked>>,
    pub(super) figures: Figures,
    /// When the process started, by the wall clock.
    started_at: Time,
    pub(super) swarm: Standing,
    /// What is read of the configuration at this moment: one at a time, so that no older one is
    /// taken in after a newer.
    reading: Option<Reading>,
    /// Who wants it read once more after that, if anybody does.
    again: Option<Vec<Asker>>,
}

/// How it stands with the swarm.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// Our name among peers, once there are any to be met.
    pub(super) key: Option<PeerKey>,
    /// Why peers cannot find us; `None` while they can.
    pub(super) offline: Option<String>,
}

impl Standing {
    /// Takes in what happened among the peers.
    pub(super) fn note(&mut self, event: &PeerEvent) {
        match event {
            PeerEvent::Joined => self.offline = None,
            PeerEvent::Offline { reason } => self.offline = Some(reason.clone()),
            PeerEvent::Connected { .. }
            | PeerEvent::Heard(_)
            | PeerEvent::Broke { .. }
            | PeerEvent::Disconnected { .. } => {}
        }
    }
}

/// Something to be done for the operator.
#[derive(Debug)]
pub(super) enum Wanted {
    /// An answer.
    Answer(Asked),
    /// The configuration was read again, and is to be taken in.
    Reread(Reread),
}

/// A configuration that was read again, or all its faults.
#[derive(Debug)]
pub(super) struct Reread {
    pub(super) config: Box<Result<Config, Vec<String>>>,
    /// Who waits for what comes of it.
    pub(super) askers: Vec<Asker>,
}

/// Where an answer goes.
pub(super) type Asker = oneshot::Sender<Answer>;

/// The configuration while it is being read.
#[derive(Debug)]
struct Reading {
    config: oneshot::Receiver<Result<Config, ConfigError>>,
    askers: Vec<Asker>,
}

impl Desk {
    /// A desk that nobody can come to yet.
    pub(super) fn new(config: Config, source: Source) -> Self {
        Self {
            config,
            source: Arc::new(source),
            door: None,
            questions: None,
            figures: Figures::new(),
            started_at: clock::wall(),
            swarm: Standing::default(),
            reading: None,
            again: None,
        }
    }

    /// Opens the control socket, if it is not open.
    pub(super) fn open(&mut self) -> Result<(), DaemonError> {
        if self.door.is_none() {
            let (sender, questions) = mpsc::channel(QUESTIONS_MAX);
            let control = &self.config.control;
            let settings = ControlSettings {
                socket: control.socket.clone(),
                listen: control.listen,
                token_file: control.token_file.clone(),
            };
            self.door = Some(Server::start(&settings, sender)?);
            self.questions = Some(questions);
        }
        Ok(())
    }

    /// Tells whoever still asks that nobody answers, and closes the control socket.
    pub(super) async fn close(&mut self) {
        self.questions = None;
        if let Some(door) = self.door.take() {
            door.close().await;
        }
    }

    /// What is to be done next. Who is not there any more wants nothing: what was asked long ago
    /// and given up must not be done now. Can be dropped and called again without loss.
    pub(super) async fn next(&mut self) -> Wanted {
        loop {
            let Self { questions, source, reading, .. } = self;
            tokio::select! {
                asked = question(questions) => return Wanted::Answer(asked),
                config = read(reading) => return Wanted::Reread(self.have_read(config)),
                () = source.again.notified() => self.reread(None),
            }
        }
    }

    /// Has the configuration read again, off the loop's thread, for somebody or nobody to be told.
    pub(super) fn reread(&mut self, asker: Option<Asker>) {
        match self.reading {
            Some(_) => self.again.get_or_insert_default().extend(asker),
            None => self.begin_to_read(asker.into_iter().collect()),
        }
    }

    fn begin_to_read(&mut self, askers: Vec<Asker>) {
        let source = Arc::clone(&self.source);
        let (sender, config) = oneshot::channel();
        aside("config", move || drop(sender.send((source.read)())));
        self.reading = Some(Reading { config, askers });
    }

    /// The configuration that was being read is there.
    fn have_read(&mut self, config: Option<Result<Config, ConfigError>>) -> Reread {
        let askers = self.reading.take().map(|reading| reading.askers).unwrap_or_default();
        if let Some(askers) = self.again.take() {
            self.begin_to_read(askers);
        }
        let config = match config {
            Some(Ok(config)) => Ok(config),
            Some(Err(error)) => Err(error.faults.iter().map(ToString::to_string).collect()),
            None => Err(vec!["the machine gives no thread to read it".to_owned()]),
        };
        Reread { config: Box::new(config), askers }
    }

    /// Tells all who wait what came of a reload.
    pub(super) fn tell_askers(&self, askers: Vec<Asker>, outcome: &Result<Changes, Vec<String>>) {
        self.figures.reloaded(outcome.is_ok());
        for asker in askers {
            // Whoever asked may be gone.
            drop(asker.send(answer(outcome)));
        }
    }

    /// Goes by as much of `next` as can change at once, and says what that is.
    pub(super) fn adopt(&mut self, next: Config) -> Changes {
        let (config, changes) = self.config.reloaded(next);
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        if config.log.level != self.config.log.level {
            (self.source.set_level)(config.log.level);
        }
        self.config = config;
        changes
    }

    /// Does what is wanted while the log cannot be used, for this reason: nothing is known of nodes
    /// and channels, and nothing can be remembered.
    pub(super) fn serve_without_log(&mut self, wanted: Wanted, error: &str) {
        let Asked { question, answer } = match wanted {
            Wanted::Answer(asked) => asked,
            Wanted::Reread(reread) => return self.reload_without_log(reread),
        };
        let said = match question {
            Question::Status => Answer::Status(Box::new(self.status_without_log(error))),
            Question::Metrics => return self.measure(self.status_without_log(error), answer),
            Question::Reload => return self.reread(Some(answer)),
            Question::Why { .. } | Question::Pause(_) | Question::Resume { .. } => {
                let fault = format!("nothing is paid, and nothing can be remembered: {error}");
                Answer::Faulty(Faulty { faults: vec![fault] })
            }
        };
        // Whoever asked may be gone.
        drop(answer.send(said));
    }

    fn reload_without_log(&mut self, Reread { config, askers }: Reread) {
        let outcome = (*config).map(|next| self.adopt(next));
        tell::reload(&outcome);
        self.tell_askers(askers, &outcome);
    }

    /// Answers with the metrics, which are written off the loop's thread.
    pub(super) fn measure(&self, status: Status, asker: Asker) {
        let figures = self.figures.clone();
        aside("metrics", move || {
            drop(asker.send(Answer::Metrics(figures.text(&status))));
        });
    }

    fn status_without_log(&self, error: &str) -> Status {
        let log = LogStatus { is_usable: false, error: Some(error.to_owned()), waiting: 0 };
        let dry_run = self.config.settings.dry_run;
        let report = Report { at: clock::wall(), dry_run, ..Report::default() };
        self.status(Slots::new(&self.config).statuses(), log, report)
    }

    /// How the daemon stands.
    pub(super) fn status(&self, slots: Vec<SlotStatus>, log: LogStatus, report: Report) -> Status {
        let swarm = &self.swarm;
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: self.started_at,
            slots,
            swarm: SwarmStatus {
                key: swarm.key,
                is_joined: swarm.key.is_some() && swarm.offline.is_none(),
                error: swarm.offline.clone(),
            },
            log,
            clock_steps_ms: self.figures.last_steps(),
            report,
        }
    }
}

/// What is asked next over the control socket.
async fn question(questions: &mut Option<mpsc::Receiver<Asked>>) -> Asked {
    while let Some(questions) = questions {
        match questions.recv().await {
            Some(asked) if asked.answer.is_closed() => {}
            Some(asked) => return asked,
            None => break,
        }
    }
    pending().await
}

/// The configuration that is being read, if one is; `None` where nobody could read it.
async fn read(reading: &mut Option<Reading>) -> Option<Result<Config, ConfigError>> {
    match reading {
        Some(reading) => (&mut reading.config).await.ok(),
        None => pending().await,
    }
}

/// Does `work`, which may take long or block, on a thread of its own. It tells its end itself;
/// where the machine gives no thread, what it holds is dropped, and whoever waits for it sees that.
fn aside(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = thread::Builder::new().name(name.to_owned()).spawn(work) {
        tracing::warn!(%error, "the machine gives no thread for {name}");
    }
}

/// What the operator is told of a reload.
fn answer(outcome: &Result<Changes, Vec<String>>) -> Answer {
    match outcome {
        Ok(changes) => Answer::Done(Done { done: sentence(changes) }),
        Err(faults) => Answer::Faulty(Faulty { faults: faults.clone() }),
    }
}

/// What a reload came to.
fn sentence(changes: &Changes) -> String {
    let mut parts = Vec::new();
    if !changes.taken.is_empty() {
        parts.push(format!("changed: {}", changes.taken.join(", ")));
    }
    if !changes.left.is_empty() {
        parts.push(format!(
            "changed in the file, and waiting for a restart: {}",
            changes.left.join(", ")
        ));
    }
    if parts.is_empty() { "nothing has changed".to_owned() } else { parts.join("; ") }
}
