//! [`Policy`]: the settled rules for one node, or for one node's side of one channel.
//!
//! [`Limits`] holds what the operator set, and resolves it: base, then alias, then channel id,
//! then `alias:channelId`. Reading and checking the config is not done here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::message::PeerPolicy;
use crate::ids::{NodeId, Scid};
use crate::units::{Msat, Ppm};

/// All that the core is told by the operator.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Settings {
    /// The limits, for all nodes and channels.
    pub limits: Limits,
    /// The nodes that the operator names as ours, whether or not they have ever answered.
    pub own: BTreeSet<NodeId>,
    /// The nodes of other owners that may be asked and paid; empty means all.
    pub trusted: BTreeSet<NodeId>,
    /// Whether a peer must prove that it runs the nodes that it speaks for.
    pub require_proof: bool,
    /// How often each of our nodes is announced to all peers.
    pub announce_interval: Duration,
    /// Whether to say what would be done, and do nothing.
    pub dry_run: bool,
}

impl Settings {
    /// Whether the node of another owner may be asked and paid.
    pub(crate) fn trusts(&self, node: NodeId) -> bool {
        self.trusted.is_empty() || self.trusted.contains(&node)
    }
}

impl Default for Settings {
    /// The defaults of the configuration.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            own: BTreeSet::new(),
            trusted: BTreeSet::new(),
            require_proof: false,
            announce_interval: Duration::from_secs(90),
            dry_run: false,
        }
    }
}

/// The limits as the operator set them. What their ids name is worked out once: each look at a
/// channel asks for its limits.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Limits {
    /// What holds where nothing else is said.
    pub base: Policy,
    /// What is said for an alias, a channel id, or `alias:channelId`, in the operator's order.
    overrides: Vec<Override>,
    /// The places in `overrides` whose id is an alias; that any id may be.
    #[serde(skip)]
    by_alias: BTreeMap<String, Vec<usize>>,
    /// The places in `overrides` whose id is a channel's.
    #[serde(skip)]
    by_channel: BTreeMap<Scid, Vec<usize>>,
    /// The places in `overrides` whose id is a channel's behind an alias, and that alias.
    #[serde(skip)]
    by_side: BTreeMap<Scid, Vec<(String, usize)>>,
}

/// The limits that differ for one id.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Override {
    /// An alias, a channel id such as `700123x1x0`, or `alias:channelId`.
    pub id: String,
    /// `maxTransactionSize`.
    pub payment_max: Option<Msat>,
    /// `minTransactionSize`.
    pub payment_min: Option<Msat>,
    /// `maxTransactionsPerPeriod`.
    pub payments_max: Option<u32>,
    /// `maxAmountPerPeriod`.
    pub amount_max: Option<Msat>,
    /// `limitsPeriod`.
    pub period: Option<Duration>,
    /// `useRollingLimitsPeriod`.
    pub period_rolls: Option<bool>,
    /// `minTimeBetweenPayments`.
    pub pause_min: Option<Duration>,
    /// `refreshRate`.
    pub refresh: Option<Duration>,
    /// `balancePoint`.
    pub balance_point: Option<Ppm>,
    /// `deadzone`.
    pub deadzone: Option<Ppm>,
}

/// The rules that hold for one node, or for one node's side of one channel.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Policy {
    /// The most that is asked or paid at once (`maxTransactionSize`).
    pub payment_max: Msat,
    /// The least that is asked or paid (`minTransactionSize`).
    pub payment_min: Msat,
    /// How many payments a period may see (`maxTransactionsPerPeriod`).
    pub payments_max: u32,
    /// How much a period may see (`maxAmountPerPeriod`).
    pub amount_max: Msat,
    /// How long a period is (`limitsPeriod`); never zero.
    pub period: Duration,
    /// Whether the period ends at this moment, or is one of a fixed sequence
    /// (`useRollingLimitsPeriod`).
    pub period_rolls: bool,
    /// How long a channel rests between payments (`minTimeBetweenPayments`).
    pub pause_min: Duration,
    /// How often a node without events is asked for its channels (`refreshRate`).
    pub refresh: Duration,
    /// This side's share of a channel in balance (`balancePoint`).
    pub balance_point: Ppm,
    /// How far its share may fall below that before it asks (`deadzone`).
    pub deadzone: Ppm,
}

/// What a channel may see in a period beyond what its node may (design: a further cap).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ChannelCaps {
    /// `maxTransactionsPerPeriod` for this channel alone.
    pub payments_max: Option<u32>,
    /// `maxAmountPerPeriod` for this channel alone.
    pub amount_max: Option<Msat>,
}

