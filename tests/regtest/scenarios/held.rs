//! The daemon's edge on real nodes of both releases: invoices that are held, and signatures.

use std::time::Duration;

use tightrope::core::event::{Held, InvoiceEnd};
use tightrope::ids::{Preimage, Scid};
use tightrope::lnd::{Endpoint, Lnd};
use tightrope::rpc::lnrpc;
use tightrope::units::{Msat, Sat};
use tokio::sync::mpsc;

use crate::harness::channel::{Link, Open};
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Node;
use crate::harness::node::Version::{Lnd20, Lnd21};
use crate::harness::wait;

/// What is paid.
const AMOUNT: Sat = Sat::new(10_000);
const AMOUNT_SAT: i64 = 10_000;
/// How long an invoice lives, and how many blocks its payment may be held.
const LIFE: Duration = Duration::from_secs(60);
const FINAL_DELTA: u64 = 80;
/// How long the node may take to tell what it holds, or the graph to know a node.
const TOLD_LIMIT: Duration = Duration::from_secs(30);

/// A payment that is held is told with its channel, though there is another between the same
/// nodes; what is settled arrives, what is cancelled goes back.
pub(crate) async fn what_a_held_invoice_is_paid_with_is_told_and_taken_or_given_back() {
    let network = Network::start(&[Lnd21, Lnd20]).await;
    let links =
        network.open(&[Open::even(ALICE, BOB, 2_000_000), Open::even(ALICE, BOB, 1_000_000)]).await;
    for payee in [ALICE, BOB] {
        for link in &links {
            let lnd = edge(&network[payee], Lnd::PERMISSIONS).await;
            settled(&network, *link, payee, &lnd).await;
            given_back(&network, *link, payee, &lnd).await;
        }
    }
    for (signer, verifier) in [(ALICE, BOB), (BOB, ALICE)] {
        signed(&network[signer], &network[verifier]).await;
        whether_it_can_be_held(&network[signer]).await;
    }
}

/// What is held is told as it comes, and settled.
async fn settled(network: &Network, link: Link, payee: usize, lnd: &Lnd) {
    let preimage = preimage();
    let invoice = hold(lnd, preimage).await.expect("a held invoice");
    hold(lnd, preimage).await.expect_err("there is one with that hash");
    lnd.settle_invoice(preimage).await.expect_err("it is not paid");
    let before = network.agreed_balances(link, payee).await;

    let scid = Scid::new(network.view(link, payee).await.chan_id);
    let way = network.way(link, link.beyond(payee)).await;
    let (held, mut told) = mpsc::channel(1);
    let settle = async {
        let held = told.recv().await.expect("it is held");
        assert_eq!(held, Held { paid: AMOUNT.msat(), over: vec![scid] });
        lnd.settle_invoice(preimage).await.expect("it is settled");
    };
    let followed = lnd.follow_invoice(preimage.hash(), &held);
    let (paid, end, ()) = tokio::join!(way.pay_invoice(&invoice), followed, settle);

    paid.expect("the payer is told that it arrived");
    let over = vec![scid];
    assert_eq!(end.expect("an end"), InvoiceEnd::Settled { paid: AMOUNT.msat(), over });
    let after = network.agreed_balances(link, payee).await;
    assert_eq!(after.local, before.local + AMOUNT_SAT);
    lnd.settle_invoice(preimage).await.expect("it stays settled");
    let error = lnd.cancel_invoice(preimage.hash()).await.expect_err("it is settled");
    assert!(!error.is_not_found(), "{error}");
}

