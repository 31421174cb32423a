//! Payments: begun by a route or an invoice, tried again, and brought to their end.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use lightning_invoice::Bolt11Invoice;

use crate::ids::{NodeId, PaymentHash, Scid};
use crate::rpc::lnrpc::PaymentFailureReason;
use crate::rpc::lnrpc::failure::FailureCode;
use crate::units::Msat;

use super::htlc::{End, Htlc, Origin, Refused, Shown, Stage};
use super::node::Node;
use super::notice::{HtlcChange, HtlcEvent, Notice, Part};
use super::path::{self, Wanted};
use super::payment::{
    Attempt, AttemptState, Failure, NewPayment, Payment, PaymentState, Plan, Route,
};
use super::{Due, World};

/// Why an HTLC does not go over a channel that is not there.
pub(super) const NO_CHANNEL: Refused = (FailureCode::UnknownNextPeer, "UnknownNextPeer");
/// The least part that a payment is split into, as lnd has it.
const PART_MIN: Msat = Msat::new(10_000_000);
/// How soon a payment of a node that is down is looked at again.
const AGAIN: Duration = Duration::from_secs(1);

/// Why a payment is not begun.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PayError {
    /// It has arrived.
    #[error("invoice is already paid")]
    AlreadyPaid,
    /// It is on its way.
    #[error("payment is in transition")]
    InTransition,
    /// More would be on its way than is to arrive.
    #[error(
        "attempted value exceeds payment amount: attempted={} mSAT, payment amount={} mSAT",
        attempted.msat(), amount.msat()
    )]
    TooMuch {
        /// What would be on its way.
        attempted: Msat,
        /// What is to arrive.
        amount: Msat,
    },
    /// It was begun, and forgotten: a fault that somebody wants.
    #[error("the payment was begun, and is never sent")]
    Forgotten,
    /// The invoice cannot be paid.
    #[error("{0}")]
    Invoice(String),
    /// The node would pay itself.
    #[error("self-payments not allowed")]
    Itself,
    /// The route leads nowhere.
    #[error("empty route hops provided")]
    NoHops,
}

impl World {
    /// A payment of a node.
    pub(crate) fn payment(&self, node: NodeId, hash: PaymentHash) -> Option<&Payment> {
        self.node(node)?.payments.get(&hash)
    }

    /// Sends one HTLC over a given route (`SendToRouteV2`), and returns its attempt.
    pub(crate) fn send_to_route(
        &mut self,
        id: NodeId,
        hash: PaymentHash,
        route: Route,
    ) -> Result<u64, PayError> {
        if route.hops.is_empty() {
            return Err(PayError::NoHops);
        }
        let (arrives, whole) = (route.arrives(), route.shown.total);
        match self.payment(id, hash) {
            Some(known) if matches!(known.state, PaymentState::Succeeded(_)) => {
                return Err(PayError::AlreadyPaid);
            }
            Some(known) if known.state == PaymentState::InFlight => {
                let attempted = known.sent().saturating_add(arrives);
                if attempted > known.amount {
                    return Err(PayError::TooMuch { attempted, amount: known.amount });
                }
            }
            Some(_) | None => self.begin(id, hash, whole, None),
        }
        if arrives > whole {
            return Err(PayError::TooMuch { attempted: arrives, amount: whole });
        }
        if self.forgets(id) {
            return Err(PayError::Forgotten);
        }
        Ok(self.launch(id, hash, route))
    }

