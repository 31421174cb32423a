//! One Lightning node that we hold credentials for.
