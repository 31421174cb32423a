//! Payments that do not arrive: what the payer is told of each.

use std::time::Duration;

use tightrope::rpc::lnrpc::htlc_attempt::HtlcStatus;
use tightrope::rpc::{invoicesrpc, lnrpc};

use super::pair::{Pair, Payment};
use crate::harness::channel::Link;
use crate::harness::network::{ALICE, BOB};
use crate::harness::wait;

/// What is tried.
const SAT: i64 = 10_000;
/// How long a payment may take to be held.
const HELD_LIMIT: Duration = Duration::from_secs(20);

/// Tries all of them.
pub(crate) async fn tell(pair: &Pair, even: Link, lopsided: Link) {
    let good = Payment::over(even, ALICE, SAT);
    let odd = |msat| Payment { msat, ..good.clone() };
    let after = |delta| Payment { delta, ..good.clone() };
    let over = |chan_id| Payment { chan_id: Some(chan_id), ..good.clone() };
    let other = pair.network.view(lopsided, ALICE).await.chan_id;
    let total = SAT * 1000;
    for (act, payment) in [
        ("less than the invoice says", odd(total - 1)),
        ("more than the invoice says", odd(total + 1_000)),
        ("twice what the invoice says", odd(2 * total)),
        ("thrice what the invoice says", odd(3 * total)),
        (
            "a part that is more than the whole",
            Payment { total_msat: Some(total - 1), ..good.clone() },
        ),
        ("the last block that is soon enough", after(80)),
        ("one block too few", after(79)),
        ("ten blocks", after(10)),
        ("three blocks", after(3)),
        ("no block", after(0)),
        ("too many blocks", after(3_000)),
        ("more than there is", Payment::over(even, ALICE, 990_000)),
        ("more than a channel may carry at once", Payment::over(even, ALICE, 995_000)),
        ("more than there is in a private channel", Payment::over(lopsided, ALICE, 2_500_000)),
        ("a channel that is not", over(1 << 40)),
        ("another channel of the same two", over(other)),
    ] {
        pair.recorder.act(&format!("failure: {act}"));
        let asked = if payment.msat > 3 * total { payment.msat / 1000 } else { SAT };
        let (hash, addr) = pair.invoice(BOB, asked).await;
        let _ = (pair.send(payment, hash.clone(), addr).await, pair.recorder.quiet().await);
        pair.lookup(BOB, hash.clone()).await.expect("its invoice");
        pair.track(ALICE, hash).await;
    }
    pair.look(Some(even)).await;
    of_invoices(pair, &good).await;
    twice(pair, &good).await;
    small(pair, &good).await;
    most(pair, even).await;
}

/// Invoices that cannot be paid.
async fn of_invoices(pair: &Pair, good: &Payment) {
    let recorder = &pair.recorder;
    recorder.act("failure: an unknown hash");
    let _ = pair.send(good.clone(), vec![7; 32], vec![8; 32]).await;
    recorder.quiet().await;
    pair.track(ALICE, vec![7; 32]).await;

    recorder.act("failure: a wrong payment secret");
    let (hash, _) = pair.invoice(BOB, SAT).await;
    let _ = pair.send(good.clone(), hash.clone(), vec![8; 32]).await;
    recorder.quiet().await;
    pair.track(ALICE, hash.clone()).await;

    recorder.act("failure: cancelled");
    let (hash, addr) = pair.invoice(BOB, SAT).await;
    let node = &pair.network[BOB];
    let watch = recorder.watch(node, hash.clone());
    let request = invoicesrpc::CancelInvoiceMsg { payment_hash: hash.clone() };
    let answer = node.rpc().invoices().cancel_invoice(request).await;
    recorder.note(node, "CancelInvoice", answer).expect("it is cancelled");
    let _ = pair.send(good.clone(), hash.clone(), addr.clone()).await;
    recorder.quiet().await;
    watch.abort();
    pair.track(ALICE, hash.clone()).await;
    recorder.act("failure: a failed one again");
    let _ = pair.send(good.clone(), hash.clone(), addr).await;
    recorder.quiet().await;
    pair.track(ALICE, hash).await;
}

