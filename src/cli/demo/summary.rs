//! The summary: what the records of both daemons come to, and whether all is as it should be.

use std::time::Duration;

use super::super::printable::printable;
use super::super::status::bar::marked;
use super::super::status::figures::{percent, sats, short};
use super::cast::Link;
use super::diary::{Tally, brief};
use super::news::Who;
use super::owner::Owner;
use super::stage::{HIGHEST, LOWEST, Stage, share};
use crate::audit::hypercore::verify;
use crate::units::Ppm;

/// How wide a bar is.
const BAR: usize = 20;

/// What is told at the end.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// In lines.
    pub(super) text: String,
    /// What is not as it should be, each in a sentence.
    pub(super) faults: Vec<String>,
}

impl Summary {
    /// Sums up the stage and what the daemons recorded.
    pub(super) async fn of(stage: &Stage, tallies: [&Tally; 2]) -> Self {
        let mut summary = Self::default();
        summary.channels(stage).await;
        summary.times(tallies);
        for (owner, tally) in stage.owners.iter().zip(tallies) {
            summary.payments(owner.who, tally);
        }
        summary
    }

    /// Adds whether both daemons' logs verify.
    pub(super) fn verify(&mut self, stage: &Stage) {
        for owner in &stage.owners {
            self.logs(owner);
        }
    }

    /// Adds what both daemons said last.
    pub(super) fn last_words(&mut self, stage: &Stage) {
        for owner in &stage.owners {
            let (whose, said) = (owner.who.name(), owner.last_words());
            self.faults.push(format!("{whose}'s daemon said last:\n{said}"));
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Each channel's end.
    async fn channels(&mut self, stage: &Stage) {
        for link in &stage.links {
            let name = stage.cast.name(link.point);
            let near = match stage.ends(*link).await {
                Ok([near, _]) => near,
                Err(error) => {
                    self.faults.push(format!("{name} cannot be looked at: {error}"));
                    continue;
                }
            };
            let is_at_rest = stage.is_at_rest(*link).await.unwrap_or(false);
            let state = if is_at_rest { "at rest in its deadzone" } else { "NOT AT REST" };
            if !is_at_rest {
                self.faults.push(format!("{name} has not come to rest in its deadzone"));
                self.reasons(stage, *link).await;
            }
            let [local, remote] = [near.local, near.remote].map(|sat| sats(sat.msat()));
            let marks = [Some(LOWEST), Some(HIGHEST), Ppm::new(500_000)];
            let bar = share(near).map(|share| (marked(share, marks, BAR), percent(share)));
            let (bar, share) = bar.unwrap_or_default();
            self.line(&format!("  {name}  {local:>9} {bar} {remote:<9} {share:>7}  {state}"));
        }
    }

    /// Why a channel is as it is, in the daemons' own words.
    async fn reasons(&mut self, stage: &Stage, link: Link) {
        for owner in &stage.owners {
            if let Ok(why) = owner.client().why(&link.point.to_string()).await {
                let told = why.sentences.iter().map(|said| printable(said));
                self.faults.extend(told.map(|said| format!("  {}: {said}", owner.who.name())));
            }
        }
    }

    /// How long the rebalances took.
    fn times(&mut self, tallies: [&Tally; 2]) {
        let mut times: Vec<Duration> = tallies.iter().flat_map(|it| it.times.clone()).collect();
        times.sort_unstable();
        let count = times.len();
        let (Some(median), Some(longest)) = (times.get(count / 2), times.last()) else {
            self.faults.push("no rebalance is recorded".to_owned());
            return;
        };
        let figures = format!("median {}, longest {}", brief(*median), brief(*longest));
        self.line(&format!("  {count} rebalances, from the drift seen to settled: {figures}"));
    }

    /// What a daemon's nodes paid and were paid.
    fn payments(&mut self, who: Who, tally: &Tally) {
        let (paid, arrived) = (tally.paid, tally.arrived);
        self.line(&format!(
            "  {:<5} paid {} times, {} sat; was paid {} times, {} sat",
            who.name(),
            paid.0,
            sats(paid.1),
            arrived.0,
            sats(arrived.1),
        ));
    }

    /// Whether a daemon's logs verify.
    fn logs(&mut self, owner: &Owner) {
        let whose = owner.who.name();
        for folder in owner.logs() {
            let name = folder.file_name().unwrap_or_default().display().to_string();
            match verify(&folder) {
                Ok(verdict) if verdict.damage.is_empty() => {
                    let (entries, key) = (verdict.length, short(&verdict.key));
                    self.line(&format!(
                        "  {whose:<5} {name:<15} verified: {entries} entries, signed by {key}"
                    ));
                }
                Ok(verdict) => {
                    let places = verdict.damage.iter().map(ToString::to_string);
                    let places: Vec<String> = places.collect();
                    self.faults.push(format!("{whose}'s {name}: {}", places.join("; ")));
                }
                Err(error) => {
                    self.faults.push(format!("{whose}'s {name} cannot be checked: {error}"));
                }
            }
        }
    }
}