impl Policy {
    /// The rules of a legacy peer, which does not tell them: only the other side's bind.
    pub(crate) fn unknown() -> Self {
        Self {
            balance_point: Ppm::ZERO,
            deadzone: Ppm::ZERO,
            payment_max: Msat::MAX,
            ..Self::default()
        }
    }

    /// The rules that a peer told for its side of a channel.
    pub(crate) fn told(told: &PeerPolicy) -> Self {
        Self {
            balance_point: told.balance_point,
            deadzone: told.deadzone,
            payment_max: told.payment_max,
            ..Self::default()
        }
    }

    /// The share below which this side asks to be paid.
    pub const fn threshold(&self) -> Ppm {
        threshold(self.balance_point, self.deadzone)
    }
}

/// The share below which a side asks to be paid, for whoever knows no more of a policy.
pub(crate) const fn threshold(balance_point: Ppm, deadzone: Ppm) -> Ppm {
    balance_point.saturating_sub(deadzone)
}

impl Default for Policy {
    /// The original's defaults, and 1000 sat as the least payment.
    fn default() -> Self {
        Self {
            payment_max: Msat::new(1_000_000_000),
            payment_min: Msat::new(1_000_000),
            payments_max: 20,
            amount_max: Msat::new(100_000_000_000),
            period: Duration::from_secs(4 * 60 * 60),
            period_rolls: true,
            pause_min: Duration::from_secs(60),
            refresh: Duration::from_secs(10),
            balance_point: Ppm::new(500_000).expect("a half is a share"),
            deadzone: Ppm::new(100_000).expect("a tenth is a share"),
        }
    }
}

impl Limits {
    /// Limits with what differs from `base`, in the operator's order: of two that are for the
    /// same, the later holds.
    pub fn new(base: Policy, overrides: Vec<Override>) -> Self {
        let mut limits = Self { base, ..Self::default() };
        for (place, over) in overrides.iter().enumerate() {
            limits.by_alias.entry(over.id.clone()).or_default().push(place);
            if let Ok(scid) = over.id.parse() {
                limits.by_channel.entry(scid).or_default().push(place);
            }
            // An alias may itself hold a colon.
            if let Some((alias, scid)) = over.id.rsplit_once(':')
                && let Ok(scid) = scid.parse()
            {
                limits.by_side.entry(scid).or_default().push((alias.to_owned(), place));
            }
        }
        Self { overrides, ..limits }
    }

    /// What is said for an alias, a channel id, or `alias:channelId`, in the operator's order.
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// The longest period that holds anywhere.
    pub fn period_max(&self) -> Duration {
        let set = self.overrides.iter().filter_map(|over| over.period);
        set.chain([self.base.period]).max().unwrap_or_default()
    }

    /// What holds for a node: base, then alias.
    pub fn of_node(&self, alias: &str) -> Policy {
        let mut policy = self.base.clone();
        let places = self.by_alias.get(alias).into_iter().flatten();
        for over in places.filter_map(|place| self.overrides.get(*place)) {
            over.lay_over(&mut policy);
        }
        policy
    }

    /// What holds for a node's side of a channel that goes by any of `scids`. The period and
    /// `refresh` are the node's.
    pub fn of_channel(&self, alias: &str, scids: &[Scid]) -> Policy {
        let node = self.of_node(alias);
        let mut policy = node.clone();
        for over in self.about(alias, scids) {
            over.lay_over(&mut policy);
        }
        Policy {
            payments_max: node.payments_max,
            amount_max: node.amount_max,
            period: node.period,
            period_rolls: node.period_rolls,
            refresh: node.refresh,
            ..policy
        }
    }

    /// The further caps that are set for a channel itself.
    pub fn channel_caps(&self, alias: &str, scids: &[Scid]) -> ChannelCaps {
        let mut caps = ChannelCaps::default();
        for over in self.about(alias, scids) {
            caps.payments_max = over.payments_max.or(caps.payments_max);
            caps.amount_max = over.amount_max.or(caps.amount_max);
        }
        caps
    }

    /// What is said for a channel that goes by any of `scids`, and after it what is said for one
    /// node's side of it; of each, what the operator said first comes first.
    fn about(&self, alias: &str, scids: &[Scid]) -> impl Iterator<Item = &Override> {
        let by_channel = scids.iter().filter_map(|scid| self.by_channel.get(scid)).flatten();
        let by_side = scids.iter().filter_map(|scid| self.by_side.get(scid)).flatten();
        let by_side = by_side.filter(|(name, _)| name == alias).map(|(_, place)| place);
        let channels: BTreeSet<usize> = by_channel.copied().collect();
        let sides: BTreeSet<usize> = by_side.copied().collect();
        channels.into_iter().chain(sides).filter_map(|place| self.overrides.get(place))
    }
}

