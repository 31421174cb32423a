//! npm's `ln-service`, as operators' programs use it, on the simulated network.
//!
//! Each call is made by JavaScript, and what it understood of our answer is compared with what
//! must be so.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tightrope::simnet::{LndVersion, NodeDoor, Settings, Simnet};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long a call may take: a payment's is lnd's own 25 s at most.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a commitment costs its opener, at 2 sat per vbyte as on the real nodes of the other suite.
const COMMIT_FEE: u64 = 562;
/// What a channel costs its opener beside what it pushes: two anchors of 330 sat more.
const COSTS: u64 = COMMIT_FEE + 660;
/// What Bob pays back of it.
const BACK: u64 = 5_000;
/// The chain that regtest is, by the hash of its first block.
const REGTEST: &str = "06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f";

pub(crate) fn ln_service_drives_a_simulated_node() {
    drive("ln-service");
}

pub(crate) fn the_ln_service_of_the_original_drives_a_simulated_node() {
    drive("ln-service-53");
}

/// Everything with one version of the package: the life of a channel.
fn drive(package: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().to_owned();
        let network = Simnet::start(Settings { folder, seed: 1 });
        // The older lnd sends no updates of channels, at which ln-service gives its stream up.
        let alice = network.add("alice", LndVersion::V20).expect("is up");
        let bob = network.add("bob", LndVersion::V21).expect("is up");
        let mut js = Script::start(package, &network.nodes());
        wallets(&mut js, &alice, &bob).await;
        js.subscribe("alice", &["channel_opening", "channel_opened", "channel_closed"]).await;

        let transaction = open(&mut js, &network, &bob).await;
        let channel = channels(&mut js, &bob, &transaction).await;
        pay(&mut js, &bob, &channel).await;
        pay_back(&mut js, &alice, &channel).await;
        refusals(&mut js).await;
        close(&mut js, &network, &channel, &transaction).await;
    });
}

/// Who the nodes say that they are.
async fn wallets(js: &mut Script, alice: &NodeDoor, bob: &NodeDoor) {
    for (door, version) in [(alice, "0.20.2-beta"), (bob, "0.21.2-beta")] {
        let wallet = js.ok(&door.alias, "getWalletInfo", json!({})).await;
        assert_eq!(wallet["alias"], door.alias);
        assert_eq!(wallet["public_key"], door.id.to_string());
        assert_eq!(wallet["chains"], json!([REGTEST]));
        assert_eq!(wallet["is_synced_to_chain"], true);
        let said = wallet["version"].as_str().expect("a version");
        assert!(said.starts_with(version), "{said}");
        let height = js.ok(&door.alias, "getHeight", json!({})).await;
        assert_eq!(height["current_block_height"], wallet["current_block_height"]);
        let balance = js.ok(&door.alias, "getChainBalance", json!({})).await;
        assert_eq!(balance["chain_balance"], 1_000_000_000);
    }
}

/// Opens a channel, and returns its funding transaction.
async fn open(js: &mut Script, network: &Simnet, bob: &NodeDoor) -> Value {
    let args = json!({
        "local_tokens": 1_000_000, "give_tokens": 300_000, "partner_public_key": bob.id.to_string(),
    });
    let opened = js.ok("alice", "openChannel", args).await;
    assert_eq!(opened["transaction_vout"], 0);
    let pending = js.ok("alice", "getPendingChannels", json!({})).await;
    let pending = &pending["pending_channels"][0];
    assert_eq!(pending["transaction_id"], opened["transaction_id"]);
    assert_eq!((&pending["is_opening"], &pending["capacity"]), (&json!(true), &json!(1_000_000)));
    let event = js.event("channel_opening").await;
    assert_eq!(event["transaction_id"], opened["transaction_id"]);
    network.mine(6);
    network.channels_are_ready().await;
    opened["transaction_id"].clone()
}

/// Looks at the only channel from both ends, and returns how Alice sees it.
async fn channels(js: &mut Script, bob: &NodeDoor, transaction: &Value) -> Value {
    let ours = js.only_channel("alice").await;
    let theirs = js.only_channel("bob").await;
    for (field, value) in [
        ("transaction_id", transaction),
        ("partner_public_key", &json!(bob.id.to_string())),
        ("capacity", &json!(1_000_000)),
        ("commit_transaction_fee", &json!(COMMIT_FEE)),
        ("is_active", &json!(true)),
        ("is_partner_initiated", &json!(false)),
        ("is_private", &json!(false)),
        ("local_balance", &json!(700_000 - COSTS)),
        ("remote_balance", &json!(300_000)),
        ("unsettled_balance", &json!(0)),
        ("local_given", &json!(300_000)),
        ("local_reserve", &json!(10_000)),
        ("remote_reserve", &json!(10_000)),
        ("local_csv", &json!(144)),
        ("local_dust", &json!(354)),
        ("local_max_htlcs", &json!(483)),
        ("local_max_pending_mtokens", &json!("990000000")),
        ("pending_payments", &json!([])),
        ("past_states", &json!(0)),
    ] {
        assert_eq!(&ours[field], value, "{field} of {ours}");
    }
    assert_eq!(theirs["id"], ours["id"]);
    assert_eq!(theirs["is_partner_initiated"], true);
    assert_eq!(theirs["local_balance"], 300_000);
    assert_eq!(theirs["remote_balance"], 700_000 - COSTS);
    let opened = js.event("channel_opened").await;
    assert_eq!((&opened["id"], &opened["transaction_id"]), (&ours["id"], transaction));
    ours
}

