//! The story that is told on both grounds: the small life of two channels between two nodes.

use std::time::Duration;

use tightrope::rpc::invoicesrpc;

use super::pair::{Pair, Payment};
use super::recorder::Recorder;
use crate::harness::channel::{Link, Open};
use crate::harness::network::{ALICE, BOB, Network};
use crate::harness::node::Version;
use crate::harness::wait;

/// How often the same payment is made in each direction: what comes before what, each time, is no
/// chance.
const PAYMENTS: usize = 8;
/// How long a payment may take to be held.
const HELD_LIMIT: Duration = Duration::from_secs(20);

/// Tells the story and returns what was heard.
pub(crate) async fn tell(version: Version) -> Recorder {
    let recorder = Recorder::new();
    let network = Network::start(&[version; 2]).await;
    let mut pair = Pair { network, recorder: recorder.clone() };
    recorder.act("greeting");
    for node in pair.network.nodes() {
        recorder.listen(node);
    }
    pair.look(None).await;
    recorder.quiet().await;

    recorder.act("open");
    let all_on_one_side = Open { push_sat: 0, private: true, ..Open::even(BOB, ALICE, 3_000_000) };
    let links = pair.network.open(&[Open::even(ALICE, BOB, 1_000_000), all_on_one_side]).await;
    let [even, lopsided] = links.try_into().expect("two channels");
    recorder.quiet().await;
    for link in [even, lopsided] {
        pair.look(Some(link)).await;
    }

    payments(&pair, even, lopsided).await;
    held(&pair, even).await;
    super::failures::tell(&pair, even, lopsided).await;
    super::refusals::tell(&pair, even).await;
    restart(&mut pair, even, lopsided).await;

    recorder.act("close");
    pair.network.close(even).await;
    pair.look(None).await;
    recorder
}

/// Payments both ways, large ones, one that is dust, and one that leaves its channel.
async fn payments(pair: &Pair, even: Link, lopsided: Link) {
    let recorder = &pair.recorder;
    for (payer, sat) in [(ALICE, 30_000), (BOB, 20_000)] {
        for turn in 0..PAYMENTS {
            recorder.act(&format!("payment {turn} of {sat} sat"));
            let paid = pair.pay(Payment::over(even, payer, sat)).await;
            paid.expect("it arrives");
            recorder.quiet().await;
        }
        pair.look(Some(even)).await;
    }
    recorder.act("a payment of dust");
    pair.pay(Payment::over(even, ALICE, 300)).await.expect("it arrives");
    recorder.quiet().await;
    pair.look(Some(even)).await;
    recorder.act("a payment to an empty side");
    pair.pay(Payment::over(lopsided, BOB, 1_000_000)).await.expect("it arrives");
    recorder.quiet().await;
    pair.look(Some(lopsided)).await;
}

/// A payment that is held and taken, and one that is given back.
async fn held(pair: &Pair, link: Link) {
    let (recorder, payee) = (&pair.recorder, &pair.network[BOB]);
    for (act, n) in [("a payment that is held and taken", 1), ("one that is given back", 2)] {
        recorder.act(act);
        let preimage = tightrope::ids::Preimage::new([n; 32]);
        let hash = preimage.hash().as_bytes().to_vec();
        let made = pair.hold(BOB, hash.clone(), 70_000).await.expect("a held invoice");
        recorder.watch(payee, hash.clone());
        let end = async {
            wait::until("it is held", HELD_LIMIT, async || {
                let is_held = |it: &super::recorder::Entry| {
                    it.call == "SubscribeSingleInvoice" && it.said["state"] == "ACCEPTED"
                };
                (recorder.count(is_held) > 0).then_some(())
            })
            .await;
            recorder.quiet().await;
            recorder.act(&format!("{act}: while it is held"));
            pair.look(Some(link)).await;
            pair.lookup(BOB, hash.clone()).await.expect("its invoice");
            pair.track(ALICE, hash.clone()).await;
            recorder.act(&format!("{act}: its end"));
            let mut invoices = payee.rpc().invoices();
            if n == 1 {
                let request = invoicesrpc::SettleInvoiceMsg { preimage: vec![n; 32] };
                let answer = invoices.settle_invoice(request).await;
                recorder.note(payee, "SettleInvoice", answer).expect("it is taken");
            } else {
                let request = invoicesrpc::CancelInvoiceMsg { payment_hash: hash.clone() };
                let answer = invoices.cancel_invoice(request).await;
                recorder.note(payee, "CancelInvoice", answer).expect("it is given back");
            }
        };
        let payment = Payment::over(link, ALICE, 70_000);
        let (sent, ()) = tokio::join!(pair.send(payment, hash.clone(), made.payment_addr), end);
        sent.expect("an answer");
        recorder.quiet().await;
        pair.track(ALICE, hash.clone()).await;
        pair.lookup(BOB, hash).await.expect("its invoice");
        pair.look(Some(link)).await;
    }
}

/// A node is killed and comes back; the other tries to pay meanwhile.
async fn restart(pair: &mut Pair, link: Link, other: Link) {
    let recorder = pair.recorder.clone();
    let (hash, addr) = pair.invoice(BOB, 10_000).await;
    recorder.act("the other end is killed");
    pair.network[BOB].kill();
    let what = "the channel is inactive";
    wait::until(what, HELD_LIMIT, async || {
        (!pair.network.view(link, ALICE).await.active).then_some(())
    })
    .await;
    recorder.quiet().await;
    pair.look_from(ALICE, Some(link)).await;
    recorder.act("a payment to the one that is gone");
    let sent = pair.send(Payment::over(link, ALICE, 10_000), hash.clone(), addr.clone()).await;
    let _ = sent;
    recorder.quiet().await;
    pair.track(ALICE, hash).await;
    recorder.act("it is back");
    pair.network[BOB].start_again().await;
    recorder.listen(&pair.network[BOB]);
    pair.network.wait_until_active(link).await;
    pair.network.wait_until_active(other).await;
    recorder.quiet().await;
    pair.look(Some(link)).await;
    recorder.act("a payment after that");
    pair.pay(Payment::over(link, ALICE, 10_000)).await.expect("it arrives");
    recorder.quiet().await;
    pair.look(Some(link)).await;
}
