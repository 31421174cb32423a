//! Turns the limits of the config file into the core's [`Limits`].
//!
//! Shares are read from their decimal digits, never by arithmetic on floats. How limits resolve
//! for a channel is the core's business.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Number, Value};

use crate::core::policy::{Limits, Override, Policy};
use crate::ids::Scid;
use crate::time::parse_span;
use crate::units::{Ppm, Sat};

use super::fault::Findings;
use super::file::{self, LimitKeys, Span};
use super::schema::decimal;

/// The least that `refreshRate` may be: asking a node more often than this does not help it.
const REFRESH_MIN: Duration = Duration::from_millis(100);

/// Reads all limits.
pub(super) fn read(file: &file::Limits, findings: &mut Findings) -> Limits {
    let key = "limits.baseSettings";
    let base = read_keys(&file.base_settings, "", key, findings);
    let base = laid_over(&Policy::default(), &base);
    check_sense(&base, key, findings);
    check_sizes(&base, key, findings);

    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut overrides = Vec::new();
    for (index, setting) in file.id_settings.iter().enumerate() {
        let key = format!("limits.idSettings[{index}]");
        check_id(&setting.id, seen.insert(&setting.id, index), &key, findings);
        let over = read_keys(&setting.keys, &setting.id, &key, findings);
        let policy = laid_over(&base, &over);
        if over.payment_min.is_some() || over.payment_max.is_some() {
            check_sizes(&policy, &key, findings);
        }
        if over.balance_point.is_some() || over.deadzone.is_some() {
            check_sense(&policy, &key, findings);
        }
        warn_unread(&over, &key, findings);
        overrides.push(over);
    }
    Limits::new(base, overrides)
}

/// `base` where `over` says nothing else.
fn laid_over(base: &Policy, over: &Override) -> Policy {
    Limits::new(base.clone(), vec![over.clone()]).of_node(&over.id)
}

/// Reads the limits of one object.
fn read_keys(keys: &LimitKeys, id: &str, key: &str, findings: &mut Findings) -> Override {
    let sat = |amount: u64| Sat::new(amount).msat();
    Override {
        id: id.to_owned(),
        payment_max: keys.max_transaction_size.map(sat),
        payment_min: keys.min_transaction_size.map(sat),
        payments_max: keys.max_transactions_per_period,
        amount_max: keys.max_amount_per_period.map(sat),
        period: read_period(keys.limits_period.as_ref(), &format!("{key}.limitsPeriod"), findings),
        period_rolls: keys.use_rolling_limits_period,
        pause_min: read_span(
            keys.min_time_between_payments.as_ref(),
            &format!("{key}.minTimeBetweenPayments"),
            findings,
        ),
        refresh: read_refresh(keys.refresh_rate.as_ref(), &format!("{key}.refreshRate"), findings),
        balance_point: read_share(
            keys.balance_point.as_ref(),
            &format!("{key}.balancePoint"),
            findings,
        ),
        deadzone: read_share(keys.deadzone.as_ref(), &format!("{key}.deadzone"), findings),
    }
}

/// Reads `limitsPeriod`, which is never zero.
fn read_period(span: Option<&Span>, key: &str, findings: &mut Findings) -> Option<Duration> {
    let period = read_span(span, key, findings)?;
    if period.is_zero() {
        findings.fault(
            key,
            "a period of no length limits nothing",
            "write how long it is, such as 4h or 1d",
        );
    }
    Some(period)
}

