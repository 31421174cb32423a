//! One attempt as the payee sees it, from opening to the end: deciding to ask, the invoice, and
//! what became of it. What the payer does meanwhile is in [`super::payment`].

use std::time::Duration;

use super::Core;
use super::action::Action;
use super::answer::{Ask, AskState};
use super::authorize::Offer;
use super::decide::{Decision, decide};
use super::event::InvoiceEnd;
use super::invoice::{Invoice, memo};
use super::ledger::Rebalance;
use super::message::{Message, PayInvoice};
use super::narrative::{Narrative, as_json};
use super::outcome::Cause;
use super::peer::Party;
use super::record::{Attempt, Bill, Entry};
use super::side::Side;
use crate::ids::{ChannelPoint, NodeId, PaymentHash, RebalanceId, Scid};
use crate::time::Time;
use crate::units::Msat;

/// How long an invoice may be paid. An invoice is made for one attempt and not offered again.
const INVOICE_LIFE: Duration = Duration::from_secs(60);
/// How long a side rests to which less arrived than it asked.
const SHORT_REST: Duration = Duration::from_secs(60 * 60);
/// How many blocks the payer must leave the payee: LND's own default, whatever a node's operator
/// set, since a longer lock holds the channel and a shorter one invites a force close.
const FINAL_CLTV: u64 = 80;

impl Core {
    /// Begins an attempt.
    pub(super) fn open(&mut self, planned: Attempt) {
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
            scid: attempt.scid,
            node: attempt.paid_to,
            amount: attempt.amount,
            memo: memo(attempt.point, attempt.rebalance),
            expiry: INVOICE_LIFE,
            min_final_cltv: FINAL_CLTV,
            kind: attempt.kind,
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
        match self.party(attempt.paid_by) {
            Some(Party::Ours) => self.judge(offer),
            party => self.ask(&attempt, &offer.bill, party),
        }
        if self.ledger.rebalances.contains_key(&rebalance) {
            let Attempt { paid_to: node, scid, .. } = attempt;
            self.actions.push(Action::WatchInvoice { node, rebalance, scid, hash });
        }
    }

    /// Asks the peer at the other end to pay, unless something came in between since the attempt
    /// was opened.
    fn ask(&mut self, attempt: &Attempt, bill: &Bill, party: Option<Party>) {
        let Some(party @ Party::Peer { peer, .. }) = party else {
            return self.end_unpaid(attempt.clone(), Some(bill.hash), Cause::PeerGone);
        };
        if let Err(why) = self.check_ask(attempt, party) {
            let cause = Cause::Overtaken { why };
            return self.end_unpaid(attempt.clone(), Some(bill.hash), cause);
        }
        if !self.is_needed(attempt) {
            return self.end_unpaid(attempt.clone(), Some(bill.hash), Cause::NoLongerNeeded);
        }
        self.side(attempt.point, attempt.paid_to).sent(bill.hash);
        self.asks.insert(bill.hash, Ask { peer, state: AskState::Unanswered });
        let request = PayInvoice::for_attempt(attempt, bill.invoice.clone());
        self.actions.push(Action::Send { peer, message: Message::PayInvoice(request) });
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
        self.held.remove(&hash);
        let state = self.end_ask(hash);
        match end {
            InvoiceEnd::Settled { paid, over } => {
                let point = attempt.point;
                if self.offers.get(&point).is_some_and(|offer| offer.bill.hash == hash) {
                    self.forget_waiting(point);
                }
                self.look_at_the_way(&attempt, hash, over);
                self.record(Entry::RebalanceSettled(attempt.clone(), hash));
                self.narrate(Narrative::InvoicePaid {
                    rebalance_id: attempt.rebalance,
                    payment_id: hash,
                    tokens: paid.sat(),
                    drifted_at: self.low_since(point, attempt.paid_to),
                });
                self.side(point, attempt.paid_to).succeeded();
                self.look_at_the_sum(&attempt, *paid);
                self.await_snapshot(point, attempt.paid_to, hash);
                self.unsettled.insert(point);
            }
            InvoiceEnd::Canceled => {
                let cause = match (self.ledger.astray(hash), state) {
                    (Some(over), _) => Cause::PaidElsewhere { over: over.to_vec() },
                    (None, Some(AskState::Answered(answer))) if !answer.is_confirmed => {
                        self.hold_back(&attempt, &answer);
                        Cause::ByPeer { word: answer.word }
                    }
                    (None, Some(AskState::Deserted)) => Cause::PeerGone,
                    (None, Some(AskState::Unanswered | AskState::Answered(_)) | None) => {
                        Cause::InvoiceCanceled
                    }
                };
                self.end_unpaid(attempt, Some(hash), cause);
            }
        }
    }

