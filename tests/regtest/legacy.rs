//! [`Legacy`]: a peer that speaks as the original does, run by Node and led by the test.
//!
//! It owns no node: what it asks to be paid, and what it says that it paid, the test does.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};
use tightrope::ids::{PaymentHash, Scid};
use tightrope::rpc::lnrpc;

use super::dht::Dht;
use super::node::Node;
use super::packages;
use super::process::Process;
use super::wait;

/// How long it may take to start, or to stop.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to carry out a command.
const ORDER_LIMIT: Duration = Duration::from_secs(10);

/// What the original's invoices say, and how long they live.
pub(crate) const MEMO: &str = "tightrope rebalance";
const INVOICE_LIFE_S: i64 = 30;

/// The program and its packages; `None` without Node, which is said in one line.
pub(crate) fn program() -> Option<PathBuf> {
    packages::install("regtest").map(|home| home.join("legacy.mjs"))
}

/// A running peer. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Legacy {
    process: Process,
    output: PathBuf,
    errors: PathBuf,
    key: String,
    /// How many of its lines were read.
    read: usize,
    /// How many commands it was given.
    orders: usize,
}

/// Something that it told.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Told {
    /// It runs, under this key.
    Ready { peer: String },
    /// Others can find it.
    Joined,
    /// A peer is there.
    Connection { peer: String },
    /// A peer said something.
    Message(Message),
    /// A peer sent what is no JSON object.
    Unreadable { peer: String, text: String },
    /// A peer is gone.
    Close { peer: String, error: Option<String> },
    /// It carried out a command.
    Written { count: usize },
    /// It could not carry out a command.
    Complaint { error: String },
}

/// What a peer said.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Message {
    /// The peer.
    pub(crate) peer: String,
    /// Whether the original would listen to it.
    pub(crate) verified: bool,
    /// The whole envelope.
    pub(crate) document: Value,
}

impl Message {
    /// The message in its envelope.
    pub(crate) fn message(&self) -> &Value {
        &self.document["message"]
    }
}

impl Legacy {
    /// Starts a peer that claims to run `node`, and waits until others can find it. `program` is
    /// that of [`program`].
    pub(crate) async fn start(
        program: &Path,
        folder: &Path,
        dht: &Dht,
        secret: &str,
        node: &Node,
    ) -> Self {
        let settings = json!({
            "bootstrap": dht.address(),
            "secret": secret,
            "publicKey": node.id(),
            "alias": node.alias(),
        });
        let folder = tempfile::Builder::new().prefix("legacy-").tempdir_in(folder);
        // It vanishes with the network's folder.
        let folder = folder.expect("a folder for the peer").keep();
        let (output, errors) = (folder.join("stdout"), folder.join("stderr"));
        let arguments = [program.display().to_string(), settings.to_string()];
        let process = Process::spawn_listening(Path::new("node"), &arguments, [&output, &errors]);
        let mut peer = Self { process, output, errors, key: String::new(), read: 0, orders: 0 };
        peer.key = peer
            .tells("it is ready", START_LIMIT, |told| {
                let Told::Ready { peer } = told else { return None };
                Some(peer.clone())
            })
            .await;
        peer.tells("it has joined", START_LIMIT, |told| matches!(told, Told::Joined).then_some(()))
            .await;
        // Who was quicker than that is met too.
        peer.read = 0;
        peer
    }

