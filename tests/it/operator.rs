//! The daemon around a node in process, as its operator meets it over the control socket: reload,
//! pauses, figures, and what it says while its log cannot be used.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use tightrope::config::{self, LogLevel};
use tightrope::control::{Client, Pause, Status};
use tightrope::core::record::Scope;
use tightrope::daemon::{self, DaemonError, Mode, Source, Stopped};

use crate::docs;
use crate::lnd::fake::{Fake, MACAROON, PATIENCE};

#[tokio::test]
async fn a_reload_takes_in_what_it_can_and_names_the_rest() {
    let mut live = Live::new().await;
    live.start().await;
    let calls = live.fake.count("GetInfo");
    live.write(&json!({
        "limits": { "baseSettings": { "maxTransactionsPerPeriod": 7 } },
        "log": { "level": "debug" },
        "swarm": { "maxPeers": 3 },
    }));
    let done = live.client.reload().await.expect("is taken in").done;
    let expected =
        "changed: limits, log.level; changed in the file, and waiting for a restart: swarm";
    assert_eq!(done, expected);
    assert_eq!(live.status().await.report.nodes[0].budget.payments_max, 7);
    assert_eq!(*live.levels.lock().expect("levels"), [LogLevel::Debug]);
    assert_eq!(live.fake.count("GetInfo"), calls, "the node was not connected to again");
    let again = live.client.reload().await.expect("is taken in").done;
    assert_eq!(again, "changed in the file, and waiting for a restart: swarm");
    assert!(live.stop().await.contains("reloaded"));
}

#[tokio::test]
async fn a_refresh_rate_that_is_reloaded_holds_for_nodes_that_are_followed() {
    let mut live = Live::new().await;
    let rate = |seconds: f64| json!({ "limits": { "baseSettings": { "refreshRate": seconds } } });
    live.write(&rate(3600.0));
    live.start().await;
    // There is a second list a second after the first; the next one is far away.
    live.fake.called("ListChannels", 2).await;
    live.write(&rate(0.1));
    live.client.reload().await.expect("is taken in");
    live.fake.called("ListChannels", 4).await;
    live.stop().await;
}

/// Two who ask at once are both told, and what was read last holds.
#[tokio::test]
async fn reloads_that_are_asked_for_at_once_are_done_one_after_the_other() {
    let mut live = Live::new().await;
    live.start().await;
    live.write(&json!({ "limits": { "baseSettings": { "maxTransactionsPerPeriod": 7 } } }));
    let (one, other) = tokio::join!(live.client.reload(), live.client.reload());
    let mut said = [one, other].map(|it| it.expect("is taken in").done);
    said.sort();
    assert!(said.contains(&"changed: limits".to_owned()), "{said:?}");
    assert_eq!(live.status().await.report.nodes[0].budget.payments_max, 7);
    live.stop().await;
}

#[tokio::test]
async fn a_faulty_file_is_refused_whole_with_all_its_faults() {
    let mut live = Live::new().await;
    live.start().await;
    live.write(&json!({
        "limits": { "baseSettings": { "maxTransactionsPerPeriod": 7, "deadzone": 3 } },
        "trustedNods": [],
    }));
    let refused = live.client.reload().await.expect_err("is refused").to_string();
    assert!(refused.contains("limits.baseSettings.deadzone"), "{refused}");
    assert!(refused.contains("did you mean trustedNodes?"), "{refused}");
    fs::write(live.folder.path().join("local.json"), "{ \"secret\": ").expect("is written");
    let refused = live.client.reload().await.expect_err("is refused").to_string();
    assert!(refused.contains("local.json"), "{refused}");
    assert_eq!(live.status().await.report.nodes[0].budget.payments_max, 20);
    assert!(live.stop().await.contains("was not taken in, and all stays as it was"));
}

#[tokio::test]
async fn a_signal_reloads_as_the_command_does() {
    let mut live = Live::new().await;
    live.start().await;
    live.write(&json!({ "limits": { "baseSettings": { "maxTransactionsPerPeriod": 7 } } }));
    live.again.notify_one();
    live.until(|status| status.report.nodes[0].budget.payments_max == 7).await;
    live.stop().await;
}

#[tokio::test]
async fn a_period_beyond_what_is_remembered_waits_for_a_restart() {
    let mut live = Live::new().await;
    live.start().await;
    let period = |period: &str| json!({ "limits": { "baseSettings": { "limitsPeriod": period } } });
    live.write(&period("4h1m"));
    let refused = live.client.reload().await.expect_err("is refused").to_string();
    assert!(refused.contains("limitsPeriod") && refused.contains("restart"), "{refused}");
    for shorter in ["1h", "4h"] {
        live.write(&period(shorter));
        live.client.reload().await.expect(shorter);
    }
    live.write(&period("4h1m"));
    live.stop().await;
    live.start().await;
    assert_eq!(live.status().await.report.nodes[0].budget.period_ms, (4 * 60 + 1) * 60_000);
    live.stop().await;
}

