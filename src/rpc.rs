//! LND's gRPC as its clients speak it: messages and stubs, generated from `proto/`.
//!
//! A test regenerates and compares them (`tests/it/rpc.rs`). What the messages mean is the
//! business of [`crate::lnd`], beyond which none of them goes.
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
