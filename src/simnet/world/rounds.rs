//! How an HTLC comes into the two commitments of a channel and out of them again (BOLT 2), in the
//! times that were measured on lnd.
//!
//! Each HTLC goes its way by itself: commitments that lnd would sign for several at once are signed
//! for each. What its receiver makes of it is the business of `arrivals`.

use std::time::Duration;

use crate::ids::{ChannelPoint, NodeId};

use super::channel::{Channel, Side};
use super::htlc::{End, Htlc, HtlcId, Origin, Refused, Stage};
use super::notice::{HtlcChange, HtlcEvent, Notice, Part};
use super::{Due, World};

/// From the telling of an HTLC until the receiver has the commitment with it: lnd waits 50 ms for
/// others, to sign for all at once.
const FIRST_SIGNATURE: Duration = Duration::from_millis(64);
/// Until the other end has its own.
const SIGNATURE: Duration = Duration::from_millis(15);
/// Until one end knows that the other has revoked its old one.
const REVOCATION: Duration = Duration::from_millis(18);
/// From the receiver's decision to settle until its offerer hears of it, before anything is signed.
const MESSAGE: Duration = Duration::from_millis(3);

impl World {
    /// Has `offerer` offer an HTLC to the other end of a channel.
    pub(super) fn offer(
        &mut self,
        point: ChannelPoint,
        offerer: Side,
        htlc: Htlc,
    ) -> Result<HtlcId, Refused> {
        let Some(channel) = self.channels.get_mut(&point) else {
            return Err(super::payments::NO_CHANNEL);
        };
        channel.carries(offerer, htlc.amount, htlc.expiry, self.chain.height)?;
        let id = HtlcId { offerer, index: channel.offered[offerer] };
        channel.offered[offerer] += 1;
        channel.htlcs.insert(id, htlc);
        self.plan(FIRST_SIGNATURE, Due::Htlc(point, id));
        Ok(id)
    }

    /// Has an HTLC come one stage further, or wait where the channel is not active.
    pub(super) fn advance(&mut self, point: ChannelPoint, id: HtlcId) {
        let Some(channel) = self.channels.get_mut(&point) else { return };
        let Some(stage) = channel.htlcs.get(&id).map(|htlc| htlc.stage) else { return };
        if !channel.is_active {
            self.paused.push((point, Due::Htlc(point, id)));
            return;
        }
        let (offerer, receiver) = (id.offerer, id.offerer.other());
        let (signed, next) = match stage {
            Stage::Told => {
                channel.put(receiver, id);
                (Some(receiver), Stage::InReceivers)
            }
            Stage::InReceivers => {
                channel.put(offerer, id);
                (Some(offerer), Stage::InBoth)
            }
            Stage::InBoth => (None, Stage::LockedIn),
            // It waits for its receiver.
            Stage::LockedIn => return,
            Stage::Ended => {
                channel.take(offerer, id);
                (Some(offerer), Stage::InReceiversOnly)
            }
            Stage::InReceiversOnly => {
                channel.take(receiver, id);
                self.tell_commitment(point, receiver);
                self.forget(point, id);
                return;
            }
        };
        if let Some(htlc) = channel.htlcs.get_mut(&id) {
            htlc.stage = next;
        }
        if let Some(holder) = signed {
            self.tell_commitment(point, holder);
        }
        match next {
            Stage::LockedIn => self.arrive(point, id),
            Stage::InBoth => self.plan(REVOCATION, Due::Htlc(point, id)),
            Stage::Told | Stage::InReceivers | Stage::Ended | Stage::InReceiversOnly => {
                self.plan(SIGNATURE, Due::Htlc(point, id));
            }
        }
    }

    /// Has the receiver of an HTLC that is locked in say how it ends.
    pub(super) fn end(&mut self, point: ChannelPoint, id: HtlcId, end: End) {
        let htlc = self.channels.get_mut(&point).and_then(|channel| channel.htlcs.get_mut(&id));
        let Some(htlc) = htlc.filter(|htlc| htlc.stage == Stage::LockedIn) else { return };
        htlc.stage = Stage::Ended;
        htlc.end = Some(end);
        // A preimage is worth the money at once; a failure counts when it is signed for.
        if matches!(end, End::Settled(_)) {
            self.plan(MESSAGE, Due::Heard(point, id));
        }
        self.plan(SIGNATURE, Due::Htlc(point, id));
    }