#[tokio::test]
async fn a_pause_outlives_a_restart_and_ends_with_resume() {
    let mut live = Live::new().await;
    live.start().await;
    let reason = Some("moving".to_owned());
    let pause = Pause { scope: "all".to_owned(), for_ms: None, reason: reason.clone() };
    live.client.pause(&pause).await.expect("is paused");
    live.stop().await;
    live.start().await;
    let pauses = live.status().await.report.pauses;
    assert_eq!((pauses[0].scope, &pauses[0].reason), (Scope::All, &reason));
    live.client.resume("all").await.expect("is resumed");
    assert!(live.status().await.report.pauses.is_empty());
    live.stop().await;
}

/// The figures are those that the guide promises, with the same types and labels, no more.
#[tokio::test]
async fn the_metrics_are_those_of_the_guide() {
    let mut live = Live::new().await;
    live.start().await;
    live.client.reload().await.expect("is taken in");
    let text = live.client.metrics().await.expect("an answer");
    let promised = docs::metrics();
    let mut names = BTreeSet::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a type");
            let row = promised.get(name).unwrap_or_else(|| panic!("{name} is not in the guide"));
            assert!(row.starts_with(kind), "{name} is a {kind}, and {row} in the guide");
            names.insert(name.to_owned());
        } else if !line.starts_with('#') {
            let (name, labels) = series(line);
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let name = family.filter(|it| promised.contains_key(*it)).unwrap_or(name);
            for label in labels {
                assert!(promised[name].contains(label), "{name} has no label {label}: {line}");
            }
        }
    }
    for present in [
        "tightrope_build_info",
        "tightrope_start_time_seconds",
        "tightrope_node_up",
        "tightrope_budget_left_satoshis",
        "tightrope_peers",
        "tightrope_open_payments",
        "tightrope_pauses",
        "tightrope_lnd_rpc_duration_seconds",
        "tightrope_drift_to_settled_seconds",
        "tightrope_audit_append_duration_seconds",
        "tightrope_audit_usable",
        "tightrope_swarm_joined",
        "tightrope_reloads_total",
    ] {
        assert!(names.contains(present), "{present} is missing in {text}");
    }
    assert!(text.contains("tightrope_reloads_total{outcome=\"done\"} 1"), "{text}");
    assert!(text.contains("method=\"GetInfo\"") && text.contains("code=\"Ok\""), "{text}");
    live.stop().await;
}

/// Without a log nothing is paid, and whoever asks is told so; limits may be changed meanwhile.
#[tokio::test]
async fn while_the_log_cannot_be_used_that_is_what_is_told() {
    let mut live = Live::new().await;
    let blocked = live.folder.path().join("blocked");
    fs::write(&blocked, "").expect("is written");
    let storage = json!({ "storage": { "path": blocked.join("storage") } });
    live.write(&json!({ "audit": storage }));
    live.begin();
    let status = live.until(|status| !status.log.is_usable).await;
    let error = status.log.error.expect("a reason");
    assert!(error.contains("blocked"), "{error}");
    assert_eq!(status.slots.len(), 1);
    let pause = Pause { scope: "all".to_owned(), for_ms: None, reason: None };
    let refused = live.client.pause(&pause).await.expect_err("cannot be remembered").to_string();
    assert!(refused.contains("nothing is paid"), "{refused}");
    let refused = live.client.why("1x1x1").await.expect_err("nothing is known").to_string();
    assert!(refused.contains("nothing is paid"), "{refused}");
    let text = live.client.metrics().await.expect("an answer");
    assert!(text.contains("tightrope_audit_usable 0"), "{text}");
    live.write(&json!({ "audit": storage, "log": { "level": "warn" } }));
    let done = live.client.reload().await.expect("is taken in").done;
    assert_eq!(done, "changed: log.level");
    live.end().await.expect("stops");
}

/// A storage folder that goes away is noticed though nothing is to be written, and nothing is begun
/// in its place; when it is back, so is everything.
#[tokio::test]
async fn a_log_that_goes_away_is_noticed_and_taken_up_again() {
    let mut live = Live::new().await;
    live.write(&json!({ "control": { "socket": live.path("control.sock") } }));
    live.start().await;
    let pause = Pause { scope: "all".to_owned(), for_ms: None, reason: None };
    live.client.pause(&pause).await.expect("is paused");
    fs::rename(live.path("storage"), live.path("away")).expect("is moved");
    live.until(|status| !status.log.is_usable).await;
    assert!(!live.path("storage").exists());
    fs::rename(live.path("away"), live.path("storage")).expect("is moved back");
    let status = live.until(|status| status.log.is_usable).await;
    assert_eq!(status.report.pauses.len(), 1);
    live.stop().await;
}

