//! One payment as the payer sees it, from the offer to the outcome.
//!
//! Whether an offer may be paid is for [`super::authorize`]; here it is waited for, intended, sent
//! once, and tracked until the node itself tells its end.

use std::time::Duration;

use super::Core;
use super::action::Action;
use super::authorize::{Asker, Authorized, Look, Offer, Payer, Verdict};
use super::ledger::{Certainty, Payment, Rebalance};
use super::narrative::Narrative;
use super::outcome::{Cause, Failure, Outcome};
use super::peer::Party;
use super::record::{Attempt, Entry, InvoiceKind};
use super::refusal::Refusal;
use super::request::Told;
use super::side::{Settling, Side};
use super::timer::Timer;
use crate::ids::{ChannelPoint, NodeId, PaymentHash, PeerKey};
use crate::time::Time;
use crate::units::Msat;

/// How long an offer waits for HTLCs in flight to be settled.
const OFFER_WAIT: Duration = Duration::from_secs(3);
/// How long a settlement's snapshot is waited for before a list is asked for.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(10);
/// How long after both the connection and the invoice's expiry a payment must still be unknown
/// to its node to count as ended.
const NOT_FOUND_WAIT: Duration = Duration::from_secs(60);
/// How long until a payment's outcome is asked for again, doubled each time.
const TRACK_WAIT_MIN: Duration = Duration::from_secs(1);
/// The longest such wait.
const TRACK_WAIT_MAX: Duration = Duration::from_secs(60);

/// The search for a payment's outcome.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    /// How often the node was asked in vain.
    tries: u32,
    /// Whether it is in flight without an HTLC.
    stuck: Stuck,
}

/// Whether a payment is in flight without an HTLC, which nothing but a restart of LND may end.
#[derive(Clone, Copy, Debug, Default)]
enum Stuck {
    /// Not at the last look.
    #[default]
    No,
    /// Since then. Every payment is so for a moment.
    Since(Time),
    /// For so long that the operator was told.
    Told,
}

/// How long a payment is in flight without an HTLC before the operator is told.
const STUCK_WAIT: Duration = Duration::from_secs(60);

impl Core {
    /// Judges an offer: pays, refuses, or lets it wait for HTLCs in flight.
    pub(super) fn judge(&mut self, offer: Offer) {
        let point = offer.attempt.point;
        let Some(offer) = self.still_made(offer) else { return };
        match self.payer(&offer.attempt, Vec::new()).judge(&offer) {
            Verdict::Pay(authorized) => {
                self.forget_waiting(point);
                self.pay(offer, authorized);
            }
            Verdict::Refuse(refusal)
                if offer.look == Look::Untaken && refusal.is_about_balances() =>
            {
                let (node, with) = (offer.attempt.paid_by, offer.attempt.paid_to);
                self.actions.push(Action::ListChannels { node, with });
                self.offers.insert(point, Offer { look: Look::Taken, ..offer });
                self.timers.set(Timer::OfferWaited(point), self.now + OFFER_WAIT);
            }
            Verdict::Refuse(refusal) => self.refuse(offer, refusal),
            Verdict::Wait(_) => {
                if self.offers.insert(point, offer).is_none() {
                    self.timers.set(Timer::OfferWaited(point), self.now + OFFER_WAIT);
                }
            }
        }
    }

    /// Judges a waiting offer anew.
    pub(super) fn judge_waiting(&mut self, point: ChannelPoint) {
        if let Some(offer) = self.offers.get(&point) {
            let offer = offer.clone();
            self.judge(offer);
        }
    }

    /// An offer has waited long enough: it is refused, unless it can be paid at this moment.
    pub(super) fn give_up_waiting(&mut self, point: ChannelPoint) {
        let Some(offer) = self.offers.remove(&point) else { return };
        let Some(offer) = self.still_made(offer) else { return };
        match self.payer(&offer.attempt, Vec::new()).judge(&offer) {
            Verdict::Pay(authorized) => self.pay(offer, authorized),
            Verdict::Wait(refusal) | Verdict::Refuse(refusal) => self.refuse(offer, refusal),
        }
    }

