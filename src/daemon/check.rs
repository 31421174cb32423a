//! `tightrope check`: tries every node and permission, and says what the daemon would do.
//!
//! Nothing is moved: the core runs on what the nodes tell, with `dryRun` and without records, so
//! limits that past payments use up are not seen.

use std::collections::BTreeMap;
use std::fmt;

use super::slots::{slots, twin};
use super::supervise::{Broken, Slot};
use super::{DaemonError, tell};
use crate::clock;
use crate::config::Config;
use crate::core::Core;
use crate::core::action::Action;
use crate::core::event::{Event, OwnNode};
use crate::core::ledger::Ledger;
use crate::core::report::{ChannelReport, RestReport};
use crate::ids::{NodeId, Scid};
use crate::lnd::{Lnd, LndError};
use crate::units::{Msat, Ppm};

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// Each entry of `lightningNodes`, in order.
    pub nodes: Vec<NodeReport>,
    /// Each side of each channel between two nodes that answer.
    pub channels: Vec<ChannelLine>,
    /// How peers would be met, and what they could be paid.
    pub peers: Vec<String>,
}

/// What was found of one node.
#[derive(Debug)]
pub struct NodeReport {
    /// Where it should listen.
    pub socket: String,
    /// Its name, key and version, where it answers.
    pub answer: Option<String>,
    /// What its limits allow at most.
    pub limits: Option<String>,
    /// What is wrong with it, each with its mend.
    pub faults: Vec<String>,
}

/// One side of a channel.
#[derive(Debug)]
pub struct ChannelLine {
    scid: Scid,
    alias: String,
    share: Option<Ppm>,
    total: Msat,
    would: String,
}

impl Report {
    /// Whether every node can be used.
    pub fn is_good(&self) -> bool {
        self.nodes.iter().all(|node| node.faults.is_empty())
    }
}

impl fmt::Display for ChannelLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.scid, self.alias)?;
        if let Some(share) = self.share {
            write!(f, "{share} of {}: ", self.total)?;
        }
        f.write_str(&self.would)
    }
}

/// Tries every node of `config`.
pub async fn check(config: &Config) -> Result<Report, DaemonError> {
    let mut settings = config.settings.clone();
    settings.dry_run = true;
    let ledger = Ledger::new(settings.limits.period_max());
    let now = clock::wall();
    let mut core = Core::new(settings, ledger, now, [0; 32]);
    let (_, limits) = tokio::sync::watch::channel(config.settings.limits.clone());
    let mut seen: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut nodes = Vec::new();
    let mut listings = Vec::new();
    for slot in slots(config, &limits)? {
        let (mut report, found) = look(&slot).await;
        if let Some((own, listing)) = found {
            if let Some(of) = seen.insert(own.id, slot.index) {
                report.faults.push(twin(of));
            }
            core.handle(now, Event::NodeConnected(own));
            listings.push(listing);
        }
        nodes.push(report);
    }
    for listing in listings {
        let actions = core.handle(now, listing);
        debug_assert!(!actions.iter().any(|action| matches!(action, Action::Pay(_))));
    }
    let channels = core.report().channels.into_iter().map(line).collect();
    let peers = peers(config, nodes.iter().any(|node| node.limits.is_some()));
    Ok(Report { nodes, channels, peers })
}

/// How peers would be met, and what their operators should know.
fn peers(config: &Config, are_limits_told: bool) -> Vec<String> {
    let swarm = &config.swarm;
    let over = if swarm.bootstrap.is_empty() {
        "the public DHT".to_owned()
    } else {
        swarm.bootstrap.join(", ")
    };
    let port = if swarm.port == 0 {
        "any UDP port".to_owned()
    } else {
        format!("UDP port {}", swarm.port)
    };
    let mut lines = vec![format!("met over {over}, on {port} of {}", swarm.host)];
    if swarm.port == 0 {
        let mend = "no hole is punched through a NAT: of two owners, one at least needs a UDP port \
                    that the other can reach (set swarm.port, and open it there)";
        lines.push(mend.to_owned());
    }
    let whom = if config.settings.trusted.is_empty() {
        "any node that a holder of the secret runs"
    } else {
        "the nodes of trustedNodes"
    };
    let above = if are_limits_told { ", as said above," } else { "," };
    lines.push(format!(
        "a rebalance between two owners is credit: what your nodes may pay{above} they may pay to \
         {whom}, over its channels with them"
    ));
    lines
}

/// Looks at one node: what is wrong with it, and what it tells.
async fn look(slot: &Slot) -> (NodeReport, Option<(OwnNode, Event)>) {
    let socket = slot.node.socket.clone();
    let mut report = NodeReport { socket, answer: None, limits: None, faults: Vec::new() };
    let (lnd, answered) = match slot.connect() {
        Ok(lnd) => {
            let info = lnd.info().await;
            (lnd, info)
        }
        Err(error) => {
            report.faults.push(tell::chain(&error));
            return (report, None);
        }
    };
    if matches!(answered, Ok(_) | Err(LndError::Permission { .. })) {
        report.faults.extend(lacking(&lnd).await);
    }
    let info = match answered {
        Ok(info) => info,
        Err(error) => {
            report.faults.push(tell::chain(&error));
            return (report, None);
        }
    };
    report.answer = Some(format!("{} {} lnd {}", info.alias, info.id, info.version));
    if let Some(expected) = slot.node.pubkey.filter(|expected| *expected != info.id) {
        // The whole keys, which the daemon's own error shortens: nothing here is kept.
        let found = info.id;
        report
            .faults
            .push(format!("{found} answers, but pubkey names {expected}: mend socket or pubkey"));
    }
    if !info.is_synced {
        report.faults.push(Broken::NotSynced.to_string());
    }
    let policy = slot.limits.borrow().of_node(&info.alias);
    report.limits = Some(format!(
        "pays at most {} and {} times in {}",
        policy.amount_max,
        policy.payments_max,
        humantime::format_duration(policy.period)
    ));
    match lnd.channels(None).await {
        Ok(channels) => {
            let (network, rebalances) = (info.network, slot.node.rebalance);
            let own = OwnNode {
                id: info.id,
                alias: info.alias,
                network,
                rebalances,
                can_hold: false,
                proof: None,
            };
            let listed = Event::ChannelsListed { node: info.id, with: None, channels };
            (report, Some((own, listed)))
        }
        Err(error) => {
            report.faults.push(tell::chain(&error));
            (report, None)
        }
    }
}

/// What the macaroon lacks, each with its mend.
async fn lacking(lnd: &Lnd) -> Vec<String> {
    match lnd.missing_permissions().await {
        Ok(missing) => missing
            .into_iter()
            .map(|call| format!("the macaroon lacks uri:{call}: bake one with it"))
            .collect(),
        Err(error) => vec![tell::chain(&error)],
    }
}

fn line(side: ChannelReport) -> ChannelLine {
    ChannelLine {
        scid: side.scid,
        total: side.total(),
        alias: side.alias,
        share: side.share,
        would: match side.rest {
            Some(RestReport { would_ask: Some(amount), .. }) => format!("would ask for {amount}"),
            Some(rest) => format!("rests: {}", rest.reason),
            None => "rests".to_owned(),
        },
    }
}
