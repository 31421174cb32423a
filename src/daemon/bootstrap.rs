//! `tightrope bootstrap`: hosts the DHT of a private swarm.

use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;

use crate::swarm::{Bootstrap, SwarmError};

/// Hosts a DHT node on `listen` until `stop`; `is_up` is told where it listens.
pub async fn bootstrap(
    listen: SocketAddr,
    is_up: impl FnOnce(SocketAddr),
    stop: CancellationToken,
) -> Result<(), SwarmError> {
    let node = Bootstrap::listen(listen).await?;
    is_up(node.address());
    stop.cancelled().await;
    node.close().await;
    Ok(())
}
