//! [`Real`]: real btcd and lnd on this machine, for `tightrope demo --real`.
//!
//! It is here, beside what it stands in for, because only `lnd` and `simnet` may know `rpc`. The
//! tests do not use it: `tests/regtest` has a harness of its own. Its binaries serve both; here
//! they are found, not built. All that is started here ends with the value that stands for it, and
//! with this process.

mod btcd;
mod node;
mod ports;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::btcd::{Btcd, NOBODY};
use self::node::Node;
use super::client::ClientError;
use super::process::ProcessError;
use super::{NodeDoor, client};

/// Where the binaries are, below the top of the repository.
pub const BINARIES: &str = "target/regtest";
/// What is needed of them.
const NEEDED: [&str; 3] = ["btcd", "btcctl", "lnd-0.21"];
/// At btcd's commit, soft forks become active on regtest at height 432.
const BLOCKS: u32 = 450;
/// What each node but the first, who has the blocks, is given: ten bitcoin.
const GIFT_SAT: i64 = 1_000_000_000;
/// How often something is looked at that is waited for.
const STEP: Duration = Duration::from_millis(20);
/// How long anything may take here; two nodes start in one or two seconds on two cores.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Why there is no real network.
#[derive(Debug, thiserror::Error)]
pub enum RealError {
    /// The binaries are not there.
    #[error(
        "real nodes need {needed}, and {missing} is not in {} (build them with `bash \
        tests/regtest/build.sh`, which needs Go, or name their folder with --binaries)",
        folder.display()
    )]
    NotBuilt {
        /// Where they should be.
        folder: PathBuf,
        /// All that is needed.
        needed: String,
        /// What is missing.
        missing: String,
    },
    /// A file or a folder cannot be made.
    #[error("{} cannot be written (is the disk full?)", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No port is free.
    #[error("no TCP port from {first} to {last} is free on 127.0.0.1 (what listens on them all?)")]
    NoPort {
        /// The first that was tried.
        first: u16,
        /// The last one.
        last: u16,
    },
    /// A program does not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A node does not do what it should.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The chain does not do what it should.
    #[error("btcd does not do {question}: {said}")]
    Chain {
        /// What was asked of it.
        question: String,
        /// What it said.
        said: String,
    },
    /// Something does not come.
    #[error("after {} s still waiting until {what} (see what {} says)",
        TIME_MAX.as_secs(), folder.display())]
    TooSlow {
        /// What was waited for.
        what: String,
        /// Where the programs' output is.
        folder: PathBuf,
    },
}

/// A running network. Dropped, it ends.
///
/// The nodes end before the chain: an lnd that has lost its chain takes long to end.
#[derive(Debug)]
pub struct Real {
    nodes: Vec<Node>,
    btcd: Btcd,
    folder: PathBuf,
}

impl Real {
    /// Starts a node for each of `aliases`, with money, connected to all others, and without
    /// channels. The binaries are in `binaries`; all that is written goes to `folder`.
    pub async fn start(
        folder: &Path,
        binaries: &Path,
        aliases: &[&str],
    ) -> Result<Self, RealError> {
        find(binaries)?;
        // The blocks must pay the first node from the first on, and only it can say how: it is
        // started once on a chain that is thrown away, which needs a block for it to serve.
        let btcd = Btcd::start(folder, binaries, NOBODY).await?;
        btcd.mine(1).await?;
        let mut nodes = Vec::new();
        for alias in aliases {
            nodes.push(Node::new(alias, folder.join(alias), binaries, &btcd)?);
        }
        let [first, others @ ..] = nodes.as_mut_slice() else {
            return Ok(Self { nodes, btcd, folder: folder.to_owned() });
        };
        first.start().await?;
        let address = first.address().await?;
        first.kill();
        let btcd = btcd.restart(&address).await?;
        btcd.mine(BLOCKS).await?;
        first.spawn()?;
        for node in others.iter_mut() {
            node.spawn()?;
        }
        for node in &mut nodes {
            node.wait_for_service().await?;
        }
        let network = Self { nodes, btcd, folder: folder.to_owned() };
        network.fund().await?;
        network.introduce().await?;
        Ok(network)
    }

    /// How to reach its nodes.
    pub fn nodes(&self) -> Result<Vec<NodeDoor>, RealError> {
        self.nodes.iter().map(Node::door).collect()
    }

    /// Waits until so many transactions are there to be mined, makes `blocks` blocks, and waits
    /// until all nodes have seen them.
    pub async fn mine(&self, transactions: usize, blocks: u32) -> Result<(), RealError> {
        let what = format!("{transactions} transactions are there to be mined");
        until(&what, &self.folder, async || {
            Ok((self.btcd.waiting().await? >= transactions).then_some(()))
        })
        .await?;
        self.btcd.mine(blocks).await?;
        for node in &self.nodes {
            node.wait_for_sync().await?;
        }
        Ok(())
    }

    /// The first node gives to the others.
    async fn fund(&self) -> Result<(), RealError> {
        let Some((first, others)) = self.nodes.split_first() else { return Ok(()) };
        for node in &self.nodes {
            node.wait_for_sync().await?;
        }
        first.wait_for_money().await?;
        let mut gifts = HashMap::new();
        for node in others {
            gifts.insert(node.address().await?, GIFT_SAT);
        }
        if gifts.is_empty() {
            return Ok(());
        }
        first.give(gifts).await?;
        self.mine(1, 1).await?;
        for node in others {
            node.wait_for_money().await?;
        }
        Ok(())
    }

    /// Connects each node with each.
    async fn introduce(&self) -> Result<(), RealError> {
        for (place, node) in self.nodes.iter().enumerate() {
            for other in self.nodes.iter().skip(place + 1) {
                node.connect(other).await?;
            }
        }
        Ok(())
    }
}

/// Whether all binaries are in `folder`.
fn find(folder: &Path) -> Result<(), RealError> {
    let missing: Vec<&str> =
        NEEDED.into_iter().filter(|name| !folder.join(name).is_file()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (needed, missing) = (NEEDED.join(", "), missing.join(", "));
    Err(RealError::NotBuilt { folder: folder.to_owned(), needed, missing })
}

/// Waits until `probe` finds something; an error of it counts as nothing yet.
async fn until<T>(
    what: &str,
    folder: &Path,
    mut probe: impl AsyncFnMut() -> Result<Option<T>, RealError>,
) -> Result<T, RealError> {
    let deadline = Instant::now() + TIME_MAX;
    loop {
        if let Ok(Some(found)) = probe().await {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(RealError::TooSlow { what: what.to_owned(), folder: folder.to_owned() });
        }
        sleep(STEP).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_is_named_with_what_builds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("btcd"), "").expect("a file");
        let told = find(folder.path()).expect_err("two are missing").to_string();
        assert!(told.contains("btcctl, lnd-0.21 is not in"), "{told}");
        assert!(told.contains("bash tests/regtest/build.sh"), "{told}");
    }
}