/// The same invoice twice: one after the other, and at once.
async fn twice(pair: &Pair, good: &Payment) {
    let recorder = &pair.recorder;
    recorder.act("failure: paid already, first");
    let (hash, addr) = pair.invoice(BOB, SAT).await;
    let _ = pair.send(good.clone(), hash.clone(), addr.clone()).await;
    recorder.quiet().await;
    recorder.act("failure: paid already, again");
    let _ = pair.send(good.clone(), hash.clone(), addr.clone()).await;
    recorder.quiet().await;
    pair.track(ALICE, hash).await;

    let hash = tightrope::ids::Preimage::new([3; 32]).hash().as_bytes().to_vec();
    let node = &pair.network[BOB];
    recorder.act("failure: on its way already");
    let made = pair.hold(BOB, hash.clone(), SAT).await.expect("a held invoice");
    let again = async {
        // The first is held by now.
        recorder.quiet().await;
        recorder.act("failure: on its way already, again");
        let _ = pair.send(good.clone(), hash.clone(), made.payment_addr.clone()).await;
        recorder.quiet().await;
        pair.track(ALICE, hash.clone()).await;
        let request = invoicesrpc::CancelInvoiceMsg { payment_hash: hash.clone() };
        let answer = node.rpc().invoices().cancel_invoice(request).await;
        recorder.note(node, "CancelInvoice", answer).expect("it is given back");
    };
    let first = pair.send(good.clone(), hash.clone(), made.payment_addr.clone());
    let (_, ()) = tokio::join!(first, again);
    recorder.quiet().await;
    pair.track(ALICE, hash.clone()).await;
}

/// Less than an HTLC may be, or than the payee's node would notice.
async fn small(pair: &Pair, good: &Payment) {
    for msat in [999, 1] {
        pair.recorder.act(&format!("failure: {msat} msat"));
        let invoice = lnrpc::Invoice { value_msat: msat, ..Default::default() };
        let node = &pair.network[BOB];
        let answer = node.rpc().lightning().add_invoice(invoice).await;
        let made = pair.recorder.note(node, "AddInvoice", answer).expect("an invoice");
        let payment = Payment { msat, ..good.clone() };
        let _ = pair.send(payment, made.r_hash.clone(), made.payment_addr).await;
        pair.recorder.quiet().await;
        pair.track(ALICE, made.r_hash).await;
    }
    pair.look(Some(good.link)).await;
}

/// The most that either end can send, to the sat.
async fn most(pair: &Pair, link: Link) {
    for payer in [ALICE, BOB] {
        pair.recorder.act("the most that can be sent");
        let view = pair.network.view(link, payer).await;
        let most = pair.recorder.aside(async || {
            let (mut least, mut beyond) = (0, view.local_balance + 1);
            let mut serial = u64::try_from(payer).expect("small") << 32;
            while beyond - least > 1 {
                let sat = least.midpoint(beyond);
                serial += 1;
                if goes_through(pair, link, payer, sat, serial).await {
                    least = sat;
                } else {
                    beyond = sat;
                }
            }
            least
        });
        let said = serde_json::json!({ "local_balance": view.local_balance, "most": most.await });
        pair.recorder.hear_plain(pair.network[payer].alias(), "the most", said);
    }
}

/// Whether so much arrives; it is given back.
async fn goes_through(pair: &Pair, link: Link, payer: usize, sat: i64, serial: u64) -> bool {
    let payee = &pair.network[link.beyond(payer)];
    let mut preimage = [4; 32];
    preimage[..8].copy_from_slice(&serial.to_be_bytes());
    let hash = tightrope::ids::Preimage::new(preimage).hash().as_bytes().to_vec();
    let made = pair.hold(link.beyond(payer), hash.clone(), sat).await.expect("an invoice");
    let send = pair.send(Payment::over(link, payer, sat), hash.clone(), made.payment_addr);
    let held = async {
        wait::until("it is held, or waits in vain", HELD_LIMIT, async || {
            let request = lnrpc::PaymentHash { r_hash: hash.clone() };
            let invoice = payee.rpc().lightning().lookup_invoice(request).await;
            let state = invoice.expect("its invoice").into_inner().state();
            (state == lnrpc::invoice::InvoiceState::Accepted).then_some(())
        })
        .await;
    };
    let is_held = tokio::select! {
        attempt = send => {
            assert_eq!(attempt.expect("an answer").status(), HtlcStatus::Failed);
            false
        }
        () = held => true,
    };
    let request = invoicesrpc::CancelInvoiceMsg { payment_hash: hash.clone() };
    payee.rpc().invoices().cancel_invoice(request).await.expect("it is given back");
    pair.network.agreed_balances(link, payer).await;
    is_held
}
