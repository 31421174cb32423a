//! What the operator is told on stderr, in the log's own words, and the spans that say what it is
//! about. `docs/logs.md` has the levels and the spans.
//!
//! A span is opened at the level `error`, so that a line of any level has it. Keys in spans are
//! always shortened, and other values are hidden as in the event log.

use tracing::{Level, Span, error_span};

use super::systemd;
use crate::audit::{Mask, Opened};
use crate::clock::Step;
use crate::config::Changes;
use crate::core::action::Action;
use crate::core::narrative::Narrative;
use crate::ids::PeerKey;
use crate::swarm;

/// What is told while we speak with a node of ours. Its key is recorded once it has said it.
pub(super) fn node(index: usize, socket: &str) -> Span {
    let key = tracing::field::Empty;
    error_span!("node", index, socket, publicKey = key)
}

/// What is told of an action: of its attempt, and within that of the node that acts.
pub(super) fn span(action: &Action, mask: &Mask) -> Span {
    let about = action.attempt().map_or_else(Span::none, |(rebalance, scid)| {
        let id = mask.hide_text(REBALANCE, rebalance.to_string());
        let channel = mask.hide_text(CHANNEL, scid.to_string());
        error_span!("rebalance", rebalanceId = id, channelId = channel)
    });
    match action.node() {
        Some(node) => error_span!(parent: &about, "node", publicKey = node.shortened()),
        None => about,
    }
}

/// The names that the event log has for an attempt and for its channel.
const REBALANCE: &str = "rebalanceId";
const CHANNEL: &str = "channelId";

/// The span of an entry of the event log, whose `data` is masked already.
fn span_of(narrative: &Narrative, data: &serde_json::Value) -> Span {
    let peer = peer_of(narrative).map_or_else(Span::none, swarm::span);
    match data[REBALANCE].as_str() {
        Some(id) => {
            let channel = data[CHANNEL].as_str();
            error_span!(parent: &peer, "rebalance", rebalanceId = id, channelId = channel)
        }
        None => peer,
    }
}

/// The peer that an entry of the event log is about.
const fn peer_of(narrative: &Narrative) -> Option<PeerKey> {
    if let Narrative::PeerConnected { remote_peer }
    | Narrative::PeerDisconnected { remote_peer, .. }
    | Narrative::PeerDropped { remote_peer, .. }
    | Narrative::PeerHello { remote_peer, .. }
    | Narrative::PeerSharedChannel { remote_peer, .. }
    | Narrative::OnPayInvoice { remote_peer, .. }
    | Narrative::OnPaymentResult { remote_peer, .. } = narrative
    {
        Some(*remote_peer)
    } else {
        None
    }
}

/// The log cannot be used: nothing is paid until it can.
pub(super) fn log_unusable(error: &dyn std::error::Error) {
    tracing::error!(error = chain(error), "AuditUnavailable: nothing is paid; trying again");
    systemd::status("AuditUnavailable: nothing is paid until the audit log can be written");
}

/// What opening the logs found.
pub(super) fn log_opened(opened: &Opened) {
    tracing::info!(records = opened.records, "audit logs open");
    for (log, found) in [("transaction log", opened.transactions), ("event log", opened.events)] {
        if found.taken_in > 0 {
            tracing::warn!(log, lines = found.taken_in, "took in lines beyond the signed length");
        }
        if found.cut > 0 {
            tracing::warn!(log, bytes = found.cut, "cut a torn last line");
        }
        if found.is_rebuilt {
            tracing::warn!(log, "built the tree anew from the lines, which bear the signature");
        }
        if found.is_new && found.taken_in > 0 {
            tracing::warn!(log, "signed all lines under a new key, as the old one was moved away");
        }
    }
}

/// The key is gone that the preimages of held invoices were made from.
pub(super) fn hold_key_lost(invoices: usize) {
    tracing::error!(
        invoices,
        "hold-key was missing and is made anew: what these held invoices were paid with cannot be \
         taken, and returns to the payer when it expires, unless hold-key comes back from a backup"
    );
}

/// How it begins when a configuration is refused.
pub(super) const NOT_TAKEN_IN: &str = "the configuration was not taken in, and all stays as it was";

/// The configuration was read again.
pub(super) fn reload(outcome: &Result<Changes, Vec<String>>) {
    match outcome {
        Ok(changes) => tracing::info!(
            taken = changes.taken.join(" "),
            left = changes.left.join(" "),
            "the configuration was read again"
        ),
        Err(faults) => tracing::warn!("{NOT_TAKEN_IN}: {}", faults.join("; ")),
    }
}

