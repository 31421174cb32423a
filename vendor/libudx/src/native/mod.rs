#[allow(dead_code)]
pub mod congestion;
pub mod async_stream;
#[allow(dead_code)]
pub mod header;
pub mod runtime;
pub mod socket;
pub mod stream;
