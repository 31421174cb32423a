//! The checks that an offer must pass, and [`Authorized`], the only value that can be paid.
//!
//! Every check is made on the payer's own snapshot, its own records and the decoded invoice; what
//! a message claims is only compared with them. The checks are pure and change nothing.

use std::time::Duration;

use serde::Serialize;

use super::budget::Wish;
use super::channel::Channel;
use super::decide::target;
use super::event::OwnNode;
use super::invoice::{Invoice, memo};
use super::ledger::Ledger;
use super::message::PayInvoice;
use super::policy::{ChannelCaps, Policy};
use super::record::{Attempt, Bill, Evidence};
use super::refusal::Refusal;
use super::view::View;
use crate::ids::{ChannelPoint, NodeId, PaymentHash, PaymentSecret, PeerKey, RebalanceId, Scid};
use crate::time::Time;
use crate::units::{Msat, Ppm};

/// How long an invoice must live on: less would expire on the way.
const LIFE_MIN: Duration = Duration::from_secs(10);
/// How long an invoice may live on: more is none of a rebalance.
const LIFE_MAX: Duration = Duration::from_secs(60 * 60);
/// How old an invoice may be when it is offered.
const AGE_MAX: Duration = Duration::from_secs(60);
/// How far the payee's clock may be ahead.
const LEAD_MAX: Duration = Duration::from_secs(5);
/// The final CLTV deltas that are accepted, in blocks: less invites a force close, more locks the
/// channel for long and ends on chain.
const CLTV_RANGE: std::ops::RangeInclusive<u64> = 18..=144;

/// A payment that passed every check: over this channel, to its counterparty, in one hop, at no
/// fee, for this amount. Only this file makes one.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub struct Authorized {
    rebalance: RebalanceId,
    payer: NodeId,
    payee: NodeId,
    point: ChannelPoint,
    scid: Scid,
    amount: Msat,
    hash: PaymentHash,
    #[serde(skip)]
    secret: PaymentSecret,
    min_final_cltv: u64,
}

/// What the payer is asked to pay.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// The payee's word on what it is for.
    pub(crate) attempt: Attempt,
    /// The invoice, decoded.
    pub(crate) invoice: Invoice,
    /// The invoice as it came, and its expiry on the core's clock.
    pub(crate) bill: Bill,
    /// When it came, on the core's clock.
    pub(crate) came_at: Time,
    /// The wall clock of whoever made the offer, as it was made.
    pub(crate) made_by: Time,
    /// What the invoice's memo must say.
    pub(crate) memo: String,
    /// Whose offer it is.
    pub(crate) asker: Asker,
    /// Whether our own figures were doubted for it.
    pub(crate) look: Look,
}

/// Whether the payer's own figures were doubted for a peer's offer. A peer that asks may know of a
/// payment before our node tells of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Look {
    /// Not yet: they are asked for once before the offer is refused for their sake.
    Untaken,
    /// They were asked for, or need not be.
    Taken,
}

/// Who offers.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    /// Another node of this daemon.
    Own,
    /// A peer, for a node of its own.
    Peer {
        /// The peer.
        peer: PeerKey,
        /// What it understands of our additions; `None` for a legacy peer.
        version: Option<u64>,
        /// Its request as it came.
        request: Box<PayInvoice>,
        /// The request as the peer signed it, where it did.
        evidence: Option<Evidence>,
    },
}

/// All that the payer goes by.
#[derive(Debug)]
pub(crate) struct Payer<'a> {
    /// The core's time.
    pub(crate) now: Time,
    /// Whether nothing new is to be begun.
    pub(crate) is_stopping: bool,
    /// Whether the operator paused payments like this one.
    pub(crate) is_paused: bool,
    /// Whether nothing is to be paid at all.
    pub(crate) dry_run: bool,
    /// The paying node; `None` while it does not answer.
    pub(crate) node: Option<&'a OwnNode>,
    /// Its view of the channel.
    pub(crate) view: Option<&'a View>,
    /// Whether its figures are older than the last settlement.
    pub(crate) awaits_snapshot: bool,
    /// Its policy for the channel.
    pub(crate) policy: Policy,
    /// The payee's; `None` where its peer has not told it.
    pub(crate) payee_policy: Option<Policy>,
    /// The channel's own caps.
    pub(crate) caps: ChannelCaps,
    /// Its records.
    pub(crate) ledger: &'a Ledger,
    /// What is to count as if it were paid: what it was asked for and has not judged.
    pub(crate) asked: Vec<(ChannelPoint, Msat)>,
}

