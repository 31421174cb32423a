//! What the daemon costs while nothing happens: memory, processor, calls to its nodes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use crate::harness::channel::Open;
use crate::harness::daemon::Daemon;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::Lnd21;
use crate::thousandths;

/// How many channels the two nodes share.
const CHANNELS: usize = 4;
/// How long after its start it counts as at rest: its runtime ends idle threads after 10 s.
const SETTLING: Duration = Duration::from_secs(30);
/// How long memory and processor are watched.
const WATCHED: Duration = Duration::from_secs(120);
/// How long calls are counted: three times as long as from one safety poll to the next, where
/// lnd tells of changed balances and `refreshRate` is 10 s.
const COUNTED: Duration = Duration::from_secs(300);

/// Measures, and prints the figures.
#[expect(clippy::print_stdout, reason = "the figures are the program's output")]
pub(crate) async fn print() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    network.open(&[Open::even(ALICE, BOB, 1_000_000); CHANNELS]).await;
    let mut daemon = Daemon::new(&network).await;
    daemon.limit("refreshRate", json!(10));
    daemon.start();
    daemon.watches(CHANNELS).await;
    sleep(SETTLING).await;

    let (began, calls, before) = (Instant::now(), calls(&daemon), ran_ns(daemon.id()));
    sleep_until(began + WATCHED).await;
    let after = ran_ns(daemon.id());
    assert!(before.keys().eq(after.keys()), "threads came and went: {before:?}, {after:?}");
    let ran_ns = after.values().sum::<u64>() - before.values().sum::<u64>();
    let rss_kb = rss_kb(daemon.id());
    let watched_ns = u64::try_from(WATCHED.as_nanos()).expect("a while");
    let share = thousandths(ran_ns * 100_000 / watched_ns);
    println!("at rest over {} s with {CHANNELS} channels:", WATCHED.as_secs());
    println!("resident memory: {} MB", thousandths(rss_kb * 1000 / 1024));
    println!("processor: {share} % of a core");

    sleep_until(began + COUNTED).await;
    let calls = self::calls(&daemon) - calls;
    let node_hours = COUNTED.as_secs() * 2;
    println!("calls per node and hour: {}", calls * 3600 / node_hours);
    daemon.stop().await;
}

/// How long each thread of a process has run.
fn ran_ns(id: u32) -> BTreeMap<OsString, u64> {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).expect("a process that runs");
    let ran = threads.map(|thread| {
        let thread = thread.expect("a thread");
        let figures = std::fs::read_to_string(thread.path().join("schedstat"));
        let figures = figures.expect("its figures");
        let ran = figures.split_whitespace().next().expect("the first of them");
        (thread.file_name(), ran.parse().expect("a number"))
    });
    ran.collect()
}

/// The memory of a process.
fn rss_kb(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"));
    let status = status.expect("a process that runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// How often it has called a node, by what it says.
fn calls(daemon: &Daemon) -> u64 {
    u64::try_from(daemon.said().matches(" rpc=").count()).expect("a few")
}
