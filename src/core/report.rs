//! [`Report`]: how things stand at one moment, for people and their programs.
//!
//! A picture of the core that explains and decides nothing. Amounts are in msat, shares in ppm,
//! times in ms since 1970 on the core's clock.

use serde::{Deserialize, Serialize};

use super::Core;
use super::decide::{Rest, target};
use super::ledger::{Certainty, Rebalance};
use super::peer::Party;
use super::policy::{ChannelCaps, threshold};
use super::record::{Attempt, Pause, Scope};
use super::view::View;
use crate::ids::{ChannelPoint, NodeId, PaymentHash, PeerKey, RebalanceId, Scid};
use crate::time::{Time, whole_ms};
use crate::units::{Msat, Ppm};

/// How things stand.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When.
    pub at: Time,
    /// Whether the daemon only says what it would do.
    pub dry_run: bool,
    /// Our nodes that have answered since the start.
    pub nodes: Vec<NodeReport>,
    /// The connected peers.
    pub peers: Vec<PeerReport>,
    /// The peers that left since the start, the last one at the end.
    #[serde(default)]
    pub absent_peers: Vec<PeerReport>,
    /// Our side of each watched channel; both sides where both nodes are ours.
    pub channels: Vec<ChannelReport>,
    /// Our side of each channel whose node is down or whose peer is away, as it last stood.
    #[serde(default)]
    pub absent_channels: Vec<ChannelReport>,
    /// The attempts and payments that have not ended.
    pub open: Vec<OpenReport>,
    /// Where the operator stopped new payments.
    pub pauses: Vec<Pause>,
}

/// One of our nodes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeReport {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub alias: String,
    /// Since when it answers; `None` while it does not.
    pub up_since: Option<Time>,
    /// Since when it does not; `None` while it does.
    pub down_since: Option<Time>,
    /// Whether its channels are to be kept in balance.
    pub rebalances: bool,
    /// Whether it can hold a payment until it was looked at.
    pub can_hold: bool,
    /// What it may still pay in this period.
    pub budget: BudgetReport,
}

/// What a node may pay in a period.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetReport {
    /// `limitsPeriod` in ms.
    pub period_ms: u64,
    /// Payments that count at this moment, open ones included.
    pub payments_used: u64,
    /// `maxTransactionsPerPeriod`.
    pub payments_max: u64,
    /// What they come to.
    pub amount_used: Msat,
    /// `maxAmountPerPeriod`.
    pub amount_max: Msat,
}

/// A peer that is connected, or was.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerReport {
    /// The peer.
    pub peer: PeerKey,
    /// Since when it is connected.
    pub since: Time,
    /// When it last said something; `None` while it has not.
    pub heard_at: Option<Time>,
    /// When it left; `None` while it is connected.
    pub left_at: Option<Time>,
    /// The nodes that it speaks for, or says it does.
    pub nodes: Vec<ClaimReport>,
}

/// A peer's claim to speak for a node.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimReport {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub alias: String,
    /// What the peer understands of our additions; `None` for a legacy peer.
    pub version: Option<u64>,
    /// Whether the node itself signed the claim.
    pub is_proven: bool,
    /// Whether the peer is believed to speak for it.
    pub is_owner: bool,
}

/// What a node may pay over one channel in a period, where that is capped.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapReport {
    /// Payments over the channel that count at this moment, open ones included.
    pub payments_used: u64,
    /// `maxTransactionsPerPeriod` of the channel itself.
    pub payments_max: Option<u64>,
    /// What they come to.
    pub amount_used: Msat,
    /// `maxAmountPerPeriod` of the channel itself.
    pub amount_max: Option<Msat>,
}

/// Our side of a channel of the cluster.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelReport {
    /// The channel.
    pub point: ChannelPoint,
    /// Its id at our node.
    pub scid: Scid,
    /// Its further ids.
    pub other_scids: Vec<Scid>,
    /// Our node.
    pub node: NodeId,
    /// Its name.
    pub alias: String,
    /// The node at the other end.
    pub counterparty: NodeId,
    /// Its name, as far as we know it.
    pub counterparty_alias: String,
    /// The peer that speaks for the other end; `None` where it is ours.
    pub peer: Option<PeerKey>,
    /// What it was funded with.
    pub capacity: Msat,
    /// Our balance.
    pub local: Msat,
    /// The balance of the other end.
    pub remote: Msat,
    /// What is in flight, both ways.
    pub in_flight: Msat,
    /// Our share of all that both have; `None` where the figures make no sense.
    pub share: Option<Ppm>,
    /// Our share in balance.
    pub balance_point: Ppm,
    /// How far our share may fall below that before we ask.
    pub deadzone: Ppm,
    /// The share at which a rebalance towards us leaves it; `None` where the two sides' bands do
    /// not meet or the peer's are not known.
    pub target: Option<Ppm>,
    /// The lowest and the highest share at which neither side asks, seen from ours, where known.
    pub band: Option<[Ppm; 2]>,
    /// Since when our share is below our threshold, as far as is known; `None` while it is not.
    pub low_since: Option<Time>,
    /// Why our side does not ask; `None` while it does.
    pub rest: Option<RestReport>,
    /// Where the pauses hold that stop payments over it.
    #[serde(default)]
    pub paused_by: Vec<Scope>,
    /// Since when its node is down or its peer away; `None` while it is watched.
    pub absent_since: Option<Time>,
    /// What our node may pay over it beyond its own budget; `None` where that is not capped.
    pub cap: Option<CapReport>,
    /// When our side last ended an attempt or began a payment, whatever came of it.
    pub last_at: Option<Time>,
    /// When a payment over it last arrived, either way.
    pub last_rebalance_at: Option<Time>,
}

