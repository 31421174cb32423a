//! The summary: what the records of both daemons come to, and whether all is as it should be.

use std::path::PathBuf;
use std::time::Duration;

use super::super::printable::printable;
use super::super::status::bar::marked;
use super::super::status::figures::{percent, sats, short};
use super::cast::Link;
use super::diary::{Tally, brief};
use super::news::Who;
use super::stage::{HIGHEST, LOWEST, Stage, share};
use super::standing::Standing;
use crate::audit::hypercore::{Verdict, verify};
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
    pub(super) fn verify(&mut self, stage: &Stage, are_running: bool) {
        for owner in &stage.owners {
            self.logs(owner.who.name(), &owner.logs(), are_running);
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

    /// How each channel stands at the end.
    async fn channels(&mut self, stage: &Stage) {
        for link in &stage.links {
            let name = stage.cast.name(link.point);
            match stage.standing(*link).await {
                Ok(standing) => {
                    self.channel(&name, &standing);
                    if standing.unrest().is_some() {
                        self.reasons(stage, *link).await;
                    }
                }
                Err(error) => self.faults.push(format!("{name} cannot be looked at: {error}")),
            }
        }
    }

    /// How a channel stands.
    fn channel(&mut self, name: &str, standing: &Standing) {
        let state = match standing.unrest() {
            None => "at rest in its deadzone",
            Some(unrest) => {
                self.faults.push(format!("{name} is not at rest: {unrest}"));
                "NOT AT REST"
            }
        };
        let [near, _] = standing.ends;
        let [local, remote] = [near.local, near.remote].map(|sat| sats(sat.msat()));
        let marks = [Some(LOWEST), Some(HIGHEST), Ppm::new(500_000)];
        let bar = share(near).map(|share| (marked(share, marks, BAR), percent(share)));
        let (bar, share) = bar.unwrap_or_default();
        self.line(&format!("  {name}  {local:>9} {bar} {remote:<9} {share:>7}  {state}"));
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

    /// Whether a daemon's logs verify. One that has stopped has signed all that it wrote.
    fn logs(&mut self, whose: &str, folders: &[PathBuf], is_running: bool) {
        for folder in folders {
            let name = folder.file_name().unwrap_or_default().display().to_string();
            let verdict = match verify(folder) {
                Ok(verdict) => verdict,
                Err(error) => {
                    self.faults.push(format!("{whose}'s {name} cannot be checked: {error}"));
                    continue;
                }
            };
            let Verdict { length, unsigned, damage, key, .. } = verdict;
            let is_signed = is_running || unsigned == 0;
            if !damage.is_empty() {
                let places: Vec<_> = damage.iter().map(ToString::to_string).collect();
                self.faults.push(format!("{whose}'s {name}: {}", places.join("; ")));
            }
            if !is_signed {
                self.faults.push(format!("{whose}'s {name}: {unsigned} bytes are not signed"));
            }
            if damage.is_empty() && is_signed {
                let key = short(&key);
                self.line(&format!(
                    "  {whose:<5} {name:<15} verified: {length} entries, signed by {key}"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::path::Path;

    use super::*;
    use crate::audit::hypercore::{Lines, Log};
    use crate::control::Status;
    use crate::ids::Scid;
    use crate::simnet::client::ChannelState;
    use crate::units::Sat;

    /// What a daemon says when it is asked.
    #[derive(Clone, Copy, Debug)]
    enum Says {
        NothingOpen,
        Open,
        Nothing,
    }
    use Says::{Nothing, NothingOpen, Open};

    /// A channel of a thousand sat, of which each end says what it has itself.
    fn standing(locals: [u64; 2], htlcs: [usize; 2], says: [Says; 2]) -> Standing {
        let json = include_str!("../../../tests/data/cli/status.json");
        let status: Status = serde_json::from_str(json).expect("a status");
        let point = status.report.open[0].point;
        let end = |place: usize| ChannelState {
            point,
            scid: Scid::new(1),
            local: Sat::new(locals[place]),
            remote: Sat::new(1000 - locals[place]),
            htlcs: htlcs[place],
            is_active: true,
        };
        let said = |says| {
            let mut status = status.clone();
            match says {
                NothingOpen => status.report.open.clear(),
                Open => {}
                Nothing => return None,
            }
            Some(status)
        };
        Standing { ends: [end(0), end(1)], statuses: says.map(said) }
    }

    #[test]
    fn a_channel_that_is_not_known_to_be_at_rest_is_a_fault() {
        let calm = [NothingOpen; 2];
        for (locals, htlcs, says, fault) in [
            ([500, 500], [0, 0], calm, ""),
            ([400, 600], [0, 0], calm, ""),
            ([600, 400], [0, 0], calm, ""),
            ([399, 601], [0, 0], calm, "A–B is not at rest: it is out of its deadzone"),
            ([601, 399], [0, 0], calm, "A–B is not at rest: it is out of its deadzone"),
            ([500, 499], [0, 0], calm, "A–B is not at rest: its ends do not agree"),
            ([500, 500], [1, 0], calm, "A–B is not at rest: a payment is in flight"),
            ([500, 500], [0, 1], calm, "A–B is not at rest: a payment is in flight"),
            ([500, 500], [0, 0], [Open, NothingOpen], UNDER_WAY),
            ([500, 500], [0, 0], [NothingOpen, Open], UNDER_WAY),
            ([500, 500], [0, 0], [Nothing, NothingOpen], UNKNOWN),
            ([500, 500], [0, 0], [NothingOpen, Nothing], UNKNOWN),
            ([500, 500], [0, 0], [Nothing, Nothing], UNKNOWN),
        ] {
            let mut summary = Summary::default();
            summary.channel("A–B", &standing(locals, htlcs, says));
            assert_eq!(summary.faults.concat(), fault, "{locals:?} {htlcs:?} {says:?}");
            assert_eq!(summary.text.contains("NOT AT REST"), !fault.is_empty(), "{fault}");
        }
    }
    const UNDER_WAY: &str = "A–B is not at rest: a rebalance is under way";
    const UNKNOWN: &str = "A–B is not at rest: a daemon does not say what it does with it";

    #[test]
    fn a_log_that_is_not_whole_is_a_fault() {
        type Change = fn(&Path);
        let cases: [(&str, Change, bool, &str); 6] = [
            ("as it was written", |_| {}, false, ""),
            ("a byte is flipped", flip, false, "data: line 1, at byte 0, is not what was signed"),
            ("the same while it runs", flip, true, "data: line 1, at byte 0, is not what was"),
            ("more than was signed", add, false, "2 bytes are not signed"),
            ("the same while it runs", add, true, ""),
            ("no log", |log| fs::remove_dir_all(log).expect("is there"), false, "cannot be check"),
        ];
        for (case, change, is_running, fault) in cases {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("a-log");
            let (mut log, _) = Log::open(&path, |_| Ok(())).expect("is made");
            let mut lines = Lines::default();
            lines.push(b"one");
            lines.push(b"two");
            log.append(&lines).expect("is appended");
            drop(log);
            change(&path);
            let mut summary = Summary::default();
            summary.logs("Alice", &[path], is_running);
            let said = summary.faults.concat();
            assert_eq!(said.starts_with("Alice's a-log"), !fault.is_empty(), "{case}: {said}");
            assert!(said.contains(fault), "{case}: {said}");
            assert_eq!(summary.text.contains("verified: 2 entries"), fault.is_empty(), "{case}");
        }
    }

    fn flip(log: &Path) {
        let data = log.join("data");
        let mut bytes = fs::read(&data).expect("is there");
        bytes[1] ^= 1;
        fs::write(&data, bytes).expect("is written");
    }

    fn add(log: &Path) {
        let data = OpenOptions::new().append(true).open(log.join("data"));
        data.and_then(|mut data| data.write_all(b"th")).expect("is written");
    }

    #[test]
    fn a_story_in_which_nothing_was_mended_is_a_fault() {
        let second = Duration::from_secs(1);
        for (times, faults) in [(vec![second], ""), (vec![], "no rebalance is recorded")] {
            let (mended, idle) = (Tally { times, ..Tally::default() }, Tally::default());
            let mut summary = Summary::default();
            summary.times([&idle, &mended]);
            assert_eq!(summary.faults.concat(), faults);
        }
    }
}
