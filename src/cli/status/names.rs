//! [`Names`]: what nodes and channels are called, for those who know no keys by heart.

use std::collections::BTreeMap;

use super::super::printable::printable;
use super::figures::short;
use crate::control::Status;
use crate::core::record::Scope;
use crate::ids::{ChannelPoint, NodeId};

/// The names that a status knows.
#[derive(Debug)]
pub(super) struct Names {
    nodes: BTreeMap<NodeId, String>,
    channels: BTreeMap<ChannelPoint, String>,
}

impl Names {
    /// Collects them. What we call our own node wins over what others call it.
    pub(super) fn of(status: &Status) -> Self {
        let report = &status.report;
        let peers = report.absent_peers.iter().chain(&report.peers);
        let claims = peers.flat_map(|peer| &peer.nodes);
        let claimed = claims.map(|claim| (claim.node, &claim.alias));
        let met = report.sides().map(|channel| (channel.counterparty, &channel.counterparty_alias));
        let ours = report.nodes.iter().map(|node| (node.node, &node.alias));
        let named = claimed.chain(met).chain(ours).filter(|(_, alias)| !alias.is_empty());
        Self {
            nodes: named.map(|(node, alias)| (node, printable(alias))).collect(),
            channels: report
                .sides()
                .map(|channel| (channel.point, channel.scid.to_string()))
                .collect(),
        }
    }

    /// A node's name, or the beginning of its key.
    pub(super) fn node(&self, node: NodeId) -> String {
        self.nodes.get(&node).cloned().unwrap_or_else(|| short(node))
    }

    /// A channel's id, or the beginning of its point.
    pub(super) fn channel(&self, point: ChannelPoint) -> String {
        self.channels.get(&point).cloned().unwrap_or_else(|| short(point))
    }

    /// Where a pause holds: by a name, or else by the whole key, which is to be resumed by.
    pub(super) fn scope(&self, scope: Scope) -> String {
        match scope {
            Scope::All => "everywhere".to_owned(),
            Scope::Node(node) => {
                format!(
                    "node {}",
                    self.nodes.get(&node).cloned().unwrap_or_else(|| node.to_string())
                )
            }
            Scope::Peer(peer) => format!("peer {peer}"),
            Scope::Channel(point) => {
                let known = self.channels.get(&point).cloned();
                format!("channel {}", known.unwrap_or_else(|| point.to_string()))
            }
        }
    }
}