/// Why something or nothing happens on a channel.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// The channel.
    pub point: ChannelPoint,
    /// Our sides of it.
    pub sides: Vec<ChannelReport>,
    /// What is under way on it.
    pub open: Vec<OpenReport>,
    /// The whole in sentences: what each side does and why, what would change it, and when.
    pub sentences: Vec<String>,
}

/// Why a side rests.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestReport {
    /// The reason's word; a refusal's own where the payer would refuse.
    pub code: String,
    /// The same in a sentence.
    pub reason: String,
    /// What would change it, in a sentence.
    pub mend: String,
    /// When it may end by itself, where that is known.
    pub until: Option<Time>,
    /// What would be asked, in a dry run.
    pub would_ask: Option<Msat>,
}

/// An attempt or a payment that has not ended.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenReport {
    /// The attempt.
    pub rebalance: RebalanceId,
    /// The payment, once there is an invoice.
    pub hash: Option<PaymentHash>,
    /// How far it is.
    pub state: OpenState,
    /// The payee.
    pub paid_to: NodeId,
    /// The payer.
    pub paid_by: NodeId,
    /// The channel.
    pub point: ChannelPoint,
    /// What is asked.
    pub amount: Msat,
    /// Since when it is open.
    pub since: Time,
}

/// How far an attempt or a payment is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OpenState {
    /// As payee: our node was asked for an invoice.
    AwaitingInvoice,
    /// As payee: the invoice was offered.
    AwaitingPayment,
    /// As payer: an offer waits for HTLCs in flight.
    Waiting,
    /// As payer: the payment is on its way.
    Dispatched,
    /// As payer: nobody knows what became of the payment; its node is asked.
    Unknown,
    /// As payer: its node has it in flight and its channel has not; a restart of lnd may end it.
    Stuck,
}

impl Report {
    /// Every side, those whose node is down or whose peer is away last.
    pub fn sides(&self) -> impl Iterator<Item = &ChannelReport> {
        self.channels.iter().chain(&self.absent_channels)
    }
}

impl BudgetReport {
    /// What is left: payments, and what they may come to.
    pub const fn left(&self) -> (u64, Msat) {
        let payments = self.payments_max.saturating_sub(self.payments_used);
        (payments, self.amount_max.saturating_sub(self.amount_used))
    }
}

impl ChannelReport {
    /// The share below which our side asks to be paid.
    pub const fn threshold(&self) -> Ppm {
        threshold(self.balance_point, self.deadzone)
    }

    /// Both balances and all that is in flight.
    pub const fn total(&self) -> Msat {
        self.local.saturating_add(self.remote).saturating_add(self.in_flight)
    }

    /// Whether `scid` is one of the channel's ids.
    pub(super) fn has_scid(&self, scid: Scid) -> bool {
        self.scid == scid || self.other_scids.contains(&scid)
    }
}

impl OpenState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::AwaitingInvoice,
        Self::AwaitingPayment,
        Self::Waiting,
        Self::Dispatched,
        Self::Unknown,
        Self::Stuck,
    ];
}

impl Core {
    /// How things stand at this moment.
    pub fn report(&self) -> Report {
        Report {
            at: self.now,
            dry_run: self.settings.dry_run,
            nodes: self.nodes.values().map(|known| self.node_report(known)).collect(),
            peers: self.roster.report(),
            absent_peers: self.absent.peers(|peer| self.roster.is_connected(peer)),
            channels: self.watched.keys().flat_map(|point| self.channel_reports(*point)).collect(),
            absent_channels: self.absent_channels(),
            open: self.open_reports(),
            pauses: self.ledger.pauses(self.now).cloned().collect(),
        }
    }

    fn node_report(&self, known: &super::Known) -> NodeReport {
        let node = &known.node;
        let policy = self.settings.limits.of_node(&node.alias);
        let (payments_used, amount_used) =
            self.ledger.budget.used(node.id, None, self.now, &policy);
        NodeReport {
            node: node.id,
            alias: node.alias.clone(),
            up_since: known.connected_at,
            down_since: self.absent.down_since(node.id),
            rebalances: node.rebalances,
            can_hold: node.can_hold,
            budget: BudgetReport {
                period_ms: whole_ms(policy.period),
                payments_used,
                payments_max: policy.payments_max.into(),
                amount_used,
                amount_max: policy.amount_max,
            },
        }
    }

    /// Our sides of one watched channel.
    pub(super) fn channel_reports(
        &self,
        point: ChannelPoint,
    ) -> impl Iterator<Item = ChannelReport> {
        self.views.sides(point).map(move |(node, view)| self.channel_report(node, view))
    }

