//! [`Standing`]: how a channel stands, and what keeps it from being at rest.

use super::stage::{HIGHEST, LOWEST, share};
use crate::control::Status;
use crate::simnet::client::ChannelState;

/// A channel as both its ends see it, and both daemons.
#[derive(Debug)]
pub(super) struct Standing {
    /// The end that is named first at first.
    pub(super) ends: [ChannelState; 2],
    /// Nothing of a daemon that does not answer.
    pub(super) statuses: [Option<Status>; 2],
}

impl Standing {
    /// Why the channel is not at rest, if it is not. What a daemon does that does not answer is
    /// not known, so nothing is at rest then.
    pub(super) fn unrest(&self) -> Option<&'static str> {
        let [near, far] = self.ends;
        let is_open = |status: &Status| status.report.open.iter().any(|it| it.point == near.point);
        if near.local != far.remote || near.remote != far.local {
            Some("its ends do not agree")
        } else if near.htlcs + far.htlcs > 0 {
            Some("a payment is in flight")
        } else if share(near).is_none_or(|share| share < LOWEST || HIGHEST < share) {
            Some("it is out of its deadzone")
        } else if self.statuses.iter().any(Option::is_none) {
            Some("a daemon does not say what it does with it")
        } else if self.statuses.iter().flatten().any(is_open) {
            Some("a rebalance is under way")
        } else {
            None
        }
    }
}
