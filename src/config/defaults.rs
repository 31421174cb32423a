//! The compiled-in defaults: the original's, and those of the keys that it lacks.
//!
//! `config/default.json` repeats them for people; a test holds the two together. The defaults of
//! the limits are not repeated here: they are those of the core's `Policy`.

use std::time::Duration;

use serde_json::{Number, Value};

use crate::core::policy::{Override, Policy};
use crate::units::{Msat, Ppm};

use super::file::{
    Audit, File, LimitKeys, Limits, Log, LogFormat, LogLevel, Node, Span, Storage, Swarm,
};

/// Every key and its default, as `config/default.json` has them.
pub fn defaults() -> Value {
    serde_json::to_value(File::default()).expect("the config file is plain JSON")
}

impl Default for File {
    fn default() -> Self {
        Self {
            secret: super::WEAK_SECRET.to_owned(),
            secret_file: None,
            allow_weak_secret: false,
            lightning_nodes: Vec::new(),
            announce_interval: 90_000.into(),
            audit: Audit::default(),
            limits: Limits::default(),
            trusted_nodes: Vec::new(),
            require_proof: false,
            dry_run: false,
            swarm: Swarm::default(),
            control: super::file::Control::default(),
            log: Log::default(),
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self {
            kind: "lnd".to_owned(),
            socket: String::new(),
            cert: None,
            cert_path: None,
            macaroon: None,
            macaroon_path: None,
            pubkey: None,
            rebalance: true,
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        let masked = ["topic", "publicKey", "remotePeer", "paidTo", "paidBy"];
        Self {
            storage: Storage::default(),
            transaction_history: "transaction-log".to_owned(),
            event_log: "event-log".to_owned(),
            verbose_screen_logging: false,
            should_mask: masked.map(str::to_owned).to_vec(),
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { path: "./storage/".to_owned() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { base_settings: LimitKeys::from(&Policy::default()), id_settings: Vec::new() }
    }
}

impl From<&Policy> for LimitKeys {
    /// Writes a policy as the file would.
    fn from(policy: &Policy) -> Self {
        Self::from(&Override {
            id: String::new(),
            payment_max: Some(policy.payment_max),
            payment_min: Some(policy.payment_min),
            payments_max: Some(policy.payments_max),
            amount_max: Some(policy.amount_max),
            period: Some(policy.period),
            period_rolls: Some(policy.period_rolls),
            pause_min: Some(policy.pause_min),
            refresh: Some(policy.refresh),
            balance_point: Some(policy.balance_point),
            deadzone: Some(policy.deadzone),
        })
    }
}

impl From<&Override> for LimitKeys {
    /// Writes what differs as the file would.
    fn from(over: &Override) -> Self {
        let sat = |amount: Msat| amount.sat().sat();
        let span = |span| Span(Value::String(span_text(span)));
        Self {
            max_transaction_size: over.payment_max.map(sat),
            min_transaction_size: over.payment_min.map(sat),
            max_transactions_per_period: over.payments_max,
            max_amount_per_period: over.amount_max.map(sat),
            limits_period: over.period.map(span),
            use_rolling_limits_period: over.period_rolls,
            min_time_between_payments: over.pause_min.map(span),
            refresh_rate: over.refresh.and_then(|refresh| number(refresh.as_millis(), 3)),
            balance_point: over.balance_point.and_then(share),
            deadzone: over.deadzone.and_then(share),
        }
    }
}

impl Default for Swarm {
    fn default() -> Self {
        Self {
            bootstrap: Vec::new(),
            host: "0.0.0.0".to_owned(),
            port: 0,
            max_peers: 64,
            firewalled: true,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Human, level: LogLevel::Info }
    }
}

/// A length of time as the config writes it, in the largest unit that leaves it whole. Minutes
/// and seconds are told apart only from two minutes on, as the original writes `60s`.
fn span_text(span: Duration) -> String {
    let ms = span.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let fits = |(unit_ms, unit): &(u128, &str)| {
        ms > 0 && ms.is_multiple_of(*unit_ms) && !(*unit == "m" && ms == *unit_ms)
    };
    match units.into_iter().find(fits) {
        Some((unit_ms, unit)) => format!("{}{unit}", ms / unit_ms),
        None => format!("{ms}ms"),
    }
}

/// A share as the config writes it: a decimal from 0 to 1.
fn share(share: Ppm) -> Option<Number> {
    number(share.ppm().into(), 6)
}

/// The JSON number of `units` that are each a `places`th power of a tenth.
fn number(units: u128, places: usize) -> Option<Number> {
    let digits = format!("{units:0width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let fraction = fraction.trim_end_matches('0');
    let text = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_people_write_them() {
        for (ms, text) in [
            (0, "0ms"),
            (250, "250ms"),
            (60_000, "60s"),
            (90_000, "90s"),
            (600_000, "10m"),
            (14_400_000, "4h"),
            (86_400_000, "1d"),
        ] {
            let span = Duration::from_millis(ms);
            assert_eq!(span_text(span), text);
            assert_eq!(crate::time::parse_span(text), Ok(span));
        }
    }

    #[test]
    fn a_policy_is_written_in_the_units_of_the_file() {
        let policy = Policy { refresh: Duration::from_millis(2500), ..Policy::default() };
        let keys = serde_json::to_value(LimitKeys::from(&policy)).unwrap();
        assert_eq!(keys["refreshRate"].to_string(), "2.5");
        assert_eq!(keys["deadzone"].to_string(), "0.1");
        assert_eq!(keys["maxTransactionSize"].to_string(), "1000000");
    }
}
