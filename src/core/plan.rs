//! Whether a side of a channel asks to be paid, whom, how and for what; or why it rests.
//!
//! What is missing is for [`super::decide`] to say; here are all the reasons not to ask for it at
//! this moment. What becomes of the attempt is in [`super::rebalance`].

use std::time::Duration;

use super::Core;
use super::action::Action;
use super::decide::{Decision, Rest, decide, is_low};
use super::narrative::{Narrative, as_json};
use super::peer::Party;
use super::policy::Policy;
use super::record::{Attempt, InvoiceKind};
use super::refusal::Refusal;
use super::timer::Timer;
use super::view::View;
use crate::ids::{ChannelPoint, NodeId, RebalanceId, Scid};
use crate::time::Time;
use crate::units::Msat;

/// How old a node's own bounds may be when they are in the way of a payment.
const BOUNDS_AGE_MAX: Duration = Duration::from_secs(10 * 60);
/// How long a channel rests after its payment came over another one: the payer's node chooses
/// the channel, and will hardly choose otherwise soon.
const STRAY_REST: Duration = Duration::from_secs(60 * 60);

impl Core {
    /// Lets `payee` ask for a payment over `point`, or notes why it rests.
    pub(super) fn rest_or_ask(&mut self, point: ChannelPoint, payee: NodeId) {
        let Some(view) = self.views.of(point, payee) else { return };
        let payer = view.channel.counterparty;
        let Some(party) = self.party(payer).filter(|_| payer != payee) else { return };
        self.note_drift(point, payee);
        match self.plan(point, payee, payer, party) {
            Ok(attempt) => {
                self.rest(point, payee, None);
                self.open(attempt);
            }
            Err(rest) => {
                self.doubt_bounds(&rest, point, payer);
                if let Some(until) = rest.until() {
                    self.timers.set_at_latest(Timer::Reconsider(point), until);
                }
                self.rest(point, payee, Some(rest));
            }
        }
    }

    /// Notes since when a side is below its threshold. What is on its way to it ends that only
    /// when it has arrived.
    fn note_drift(&mut self, point: ChannelPoint, node: NodeId) {
        let (now, policy) = (self.now, self.policy(node, point));
        let Some(view) = self.views.of(point, node).filter(|_| !self.ledger.is_open(point)) else {
            return;
        };
        let is_low = is_low(&view.channel, &policy);
        let low_since = &mut self.side(point, node).low_since;
        *low_since = is_low.then(|| low_since.unwrap_or(now));
    }

    /// Since when a side is below its threshold, as far as is known.
    pub(super) fn low_since(&self, point: ChannelPoint, node: NodeId) -> Option<Time> {
        self.sides.get(&(point, node)).and_then(|side| side.low_since)
    }

    /// The attempt that `payee` should make, or why it should make none.
    fn plan(
        &self,
        point: ChannelPoint,
        payee: NodeId,
        payer: NodeId,
        party: Party,
    ) -> Result<Attempt, Rest> {
        self.check_leave(point, payee, payer)?;
        if self.ledger.is_open(point) {
            return Err(Rest::AttemptOpen);
        }
        let Some(view) = self.views.of(point, payee) else { return Err(Rest::ViewsDiffer) };
        let (rules, kind) = match party {
            Party::Ours => {
                self.check_own_payer(point, payer)?;
                (self.policy(payer, point), InvoiceKind::Plain)
            }
            Party::Peer { .. } => self.check_peer(point, payee, payer, party)?,
        };
        if self.awaits_snapshot(point, payee) {
            return Err(Rest::AwaitingSnapshot);
        }
        let amount = self.wish(view, payee, &rules)?;
        let scid = id_for(view, party);
        let rebalance = RebalanceId::new([0; 16]);
        let attempt = |amount| Attempt {
            rebalance,
            paid_to: payee,
            paid_by: payer,
            point,
            scid,
            amount,
            kind,
        };
        match party {
            Party::Ours => self.fit(point, attempt, amount, self.policy(payee, point).payment_min),
            Party::Peer { .. } => Ok(attempt(amount)),
        }
    }

