//! The core: what Tightrope decides, as a pure function of what happened.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod action;
pub mod authorize;
pub mod channel;
pub mod event;
pub mod invoice;
pub mod narrative;
pub mod payment;
pub mod policy;
pub mod rebalance;
pub mod record;
pub mod refusal;