/// What is held already is told at once to whoever begins to follow, and given back.
async fn given_back(network: &Network, link: Link, payee: usize, lnd: &Lnd) {
    let preimage = preimage();
    let hash = preimage.hash();
    let error = lnd.cancel_invoice(hash).await.expect_err("there is none");
    assert!(error.is_not_found(), "{error}");
    let error = lnd.settle_invoice(preimage).await.expect_err("there is none");
    assert!(error.is_not_found(), "{error}");
    let invoice = hold(lnd, preimage).await.expect("a held invoice");
    let before = network.agreed_balances(link, payee).await;

    let scid = Scid::new(network.view(link, payee).await.chan_id);
    let way = network.way(link, link.beyond(payee)).await;
    let cancel = async {
        let expected = Held { paid: AMOUNT.msat(), over: vec![scid] };
        // The second one begins to follow when it is held already.
        for _ in 0..2 {
            let (held, mut told) = mpsc::channel(1);
            let first = async {
                tokio::select! {
                    end = lnd.follow_invoice(hash, &held) => panic!("it ended with {end:?}"),
                    held = told.recv() => held,
                }
            };
            let first = tokio::time::timeout(TOLD_LIMIT, first).await.expect("in time");
            assert_eq!(first.as_ref(), Some(&expected));
        }
        lnd.cancel_invoice(hash).await.expect("it is cancelled");
    };
    let (paid, ()) = tokio::join!(way.pay_invoice(&invoice), cancel);

    let failure = paid.expect_err("the payer is told that it did not arrive");
    assert!(failure.contains("IncorrectOrUnknownPaymentDetails"), "{failure}");
    assert_eq!(network.agreed_balances(link, payee).await, before);
    let (held, _) = mpsc::channel(1);
    let end = lnd.follow_invoice(hash, &held).await;
    assert_eq!(end.expect("an end"), InvoiceEnd::Canceled);
    lnd.cancel_invoice(hash).await.expect("it stays cancelled");
    let error = lnd.settle_invoice(preimage).await.expect_err("it is cancelled");
    assert!(!error.is_not_found(), "{error}");
}

/// A node's signature names its key to another node.
async fn signed(signer: &Node, verifier: &Node) {
    let text = "a text that only its node can sign";
    let lnd = edge(signer, Lnd::PERMISSIONS).await;
    let signature = lnd.sign_message(text).await.expect("a signature");
    let what = format!("{} knows the signature of {}", verifier.alias(), signer.alias());
    wait::until(&what, TOLD_LIMIT, async || {
        let msg = text.as_bytes().to_vec();
        let request = lnrpc::VerifyMessageRequest { msg, signature: signature.clone() };
        let answer = verifier.rpc().lightning().verify_message(request).await;
        let answer = answer.expect("an answer").into_inner();
        assert_eq!(answer.pubkey, signer.id().to_string());
        // Of a node that is not in its graph yet, lnd says that the signature is not valid.
        answer.valid.then_some(())
    })
    .await;
}

/// It takes all four calls.
async fn whether_it_can_be_held(node: &Node) {
    assert!(edge(node, Lnd::PERMISSIONS).await.can_hold().await.expect("an answer"));
    for lacking in ["AddHoldInvoice", "SettleInvoice", "CancelInvoice", "SubscribeSingleInvoice"] {
        let kept = Lnd::PERMISSIONS.iter().filter(|call| !call.ends_with(lacking));
        let lnd = edge(node, &kept.copied().collect::<Vec<_>>()).await;
        assert!(!lnd.can_hold().await.expect("an answer"), "{lacking}");
    }
}

/// The daemon's own edge to a node, with a macaroon that allows these calls only.
async fn edge(node: &Node, calls: &[&str]) -> Lnd {
    let macaroon = node.bake(calls).await;
    let endpoint = Endpoint {
        socket: node.socket(),
        certificate: Some(std::fs::read(node.certificate()).expect("a certificate")),
        macaroon: data_encoding::HEXLOWER.decode(macaroon.as_bytes()).expect("hex"),
    };
    Lnd::new(&endpoint).expect("an endpoint")
}

async fn hold(lnd: &Lnd, preimage: Preimage) -> Result<String, tightrope::lnd::LndError> {
    let amount: Msat = AMOUNT.msat();
    lnd.create_held_invoice(preimage.hash(), "held", amount, LIFE, FINAL_DELTA).await
}

/// A new one each time.
fn preimage() -> Preimage {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("randomness");
    Preimage::new(bytes)
}
