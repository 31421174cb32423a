//! How long the core takes to decide: `cargo bench --bench core`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tightrope::core::Core;
use tightrope::core::channel::{Channel, Commitment, Constraints};
use tightrope::core::decide::decide;
use tightrope::core::event::{Event, OwnNode};
use tightrope::core::invoice::Network;
use tightrope::core::ledger::Ledger;
use tightrope::core::policy::{Limits, Override, Policy, Settings};
use tightrope::ids::{ChannelPoint, NodeId, Scid};
use tightrope::time::Time;
use tightrope::units::Msat;

const CHANNELS: u64 = 10_000;
const ALICE: NodeId = NodeId::new([2; 33]);
const BOB: NodeId = NodeId::new([3; 33]);

/// The `n`th channel as one side sees it; every other one has drifted.
fn channel(n: u64, counterparty: NodeId, is_alice: bool) -> Channel {
    let bounds = Constraints {
        reserve: Msat::new(10_000_000),
        htlc_min: Msat::new(1),
        in_flight_max: Msat::MAX,
        htlcs_max: 483,
    };
    let share = if n.is_multiple_of(2) { 500_000_000 } else { 200_000_000 };
    let (alice, bob) = (Msat::new(share), Msat::new(1_000_000_000 - share));
    let mut txid = [0; 32];
    txid[..8].copy_from_slice(&n.to_be_bytes());
    Channel {
        point: ChannelPoint::new(txid, 0),
        counterparty,
        scid: Scid::new(n),
        other_scids: Vec::new(),
        peer_scid: Scid::new(n),
        capacity: Msat::new(1_001_000_000),
        local: if is_alice { alice } else { bob },
        remote: if is_alice { bob } else { alice },
        htlcs: Vec::new(),
        updates: 1,
        is_active: true,
        is_ordinary: true,
        is_initiator: is_alice,
        commitment: Commitment::Anchors,
        fee_per_kw: 2_500,
        ours: bounds,
        theirs: bounds,
    }
}

fn deciding(criterion: &mut Criterion) {
    let channels: Vec<Channel> = (0..CHANNELS).map(|n| channel(n, BOB, true)).collect();
    let policy = Policy::default();
    let mut group = criterion.benchmark_group("core");
    group.sample_size(20).throughput(Throughput::Elements(CHANNELS));
    group.bench_function("decide over 10,000 channels", |bencher| {
        bencher.iter(|| {
            for channel in &channels {
                black_box(decide(black_box(channel), &policy, &policy));
            }
        });
    });
    group.finish();
}

/// A core with both nodes connected and so many channels listed, in a dry run, so that an update
/// always has all its work to do and nothing stays open.
fn busy_core(count: u64, overrides: Vec<Override>) -> Core {
    let limits = Limits::new(Policy::default(), overrides);
    let settings = Settings { limits, dry_run: true, ..Settings::default() };
    let mut core = Core::new(settings, Ledger::new(Policy::default().period), now(), [0; 32]);
    connect(&mut core, ALICE, "alice");
    connect(&mut core, BOB, "bob");
    for (node, with) in [(ALICE, BOB), (BOB, ALICE)] {
        let channels = (0..count).map(|n| channel(n, with, node == ALICE)).collect();
        core.handle(now(), Event::ChannelsListed { node, with: None, channels });
    }
    core
}

/// One of the nodes answers.
fn connect(core: &mut Core, id: NodeId, alias: &str) {
    let own = OwnNode {
        id,
        alias: alias.to_owned(),
        network: Network::Regtest,
        rebalances: true,
        can_hold: false,
        proof: None,
    };
    core.handle(now(), Event::NodeConnected(own));
}

const fn now() -> Time {
    Time::from_unix_ms(1_800_000_000_000)
}

fn handling(criterion: &mut Criterion) {
    let mut core = busy_core(CHANNELS, Vec::new());
    let mut group = criterion.benchmark_group("core");
    group.sample_size(20);
    group.bench_function("one channel update among 10,000 channels", |bencher| {
        bencher.iter(|| {
            let channel = channel(4_321, BOB, true);
            black_box(core.handle(now(), Event::ChannelUpdated { node: ALICE, channel }));
        });
    });
    group.bench_function("a list of 10,000 channels", |bencher| {
        bencher.iter(|| {
            let channels = (0..CHANNELS).map(|n| channel(n, BOB, true)).collect();
            let listed = Event::ChannelsListed { node: ALICE, with: None, channels };
            black_box(core.handle(now(), listed));
        });
    });
    group.finish();
}

/// The loop makes it between two payments, whenever somebody asks.
fn reporting(criterion: &mut Criterion) {
    let overrides = (0..100).map(|n| Override {
        id: format!("alice:{}", Scid::new(n)),
        payments_max: Some(5),
        ..Override::default()
    });
    let mut down = busy_core(1_000, Vec::new());
    down.handle(now(), Event::NodeDisconnected { node: BOB });
    let mut group = criterion.benchmark_group("core");
    group.sample_size(20);
    for (name, core) in [
        ("a report of 1,000 channels, both sides", busy_core(1_000, Vec::new())),
        ("the same with limits for 100 of them", busy_core(1_000, overrides.collect())),
        ("the same with one node down", down),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| black_box(core.report())));
    }
    group.bench_function("a node with 1,000 channels goes and comes back", |bencher| {
        let mut core = busy_core(1_000, Vec::new());
        bencher.iter(|| {
            core.handle(now(), Event::NodeDisconnected { node: BOB });
            connect(&mut core, BOB, "bob");
            let channels = (0..1_000).map(|n| channel(n, ALICE, false)).collect();
            let listed = Event::ChannelsListed { node: BOB, with: None, channels };
            black_box(core.handle(now(), listed));
        });
    });
    group.finish();
}

criterion_group!(benches, deciding, handling, reporting);
criterion_main!(benches);
