//! Listing a node's channels, and its own bounds for one of them.

use super::permissions::{GET_CHAN_INFO, LIST_CHANNELS};
use super::{Lnd, LndError, convert};
use crate::core::channel::{Channel, Forwarding};
use crate::ids::{ChannelPoint, NodeId, Scid};
use crate::rpc::lnrpc;
use crate::units::Msat;

impl Lnd {
    /// The node's open channels, or only those with `with`.
    ///
    /// A channel that cannot be read is left out and named in the log: it is not to be touched,
    /// but it must not keep the others from being kept in balance.
    pub async fn channels(&self, with: Option<NodeId>) -> Result<Vec<Channel>, LndError> {
        let mut client = self.lightning();
        let peer = with.map(|node| node.as_bytes().to_vec()).unwrap_or_default();
        let request = lnrpc::ListChannelsRequest { peer, ..Default::default() };
        let list = self.ask(LIST_CHANNELS, client.list_channels(request)).await?;
        Ok(list.channels.iter().filter_map(readable).collect())
    }

    /// The node's own bounds for the HTLCs that it sends over a channel.
    ///
    /// Asked for by `scid`, and by `point` where the node's graph has the channel under another
    /// id, as it does a zero-conf channel that is confirmed by now.
    pub async fn forwarding(
        &self,
        me: NodeId,
        point: ChannelPoint,
        scid: Scid,
    ) -> Result<Forwarding, LndError> {
        let by_scid = lnrpc::ChanInfoRequest { chan_id: scid.as_u64(), ..Default::default() };
        let mut client = self.lightning();
        let edge = match self.ask(GET_CHAN_INFO, client.get_chan_info(by_scid)).await {
            Err(error) if error.is_not_found() => {
                let chan_point = point.to_string();
                let by_point = lnrpc::ChanInfoRequest { chan_point, ..Default::default() };
                self.ask(GET_CHAN_INFO, client.get_chan_info(by_point)).await?
            }
            answer => answer?,
        };
        bounds(&edge, me).ok_or_else(|| LndError::Unreadable {
            what: "own policy of a channel",
            found: point.to_string(),
        })
    }
}

/// The channel, if it can be read; else the log says which one cannot.
pub(super) fn readable(channel: &lnrpc::Channel) -> Option<Channel> {
    convert::channel(channel)
        .map_err(|field| {
            tracing::warn!(channel = channel.channel_point, field, "a channel cannot be read");
        })
        .ok()
}

/// What `me` keeps to on the channel of `edge`.
fn bounds(edge: &lnrpc::ChannelEdge, me: NodeId) -> Option<Forwarding> {
    let me = me.to_string();
    let policy = if edge.node1_pub == me {
        edge.node1_policy
    } else if edge.node2_pub == me {
        edge.node2_policy
    } else {
        None
    }?;
    Some(Forwarding {
        htlc_min: Msat::new(u64::try_from(policy.min_htlc).ok()?),
        // A policy of old may come without a maximum.
        htlc_max: match policy.max_htlc_msat {
            0 => Msat::MAX,
            max => Msat::new(max),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_those_of_our_own_end() {
        let (me, other) = (NodeId::new([2; 33]), NodeId::new([3; 33]));
        let policy = |max_htlc_msat| lnrpc::RoutingPolicy {
            min_htlc: 1000,
            max_htlc_msat,
            ..Default::default()
        };
        let edge = lnrpc::ChannelEdge {
            node1_pub: other.to_string(),
            node2_pub: me.to_string(),
            node1_policy: Some(policy(5)),
            node2_policy: Some(policy(99_000)),
            ..Default::default()
        };
        let expected = Forwarding { htlc_min: Msat::new(1000), htlc_max: Msat::new(99_000) };
        assert_eq!(bounds(&edge, me), Some(expected));
        assert_eq!(bounds(&edge, NodeId::new([4; 33])), None);
        assert_eq!(bounds(&lnrpc::ChannelEdge { node2_policy: None, ..edge }, me), None);
    }
}