    /// Begins to pay an invoice (`SendPaymentV2`), by whatever routes and parts it takes.
    pub(crate) fn send_payment(
        &mut self,
        id: NodeId,
        wanted: NewPayment,
    ) -> Result<PaymentHash, PayError> {
        let (hash, plan, amount) = self.plan_payment(id, wanted)?;
        if plan.payee == id && !plan.wanted.may_pay_itself {
            return Err(PayError::Itself);
        }
        match self.payment(id, hash).map(|payment| payment.state) {
            Some(PaymentState::Succeeded(_)) => return Err(PayError::AlreadyPaid),
            Some(PaymentState::InFlight) => return Err(PayError::InTransition),
            Some(PaymentState::Failed(_)) | None => {}
        }
        self.begin(id, hash, amount, Some(plan));
        if self.forgets(id) {
            return Err(PayError::Forgotten);
        }
        self.plan(Duration::ZERO, Due::Attempt(id, hash));
        Ok(hash)
    }

    /// What a payment of an invoice comes to.
    fn plan_payment(
        &self,
        id: NodeId,
        wanted: NewPayment,
    ) -> Result<(PaymentHash, Plan, Msat), PayError> {
        let fault = |text: String| PayError::Invoice(text);
        let invoice = Bolt11Invoice::from_str(&wanted.request)
            .map_err(|error| fault(format!("invalid payment request: {error}")))?;
        let amount = match invoice.amount_milli_satoshis() {
            Some(asked) => Msat::new(asked),
            None if wanted.amount > Msat::ZERO => wanted.amount,
            None => {
                return Err(fault(
                    "amount must be specified when paying a zero amount invoice".into(),
                ));
            }
        };
        // One that ends beyond all time has not.
        let ends = invoice.duration_since_epoch().checked_add(invoice.expiry_time());
        if ends.is_some_and(|ends| ends < Duration::from_millis(self.clock(id).unix_ms())) {
            return Err(fault("invoice expired".into()));
        }
        let payee = NodeId::new(invoice.recover_payee_pub_key().serialize());
        let hash = PaymentHash::from_slice(invoice.payment_hash().as_ref())
            .map_err(|error| fault(error.to_string()))?;
        let cltv = u32::try_from(invoice.min_final_cltv_expiry_delta())
            .map_err(|error| fault(error.to_string()))?;
        let plan = Plan {
            payee,
            shown: Shown { secret: Some(invoice.payment_secret().0), total: amount },
            cltv,
            hints: hints(&invoice),
            deadline: self.now + Duration::from_secs(wanted.patience_s.into()),
            too_much: std::collections::BTreeMap::new(),
            wanted,
        };
        Ok((hash, plan, amount))
    }

