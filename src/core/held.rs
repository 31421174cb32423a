//! Held invoices: a payment that the payee's node holds is taken only if all of it came over the
//! channel that was asked, and is given back otherwise (money rule 7).

use super::action::Action;
use super::event::Held;
use super::narrative::Narrative;
use super::record::{Attempt, Entry, InvoiceKind};
use super::{Core, Rebalance};
use crate::ids::{NodeId, PaymentHash, Scid};

impl Core {
    /// The payee's node holds a payment.
    pub(super) fn invoice_held(&mut self, hash: PaymentHash, held: Held) {
        let Some(attempt) = self.awaiting_payment(hash) else { return };
        if attempt.kind == InvoiceKind::Plain {
            // The node settles it by itself.
            return;
        }
        if !self.has_listed(attempt.paid_to) {
            // The channel's ids are known once the node has listed its channels.
            self.held.insert(hash, held);
            return;
        }
        self.held.remove(&hash);
        let (node, rebalance, scid) = (attempt.paid_to, attempt.rebalance, attempt.scid);
        let known = self.views.of(attempt.point, node).map(|view| &view.channel);
        let is_known = |scid: &Scid| known.is_some_and(|channel| channel.has_scid(*scid));
        let is_right = !held.over.is_empty() && held.over.iter().all(is_known);
        if is_right && held.paid >= attempt.amount {
            self.actions.push(Action::SettleHeld { node, rebalance, scid, hash });
            return;
        }
        // A channel that is gone tells nothing of the payer, and neither does a sum.
        if known.is_some() && !is_right {
            self.note_stray(&attempt, hash, held.over);
        }
        self.actions.push(Action::CancelHeld { node, rebalance, scid, hash: Some(hash) });
    }

    /// Remembers that a payment came over other channels than asked, once.
    pub(super) fn note_stray(&mut self, attempt: &Attempt, hash: PaymentHash, over: Vec<Scid>) {
        if self.ledger.astray(hash).is_some() {
            return;
        }
        let narrative = Narrative::PaidElsewhere {
            rebalance_id: attempt.rebalance,
            payment_id: hash,
            over: over.clone(),
        };
        self.record(Entry::PaidElsewhere(attempt.clone(), hash, over));
        self.narrate(narrative);
    }

    /// A node has listed its channels: what it holds can be judged.
    pub(super) fn judge_held(&mut self, node: NodeId) {
        let is_its_own = |open: &&Rebalance| open.attempt().paid_to == node;
        let waiting = self.ledger.rebalances.values().filter(is_its_own);
        let hashes: Vec<PaymentHash> = waiting.filter_map(Rebalance::hash).collect();
        for hash in hashes {
            if let Some(held) = self.held.remove(&hash) {
                self.invoice_held(hash, held);
            }
        }
    }

    /// Has an invoice cancelled that is not to be paid any more.
    pub(super) fn cancel(&mut self, attempt: &Attempt, hash: PaymentHash) {
        let (node, rebalance, scid) = (attempt.paid_to, attempt.rebalance, attempt.scid);
        self.actions.push(match attempt.kind {
            InvoiceKind::Plain => Action::CancelInvoice { node, rebalance, scid, hash },
            InvoiceKind::Held => Action::CancelHeld { node, rebalance, scid, hash: Some(hash) },
        });
    }
}
