//! [`Daemon`]: the real binary on real nodes, with a least-privilege macaroon for each.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tightrope::control::Client;
use tightrope::lnd::Lnd;

use super::channel::Link;
use super::dht::Dht;
use super::journal::Journal;
use super::network::Network;
use super::node::Node;
use super::process::Process;
use super::wait;

/// How long the daemon may take from its start until it knows all channels.
const WATCH_LIMIT: Duration = Duration::from_secs(20);
/// How long it may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Where it looks for others unless it is told: there are none, here or elsewhere.
const NOWHERE: &str = "127.0.0.1:1";
/// How many of its last lines are shown when a test fails.
const LINES_SHOWN: usize = 40;

/// A daemon with its config and its storage, running or not.
#[derive(Debug)]
pub(crate) struct Daemon {
    folder: PathBuf,
    /// What is written to `local.json` at each start.
    pub(crate) config: Value,
    process: Option<Process>,
}

impl Daemon {
    /// A daemon for all nodes of a network, not started.
    pub(crate) async fn new(network: &Network) -> Self {
        Self::of(network, network.nodes().iter()).await
    }

    /// A daemon for some of the nodes of a network, not started.
    pub(crate) async fn of(network: &Network, owned: impl IntoIterator<Item = &Node>) -> Self {
        let folder = tempfile::Builder::new().prefix("daemon-").tempdir_in(network.folder());
        // It vanishes with the network.
        let folder = folder.expect("a folder for the daemon").keep();
        let mut nodes = Vec::new();
        for node in owned {
            nodes.push(credentials(node, &node.bake(Lnd::PERMISSIONS).await));
        }
        let config = json!({
            "secret": "secret",
            "allowWeakSecret": true,
            "lightningNodes": nodes,
            "swarm": { "bootstrap": [NOWHERE], "host": "127.0.0.1", "port": 0 },
            "audit": { "storage": { "path": folder.join("storage") }, "shouldMask": [] },
            "limits": { "baseSettings": { "minTimeBetweenPayments": "100ms", "refreshRate": 1 } },
            "log": { "level": "debug" },
        });
        std::fs::create_dir_all(folder.join("config")).expect("a folder for the config");
        Self { folder, config, process: None }
    }

    /// Has it meet those who know `secret` over `dht`.
    pub(crate) fn meet(&mut self, dht: &Dht, secret: &str) {
        self.config["secret"] = json!(secret);
        self.config["swarm"]["bootstrap"] = json!([dht.address()]);
    }

    /// Sets one of the limits that hold for all nodes.
    pub(crate) fn limit(&mut self, key: &str, value: Value) {
        self.config["limits"]["baseSettings"][key] = value;
    }

    /// The setting at a JSON pointer, such as `/limits/baseSettings/deadzone`.
    pub(crate) fn setting(&mut self, pointer: &str) -> &mut Value {
        let (parent, key) = pointer.rsplit_once('/').expect("a JSON pointer");
        &mut self.config.pointer_mut(parent).expect("a setting's parent")[key]
    }

    /// Where the logs lie.
    pub(crate) fn storage(&self) -> PathBuf {
        let path = self.config["audit"]["storage"]["path"].as_str();
        PathBuf::from(path.expect("a storage folder"))
    }

    /// Starts it.
    pub(crate) fn start(&mut self) {
        self.run(&["run"]);
    }

    /// Starts it for one pass, and waits until that is over; it must end well.
    pub(crate) async fn run_once(&mut self, limit: Duration) {
        self.run(&["run", "--once"]);
        self.wait_for_end("its one pass is over", limit).await;
    }

    /// Runs `tightrope check`: its exit code, and what it prints.
    pub(crate) async fn check(&self) -> (Option<i32>, String) {
        self.rewrite();
        self.command(&["check"]).await
    }

