//! The same story on real and on simulated nodes: every answer and every event, side by side.

mod differences;
mod failures;
mod normal;
mod pair;
mod recorder;
mod refusals;
mod story;

use std::path::Path;

use libtest_mimic::Trial;

use self::recorder::Entry;
use crate::harness::ground::Ground;
use crate::harness::node::Version::{self, Lnd20, Lnd21};
use crate::trial::trial;

/// Simulated nodes say what real ones say, in the same order.
pub(crate) fn trials() -> [Trial; 2] {
    let compared = |name, version| trial(Ground::Real, name, move || compare(version));
    [
        compared("comparison::simulated_nodes_say_what_lnd_0_21_says", Lnd21),
        compared("comparison::simulated_nodes_say_what_lnd_0_20_says", Lnd20),
    ]
}

async fn compare(version: Version) {
    let mut told = Vec::new();
    for ground in [Ground::Simulated, Ground::Real] {
        ground.stand();
        let heard = story::tell(version).await.entries();
        keep(&format!("told-{}-{version:?}.json", ground.name()), &heard);
        told.push(normal::normal(&heard));
    }
    let found = differences::differences(&told[1], &told[0]);
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

/// Keeps what was heard, for whoever looks into a difference.
fn keep(name: &str, heard: &[Entry]) {
    let text = serde_json::to_string_pretty(heard).expect("JSON");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(file, text).expect("a file");
}
