//! How fast the transaction log appends, beside plain lines of JSON, and how fast it opens.
//!
//! Run it with `cargo bench --bench audit`. All of it happens in the target folder, so that the
//! disk is a real one and the same for both.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;
use tightrope::audit::{self, Audit, Files, Mask};
use tightrope::core::ledger::Ledger;
use tightrope::core::policy::Policy;
use tightrope::core::record::{Attempt, Bill, Entry, InvoiceKind, Record};
use tightrope::ids::{ChannelPoint, NodeId, PaymentHash, RebalanceId, Scid};
use tightrope::time::Time;
use tightrope::units::Msat;
use tokio::runtime::Runtime;

/// How many appends wait at the same time, where many do.
const AT_ONCE: u64 = 64;
/// How many entries a long log has.
const LONG: u64 = 1_000_000;

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(4));
    targets = append, open
}
criterion_main!(benches);

fn append(criterion: &mut Criterion) {
    let folder = folder();
    let (audit, _) = audit::open(&files(&folder), drop).expect("opens");
    let runtime = runtime();
    let mut group = criterion.benchmark_group("append");

    let mut lines = File::create(folder.path().join("lines.json")).expect("is made");
    let line = serde_json::to_vec(&settled(1)).expect("is written");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one, as a line of JSON with fsync", |bencher| {
        bencher.iter(|| {
            lines.write_all(&line).expect("is written");
            lines.sync_data().expect("is durable");
        });
    });
    group.bench_function("one", |bencher| {
        bencher.iter(|| runtime.block_on(audit.record(vec![settled(1)])).expect("is durable"));
    });
    group.throughput(Throughput::Elements(AT_ONCE));
    group.bench_function("64 at once", |bencher| {
        bencher.iter(|| runtime.block_on(append_at_once(&audit)));
    });
    group.finish();
    runtime.block_on(audit.close());
}

/// Has many callers append one record each at the same time.
async fn append_at_once(audit: &Audit) {
    let waiting: Vec<_> = (0..AT_ONCE).map(|n| audit.record(vec![settled(n)])).collect();
    for appended in waiting {
        appended.await.expect("is durable");
    }
}

fn open(criterion: &mut Criterion) {
    let folder = folder();
    let files = files(&folder);
    let runtime = runtime();
    let (audit, _) = audit::open(&files, drop).expect("opens");
    for start in (0..LONG).step_by(1_000) {
        let records = (start..start + 1_000)
            .map(|n| if n % 2 == 0 { intended(n) } else { settled(n - 1) })
            .collect();
        runtime.block_on(audit.record(records)).expect("is durable");
    }
    runtime.block_on(audit.close());

    let mut group = criterion.benchmark_group("open");
    group.sample_size(10).throughput(Throughput::Elements(LONG));
    group.bench_function("and fold a million entries", |bencher| {
        bencher.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            for _ in 0..times {
                let mut ledger = Ledger::new(Policy::default().period);
                let start = Instant::now();
                let (audit, opened) =
                    audit::open(&files, |record| ledger.apply(&record)).expect("opens");
                spent += start.elapsed();
                assert_eq!(opened.records, LONG);
                drop(black_box(ledger));
                runtime.block_on(audit.close());
            }
            spent
        });
    });
    group.finish();
}

fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

fn files(folder: &TempDir) -> Files {
    Files {
        storage: folder.path().join("storage"),
        transactions: "transaction-log".to_owned(),
        events: "event-log".to_owned(),
        mask: Mask::default(),
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

/// A payer's first record of a payment.
fn intended(n: u64) -> Record {
    let bill = Bill {
        hash: hash(n),
        invoice: format!("lnbc{}", "q".repeat(350)),
        expires_at: Time::from_unix_ms(1_700_000_600_000 + n),
    };
    record(n, Entry::PaymentIntended(attempt(n), bill))
}

/// A payer's last record of a payment.
fn settled(n: u64) -> Record {
    record(n, Entry::PaymentSettled(attempt(n), hash(n)))
}

fn record(n: u64, entry: Entry) -> Record {
    Record { at: Time::from_unix_ms(1_700_000_000_000 + n), entry }
}

fn attempt(n: u64) -> Attempt {
    Attempt {
        rebalance: RebalanceId::new([7; 16]),
        paid_to: NodeId::new([2; 33]),
        paid_by: NodeId::new([3; 33]),
        point: ChannelPoint::new([4; 32], 1),
        scid: Scid::new(869_059_488_412_139_521),
        amount: Msat::new(1_000_000 + n),
        kind: InvoiceKind::Plain,
    }
}

fn hash(n: u64) -> PaymentHash {
    let mut bytes = [9; 32];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    PaymentHash::new(bytes)
}
