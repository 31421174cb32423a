//! What is shown on real lnd, one room for each subject.

pub(crate) mod changes;
pub(crate) mod exact;
pub(crate) mod foreign;
pub(crate) mod ground;
pub(crate) mod older;
pub(crate) mod once;
pub(crate) mod triangle;

/// How long from a drift to its settlement, at most, on a machine that has much else to do.
const REBALANCE_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);
