//! What a payer, a peer, answers to a request of ours: a hint, for the payee goes by its own node.
//!
//! A word against the payment has the invoice cancelled; what became of it, our node tells. A
//! peer's signed word is kept as evidence, also where it comes after the end.

use std::time::Duration;

use super::message::PaymentResult;
use super::narrative::Narrative;
use super::outcome::{Failure, PeerWord};
use super::record::{Attempt, Entry, Evidence, InvoiceKind};
use super::request::UNKNOWN;
use super::{Core, Rebalance};
use crate::ids::{PaymentHash, PeerKey};
use crate::time::Time;
use crate::units::Msat;

/// How long a peer is not asked again that would grant less than is worth asking.
const WORTHLESS_REST: Duration = Duration::from_secs(60 * 60);
/// How many attempts are kept in mind whose payers have said nothing: an answer comes within
/// moments, or not at all.
const UNANSWERED_MAX: usize = 64;

/// What is known of a request that an open attempt of ours put to a peer.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// Who was asked.
    pub(super) peer: PeerKey,
    /// How it stands.
    pub(super) state: AskState,
}

/// How a request of ours stands.
#[derive(Clone, Debug)]
pub(super) enum AskState {
    /// The peer has said nothing that counts.
    Unanswered,
    /// The peer has answered.
    Answered(Answer),
    /// The peer went away without an answer, and the invoice is being cancelled.
    Deserted,
}

/// What a peer answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Its reason.
    pub(super) word: PeerWord,
    /// Whether it says that it paid.
    pub(super) is_confirmed: bool,
    /// When it may be asked again, by its own word.
    pub(super) retry_at: Option<Time>,
    /// The most that it would grant.
    pub(super) max: Option<Msat>,
}

/// An attempt that ended before its payer said anything.
#[derive(Clone, Debug)]
pub(super) struct Unanswered {
    peer: PeerKey,
    attempt: Attempt,
    invoice: String,
}

impl Core {
    /// The payer tells what became of a request of ours.
    pub(super) fn answered(
        &mut self,
        peer: PeerKey,
        result: &PaymentResult,
        evidence: Option<String>,
    ) {
        // Nobody knows yet: the word that counts is to come.
        if result.refusal.as_deref() == Some(UNKNOWN) {
            return;
        }
        let invoice = &result.request.invoice;
        let is_it = |late: &Unanswered| late.peer == peer && late.invoice == *invoice;
        if let Some(place) = self.unanswered.iter().position(is_it) {
            if let Some(late) = self.unanswered.remove(place) {
                self.keep_word(&late.attempt, peer, result, evidence);
            }
            return;
        }
        let Some((attempt, hash)) = self.asked_with(invoice) else { return };
        let ask = self.asks.get(&hash).filter(|ask| ask.peer == peer);
        if !ask.is_some_and(|ask| !matches!(ask.state, AskState::Answered(_))) {
            return;
        }
        self.keep_word(&attempt, peer, result, evidence);
        let reason = result.reason.clone().unwrap_or_else(|| "no reason given".to_owned());
        let now = self.now;
        let answer = Answer {
            word: PeerWord { code: result.refusal.clone(), reason },
            is_confirmed: result.is_confirmed,
            retry_at: result.retry_in.map(|wait| now + wait),
            max: result.max.map(|max| max.msat()),
        };
        self.asks.insert(hash, Ask { peer, state: AskState::Answered(answer) });
        if !result.is_confirmed {
            self.cancel(&attempt, hash);
        }
    }

    /// Tells of a peer's word, and keeps it where it is signed.
    fn keep_word(
        &mut self,
        attempt: &Attempt,
        peer: PeerKey,
        result: &PaymentResult,
        evidence: Option<String>,
    ) {
        self.narrate(Narrative::OnPaymentResult {
            remote_peer: peer,
            rebalance_id: attempt.rebalance,
            confirmed: result.is_confirmed,
            reason: result.reason.clone(),
            refusal: result.refusal.clone(),
        });
        if let Some(envelope) = evidence {
            let evidence = Evidence { peer, envelope };
            self.record(Entry::ResultAttested(attempt.clone(), evidence));
        }
    }

    /// A peer goes away: what it was asked and has not answered is cancelled, so that it may be
    /// asked again soon. Our node still tells whether it was paid.
    pub(super) fn withdraw_from(&mut self, peer: PeerKey) {
        let asked = self.ledger.rebalances.values().filter_map(|open| {
            let (attempt, hash) = (open.attempt(), open.hash()?);
            let ask = self.asks.get(&hash).filter(|ask| ask.peer == peer)?;
            // What a node holds is looked at before it is given back.
            let is_plain = attempt.kind == InvoiceKind::Plain;
            let is_unanswered = matches!(ask.state, AskState::Unanswered);
            (is_plain && is_unanswered).then(|| (attempt.clone(), hash))
        });
        let asked: Vec<(Attempt, PaymentHash)> = asked.collect();
        for (attempt, hash) in asked {
            self.asks.insert(hash, Ask { peer, state: AskState::Deserted });
            self.cancel(&attempt, hash);
        }
    }

    /// An attempt ends: what is known of its request is let go, and kept in mind where its payer
    /// has said nothing, for its word is evidence.
    pub(super) fn end_ask(&mut self, hash: PaymentHash) -> Option<AskState> {
        let Ask { peer, state } = self.asks.remove(&hash)?;
        let is_answered = matches!(state, AskState::Answered(_));
        let mut open = self.ledger.rebalances.values();
        if let Some(Rebalance::AwaitingPayment(attempt, bill)) =
            open.find(|open| open.hash() == Some(hash)).filter(|_| !is_answered)
        {
            let (attempt, invoice) = (attempt.clone(), bill.invoice.clone());
            if self.unanswered.len() >= UNANSWERED_MAX {
                self.unanswered.pop_front();
            }
            self.unanswered.push_back(Unanswered { peer, attempt, invoice });
        }
        Some(state)
    }

    /// Keeps in mind why a peer did not pay, and when and for what to ask it again.
    pub(super) fn hold_back(&mut self, attempt: &Attempt, answer: &Answer) {
        let now = self.now;
        let least = self.policy(attempt.paid_to, attempt.point).payment_min;
        let side = self.side(attempt.point, attempt.paid_to);
        side.failed(now);
        side.holds_until = side.holds_until.max(answer.retry_at);
        side.by_peer = Some(answer.word.clone());
        match answer.max {
            // It grants nothing that is worth asking.
            Some(max) if max.whole() < least => {
                side.holds_until = side.holds_until.max(Some(now + WORTHLESS_REST));
            }
            Some(max) => side.amount_max = Some(max),
            None if answer.is_for_want_of_room() => side.halve(attempt.amount),
            None => {}
        }
    }

    /// The open attempt that offered this invoice.
    fn asked_with(&self, invoice: &str) -> Option<(Attempt, PaymentHash)> {
        self.ledger.rebalances.values().find_map(|open| match open {
            Rebalance::AwaitingPayment(attempt, bill) if bill.invoice == invoice => {
                Some((attempt.clone(), bill.hash))
            }
            Rebalance::AwaitingPayment(..) | Rebalance::AwaitingInvoice(_) => None,
        })
    }
}

impl Answer {
    /// Whether a smaller amount may pass.
    fn is_for_want_of_room(&self) -> bool {
        self.word.failure().is_some_and(Failure::is_for_want_of_room)
    }
}
