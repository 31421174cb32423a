//! Hosts a node of the DHT, over which a private swarm is entered.
//!
//! It holds no secret and sees none: which peer is where is all that it is told.

use std::net::SocketAddr;

use peeroxide_dht::hyperdht::HyperDhtConfig;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::SwarmError;
use super::node::Node;

/// A running DHT node that others enter the DHT over. It ends when this is dropped.
#[derive(Debug)]
pub struct Bootstrap {
    address: SocketAddr,
    served: JoinHandle<()>,
    /// Dropped, it ends the task.
    stop: DropGuard,
}

impl Bootstrap {
    /// Listens for UDP on `address`, at which others must see this machine; port 0 means any.
    pub async fn listen(address: SocketAddr) -> Result<Self, SwarmError> {
        if !address.is_ipv4() {
            return Err(SwarmError::NotIpv4 { host: address.ip() });
        }
        if address.ip().is_unspecified() {
            return Err(SwarmError::NoAddress { address });
        }
        let listen = |source| SwarmError::Listen { address, source: Box::new(source) };
        let mut config = HyperDhtConfig::default();
        config.dht.host = address.ip().to_string();
        config.dht.port = address.port();
        // One whom everybody knows stays, and is never behind a firewall.
        config.dht.ephemeral = Some(false);
        config.dht.firewalled = false;
        let (node, mut requests) = Node::start(config).await.map_err(listen)?;
        let port = node.dht().local_port().await.map_err(listen)?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let served = tokio::spawn(async move {
            // Whoever dials this node itself is not answered: it is no peer.
            let answer_nobody = async { while requests.recv().await.is_some() {} };
            stopped.run_until_cancelled(answer_nobody).await;
            node.end().await;
        });
        let address = SocketAddr::new(address.ip(), port);
        Ok(Self { address, served, stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it.
    pub async fn close(self) {
        drop(self.stop);
        // The task cannot fail but by a panic, which has been told.
        drop(self.served.await);
    }
}