/// Bob makes an invoice, Alice reads and pays it, and both see what became of it.
async fn pay(js: &mut Script, bob: &NodeDoor, channel: &Value) {
    let args = json!({ "tokens": 12_345, "description": "a coffee" });
    let invoice = js.ok("bob", "createInvoice", args).await;
    assert_eq!(invoice["mtokens"], "12345000");
    let request = json!({ "request": invoice["request"] });

    let decoded = js.ok("alice", "decodePaymentRequest", request.clone()).await;
    assert_eq!(decoded["destination"], bob.id.to_string());
    for field in ["id", "description", "mtokens", "tokens", "payment", "created_at"] {
        assert_eq!(decoded[field], invoice[field], "{field}");
    }
    assert_eq!((&decoded["cltv_delta"], &decoded["is_expired"]), (&json!(80), &json!(false)));

    let paid = js.ok("alice", "pay", request.clone()).await;
    assert_eq!((&paid["id"], &paid["secret"]), (&invoice["id"], &invoice["secret"]));
    assert_eq!((&paid["fee_mtokens"], &paid["tokens"]), (&json!("0"), &json!(12_345)));
    assert_eq!(paid["hops"].as_array().map(Vec::len), Some(1));
    let hop = &paid["hops"][0];
    assert_eq!((&hop["channel"], &hop["public_key"]), (&channel["id"], &json!(bob.id.to_string())));
    assert_eq!(hop["forward_mtokens"], "12345000");

    let settled = js.ok("bob", "getInvoice", json!({ "id": invoice["id"] })).await;
    assert_eq!((&settled["is_confirmed"], &settled["received"]), (&json!(true), &json!(12_345)));
    assert_eq!(settled["payments"][0]["in_channel"], channel["id"]);
    let payment = js.ok("alice", "getPayment", json!({ "id": invoice["id"] })).await;
    assert_eq!((&payment["is_confirmed"], &payment["is_failed"]), (&json!(true), &json!(false)));

    let after = js.rested("alice").await;
    assert_eq!(after["local_balance"], 700_000 - COSTS - 12_345);
    assert_eq!((&after["remote_balance"], &after["sent"]), (&json!(312_345), &json!(12_345)));
    assert_eq!(after["past_states"], 2);
    let again = js.fails("alice", "pay", request).await;
    let said = again.to_string();
    assert!(said.contains("invoice is already paid") && said.contains("\"code\":6"), "{said}");
}

/// Bob, who is the newer lnd, pays some of it back.
async fn pay_back(js: &mut Script, alice: &NodeDoor, channel: &Value) {
    let args = json!({ "tokens": BACK, "description": "too much" });
    let invoice = js.ok("alice", "createInvoice", args).await;
    let paid = js.ok("bob", "pay", json!({ "request": invoice["request"] })).await;
    assert_eq!((&paid["id"], &paid["secret"]), (&invoice["id"], &invoice["secret"]));
    assert_eq!((&paid["fee_mtokens"], &paid["tokens"]), (&json!("0"), &json!(BACK)));
    assert_eq!(paid["hops"].as_array().map(Vec::len), Some(1));
    let hop = &paid["hops"][0];
    assert_eq!(hop["channel"], channel["id"]);
    assert_eq!(hop["public_key"], alice.id.to_string());
    let payment = js.ok("bob", "getPayment", json!({ "id": invoice["id"] })).await;
    assert_eq!((&payment["is_confirmed"], &payment["is_failed"]), (&json!(true), &json!(false)));
    let after = js.rested("bob").await;
    assert_eq!((&after["local_balance"], &after["sent"]), (&json!(312_345 - BACK), &json!(BACK)));
    let after = js.rested("alice").await;
    assert_eq!(after["local_balance"], 700_000 - COSTS - 12_345 + BACK);
}