    /// One of them.
    pub(super) fn channel_report(&self, node: NodeId, view: &View) -> ChannelReport {
        let channel = &view.channel;
        let (point, counterparty) = (channel.point, channel.counterparty);
        let (ours, theirs) = (self.policy(node, point), self.rules(counterparty, point));
        let last = [self.ledger.intended_at(node, point), self.ledger.ended_at(node, point)];
        let side = self.sides.get(&(point, node)).filter(|_| self.watched.contains_key(&point));
        let rest = side.and_then(|side| side.rest.as_ref());
        ChannelReport {
            point,
            scid: channel.scid,
            other_scids: channel.other_scids.clone(),
            node,
            alias: self.alias(node).to_owned(),
            counterparty,
            counterparty_alias: self.name_of(counterparty).to_owned(),
            peer: match self.party(counterparty) {
                Some(Party::Peer { peer, .. }) => Some(peer),
                Some(Party::Ours) | None => None,
            },
            capacity: channel.capacity,
            local: channel.local,
            remote: channel.remote,
            in_flight: channel.in_flight(),
            share: channel.total().and_then(|total| channel.local.part_of(total)),
            balance_point: ours.balance_point,
            deadzone: ours.deadzone,
            target: theirs.as_ref().and_then(|theirs| target(&ours, theirs)),
            band: theirs.map(|theirs| [ours.threshold(), theirs.threshold().complement()]),
            low_since: side.and_then(|side| side.low_since),
            rest: rest.map(RestReport::from),
            paused_by: self.scopes_of([node, counterparty], point),
            absent_since: None,
            cap: self.cap_report(node, point),
            last_at: last.into_iter().flatten().max(),
            last_rebalance_at: self.ledger.settled_at(node, point),
        }
    }

    /// Where the pauses hold that stop payments between two nodes over a channel.
    pub(super) fn scopes_of(&self, nodes: [NodeId; 2], point: ChannelPoint) -> Vec<Scope> {
        self.pauses_of(nodes, point).map(|pause| pause.scope).collect()
    }

    fn cap_report(&self, node: NodeId, point: ChannelPoint) -> Option<CapReport> {
        let alias = self.alias(node);
        let caps = self.settings.limits.channel_caps(alias, &self.scids(point));
        if caps == ChannelCaps::default() {
            return None;
        }
        let policy = self.settings.limits.of_node(alias);
        let (payments_used, amount_used) =
            self.ledger.budget.used(node, Some(point), self.now, &policy);
        Some(CapReport {
            payments_used,
            payments_max: caps.payments_max.map(u64::from),
            amount_used,
            amount_max: caps.amount_max,
        })
    }

    /// What has not ended, each once: where both nodes are ours, as its payer sees it, once that
    /// one has seen it.
    pub(super) fn open_reports(&self) -> Vec<OpenReport> {
        let report = |attempt: &Attempt, hash, state, since: Option<Time>| OpenReport {
            rebalance: attempt.rebalance,
            hash,
            state,
            paid_to: attempt.paid_to,
            paid_by: attempt.paid_by,
            point: attempt.point,
            amount: attempt.amount,
            since: since.unwrap_or(self.now),
        };
        let asked = self.ledger.rebalances.values().map(|open| {
            let attempt = open.attempt();
            let state = match open {
                Rebalance::AwaitingInvoice(_) => OpenState::AwaitingInvoice,
                Rebalance::AwaitingPayment(..) => OpenState::AwaitingPayment,
            };
            let since = self.ledger.opened_at(attempt.paid_to, attempt.point);
            report(attempt, open.hash(), state, since)
        });
        let waiting = self.offers.values().map(|offer| {
            report(&offer.attempt, Some(offer.bill.hash), OpenState::Waiting, Some(offer.came_at))
        });
        let paid = self.ledger.payments.values().map(|payment| {
            let (attempt, hash) = (&payment.attempt, payment.bill.hash);
            let state = if self.is_stuck(hash) {
                OpenState::Stuck
            } else {
                match payment.certainty {
                    Certainty::Dispatched => OpenState::Dispatched,
                    Certainty::Unknown => OpenState::Unknown,
                }
            };
            let since = self.ledger.intended_at(attempt.paid_by, attempt.point);
            report(attempt, Some(hash), state, since)
        });
        let by_payer: Vec<OpenReport> = waiting.chain(paid).collect();
        let is_seen = |open: &OpenReport| {
            let is_it = |seen: &OpenReport| {
                (seen.rebalance, seen.paid_to) == (open.rebalance, open.paid_to)
            };
            by_payer.iter().any(is_it)
        };
        let mut all: Vec<OpenReport> = asked.filter(|open| !is_seen(open)).collect();
        all.extend(by_payer);
        all
    }
}

impl From<&Rest> for RestReport {
    fn from(rest: &Rest) -> Self {
        Self {
            code: rest.code(),
            reason: rest.to_string(),
            mend: rest.mend().to_owned(),
            until: rest.until(),
            would_ask: if let Rest::DryRun { amount } = rest { Some(*amount) } else { None },
        }
    }
}