    fn forgets(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.faults.forgets)
    }

    /// Begins a payment; one that had failed is begun anew, and forgotten as it was.
    fn begin(&mut self, id: NodeId, hash: PaymentHash, amount: Msat, plan: Option<Plan>) {
        let now = self.clock(id);
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let request = plan.as_ref().map(|plan| plan.wanted.request.clone());
        let payment = Payment {
            index: node.next_payment(),
            hash,
            amount,
            request,
            begun: now,
            state: PaymentState::InFlight,
            attempts: Vec::new(),
            doomed: None,
            plan,
        };
        node.payments.insert(hash, payment);
        self.tell(Notice::Payment { node: id, hash });
    }

    /// Sends an HTLC on its way.
    fn launch(&mut self, id: NodeId, hash: PaymentHash, route: Route) -> u64 {
        let now = self.clock(id);
        let attempt = self.nodes.get_mut(&id).map_or(0, Node::next_attempt);
        let first = route.hops[0];
        let htlc = Htlc {
            hash,
            amount: route.amount,
            expiry: route.time_lock,
            origin: Origin::Payment { attempt },
            hops: route.hops.clone(),
            shown: route.shown,
            depth: 1,
            stage: Stage::Told,
            end: None,
            is_heard: false,
        };
        let tried = Attempt {
            id: attempt,
            route,
            begun: now,
            state: AttemptState::InFlight,
            resolved: None,
        };
        if let Some(payment) = self.payment_mut(id, hash) {
            payment.attempts.push(tried);
        }
        self.tell(Notice::Payment { node: id, hash });
        let point = self.channel_by_scid(first.scid).map(|channel| channel.point);
        let side = point.and_then(|point| self.side_of(point, id));
        let offered = match (point, side) {
            (Some(point), Some(side)) => self.offer(point, side, htlc),
            (_, _) => Err(NO_CHANNEL),
        };
        let (index, what) = match offered {
            Ok(htlc) => (htlc.index, HtlcChange::Forwarded),
            Err((_, why)) => (0, HtlcChange::LinkFailed(why)),
        };
        let outgoing = Some((first.scid, index));
        let event = HtlcEvent { part: Some(Part::Send), incoming: None, outgoing, what };
        self.tell(Notice::Htlc { node: id, event });
        if let Err((code, _)) = offered {
            self.attempt_ended(id, hash, attempt, End::Failed(Failure { code, source: 0 }));
        }
        attempt
    }

    /// Begins the next attempts of a payment by an invoice, as many as it takes.
    pub(super) fn attempt(&mut self, id: NodeId, hash: PaymentHash) {
        if !self.node(id).is_some_and(|node| node.is_up) {
            self.plan(AGAIN, Due::Attempt(id, hash));
            return;
        }
        let Some(payment) = self.payment(id, hash) else { return };
        let Some(plan) = payment.plan.clone() else { return };
        let fees: Msat = payment.under_way().map(|it| it.route.fees()).sum();
        let parts = payment.under_way().count();
        let left = payment.amount.saturating_sub(payment.sent());
        let is_decided = payment.doomed.is_some() || payment.preimage().is_some();
        if payment.state != PaymentState::InFlight || is_decided || left == Msat::ZERO {
            return;
        }
        if self.now > plan.deadline {
            self.doom(id, hash, PaymentFailureReason::FailureReasonTimeout);
            return;
        }
        let parts_left =
            plan.wanted.parts_max.saturating_sub(u32::try_from(parts).unwrap_or(u32::MAX));
        let fee_max = plan.wanted.fee_max.saturating_sub(fees);
        // Parts of what cannot be sent in whole would only be held by the payee for a while.
        let parts_left = if self.sendable(id) < left { 0 } else { parts_left };
        let route = shares(left, parts_left).find_map(|amount| {
            path::find(self, &Wanted { payer: id, plan: &plan, amount, fee_max })
        });
        if let Some(route) = route {
            let is_part = route.arrives() < left;
            self.launch(id, hash, route);
            if is_part {
                self.plan(Duration::ZERO, Due::Attempt(id, hash));
            }
            return;
        }
        if parts == 0 {
            let reason = self.why_no_route(id, left);
            self.doom(id, hash, reason);
        }
    }

    /// What a node could send over all its channels at once.
    fn sendable(&self, id: NodeId) -> Msat {
        let own = self.channels_of(id).filter(|(channel, _)| channel.is_active);
        own.map(|(channel, side)| channel.sendable(side)).sum()
    }

    /// Why no way was found for an amount.
    fn why_no_route(&self, id: NodeId, amount: Msat) -> PaymentFailureReason {
        if self.sendable(id) < amount {
            PaymentFailureReason::FailureReasonInsufficientBalance
        } else {
            PaymentFailureReason::FailureReasonNoRoute
        }
    }

    /// An attempt has come to its end.
    pub(super) fn attempt_ended(&mut self, id: NodeId, hash: PaymentHash, attempt: u64, end: End) {
        let now = self.clock(id);
        let Some(payment) = self.payment_mut(id, hash) else { return };
        let Some(tried) = payment.attempts.iter_mut().find(|it| it.id == attempt) else { return };
        tried.resolved = Some(now);
        match end {
            End::Settled(preimage) => tried.state = AttemptState::Settled(preimage),
            End::Failed(failure) => {
                tried.state = AttemptState::Failed(failure);
                let is_last =
                    usize::try_from(failure.source).is_ok_and(|it| it >= tried.route.hops.len());
                match &mut payment.plan {
                    Some(plan) if !is_last => learn(plan, &tried.route, failure),
                    Some(_) | None => {
                        payment.doomed.get_or_insert_with(|| reason_of(failure, is_last));
                    }
                }
            }
        }
        payment.conclude();
        let goes_on = payment.state == PaymentState::InFlight;
        self.tell(Notice::Payment { node: id, hash });
        if goes_on {
            self.plan(Duration::ZERO, Due::Attempt(id, hash));
        }
    }

    /// A payment is to be tried no more; it has failed when none of its attempts is on its way.
    fn doom(&mut self, id: NodeId, hash: PaymentHash, reason: PaymentFailureReason) {
        let Some(payment) = self.payment_mut(id, hash) else { return };
        if payment.state == PaymentState::InFlight {
            payment.doomed.get_or_insert(reason);
            payment.conclude();
            self.tell(Notice::Payment { node: id, hash });
        }
    }

    /// A node that is started again fails what it had begun and never sent.
    pub(super) fn fail_what_was_never_sent(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        let unsent = node.payments.values().filter(|payment| {
            payment.state == PaymentState::InFlight && payment.under_way().next().is_none()
        });
        let unsent: Vec<PaymentHash> = unsent.map(|payment| payment.hash).collect();
        for hash in unsent {
            self.doom(id, hash, PaymentFailureReason::FailureReasonError);
        }
    }

    fn payment_mut(&mut self, id: NodeId, hash: PaymentHash) -> Option<&mut Payment> {
        self.nodes.get_mut(&id)?.payments.get_mut(&hash)
    }
}

