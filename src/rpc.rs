//! LND's gRPC: its messages, and the stubs of its clients and servers, generated from `proto/`.
//!
//! A test regenerates and compares them (`tests/it/rpc.rs`). The clients are for [`crate::lnd`],
//! the servers for the simulated network and the fakes of the tests; what the messages mean is
//! their business. Nothing here knows a transport.
#![allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from proto/, where the comments are"
)]

#[rustfmt::skip]
pub mod invoicesrpc;
#[rustfmt::skip]
pub mod lnrpc;
#[rustfmt::skip]
pub mod routerrpc;
