//! [`Drift`]: payments from outside that take a channel out of balance.

use std::time::Duration;

use tokio::time::sleep;

use super::cast::Link;
use crate::ids::ChannelPoint;
use crate::simnet::client::{Client, ClientError};
use crate::units::Sat;

/// How far the payments of one channel are apart, so that an eye can follow.
const PAUSE: Duration = Duration::from_millis(40);
/// How often one is tried that crosses with another.
const TRIES_MAX: usize = 5;

/// What is to be paid over a channel.
#[derive(Clone, Debug)]
pub(super) struct Drift {
    pub(super) link: Link,
    /// The place of the node that pays.
    pub(super) payer: usize,
    /// Each payment, in sat.
    pub(super) sats: Vec<u64>,
}

/// The same as the two nodes can do it.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    pub(super) payer: Client,
    pub(super) payee: Client,
    pub(super) point: ChannelPoint,
    pub(super) sats: Vec<u64>,
}

impl Drift {
    /// The place of the node that is paid.
    pub(super) const fn payee(&self) -> usize {
        if self.payer == self.link.near { self.link.far } else { self.link.near }
    }

    /// What it comes to.
    pub(super) fn total(&self) -> u64 {
        self.sats.iter().sum()
    }
}

impl Traffic {
    /// Pays, one after the other.
    pub(super) async fn flow(self) -> Result<(), ClientError> {
        for sat in &self.sats {
            for tried in 1.. {
                match self.payer.pay(&self.payee, self.point, Sat::new(*sat)).await {
                    Ok(_) => break,
                    // A rebalance or a block came in between, as it may for any payment.
                    Err(ClientError::Unpaid { .. }) if tried < TRIES_MAX => sleep(PAUSE).await,
                    Err(error) => return Err(error),
                }
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }
}