/// What cannot be done is told as lnd tells it.
async fn refusals(js: &mut Script) {
    let invoice = js.ok("bob", "createInvoice", json!({ "tokens": 900_000 })).await;
    let failed = js.fails("alice", "pay", json!({ "request": invoice["request"] })).await;
    assert_eq!(failed, json!([503, "InsufficientBalanceToAttemptPayment"]));
    let missing = js.fails("alice", "getInvoice", json!({ "id": "00".repeat(32) })).await;
    assert_eq!(missing[2]["err"]["code"], 5, "{missing}");
    let stranger =
        format!("02{}", "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    let args = json!({ "local_tokens": 1_000_000, "partner_public_key": stranger });
    let refused = js.fails("alice", "openChannel", args).await;
    assert_eq!(refused, json!([503, "PeerIsNotOnline"]));
}

/// Closes the channel, by its id, and sees its end.
async fn close(js: &mut Script, network: &Simnet, channel: &Value, transaction: &Value) {
    let closing = js.ok("alice", "closeChannel", json!({ "id": channel["id"] })).await;
    assert_ne!(&closing["transaction_id"], transaction);
    network.mine(6);
    let closed = js.event("channel_closed").await;
    assert_eq!((&closed["id"], &closed["transaction_id"]), (&channel["id"], transaction));
    assert_eq!(closed["capacity"], 1_000_000);
    assert_eq!(closed["is_cooperative_close"], true);
    assert_eq!(closed["close_transaction_id"], closing["transaction_id"]);
    // Her balance and what the channel cost her, but for what the closing pays.
    let left = closed["final_local_balance"].as_u64().expect("an amount");
    assert!((691_000..700_000 - 12_345 + BACK).contains(&left), "{closed}");
    for node in ["alice", "bob"] {
        let left = js.ok(node, "getChannels", json!({})).await;
        assert_eq!(left["channels"], json!([]), "of {node}");
    }
}

/// The script that calls nodes in JavaScript.
struct Script {
    _process: Child,
    calls: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    events: Vec<Value>,
}

impl Script {
    fn start(package: &str, doors: &[NodeDoor]) -> Self {
        let nodes = doors.iter().map(|door| {
            json!({
                "alias": door.alias, "socket": door.socket,
                "cert": door.certificate(), "macaroon": door.macaroon(),
            })
        });
        let mut process = Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/ln-service.mjs"))
            .arg(package)
            .arg(Value::from_iter(nodes).to_string())
            .env("NODE_NO_WARNINGS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let calls = process.stdin.take().expect("is piped");
        let answers = BufReader::new(process.stdout.take().expect("is piped")).lines();
        Self { _process: process, calls, answers, events: Vec::new() }
    }

    /// What a call gives, which must succeed.
    async fn ok(&mut self, node: &str, method: &str, args: Value) -> Value {
        let call = json!({ "node": node, "method": method, "args": args });
        let mut answer = self.answer(&call).await;
        assert!(answer.get("ok").is_some(), "{call} gives {answer}");
        answer["ok"].take()
    }

    /// What a call throws, which must fail.
    async fn fails(&mut self, node: &str, method: &str, args: Value) -> Value {
        let call = json!({ "node": node, "method": method, "args": args });
        let mut answer = self.answer(&call).await;
        assert!(answer["error"].is_array(), "{call} gives {answer}");
        answer["error"].take()
    }

    /// Hears of a node's channels.
    async fn subscribe(&mut self, node: &str, events: &[&str]) {
        let args = json!({});
        let subscribe = "subscribeToChannels";
        let call = json!({ "node": node, "subscribe": subscribe, "args": args, "events": events });
        assert_eq!(self.answer(&call).await, json!({ "ok": null }));
    }

    async fn only_channel(&mut self, node: &str) -> Value {
        let mut found = self.ok(node, "getChannels", json!({})).await;
        assert_eq!(found["channels"].as_array().map(Vec::len), Some(1), "{found}");
        found["channels"][0].take()
    }

    /// The only channel once no payment is on it.
    async fn rested(&mut self, node: &str) -> Value {
        for _ in 0..200 {
            let channel = self.only_channel(node).await;
            if channel["pending_payments"] == json!([]) && channel["unsettled_balance"] == 0 {
                return channel;
            }
        }
        panic!("a payment stays on the channel of {node}");
    }

    /// The next event of this name.
    async fn event(&mut self, name: &str) -> Value {
        loop {
            let found = self.events.iter().position(|event| event["event"] == name);
            if let Some(found) = found {
                return self.events.remove(found)["args"].take();
            }
            let event = self.line().await;
            assert!(event.get("event").is_some(), "{event} answers nothing");
            self.keep(event);
        }
    }

    async fn answer(&mut self, call: &Value) -> Value {
        let line = format!("{call}\n");
        self.calls.write_all(line.as_bytes()).await.expect("is heard");
        loop {
            let line = self.line().await;
            if line.get("event").is_none() {
                return line;
            }
            self.keep(line);
        }
    }

    fn keep(&mut self, event: Value) {
        assert_ne!(event["event"], "error", "{event}");
        self.events.push(event);
    }

    async fn line(&mut self) -> Value {
        let line = timeout(PATIENCE, self.answers.next_line()).await.expect("in time");
        let line = line.expect("is UTF-8").expect("the script goes on");
        serde_json::from_str(&line).expect("JSON")
    }
}
