//! [`Figures`]: what the daemon counts and times, in Prometheus' text format.
//!
//! Counted is what the core decides and what nodes and disk take for it; how things stand at the
//! moment is read off the status when somebody asks ([`gauges`]). Nothing here decides anything.

mod count;
mod gauges;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
};

use self::count::PAYEE;
pub(super) use self::count::{Count, Named, counts};
use crate::clock::Step;
use crate::control::Status;
use crate::time::whole_ms;

/// How many steps of the wall clock are kept to be shown.
const STEPS_MAX: usize = 5;

/// The bounds of what takes as long as a call to a node or a disk, in seconds.
const SHORT: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// The bounds of what may have to wait for a peer, a pause or a cap, in seconds.
const LONG: [f64; 14] =
    [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0, 86_400.0];

/// All that is counted since the process started. Clones count together.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    registry: Registry,
    rebalances: IntCounterVec,
    moved: IntCounterVec,
    fees: IntCounterVec,
    drift: Histogram,
    rpc: HistogramVec,
    append: Histogram,
    steps: IntCounterVec,
    reloads: IntCounterVec,
    /// The last steps of the wall clock, in ms.
    last_steps: Arc<Mutex<VecDeque<i64>>>,
}

impl Figures {
    /// Nothing counted yet.
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let figures = Self {
            rebalances: counter(
                "tightrope_rebalances_total",
                "Attempts that ended, as payee and as payer, by outcome and the reason's code.",
                &["alias", "role", "outcome", "reason"],
            ),
            moved: counter(
                "tightrope_rebalanced_satoshis_total",
                "What rebalances moved in and out, in satoshis.",
                &["alias", "counterparty", "direction"],
            ),
            fees: counter(
                "tightrope_fees_satoshis_total",
                "What rebalances cost in fees, in satoshis: nothing, by design.",
                &["alias"],
            ),
            drift: Histogram::with_opts(
                options(
                    "tightrope_drift_to_settled_seconds",
                    "From the moment a side was below its threshold to the payment's arrival.",
                )
                .buckets(LONG.to_vec()),
            )
            .expect("a valid metric"),
            rpc: HistogramVec::new(
                options(
                    "tightrope_lnd_rpc_duration_seconds",
                    "How long nodes took over calls, by method and gRPC code.",
                )
                .buckets(SHORT.to_vec()),
                &["method", "code"],
            )
            .expect("a valid metric"),
            append: Histogram::with_opts(
                options(
                    "tightrope_audit_append_duration_seconds",
                    "From the decision to the durable record in the transaction log.",
                )
                .buckets(SHORT.to_vec()),
            )
            .expect("a valid metric"),
            steps: counter(
                "tightrope_clock_steps_total",
                "Steps of the wall clock over 2 s.",
                &["direction"],
            ),
            reloads: counter(
                "tightrope_reloads_total",
                "How often the configuration was read again, and whether it was taken in.",
                &["outcome"],
            ),
            last_steps: Arc::default(),
            registry,
        };
        figures.register();
        // What happens once in a year is there from the start, else nobody sees it begin.
        for direction in ["forward", "back"] {
            figures.steps.with_label_values(&[direction]).inc_by(0);
        }
        for outcome in ["done", "refused"] {
            figures.reloads.with_label_values(&[outcome]).inc_by(0);
        }
        figures
    }

    fn register(&self) {
        let all: [Box<dyn Collector>; 8] = [
            Box::new(self.rebalances.clone()),
            Box::new(self.moved.clone()),
            Box::new(self.fees.clone()),
            Box::new(self.drift.clone()),
            Box::new(self.rpc.clone()),
            Box::new(self.append.clone()),
            Box::new(self.steps.clone()),
            Box::new(self.reloads.clone()),
        ];
        for metric in all {
            self.registry.register(metric).expect("no two metrics have one name");
        }
    }

    /// Counts something that was decided.
    pub(super) fn add(&self, count: &Count) {
        match count {
            Count::Settled { role, own, other, amount } => {
                let direction = if *role == PAYEE { "in" } else { "out" };
                self.rebalances.with_label_values(&[&**own, *role, "settled", ""]).inc();
                self.moved
                    .with_label_values(&[&**own, &**other, direction])
                    .inc_by(amount.sat().sat());
                // Each rebalance is one hop at no fee: there is nothing to add, and that is shown.
                self.fees.with_label_values(&[own]).inc_by(0);
            }
            Count::Unpaid { role, own, outcome, reason } => {
                self.rebalances.with_label_values(&[&**own, *role, *outcome, &**reason]).inc();
            }
            Count::Drift(lasted) => self.drift.observe(lasted.as_secs_f64()),
        }
    }

    /// Counts a call to a node that ended.
    pub(super) fn called(&self, method: &str, code: &str, took: Duration) {
        self.rpc.with_label_values(&[method, code]).observe(took.as_secs_f64());
    }

    /// Counts a batch of records that is durable.
    pub(super) fn appended(&self, took: Duration) {
        self.append.observe(took.as_secs_f64());
    }

    /// Counts a step of the wall clock.
    pub(super) fn clock_stepped(&self, step: Step) {
        let in_ms = |by| i64::try_from(whole_ms(by)).unwrap_or(i64::MAX);
        let (direction, ms) = match step {
            Step::Forward(by) => ("forward", in_ms(by)),
            Step::Back(by) => ("back", -in_ms(by)),
        };
        self.steps.with_label_values(&[direction]).inc();
        let mut steps = self.last_steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.push_back(ms);
        if steps.len() > STEPS_MAX {
            steps.pop_front();
        }
    }

    /// The last steps of the wall clock, in ms, forward ones positive; the newest last.
    pub(super) fn last_steps(&self) -> Vec<i64> {
        let steps = self.last_steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.iter().copied().collect()
    }

    /// Counts a reload.
    pub(super) fn reloaded(&self, is_taken: bool) {
        let outcome = if is_taken { "done" } else { "refused" };
        self.reloads.with_label_values(&[outcome]).inc();
    }

    /// Everything that was counted, and how things stand, as Prometheus reads it.
    pub(super) fn text(&self, status: &Status) -> String {
        let mut families = self.registry.gather();
        families.extend(gauges::of(status));
        families.sort_by(|one, other| one.name().cmp(other.name()));
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&families, &mut text);
        encoded.expect("metrics with values can be written to memory");
        String::from_utf8(text).expect("metrics are text")
    }
}

fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect("a valid metric")
}

fn options(name: &str, help: &str) -> HistogramOpts {
    HistogramOpts::new(name, help)
}
