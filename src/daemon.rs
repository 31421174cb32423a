//! The daemon: one loop around the core.
