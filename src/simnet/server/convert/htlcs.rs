//! What passes a node, as `SubscribeHtlcEvents` tells it.

use crate::ids::{NodeId, Scid};
use crate::rpc::routerrpc::htlc_event::{Event, EventType};
use crate::rpc::routerrpc::{
    FinalHtlcEvent, ForwardEvent, ForwardFailEvent, HtlcEvent, HtlcInfo, LinkFailEvent, SettleEvent,
};
use crate::simnet::world::World;
use crate::simnet::world::channel::{Channel, Side};
use crate::simnet::world::htlc::{End, Htlc, HtlcId, Origin};
use crate::simnet::world::notice::{HtlcChange, HtlcEvent as Heard, Part};

use super::nanoseconds;

/// An event.
pub(in super::super) fn event(world: &World, node: NodeId, heard: &Heard) -> HtlcEvent {
    let kind = match heard.part {
        Some(Part::Send) => EventType::Send,
        Some(Part::Receive) => EventType::Receive,
        Some(Part::Forward) => EventType::Forward,
        None => EventType::Unknown,
    };
    let incoming = heard.incoming.and_then(|it| find(world, node, it, false));
    let outgoing = heard.outgoing.and_then(|it| find(world, node, it, true));
    let info = HtlcInfo {
        incoming_timelock: incoming.map_or(0, |htlc| htlc.expiry),
        outgoing_timelock: outgoing.map_or(0, |htlc| htlc.expiry),
        incoming_amt_msat: incoming.map_or(0, |htlc| htlc.amount.msat()),
        outgoing_amt_msat: outgoing.map_or(0, |htlc| htlc.amount.msat()),
    };
    let preimage = || {
        let end = outgoing.or(incoming).and_then(|htlc| htlc.end);
        match end {
            Some(End::Settled(preimage)) => preimage.as_bytes().to_vec(),
            Some(End::Failed(_)) | None => Vec::new(),
        }
    };
    let event = match heard.what {
        HtlcChange::Forwarded => Event::ForwardEvent(ForwardEvent { info: Some(info) }),
        HtlcChange::Settled => Event::SettleEvent(SettleEvent { preimage: preimage() }),
        HtlcChange::ForwardFailed => Event::ForwardFailEvent(ForwardFailEvent {}),
        HtlcChange::LinkFailed(why) => Event::LinkFailEvent(LinkFailEvent {
            info: Some(info),
            failure_string: why.to_owned(),
            ..Default::default()
        }),
        HtlcChange::Final { is_settled } => {
            Event::FinalHtlcEvent(FinalHtlcEvent { settled: is_settled, offchain: true })
        }
    };
    HtlcEvent {
        incoming_channel_id: heard.incoming.map_or(0, |(scid, _)| scid.as_u64()),
        outgoing_channel_id: heard.outgoing.map_or(0, |(scid, _)| scid.as_u64()),
        incoming_htlc_id: heard.incoming.map_or(0, |(_, index)| index),
        outgoing_htlc_id: heard.outgoing.map_or(0, |(_, index)| index),
        timestamp_ns: u64::try_from(nanoseconds(world.now)).unwrap_or(0),
        event_type: kind.into(),
        event: Some(event),
    }
}

/// An HTLC of a node, offered by it or to it.
fn find(world: &World, node: NodeId, name: (Scid, u64), is_own: bool) -> Option<&Htlc> {
    let channel = world.channel_by_scid(name.0)?;
    let side = channel.side(node)?;
    let offerer = if is_own { side } else { side.other() };
    channel.htlcs.get(&HtlcId { offerer, index: name.1 })
}

/// Where `side` has an HTLC of a channel from, or sends it on to: a channel and the index there.
pub(super) fn other_half(
    world: &World,
    channel: &Channel,
    side: Side,
    id: HtlcId,
) -> Option<(Scid, u64)> {
    if id.offerer == side {
        let Origin::Forward { channel, htlc } = channel.htlcs.get(&id)?.origin else { return None };
        return Some((world.channels.get(&channel)?.scid?, htlc.index));
    }
    let origin = Origin::Forward { channel: channel.point, htlc: id };
    world.channels_of(channel.ends[side]).find_map(|(onward, _)| {
        let (sent, _) = onward.htlcs.iter().find(|(_, htlc)| htlc.origin == origin)?;
        Some((onward.scid?, sent.index))
    })
}