    /// Compares the channels that a payment came over with the one that was asked. Where the
    /// node's channels are not known at this moment, that waits for its list.
    fn look_at_the_way(&mut self, attempt: &Attempt, hash: PaymentHash, over: &[Scid]) {
        if !self.has_listed(attempt.paid_to) {
            self.unlooked.push((attempt.clone(), hash, over.to_vec()));
            return;
        }
        // A channel that was closed since is not listed, and has no ids to compare with.
        let known = self.scids(attempt.point);
        if !known.is_empty() && !over.iter().all(|scid| known.contains(scid)) {
            self.note_stray(attempt, hash, over.to_vec());
        }
    }

    /// Looks at the ways of what arrived while a node's channels were not known.
    pub(super) fn look_at_the_ways(&mut self, node: NodeId) {
        let arrived = self.unlooked.extract_if(.., |(attempt, ..)| attempt.paid_to == node);
        for (attempt, hash, over) in arrived.collect::<Vec<_>>() {
            self.look_at_the_way(&attempt, hash, &over);
        }
    }

    /// Compares what arrived with what was asked: LND takes no less.
    fn look_at_the_sum(&mut self, attempt: &Attempt, paid: Msat) {
        if paid >= attempt.amount {
            return;
        }
        let (rebalance, asked) = (attempt.rebalance, attempt.amount);
        let message = format!("rebalance {rebalance} asked {asked} and got {paid}");
        self.narrate(Narrative::Error { message });
        let until = self.now + SHORT_REST;
        self.side(attempt.point, attempt.paid_to).holds_until = Some(until);
    }

    /// Whether the payee still needs what it asked for, by its newest snapshot: it is below its
    /// threshold, and the payment would not lift it past the payer's.
    pub(super) fn is_needed(&self, attempt: &Attempt) -> bool {
        let Some(view) = self.views.of(attempt.point, attempt.paid_to) else { return false };
        let channel = &view.channel;
        let payee = self.policy(attempt.paid_to, attempt.point);
        let Some(payer) = self.rules(attempt.paid_by, attempt.point) else { return false };
        let own = channel.local_if_won().saturating_add(attempt.amount);
        let ceiling = channel.total().map(|total| total.share(payer.threshold().complement()));
        matches!(decide(channel, &payee, &payer), Decision::Ask { .. })
            && ceiling.is_some_and(|ceiling| own <= ceiling)
    }

    /// Ends an attempt that the payee needs no more.
    pub(super) fn withdraw(&mut self, offer: Offer) {
        self.end_unpaid(offer.attempt, Some(offer.bill.hash), Cause::NoLongerNeeded);
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
        let is_canceled = match &cause {
            Cause::InvoiceCanceled | Cause::ByPeer { .. } | Cause::PaidElsewhere { .. } => true,
            Cause::NoInvoice { .. }
            | Cause::Abandoned
            | Cause::Refused { .. }
            | Cause::PaymentFailed { .. }
            | Cause::NoLongerNeeded
            | Cause::Overtaken { .. }
            | Cause::PeerGone => false,
        };
        self.forget_waiting(point);
        if let Cause::Refused { refusal } = &cause {
            self.narrate(Narrative::OfferRefused {
                rebalance_id: Some(attempt.rebalance),
                paid_to: attempt.paid_to,
                paid_by: attempt.paid_by,
                reason: refusal.to_string(),
                refusal: as_json(refusal),
            });
        }
        let now = self.now;
        if !matches!(cause, Cause::ByPeer { .. }) {
            self.side(point, node).by_peer = None;
        }
        match &cause {
            Cause::Refused { refusal } if refusal.retry_at().is_some() => {
                self.side(point, node).refused(now);
            }
            Cause::Refused { .. }
            | Cause::NoInvoice { .. }
            | Cause::PaymentFailed { .. }
            | Cause::InvoiceCanceled => self.side(point, node).failed(now),
            Cause::ByPeer { .. }
            | Cause::PaidElsewhere { .. }
            | Cause::PeerGone
            | Cause::NoLongerNeeded
            | Cause::Overtaken { .. }
            | Cause::Abandoned => {}
        }
        // Others may have been held back for its sake.
        self.unsettled.extend(self.views.points_of(attempt.paid_by));
        self.record(Entry::RebalanceFailed(attempt.clone(), hash, cause));
        if let (Some(hash), false) = (hash, is_canceled) {
            self.cancel(&attempt, hash);
        }
        self.unsettled.insert(point);
    }

    /// What the core keeps in mind about a side.
    pub(super) fn side(&mut self, point: ChannelPoint, node: NodeId) -> &mut Side {
        self.sides.entry((point, node)).or_default()
    }
}
