//! Answers what the operator asks over the control socket, from the loop, between two events.
//!
//! An answer is a picture, or says what was recorded once that is durable. Nothing here waits, so
//! nobody who asks holds up a payment.

mod place;
#[cfg(test)]
mod tests;

use tokio::sync::oneshot;

use super::desk::{Desk, Reread, Wanted};
use super::execute::Effect;
use super::run::Run;
use super::tell;
use crate::config::{Changes, Config};
use crate::control::{Answer, Asked, Done, LogStatus, Question, Status};
use crate::core::event::Event;
use crate::core::narrative::Narrative;

impl Run {
    /// Does what the operator wants.
    pub(super) fn serve(&mut self, wanted: Wanted, desk: &mut Desk) {
        let Asked { question, answer } = match wanted {
            Wanted::Answer(asked) => asked,
            Wanted::Reread(reread) => return self.reload(reread, desk),
        };
        // What is said is of this moment, however long nothing has happened.
        self.handle(Event::Woken);
        let said = match question {
            Question::Status => Answer::Status(Box::new(self.status(desk))),
            Question::Metrics => return desk.measure(self.status(desk), answer),
            Question::Why { channel } => self.why(channel),
            Question::Pause(pause) => match self.pause(pause) {
                Ok((event, done)) => return self.record_and_say(event, done, answer),
                Err(said) => said,
            },
            Question::Resume { scope } => match self.resume(scope) {
                Ok((event, done)) => return self.record_and_say(event, done, answer),
                Err(said) => said,
            },
            Question::Reload => return desk.reread(Some(answer)),
        };
        // Whoever asked may be gone.
        drop(answer.send(said));
    }

    /// Says that something is done once the record of it is durable. Where the log fails, whoever
    /// asked hears nothing, and is told that nobody answered.
    fn record_and_say(&mut self, event: Event, done: String, answer: oneshot::Sender<Answer>) {
        let say: Effect = Box::pin(async move {
            drop(answer.send(Answer::Done(Done { done })));
        });
        self.handle_and(event, Some(say));
    }

    /// How the daemon stands.
    fn status(&self, desk: &Desk) -> Status {
        let waiting = u64::try_from(self.executor.audit.waiting()).unwrap_or(u64::MAX);
        let log = LogStatus { is_usable: true, error: None, waiting };
        desk.status(self.slots.statuses(), log, self.core.report())
    }

    /// Takes in a configuration that was read again, whole or not at all.
    fn reload(&mut self, Reread { config, askers }: Reread, desk: &mut Desk) {
        let outcome = (*config).and_then(|next| {
            if self.core.remembers_enough_for(&next.settings) {
                Ok(self.adopt(next, desk))
            } else {
                Err(too_long())
            }
        });
        if let Err(faults) = &outcome {
            self.say(format!("{}: {}", tell::NOT_TAKEN_IN, faults.join("; ")));
        }
        desk.tell_askers(askers, &outcome);
    }

    fn adopt(&mut self, next: Config, desk: &mut Desk) -> Changes {
        let changes = desk.adopt(next);
        let settings = desk.config.settings.clone();
        self.limits.send_replace(settings.limits.clone());
        self.narrate(&Narrative::Reloaded {
            taken: changes.taken.clone(),
            left: changes.left.clone(),
        });
        self.handle(Event::SettingsChanged(settings));
        changes
    }
}

/// Why longer periods are not taken in while the daemon runs.
fn too_long() -> Vec<String> {
    let fault = "limitsPeriod: it is longer than any was when the daemon started, and payments \
                 that long ago are not remembered (restart the daemon, which reads them again)";
    vec![fault.to_owned()]
}
