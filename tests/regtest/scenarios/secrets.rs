//! The whole story, told as loudly as it can be: in nothing that is written is a secret.

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tightrope::ids::{RebalanceId, Scid};
use tightrope::lnd::Lnd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::harness::channel::{Link, Open};
use crate::harness::daemon::Daemon;
use crate::harness::dht::Dht;
use crate::harness::legacy::{self, Legacy};
use crate::harness::network::{ALICE, BOB, CAROL, Network};
use crate::harness::node::Version::{Lnd20, Lnd21};
use crate::harness::ports::Port;
use crate::harness::secrets::Secrets;

use super::{REBALANCE_LIMIT, SECRET};

/// What is masked unless the operator says otherwise.
const MASKED: [&str; 5] = ["topic", "publicKey", "remotePeer", "paidTo", "paidBy"];

/// Two owners keep a channel in both directions, and one of them another with a peer of before. A
/// macaroon is wrong for a while, and a configuration; the operators ask for all there is to know.
/// Both daemons tell all they can, one in lines for people and one in JSON.
pub(crate) async fn nothing_that_is_written_holds_a_secret() {
    let network = Network::start(&[Lnd21, Lnd21, Lnd20]).await;
    let dht = Dht::start(network.folder()).await;
    let wanted = [Open::even(ALICE, BOB, 1_000_000), Open::even(ALICE, CAROL, 1_000_000)];
    let links = network.open(&wanted).await;
    let [between, before] = links.try_into().expect("two channels");
    let mut alice = Owner::new(&network, &dht, ALICE, "human").await;
    let mut bob = Owner::new(&network, &dht, BOB, "json").await;

    bob.tries_what_is_wrong(&network).await;
    alice.daemon.start();
    bob.daemon.start();
    alice.daemon.watches(1).await;
    bob.daemon.watches(1).await;
    network.drift(between, ALICE, 300_000).await;
    alice.daemon.records("rebalanceSettled", between, 1, REBALANCE_LIMIT).await;
    bob.daemon.records("paymentSettled", between, 1, REBALANCE_LIMIT).await;
    network.drift(between, BOB, 300_000).await;
    bob.daemon.records("rebalanceSettled", between, 1, REBALANCE_LIMIT).await;
    alice.daemon.records("paymentSettled", between, 1, REBALANCE_LIMIT).await;
    for owner in [&mut alice, &mut bob] {
        owner.asks_for_all_there_is_to_know(&network, between).await;
    }
    a_peer_of_before_pays(&network, &dht, before, &mut alice).await;
    for owner in [&mut alice, &mut bob] {
        owner.daemon.comes_to_rest(REBALANCE_LIMIT).await;
        owner.daemon.stop().await;
    }

    let mut secrets = of_nodes(&network).await;
    alice.confess(&mut secrets);
    bob.confess(&mut secrets);
    let keys: Vec<Value> =
        [&alice, &bob].map(|owner| owner.status()["swarm"]["key"].clone()).into();
    for owner in [&alice, &bob] {
        owner.assert_that_payments_are_known_by_name(&secrets);
        for (what, written) in owner.written() {
            secrets.assert_none_in(&format!("{what} of {}", owner.alias), &written);
        }
        let own = network.nodes().iter().map(|node| node.id().to_string());
        let peers = keys.iter().map(|key| key.as_str().expect("a key").to_owned());
        owner.assert_masked(&own.chain(peers).collect::<Vec<_>>());
    }
    assert_that_a_line_names_what_it_is_about(&alice, |line| line.to_owned());
    assert_that_a_line_names_what_it_is_about(&bob, spans_as_for_people);
}

