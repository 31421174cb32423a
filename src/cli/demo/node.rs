//! [`Node`]: one of the five nodes, as its owner has it.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::ids::NodeId;
use crate::simnet::NodeDoor;
use crate::simnet::client::{Client, ClientError};

/// What the nodes are called, in order.
pub(super) const ALIASES: [&str; 5] = ["A", "B", "C", "D", "E"];
/// Alice's.
pub(super) const A: usize = 0;
/// Alice's other one.
pub(super) const B: usize = 1;
/// Bob's.
pub(super) const C: usize = 2;
/// Bob's second one.
pub(super) const D: usize = 3;
/// Bob's third one.
pub(super) const E: usize = 4;

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) alias: String,
    pub(super) id: NodeId,
    pub(super) socket: SocketAddr,
    pub(super) certificate: PathBuf,
    /// With every right.
    pub(super) client: Client,
}

impl Node {
    /// The node behind a door.
    pub(super) fn of(door: &NodeDoor) -> Result<Self, ClientError> {
        Ok(Self {
            alias: door.alias.clone(),
            id: door.id,
            socket: door.socket,
            certificate: door.certificate(),
            client: Client::of(door)?,
        })
    }
}
