//! One attempt as the payee sees it, from opening to the end: deciding to ask, the invoice, and
//! what became of it. What the payer does meanwhile is in [`super::payment`].

use std::time::Duration;

use serde::Serialize;

use super::Core;
use super::action::Action;
use super::authorize::Offer;
use super::decide::{Decision, Rest, decide};
use super::event::InvoiceEnd;
use super::invoice::{Invoice, memo};
use super::ledger::Rebalance;
use super::narrative::Narrative;
use super::outcome::Cause;
use super::record::{Attempt, Entry};
use super::refusal::Refusal;
use super::side::Side;
use super::timer::Timer;
use crate::ids::{ChannelPoint, NodeId, PaymentHash, RebalanceId, Scid};
use crate::time::Time;
use crate::units::Msat;

/// How old a node's own bounds may be when they are in the way of a payment.
const BOUNDS_AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// How long an invoice may be paid. An invoice is made for one attempt and not offered again.
const INVOICE_LIFE: Duration = Duration::from_secs(60);
/// How many blocks the payer must leave the payee: LND's own default, whatever a node's operator
/// set, since a longer lock holds the channel and a shorter one invites a force close.
const FINAL_CLTV: u64 = 80;

impl Core {
    /// Lets `payee` ask for a payment over `point`, or notes why it rests.
    pub(super) fn rest_or_ask(&mut self, point: ChannelPoint, payee: NodeId) {
        let Some(view) = self.views.of(point, payee) else { return };
        let payer = view.channel.counterparty;
        if !self.nodes.contains_key(&payer) || payer == payee {
            return;
        }
        match self.plan(point, payee, payer) {
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

    /// The attempt that `payee` should make, or why it should make none.
    fn plan(&self, point: ChannelPoint, payee: NodeId, payer: NodeId) -> Result<Attempt, Rest> {
        if self.is_stopping {
            return Err(Rest::Stopping);
        }
        let nodes = [payee, payer].map(|node| self.nodes.get(&node));
        if nodes.iter().flatten().any(|known| !known.node.rebalances) {
            return Err(Rest::RebalanceOff);
        }
        if let Some(pause) = self.ledger.pause(self.now, [payee, payer], point) {
            return Err(Rest::Paused { until: pause.until });
        }
        if self.ledger.is_open(point) {
            return Err(Rest::AttemptOpen);
        }
        let views = (self.views.of(point, payee), self.views.of(point, payer));
        let (Some(view), Some(payers_view)) = views else {
            let is_up = self.connected(payer).is_some();
            return Err(if is_up { Rest::ViewsDiffer } else { Rest::CounterpartyDown });
        };
        if !payers_view.channel.is_active {
            return Err(Rest::Inactive);
        }
        if self.awaits_snapshot(point, payee) || self.awaits_snapshot(point, payer) {
            return Err(Rest::AwaitingSnapshot);
        }
        let policy = self.policy(payee, point);
        let mut amount = match decide(&view.channel, &policy, &self.policy(payer, point)) {
            Decision::Rest(rest) => return Err(rest),
            Decision::Ask { amount } => amount,
        };
        if self.settings.dry_run {
            return Err(Rest::DryRun { amount });
        }
        let side = self.sides.get(&(point, payee));
        let cooled_at = self.ledger.ended_at(payee, point).map(|ended| ended + policy.pause_min);
        let until = cooled_at.max(side.and_then(|side| side.holds_until));
        if let Some(until) = until.filter(|until| self.now < *until) {
            return Err(Rest::CoolingDown { until });
        }
        if let Some(max) = side.and_then(|side| side.amount_max) {
            amount = amount.min(max.whole().max(policy.payment_min));
        }
        let scid = view.channel.scid;
        let rebalance = RebalanceId::new([0; 16]);
        let attempt =
            |amount| Attempt { rebalance, paid_to: payee, paid_by: payer, point, scid, amount };
        let refusal = match self.foresee(&attempt(amount)) {
            Ok(()) => return Ok(attempt(amount)),
            Err(refusal) => refusal,
        };
        if refusal.is_about_balances() && !view.channel.agrees_with(&payers_view.channel) {
            return Err(Rest::ViewsDiffer);
        }
        // What the payer would grant instead, if that is worth asking.
        let granted = refusal.granted().map(Msat::whole).filter(|granted| {
            *granted < amount && *granted >= policy.payment_min && *granted > Msat::ZERO
        });
        match granted.map(attempt) {
            Some(smaller) if self.foresee(&smaller).is_ok() => Ok(smaller),
            Some(_) | None => Err(Rest::Refused { refusal }),
        }
    }

    fn open(&mut self, planned: Attempt) {
        let attempt = Attempt { rebalance: self.name_rebalance(), ..planned };
        self.record(Entry::RebalanceOpened(attempt.clone()));
        self.narrate(Narrative::OnRequestRebalance {
            rebalance_id: attempt.rebalance,
            channel_id: attempt.scid,
            paid_to: attempt.paid_to,
            paid_by: attempt.paid_by,
            tokens: attempt.amount.sat(),
        });
        self.actions.push(Action::CreateInvoice {
            rebalance: attempt.rebalance,
            node: attempt.paid_to,
            amount: attempt.amount,
            memo: memo(attempt.point, attempt.rebalance),
            expiry: INVOICE_LIFE,
            min_final_cltv: FINAL_CLTV,
        });
    }

    /// Our node made the invoice: it is offered to the payer.
    pub(super) fn invoiced(&mut self, rebalance: RebalanceId, text: String, wall: Time) {
        let Some(Rebalance::AwaitingInvoice(attempt)) = self.ledger.rebalances.get(&rebalance)
        else {
            return;
        };
        let attempt = attempt.clone();
        let invoice = match Invoice::decode(&text) {
            Ok(invoice) => invoice,
            Err(fault) => {
                let detail = fault.to_string();
                return self.end_unpaid(attempt, None, Cause::NoInvoice { detail });
            }
        };
        let hash = invoice.hash;
        let offer = Offer::new(attempt.clone(), invoice, text, self.now, wall);
        self.record(Entry::InvoiceCreated(attempt.clone(), offer.bill.clone()));
        self.narrate(Narrative::InvoiceCreated {
            rebalance_id: rebalance,
            paid_to: attempt.paid_to,
            tokens: attempt.amount.sat(),
            payment_id: hash,
        });
        self.judge(offer);
        if self.ledger.rebalances.contains_key(&rebalance) {
            self.actions.push(Action::WatchInvoice { node: attempt.paid_to, hash });
        }
    }

    /// Our node made no invoice, or we never heard of it; then it expires by itself.
    pub(super) fn not_invoiced(&mut self, rebalance: RebalanceId, detail: String) {
        let Some(Rebalance::AwaitingInvoice(attempt)) = self.ledger.rebalances.get(&rebalance)
        else {
            return;
        };
        let attempt = attempt.clone();
        self.end_unpaid(attempt, None, Cause::NoInvoice { detail });
    }

    /// The payee's node told what became of the invoice: the only word that counts.
    pub(super) fn invoice_ended(&mut self, hash: PaymentHash, end: &InvoiceEnd) {
        let Some(attempt) = self.awaiting_payment(hash) else { return };
        match end {
            InvoiceEnd::Settled { paid, over } => {
                self.record(Entry::RebalanceSettled(attempt.clone(), hash));
                self.narrate(Narrative::InvoicePaid {
                    rebalance_id: attempt.rebalance,
                    payment_id: hash,
                    tokens: paid.sat(),
                });
                self.side(attempt.point, attempt.paid_to).succeeded();
                self.look_at_the_way(&attempt, *paid, over);
                self.await_snapshot(attempt.point, attempt.paid_to, hash);
                self.unsettled.insert(attempt.point);
            }
            InvoiceEnd::Canceled => {
                self.end_unpaid(attempt, Some(hash), Cause::InvoiceCanceled);
            }
        }
    }

    /// Compares what arrived, and over which channels, with what was asked.
    fn look_at_the_way(&mut self, attempt: &Attempt, paid: Msat, over: &[Scid]) {
        let known = self.scids(attempt.point);
        let is_known = |scid: &Scid| known.is_empty() || known.contains(scid);
        if paid >= attempt.amount && over.iter().all(is_known) {
            return;
        }
        let over: Vec<String> = over.iter().map(ToString::to_string).collect();
        let message = format!(
            "rebalance {} asked {} over {} and got {paid} over {}",
            attempt.rebalance,
            attempt.amount,
            attempt.scid,
            over.join(", ")
        );
        self.narrate(Narrative::Error { message });
        let now = self.now;
        self.side(attempt.point, attempt.paid_to).mistrusts(now);
    }

    /// Whether the payee still needs what it asked for, by its newest snapshot: it is below its
    /// threshold, and the payment would not lift it past the payer's.
    pub(super) fn is_needed(&self, attempt: &Attempt) -> bool {
        let Some(view) = self.views.of(attempt.point, attempt.paid_to) else { return false };
        let channel = &view.channel;
        let [payee, payer] =
            [attempt.paid_to, attempt.paid_by].map(|node| self.policy(node, attempt.point));
        let own = channel.local.saturating_add(channel.in_flight()).saturating_add(attempt.amount);
        let ceiling = channel.total().map(|total| total.share(payer.threshold().complement()));
        matches!(decide(channel, &payee, &payer), Decision::Ask { .. })
            && ceiling.is_some_and(|ceiling| own <= ceiling)
    }

    /// Ends an attempt that the payee needs no more.
    pub(super) fn withdraw(&mut self, offer: Offer) {
        self.end_unpaid(offer.attempt, Some(offer.bill.hash), Cause::NoLongerNeeded);
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

    /// The open attempt whose invoice is locked to `hash`.
    pub(super) fn awaiting_payment(&self, hash: PaymentHash) -> Option<Attempt> {
        self.ledger.rebalances.values().find_map(|open| match open {
            Rebalance::AwaitingPayment(attempt, bill) if bill.hash == hash => Some(attempt.clone()),
            Rebalance::AwaitingPayment(..) | Rebalance::AwaitingInvoice(_) => None,
        })
    }

    /// Ends an attempt without payment, and has its invoice cancelled where it may still stand.
    pub(super) fn end_unpaid(&mut self, attempt: Attempt, hash: Option<PaymentHash>, cause: Cause) {
        let (point, node) = (attempt.point, attempt.paid_to);
        let is_canceled = cause == Cause::InvoiceCanceled;
        self.forget_waiting(point);
        if let Cause::Refused { refusal } = &cause {
            self.narrate(Narrative::OfferRefused {
                rebalance_id: attempt.rebalance,
                paid_to: attempt.paid_to,
                paid_by: attempt.paid_by,
                reason: refusal.to_string(),
                refusal: as_json(refusal),
            });
        }
        let now = self.now;
        match &cause {
            Cause::Refused { refusal } if refusal.retry_at().is_some() => {
                self.side(point, node).refused(now);
            }
            Cause::Refused { .. }
            | Cause::NoInvoice { .. }
            | Cause::PaymentFailed { .. }
            | Cause::InvoiceCanceled => self.side(point, node).failed(now),
            Cause::NoLongerNeeded | Cause::Abandoned => {}
        }
        // Others may have been held back for its sake.
        self.unsettled.extend(self.views.points_of(attempt.paid_by));
        self.record(Entry::RebalanceFailed(attempt, hash, cause));
        if let (Some(hash), false) = (hash, is_canceled) {
            self.actions.push(Action::CancelInvoice { node, hash });
        }
        self.unsettled.insert(point);
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

    /// What the core keeps in mind about a side.
    pub(super) fn side(&mut self, point: ChannelPoint, node: NodeId) -> &mut Side {
        self.sides.entry((point, node)).or_default()
    }
}

/// A reason as the event log shows it.
fn as_json(reason: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(reason).unwrap_or_default()
}
