//! Answers what the operator asks over the control socket, from the loop, between two events.
//!
//! An answer is a picture or a record; nothing here waits, so nobody who asks holds up a payment.

use std::time::Duration;

use super::run::Run;
use crate::control::{
    Answer, Asked, Done, Faulty, LogStatus, Pause, Question, Status, SwarmStatus, Unknown,
};
use crate::core::event::Event;
use crate::core::record;
use crate::ids::PeerKey;
use crate::time::Time;

/// How many names that are near an unknown one are told.
const NEAREST_MAX: usize = 3;

/// What the daemon knows of itself, whatever run it is in.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// When the process started, by the wall clock.
    pub(super) started_at: Time,
    /// Our name among peers.
    pub(super) key: Option<PeerKey>,
    /// Why peers cannot find us; `None` while they can.
    pub(super) offline: Option<String>,
}

impl Run {
    /// Answers a question.
    pub(super) fn answer(&mut self, asked: Asked, standing: &Standing) {
        let answer = match asked.question {
            Question::Status => Answer::Status(Box::new(self.status_now(standing))),
            Question::Why { channel } => match self.core.channels_named(&channel)[..] {
                [point] => Answer::Why(Box::new(self.core.why(point))),
                [] => Answer::Unknown(self.unknown(channel)),
                // One of several is meant: which, only an id tells.
                [..] => Answer::Unknown(Unknown {
                    nearest: self.core.scids_named(&channel),
                    unknown: channel,
                }),
            },
            Question::Pause(pause) => self.pause(pause),
            Question::Resume { scope } => match self.core.scope_named(&scope) {
                Some(named) => {
                    self.handle(Event::ResumeAsked(named));
                    done(format!("new payments are allowed again: {scope}"))
                }
                None => Answer::Unknown(self.unknown(scope)),
            },
            Question::Reload => Answer::Faulty(Faulty {
                faults: vec!["this version reads its configuration at its start only".to_owned()],
            }),
            Question::Metrics => Answer::Metrics(String::new()),
        };
        // Whoever asked may be gone.
        drop(asked.answer.send(answer));
    }

    fn pause(&mut self, pause: Pause) -> Answer {
        let Some(scope) = self.core.scope_named(&pause.scope) else {
            return Answer::Unknown(self.unknown(pause.scope));
        };
        let until = pause.for_ms.map(|ms| self.clock.now() + Duration::from_millis(ms));
        let reason = pause.reason;
        self.handle(Event::PauseAsked(record::Pause { scope, until, reason }));
        let until = until.map_or_else(|| "until resumed".to_owned(), |at| format!("until {at}"));
        done(format!("new payments are paused {until}: {}", pause.scope))
    }

    /// How the daemon stands.
    fn status_now(&self, standing: &Standing) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: standing.started_at,
            slots: self.slot_statuses(),
            swarm: SwarmStatus {
                key: standing.key,
                is_joined: standing.key.is_some() && standing.offline.is_none(),
                error: standing.offline.clone(),
            },
            log: LogStatus { is_usable: true, error: None, waiting: 0 },
            clock_steps_ms: Vec::new(),
            report: self.core.report(),
        }
    }

    fn unknown(&self, name: String) -> Unknown {
        let wanted = name.to_lowercase();
        let mut names = self.core.names();
        names.sort_by_key(|it| strsim::damerau_levenshtein(&wanted, &it.to_lowercase()));
        names.truncate(NEAREST_MAX);
        Unknown { unknown: name, nearest: names }
    }
}

fn done(done: String) -> Answer {
    Answer::Done(Done { done })
}