/// Reads a length of time: a text, or a number of milliseconds.
fn read_span(span: Option<&Span>, key: &str, findings: &mut Findings) -> Option<Duration> {
    let text = match &span?.0 {
        Value::String(text) => text.clone(),
        Value::Number(number) => decimal(number),
        // The schema lets nothing else through.
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let mend = "write a number and a unit, such as 60s, 10m, 4h or 1d";
    parse_span(&text)
        .map_err(|_| findings.fault(key, format!("{text:?} is not a length of time"), mend))
        .ok()
}

/// Reads `refreshRate`, a decimal number of seconds.
fn read_refresh(number: Option<&Number>, key: &str, findings: &mut Findings) -> Option<Duration> {
    let text = decimal(number?);
    match parse_span(&format!("{text}s")) {
        Ok(refresh) if refresh >= REFRESH_MIN => Some(refresh),
        Ok(_) | Err(_) => {
            let mend = "write seconds as a number, at least 0.1";
            findings.fault(key, format!("{text} is no usable interval"), mend);
            None
        }
    }
}

/// Reads a share, a decimal from 0 to 1.
fn read_share(number: Option<&Number>, key: &str, findings: &mut Findings) -> Option<Ppm> {
    let text = decimal(number?);
    let share = parse_share(&text);
    if share.is_none() {
        let mend = "write a decimal from 0 to 1 with at most six places";
        findings.fault(key, format!("{text} is finer than a millionth"), mend);
    }
    share
}

/// The share that `text` writes, exactly.
fn parse_share(text: &str) -> Option<Ppm> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Ppm::new(format!("{whole}{fraction:0<6}").parse().ok()?)
}

/// Checks that one id is there and is not said twice.
fn check_id(id: &str, earlier: Option<usize>, key: &str, findings: &mut Findings) {
    let key = format!("{key}.id");
    if id.is_empty() {
        let mend = "name an alias, a channel id such as 700123x1x0, or alias:channelId";
        findings.fault(&key, "missing", mend);
    } else if let Some(earlier) = earlier {
        let mend = "put all that differs for it into one object";
        findings.fault(&key, format!("limits.idSettings[{earlier}] has this id too"), mend);
    }
}

/// Checks that there are sizes between the least and the most.
fn check_sizes(policy: &Policy, key: &str, findings: &mut Findings) {
    let Policy { payment_min, payment_max, .. } = policy;
    if payment_min > payment_max {
        findings.fault(
            &format!("{key}.minTransactionSize"),
            format!("{payment_min} is more than maxTransactionSize, {payment_max}"),
            "lower it, or raise maxTransactionSize",
        );
    }
}

/// Warns of limits under which nothing ever happens, or too much does.
fn check_sense(policy: &Policy, key: &str, findings: &mut Findings) {
    let key = format!("{key}.deadzone");
    if policy.threshold() == Ppm::ZERO {
        findings.warn(&key, "not below balancePoint, so this side never asks to be paid");
    } else if policy.deadzone == Ppm::ZERO {
        findings.warn(&key, "no deadzone, so every drift is mended at once");
    }
}

/// Warns of what is set for a channel and read for nodes only.
fn warn_unread(over: &Override, key: &str, findings: &mut Findings) {
    let channel = over.id.rsplit(':').next().unwrap_or(&over.id);
    if channel.parse::<Scid>().is_err() {
        return;
    }
    for (name, is_set) in [
        ("limitsPeriod", over.period.is_some()),
        ("useRollingLimitsPeriod", over.period_rolls.is_some()),
        ("refreshRate", over.refresh.is_some()),
    ] {
        if is_set {
            let what = "not read for a channel: set it for the node's alias or in baseSettings";
            findings.warn(&format!("{key}.{name}"), what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_to_the_millionth_and_no_further() {
        for (text, ppm) in [
            ("0", Some(0)),
            ("1", Some(1_000_000)),
            ("0.1", Some(100_000)),
            ("0.3", Some(300_000)),
            ("0.000001", Some(1)),
            ("0.999999", Some(999_999)),
            ("1.0", Some(1_000_000)),
            ("0.0000001", None),
            ("1.000001", None),
            ("-0.1", None),
            ("", None),
        ] {
            assert_eq!(parse_share(text).map(Ppm::ppm), ppm, "{text}");
        }
    }

    #[test]
    fn every_share_with_six_places_survives_json() {
        for ppm in (0..=1_000_000).step_by(37) {
            let text = format!("0.{ppm:06}");
            let text = if ppm == 1_000_000 { "1.0" } else { &text };
            let number: Number = serde_json::from_str(text).unwrap();
            assert_eq!(parse_share(&decimal(&number)).map(Ppm::ppm), Some(ppm), "{text}");
        }
    }
}