impl Override {
    /// Sets in `policy` what is said here.
    fn lay_over(&self, policy: &mut Policy) {
        set(&mut policy.payment_max, self.payment_max);
        set(&mut policy.payment_min, self.payment_min);
        set(&mut policy.payments_max, self.payments_max);
        set(&mut policy.amount_max, self.amount_max);
        set(&mut policy.period, self.period);
        set(&mut policy.period_rolls, self.period_rolls);
        set(&mut policy.pause_min, self.pause_min);
        set(&mut policy.refresh, self.refresh);
        set(&mut policy.balance_point, self.balance_point);
        set(&mut policy.deadzone, self.deadzone);
    }
}

/// Sets `slot` where there is a value for it.
fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let over = |id: &str, sat: u64| Override {
            id: id.to_owned(),
            payment_max: Some(Msat::new(sat * 1000)),
            amount_max: Some(Msat::new(sat * 1000)),
            period: Some(Duration::from_secs(sat)),
            ..Override::default()
        };
        let overrides = vec![over("alice:7x1x0", 3), over("7x1x0", 2), over("alice", 1)];
        Limits::new(Policy::default(), overrides)
    }

    #[test]
    fn the_nearer_word_wins_whatever_the_order() {
        let scids = ["7x1x0".parse().unwrap()];
        let sat = |policy: Policy| policy.payment_max.sat().sat();
        assert_eq!(sat(limits().of_node("alice")), 1);
        assert_eq!(sat(limits().of_channel("alice", &scids)), 3);
        assert_eq!(sat(limits().of_channel("bob", &scids)), 2);
        assert_eq!(sat(limits().of_channel("bob", &[])), 1_000_000);
    }

    #[test]
    fn periods_and_their_caps_are_the_nodes_and_a_channels_caps_come_on_top() {
        let scids = ["7x1x0".parse().unwrap()];
        let policy = limits().of_channel("alice", &scids);
        assert_eq!(policy.period, Duration::from_secs(1));
        assert_eq!(policy.amount_max, Msat::new(1000));
        assert_eq!(limits().channel_caps("alice", &scids).amount_max, Some(Msat::new(3000)));
        assert_eq!(limits().channel_caps("bob", &scids).amount_max, Some(Msat::new(2000)));
        assert_eq!(limits().channel_caps("bob", &[]), ChannelCaps::default());
    }

    /// The most at once on a node's side of a channel is so many sat under these overrides.
    fn check(overrides: &[(&str, u64)], alias: &str, scids: &[&str], expected: u64) {
        let over = |(id, sat): &(&str, u64)| Override {
            id: (*id).to_owned(),
            payment_max: Some(Msat::new(sat * 1000)),
            ..Override::default()
        };
        let limits = Limits::new(Policy::default(), overrides.iter().map(over).collect());
        let scids: Vec<Scid> = scids.iter().map(|scid| scid.parse().unwrap()).collect();
        let policy = limits.of_channel(alias, &scids);
        assert_eq!(policy.payment_max.sat().sat(), expected, "{overrides:?}");
    }

    #[test]
    fn of_two_words_for_the_same_the_later_wins_by_whichever_id() {
        let both = ["7x1x0", "9x1x0"];
        check(&[("9x1x0", 1), ("7x1x0", 2)], "alice", &both, 2);
        check(&[("7x1x0", 2), ("9x1x0", 1)], "alice", &both, 1);
        check(&[("7x1x0", 2), ("007x1x0", 1)], "alice", &both, 1);
        check(&[("alice:9x1x0", 3), ("alice:7x1x0", 4)], "alice", &both, 4);
        check(&[("alice:7x1x0", 4), ("bob:7x1x0", 5), ("9x1x0", 1)], "alice", &both, 4);
    }

    #[test]
    fn an_alias_may_hold_a_colon_or_look_like_a_channel() {
        let scid = ["7x1x0"];
        check(&[("a:b:7x1x0", 3), ("b:7x1x0", 2)], "a:b", &scid, 3);
        check(&[("a:b", 3)], "a:b", &scid, 3);
        check(&[("alice:7x1x0", 3)], "alice:7x1x0", &["8x1x0"], 3);
        check(&[("8x1x0", 3)], "8x1x0", &scid, 3);
        check(&[(":7x1x0", 3)], "", &scid, 3);
    }
}
