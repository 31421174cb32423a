//! Invoices, held ones too: made, followed, settled, cancelled; and the node's signature.

use std::time::Duration;

use tightrope::core::event::{Held, InvoiceEnd};
use tightrope::ids::{PaymentHash, Preimage, Scid};
use tightrope::lnd::{Lnd, LndError};
use tightrope::rpc::lnrpc;
use tightrope::rpc::lnrpc::InvoiceHtlcState;
use tightrope::rpc::lnrpc::invoice::InvoiceState;
use tightrope::units::Msat;
use tokio::sync::mpsc;

use super::fake::{Fake, PATIENCE};

/// How long the invoices can be paid.
const LIFE: Duration = Duration::from_secs(60);
/// What opens the held ones.
const PREIMAGE: Preimage = Preimage::new([7; 32]);

#[tokio::test]
async fn an_invoice_is_made_and_its_end_is_told() {
    let fake = Fake::start(true).await;
    let lnd = fake.lnd();
    let made = lnd.create_invoice("memo", Msat::new(5_000), LIFE, 80).await;
    assert_eq!(made.expect("an invoice"), "memo/5000");
    fake.change_invoice(|invoice| {
        assert_eq!((invoice.expiry, invoice.cltv_expiry, invoice.private), (60, 80, false));
        pay(invoice, InvoiceState::Settled, InvoiceHtlcState::Settled);
    })
    .await;
    assert_eq!(end(&lnd).await, settled());
    assert_eq!(fake.count("LookupInvoice"), 0);
}

#[tokio::test]
async fn a_node_without_invoicesrpc_is_asked_for_its_invoices() {
    let fake = Fake::start(false).await;
    fake.change_invoice(|invoice| pay(invoice, InvoiceState::Settled, InvoiceHtlcState::Settled))
        .await;
    assert_eq!(end(&fake.lnd()).await, settled());
    assert_eq!(fake.count("LookupInvoice"), 1);
}

#[tokio::test]
async fn an_invoice_that_the_node_forgot_is_cancelled() {
    let fake = Fake::start(true).await;
    assert_eq!(end(&fake.lnd()).await, InvoiceEnd::Canceled);
}

#[tokio::test]
async fn a_held_invoice_is_made_and_told_once_it_is_paid() {
    let fake = Fake::start(true).await;
    let lnd = fake.lnd();
    hold(&lnd).await.expect("an invoice");
    let (held, mut told) = mpsc::channel(1);
    let watch = fake.lnd();
    let followed = tokio::spawn(async move { watch.follow_invoice(PREIMAGE.hash(), &held).await });
    fake.called("SubscribeSingleInvoice", 1).await;
    fake.change_invoice(|invoice| {
        assert_eq!((invoice.expiry, invoice.cltv_expiry, invoice.private), (60, 80, false));
        pay(invoice, InvoiceState::Accepted, InvoiceHtlcState::Accepted);
    })
    .await;
    assert_eq!(next(&mut told).await, five_sat());

    lnd.settle_invoice(PREIMAGE).await.expect("settled");
    fake.change_invoice(|invoice| pay(invoice, InvoiceState::Settled, InvoiceHtlcState::Settled))
        .await;
    let end = tokio::time::timeout(PATIENCE, followed).await.expect("in time").expect("it ran");
    assert_eq!(end.expect("an end"), settled());
    lnd.settle_invoice(PREIMAGE).await.expect("it counts as settled");
    let error = lnd.cancel_invoice(PREIMAGE.hash()).await.expect_err("it is settled");
    assert!(!error.is_not_found(), "{error}");
}

#[tokio::test]
async fn an_invoice_that_is_held_already_is_told_at_once_whoever_tells_it() {
    for has_invoicesrpc in [true, false] {
        let fake = Fake::start(has_invoicesrpc).await;
        fake.change_invoice(|invoice| {
            pay(invoice, InvoiceState::Accepted, InvoiceHtlcState::Accepted);
        })
        .await;
        let (held, mut told) = mpsc::channel(1);
        let watch = fake.lnd();
        let followed =
            tokio::spawn(async move { watch.follow_invoice(PREIMAGE.hash(), &held).await });
        assert_eq!(next(&mut told).await, five_sat());
        // Its end is told too, when nobody listens to the rest.
        drop(told);
        fake.change_invoice(|invoice| invoice.state = InvoiceState::Canceled.into()).await;
        let end = tokio::time::timeout(PATIENCE, followed).await.expect("in time");
        assert_eq!(end.expect("it ran").expect("an end"), InvoiceEnd::Canceled);
    }
}