/// The name of a line's series, and its labels.
fn series(line: &str) -> (&str, Vec<&str>) {
    let Some((name, rest)) = line.split_once('{') else {
        return (line.split(' ').next().expect("a name"), Vec::new());
    };
    let labels = rest.split("\",").filter_map(|pair| pair.split_once("=\"")).map(|pair| pair.0);
    (name, labels.map(str::trim).filter(|label| *label != "le").collect())
}

/// A daemon that can be asked, its node and its folder.
struct Live {
    fake: Fake,
    folder: TempDir,
    client: Client,
    /// The levels that the log was to follow.
    levels: Arc<Mutex<Vec<LogLevel>>>,
    again: Arc<Notify>,
    stop: CancellationToken,
    running: Option<JoinHandle<Result<Stopped, DaemonError>>>,
}

impl Live {
    /// One that is yet to be started, with nothing of note in its configuration.
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let live = Self {
            fake: Fake::start(true).await,
            client: Client::new(folder.path().join("control.sock")),
            folder,
            levels: Arc::default(),
            again: Arc::default(),
            stop: CancellationToken::new(),
            running: None,
        };
        let certificate = live.fake.endpoint.certificate.as_ref().expect("it has one");
        fs::write(live.path("tls.cert"), certificate).expect("is written");
        fs::write(live.path("macaroon"), MACAROON).expect("is written");
        live.write(&json!({}));
        live
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration, with these keys over the ordinary ones.
    fn write(&self, changes: &Value) {
        let mut local = json!({
            "secret": "correct horse battery staple",
            "lightningNodes": [{
                "socket": self.fake.endpoint.socket,
                "certPath": self.path("tls.cert"),
                "macaroonPath": self.path("macaroon"),
            }],
            "audit": { "storage": { "path": self.path("storage") } },
            "control": { "socket": self.path("control.sock") },
            // No peer is there to be met, least of all outside this machine.
            "swarm": { "bootstrap": ["127.0.0.1:1"], "host": "127.0.0.1", "port": 0 },
        });
        for (key, value) in changes.as_object().expect("keys") {
            match (local.get_mut(key).and_then(Value::as_object_mut), value.as_object()) {
                (Some(known), Some(changed)) => known.extend(changed.clone()),
                (Some(_) | None, _) => local[key] = value.clone(),
            }
        }
        fs::write(self.path("local.json"), local.to_string()).expect("is written");
    }

    /// Starts it, and waits until its node answers.
    async fn start(&mut self) {
        self.begin();
        self.until(|status| status.slots.iter().all(|slot| slot.node.is_some())).await;
    }

    fn begin(&mut self) {
        let dir = self.folder.path().to_owned();
        let read = move || config::load(&dir, std::iter::empty(), json!({}));
        let config = read().expect("a good configuration");
        let levels = Arc::clone(&self.levels);
        let set_level = move |level| levels.lock().expect("levels").push(level);
        let (read, set_level) = (Box::new(read), Box::new(set_level));
        let source = Source { read, set_level, again: Arc::clone(&self.again) };
        self.stop = CancellationToken::new();
        let running = daemon::run(config, source, Mode::Forever, self.stop.clone());
        self.running = Some(tokio::spawn(running));
    }

    async fn status(&self) -> Status {
        self.client.status().await.expect("a status")
    }

    /// The first status that is as it should be.
    async fn until(&self, is_so: impl Fn(&Status) -> bool) -> Status {
        let looking = async {
            loop {
                match self.client.status().await {
                    Ok(status) if is_so(&status) => return status,
                    Ok(_) | Err(_) => tokio::time::sleep(POLL).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.expect("it comes to be so")
    }

    /// Stops it in good order. Returns its event log.
    async fn stop(&mut self) -> String {
        assert_eq!(self.end().await.expect("runs"), Stopped::InGoodOrder);
        let data = self.path("storage").join("event-log").join("data");
        fs::read_to_string(data).expect("an event log")
    }

    async fn end(&mut self) -> Result<Stopped, DaemonError> {
        self.stop.cancel();
        let running = self.running.take().expect("it runs");
        let ended = tokio::time::timeout(PATIENCE, running).await.expect("it ends");
        ended.expect("no panic")
    }
}

/// How often it is looked whether something has come to be so.
const POLL: std::time::Duration = std::time::Duration::from_millis(20);