    /// Its own key, in base58.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Waits until it tells, beyond what was waited for before, what `probe` looks for.
    pub(crate) async fn tells<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut(&Told) -> Option<T>,
    ) -> T {
        let what = format!("the peer of before tells that {what}");
        wait::until(&what, limit, async || {
            if let Some(status) = self.process.exited() {
                let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
                panic!("the peer of before ended with {status}, waiting until {what}: {errors}");
            }
            while let Some(told) = self.told().get(self.read) {
                self.read += 1;
                if let Some(found) = probe(told) {
                    return Some(found);
                }
            }
            None
        })
        .await
    }

    /// Waits for the next peer that it is connected to, and returns its key.
    pub(crate) async fn meets(&mut self, limit: Duration) -> String {
        self.tells("a peer is there", limit, |told| {
            let Told::Connection { peer } = told else { return None };
            Some(peer.clone())
        })
        .await
    }

    /// Waits for the next message of a type, such as `payInvoice`, that the original would listen
    /// to; what else comes meanwhile is passed over.
    pub(crate) async fn hears(&mut self, kind: &str, limit: Duration) -> Message {
        let what = format!("it hears a {kind}");
        self.tells(&what, limit, |told| {
            let Told::Message(message) = told else { return None };
            let is_wanted = message.verified && message.message()["type"] == kind;
            is_wanted.then(|| message.clone())
        })
        .await
    }

    /// Says something to a peer.
    pub(crate) async fn say(&mut self, to: &str, message: Value) {
        self.obeys(json!({ "command": "send", "to": to, "messages": [message] })).await;
    }

    /// Asks a peer to pay, and returns the hash of the invoice that it makes for that.
    pub(crate) async fn ask(&mut self, to: &str, wish: &Wish<'_>) -> PaymentHash {
        let made = wish.invoice(MEMO).await;
        self.ask_with(to, wish, &made.payment_request).await;
        PaymentHash::from_slice(&made.r_hash).expect("a hash")
    }

    /// Asks a peer to pay an invoice, whatever that is for.
    pub(crate) async fn ask_with(&mut self, to: &str, wish: &Wish<'_>, invoice: &str) {
        self.say(to, wish.request(invoice)).await;
    }

    /// Pays what it was asked for from `node`, with the call that the original makes, and answers
    /// with what became of it. Whether the channel that it was asked for is used, is up to lnd.
    pub(crate) async fn pay(&mut self, request: &Message, node: &Node) -> Result<(), String> {
        let asked = request.message();
        let invoice = asked["invoice"].as_str().expect("an invoice");
        let channel: Scid =
            asked["channelId"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let paid = node.pay(invoice, channel).await;
        let result = match &paid {
            Ok(hash) => json!({
                "allow": true,
                "paymentId": hash,
                "confirmed": true,
                "confirmedAt": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            }),
            Err(_) => json!({
                "reason": "payment failed",
                "paymentId": null,
                "confirmed": false,
                "confirmedAt": null,
            }),
        };
        self.answer(request, &result).await;
        paid.map(drop)
    }

    /// Answers a request as the original does: with its own fields and what became of it.
    pub(crate) async fn answer(&mut self, request: &Message, result: &Value) {
        let mut message = request.message().clone();
        for (key, value) in result.as_object().expect("an object") {
            message[key] = value.clone();
        }
        message["type"] = json!("paymentResult");
        self.say(&request.peer, message).await;
    }

    /// Gives it a command, as `legacy.mjs` has them, and waits until that is carried out.
    pub(crate) async fn obeys(&mut self, order: Value) {
        self.process.tell(&order.to_string());
        self.orders += 1;
        let what = format!("the peer of before has obeyed {order}");
        let answer = wait::until(&what, ORDER_LIMIT, async || {
            let answers = self.told().into_iter();
            let mut answers = answers
                .filter(|told| matches!(told, Told::Written { .. } | Told::Complaint { .. }));
            answers.nth(self.orders - 1)
        })
        .await;
        assert!(matches!(answer, Told::Written { .. }), "{order}: {answer:?}");
    }

    /// Has it leave, and waits until it has ended.
    pub(crate) async fn stop(mut self) {
        self.process.tell(&json!({ "command": "stop" }).to_string());
        let ended = wait::until("the peer of before has ended", START_LIMIT, async || {
            self.process.exited()
        })
        .await;
        assert!(ended.success(), "the peer of before ended with {ended}");
    }

    /// All that it has told.
    fn told(&self) -> Vec<Told> {
        let text = std::fs::read_to_string(&self.output).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let read = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        text[..whole].lines().map(read).collect()
    }
}

/// What a payee wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// Who is to be paid.
    pub(crate) payee: &'a Node,
    /// Who is to pay.
    pub(crate) payer: &'a Node,
    /// The channel, by the id that the payee knows it by.
    pub(crate) channel: Scid,
    /// How much.
    pub(crate) sat: i64,
}

impl Wish<'_> {
    /// The message that asks to have an invoice paid.
    pub(crate) fn request(&self, invoice: &str) -> Value {
        json!({
            "type": "payInvoice",
            "invoice": invoice,
            "tokens": self.sat.to_string(),
            "channelId": self.channel,
            "paidTo": self.payee.id(),
            "paidBy": self.payer.id(),
        })
    }

    /// An invoice of the payee over that much.
    pub(crate) async fn invoice(&self, memo: &str) -> lnrpc::AddInvoiceResponse {
        let invoice = lnrpc::Invoice {
            memo: memo.to_owned(),
            value: self.sat,
            expiry: INVOICE_LIFE_S,
            ..Default::default()
        };
        let made = self.payee.rpc().lightning().add_invoice(invoice).await;
        made.expect("an invoice").into_inner()
    }
}
