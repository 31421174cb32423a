//! What the network does, by itself.
