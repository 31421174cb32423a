//! [`Report`]: what came of a command, for whoever gave it.

use std::fmt;
use std::time::Duration;

use crate::ids::{ChannelPoint, PaymentHash, Scid};
use crate::units::{Msat, Sat};

/// What came of a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Report {
    /// It is paid.
    Paid {
        /// What arrived.
        amount: Msat,
        /// What those between took.
        fee: Msat,
        /// Over how many hops.
        hops: usize,
        /// How long it took.
        took: Duration,
    },
    /// It is not paid, and will not be.
    NotPaid {
        /// What was wrong, in LND's words.
        why: &'static str,
        /// After how many hops that was found.
        after: u32,
    },
    /// It is on its way.
    InFlight {
        /// The payment.
        hash: PaymentHash,
    },
    /// A channel waits for its first block.
    Opening {
        /// Which one.
        channel: ChannelPoint,
    },
    /// A channel waits for its last block.
    Closing {
        /// Which one.
        channel: ChannelPoint,
    },
    /// Blocks were made.
    Mined {
        /// How many.
        blocks: u32,
        /// The height of the last.
        height: u32,
    },
    /// Something is wrong, as it was wanted.
    Broken {
        /// What.
        fault: String,
    },
    /// What was wrong is mended.
    Mended,
    /// What everybody has.
    Balances(Vec<NodeBalance>),
}

/// What a node has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeBalance {
    /// Its name.
    pub alias: String,
    /// Whether it runs.
    pub is_up: bool,
    /// What it has on the chain.
    pub on_chain: Sat,
    /// What it has in channels.
    pub channels: Vec<Balance>,
}

/// What a node has in a channel, by its own word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Balance {
    /// The other end.
    pub with: String,
    /// The channel.
    pub point: ChannelPoint,
    /// Its short id, once it has a block.
    pub scid: Option<Scid>,
    /// This end's.
    pub local: Sat,
    /// The other's.
    pub remote: Sat,
    /// What is on its way, either way.
    pub in_flight: Msat,
    /// Whether it can be used.
    pub is_active: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paid { amount, fee, hops, took } => {
                let hops = if *hops == 1 { "1 hop".to_owned() } else { format!("{hops} hops") };
                let ms = took.as_millis();
                write!(f, "paid: {amount} arrived, fee {fee}, {hops}, {ms} ms")
            }
            Self::NotPaid { why, after } => write!(f, "not paid: {why}, found after {after} hops"),
            Self::InFlight { hash } => write!(f, "on its way: {hash}"),
            Self::Opening { channel } => {
                write!(f, "{channel} is opening: mine 1 to use it, mine 6 to have it announced")
            }
            Self::Closing { channel } => write!(f, "{channel} is closing: mine 1"),
            Self::Mined { blocks, height } => write!(f, "mined {blocks}: the height is {height}"),
            Self::Broken { fault } => write!(f, "{fault}"),
            Self::Mended => write!(f, "nothing is amiss"),
            Self::Balances(nodes) => {
                for (place, node) in nodes.iter().enumerate() {
                    write!(f, "{}{node}", if place == 0 { "" } else { "\n" })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for NodeBalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let down = if self.is_up { "" } else { ", down" };
        write!(f, "{}: {} on chain{down}", self.alias, self.on_chain)?;
        for channel in &self.channels {
            write!(f, "\n  {channel}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scid {
            Some(scid) => write!(f, "{scid} with {}: ", self.with)?,
            None => write!(f, "{} with {}, pending: ", self.point, self.with)?,
        }
        write!(f, "{} here, {} there", self.local, self.remote)?;
        if self.in_flight > Msat::ZERO {
            write!(f, ", {} on its way", self.in_flight)?;
        }
        if self.scid.is_some() && !self.is_active {
            write!(f, ", inactive")?;
        }
        Ok(())
    }
}
