//! `why`, `pause` and `resume`: what the operator's names mean, and what is said of it.
//!
//! Which name means what, the core knows. Whatever is done is said of the thing that was found,
//! with its kind and its key, and not in the word that was typed.

use std::time::Duration;

use super::Run;
use crate::control::{Ambiguous, Answer, Faulty, Meaning, Pause, Unknown};
use crate::core::event::Event;
use crate::core::find::KEY_DIGITS_MIN;
use crate::core::record::{self, Scope};
use crate::time::Time;

/// How many names that are near an unknown one are told.
const NEAREST_MAX: usize = 3;
/// How many things that a name may mean are told.
const MEANINGS_MAX: usize = 16;
/// From how many characters on a name is a key or a funding output rather than an id or an alias.
const KEY_CHARS_MIN: usize = 20;

/// What is to be recorded, and what is to be said then; or what is said at once.
pub(super) type Step = Result<(Event, String), Answer>;

impl Run {
    /// Why something or nothing happens on a channel.
    pub(super) fn why(&self, channel: String) -> Answer {
        match self.core.channels_named(&channel)[..] {
            [point] => {
                let why = self.core.why(point);
                if why.sentences.is_empty() {
                    let place = self.place(Scope::Channel(point));
                    return faulty(format!(
                        "nothing is known of {place}: its node does not answer"
                    ));
                }
                Answer::Why(Box::new(why))
            }
            [] => match self.core.nodes_named(&channel)[..] {
                [] => self.unknown(channel),
                [node, ..] => faulty(format!(
                    "{} has no channel that is known at this moment",
                    self.place(Scope::Node(node))
                )),
            },
            ref points @ [..] => {
                let scopes: Vec<Scope> = points.iter().copied().map(Scope::Channel).collect();
                self.ambiguous(channel, &scopes)
            }
        }
    }

    /// What a wish to pause comes to.
    pub(super) fn pause(&mut self, pause: Pause) -> Step {
        let scope = match self.core.scopes_named(&pause.scope)[..] {
            [scope] => scope,
            [] => return Err(self.unknown(pause.scope)),
            ref scopes @ [..] => return Err(self.ambiguous(pause.scope, scopes)),
        };
        self.refuse_legacy(scope)?;
        let place = self.place(scope);
        let until = pause.for_ms.map(|ms| self.clock.now() + Duration::from_millis(ms));
        let mut done = format!("paused {}: {place}", end(until));
        if !self.core.is_known(scope) {
            done.push_str(", which is not known at this moment");
        }
        if let Some(older) = self.core.pauses().find(|older| older.scope == scope) {
            done.push_str(&format!("; it was paused {} until now", end_and_reason(older)));
        }
        let pause = record::Pause { scope, until, reason: pause.reason };
        Ok((Event::PauseAsked(pause), done))
    }

    /// What a wish to resume comes to.
    pub(super) fn resume(&self, name: String) -> Step {
        let scope = match self.core.pauses_named(&name)[..] {
            [scope] => scope,
            [] => return Err(faulty(self.not_paused(&name))),
            ref scopes @ [..] => return Err(self.ambiguous(name, scopes)),
        };
        let others = self.paused(|other| other != scope);
        let rest = if others.is_empty() {
            "nothing is paused any more".to_owned()
        } else {
            format!("still paused: {}", others.join(", "))
        };
        Ok((Event::ResumeAsked(scope), format!("resumed: {}; {rest}", self.place(scope))))
    }

    /// A legacy peer is another one after each start, and no pause would hold for that.
    fn refuse_legacy(&self, scope: Scope) -> Result<(), Answer> {
        let Scope::Peer(peer) = scope else { return Ok(()) };
        let nodes = self.core.nodes_of_legacy(peer);
        if nodes.is_empty() {
            return Ok(());
        }
        let named: Vec<String> =
            nodes.into_iter().map(|node| self.place(Scope::Node(node))).collect();
        Err(faulty(format!(
            "{} is a legacy one: it has a new key after each start, and the pause would not hold \
             for that (pause what it speaks for instead: {})",
            self.place(scope),
            named.join(", ")
        )))
    }

    /// Why there is nothing to resume, and what there is instead.
    fn not_paused(&self, name: &str) -> String {
        let paused = self.paused(|_| true);
        if paused.is_empty() {
            return "nothing is paused".to_owned();
        }
        let what = match self.core.scopes_named(name)[..] {
            [Scope::All] => "there is no pause of everything".to_owned(),
            [scope] => format!("there is no pause of {}", self.place(scope)),
            _ => format!("nothing that is paused is called {name:?}"),
        };
        format!("{what}; paused: {} (resume what you mean by its key)", paused.join(", "))
    }

    /// The pauses of which `is_meant` says so, in words.
    fn paused(&self, is_meant: impl Fn(Scope) -> bool) -> Vec<String> {
        let pauses = self.core.pauses().filter(|pause| is_meant(pause.scope));
        pauses.map(|it| format!("{} {}", self.place(it.scope), end_and_reason(it))).collect()
    }

    /// What a pause is for: its kind, its name, and its key.
    fn place(&self, scope: Scope) -> String {
        format!("{} ({scope})", self.core.kind_of(scope))
    }

    fn ambiguous(&self, name: String, scopes: &[Scope]) -> Answer {
        let meaning =
            |scope: &Scope| Meaning { name: scope.to_string(), what: self.core.kind_of(*scope) };
        Answer::Ambiguous(Ambiguous {
            ambiguous: name,
            meanings: scopes.iter().take(MEANINGS_MAX).map(meaning).collect(),
            more: scopes.len().saturating_sub(MEANINGS_MAX),
        })
    }

    fn unknown(&self, name: String) -> Answer {
        let wanted = name.to_lowercase();
        let is_key = wanted.chars().count() >= KEY_CHARS_MIN;
        let nearest = if is_key { self.alike_keys(&wanted) } else { self.alike_names(&wanted) };
        Answer::Unknown(Unknown { unknown: name, nearest, silent: self.slots.silent() })
    }

    /// The short names that are nearest.
    fn alike_names(&self, wanted: &str) -> Vec<String> {
        let mut names = self.core.names();
        names.sort_by_cached_key(|it| strsim::damerau_levenshtein(wanted, &it.to_lowercase()));
        names.truncate(NEAREST_MAX);
        names
    }

    /// The keys and funding outputs that begin alike: a wrong one is mostly cut off, or has another
    /// output.
    fn alike_keys(&self, wanted: &str) -> Vec<String> {
        let beginning = wanted.get(..KEY_DIGITS_MIN).unwrap_or(wanted);
        let mut keys = self.core.keys();
        keys.retain(|key| key.starts_with(beginning));
        keys.truncate(NEAREST_MAX);
        keys
    }
}

fn faulty(fault: String) -> Answer {
    Answer::Faulty(Faulty { faults: vec![fault] })
}

/// When a pause ends.
fn end(until: Option<Time>) -> String {
    until.map_or_else(|| "until it is resumed".to_owned(), |until| format!("until {until}"))
}

/// When a pause ends, and why it was set.
fn end_and_reason(pause: &record::Pause) -> String {
    let reason = pause.reason.as_ref().map(|reason| format!(" because of {reason:?}"));
    end(pause.until) + &reason.unwrap_or_default()
}
