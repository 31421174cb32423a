//! [`Network`]: the nodes of the story, real or simulated, behind one door.

use std::path::{Path, PathBuf};

use crate::simnet::NodeDoor;
use crate::simnet::real::Real;

/// Which nodes play.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Real btcd and lnd, with the binaries in this folder.
    Real(PathBuf),
}

/// A running network. Dropped, it ends.
#[derive(Debug)]
pub(super) enum Network {
    /// Real btcd and lnd.
    Real(Real),
}

impl Network {
    /// Starts a node for each of `aliases`, all connected and with money, and tells how to reach
    /// them. What they write goes to `folder`.
    pub(super) async fn start(
        kind: &Kind,
        folder: &Path,
        aliases: &[&str],
    ) -> anyhow::Result<(Self, Vec<NodeDoor>)> {
        match kind {
            Kind::Real(binaries) => {
                let network = Real::start(folder, binaries, aliases).await?;
                let doors = network.nodes()?;
                Ok((Self::Real(network), doors))
            }
        }
    }

    /// Makes blocks, so many new transactions in the first.
    pub(super) async fn confirm(&self, transactions: usize, blocks: u32) -> anyhow::Result<()> {
        match self {
            Self::Real(network) => Ok(network.mine(transactions, blocks).await?),
        }
    }
}
