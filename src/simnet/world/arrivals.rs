//! What the receiver of an HTLC makes of it: sends it on, takes it for an invoice, gives it back.

use std::time::Duration;

use crate::ids::{ChannelPoint, NodeId, PaymentHash};
use crate::rpc::lnrpc::failure::FailureCode;
use crate::time::Time;

use super::channel::Side;
use super::htlc::{End, Htlc, HtlcId, Origin, Refused, Stage};
use super::invoice::{Arrival, ArrivalState, Invoice, InvoiceState};
use super::notice::{HtlcChange, HtlcEvent, Notice, Part};
use super::payment::Failure;
use super::payments::NO_CHANNEL;
use super::{Due, World};

/// What is said to an HTLC that tells nothing.
const NO_PAYLOAD: Refused = (FailureCode::InvalidOnionPayload, "InvalidOnionPayload");
/// What is said to an HTLC that is meant for another.
const NOT_FOR_US: Refused = (FailureCode::InvalidOnionHmac, "InvalidOnionHmac");
/// How long the parts of a payment wait for each other, as lnd has it.
const PARTS_LIMIT: Duration = Duration::from_secs(120);

impl World {
    /// Has the receiver of an HTLC that is locked in decide about it, unless it is to say nothing.
    pub(super) fn arrive(&mut self, point: ChannelPoint, id: HtlcId) {
        let Some(channel) = self.channels.get(&point) else { return };
        let Some(htlc) = channel.htlcs.get(&id) else { return };
        if htlc.stage != Stage::LockedIn {
            return;
        }
        if !channel.is_active || self.are_stuck(channel.ends.opener, channel.ends.acceptor) {
            self.paused.push((point, Due::Arrival(point, id)));
            return;
        }
        let (receiver, htlc) = (Self::receiver(channel, id), htlc.clone());
        let decided = match htlc.hops.as_slice() {
            // What is told to another key cannot be read.
            [told, ..] if told.node != receiver => Err(NOT_FOR_US),
            [_, _, ..] => self.forward(receiver, point, id, &htlc),
            [_] | [] => self.receive(receiver, point, id, &htlc),
        };
        if let Err((code, why)) = decided {
            self.fail_back(point, id, code, why);
        }
    }

    /// Sends an HTLC on.
    fn forward(
        &mut self,
        node: NodeId,
        point: ChannelPoint,
        id: HtlcId,
        htlc: &Htlc,
    ) -> Result<(), Refused> {
        let [told, next, ..] = htlc.hops.as_slice() else {
            return Err(NO_PAYLOAD);
        };
        let unknown = NO_CHANNEL;
        let onward = self.channel_by_scid(next.scid).ok_or(unknown)?;
        let side = onward.side(node).filter(|side| onward.ends[side.other()] == next.node);
        let side = side.ok_or(unknown)?;
        let (policy, onward) = (onward.policies[side], onward.point);
        if told.amount < policy.htlc_min {
            return Err((FailureCode::AmountBelowMinimum, "AmountBelowMinimum"));
        }
        if htlc.amount < told.amount.saturating_add(policy.fee(told.amount)) {
            return Err((FailureCode::FeeInsufficient, "FeeInsufficient"));
        }
        if htlc.expiry < told.expiry.saturating_add(policy.time_lock_delta) {
            return Err((FailureCode::IncorrectCltvExpiry, "IncorrectCltvExpiry"));
        }
        let sent = Htlc {
            amount: told.amount,
            expiry: told.expiry,
            origin: Origin::Forward { channel: point, htlc: id },
            hops: htlc.hops[1..].to_vec(),
            depth: htlc.depth + 1,
            stage: Stage::Told,
            end: None,
            is_heard: false,
            ..*htlc
        };
        let offered = self.offer(onward, side, sent);
        let (part, incoming) = self.behind(Origin::Forward { channel: point, htlc: id });
        let Ok(HtlcId { index, .. }) = offered else {
            // Whatever is amiss beyond it, to those before it a node calls a failure of the
            // channel.
            return offered
                .map(|_| ())
                .map_err(|(_, why)| (FailureCode::TemporaryChannelFailure, why));
        };
        let outgoing = Some((next.scid, index));
        let what = HtlcChange::Forwarded;
        self.tell(Notice::Htlc {
            node,
            event: HtlcEvent { part: Some(part), incoming, outgoing, what },
        });
        Ok(())
    }