    /// Whether anything new may be begun on a channel.
    fn check_leave(&self, point: ChannelPoint, payee: NodeId, payer: NodeId) -> Result<(), Rest> {
        if self.is_stopping {
            return Err(Rest::Stopping);
        }
        let nodes = [payee, payer].map(|node| self.nodes.get(&node));
        if nodes.iter().flatten().any(|known| !known.node.rebalances) {
            return Err(Rest::RebalanceOff);
        }
        if let Some(pause) = self.paused([payee, payer], point) {
            return Err(Rest::Paused { until: pause.until });
        }
        let strayed_at = self.ledger.strayed_at(payee, point);
        match strayed_at.map(|at| at + STRAY_REST).filter(|until| self.now < *until) {
            Some(until) => Err(Rest::PaidElsewhere { until }),
            None => Ok(()),
        }
    }

    /// Whether an attempt that was opened may still be asked of a peer, and in the same way; else
    /// what came in between.
    pub(super) fn check_ask(&self, attempt: &Attempt, party: Party) -> Result<(), String> {
        let (point, payee, payer) = (attempt.point, attempt.paid_to, attempt.paid_by);
        let told = |rest: Rest| rest.to_string();
        self.check_leave(point, payee, payer).map_err(told)?;
        let (_, kind) = self.check_peer(point, payee, payer, party).map_err(told)?;
        let scid = self.views.of(point, payee).map(|view| id_for(view, party));
        if (kind, scid) == (attempt.kind, Some(attempt.scid)) {
            Ok(())
        } else {
            Err("the peer is to be asked in another way by now".to_owned())
        }
    }

    /// Whether a payer of ours can be asked at all.
    fn check_own_payer(&self, point: ChannelPoint, payer: NodeId) -> Result<(), Rest> {
        let Some(view) = self.views.of(point, payer) else {
            let is_up = self.connected(payer).is_some();
            return Err(if is_up { Rest::ViewsDiffer } else { Rest::CounterpartyDown });
        };
        if !view.channel.is_active {
            return Err(Rest::Inactive);
        }
        if self.awaits_snapshot(point, payer) {
            return Err(Rest::AwaitingSnapshot);
        }
        Ok(())
    }

    /// Whether a peer can be asked for its node `payer`: by what rules, and how.
    fn check_peer(
        &self,
        point: ChannelPoint,
        payee: NodeId,
        payer: NodeId,
        party: Party,
    ) -> Result<(Policy, InvoiceKind), Rest> {
        if !self.settings.trusts(payer) {
            return Err(Rest::NotTrusted);
        }
        let rules = self.rules(payer, point).ok_or(Rest::PolicyUnknown)?;
        if self.is_paused_by(party, point) {
            return Err(Rest::PausedByPeer);
        }
        let is_legacy = matches!(party, Party::Peer { version: None, .. });
        if !is_legacy && !self.ledger.has_strayed(payer) {
            return Ok((rules, InvoiceKind::Plain));
        }
        if self.connected(payee).is_some_and(|node| node.can_hold) {
            return Ok((rules, InvoiceKind::Held));
        }
        // Over the only channel between the two, a payment cannot go astray.
        if self.views.channels_between(payee, payer) == 1 {
            return Ok((rules, InvoiceKind::Plain));
        }
        Err(Rest::CannotHold)
    }

