//! The only file that reads a clock.
