//! What must be true of the money when everything has come to rest, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tightrope::ids::{NodeId, PaymentHash};
use tightrope::rpc::lnrpc;
use tightrope::rpc::lnrpc::payment::PaymentStatus;

use super::daemon::Daemon;
use super::journal::{Journal, Transaction};
use super::network::Network;
use super::node::Node;
use super::wait;

/// How many numbers lnd takes for its payments at once.
const NUMBERS_AT_ONCE: u64 = 1_000;
/// How every invoice for rebalancing begins its memo.
const MEMO: &str = "tightrope rebalance ";

/// Holds the daemon's records against what the nodes say:
///
/// - each attempt and each payment has exactly one end;
/// - no hash was intended or dispatched twice;
/// - what a node paid, it paid in one hop over the recorded channel, at no fee, for the recorded
///   amount, and the record of its end is true;
/// - whatever was paid for rebalancing is recorded.
///
/// Of several daemons on one network, the journals are held against it together.
pub(crate) async fn check(network: &Network, journal: &Journal) {
    check_beside(network, journal, &[]).await;
}

/// The same where some of the payers keep no records: what they paid was taken only if it came
/// over the recorded channel.
pub(crate) async fn check_beside(network: &Network, journal: &Journal, outsiders: &[NodeId]) {
    every_attempt_ended_once(journal);
    let intended = every_payment_ended_once(journal);
    let mut paid = BTreeSet::new();
    for node in network.nodes() {
        let scids = scids(node).await;
        let payments = node.payments().await;
        none_was_begun_twice(&payments, node);
        for payment in payments {
            let hash: PaymentHash = payment.payment_hash.parse().expect("a hash");
            if let Some(record) = intended.get(&hash) {
                assert_eq!(record.paid_by, Some(node.id()), "{hash} was paid by another node");
                holds(&payment, record, journal, &scids);
            }
            if payment.status() == PaymentStatus::Succeeded {
                paid.insert(hash);
            }
        }
    }
    for settled in journal.of("paymentSettled") {
        let hash = settled.payment_hash.expect("a payment's record has its hash");
        assert!(paid.contains(&hash), "{hash} is recorded as settled, and no node paid it");
    }
    for node in network.nodes() {
        let scids = scids(node).await;
        for (hash, over) in paid_to(node).await {
            if !intended.contains_key(&hash) {
                arrived_as_recorded(journal, outsiders, hash, &over, &scids);
            }
        }
    }
}

/// How many payments arrived, by the nodes' own word.
pub(crate) async fn count_paid(network: &Network) -> usize {
    let mut count = 0;
    for node in network.nodes() {
        count += paid_to(node).await.len();
    }
    count
}

/// Watches for so long that no channel sees an update, and the daemon records nothing.
pub(crate) async fn nothing_moves(network: &Network, daemon: &Daemon, period: Duration) {
    let what = "nothing is in flight, and both ends of each channel have seen the same";
    let before = wait::until(what, Duration::from_secs(20), async || {
        let ends = ends(network).await;
        let is_at_rest = |end: &End| end.in_flight == 0;
        let is_even = ends.chunk_by(|a, b| a.point == b.point).all(|channel| {
            channel.iter().all(|end| is_at_rest(end) && end.updates == channel[0].updates)
        });
        is_even.then_some(ends)
    })
    .await;
    let recorded = daemon.journal().transactions.len();
    tokio::time::sleep(period).await;
    assert_eq!(ends(network).await, before, "a channel moved within {period:?}");
    assert_eq!(daemon.journal().transactions.len(), recorded, "records within {period:?}");
}

/// One end of a channel, as far as it tells whether something moves there.
#[derive(Debug, Eq, PartialEq, Ord, PartialOrd)]
struct End {
    point: String,
    alias: &'static str,
    updates: u64,
    in_flight: usize,
}

