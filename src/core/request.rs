//! Requests between peers: as payer, what becomes of one that we hear, and what we answer; as
//! payee, what becomes of the answer.
//!
//! An answer is a hint. The payer's money goes by [`super::authorize`] and the payer's own node,
//! the payee's books by the payee's own node.

use std::time::Duration;

use super::action::Action;
use super::authorize::{Asker, Look, Offer};
use super::event::Heard;
use super::invoice::{Invoice, LEGACY_MEMO, memo};
use super::message::{Message, PayInvoice, PaymentResult};
use super::narrative::{Narrative, as_json};
use super::outcome::{Failure, PeerWord};
use super::peer::Party;
use super::record::{Attempt, Entry, Evidence, InvoiceKind};
use super::refusal::{self, Refusal};
use super::{Core, Rebalance};
use crate::ids::{ChannelPoint, NodeId, PaymentHash, PeerKey};
use crate::time::Time;
use crate::units::Msat;

/// The word for an outcome that nobody knows, beside the codes of refusals and failures.
const UNKNOWN: &str = "unknown";
/// How long a peer's word keeps us from asking again, at most.
const RETRY_MAX: Duration = Duration::from_secs(60 * 60);
/// How many attempts are kept in mind whose payers have said nothing: an answer comes within
/// moments, or not at all.
const UNANSWERED_MAX: usize = 64;
/// How often the same refusal of one peer's requests is told.
const REFUSAL_TOLD: Duration = Duration::from_secs(60);

impl Core {
    /// As payer: a peer asks to have an invoice paid.
    pub(super) fn requested(&mut self, request: PayInvoice, heard: &Heard) {
        let peer = heard.peer;
        match self.offer(&request, heard) {
            Ok(offer) => {
                self.narrate(Narrative::OnPayInvoice {
                    remote_peer: peer,
                    channel_id: request.scid,
                    invoice: request.invoice,
                    amount: request.tokens,
                });
                self.judge(offer);
            }
            Err(refusal) => self.turn_down(peer, request, refusal),
        }
    }

    /// A request as an offer, once it is known whose it is and for which channel.
    fn offer(&mut self, request: &PayInvoice, heard: &Heard) -> Result<Offer, Refusal> {
        if !self.nodes.contains_key(&request.paid_by) {
            return Err(Refusal::NotOurNode);
        }
        let version = match self.party(request.paid_to) {
            Some(Party::Peer { peer, version }) if peer == heard.peer => version,
            Some(Party::Ours | Party::Peer { .. }) | None => return Err(Refusal::NotItsNode),
        };
        if !self.settings.trusts(request.paid_to) {
            return Err(Refusal::NotTrusted);
        }
        if self.connected(request.paid_by).is_none() {
            return Err(Refusal::NodeDown);
        }
        let point = self.named_channel(request)?;
        let is_asking = |open: &Rebalance| open.attempt().point == point;
        if self.offers.contains_key(&point) || self.ledger.rebalances.values().any(is_asking) {
            return Err(Refusal::AttemptOpen);
        }
        let tokens = request.tokens.ok_or(Refusal::WrongAmount)?;
        let amount = tokens.sat().checked_mul(1000).map(Msat::new).ok_or(Refusal::WrongAmount)?;
        let invoice = Invoice::decode(&request.invoice)
            .map_err(|fault| Refusal::BadInvoice { detail: fault.detail })?;
        let memo = match (version, request.rebalance) {
            (None, _) => LEGACY_MEMO.to_owned(),
            (Some(_), Some(rebalance)) => memo(point, rebalance),
            (Some(_), None) => return Err(Refusal::NotARebalanceInvoice),
        };
        let rebalance = match request.rebalance {
            Some(rebalance) => rebalance,
            None => self.name_rebalance(),
        };
        let own_scid = self.views.of(point, request.paid_by).map(|view| view.channel.scid);
        let attempt = Attempt {
            rebalance,
            paid_to: request.paid_to,
            paid_by: request.paid_by,
            point,
            scid: request.scid.or(own_scid).ok_or(Refusal::UnknownChannel)?,
            amount,
            kind: InvoiceKind::Plain,
        };
        let evidence = heard.evidence.clone();
        let evidence = evidence.map(|envelope| Evidence { peer: heard.peer, envelope });
        let asker = Asker::Peer { peer: heard.peer, request: Box::new(request.clone()), evidence };
        let text = request.invoice.clone();
        let mut offer = Offer::new(attempt, invoice, text, self.now, heard.wall);
        (offer.made_by, offer.memo, offer.asker) = (heard.sent_at, memo, asker);
        offer.look = Look::Untaken;
        Ok(offer)
    }

