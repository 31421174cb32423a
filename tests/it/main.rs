//! The integration tests: what goes through files, sockets and processes.

#[path = "../fake/rpc.rs"]
mod fake_rpc;
mod rpc;
