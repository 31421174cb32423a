//! [`Ground`]: what the nodes of a trial are, and the chain that they live on.

use std::cell::Cell;
use std::sync::Arc;

use super::btcd::Btcd;
use super::simulated::Simulated;

/// What the nodes of a trial are. The suite says it, so that no scenario needs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ground {
    /// Real btcd and lnd.
    Real,
    /// The simulated network.
    Simulated,
}

thread_local! {
    /// Each trial has a thread of its own.
    static GROUND: Cell<Ground> = const { Cell::new(Ground::Real) };
}

impl Ground {
    /// What the trials of this thread stand on.
    pub(crate) fn here() -> Self {
        GROUND.get()
    }

    /// What the suite on it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Real => "regtest",
            Self::Simulated => "simnet",
        }
    }

    /// Has the trials of this thread stand on it.
    pub(crate) fn stand(self) {
        GROUND.set(self);
    }
}

/// What makes the blocks of a network.
#[derive(Debug)]
pub(crate) enum Chain {
    /// btcd.
    Real(Btcd),
    /// The simulated network's own.
    Simulated(Arc<Simulated>),
}

impl Chain {
    /// Makes `count` blocks.
    pub(crate) async fn mine(&self, count: u32) {
        match self {
            Self::Real(btcd) => btcd.mine(count).await,
            Self::Simulated(network) => network.mine(count),
        }
    }

    /// Waits until `count` transactions are there to be mined.
    pub(crate) async fn wait_for_mempool(&self, count: usize) {
        match self {
            Self::Real(btcd) => btcd.wait_for_mempool(count).await,
            // A simulated node has handed its transaction over when it answers.
            Self::Simulated(_) => {}
        }
    }
}
