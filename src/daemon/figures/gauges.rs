//! How things stand at one moment, as metrics: read off the status.

use prometheus::Opts;
use prometheus::core::{Atomic, AtomicF64, AtomicI64, Collector, GenericGaugeVec};
use prometheus::proto::MetricFamily;

use crate::control::Status;
use crate::core::find::called;
use crate::core::report::{ChannelReport, NodeReport, OpenState, PeerReport, Report};
use crate::time::Time;
use crate::units::{Msat, Ppm};

/// All of them.
pub(super) fn of(status: &Status) -> Vec<MetricFamily> {
    let mut all = Gauges(Vec::new());
    all.of_the_daemon(status);
    // Without a log nothing is known of the rest, and a zero would be a lie.
    if status.log.is_usable {
        all.of_what_is_open(&status.report);
        all.of_slots(status);
        all.of_nodes(&status.report.nodes);
        all.of_peers(&status.report.peers);
        all.of_channels(&status.report.channels);
    }
    all.0
}

/// The metrics that are made so far.
struct Gauges(Vec<MetricFamily>);

impl Gauges {
    fn of_the_daemon(&mut self, status: &Status) {
        let version = vec![status.version.clone()];
        let one = |value| [(Vec::new(), value)];
        self.ints("tightrope_build_info", "The daemon's version.", &["version"], [(version, 1)]);
        self.ints(
            "tightrope_start_time_seconds",
            "When the daemon started, in seconds since 1970.",
            &[],
            one(int(status.started_at.since(Time::default()).as_secs())),
        );
        self.ints(
            "tightrope_audit_usable",
            "Whether the transaction log can be written; without it nothing is paid.",
            &[],
            one(status.log.is_usable.into()),
        );
        self.ints(
            "tightrope_audit_waiting_batches",
            "How many batches of records wait for the disk.",
            &[],
            one(int(status.log.waiting)),
        );
        self.ints(
            "tightrope_swarm_joined",
            "Whether peers can find us.",
            &[],
            one(status.swarm.is_joined.into()),
        );
    }

    fn of_what_is_open(&mut self, report: &Report) {
        let pauses = [(Vec::new(), int_of(report.pauses.len()))];
        self.ints("tightrope_pauses", "How many pauses hold.", &[], pauses);
        let open = OpenState::ALL.map(|state| {
            let count = report.open.iter().filter(|open| open.state == state).count();
            (vec![code_of(&state)], int_of(count))
        });
        let help = "Attempts and payments that have not ended, by how far they are.";
        self.ints("tightrope_open_payments", help, &["state"], open);
    }

    /// A row for each entry of `lightningNodes`: one that has never answered goes by its socket.
    fn of_slots(&mut self, status: &Status) {
        let up = status.slots.iter().map(|slot| {
            let node = slot.node.or(slot.last_node);
            let known = status.report.nodes.iter().find(|known| Some(known.node) == node);
            let alias =
                known.map_or_else(|| slot.socket.clone(), |known| called(&known.alias, known.node));
            let node = node.map(|node| node.to_string()).unwrap_or_default();
            (vec![node, alias], slot.node.is_some().into())
        });
        self.ints("tightrope_node_up", "Whether a node of ours answers.", &["node", "alias"], up);
    }

    fn of_nodes(&mut self, nodes: &[NodeReport]) {
        let labels =
            |node: &NodeReport| vec![node.node.to_string(), called(&node.alias, node.node)];
        let left = nodes.iter().map(|node| (labels(node), sat(node.budget.left().1)));
        let help = "What a node may still pay in this period, in satoshis.";
        self.ints("tightrope_budget_left_satoshis", help, &["node", "alias"], left);
        let left = nodes.iter().map(|node| (labels(node), int(node.budget.left().0)));
        let help = "How many payments a node may still make in this period.";
        self.ints("tightrope_budget_left_payments", help, &["node", "alias"], left);
    }

    fn of_peers(&mut self, peers: &[PeerReport]) {
        let kinds = ["proven", "claimed", "legacy", "silent"].map(|kind| {
            let count = peers.iter().filter(|peer| kind_of(peer) == kind).count();
            (vec![kind.to_owned()], int_of(count))
        });
        let help = "Connected peers: proven by their nodes' signatures, by their word alone, \
                    legacy, or silent as yet.";
        self.ints("tightrope_peers", help, &["kind"], kinds);
    }

    fn of_channels(&mut self, channels: &[ChannelReport]) {
        const LABELS: [&str; 3] = ["channel", "alias", "counterparty"];
        let labels = |channel: &ChannelReport| {
            vec![
                channel.scid.to_string(),
                called(&channel.alias, channel.node),
                called(&channel.counterparty_alias, channel.counterparty),
            ]
        };
        let shares = channels.iter().filter_map(|it| Some((labels(it), ratio(it.share?))));
        let help = "Our side's share of a channel's balance, from 0 to 1.";
        self.floats("tightrope_channel_balance_ratio", help, &LABELS, shares);
        let targets = channels.iter().filter_map(|it| Some((labels(it), ratio(it.target?))));
        let help = "The share at which a rebalance towards our side leaves a channel.";
        self.floats("tightrope_channel_target_ratio", help, &LABELS, targets);
        let low = channels.iter().map(|it| (labels(it), it.low_since.is_some().into()));
        let help = "Whether our side of a channel is below its threshold.";
        self.ints("tightrope_channel_eligible", help, &LABELS, low);
        let rests = channels.iter().filter_map(|it| {
            let reason = it.rest.as_ref()?.code.clone();
            Some(([labels(it), vec![reason]].concat(), 1))
        });
        let help = "Why our side of a channel does not ask to be paid.";
        let labels = [&LABELS[..], &["reason"]].concat();
        self.ints("tightrope_channel_resting", help, &labels, rests);
    }

    fn ints(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        rows: impl IntoIterator<Item = (Vec<String>, i64)>,
    ) {
        self.put::<AtomicI64>(name, help, labels, rows);
    }

    fn floats(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        rows: impl IntoIterator<Item = (Vec<String>, f64)>,
    ) {
        self.put::<AtomicF64>(name, help, labels, rows);
    }

    fn put<P: Atomic + 'static>(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        rows: impl IntoIterator<Item = (Vec<String>, P::T)>,
    ) {
        let gauge = GenericGaugeVec::<P>::new(Opts::new(name, help), labels);
        let gauge = gauge.expect("a valid metric");
        for (values, value) in rows {
            gauge.with_label_values(&values).set(value);
        }
        self.0.extend(gauge.collect().into_iter().filter(|it| !it.get_metric().is_empty()));
    }
}

/// How far a peer's claims to speak for its nodes are to be believed.
fn kind_of(peer: &PeerReport) -> &'static str {
    if peer.nodes.is_empty() {
        "silent"
    } else if peer.nodes.iter().all(|claim| claim.version.is_none()) {
        "legacy"
    } else if peer.nodes.iter().all(|claim| claim.is_proven) {
        "proven"
    } else {
        "claimed"
    }
}

/// The word for a state, as JSON has it.
fn code_of(state: &OpenState) -> String {
    let word = serde_json::to_value(state).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

#[expect(clippy::float_arithmetic, reason = "Prometheus' numbers are floats")]
fn ratio(share: Ppm) -> f64 {
    f64::from(share.ppm()) / 1e6
}

fn sat(amount: Msat) -> i64 {
    int(amount.sat().sat())
}

fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn int_of(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