/// The drift of a channel with a peer of before is paid to a held invoice. Without Node there is
/// none, which is said in one line.
async fn a_peer_of_before_pays(network: &Network, dht: &Dht, link: Link, alice: &mut Owner) {
    let Some(program) = legacy::program() else { return };
    network.drift(link, ALICE, 300_000).await;
    let mut peer = Legacy::start(&program, network.folder(), dht, SECRET, &network[CAROL]).await;
    let request = peer.hears("payInvoice", REBALANCE_LIMIT).await;
    peer.pay(&request, &network[CAROL]).await.expect("it is taken");
    alice.daemon.records("rebalanceSettled", link, 1, REBALANCE_LIMIT).await;
    peer.stop().await;
}

/// What the nodes keep to themselves, and what the cluster does.
async fn of_nodes(network: &Network) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add("the secret", SECRET.as_bytes());
    for node in network.nodes() {
        let key = PrivateKeyDer::from_pem_file(node.certificate_key()).expect("a key");
        let key = key.secret_der();
        secrets.add(&format!("the TLS key of {}", node.alias()), key);
        // RFC 5915: after the version, the key itself.
        assert_eq!(key[5..7], [4, 32], "an octet string of 32 bytes");
        secrets.add(&format!("the bare TLS key of {}", node.alias()), &key[7..39]);
        for invoice in node.invoices().await {
            if !invoice.r_preimage.is_empty() {
                secrets.add(&of_payment(&invoice.r_hash), &invoice.r_preimage);
            }
        }
        for payment in node.payments().await {
            let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex");
            let preimage = hex(&payment.payment_preimage);
            if preimage.iter().any(|byte| *byte != 0) {
                secrets.add(&of_payment(&hex(&payment.payment_hash)), &preimage);
            }
        }
    }
    secrets
}

/// What the preimage of a payment is called.
fn of_payment(hash: &[u8]) -> String {
    format!("the preimage of {}", data_encoding::HEXLOWER.encode(hash))
}

/// Somebody with a node and a daemon.
struct Owner {
    alias: &'static str,
    place: usize,
    daemon: Daemon,
    /// In hex.
    macaroons: Vec<String>,
    token: String,
    door: Port,
    /// What was printed beside the log, and by what.
    printed: Vec<(String, Vec<u8>)>,
}

impl Owner {
    async fn new(network: &Network, dht: &Dht, place: usize, format: &str) -> Self {
        let mut daemon = Daemon::of(network, [&network[place]]).await;
        daemon.meet(dht, SECRET);
        let (alias, door) = (network[place].alias(), Port::claim());
        let mut token = [0; 24];
        getrandom::fill(&mut token).expect("randomness");
        let token = data_encoding::HEXLOWER.encode(&token);
        let token_file = network.folder().join(format!("token-{alias}"));
        write_for_ourselves(&token_file, &token);
        *daemon.setting("/log") = json!({ "format": format, "level": "trace" });
        *daemon.setting("/control") = json!({ "listen": door.address(), "tokenFile": token_file });
        *daemon.setting("/audit/shouldMask") = json!(MASKED);
        *daemon.setting("/audit/verboseScreenLogging") = json!(true);
        let macaroons = vec![macaroon(&mut daemon).as_str().expect("a macaroon").to_owned()];
        Self { alias, place, daemon, macaroons, token, door, printed: Vec::new() }
    }

    /// A macaroon of another node, and then a configuration with secrets where none belong.
    async fn tries_what_is_wrong(&mut self, network: &Network) {
        let good = self.daemon.config.clone();
        let wrong = network[ALICE].bake(Lnd::PERMISSIONS).await;
        *macaroon(&mut self.daemon) = json!(wrong);
        self.daemon.start();
        self.daemon.tells_error("macaroon").await;
        self.daemon.stop().await;
        assert_eq!(self.run(&["check"]).await, Some(1));

        self.macaroons.push(wrong);
        self.puts_secrets_where_none_belong();
        assert_eq!(self.run(&["check"]).await, Some(78));
        self.daemon.config = good;
    }