    /// The channel between the two nodes that a request names, by whatever names it gives.
    fn named_channel(&self, request: &PayInvoice) -> Result<ChannelPoint, Refusal> {
        let (payer, payee) = (request.paid_by, request.paid_to);
        let by_point = request.point;
        let by_scid = request.scid.map(|scid| self.views.point_of(payer, payee, scid));
        let point = match (by_point, by_scid) {
            (Some(point), None) => point,
            (None, Some(Some(point))) => point,
            (Some(point), Some(named)) if named == Some(point) => point,
            (Some(_), Some(_)) => return Err(Refusal::ChannelIdsDiffer),
            (None, Some(None) | None) => return Err(Refusal::UnknownChannel),
        };
        let view = self.views.of(point, payer);
        let is_theirs = view.is_some_and(|view| view.channel.counterparty == payee);
        if is_theirs { Ok(point) } else { Err(Refusal::UnknownChannel) }
    }

    /// As payer: refuses a peer's request.
    pub(super) fn turn_down(&mut self, peer: PeerKey, request: PayInvoice, refusal: Refusal) {
        let code = refusal.code();
        let told = self.refused.get(&peer);
        let is_news = told.is_none_or(|(last, at)| *last != code || *at + REFUSAL_TOLD <= self.now);
        if is_news {
            self.refused.insert(peer, (code.clone(), self.now));
            self.narrate(Narrative::OfferRefused {
                rebalance_id: request.rebalance,
                paid_to: request.paid_to,
                paid_by: request.paid_by,
                reason: refusal.to_string(),
                refusal: as_json(&refusal),
            });
        }
        let retry_at = refusal.retry_at();
        let retry_in = self.retry_in(request.paid_to, request.paid_by, retry_at);
        let result = PaymentResult {
            request,
            is_allowed: false,
            reason: Some(refusal.to_string()),
            retry_in,
            hash: None,
            is_confirmed: false,
            refusal: Some(code),
            max: refusal.granted().map(Msat::sat),
        };
        self.actions.push(Action::Send { peer, message: Message::PaymentResult(result) });
    }

    /// After how long a payee may ask again. A legacy payee is always told: without it, it asks
    /// again at its next poll.
    fn retry_in(&self, payee: NodeId, payer: NodeId, retry_at: Option<Time>) -> Option<Duration> {
        let retry_in = retry_at.map(|at| at.since(self.now));
        match self.party(payee) {
            Some(Party::Peer { version: None, .. }) => {
                let pause = self.settings.limits.of_node(self.alias(payer)).pause_min;
                Some(retry_in.unwrap_or_default().max(pause))
            }
            Some(Party::Ours | Party::Peer { version: Some(_), .. }) | None => retry_in,
        }
    }

    /// As payer: tells the peer that asked what its request came to.
    pub(super) fn reply(&mut self, attempt: &Attempt, invoice: String, told: Told) {
        let Some(Party::Peer { peer, .. }) = self.party(attempt.paid_to) else { return };
        let (hash, reason, refusal) = match &told {
            Told::Settled(hash) => (*hash, None, None),
            Told::Failed(hash, failure) => {
                (*hash, Some(failure.to_string()), Some(refusal::code(failure)))
            }
            Told::Unknown(hash) => {
                let reason = "the payer's node has not told the outcome yet".to_owned();
                (*hash, Some(reason), Some(UNKNOWN.to_owned()))
            }
        };
        let is_confirmed = matches!(told, Told::Settled(_));
        let retry_in = self.retry_in(attempt.paid_to, attempt.paid_by, None);
        let result = PaymentResult {
            request: PayInvoice {
                invoice,
                tokens: Some(attempt.amount.sat()),
                scid: Some(attempt.scid),
                point: Some(attempt.point),
                paid_to: attempt.paid_to,
                paid_by: attempt.paid_by,
                rebalance: Some(attempt.rebalance),
            },
            is_allowed: true,
            reason,
            retry_in: retry_in.filter(|_| !is_confirmed),
            hash: Some(hash),
            is_confirmed,
            refusal,
            max: None,
        };
        self.actions.push(Action::Send { peer, message: Message::PaymentResult(result) });
    }