/// The channels that an invoice names.
fn hints(invoice: &Bolt11Invoice) -> BTreeSet<Scid> {
    let hints = invoice.route_hints();
    let hops = hints.iter().flat_map(|hint| &hint.0);
    hops.map(|hop| Scid::new(hop.short_channel_id)).collect()
}

/// What to try to send at once of what is left: all of it, or else halves of halves in whole
/// satoshis, as long as there may be several parts.
fn shares(left: Msat, parts_left: u32) -> impl Iterator<Item = Msat> {
    let half = move |part: &Msat| {
        let half = Msat::new(part.msat().div_ceil(2)).whole();
        (parts_left > 1 && half >= PART_MIN).then_some(half)
    };
    std::iter::successors((parts_left > 0).then_some(left), half)
}

impl Payment {
    /// Comes to its end, where no attempt is on its way and it is known what that is: it has
    /// arrived if any part has, for the payee takes all parts or none.
    fn conclude(&mut self) {
        if self.state != PaymentState::InFlight || self.under_way().next().is_some() {
            return;
        }
        self.state = match (self.preimage(), self.doomed) {
            (Some(preimage), _) => PaymentState::Succeeded(preimage),
            (None, Some(reason)) => PaymentState::Failed(reason),
            (None, None) => PaymentState::InFlight,
        };
    }
}

/// Why a payment fails of which an attempt came back, from its payee or from elsewhere.
fn reason_of(failure: Failure, is_from_payee: bool) -> PaymentFailureReason {
    if is_from_payee && failure.code == FailureCode::IncorrectOrUnknownPaymentDetails {
        PaymentFailureReason::FailureReasonIncorrectPaymentDetails
    } else {
        PaymentFailureReason::FailureReasonError
    }
}

/// Remembers over which hop an amount did not go.
fn learn(plan: &mut Plan, route: &Route, failure: Failure) {
    let Ok(place) = usize::try_from(failure.source) else { return };
    let Some(hop) = route.hops.get(place) else { return };
    // What was to go over the hop is what the node before it was told to send on.
    let amount = match place.checked_sub(1) {
        Some(before) => route.hops[before].amount,
        None => route.amount,
    };
    let known = plan.too_much.entry((hop.scid, hop.node)).or_insert(amount);
    *known = (*known).min(amount);
}