    /// Takes an HTLC for an invoice.
    fn receive(
        &mut self,
        node: NodeId,
        point: ChannelPoint,
        id: HtlcId,
        htlc: &Htlc,
    ) -> Result<(), Refused> {
        let scid = self.channels.get(&point).and_then(|channel| channel.scid).ok_or(NO_CHANNEL)?;
        let (now, height) = (self.clock(node), self.chain.height);
        let told = htlc.hops.first().ok_or(NO_PAYLOAD)?;
        if htlc.amount < told.amount {
            let code = FailureCode::FinalIncorrectHtlcAmount;
            return Err((code, "FinalIncorrectHtlcAmount"));
        }
        if htlc.expiry < told.expiry {
            let code = FailureCode::FinalIncorrectCltvExpiry;
            return Err((code, "FinalIncorrectCltvExpiry"));
        }
        let invoice = self.invoice_mut(node, htlc.hash);
        let invoice = invoice.ok_or_else(|| unknown("invoice not found"))?;
        judge(invoice, htlc, height)?;
        invoice.htlcs.push(Arrival {
            channel: point,
            htlc: id,
            scid,
            amount: htlc.amount,
            total: htlc.shown.total,
            accepted: now,
            accept_height: height,
            expiry_height: htlc.expiry,
            state: ArrivalState::Accepted,
            resolved: None,
        });
        if invoice.paid() < htlc.shown.total {
            self.plan(PARTS_LIMIT, Due::PartsMissing(node, htlc.hash, point, id));
            return Ok(());
        }
        self.paid(node, htlc.hash);
        Ok(())
    }

    /// All of an invoice has come: it is taken, or held.
    fn paid(&mut self, node: NodeId, hash: PaymentHash) {
        let invoice = self.invoice_mut(node, hash);
        let Some(invoice) = invoice else { return };
        if invoice.is_held {
            invoice.state = InvoiceState::Accepted;
            self.tell(Notice::Invoice { node, hash });
        } else {
            self.take_payment(node, hash);
        }
    }

    /// Takes what has come for an invoice whose preimage is known.
    pub(super) fn take_payment(&mut self, id: NodeId, hash: PaymentHash) {
        let now = self.clock(id);
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(invoice) = node.invoices.get_mut(&hash) else { return };
        let Some(preimage) = invoice.preimage else { return };
        node.settled += 1;
        invoice.settle_index = node.settled;
        invoice.state = InvoiceState::Settled { at: now };
        let ends = resolve(invoice, ArrivalState::Settled, now);
        self.tell(Notice::Invoice { node: id, hash });
        for (channel, htlc) in ends {
            let scid = self.channels.get(&channel).and_then(|channel| channel.scid);
            let event = HtlcEvent {
                part: Some(Part::Receive),
                incoming: scid.map(|scid| (scid, htlc.index)),
                outgoing: None,
                what: HtlcChange::Settled,
            };
            self.tell(Notice::Htlc { node: id, event });
            self.end(channel, htlc, End::Settled(preimage));
        }
    }

    /// Gives back what has come for an invoice, which can be paid no more.
    pub(super) fn give_back(&mut self, node: NodeId, hash: PaymentHash) {
        let now = self.clock(node);
        let invoice = self.invoice_mut(node, hash);
        let Some(invoice) = invoice else { return };
        invoice.state = InvoiceState::Canceled;
        let ends = resolve(invoice, ArrivalState::Canceled, now);
        self.tell(Notice::Invoice { node, hash });
        for (channel, htlc) in ends {
            let (code, why) = unknown("canceled");
            self.fail_back(channel, htlc, code, why);
        }
    }

    /// The other parts of a payment have not come in time.
    pub(super) fn give_up_on_parts(
        &mut self,
        node: NodeId,
        hash: PaymentHash,
        channel: ChannelPoint,
        id: HtlcId,
    ) {
        let now = self.clock(node);
        let invoice = self.invoice_mut(node, hash);
        let Some(invoice) = invoice.filter(|it| it.state == InvoiceState::Open) else { return };
        if invoice.cancel_part(channel, id, now) {
            self.fail_back(channel, id, FailureCode::MppTimeout, "mpp timeout");
        }
    }

