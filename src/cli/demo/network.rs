//! [`Network`]: the nodes of the story, real or simulated, behind one door.

use std::path::{Path, PathBuf};

use crate::simnet::real::Real;
use crate::simnet::{LndVersion, NodeDoor, Settings, Simnet};

/// Which nodes play.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Simulated ones, whose keys come from this seed.
    Simulated(u64),
    /// Real btcd and lnd, with the binaries in this folder.
    Real(PathBuf),
}

/// A running network. Dropped, it ends.
#[derive(Debug)]
pub(super) enum Network {
    /// Simulated nodes in this process.
    Simulated(Simnet),
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
            Kind::Simulated(seed) => {
                let settings = Settings { folder: folder.to_owned(), seed: *seed };
                let network = Simnet::start(settings);
                let doors = aliases.iter().map(|alias| network.add(alias, LndVersion::default()));
                let doors = doors.collect::<Result<Vec<_>, _>>()?;
                Ok((Self::Simulated(network), doors))
            }
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
            Self::Simulated(network) => {
                network.mine(blocks);
                Ok(())
            }
            Self::Real(network) => Ok(network.mine(transactions, blocks).await?),
        }
    }
}
