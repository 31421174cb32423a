//! What is shown on real lnd, one room for each subject.

pub(crate) mod exact;
pub(crate) mod ground;