    /// An HTLC that came for an invoice is given back as its channel is closed over it: an invoice
    /// that was paid with it cannot be settled any more.
    pub(super) fn lose_arrival(&mut self, point: ChannelPoint, id: HtlcId) {
        let Some(channel) = self.channels.get(&point) else { return };
        let Some(htlc) = channel.htlcs.get(&id) else { return };
        let (node, hash) = (Self::receiver(channel, id), htlc.hash);
        if matches!(htlc.end, Some(End::Settled(_))) {
            return;
        }
        let now = self.clock(node);
        let invoice = self.invoice_mut(node, hash);
        let Some(invoice) = invoice else { return };
        if invoice.cancel_part(point, id, now) && invoice.state == InvoiceState::Accepted {
            self.give_back(node, hash);
        }
    }

    /// Gives an HTLC back.
    fn fail_back(&mut self, point: ChannelPoint, id: HtlcId, code: FailureCode, why: &'static str) {
        let Some(channel) = self.channels.get(&point) else { return };
        let Some(htlc) = channel.htlcs.get(&id) else { return };
        let (source, node) = (htlc.depth, Self::receiver(channel, id));
        let is_last = htlc.hops.len() < 2;
        let event = HtlcEvent {
            part: Some(if is_last { Part::Receive } else { Part::Forward }),
            incoming: channel.scid.map(|scid| (scid, id.index)),
            outgoing: htlc.hops.get(1).map(|next| (next.scid, 0)),
            what: HtlcChange::LinkFailed(why),
        };
        self.tell(Notice::Htlc { node, event });
        self.end(point, id, End::Failed(Failure { code, source }));
    }

    /// Gives back what is held for invoices so long that its channel would be closed over it.
    pub(super) fn give_back_what_is_due(&mut self) {
        /// How many blocks before that, as lnd has it.
        const MARGIN: u32 = 12;
        let height = self.chain.height;
        let is_due = |invoice: &&Invoice| {
            let mut waiting = invoice.htlcs.iter();
            waiting.any(|htlc| {
                htlc.state == ArrivalState::Accepted && htlc.expiry_height <= height + MARGIN
            })
        };
        let due: Vec<(NodeId, PaymentHash)> = self
            .nodes
            .values()
            .flat_map(|node| node.invoices.values().map(|invoice| (node.id, invoice)))
            .filter(|(_, invoice)| is_due(invoice))
            .map(|(node, invoice)| (node, invoice.hash))
            .collect();
        for (node, hash) in due {
            self.give_back(node, hash);
        }
    }

    /// Whether HTLCs between two nodes get no answer.
    fn are_stuck(&self, one: NodeId, other: NodeId) -> bool {
        self.stuck.contains(&super::peers::pair(one, other))
    }

    /// The side of a channel that `node` is, by the channel's name.
    pub(super) fn side_of(&self, point: ChannelPoint, node: NodeId) -> Option<Side> {
        self.channels.get(&point).and_then(|channel| channel.side(node))
    }
}

/// What a payee says to whatever it is not owed, lest anybody finds out what it is.
const fn unknown(why: &'static str) -> Refused {
    (FailureCode::IncorrectOrUnknownPaymentDetails, why)
}

/// Whether an HTLC is meant for an invoice; else why not, in lnd's words.
fn judge(invoice: &Invoice, htlc: &Htlc, height: u32) -> Result<(), Refused> {
    let why = if invoice.state != InvoiceState::Open {
        "invoice no longer open"
    } else if htlc.shown.secret != Some(invoice.secret) {
        "payment address mismatch"
    } else if htlc.shown.total < invoice.amount {
        "set total too low for invoice"
    } else if htlc.expiry < height.saturating_add(invoice.cltv) {
        "expiry too soon"
    } else {
        return Ok(());
    };
    Err(unknown(why))
}

/// Decides about all that waits for an invoice, and names it.
fn resolve(invoice: &mut Invoice, state: ArrivalState, now: Time) -> Vec<(ChannelPoint, HtlcId)> {
    let waiting = invoice.htlcs.iter_mut().filter(|it| it.state == ArrivalState::Accepted);
    let decide = |arrival: &mut Arrival| {
        arrival.state = state;
        arrival.resolved = Some(now);
        (arrival.channel, arrival.htlc)
    };
    waiting.map(decide).collect()
}
