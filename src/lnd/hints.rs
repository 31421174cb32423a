//! What the node's events hint at: whose channels to list, and when.
//!
//! An event that does not carry the whole channel is not the truth about it, only a reason to
//! look. Hints are gathered for a moment, since one payment makes several.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::core::channel::Channel;
use crate::ids::{ChannelPoint, NodeId, Scid};

/// How long hints are gathered, from the first one on: a payment's events come within that.
const GATHER_TIME: Duration = Duration::from_millis(150);
/// How long after a list that shows HTLCs in flight it is looked once more: an HTLC is still
/// shown when its settlement was told but is not committed.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// Beyond so many counterparties, one list of all is cheaper.
const LISTS_MAX: usize = 8;

/// What is to be listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Scope {
    /// Everything.
    All,
    /// The channels with these counterparties.
    With(BTreeSet<NodeId>),
}

/// Where to look, when, and why.
#[derive(Debug)]
pub(super) struct Gathered {
    due: Instant,
    /// What is to be listed.
    pub(super) scope: Scope,
    /// Whether an event hinted at it; else it is the second look after such a list.
    pub(super) is_hinted: bool,
}

/// The hints that were gathered, and who is at the other end of each channel.
#[derive(Debug, Default)]
pub(super) struct Hints {
    gathered: Option<Gathered>,
    by_point: BTreeMap<ChannelPoint, NodeId>,
    by_scid: BTreeMap<Scid, NodeId>,
}

impl Hints {
    /// Something may have changed between us and `counterparty`; between us and anyone, where
    /// it is not known.
    pub(super) fn note(&mut self, counterparty: Option<NodeId>, now: Instant) {
        self.gather(counterparty, now + GATHER_TIME).is_hinted = true;
    }

    /// Something changed on the channel at `point`.
    pub(super) fn note_point(&mut self, point: &ChannelPoint, now: Instant) {
        self.note(self.by_point.get(point).copied(), now);
    }

    /// Something changed on the channel that has the id `scid`.
    pub(super) fn note_scid(&mut self, scid: Scid, now: Instant) {
        self.note(self.by_scid.get(&scid).copied(), now);
    }

    /// Adds a counterparty to what is to be listed at `due` or earlier.
    fn gather(&mut self, counterparty: Option<NodeId>, due: Instant) -> &mut Gathered {
        let gathered = self.gathered.get_or_insert_with(|| Gathered {
            due,
            scope: Scope::With(BTreeSet::new()),
            is_hinted: false,
        });
        gathered.due = due.min(gathered.due);
        match (&mut gathered.scope, counterparty) {
            (Scope::All, _) => {}
            (Scope::With(nodes), Some(node)) if nodes.len() < LISTS_MAX => drop(nodes.insert(node)),
            (Scope::With(_), _) => gathered.scope = Scope::All,
        }
        gathered
    }

    /// When the gathered hints are to be looked into.
    pub(super) fn due(&self) -> Option<Instant> {
        self.gathered.as_ref().map(|gathered| gathered.due)
    }

    /// Hands out what is to be listed, if it is time.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Gathered> {
        self.gathered.take_if(|gathered| gathered.due <= now)
    }

    /// Learns from a list who is at the other end of which channel. Where it was hinted at and
    /// shows HTLCs in flight, there will be a second look.
    pub(super) fn learn(
        &mut self,
        with: Option<NodeId>,
        channels: &[Channel],
        is_hinted: bool,
        now: Instant,
    ) {
        if with.is_none() {
            self.by_point.clear();
            self.by_scid.clear();
        }
        for channel in channels {
            self.by_point.insert(channel.point, channel.counterparty);
            for scid in channel.other_scids.iter().chain([&channel.scid]) {
                self.by_scid.insert(*scid, channel.counterparty);
            }
            if is_hinted && !channel.htlcs.is_empty() {
                self.gather(Some(channel.counterparty), now + SECOND_LOOK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fixture::{self, NODE_B, NODE_C};

    #[test]
    fn hints_of_a_moment_make_one_list_of_each_counterparty() {
        let (mut hints, now) = (known(), Instant::now());
        hints.note_scid(Scid::new(1), now);
        hints.note_point(&fixture::point(1), now + GATHER_TIME / 2);
        hints.note(Some(NODE_C), now + GATHER_TIME / 2);
        assert_eq!(hints.due(), Some(now + GATHER_TIME));
        assert!(hints.take_due(now).is_none());
        check(&mut hints, now + GATHER_TIME, Scope::With(BTreeSet::from([NODE_B, NODE_C])));
        assert_eq!(hints.due(), None);
    }

    #[test]
    fn a_channel_that_is_not_known_makes_a_list_of_all() {
        let (mut hints, now) = (known(), Instant::now());
        hints.note_scid(Scid::new(1), now);
        hints.note_scid(Scid::new(99), now);
        check(&mut hints, now + GATHER_TIME, Scope::All);
    }

    #[test]
    fn many_counterparties_make_a_list_of_all() {
        let (mut hints, now) = (known(), Instant::now());
        for n in 0..=u8::try_from(LISTS_MAX).expect("a small number") {
            hints.note(Some(NodeId::new([n; 33])), now);
        }
        check(&mut hints, now + GATHER_TIME, Scope::All);
    }

    #[test]
    fn htlcs_in_flight_are_looked_at_twice_and_not_for_ever() {
        let (mut hints, now) = (known(), Instant::now());
        let mut busy = fixture::channel(1, 1_000, 1_000);
        busy.htlcs.push(crate::core::channel::Htlc {
            is_incoming: true,
            amount: crate::units::Msat::new(1_000),
            hash: crate::ids::PaymentHash::new([1; 32]),
        });
        hints.learn(Some(NODE_B), &[busy.clone()], true, now);
        let second = hints.take_due(now + SECOND_LOOK).expect("a second look");
        assert!(!second.is_hinted);
        hints.learn(Some(NODE_B), &[busy], second.is_hinted, now);
        assert_eq!(hints.due(), None);
    }

    /// Hints that know of the channel 1 with `NODE_B`.
    fn known() -> Hints {
        let mut hints = Hints::default();
        hints.learn(None, &[fixture::channel(1, 1_000, 1_000)], false, Instant::now());
        hints
    }

    /// Checks what is to be listed at `now`.
    #[track_caller]
    fn check(hints: &mut Hints, now: Instant, scope: Scope) {
        assert_eq!(hints.take_due(now).map(|gathered| gathered.scope), Some(scope));
    }
}