/// What becomes of an offer.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is paid.
    Pay(Authorized),
    /// HTLCs in flight are all that is in the way: it is judged again when they are settled, and
    /// refused for this reason if that takes too long.
    Wait(Refusal),
    /// It is not paid.
    Refuse(Refusal),
}

impl Offer {
    /// An offer of a node of our own that came at `now`, by the wall clock at `wall`.
    pub(crate) fn new(
        attempt: Attempt,
        invoice: Invoice,
        text: String,
        now: Time,
        wall: Time,
    ) -> Self {
        let expires_at = now + (invoice.made_at + invoice.expiry).since(wall);
        let bill = Bill { hash: invoice.hash, invoice: text, expires_at };
        let memo = memo(attempt.point, attempt.rebalance);
        Self {
            attempt,
            invoice,
            bill,
            came_at: now,
            made_by: wall,
            memo,
            asker: Asker::Own,
            look: Look::Taken,
        }
    }
}

impl Payer<'_> {
    /// Judges an offer in full.
    pub(crate) fn judge(&self, offer: &Offer) -> Verdict {
        let attempt = &offer.attempt;
        let checked = self
            .check_invoice(offer)
            .and_then(|()| self.check_standing(attempt.paid_to, attempt.point))
            .and_then(|view| self.check_caps(attempt, view).map(|()| view));
        let view = match checked {
            Ok(view) => view,
            Err(refusal) => return Verdict::Refuse(refusal),
        };
        match self.check_size(view, &view.channel, attempt.amount) {
            Ok(()) => Verdict::Pay(Authorized {
                rebalance: attempt.rebalance,
                payer: attempt.paid_by,
                payee: view.channel.counterparty,
                point: view.channel.point,
                scid: view.channel.scid,
                amount: attempt.amount,
                hash: offer.invoice.hash,
                secret: offer.invoice.secret,
                min_final_cltv: offer.invoice.min_final_cltv,
            }),
            Err(refusal) => match self.check_size(view, &all_won(&view.channel), attempt.amount) {
                Ok(()) => Verdict::Wait(refusal),
                Err(_) => Verdict::Refuse(refusal),
            },
        }
    }

    /// Whether an offer of `attempt` would be refused, whatever its invoice. HTLCs in flight are
    /// not held against it: the offer would wait for them.
    pub(crate) fn foresee(&self, attempt: &Attempt) -> Result<(), Refusal> {
        let view = self.check_standing(attempt.paid_to, attempt.point)?;
        self.check_caps(attempt, view)?;
        self.check_size(view, &view.channel, attempt.amount)
            .or_else(|_| self.check_size(view, &all_won(&view.channel), attempt.amount))
    }

    /// Whether the invoice is one that was just made for this rebalance.
    fn check_invoice(&self, offer: &Offer) -> Result<(), Refusal> {
        let (attempt, invoice) = (&offer.attempt, &offer.invoice);
        let network = self.node.map(|node| node.network).ok_or(Refusal::NodeDown)?;
        if invoice.network != network {
            return Err(Refusal::WrongNetwork { expected: network });
        }
        if invoice.payee != attempt.paid_to {
            return Err(Refusal::WrongPayee);
        }
        if invoice.memo.as_ref() != Some(&offer.memo) {
            return Err(Refusal::NotARebalanceInvoice);
        }
        if invoice.has_blinded_paths {
            return Err(Refusal::BlindedPaths);
        }
        if invoice.amount != Some(attempt.amount) || attempt.amount == Msat::ZERO {
            return Err(Refusal::WrongAmount);
        }
        if invoice.made_at + AGE_MAX < offer.made_by || offer.made_by + LEAD_MAX < invoice.made_at {
            return Err(Refusal::NotFresh);
        }
        if !(LIFE_MIN..=LIFE_MAX).contains(&offer.bill.expires_at.since(self.now)) {
            return Err(Refusal::ExpiryOutOfRange);
        }
        if !CLTV_RANGE.contains(&invoice.min_final_cltv) {
            return Err(Refusal::CltvOutOfRange);
        }
        if self.ledger.has_seen(invoice.hash) {
            return Err(Refusal::HashSeen);
        }
        Ok(())
    }

    /// Whether this node may pay the payee over the channel at all, at this moment.
    fn check_standing(&self, payee: NodeId, point: ChannelPoint) -> Result<&View, Refusal> {
        let node = self.node.ok_or(Refusal::NodeDown)?;
        if !node.rebalances {
            return Err(Refusal::RebalanceOff);
        }
        if self.is_stopping {
            return Err(Refusal::Stopping);
        }
        if self.dry_run {
            return Err(Refusal::DryRun);
        }
        if self.is_paused {
            return Err(Refusal::Paused);
        }
        let view = self.view.filter(|view| view.channel.counterparty == payee);
        let view = view.ok_or(Refusal::UnknownChannel)?;
        if !view.channel.is_ordinary {
            return Err(Refusal::NotOrdinary);
        }
        if !view.channel.is_active {
            return Err(Refusal::Inactive);
        }
        if self.ledger.payments.values().any(|payment| payment.attempt.point == point) {
            return Err(Refusal::AttemptOpen);
        }
        if self.awaits_snapshot {
            return Err(Refusal::AwaitingSnapshot);
        }
        Ok(view)
    }

    /// Whether the payer's own limits allow one more payment of that amount.
    fn check_caps(&self, attempt: &Attempt, view: &View) -> Result<(), Refusal> {
        let (payer, point, amount) = (attempt.paid_by, view.channel.point, attempt.amount);
        if amount > self.policy.payment_max {
            return Err(Refusal::MaxTransactionSize { max: self.policy.payment_max });
        }
        if amount < self.policy.payment_min {
            return Err(Refusal::MinTransactionSize { min: self.policy.payment_min });
        }
        if let Some(intended_at) = self.ledger.intended_at(payer, point) {
            let retry_at = intended_at + self.policy.pause_min;
            if self.now < retry_at {
                return Err(Refusal::MinTimeBetweenPayments { retry_at });
            }
        }
        let wish = Wish { node: payer, point, amount, asked: &self.asked };
        self.ledger.budget.check(&wish, self.now, &self.policy, self.caps)
    }

    /// Whether the payer stays rich enough, and the channel can carry the amount, if `channel`
    /// is how the HTLCs in flight leave it.
    fn check_size(&self, view: &View, channel: &Channel, amount: Msat) -> Result<(), Refusal> {
        let total = channel.total().ok_or(Refusal::Unreadable)?;
        let payee_policy = self.payee_policy.as_ref().ok_or(Refusal::PolicyUnknown)?;
        if target(payee_policy, &self.policy).is_none() {
            return Err(Refusal::BandsDoNotMeet);
        }
        let kept = least_above(self.policy.threshold(), total);
        let max = channel.local.saturating_sub(kept);
        if amount > max {
            return Err(Refusal::PastBand { max });
        }
        let (min, max) = (view.sendable_min(), view.sendable_of(channel));
        if amount < min {
            return Err(Refusal::BelowChannelMinimum { min });
        }
        if amount > max {
            return Err(Refusal::NotSendable { max });
        }
        Ok(())
    }
}

