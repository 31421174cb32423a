//! [`Policy`]: the settled rules for one node, or for one node's side of one channel.
//!
//! [`Limits`] holds what the operator set, and resolves it: base, then alias, then channel id,
//! then `alias:channelId`. Reading and checking the config is not done here.

use std::collections::BTreeSet;
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
            limits: Limits { base: Policy::default(), overrides: Vec::new() },
            own: BTreeSet::new(),
            trusted: BTreeSet::new(),
            require_proof: false,
            announce_interval: Duration::from_secs(90),
            dry_run: false,
        }
    }
}

/// The limits as the operator set them.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Limits {
    /// What holds where nothing else is said.
    pub base: Policy,
    /// What is said for an alias, a channel id, or `alias:channelId`, in the operator's order.
    pub overrides: Vec<Override>,
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
        self.balance_point.saturating_sub(self.deadzone)
    }
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
    /// The longest period that holds anywhere.
    pub fn period_max(&self) -> Duration {
        let set = self.overrides.iter().filter_map(|over| over.period);
        set.chain([self.base.period]).max().unwrap_or_default()
    }

    /// What holds for a node: base, then alias.
    pub fn of_node(&self, alias: &str) -> Policy {
        let mut policy = self.base.clone();
        self.apply(&mut policy, |id| id == alias);
        policy
    }

    /// What holds for a node's side of a channel that goes by any of `scids`. The period and
    /// `refresh` are the node's.
    pub fn of_channel(&self, alias: &str, scids: &[Scid]) -> Policy {
        let node = self.of_node(alias);
        let mut policy = node.clone();
        self.apply(&mut policy, |id| names_channel(id, scids));
        self.apply(&mut policy, |id| names_side(id, alias, scids));
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
        let by_channel = self.overrides.iter().filter(|over| names_channel(&over.id, scids));
        let by_side = self.overrides.iter().filter(|over| names_side(&over.id, alias, scids));
        for over in by_channel.chain(by_side) {
            caps.payments_max = over.payments_max.or(caps.payments_max);
            caps.amount_max = over.amount_max.or(caps.amount_max);
        }
        caps
    }

    /// Applies, in order, the overrides whose id is wanted.
    fn apply(&self, policy: &mut Policy, is_wanted: impl Fn(&str) -> bool) {
        for over in self.overrides.iter().filter(|over| is_wanted(&over.id)) {
            set(&mut policy.payment_max, over.payment_max);
            set(&mut policy.payment_min, over.payment_min);
            set(&mut policy.payments_max, over.payments_max);
            set(&mut policy.amount_max, over.amount_max);
            set(&mut policy.period, over.period);
            set(&mut policy.period_rolls, over.period_rolls);
            set(&mut policy.pause_min, over.pause_min);
            set(&mut policy.refresh, over.refresh);
            set(&mut policy.balance_point, over.balance_point);
            set(&mut policy.deadzone, over.deadzone);
        }
    }
}

/// Sets `slot` where there is a value for it.
fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

/// Whether `id` is one of `scids`.
fn names_channel(id: &str, scids: &[Scid]) -> bool {
    id.parse().is_ok_and(|scid| scids.contains(&scid))
}

/// Whether `id` is `alias:channelId` with one of `scids`. An alias may itself hold a colon.
fn names_side(id: &str, alias: &str, scids: &[Scid]) -> bool {
    id.rsplit_once(':').is_some_and(|(name, scid)| name == alias && names_channel(scid, scids))
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
        Limits {
            base: Policy::default(),
            overrides: vec![over("alice:7x1x0", 3), over("7x1x0", 2), over("alice", 1)],
        }
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
}