    fn puts_secrets_where_none_belong(&mut self) {
        let macaroons = self.macaroons.clone();
        *macaroon(&mut self.daemon) = json!(macaroons.concat() + "!");
        for key in ["macaron", "certPath", "pubkey", "type"] {
            *self.daemon.setting(&format!("/lightningNodes/0/{key}")) = json!(macaroons.last());
        }
        *self.daemon.setting("/secretFile") = json!(SECRET);
        *self.daemon.setting("/announceInterval") = json!(SECRET);
        *self.daemon.setting("/control/tokenFile") = json!(self.token);
    }

    /// Every command, and both doors.
    async fn asks_for_all_there_is_to_know(&mut self, network: &Network, link: Link) {
        let scid = Scid::new(network.view(link, self.place).await.chan_id).to_string();
        let questions: [&[&str]; 10] = [
            &["status"],
            &["status", "--json"],
            &["why", &scid],
            &["pause", self.alias, "--for", "1h", "--reason", "a look around"],
            &["resume", self.alias],
            &["audit", "list"],
            &["audit", "list", "--json", "--events"],
            &["audit", "verify"],
            &["audit", "export", "--csv"],
            &["check"],
        ];
        for question in questions {
            assert_eq!(self.run(question).await, Some(0), "{question:?}");
        }
        let good = self.daemon.config.clone();
        self.puts_secrets_where_none_belong();
        assert_ne!(self.run(&["reload"]).await, Some(0));
        self.daemon.config = good;
        assert_eq!(self.run(&["reload"]).await, Some(0));

        let request = |path: &str, token: &str| {
            format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
            )
        };
        for path in ["/", "/status", "/metrics", "/nowhere"] {
            for token in [self.token.as_str(), SECRET] {
                let unix = UnixStream::connect(self.daemon.socket()).await.expect("a door");
                let tcp = TcpStream::connect(self.door.address()).await.expect("another door");
                let answers =
                    [ask(unix, &request(path, token)).await, ask(tcp, &request(path, token)).await];
                self.printed.extend(answers.map(|answer| (format!("GET {path}"), answer)));
            }
        }
    }

    /// Runs a command, keeps what it says, and returns its exit code.
    async fn run(&mut self, arguments: &[&str]) -> Option<i32> {
        self.daemon.rewrite();
        let (code, said) = self.daemon.command(arguments).await;
        self.printed.push((arguments.join(" "), said.into_bytes()));
        code
    }

    /// Tells what the owner and the daemon keep to themselves.
    fn confess(&self, secrets: &mut Secrets) {
        for (n, macaroon) in self.macaroons.iter().enumerate() {
            let macaroon = data_encoding::HEXLOWER.decode(macaroon.as_bytes()).expect("hex");
            secrets.add_macaroon(&format!("macaroon {n} of {}", self.alias), &macaroon);
        }
        secrets.add(&format!("the token of {}", self.alias), self.token.as_bytes());
        for file in ["swarm-key", "hold-key"] {
            let key = std::fs::read(self.daemon.storage().join(file)).expect("a key");
            secrets.add(&format!("the {file} of {}", self.alias), &key);
        }
    }

    /// Everything that its daemon has written, by what that is.
    fn written(&self) -> BTreeMap<String, Vec<u8>> {
        let mut written = BTreeMap::new();
        written.insert("stderr".to_owned(), self.daemon.said().into_bytes());
        for log in ["transaction-log", "event-log"] {
            let folder = self.daemon.storage().join(log);
            for file in std::fs::read_dir(folder).expect("a log").map(|it| it.expect("a file")) {
                let name = format!("{log}/{}", file.file_name().display());
                written.insert(name, std::fs::read(file.path()).expect("a file"));
            }
        }
        for (n, (name, text)) in self.printed.iter().enumerate() {
            written.insert(format!("{n}: {name}"), text.clone());
        }
        written
    }

    /// What `status --json` said last.
    fn status(&self) -> Value {
        let printed = self.printed.iter().rfind(|(name, _)| name == "status --json");
        serde_json::from_slice(&printed.expect("it was asked").1).expect("JSON")
    }

    /// The search looks at the right places: it finds payments by their names, and knows what
    /// opens each of them.
    fn assert_that_payments_are_known_by_name(&self, secrets: &Secrets) {
        let mut names = Secrets::default();
        let journal = self.daemon.journal();
        for settled in journal.of("rebalanceSettled").chain(journal.of("paymentSettled")) {
            let hash = settled.payment_hash.expect("a hash");
            assert!(secrets.names().any(|name| name == of_payment(hash.as_bytes())), "{hash}");
            names.add(&hash.to_string(), hash.as_bytes());
        }
        assert!(names.names().count() >= 2);
        let written = self.written();
        for place in ["stderr", "transaction-log/data", "event-log/data"] {
            let found = names.found_in(&written[place]);
            assert!(found.len() >= names.names().count(), "{place} has only {found:?}");
        }
    }

    /// No whole key is where keys are masked.
    fn assert_masked(&self, keys: &[String]) {
        let written = self.written();
        for place in ["stderr", "event-log/data"] {
            let text = String::from_utf8_lossy(&written[place]);
            for key in keys {
                let line = text.lines().find(|line| line.contains(key));
                assert_eq!(line, None, "{place} of {} holds {key}", self.alias);
            }
        }
    }
}

