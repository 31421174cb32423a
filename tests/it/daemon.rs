//! The daemon around a node in process, where what counts is how the parts play together.

use std::fs;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use tightrope::audit::Files;
use tightrope::core::outcome::Cause;
use tightrope::core::record::{Attempt, Bill, Entry, InvoiceKind, Record};
use tightrope::daemon::{self, Mode, Source, Stopped};
use tightrope::ids::{ChannelPoint, NodeId, PaymentHash, RebalanceId, Scid};
use tightrope::rpc::lnrpc;
use tightrope::units::Msat;
use tightrope::{audit, clock, config};

use crate::lnd::fake::{Fake, MACAROON, PATIENCE, node_id};

/// How often the log is looked at.
const POLL: Duration = Duration::from_millis(20);

#[tokio::test]
async fn an_invoice_is_watched_to_its_end_though_the_macaroon_was_replaced() {
    let fake = Fake::start(true).await;
    let folder = tempfile::tempdir().expect("a folder");
    let [cert, macaroon] = ["tls.cert", "macaroon"].map(|name| folder.path().join(name));
    let certificate = fake.endpoint.certificate.as_ref().expect("it has one");
    fs::write(&cert, certificate).expect("is written");
    fs::write(&macaroon, MACAROON).expect("is written");
    let local = serde_json::json!({
        "secret": "correct horse battery staple",
        "lightningNodes":
            [{ "socket": fake.endpoint.socket, "certPath": cert, "macaroonPath": macaroon }],
        "audit": { "storage": { "path": folder.path().join("storage") } },
        // No peer is there to be met, least of all outside this machine.
        "swarm": { "bootstrap": ["127.0.0.1:1"], "host": "127.0.0.1", "port": 0 },
    });
    fs::write(folder.path().join("local.json"), local.to_string()).expect("is written");
    let config = config::load(folder.path(), std::iter::empty(), serde_json::json!({}));
    let config = config.expect("good");
    let files = daemon::files(&config);
    let (audit, _) = audit::open(&files, drop).expect("opens");
    audit.record(open_attempt()).await.expect("is durable");
    audit.close().await;

    let stop = CancellationToken::new();
    let replacing = async {
        fake.called("SubscribeSingleInvoice", 1).await;
        let replaced = vec![2, 1, 0xef];
        fs::write(&macaroon, &replaced).expect("is written");
        {
            let mut script = fake.script.lock().expect("a script");
            script.macaroon = replaced;
            let state = lnrpc::invoice::InvoiceState::Canceled.into();
            script.invoice = Some(lnrpc::Invoice { state, ..Default::default() });
        }
        fake.cut();
        until_logged(&files, 3).await;
        stop.cancel();
    };
    let source = Source::unchanging(config.clone());
    let both = async {
        tokio::join!(daemon::run(config.clone(), source, Mode::Forever, stop.clone()), replacing).0
    };
    let stopped = tokio::time::timeout(PATIENCE, both).await.expect("the invoice's end is told");

    assert_eq!(stopped.expect("runs"), Stopped::InGoodOrder);
    let mut newest = None;
    audit::open(&files, |record| newest = Some(record.entry)).expect("opens");
    let ended = matches!(newest, Some(Entry::RebalanceFailed(_, Some(_), Cause::InvoiceCanceled)));
    assert!(ended, "{newest:?}");
}

/// Waits until the transaction log has so many lines.
async fn until_logged(files: &Files, lines: usize) {
    let written = || fs::read_to_string(files.transaction_log().join("data")).expect("is text");
    while written().lines().count() < lines {
        tokio::time::sleep(POLL).await;
    }
}

/// An attempt of the node whose invoice nobody has paid yet.
fn open_attempt() -> Vec<Record> {
    let attempt = Attempt {
        rebalance: RebalanceId::new([1; 16]),
        paid_to: node_id(),
        paid_by: NodeId::new([3; 33]),
        point: ChannelPoint::new([4; 32], 0),
        scid: Scid::new(5),
        amount: Msat::new(5_000),
        kind: InvoiceKind::Plain,
    };
    let bill = Bill {
        hash: PaymentHash::new([6; 32]),
        invoice: "lnbcrt1".to_owned(),
        expires_at: clock::wall() + Duration::from_secs(60),
    };
    let entries = [Entry::RebalanceOpened(attempt.clone()), Entry::InvoiceCreated(attempt, bill)];
    entries.map(|entry| Record { at: clock::wall(), entry }).into()
}