    /// As payee: the payer tells what became of a request of ours.
    pub(super) fn answered(
        &mut self,
        peer: PeerKey,
        result: &PaymentResult,
        evidence: Option<String>,
    ) {
        let invoice = &result.request.invoice;
        let late = self.unanswered.iter().position(|open| open.invoice() == Some(invoice));
        let asked = match late.and_then(|place| self.unanswered.remove(place)) {
            Some(ended) => ended.hash().map(|hash| (ended.attempt().clone(), hash)),
            None => self.asked_with(invoice),
        };
        let Some((attempt, hash)) = asked else { return };
        let is_payer = matches!(
            self.party(attempt.paid_by), Some(Party::Peer { peer: owner, .. }) if owner == peer
        );
        if !is_payer || self.words.contains_key(&hash) {
            return;
        }
        self.narrate(Narrative::OnPaymentResult {
            remote_peer: peer,
            rebalance_id: attempt.rebalance,
            confirmed: result.is_confirmed,
            reason: result.reason.clone(),
            refusal: result.refusal.clone(),
        });
        let is_unknown = result.refusal.as_deref() == Some(UNKNOWN);
        if is_unknown {
            return;
        }
        if let Some(envelope) = evidence {
            let evidence = Evidence { peer, envelope };
            self.record(Entry::ResultAttested(attempt.clone(), evidence));
        }
        if late.is_some() {
            return;
        }
        let reason = result.reason.clone().unwrap_or_else(|| "no reason given".to_owned());
        let word = PeerWord { code: result.refusal.clone(), reason };
        let retry_in = result.retry_in.map(|wait| wait.min(RETRY_MAX));
        let now = self.now;
        let answer = Answer {
            word,
            is_confirmed: result.is_confirmed,
            retry_at: retry_in.map(|wait| now + wait),
            max: result.max.map(|max| Msat::new(max.sat().saturating_mul(1000))),
        };
        self.words.insert(hash, answer);
        if !result.is_confirmed {
            self.cancel(&attempt, hash);
        }
    }

    /// A peer goes away: what it was asked and has not answered is cancelled, so that it may be
    /// asked again soon. Our node still tells whether it was paid.
    pub(super) fn withdraw_from(&mut self, peer: PeerKey) {
        let is_its_own = |node: NodeId| self.roster.owner(node).is_some_and(|it| it.peer == peer);
        let asked = self.ledger.rebalances.values().filter_map(|open| {
            let (attempt, hash) = (open.attempt(), open.hash()?);
            // What a node holds is looked at before it is given back.
            let is_plain = attempt.kind == InvoiceKind::Plain;
            (is_plain && is_its_own(attempt.paid_by)).then(|| (attempt.clone(), hash))
        });
        let asked: Vec<(Attempt, PaymentHash)> = asked.collect();
        for (attempt, hash) in asked {
            if !self.words.contains_key(&hash) && self.deserted.insert(hash) {
                self.cancel(&attempt, hash);
            }
        }
    }

    /// Keeps an attempt in mind that ended before its payer said anything: its word is evidence.
    pub(super) fn await_word(&mut self, hash: PaymentHash) {
        let mut open = self.ledger.rebalances.values();
        let Some(open) = open.find(|open| open.hash() == Some(hash)) else { return };
        if self.nodes.contains_key(&open.attempt().paid_by) {
            return;
        }
        if self.unanswered.len() >= UNANSWERED_MAX {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(open.clone());
    }

    /// The open attempt that offered this invoice to a peer.
    fn asked_with(&self, invoice: &str) -> Option<(Attempt, PaymentHash)> {
        self.ledger.rebalances.values().find_map(|open| match open {
            Rebalance::AwaitingPayment(attempt, bill) if bill.invoice == invoice => {
                Some((attempt.clone(), bill.hash))
            }
            Rebalance::AwaitingPayment(..) | Rebalance::AwaitingInvoice(_) => None,
        })
    }
}

/// What a payer of ours tells the peer that asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// The payment arrived.
    Settled(PaymentHash),
    /// It failed.
    Failed(PaymentHash, Failure),
    /// Nobody knows.
    Unknown(PaymentHash),
}

impl Answer {
    /// Whether a smaller amount may pass.
    pub(super) fn is_for_want_of_room(&self) -> bool {
        let room = [Failure::TemporaryChannelFailure, Failure::InsufficientBalance];
        room.iter().any(|failure| self.word.code == Some(refusal::code(failure)))
    }
}

/// What a payer, a peer, answered to a request of ours.
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