    /// Lets go of the offer that waits on a channel, if one does.
    pub(super) fn forget_waiting(&mut self, point: ChannelPoint) {
        self.offers.remove(&point);
        self.timers.clear(Timer::OfferWaited(point));
    }

    /// Whether the payer would refuse an offer of `attempt`, once it has paid what it was asked
    /// to pay already.
    pub(super) fn foresee(&self, attempt: &Attempt) -> Result<(), Refusal> {
        let others = self.ledger.rebalances.values().map(Rebalance::attempt);
        let asked = others.filter(|other| {
            let mut payments = self.ledger.payments.values();
            let is_intended = payments.any(|it| it.attempt.rebalance == other.rebalance);
            other.paid_by == attempt.paid_by && !is_intended
        });
        let asked = asked.map(|other| (other.point, other.amount)).collect();
        self.payer(attempt, asked).foresee(attempt)
    }

    /// All that the payer of `attempt` goes by; `asked` is to count as if it were paid.
    fn payer(&self, attempt: &Attempt, asked: Vec<(ChannelPoint, Msat)>) -> Payer<'_> {
        let (point, node) = (attempt.point, attempt.paid_by);
        Payer {
            asked,
            now: self.now,
            is_stopping: self.is_stopping,
            is_paused: self.paused([attempt.paid_by, attempt.paid_to], point).is_some(),
            dry_run: self.settings.dry_run,
            node: self.connected(node),
            view: self.views.of(point, node),
            awaits_snapshot: self.awaits_snapshot(point, node),
            policy: self.policy(node, point),
            payee_policy: self.rules(attempt.paid_to, point),
            caps: self.settings.limits.channel_caps(self.alias(node), &self.scids(point)),
            ledger: &self.ledger,
        }
    }

    fn pay(&mut self, offer: Offer, authorized: Authorized) {
        let (point, hash) = (authorized.point(), authorized.hash());
        let attempt = match offer.asker {
            Asker::Own => {
                assert!(
                    self.ledger.rebalances.contains_key(&offer.attempt.rebalance),
                    "a payment is for an attempt that is open"
                );
                self.side(point, offer.attempt.paid_to).sent(hash);
                Attempt { scid: authorized.scid(), ..offer.attempt }
            }
            Asker::Peer { peer, request, evidence, .. } => {
                self.narrate(Narrative::OnPayInvoice {
                    remote_peer: peer,
                    rebalance_id: offer.attempt.rebalance,
                    channel_id: request.scid,
                    invoice: request.invoice,
                    amount: request.tokens,
                });
                if let Some(evidence) = evidence {
                    self.record(Entry::RequestAttested(offer.attempt.clone(), evidence));
                }
                offer.attempt
            }
        };
        let side = self.side(point, attempt.paid_by);
        side.sent(hash);
        side.turned_down = None;
        self.record(Entry::PaymentIntended(attempt, offer.bill));
        self.actions.push(Action::Pay(authorized));
    }

    fn refuse(&mut self, offer: Offer, refusal: Refusal) {
        match offer.asker {
            Asker::Own => {
                let cause = Cause::Refused { refusal };
                self.end_unpaid(offer.attempt, Some(offer.bill.hash), cause);
            }
            Asker::Peer { peer, request, .. } => {
                self.forget_waiting(offer.attempt.point);
                self.turn_down(peer, *request, refusal);
            }
        }
    }

    /// The offer, if whoever made it may still make it and wants it; else it is ended here.
    fn still_made(&mut self, offer: Offer) -> Option<Offer> {
        match offer.asker {
            Asker::Own if !self.ledger.rebalances.contains_key(&offer.attempt.rebalance) => {
                self.forget_waiting(offer.attempt.point);
                None
            }
            Asker::Own if !self.is_needed(&offer.attempt) => {
                self.withdraw(offer);
                None
            }
            Asker::Own => Some(offer),
            // What a peer needs it judges itself.
            Asker::Peer { .. } => match self.check_asker(&offer) {
                Ok(()) => Some(offer),
                Err(refusal) => {
                    self.refuse(offer, refusal);
                    None
                }
            },
        }
    }

    /// Lets go of the offers of a peer that goes away: it is another when it comes back.
    pub(super) fn forget_offers_of(&mut self, gone: PeerKey) {
        let is_its_own =
            |offer: &Offer| matches!(offer.asker, Asker::Peer { peer, .. } if peer == gone);
        let points: Vec<ChannelPoint> =
            self.offers.iter().filter(|(_, it)| is_its_own(it)).map(|(point, _)| *point).collect();
        for point in points {
            self.forget_waiting(point);
        }
    }

    /// The payer's node told what became of a payment, or failed to.
    pub(super) fn payment_updated(&mut self, hash: PaymentHash, outcome: Outcome) {
        let Some(payment) = self.ledger.payments.get(&hash) else { return };
        let attempt = payment.attempt.clone();
        match outcome {
            Outcome::Settled => {
                let invoice = self.offered(hash);
                self.record(Entry::PaymentSettled(attempt.clone(), hash));
                if self.is_for_peer(&attempt) {
                    self.narrate(Narrative::InvoicePaid {
                        rebalance_id: attempt.rebalance,
                        payment_id: hash,
                        tokens: attempt.amount.sat(),
                        drifted_at: None,
                    });
                    self.reply(&attempt, invoice, Told::Settled(hash));
                }
                self.await_snapshot(attempt.point, attempt.paid_by, hash);
                self.finish(&attempt, hash);
            }
            Outcome::Failed(failure) => self.fail(attempt, hash, failure),
            Outcome::NotSent { .. } => self.fail(attempt, hash, Failure::NotSent),
            Outcome::NotFound => self.not_found(attempt, hash),
            Outcome::InFlight { has_attempts } => {
                let view = self.views.of(attempt.point, attempt.paid_by);
                let is_seen =
                    view.is_none_or(|view| view.channel.htlcs.iter().any(|htlc| htlc.hash == hash));
                self.note_stuck(hash, has_attempts && is_seen);
                self.track_later(attempt, hash);
            }
            Outcome::Unknown { .. } => self.track_later(attempt, hash),
        }
    }

    /// The payment ended without arriving, and never can under this hash.
    fn fail(&mut self, attempt: Attempt, hash: PaymentHash, failure: Failure) {
        let invoice = self.offered(hash);
        self.record(Entry::PaymentFailed(attempt.clone(), hash, failure));
        self.reply(&attempt, invoice, Told::Failed(hash, failure));
        self.narrate(Narrative::PaymentFailed {
            rebalance_id: attempt.rebalance,
            payment_id: hash,
            reason: failure.to_string(),
        });
        for node in [attempt.paid_to, attempt.paid_by] {
            self.side(attempt.point, node).unsent(hash);
        }
        if failure.is_for_want_of_room() && !self.is_for_peer(&attempt) {
            self.side(attempt.point, attempt.paid_to).halve(attempt.amount);
        }
        self.read_forwarding(&attempt);
        // A payment that its node does not know may have arrived: the invoice's node will tell.
        if failure != Failure::NotFound
            && let Some(asked) = self.awaiting_payment(hash)
            && (asked.rebalance, asked.paid_to) == (attempt.rebalance, attempt.paid_to)
        {
            self.end_unpaid(asked, Some(hash), Cause::PaymentFailed { failure });
        }
        self.finish(&attempt, hash);
    }

    /// Whatever bound was in the way may be read from the payer's node.
    fn read_forwarding(&mut self, attempt: &Attempt) {
        let (node, point) = (attempt.paid_by, attempt.point);
        if let Some(view) = self.views.of(point, node) {
            let scid = view.channel.scid;
            self.actions.push(Action::ReadForwarding { node, point, scid });
        }
    }

    /// The node does not know the payment. That is its end only if it had every chance to.
    fn not_found(&mut self, attempt: Attempt, hash: PaymentHash) {
        let connected_at = self.nodes.get(&attempt.paid_by).and_then(|known| known.connected_at);
        let expires_at = self.ledger.payments.get(&hash).map(|payment| payment.bill.expires_at);
        let (Some(connected_at), Some(expires_at)) = (connected_at, expires_at) else { return };
        let certain_at = connected_at.max(expires_at) + NOT_FOUND_WAIT;
        if self.now >= certain_at {
            self.fail(attempt, hash, Failure::NotFound);
        } else {
            self.track_later(attempt, hash);
            self.timers.set_at_latest(Timer::Track(hash), certain_at);
        }
    }

    /// Notes that the outcome is unknown, and asks for it again later.
    fn track_later(&mut self, attempt: Attempt, hash: PaymentHash) {
        let payment = self.ledger.payments.get(&hash);
        if payment.is_some_and(|payment| payment.certainty == Certainty::Dispatched) {
            self.note_unknown(attempt, hash);
        }
        let tracking = self.tracked.entry(hash).or_default();
        let doublings = tracking.tries.min(10);
        tracking.tries += 1;
        let wait = TRACK_WAIT_MIN.saturating_mul(1 << doublings).min(TRACK_WAIT_MAX);
        self.timers.set(Timer::Track(hash), self.now + wait);
    }

    fn note_unknown(&mut self, attempt: Attempt, hash: PaymentHash) {
        let rebalance_id = attempt.rebalance;
        self.record(Entry::PaymentUnknown(attempt.clone(), hash));
        self.reply(&attempt, self.offered(hash), Told::Unknown(hash));
        self.narrate(Narrative::PaymentUnknown { rebalance_id, payment_id: hash });
    }

    /// Tells, once, of a payment that its node will neither send nor give up.
    fn note_stuck(&mut self, hash: PaymentHash, has_htlc: bool) {
        let now = self.now;
        let tracking = self.tracked.entry(hash).or_default();
        tracking.stuck = match tracking.stuck {
            _ if has_htlc => Stuck::No,
            Stuck::No => Stuck::Since(now),
            Stuck::Since(since) if since + STUCK_WAIT <= now => Stuck::Told,
            Stuck::Since(_) | Stuck::Told => return,
        };
        if matches!(tracking.stuck, Stuck::Told) {
            let message = format!(
                "payment {hash} is in flight, says its node, and its channel has no such HTLC: \
                 a restart of lnd may end it"
            );
            self.narrate(Narrative::Error { message });
        }
    }

    /// Whether a payment is in flight by its node's word and not by its channel's, for long.
    pub(super) fn is_stuck(&self, hash: PaymentHash) -> bool {
        self.tracked.get(&hash).is_some_and(|it| matches!(it.stuck, Stuck::Told))
    }

    /// Asks the node that sent a payment what became of it, if it answers; else when it does.
    pub(super) fn track(&mut self, hash: PaymentHash) {
        let Some(payment) = self.ledger.payments.get(&hash) else { return };
        let Attempt { paid_by: node, rebalance, scid, .. } = payment.attempt;
        if self.connected(node).is_some() {
            self.actions.push(Action::TrackPayment { node, rebalance, scid, hash });
        }
    }

    /// A node answers again: it is asked about all that it left open.
    pub(super) fn resume_tracking(&mut self, node: NodeId) {
        let is_unknown = |payment: &&Payment| {
            payment.attempt.paid_by == node && payment.certainty == Certainty::Unknown
        };
        let payments = self.ledger.payments.values().filter(is_unknown);
        let hashes: Vec<PaymentHash> = payments.map(|payment| payment.bill.hash).collect();
        for hash in hashes {
            self.tracked.entry(hash).or_default().tries = 0;
            self.track(hash);
        }
    }

    /// A payment has its outcome: others may have waited for it.
    fn finish(&mut self, attempt: &Attempt, hash: PaymentHash) {
        self.tracked.remove(&hash);
        self.timers.clear(Timer::Track(hash));
        self.unsettled.insert(attempt.point);
        self.unsettled.extend(self.views.points_of(attempt.paid_by));
    }

    /// Takes up what the records left open.
    pub(super) fn recover(&mut self) {
        let payments: Vec<Payment> = self.ledger.payments.values().cloned().collect();
        for payment in payments {
            if payment.certainty == Certainty::Dispatched {
                self.note_unknown(payment.attempt, payment.bill.hash);
            }
        }
        let rebalances: Vec<Rebalance> = self.ledger.rebalances.values().cloned().collect();
        for rebalance in rebalances {
            match rebalance {
                Rebalance::AwaitingInvoice(attempt) => {
                    if attempt.kind == InvoiceKind::Held {
                        self.abandoned.push(attempt.clone());
                    }
                    self.end_unpaid(attempt, None, Cause::Abandoned);
                }
                Rebalance::AwaitingPayment(_, bill) => {
                    self.left_open.insert(bill.hash);
                }
            }
        }
    }

    /// A payee's node answers after a restart of ours: its invoices that were left open are
    /// watched again, and those that nobody was authorized to pay are cancelled.
    pub(super) fn resume_watching(&mut self, node: NodeId) {
        for attempt in self.abandoned.extract_if(.., |attempt| attempt.paid_to == node) {
            let Attempt { rebalance, scid, .. } = attempt;
            self.actions.push(Action::CancelHeld { node, rebalance, scid, hash: None });
        }
        for rebalance in self.ledger.rebalances.values() {
            if let Rebalance::AwaitingPayment(attempt, bill) = rebalance
                && attempt.paid_to == node
                && self.left_open.remove(&bill.hash)
            {
                let (hash, is_paid) = (bill.hash, self.ledger.has_seen(bill.hash));
                let Attempt { rebalance, scid, .. } = *attempt;
                // What a node holds for us, it is asked about first.
                if !is_paid && attempt.kind == InvoiceKind::Plain {
                    self.actions.push(Action::CancelInvoice { node, rebalance, scid, hash });
                }
                self.actions.push(Action::WatchInvoice { node, rebalance, scid, hash });
            }
        }
    }

    /// The invoice that an open payment pays.
    fn offered(&self, hash: PaymentHash) -> String {
        self.ledger.payments.get(&hash).map(|it| it.bill.invoice.clone()).unwrap_or_default()
    }

    /// Whether the payee of an attempt is a node of others.
    fn is_for_peer(&self, attempt: &Attempt) -> bool {
        self.party(attempt.paid_to) != Some(Party::Ours)
    }

    /// Whether a side's figures are older than the last settlement.
    pub(super) fn awaits_snapshot(&self, point: ChannelPoint, node: NodeId) -> bool {
        self.sides.get(&(point, node)).is_some_and(Side::awaits_snapshot)
    }

    /// A payment settled at a side: nothing is decided there until a snapshot shows it.
    pub(super) fn await_snapshot(&mut self, point: ChannelPoint, node: NodeId, hash: PaymentHash) {
        let channel = self.views.of(point, node).map(|view| &view.channel);
        let side = self.sides.entry((point, node)).or_default();
        if side.settled(hash, channel) {
            let is_known = matches!(side.settling, Settling::Awaited { floor: Some(_), .. });
            let wait = if is_known { SNAPSHOT_WAIT } else { Duration::ZERO };
            self.timers.set_at_latest(Timer::SnapshotMissing(point), self.now + wait);
        }
    }
}