    /// Runs a command with its config as it was last written: the exit code, and what it says.
    pub(crate) async fn command(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tightrope"));
        command.arg("--config").arg(self.folder.join("config")).args(arguments);
        let output = command.output().await.expect("the binary runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Runs a command that must succeed, and returns what it says.
    pub(crate) async fn obeys(&self, arguments: &[&str]) -> String {
        let (code, said) = self.command(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        said
    }

    /// Where it can be asked.
    pub(crate) fn socket(&self) -> PathBuf {
        self.storage().join("control.sock")
    }

    /// Asks it without a command.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.socket())
    }

    /// Writes the config as it is now.
    pub(crate) fn rewrite(&self) {
        self.write_config();
    }

    /// Writes the config, and names its folder.
    fn write_config(&self) -> PathBuf {
        let folder = self.folder.join("config");
        let config = serde_json::to_vec_pretty(&self.config).expect("JSON");
        std::fs::write(folder.join("local.json"), config).expect("a config");
        folder
    }

    fn run(&mut self, arguments: &[&str]) {
        assert!(self.process.is_none(), "the daemon is running");
        let folder = self.write_config();
        let options = ["--config".to_owned(), folder.display().to_string()];
        let arguments = options.into_iter().chain(arguments.iter().map(|&it| it.to_owned()));
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_tightrope"));
        let arguments: Vec<String> = arguments.collect();
        self.process = Some(Process::spawn(&binary, &arguments, &self.folder.join("stderr")));
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.as_ref().expect("a daemon that runs").id()
    }

    /// Ends it in mid-sentence (SIGKILL).
    pub(crate) fn kill9(&mut self) {
        self.process.take().expect("a daemon that runs").kill();
    }

    /// Asks it to stop (SIGTERM), and waits until it has; it must end well.
    pub(crate) async fn stop(&mut self) {
        self.process.as_ref().expect("a daemon that runs").terminate();
        self.wait_for_end("it has stopped", STOP_LIMIT).await;
    }

    async fn wait_for_end(&mut self, what: &str, limit: Duration) {
        let process = self.process.as_mut().expect("a daemon that runs");
        let status = wait::until(what, limit, async || process.exited()).await;
        assert!(status.success(), "the daemon ended with {status}");
        self.process = None;
    }

    /// What it has said on stderr, since its first start.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }

    /// What it has written.
    pub(crate) fn journal(&self) -> Journal {
        Journal::read(&self.storage())
    }

    /// Waits until its logs show something; it must not end meanwhile.
    pub(crate) async fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut(&Journal) -> Option<T>,
    ) -> T {
        wait::until(what, limit, async || {
            if let Some(status) = self.process.as_mut().and_then(Process::exited) {
                panic!("the daemon ended with {status}, still waiting until {what}");
            }
            probe(&self.journal())
        })
        .await
    }

    /// Waits until it watches so many channels.
    pub(crate) async fn watches(&mut self, count: usize) {
        let what = format!("{count} channels are watched");
        self.wait_for(&what, WATCH_LIMIT, |journal| {
            // Each start begins anew.
            let starting = journal.events.iter().rposition(|event| event.event == "starting")?;
            let since = &journal.events[starting..];
            let told = |name| since.iter().filter(move |event| event.event == name).count();
            let watched = told("startWatchingChannel") - told("stopWatchingChannel");
            (watched == count).then_some(())
        })
        .await;
    }

    /// Waits until it has told so often that a channel leads to a node of a peer.
    pub(crate) async fn shares(&mut self, count: usize, limit: Duration) {
        let what = format!("{count} channels with a peer's nodes are found");
        self.wait_for(&what, limit, |journal| {
            (journal.told("peerSharedChannel").count() >= count).then_some(())
        })
        .await;
    }

    /// Waits until it says on stderr what holds `text`.
    pub(crate) async fn says(&mut self, text: &str) {
        let what = format!("it says {text:?}");
        wait::until(&what, WATCH_LIMIT, async || self.said().contains(text).then_some(())).await;
    }

    /// Waits until it tells, in the event log, an error that holds `text`.
    pub(crate) async fn tells_error(&mut self, text: &str) {
        let what = format!("it tells the error {text:?}");
        self.wait_for(&what, WATCH_LIMIT, |journal| {
            let mut errors =
                journal.told("error").filter_map(|event| event.data["message"].as_str());
            errors.any(|message| message.contains(text)).then_some(())
        })
        .await;
    }

    /// Waits until it tells that a side of a channel rests for a reason, and returns its figures.
    pub(crate) async fn rests(&mut self, link: Link, code: &str) -> Value {
        let what = format!("{} rests because of {code}", link.point);
        self.wait_for(&what, WATCH_LIMIT, |journal| {
            rests(journal, link).find(|rest| rest["code"] == code).cloned()
        })
        .await
    }

    /// The same, where the payer would refuse.
    pub(crate) async fn refuses(&mut self, link: Link, code: &str) -> Value {
        let what = format!("the payer would refuse on {} because of {code}", link.point);
        self.wait_for(&what, WATCH_LIMIT, |journal| {
            let mut refusals = rests(journal, link).map(|rest| &rest["refusal"]);
            refusals.find(|refusal| refusal["code"] == code).cloned()
        })
        .await
    }

    /// Waits until every attempt and every payment that it has recorded has an end.
    pub(crate) async fn comes_to_rest(&mut self, limit: Duration) {
        self.wait_for("all payments have ended", limit, |journal| {
            let count = |records: [&str; 2]| records.map(|record| journal.of(record).count());
            let ended = |records| count(records).into_iter().sum::<usize>();
            let begun = count(["rebalanceOpened", "paymentIntended"]);
            let ended = [
                ended(["rebalanceSettled", "rebalanceFailed"]),
                ended(["paymentSettled", "paymentFailed"]),
            ];
            (begun == ended).then_some(())
        })
        .await;
    }

    /// Waits until it has told so often that it has reached a node.
    pub(crate) async fn finds(&mut self, node: &Node, count: usize) {
        self.tells_of("lightningConnected", node, count).await;
    }

    /// Waits until it has told so often that it has lost a node.
    pub(crate) async fn loses(&mut self, node: &Node, count: usize) {
        self.tells_of("lightningDisconnect", node, count).await;
    }

    async fn tells_of(&mut self, event: &str, node: &Node, count: usize) {
        let what = format!("{event} is told of {} {count} times", node.alias());
        let id = node.id().to_string();
        self.wait_for(&what, WATCH_LIMIT, |journal| {
            let told = journal.told(event).filter(|event| event.data["publicKey"] == id.as_str());
            (told.count() >= count).then_some(())
        })
        .await;
    }

    /// Waits until it has made so many records of one kind about a channel.
    pub(crate) async fn records(
        &mut self,
        record: &str,
        link: Link,
        count: usize,
        limit: Duration,
    ) {
        let what = format!("{count} records {record} are made about {}", link.point);
        self.wait_for(&what, limit, |journal| {
            (journal.on(record, link.point).count() >= count).then_some(())
        })
        .await;
    }

    /// Waits until so many payments over a channel are settled, by the word of both ends.
    pub(crate) async fn settles(&mut self, link: Link, count: usize, limit: Duration) {
        let what = format!("{count} payments over {} are settled", link.point);
        self.wait_for(&what, limit, |journal| {
            let paid = journal.on("paymentSettled", link.point).count();
            let arrived = journal.on("rebalanceSettled", link.point).count();
            (paid.min(arrived) >= count).then_some(())
        })
        .await;
    }
}

impl Drop for Daemon {
    #[expect(clippy::print_stderr, reason = "it is for whoever looks into a failure")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let records = std::fs::read_to_string(self.storage().join("transaction-log/data"));
        for (what, text) in [("said", self.said()), ("recorded", records.unwrap_or_default())] {
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
            eprintln!("what the daemon {what} last:\n{}", last.join("\n"));
        }
    }
}

/// The reasons why a channel's sides rest, as they were told.
fn rests(journal: &Journal, link: Link) -> impl Iterator<Item = &Value> {
    let point = link.point.to_string();
    let data = journal.told("channelRests").map(|event| &event.data);
    data.filter(move |data| data["channelPoint"] == point.as_str()).map(|data| &data["rest"])
}

/// A node's entry in the config.
pub(crate) fn credentials(node: &Node, macaroon: &str) -> Value {
    json!({
        "type": "lnd",
        "socket": node.socket(),
        "certPath": node.certificate(),
        "macaroon": macaroon,
    })
}