/// The least amount that is not below `share` of `total`.
fn least_above(share: Ppm, total: Msat) -> Msat {
    let least = total.share(share);
    if least.is_below(share, total) { least.saturating_add(Msat::new(1)) } else { least }
}

/// The channel as it would be if every HTLC in flight became this side's.
fn all_won(channel: &Channel) -> Channel {
    let local = channel.local_if_won();
    Channel { local, htlcs: Vec::new(), ..channel.clone() }
}

impl Authorized {
    /// The attempt that it is for.
    pub const fn rebalance(&self) -> RebalanceId {
        self.rebalance
    }

    /// The node that pays.
    pub const fn payer(&self) -> NodeId {
        self.payer
    }

    /// The node that is paid: the channel's counterparty.
    pub const fn payee(&self) -> NodeId {
        self.payee
    }

    /// The channel.
    pub const fn point(&self) -> ChannelPoint {
        self.point
    }

    /// The channel's id at the payer, to route by.
    pub const fn scid(&self) -> Scid {
        self.scid
    }

    /// What is paid; the fee is nothing.
    pub const fn amount(&self) -> Msat {
        self.amount
    }

    /// The hash that the payment is locked to.
    pub const fn hash(&self) -> PaymentHash {
        self.hash
    }

    /// The payee's token against probing.
    pub const fn secret(&self) -> &PaymentSecret {
        &self.secret
    }

    /// How many blocks the payee must be left.
    pub const fn min_final_cltv(&self) -> u64 {
        self.min_final_cltv
    }
}
