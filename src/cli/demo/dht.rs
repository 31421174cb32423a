//! [`Dht`]: the place where the daemons of the story find each other, on this machine alone.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::daemon::bootstrap::bootstrap;

/// A DHT node in this process. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Dht {
    address: SocketAddr,
    _stop: DropGuard,
    _hosting: JoinHandle<()>,
}

impl Dht {
    /// Hosts one on a free port.
    pub(super) async fn host() -> anyhow::Result<Self> {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (tell, told) = oneshot::channel();
        let (failed, fails) = oneshot::channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let hosting = tokio::spawn(async move {
            // Where nobody waits for it any longer, it is over.
            let is_up = |address| {
                let _ = tell.send(address);
            };
            if let Err(error) = bootstrap(listen, is_up, stopped).await {
                drop(failed.send(error));
            }
        });
        match told.await {
            Ok(address) => Ok(Self { address, _stop: stop.drop_guard(), _hosting: hosting }),
            Err(_) => Err(fails.await.context("the private DHT has ended")?.into()),
        }
    }

    /// Where it is found.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}