/// For each attempt there are calls to the node, told in its span; for nodes and peers, lines in
/// theirs.
fn assert_that_a_line_names_what_it_is_about(owner: &Owner, spans: fn(&str) -> String) {
    let said: Vec<String> = owner.daemon.said().lines().map(spans).collect();
    let journal = owner.daemon.journal();
    let attempts = journal.of("rebalanceSettled").chain(journal.of("paymentSettled"));
    let ids: Vec<RebalanceId> = attempts.filter_map(|it| it.rebalance_id).collect();
    assert!(ids.len() >= 2, "{ids:?}");
    for id in ids {
        let span = format!("rebalance{{rebalanceId=\"{id}\" channelId=\"");
        let calls = said.iter().filter(|line| line.contains(&span) && line.contains("rpc="));
        assert!(calls.count() >= 1, "{} tells of no call for {id}", owner.alias);
    }
    for span in ["node{index=0 socket=\"127.0.0.1:", "peer{remotePeer=\""] {
        assert!(said.iter().any(|line| line.contains(span)), "{} has no {span}", owner.alias);
    }
}

/// A line in JSON, as far as it says what it is about, as the other format has it.
fn spans_as_for_people(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let field = |(name, value): (&String, &Value)| format!("{name}={value}");
    let fields = |value: &Value, names: &[&str]| -> String {
        let all = value.as_object().into_iter().flatten();
        let told = |name: &&str| all.clone().find(|(key, _)| key == name).map(field);
        names.iter().filter_map(told).collect::<Vec<_>>().join(" ")
    };
    let names = ["index", "socket", "publicKey", "remotePeer", "rebalanceId", "channelId"];
    let spans = line["spans"].as_array().into_iter().flatten();
    let spans = spans.map(|span| {
        let name = span["name"].as_str().expect("a span's name");
        format!("{name}{{{}}}:", fields(span, &names))
    });
    spans.collect::<String>() + " " + &fields(&line["fields"], &["rpc", "message"])
}

/// The macaroon of a daemon's only node.
fn macaroon(daemon: &mut Daemon) -> &mut Value {
    daemon.setting("/lightningNodes/0/macaroon")
}

/// Sends a request and reads all that comes back.
async fn ask(mut door: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Vec<u8> {
    door.write_all(request.as_bytes()).await.expect("it listens");
    let mut answer = Vec::new();
    door.read_to_end(&mut answer).await.expect("it answers");
    assert!(answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
    answer
}

fn write_for_ourselves(path: &Path, text: &str) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).expect("a file");
    std::io::Write::write_all(&mut file, text.as_bytes()).expect("a file");
}
