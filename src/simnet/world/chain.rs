//! [`Chain`]: blocks that are made when somebody asks for them, and what waits to be in one.
//!
//! What follows from a transaction that is in a block is the business of `funding`.

use sha2::{Digest, Sha256};

use crate::ids::ChannelPoint;

/// The height at which a network begins: past all soft forks of regtest.
const BEGIN: u32 = 450;

/// The chain that all nodes follow.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// The height of the newest block.
    pub(crate) height: u32,
    /// What waits for a block, in this order.
    pub(crate) waiting: Vec<Transaction>,
}

/// A transaction that concerns a node.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Transaction {
    /// Funds a channel.
    Funding(ChannelPoint),
    /// Closes one.
    Closing(ChannelPoint),
}

impl Chain {
    /// A chain without anything of interest on it.
    pub(crate) const fn new() -> Self {
        Self { height: BEGIN, waiting: Vec::new() }
    }

    /// The hash of the block at `height`, as it is displayed.
    pub(crate) fn block_hash(height: u32) -> [u8; 32] {
        Sha256::digest([b"block".as_slice(), &height.to_be_bytes()].concat()).into()
    }
}
