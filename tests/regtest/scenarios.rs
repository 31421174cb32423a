//! What is shown on real lnd, one room for each subject.

pub(crate) mod changes;
pub(crate) mod check;
pub(crate) mod crash;
pub(crate) mod disk;
pub(crate) mod exact;
pub(crate) mod foreign;
pub(crate) mod ground;
pub(crate) mod held;
pub(crate) mod hostile;
pub(crate) mod legacy;
pub(crate) mod limits;
pub(crate) mod older;
pub(crate) mod once;
pub(crate) mod operator;
pub(crate) mod outage;
pub(crate) mod owners;
pub(crate) mod secrets;
pub(crate) mod triangle;

use std::time::Duration;

/// What peers meet by.
const SECRET: &str = "what the peers of these tests know";
/// How long peers may take to find each other, or to find out that one is gone.
const MEETING_LIMIT: Duration = Duration::from_secs(30);
/// How long from a drift to its settlement, at most, on a machine that has much else to do.
const REBALANCE_LIMIT: Duration = Duration::from_secs(30);
/// The same after a payment of which nobody knows whether it was sent: its node must still not
/// know it 60 s after its invoice expired, which takes 60 s.
const UNKNOWN_LIMIT: Duration = Duration::from_secs(180);
