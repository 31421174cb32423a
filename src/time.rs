//! Points in time, and the time strings of the config. No clock is read here.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch.
///
/// A number and not an `Instant`, because limits and records outlive the process and a simulator
/// must be able to write one down.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The point `ms` milliseconds after the epoch.
    pub const fn from_unix_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn unix_ms(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero where it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The point `span` before this one, at the earliest the epoch.
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(whole_ms(span)))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(whole_ms(span)))
    }
}

impl fmt::Display for Time {
    /// ISO 8601 in UTC, to the millisecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::time::UNIX_EPOCH.checked_add(Duration::from_millis(self.0)) {
            // humantime prints the years 1970 to 9999.
            Some(time) if self.0 < 253_402_300_800_000 => {
                humantime::format_rfc3339_millis(time).fmt(f)
            }
            Some(_) | None => write!(f, "{} ms after 1970", self.0),
        }
    }
}

/// The milliseconds of `span`, at most what 64 bits hold.
pub fn whole_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What was wrong with a time string.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is not a length of time: write a number and a unit, such as 60s, 10m, 4h or 1d")]
pub struct SpanError {
    /// The text as it was given.
    pub text: String,
}

/// Reads a length of time as the config writes it: a decimal number and a unit (`ms`, `s`, `m`,
/// `h`, `d`, `w`), or a bare number of milliseconds.
///
/// `"60s"`, `"0.5h"`, `"250"`; several parts as in `"1h 30m"` are read too.
pub fn parse_span(text: &str) -> Result<Duration, SpanError> {
    let error = || SpanError { text: text.to_owned() };
    let trimmed = text.trim();
    if let Ok(span) = humantime::parse_duration(trimmed) {
        return Ok(span);
    }
    let split = trimmed.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(trimmed.len());
    let (number, unit) = (trimmed[..split].trim_end(), &trimmed[split..]);
    let unit_ms: u128 = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return Err(error()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = !(whole.is_empty() && fraction.is_empty())
        && fraction.len() <= 9
        && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if !is_number {
        return Err(error());
    }
    let digits: u128 = format!("0{whole}{fraction}").parse().map_err(|_| error())?;
    let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| error())?);
    let ms = digits.checked_mul(unit_ms).ok_or_else(error)? / scale;
    u64::try_from(ms).map(Duration::from_millis).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_strings_read_as_the_original_reads_them() {
        for (text, ms) in [
            ("60s", 60_000),
            ("10m", 600_000),
            ("4h", 14_400_000),
            ("1d", 86_400_000),
            ("0.5h", 1_800_000),
            (".5s", 500),
            ("250", 250),
            ("0", 0),
            (" 1h 30m ", 5_400_000),
        ] {
            assert_eq!(parse_span(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_not_a_time() {
        for text in ["", "h", "-1s", "1.2.3s", "1y2", "ten minutes", "1e3s", "99999999999999999d"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn time_prints_in_utc() {
        assert_eq!(Time::from_unix_ms(1_648_741_762_439).to_string(), "2022-03-31T15:49:22.439Z");
        assert_eq!(Time::from_unix_ms(u64::MAX).to_string(), "18446744073709551615 ms after 1970");
    }
}