    /// What `payee` wants at this moment, under `rules` of the other end.
    fn wish(&self, view: &View, payee: NodeId, rules: &Policy) -> Result<Msat, Rest> {
        let point = view.channel.point;
        let policy = self.policy(payee, point);
        let mut amount = match decide(&view.channel, &policy, rules) {
            Decision::Rest(rest) => return Err(rest),
            Decision::Ask { amount } => amount,
        };
        if self.settings.dry_run {
            return Err(Rest::DryRun { amount });
        }
        let side = self.sides.get(&(point, payee));
        let cooled_at = self.ledger.ended_at(payee, point).map(|ended| ended + policy.pause_min);
        let held_until = side.and_then(|side| side.holds_until);
        let is_past = |until: &Time| self.now < *until;
        if let (Some(until), Some(word)) =
            (held_until.filter(is_past), side.and_then(|side| side.by_peer.clone()))
        {
            return Err(Rest::ByPeer { word, until: cooled_at.map_or(until, |at| at.max(until)) });
        }
        if let Some(until) = cooled_at.max(held_until).filter(is_past) {
            return Err(Rest::CoolingDown { until });
        }
        if let Some(max) = side.and_then(|side| side.amount_max) {
            amount = amount.min(max.whole().max(policy.payment_min));
        }
        Ok(amount)
    }

    /// The attempt as far as a payer of ours would grant it, or why it would not.
    fn fit(
        &self,
        point: ChannelPoint,
        attempt: impl Fn(Msat) -> Attempt,
        amount: Msat,
        min: Msat,
    ) -> Result<Attempt, Rest> {
        let wanted = attempt(amount);
        let refusal = match self.foresee(&wanted) {
            Ok(()) => return Ok(wanted),
            Err(refusal) => refusal,
        };
        let views = [wanted.paid_to, wanted.paid_by].map(|node| self.views.of(point, node));
        if let [Some(payee), Some(payer)] = views
            && refusal.is_about_balances()
            && !payee.channel.agrees_with(&payer.channel)
        {
            return Err(Rest::ViewsDiffer);
        }
        // What the payer would grant instead, if that is worth asking.
        let granted = refusal
            .granted()
            .map(Msat::whole)
            .filter(|granted| *granted < amount && *granted >= min && *granted > Msat::ZERO);
        match granted.map(attempt) {
            Some(smaller) if self.foresee(&smaller).is_ok() => Ok(smaller),
            Some(_) | None => Err(Rest::Refused { refusal }),
        }
    }

    /// Where the payer's own bounds are in the way, they may have changed since they were read.
    fn doubt_bounds(&mut self, rest: &Rest, point: ChannelPoint, payer: NodeId) {
        let Rest::Refused {
            refusal: Refusal::NotSendable { .. } | Refusal::BelowChannelMinimum { .. },
        } = rest
        else {
            return;
        };
        let now = self.now;
        let side = self.side(point, payer);
        let next = side.bounds_asked_at.map(|asked| asked + BOUNDS_AGE_MAX);
        if next.is_some_and(|next| now < next) {
            return;
        }
        side.bounds_asked_at = Some(now);
        self.timers.set_at_latest(Timer::Reconsider(point), now + BOUNDS_AGE_MAX);
        if let Some(view) = self.views.of(point, payer) {
            let scid = view.channel.scid;
            self.actions.push(Action::ReadForwarding { node: payer, point, scid });
        }
    }

    /// Notes why a side rests, and tells it where that is news.
    fn rest(&mut self, point: ChannelPoint, node: NodeId, rest: Option<Rest>) {
        let side = self.side(point, node);
        let is_news = match (&side.rest, &rest) {
            (Some(old), Some(new)) => !old.is_like(new),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        side.rest = rest;
        if let Some(rest) = side.rest.as_ref().filter(|rest| is_news && rest.is_notable()) {
            let narrative = Narrative::ChannelRests {
                channel_point: point,
                public_key: node,
                reason: rest.to_string(),
                rest: as_json(rest),
            };
            self.narrate(narrative);
        }
    }
}

/// The channel's id as `party` is asked by it: a legacy peer looks for its own.
const fn id_for(view: &View, party: Party) -> Scid {
    match party {
        Party::Peer { version: None, .. } => view.channel.peer_scid,
        Party::Ours | Party::Peer { version: Some(_), .. } => view.channel.scid,
    }
}
