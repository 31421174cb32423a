//! [`Network`]: a private chain with funded nodes on it, on the ground that the suite has chosen.

use std::ops::{Index, IndexMut};

use tempfile::TempDir;
use tightrope::rpc::lnrpc;

use super::btcd::{Btcd, NOBODY};
use super::ground::{Chain, Ground};
use super::node::{Node, Version};
use super::simulated::Simulated;

/// The first node of a network.
pub(crate) const ALICE: usize = 0;
/// The second one.
pub(crate) const BOB: usize = 1;
/// The third one.
pub(crate) const CAROL: usize = 2;
/// Their names.
const ALIASES: [&str; 3] = ["alice", "bob", "carol"];

/// At btcd's commit soft forks become active on regtest at height 432.
const BLOCKS: u32 = 450;
/// What each node but Alice, who has the blocks, is given: ten bitcoin.
const GIFT_SAT: i64 = 1_000_000_000;
/// What people pay for a transaction here.
pub(crate) const SAT_PER_VBYTE: u64 = 2;

/// Nodes that are connected to each other, with money and without channels.
///
/// The nodes end before the chain: an lnd that has lost its chain takes long to end.
#[derive(Debug)]
pub(crate) struct Network {
    nodes: Vec<Node>,
    pub(super) chain: Chain,
    folder: TempDir,
}

impl Network {
    /// Starts one node for each version: Alice, Bob, Carol.
    pub(crate) async fn start(versions: &[Version]) -> Self {
        // On a disk that is a real one, unlike /tmp on many machines: what the logs cost is true.
        let folder = tempfile::Builder::new().tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("a temporary folder");
        match Ground::here() {
            Ground::Real => Self::start_real(folder, versions).await,
            Ground::Simulated => Self::start_simulated(folder, versions).await,
        }
    }

    async fn start_real(folder: TempDir, versions: &[Version]) -> Self {
        // The blocks must pay Alice from the first on, and only she can say how: she is started
        // once on a chain that is thrown away, which needs a block for her to serve.
        let chain = Chain::Real(Btcd::start(folder.path(), NOBODY).await);
        chain.mine(1).await;
        let mut alice = Node::start(ALIASES[ALICE], versions[ALICE], folder.path(), &chain).await;
        let address = alice.address().await;
        alice.kill();
        let Chain::Real(btcd) = chain else { unreachable!("it was made above") };
        let chain = Chain::Real(btcd.restart(&address).await);
        chain.mine(BLOCKS).await;

        alice.start_again().await;
        let mut nodes = vec![alice];
        for (alias, version) in ALIASES.into_iter().zip(versions).skip(1) {
            nodes.push(Node::start(alias, *version, folder.path(), &chain).await);
        }
        let network = Self { nodes, chain, folder };
        network.fund().await;
        network.introduce().await;
        network
    }

    /// Simulated nodes have money, and know each other, from the start.
    async fn start_simulated(folder: TempDir, versions: &[Version]) -> Self {
        let chain = Chain::Simulated(Simulated::start(folder.path()));
        let mut nodes = Vec::new();
        for (alias, version) in ALIASES.into_iter().zip(versions) {
            nodes.push(Node::start(alias, *version, folder.path(), &chain).await);
        }
        Self { nodes, chain, folder }
    }

    /// Its nodes.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A folder that vanishes with the network.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Makes `count` blocks and waits until all nodes that run have seen them.
    pub(crate) async fn mine(&self, count: u32) {
        self.chain.mine(count).await;
        for node in &self.nodes {
            node.wait_for_sync().await;
        }
    }

    /// Alice gives to the others.
    async fn fund(&self) {
        for node in &self.nodes {
            node.wait_for_sync().await;
        }
        self[ALICE].wait_for_money().await;
        let mut gifts = std::collections::HashMap::new();
        for node in &self.nodes[1..] {
            gifts.insert(node.address().await, GIFT_SAT);
        }
        if gifts.is_empty() {
            return;
        }
        let request = lnrpc::SendManyRequest {
            addr_to_amount: gifts,
            sat_per_vbyte: SAT_PER_VBYTE,
            ..Default::default()
        };
        self[ALICE].rpc().lightning().send_many(request).await.expect("gifts");
        self.chain.wait_for_mempool(1).await;
        self.mine(1).await;
        for node in &self.nodes {
            node.wait_for_money().await;
        }
    }

    /// Connects each node with each.
    async fn introduce(&self) {
        for (place, node) in self.nodes.iter().enumerate() {
            for other in &self.nodes[place + 1..] {
                node.connect(other).await;
            }
        }
    }
}

impl Index<usize> for Network {
    type Output = Node;

    fn index(&self, place: usize) -> &Node {
        &self.nodes[place]
    }
}

impl IndexMut<usize> for Network {
    fn index_mut(&mut self, place: usize) -> &mut Node {
        &mut self.nodes[place]
    }
}
