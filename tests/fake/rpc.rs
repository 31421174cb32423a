//! LND's gRPC as a node serves it, generated from `proto/`: for the fakes of the tests.
//!
//! The messages are those of [`tightrope::rpc`]; only the services are here.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from proto/"
)]

#[rustfmt::skip]
#[path = "rpc/invoicesrpc.rs"]
pub mod invoicesrpc;
#[rustfmt::skip]
#[path = "rpc/lnrpc.rs"]
pub mod lnrpc;
#[rustfmt::skip]
#[path = "rpc/routerrpc.rs"]
pub mod routerrpc;