/// Both ends of all channels, those of one channel next to each other.
async fn ends(network: &Network) -> Vec<End> {
    let mut ends = Vec::new();
    for node in network.nodes() {
        ends.extend(node.channels().await.into_iter().map(|channel| End {
            point: channel.channel_point,
            alias: node.alias(),
            updates: channel.num_updates,
            in_flight: channel.pending_htlcs.len(),
        }));
    }
    ends.sort_unstable();
    ends
}

fn every_attempt_ended_once(journal: &Journal) {
    for opened in journal.of("rebalanceOpened") {
        let is_end = |line: &&Transaction| {
            line.rebalance_id == opened.rebalance_id
                && matches!(line.record.as_str(), "rebalanceSettled" | "rebalanceFailed")
        };
        let ends = journal.transactions.iter().filter(is_end).count();
        assert_eq!(ends, 1, "ends of the attempt {:?}", opened.rebalance_id);
    }
}

/// Returns the intents by their hashes.
fn every_payment_ended_once(journal: &Journal) -> BTreeMap<PaymentHash, &Transaction> {
    let mut intended = BTreeMap::new();
    for intent in journal.of("paymentIntended") {
        let hash = intent.payment_hash.expect("an intent has its hash");
        assert!(intended.insert(hash, intent).is_none(), "{hash} was intended twice");
        let is_end = |line: &&Transaction| {
            line.payment_hash == Some(hash)
                && matches!(line.record.as_str(), "paymentSettled" | "paymentFailed")
        };
        let ends = journal.transactions.iter().filter(is_end).count();
        assert_eq!(ends, 1, "ends of the payment {hash}");
    }
    intended
}

/// A payment that is begun anew is listed under its new number alone, and leaves a gap; a node that
/// was started again goes on with the next thousand.
fn none_was_begun_twice(payments: &[lnrpc::Payment], node: &Node) {
    let numbers: BTreeSet<u64> = payments.iter().map(|payment| payment.payment_index).collect();
    let mut last = 0;
    for number in numbers {
        let is_next = number == last + 1 || number % NUMBERS_AT_ONCE == 1;
        assert!(is_next, "{} has begun a payment anew: {last}, {number}", node.alias());
        last = number;
    }
}

/// Holds one payment of a node against its records.
fn holds(
    payment: &lnrpc::Payment,
    intent: &Transaction,
    journal: &Journal,
    scids: &BTreeMap<String, u64>,
) {
    let hash = &payment.payment_hash;
    assert!(payment.htlcs.len() <= 1, "{hash} was dispatched {} times", payment.htlcs.len());
    assert_eq!(payment.fee_msat, 0, "{hash} cost a fee");
    let amount = u64::try_from(payment.value_msat).expect("an amount");
    assert_eq!(intent.amount_msat, Some(amount), "{hash} is for another amount");
    for htlc in &payment.htlcs {
        let hops = &htlc.route.as_ref().expect("a route").hops;
        assert_eq!(hops.len(), 1, "{hash} took more than one hop");
        let point = intent.channel_point.expect("an intent has its channel").to_string();
        // A channel that was closed since is not listed.
        if let Some(scid) = scids.get(&point) {
            assert_eq!(hops[0].chan_id, *scid, "{hash} went over another channel");
        }
    }
    let is_recorded =
        |record: &str| journal.of(record).any(|line| line.payment_hash == intent.payment_hash);
    match payment.status() {
        PaymentStatus::Succeeded => assert!(is_recorded("paymentSettled"), "{hash} arrived"),
        PaymentStatus::Failed => assert!(is_recorded("paymentFailed"), "{hash} failed"),
        status @ (PaymentStatus::Unknown | PaymentStatus::InFlight | PaymentStatus::Initiated) => {
            panic!("{hash} is {status:?} at its node")
        }
    }
}

/// The ids that a node knows its channels by.
async fn scids(node: &Node) -> BTreeMap<String, u64> {
    let channels = node.channels().await.into_iter();
    channels.map(|channel| (channel.channel_point, channel.chan_id)).collect()
}

