//! The ways in which peers reach each other.
//!
//! Every connection says which it took, so that a new way is added here first and the compiler
//! names the places that must know of it.

use std::fmt;

/// How a peer is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// Straight to a UDP port that one of the two leaves open.
    Open,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
        })
    }
}
