//! Requests of peers, as payer: whose they are and for which channel, and what we answer.
//!
//! Whether one is paid is for [`super::authorize`]. What a peer answers to a request of ours is in
//! [`super::answer`].

use std::time::Duration;

use super::action::Action;
use super::authorize::{Asker, Look, Offer};
use super::event::Heard;
use super::invoice::{Invoice, LEGACY_MEMO, memo};
use super::message::{Message, PayInvoice, PaymentResult};
use super::narrative::{Narrative, as_json};
use super::outcome::Failure;
use super::peer::Party;
use super::record::{Attempt, Evidence, InvoiceKind};
use super::refusal::{self, Refusal};
use super::side::TurnedDown;
use super::{Core, Rebalance};
use crate::ids::{ChannelPoint, NodeId, PaymentHash, PeerKey};
use crate::time::Time;
use crate::units::Msat;

/// The word for an outcome that nobody knows, beside the codes of refusals and failures.
pub(super) const UNKNOWN: &str = "unknown";

impl Core {
    /// A peer asks to have an invoice paid.
    pub(super) fn requested(&mut self, request: PayInvoice, heard: &Heard) {
        match self.offer(&request, heard) {
            Ok(offer) => self.judge(offer),
            Err(refusal) => self.turn_down(heard.peer, request, refusal),
        }
    }

    /// A request as an offer, once it is known whose it is and for which channel.
    fn offer(&mut self, request: &PayInvoice, heard: &Heard) -> Result<Offer, Refusal> {
        let version = self.check_speaker(heard.peer, request.paid_to, request.paid_by)?;
        let point = self.named_channel(request)?;
        if self.offers.contains_key(&point) || self.is_asking(point) {
            return Err(Refusal::AttemptOpen);
        }
        let tokens = request.tokens.ok_or(Refusal::WrongAmount)?;
        let amount = tokens.sat().checked_mul(1000).map(Msat::new).ok_or(Refusal::WrongAmount)?;
        let invoice = Invoice::decode(&request.invoice)
            .map_err(|fault| Refusal::BadInvoice { detail: fault.detail })?;
        // Whoever was asked by us knows the hash of our own invoice.
        let is_ours = |open: &Rebalance| open.hash() == Some(invoice.hash);
        if self.ledger.rebalances.values().any(is_ours) {
            return Err(Refusal::HashSeen);
        }
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
        let request = Box::new(request.clone());
        let text = request.invoice.clone();
        let mut offer = Offer::new(attempt, invoice, text, self.now, heard.wall);
        offer.asker = Asker::Peer { peer: heard.peer, version, request, evidence };
        (offer.made_by, offer.memo, offer.look) = (heard.sent_at, memo, Look::Untaken);
        Ok(offer)
    }

    /// Whether the peer may ask, for its node `payee`, to be paid by our node `payer`. Returns what
    /// it understands of our additions.
    fn check_speaker(
        &self,
        peer: PeerKey,
        payee: NodeId,
        payer: NodeId,
    ) -> Result<Option<u64>, Refusal> {
        if !self.nodes.contains_key(&payer) {
            return Err(Refusal::NotOurNode);
        }
        let version = match self.party(payee) {
            Some(Party::Peer { peer: owner, version }) if owner == peer => version,
            Some(Party::Ours | Party::Peer { .. }) | None => return Err(Refusal::NotItsNode),
        };
        if !self.settings.trusts(payee) {
            return Err(Refusal::NotTrusted);
        }
        if self.connected(payer).is_none() {
            return Err(Refusal::NodeDown);
        }
        Ok(version)
    }

    /// Whether an offer that has waited may still be made by whoever made it.
    pub(super) fn check_asker(&self, offer: &Offer) -> Result<(), Refusal> {
        let Asker::Peer { peer, version, .. } = &offer.asker else { return Ok(()) };
        let attempt = &offer.attempt;
        if self.check_speaker(*peer, attempt.paid_to, attempt.paid_by)? != *version {
            return Err(Refusal::NotItsNode);
        }
        if self.is_asking(attempt.point) { Err(Refusal::AttemptOpen) } else { Ok(()) }
    }

    /// Whether one of our nodes has itself asked to be paid over a channel.
    fn is_asking(&self, point: ChannelPoint) -> bool {
        self.ledger.rebalances.values().any(|open| open.attempt().point == point)
    }

    /// The channel between the two nodes that a request names, by whatever names it gives.
    fn named_channel(&self, request: &PayInvoice) -> Result<ChannelPoint, Refusal> {
        let (payer, payee) = (request.paid_by, request.paid_to);
        let is_theirs = |point: &ChannelPoint| {
            let view = self.views.of(*point, payer);
            view.is_some_and(|view| view.channel.counterparty == payee)
        };
        let by_point = request.point.map(|point| Some(point).filter(is_theirs));
        let by_scid = request.scid.map(|scid| self.views.point_of(payer, payee, scid));
        match (by_point, by_scid) {
            (Some(Some(point)), None) | (None, Some(Some(point))) => Ok(point),
            (Some(Some(point)), Some(named)) if named == Some(point) => Ok(point),
            (Some(Some(_)), Some(_)) => Err(Refusal::ChannelIdsDiffer),
            (Some(None), _) | (None, Some(None) | None) => Err(Refusal::UnknownChannel),
        }
    }

    /// The channel of our payer that a request is for, where the payee's own peer asks: what
    /// others are refused says nothing of it.
    fn meant_channel(&self, peer: PeerKey, request: &PayInvoice) -> Option<ChannelPoint> {
        let is_speaker = match self.party(request.paid_to) {
            Some(Party::Peer { peer: owner, .. }) => owner == peer,
            Some(Party::Ours) | None => false,
        };
        let is_meant = is_speaker && self.nodes.contains_key(&request.paid_by);
        is_meant.then(|| self.named_channel(request).ok()).flatten()
    }

    /// Refuses a peer's request.
    pub(super) fn turn_down(&mut self, peer: PeerKey, request: PayInvoice, refusal: Refusal) {
        if self.may_tell_of(peer) {
            self.narrate(Narrative::OfferRefused {
                rebalance_id: request.rebalance,
                paid_to: request.paid_to,
                paid_by: request.paid_by,
                reason: refusal.to_string(),
                refusal: as_json(&refusal),
            });
        }
        let retry_in = self.retry_in(request.paid_to, request.paid_by, refusal.retry_at());
        let (payer, point) = (request.paid_by, self.meant_channel(peer, &request));
        let result = PaymentResult::refused(request, &refusal, retry_in);
        if let Some(point) = point {
            self.side(point, payer).turned_down = Some(TurnedDown { at: self.now, refusal });
        }
        self.actions.push(Action::Send { peer, message: Message::PaymentResult(result) });
    }

    /// After how long a payee may ask again. Who may be a legacy peer is always told: without it,
    /// it asks again at its next poll.
    fn retry_in(&self, payee: NodeId, payer: NodeId, retry_at: Option<Time>) -> Option<Duration> {
        let retry_in = retry_at.map(|at| at.since(self.now));
        match self.party(payee) {
            Some(Party::Peer { version: Some(_), .. }) => retry_in,
            Some(Party::Ours | Party::Peer { version: None, .. }) | None => {
                let pause = self.settings.limits.of_node(self.alias(payer)).pause_min;
                Some(retry_in.unwrap_or_default().max(pause))
            }
        }
    }

    /// Tells the peer that asked what its request came to.
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
            request: PayInvoice::for_attempt(attempt, invoice),
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