/// Holds a payment of an outsider against the payee's record of it.
fn arrived_as_recorded(
    journal: &Journal,
    outsiders: &[NodeId],
    hash: PaymentHash,
    over: &[u64],
    scids: &BTreeMap<String, u64>,
) {
    let arrived = journal.of("rebalanceSettled").find(|line| line.payment_hash == Some(hash));
    let arrived = arrived.unwrap_or_else(|| panic!("{hash} was paid without a record"));
    let payer = arrived.paid_by.expect("an arrival has its payer");
    assert!(outsiders.contains(&payer), "{hash} was paid without an intent");
    let point = arrived.channel_point.expect("an arrival has its channel").to_string();
    if let Some(scid) = scids.get(&point) {
        assert!(over.iter().all(|it| it == scid), "{hash} came over {over:?} instead of {scid}");
    }
}

/// The hashes of all invoices for rebalancing that a node was paid, and the channels of the HTLCs.
async fn paid_to(node: &Node) -> Vec<(PaymentHash, Vec<u64>)> {
    let request = lnrpc::ListInvoiceRequest { num_max_invoices: 10_000, ..Default::default() };
    let answer = node.rpc().lightning().list_invoices(request).await;
    let invoices = answer.expect("a node that answers").into_inner().invoices.into_iter();
    let is_paid = |invoice: &lnrpc::Invoice| {
        invoice.memo.starts_with(MEMO) && invoice.state() == lnrpc::invoice::InvoiceState::Settled
    };
    let paid = |invoice: lnrpc::Invoice| {
        let settled = lnrpc::InvoiceHtlcState::Settled;
        let htlcs = invoice.htlcs.iter().filter(|htlc| htlc.state() == settled);
        let over = htlcs.map(|htlc| htlc.chan_id).collect();
        (PaymentHash::from_slice(&invoice.r_hash).expect("a hash"), over)
    };
    invoices.filter(is_paid).map(paid).collect()
}

/// What counts towards a node's caps by the records, in msat: each payment but those of which the
/// node itself said that they failed.
pub(crate) fn counted(journal: &Journal, node: NodeId) -> Vec<u64> {
    let is_given_back = |hash: Option<PaymentHash>| {
        let mut failed = journal.of("paymentFailed");
        failed.any(|line| line.payment_hash == hash && is_given_back(line))
    };
    let intents = journal.of("paymentIntended").filter(|line| line.paid_by == Some(node));
    let counted = intents.filter(|line| !is_given_back(line.payment_hash));
    counted.map(|line| line.amount_msat.expect("an intent has its amount")).collect()
}

/// At each intent of a node, what counted towards its cap with that payment was within the cap;
/// returns the most that it was. A payment counts until so long after its end, but not once the
/// node said that it failed.
pub(crate) fn stays_within(
    journal: &Journal,
    node: NodeId,
    cap_msat: u64,
    period: Duration,
) -> u64 {
    let period = u64::try_from(period.as_millis()).expect("a short period");
    let of = |line: &&Transaction| line.paid_by == Some(node);
    let intents: Vec<_> = journal.of("paymentIntended").filter(of).collect();
    let until = |intent: &Transaction| {
        let is_end = |line: &&Transaction| {
            line.payment_hash == intent.payment_hash
                && matches!(line.record.as_str(), "paymentSettled" | "paymentFailed")
        };
        let end = journal.transactions.iter().find(is_end).expect("every payment has ended");
        end.timestamp + if is_given_back(end) { 0 } else { period }
    };
    let mut most = 0;
    for (n, intent) in intents.iter().enumerate() {
        let counting = intents[..=n]
            .iter()
            .filter(|it| it.payment_hash == intent.payment_hash || until(it) > intent.timestamp);
        let counted: u64 = counting.map(|it| it.amount_msat.expect("an amount")).sum();
        assert!(counted <= cap_msat, "{counted} msat count at {intent:?}");
        most = most.max(counted);
    }
    most
}

/// Whether a payment ended because its node says that it failed.
fn is_given_back(end: &Transaction) -> bool {
    end.record == "paymentFailed" && {
        let failure = end.failure.as_ref().expect("a failure says why");
        failure["code"] != "notSent" && failure["code"] != "notFound"
    }
}
