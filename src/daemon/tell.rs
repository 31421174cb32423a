//! What the operator is told on stderr, in the log's own words.
//!
//! Levels: `error` stops payments and wants someone at once; `warn` wants someone in the morning;
//! `info` is what happened to money and connections; `debug` is the rest.

use tracing::Level;

use super::desk::NOT_TAKEN_IN;
use super::systemd;
use crate::audit::{Mask, Opened};
use crate::clock::Step;
use crate::config::Changes;
use crate::core::narrative::Narrative;

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
        Step::Forward(by) => tracing::warn!("the wall clock went forward by {by:?}"),
        Step::Back(by) => tracing::warn!("the wall clock went back by {by:?}"),
    }
}

/// An entry of the event log, as the screen shows it.
pub(super) fn narrative(narrative: &Narrative, mask: &Mask, is_verbose: bool) {
    let Ok(mut entry) = serde_json::to_value(narrative) else { return };
    let event = entry["event"].take();
    let event = event.as_str().unwrap_or_default();
    let data = mask.hide(entry["data"].take());
    match level(narrative, is_verbose) {
        Level::WARN => tracing::warn!(%data, "{event}"),
        Level::INFO => tracing::info!(%data, "{event}"),
        Level::ERROR | Level::DEBUG | Level::TRACE => tracing::debug!(%data, "{event}"),
    }
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
