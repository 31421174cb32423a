//! The operator's hand on real nodes: what the commands show, stop, explain and change, and that
//! nobody who asks holds up a payment.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use libtest_mimic::Completion;
use serde_json::{Value, json};
use tightrope::ids::Scid;

use crate::harness::channel::{Link, Open};
use crate::harness::daemon::Daemon;
use crate::harness::dht::Dht;
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version::Lnd21;
use crate::harness::{proof, wait};

use super::owners::owners;
use super::{MEETING_LIMIT, REBALANCE_LIMIT};

/// For how long nothing moves while all is paused.
const QUIET: Duration = Duration::from_secs(3);
/// How many readers stop reading: more than are let in at once.
const READERS: usize = 40;

/// One owner pauses, the other is told why nothing happens; after the end of the pause it is paid,
/// and shown; and a cap that was lowered meanwhile holds, without a restart.
pub(crate) async fn a_pause_is_seen_on_both_sides_and_a_reload_holds_at_once() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    let dht = Dht::start(network.folder()).await;
    let [mut alice, mut bob] = owners(&network, &dht).await;
    alice.watches(1).await;
    bob.watches(1).await;

    let said = bob.obeys(&["pause", "all", "--for", "2h", "--reason", "moving house"]).await;
    assert!(said.contains("paused"), "{said}");
    network.drift(link, ALICE, 300_000).await;
    explained(&alice, link, "bob's operator has paused payments here").await;
    let shown = bob.obeys(&["status"]).await;
    assert!(shown.contains("moving house") && shown.contains("alice"), "{shown}");
    proof::nothing_moves(&network, &alice, QUIET).await;
    bob.obeys(&["resume", "all"]).await;
    alice.records("rebalanceSettled", link, 1, REBALANCE_LIMIT).await;
    network.agreed_balances(link, ALICE).await.assert_even();

    let since = status(&alice).await["peers"][0]["since"].clone();
    bob.limit("maxTransactionsPerPeriod", json!(1));
    bob.rewrite();
    let said = bob.obeys(&["reload"]).await;
    assert!(said.contains("changed: limits"), "{said}");
    network.drift(link, ALICE, 300_000).await;
    let why = explained(&alice, link, "maxTransactionsPerPeriod").await;
    assert!(why.contains("It may ask again in "), "{why}");
    explained(&bob, link, "bob would not pay").await;
    assert_eq!(status(&alice).await["peers"][0]["since"], since, "the connection was kept");

    let (code, said) = bob.command(&["run"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("process {}", bob.id())), "{said}");
    for daemon in [&mut alice, &mut bob] {
        daemon.comes_to_rest(REBALANCE_LIMIT).await;
        daemon.stop().await;
    }
    proof::check(&network, &alice.journal().and(bob.journal())).await;
}

