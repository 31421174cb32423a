//! The harness: nodes, real or simulated, the real daemon, and traffic from outside of it.
//!
//! Everything that it starts is killed when the value that stands for it is dropped, in a panic
//! too, and dies with the test process itself. What is to be shown is said by the scenarios.

pub(crate) mod binaries;
mod btcd;
pub(crate) mod channel;
pub(crate) mod daemon;
pub(crate) mod dht;
pub(crate) mod ground;
pub(crate) mod journal;
pub(crate) mod legacy;
mod lnd;
pub(crate) mod member;
pub(crate) mod network;
pub(crate) mod node;
#[path = "../interop/packages.rs"]
mod packages;
pub(crate) mod ports;
mod process;
pub(crate) mod proof;
pub(crate) mod random;
mod rpc;
#[path = "../secrets.rs"]
pub(crate) mod secrets;
mod simulated;
pub(crate) mod traffic;
pub(crate) mod wait;
