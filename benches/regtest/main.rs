//! How long a drift takes to be mended on real lnd, beside a client that does nothing but pay, and
//! what the daemon costs at rest.
//!
//! Run it with `cargo bench --bench regtest`, about ten minutes. It needs Go, as the suite does.

mod drift;
mod rest;

#[path = "../../tests/regtest/harness.rs"]
#[expect(dead_code, reason = "the scenarios use more of it")]
mod harness;

use crate::harness::binaries;

fn main() {
    if binaries::build().is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        drift::print().await;
        rest::print().await;
    });
}

/// Thousandths as a decimal.
fn thousandths(number: u64) -> String {
    format!("{}.{:03}", number / 1000, number % 1000)
}