#[tokio::test]
async fn a_hash_is_held_once_only() {
    let fake = Fake::start(true).await;
    let lnd = fake.lnd();
    assert_eq!(hold(&lnd).await.expect("an invoice"), "memo/5000");
    let error = hold(&lnd).await.expect_err("there is one").to_string();
    assert!(error.contains("already exists"), "{error}");
}

#[tokio::test]
async fn an_invoice_that_never_was_is_told_from_one_that_is_cancelled() {
    let fake = Fake::start(true).await;
    let lnd = fake.lnd();
    let error = lnd.cancel_invoice(PREIMAGE.hash()).await.expect_err("there is none");
    assert!(error.is_not_found(), "{error}");
    let error = lnd.settle_invoice(PREIMAGE).await.expect_err("there is none");
    assert!(error.is_not_found(), "{error}");

    hold(&lnd).await.expect("an invoice");
    let error = lnd.settle_invoice(PREIMAGE).await.expect_err("it is not paid");
    assert!(!error.is_not_found(), "{error}");
    fake.change_invoice(|invoice| invoice.state = InvoiceState::Canceled.into()).await;
    lnd.cancel_invoice(PREIMAGE.hash()).await.expect("it stays cancelled");
}

#[tokio::test]
async fn it_can_be_held_where_the_node_and_the_macaroon_have_all_that_it_takes() {
    let fake = Fake::start(true).await;
    let lnd = fake.lnd();
    assert!(lnd.can_hold().await.expect("answers"));
    for call in ["AddHoldInvoice", "SettleInvoice", "CancelInvoice", "SubscribeSingleInvoice"] {
        fake.script.lock().unwrap().denied = [call].into();
        assert!(!lnd.can_hold().await.expect("answers"), "{call}");
    }
    fake.script.lock().unwrap().is_locked = true;
    let error = lnd.can_hold().await.expect_err("locked");
    assert!(matches!(error, LndError::Locked { .. }), "{error}");
    assert!(fake.script.lock().unwrap().invoice.is_none(), "nothing was made");

    let fake = Fake::start(false).await;
    assert!(!fake.lnd().can_hold().await.expect("answers"));
}

#[tokio::test]
async fn a_node_signs_a_text() {
    let fake = Fake::start(true).await;
    assert_eq!(fake.lnd().sign_message("a text").await.expect("a signature"), "signed: a text");
}

/// Asks for a held invoice over 5 sat.
async fn hold(lnd: &Lnd) -> Result<String, LndError> {
    lnd.create_held_invoice(PREIMAGE.hash(), "memo", Msat::new(5_000), LIFE, 80).await
}

/// Follows the invoice to its end.
async fn end(lnd: &Lnd) -> InvoiceEnd {
    let (held, _) = mpsc::channel(1);
    lnd.follow_invoice(PaymentHash::new([1; 32]), &held).await.expect("an end")
}

/// What is told next.
async fn next(told: &mut mpsc::Receiver<Held>) -> Held {
    tokio::time::timeout(PATIENCE, told.recv()).await.expect("in time").expect("something")
}

/// 5 sat over the channel 5, held.
fn five_sat() -> Held {
    Held { paid: Msat::new(5_000), over: vec![Scid::new(5)] }
}

/// The same, settled.
fn settled() -> InvoiceEnd {
    InvoiceEnd::Settled { paid: Msat::new(5_000), over: vec![Scid::new(5)] }
}

/// Pays an invoice with 5 sat over the channel 5.
fn pay(invoice: &mut lnrpc::Invoice, state: InvoiceState, htlc: InvoiceHtlcState) {
    invoice.state = state.into();
    invoice.amt_paid_msat = 5_000;
    invoice.htlcs = vec![lnrpc::InvoiceHtlc {
        chan_id: 5,
        amt_msat: 5_000,
        state: htlc.into(),
        ..Default::default()
    }];
}