/// What the metrics say is what happened, and `promtool` finds no fault with them.
pub(crate) async fn the_metrics_tell_what_happened() -> Completion {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    let mut daemon = Daemon::new(&network).await;
    *daemon.setting("/log/level") = json!("warn");
    daemon.start();
    daemon.watches(1).await;
    assert!(!daemon.said().contains("rpc="), "{}", daemon.said());
    *daemon.setting("/log/level") = json!("debug");
    daemon.rewrite();
    daemon.obeys(&["reload"]).await;
    network.drift(link, ALICE, 300_000).await;
    daemon.settles(link, 1, REBALANCE_LIMIT).await;
    daemon.says("SendToRouteV2").await;
    daemon.comes_to_rest(REBALANCE_LIMIT).await;

    let moved = network.agreed_balances(link, ALICE).await.local - 198_778;
    let scid = Scid::new(network.view(link, ALICE).await.chan_id);
    let channel = format!(r#"alias="alice",channel="{scid}",counterparty="bob""#);
    let metrics = wait::until("alice is in balance", REBALANCE_LIMIT, async || {
        let metrics = daemon.client().metrics().await.expect("metrics");
        has(&metrics, "channel_eligible", &channel, 0).then_some(metrics)
    })
    .await;
    for (name, labels, value) in [
        ("rebalances_total", r#"alias="alice",outcome="settled",reason="",role="payee""#, 1),
        ("rebalances_total", r#"alias="bob",outcome="settled",reason="",role="payer""#, 1),
        (MOVED, r#"alias="alice",counterparty="bob",direction="in""#, moved),
        (MOVED, r#"alias="bob",counterparty="alice",direction="out""#, moved),
        ("fees_satoshis_total", r#"alias="alice""#, 0),
        ("drift_to_settled_seconds_count", "", 1),
        ("lnd_rpc_duration_seconds_count", r#"code="Ok",method="SendToRouteV2""#, 1),
        ("audit_usable", "", 1),
    ] {
        assert!(has(&metrics, name, labels, value), "no {name} {labels} {value} in\n{metrics}");
    }
    daemon.stop().await;
    match faults(&metrics) {
        Some(faults) => {
            assert!(faults.is_empty(), "promtool: {faults}");
            Completion::Completed
        }
        None => Completion::ignored_with("no promtool: the metrics' form was not checked"),
    }
}

/// Readers that stop reading, at the socket and at the end of a pipe, do not hold up a payment.
pub(crate) async fn readers_that_stop_reading_hold_up_no_payment() {
    let network = Network::start(&[Lnd21, Lnd21]).await;
    let link = network.open_one(Open::even(ALICE, BOB, 1_000_000)).await;
    let mut daemon = Daemon::new(&network).await;
    daemon.start();
    daemon.watches(1).await;
    let mut watching = Command::new(env!("CARGO_BIN_EXE_tightrope"));
    let mut watching = watching
        .args(["status", "--watch", "--socket"])
        .arg(daemon.socket())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let readers: Vec<UnixStream> = (0..READERS).map(|n| reader(&daemon, n)).collect();

    network.drift(link, ALICE, 300_000).await;
    daemon.settles(link, 1, REBALANCE_LIMIT).await;
    assert!(watching.try_wait().expect("a child of ours").is_none(), "it watches still");

    watching.kill().expect("it is ended");
    watching.wait().expect("it has ended");
    drop(readers);
    daemon.comes_to_rest(REBALANCE_LIMIT).await;
    daemon.stop().await;
    proof::check(&network, &daemon.journal()).await;
}

/// The metric of what rebalances moved.
const MOVED: &str = "rebalanced_satoshis_total";

/// Whether a metric has this value.
fn has(metrics: &str, name: &str, labels: &str, value: i64) -> bool {
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    metrics.lines().any(|line| line == format!("tightrope_{name}{labels} {value}"))
}

/// Somebody who asks for something, and does not read the answer; every third asks by halves.
fn reader(daemon: &Daemon, n: usize) -> UnixStream {
    let mut stream = UnixStream::connect(daemon.socket()).expect("a daemon that listens");
    let path = ["/metrics", "/status", "/metrics"][n % 3];
    let end = if n % 3 == 2 { "" } else { "\r\n\r\n" };
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: here{end}").as_bytes()).expect("taken");
    stream
}

/// What `why` says of a channel, once it says `what`.
async fn explained(daemon: &Daemon, link: Link, what: &str) -> String {
    let point = link.point.to_string();
    wait::until(&format!("why tells {what:?}"), MEETING_LIMIT, async || {
        let said = daemon.obeys(&["why", &point]).await;
        said.contains(what).then_some(said)
    })
    .await
}

async fn status(daemon: &Daemon) -> Value {
    let text = daemon.obeys(&["status", "--json"]).await;
    serde_json::from_str(&text).expect("JSON")
}

/// What `promtool` complains of; `None` where there is none.
fn faults(metrics: &str) -> Option<String> {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    let checking = promtool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut checking = checking.ok()?;
    let mut input = checking.stdin.take().expect("it listens");
    input.write_all(metrics.as_bytes()).expect("it reads");
    drop(input);
    let output = checking.wait_with_output().expect("it ends");
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
