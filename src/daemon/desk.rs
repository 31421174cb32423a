//! [`Desk`]: what the daemon keeps ready for its operator, whatever run it is in.
//!
//! The control socket and what is asked over it, the configuration and where it comes from, and
//! the figures. Answers that need the core are in [`super::answer`].

use std::fmt;
use std::future::pending;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

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

/// Something that the operator wants.
#[derive(Debug)]
pub(super) enum Wanted {
    /// An answer.
    Answer(Asked),
    /// That the configuration be read again.
    Reload,
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

    /// What is wanted next. Who is not there any more wants nothing: what was asked long ago and
    /// given up must not be done now.
    pub(super) async fn next(&mut self) -> Wanted {
        let Self { questions, source, .. } = self;
        let question = async {
            loop {
                match questions {
                    Some(questions) => match questions.recv().await {
                        Some(asked) if asked.answer.is_closed() => {}
                        Some(asked) => return asked,
                        None => pending().await,
                    },
                    None => pending().await,
                }
            }
        };
        tokio::select! {
            asked = question => Wanted::Answer(asked),
            () = source.again.notified() => Wanted::Reload,
        }
    }

    /// Reads the configuration, off the loop's thread.
    pub(super) fn read(&self) -> impl Future<Output = Result<Config, ConfigError>> + Send + use<> {
        let source = Arc::clone(&self.source);
        async move {
            let reading = tokio::task::spawn_blocking(move || (source.read)());
            reading.await.expect("reading the configuration does not panic")
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
    pub(super) async fn serve_without_log(&mut self, wanted: Wanted, error: &str) {
        match wanted {
            Wanted::Answer(asked) => {
                let answer = self.answer_without_log(asked.question, error).await;
                // Whoever asked may be gone.
                drop(asked.answer.send(answer));
            }
            Wanted::Reload => drop(self.reload_without_log().await),
        }
    }

    async fn answer_without_log(&mut self, question: Question, error: &str) -> Answer {
        match question {
            Question::Status => Answer::Status(Box::new(self.status_without_log(error))),
            Question::Metrics => {
                Answer::Metrics(self.figures.text(&self.status_without_log(error)))
            }
            Question::Reload => self.reload_without_log().await,
            Question::Why { .. } | Question::Pause(_) | Question::Resume { .. } => {
                let fault = format!("nothing is paid, and nothing can be remembered: {error}");
                Answer::Faulty(Faulty { faults: vec![fault] })
            }
        }
    }

    async fn reload_without_log(&mut self) -> Answer {
        let read = self.read().await.map_err(|error| faults(&error));
        let outcome = read.map(|next| self.adopt(next));
        self.figures.reloaded(outcome.is_ok());
        tell::reload(&outcome);
        answer(&outcome)
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

/// Every fault, a sentence each.
pub(super) fn faults(error: &ConfigError) -> Vec<String> {
    error.faults.iter().map(ToString::to_string).collect()
}

/// What the operator is told of a reload.
pub(super) fn answer(outcome: &Result<Changes, Vec<String>>) -> Answer {
    match outcome {
        Ok(changes) => Answer::Done(Done { done: sentence(changes) }),
        Err(faults) => Answer::Faulty(Faulty { faults: faults.clone() }),
    }
}

/// What a reload came to.
pub(super) fn sentence(changes: &Changes) -> String {
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