    /// Has the offerer of an HTLC hear of its end.
    pub(super) fn hear(&mut self, point: ChannelPoint, id: HtlcId) {
        let Some(channel) = self.channels.get(&point) else { return };
        if !channel.is_active {
            self.paused.push((point, Due::Heard(point, id)));
            return;
        }
        let Some(htlc) = self.channels.get_mut(&point).and_then(|it| it.htlcs.get_mut(&id)) else {
            return;
        };
        htlc.is_heard = true;
        let htlc = htlc.clone();
        self.heard(point, id, &htlc);
    }

    /// An HTLC is out of both commitments, or was never in one.
    pub(super) fn forget(&mut self, point: ChannelPoint, id: HtlcId) {
        let Some(channel) = self.channels.get_mut(&point) else { return };
        let Some(htlc) = channel.htlcs.remove(&id) else { return };
        let is_settled = matches!(htlc.end, Some(End::Settled(_)));
        let receiver = channel.ends[id.offerer.other()];
        let event = HtlcEvent {
            part: None,
            incoming: channel.scid.map(|scid| (scid, id.index)),
            outgoing: None,
            what: HtlcChange::Final { is_settled },
        };
        if htlc.stage != Stage::Told {
            self.tell(Notice::Htlc { node: receiver, event });
        }
        if !is_settled {
            self.give_back_later(point, id, htlc);
        } else if !htlc.is_heard {
            // Its channel was closed before: the preimage stands on the chain.
            self.heard(point, id, &htlc);
        }
    }

    /// The offerer of an HTLC that is out of both commitments hears so, when the last of the old
    /// ones is revoked; at once where it was never sent, or its channel is closed.
    fn give_back_later(&mut self, point: ChannelPoint, id: HtlcId, htlc: Htlc) {
        let is_open = self.channels.get(&point).is_some_and(Channel::is_open);
        if is_open && htlc.stage != Stage::Told {
            self.plan(REVOCATION, Due::GivenBack(point, id, Box::new(htlc)));
        } else {
            self.heard(point, id, &htlc);
        }
    }

    /// The offerer knows how an HTLC of its ended.
    pub(super) fn heard(&mut self, point: ChannelPoint, id: HtlcId, htlc: &Htlc) {
        let (Some(channel), Some(end)) = (self.channels.get(&point), htlc.end) else { return };
        let offerer = channel.ends[id.offerer];
        let what = match end {
            End::Settled(_) => HtlcChange::Settled,
            End::Failed(_) => HtlcChange::ForwardFailed,
        };
        let (part, incoming) = self.behind(htlc.origin);
        let outgoing = channel.scid.map(|scid| (scid, id.index));
        let event = HtlcEvent { part: Some(part), incoming, outgoing, what };
        self.tell(Notice::Htlc { node: offerer, event });
        match htlc.origin {
            Origin::Payment { attempt } => self.attempt_ended(offerer, htlc.hash, attempt, end),
            Origin::Forward { channel, htlc } => self.end(channel, htlc, end),
        }
    }

    /// What the offerer of an HTLC has to do with it, and where it had it from.
    pub(super) fn behind(&self, origin: Origin) -> (Part, Option<(crate::ids::Scid, u64)>) {
        match origin {
            Origin::Payment { .. } => (Part::Send, None),
            Origin::Forward { channel, htlc } => {
                let scid = self.channels.get(&channel).and_then(|channel| channel.scid);
                (Part::Forward, scid.map(|scid| (scid, htlc.index)))
            }
        }
    }

    /// Tells the holder of a commitment that it has a new one, unless it is to know nothing.
    fn tell_commitment(&mut self, point: ChannelPoint, holder: Side) {
        let Some(node) = self.channels.get(&point).map(|channel| channel.ends[holder]) else {
            return;
        };
        if self.node(node).is_some_and(|node| node.faults.stale.is_none()) {
            self.tell(Notice::Commitment { node, channel: point });
        }
    }

    /// Whom an HTLC is offered to.
    pub(super) fn receiver(channel: &Channel, id: HtlcId) -> NodeId {
        channel.ends[id.offerer.other()]
    }
}