/// The wall clock jumped.
pub(super) fn clock_stepped(step: Step) {
    match step {
        Step::Forward(by) => tracing::warn!(?by, "the wall clock went forward"),
        Step::Back(by) => tracing::warn!(?by, "the wall clock went back"),
    }
}

/// An entry of the event log, as the screen shows it.
pub(super) fn narrative(narrative: &Narrative, mask: &Mask, is_verbose: bool) {
    let Ok(mut entry) = serde_json::to_value(narrative) else { return };
    let event = entry["event"].take();
    let event = event.as_str().unwrap_or_default();
    let data = mask.hide(entry["data"].take());
    span_of(narrative, &data).in_scope(|| match level(narrative, is_verbose) {
        Level::WARN => tracing::warn!(%data, "{event}"),
        Level::INFO => tracing::info!(%data, "{event}"),
        Level::ERROR | Level::DEBUG | Level::TRACE => tracing::debug!(%data, "{event}"),
    });
}

/// How loud an entry is.
const fn level(narrative: &Narrative, is_verbose: bool) -> Level {
    match narrative {
        Narrative::LightningDisconnect { .. }
        | Narrative::SwarmDisconnected { .. }
        | Narrative::PeerDropped { .. }
        | Narrative::PaidElsewhere { .. }
        | Narrative::PaymentUnknown { .. }
        | Narrative::PaymentFailed { .. }
        | Narrative::Error { .. } => Level::WARN,
        Narrative::Starting { .. }
        | Narrative::Reloaded { .. }
        | Narrative::PaymentsPaused { .. }
        | Narrative::PaymentsResumed { .. }
        | Narrative::Shutdown {}
        | Narrative::LightningConnected { .. }
        | Narrative::SwarmConnected { .. }
        | Narrative::PeerConnected { .. }
        | Narrative::PeerDisconnected { .. }
        | Narrative::PeerHello { .. }
        | Narrative::PeerSharedChannel { .. }
        | Narrative::StartWatchingChannel { .. }
        | Narrative::StopWatchingChannel { .. }
        | Narrative::ChannelRests { .. }
        | Narrative::OfferRefused { .. }
        | Narrative::InvoicePaid { .. } => Level::INFO,
        Narrative::OnRequestRebalance { .. }
        | Narrative::InvoiceCreated { .. }
        | Narrative::OnPayInvoice { .. }
        | Narrative::OnPaymentResult { .. } => {
            if is_verbose {
                Level::INFO
            } else {
                Level::DEBUG
            }
        }
    }
}

/// An error and its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_line = cause.to_string();
        if !line.ends_with(&cause_line) {
            line.push_str(": ");
            line.push_str(&cause_line);
        }
        source = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::ids::{NodeId, PaymentHash, RebalanceId, Scid};

    const ID: RebalanceId = RebalanceId::new([7; 16]);
    const HASH: PaymentHash = PaymentHash::new([8; 32]);
    const NODE: NodeId = NodeId::new([2; 33]);
    const PEER: PeerKey = PeerKey::new([9; 32]);

    #[test]
    fn what_is_told_while_an_action_is_performed_names_its_attempt_and_its_node() {
        let track =
            Action::TrackPayment { node: NODE, rebalance: ID, scid: Scid::new(1), hash: HASH };
        let told = |mask: &Mask| said(|| span(&track, mask).in_scope(|| tracing::warn!("slow")));
        check(
            &told(&Mask::default()),
            "WARN rebalance{rebalanceId=\"07070707070707070707070707070707\" \
             channelId=\"0x0x1\"}:node{publicKey=\"02020202\"}: slow",
        );
        check(
            &told(&Mask::new([REBALANCE])),
            "WARN rebalance{rebalanceId=\"07070707************************\" \
             channelId=\"0x0x1\"}:node{publicKey=\"02020202\"}: slow",
        );
    }

    #[test]
    fn an_entry_of_the_event_log_is_told_within_its_peer_and_its_attempt() {
        let result = Narrative::OnPaymentResult {
            remote_peer: PEER,
            rebalance_id: ID,
            confirmed: true,
            reason: None,
            refusal: None,
        };
        let mask = Mask::new(["remotePeer"]);
        check(
            &said(|| narrative(&result, &mask, true)),
            "INFO peer{remotePeer=\"09090909\"}:\
             rebalance{rebalanceId=\"07070707070707070707070707070707\"}: \
             onPaymentResult data={\"remotePeer\":\"09090909****",
        );
        check(&said(|| narrative(&Narrative::Shutdown {}, &mask, true)), "INFO shutdown data={}");
    }

    fn check(told: &str, expected: &str) {
        assert!(told.starts_with(expected), "{told:?} does not start with {expected:?}");
    }

    /// The lines that `tell` leads to.
    fn said(tell: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, tell);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().trim().to_owned()
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
