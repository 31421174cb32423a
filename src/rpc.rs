//! Generated gRPC code, known to `lnd` and tests only.
