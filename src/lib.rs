//! Tightrope keeps the channels of a cluster of Lightning nodes in balance, unattended.

pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod core;
pub mod daemon;
pub mod ids;
pub mod lnd;
pub mod rpc;
pub mod simnet;
pub mod swarm;
pub mod time;
pub mod units;
pub mod wire;
