//! Amounts, shares, times and names as people read them. Nothing is rounded up.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::time::Time;
use crate::units::{Msat, Ppm};

/// Whole satoshis, in groups of three digits.
pub(in crate::cli) fn sats(amount: Msat) -> String {
    grouped(amount.sat().sat())
}

/// A number in groups of three digits.
pub(in crate::cli) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share in percent, to a tenth.
pub(in crate::cli) fn percent(share: Ppm) -> String {
    let tenths = share.ppm() / 1000;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// A length of time in its largest sensible unit.
pub(in crate::cli) fn length(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        172_800.. => format!("{} d", seconds / 86_400),
    }
}

/// How long before `now` a time was.
pub(in crate::cli) fn ago(now: Time, then: Time) -> String {
    format!("{} ago", length(now.since(then)))
}

/// How long after `now` a time will be.
pub(in crate::cli) fn ahead(now: Time, then: Time) -> String {
    let span = then.since(now);
    if span.is_zero() { "any moment".to_owned() } else { format!("in {}", length(span)) }
}

/// The beginning of an id, enough to tell it from others.
pub(in crate::cli) fn short(id: impl ToString) -> String {
    let mut text = id.to_string();
    if text.len() > 12 && text.is_ascii() {
        text.truncate(8);
        text.push('…');
    }
    text
}

/// How many columns a text takes.
pub(in crate::cli) fn columns(text: &str) -> usize {
    text.width()
}

/// A text within `width` columns; what was cut off shows as an ellipsis.
pub(in crate::cli) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let (mut cut, mut used) = (String::new(), 1);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        cut.push(c);
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// A text in lines of at most `width` columns, broken between words where there are any.
pub(in crate::cli) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        let is_first = line.is_empty();
        let needed = columns(&line) + usize::from(!is_first) + columns(word);
        if !is_first && needed > width {
            lines.push(std::mem::take(&mut line));
        } else if !is_first {
            line.push(' ');
        }
        for c in word.chars() {
            if columns(&line) + c.width().unwrap_or(0) > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

/// A text in exactly `width` columns, at the left.
pub(in crate::cli) fn left(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let space = " ".repeat(width.saturating_sub(columns(&text)));
    text + &space
}

/// A text in exactly `width` columns, at the right.
pub(in crate::cli) fn right(text: &str, width: usize) -> String {
    let text = cut(text, width);
    " ".repeat(width.saturating_sub(columns(&text))) + &text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_shares_are_grouped_and_never_rounded_up() {
        let sat = |msat| sats(Msat::new(msat));
        for (msat, text) in [
            (0, "0"),
            (999_999, "999"),
            (1_000_000, "1,000"),
            (16_777_215_999, "16,777,215"),
            (u64::MAX, "18,446,744,073,709,551"),
        ] {
            assert_eq!(sat(msat), text);
        }
        for (ppm, text) in [(0, "0.0 %"), (59_880, "5.9 %"), (999_999, "99.9 %")] {
            assert_eq!(percent(Ppm::new(ppm).unwrap()), text);
        }
        assert_eq!(percent(Ppm::ONE), "100.0 %");
    }

    #[test]
    fn times_are_told_from_now() {
        let at = |seconds: u64| Time::from_unix_ms(seconds * 1000);
        for (seconds, text) in [
            (0, "0 s ago"),
            (119, "119 s ago"),
            (120, "2 min ago"),
            (7_199, "119 min ago"),
            (7_200, "2 h ago"),
            (172_800, "2 d ago"),
        ] {
            assert_eq!(ago(at(1_000_000), at(1_000_000 - seconds)), text);
        }
        assert_eq!(ago(at(1), at(2)), "0 s ago", "a clock may differ a little");
        assert_eq!(ahead(at(0), at(180)), "in 3 min");
        assert_eq!(ahead(at(5), at(5)), "any moment");
    }

    #[test]
    fn texts_keep_to_their_columns_whatever_is_in_them() {
        assert_eq!(left("傘傘傘", 4), "傘… ");
        assert_eq!(left("傘", 4), "傘  ");
        assert_eq!(right("12", 4), "  12");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(wrapped("to be or not", 6), ["to be", "or not"]);
        assert_eq!(wrapped("a 傘傘傘", 4), ["a", "傘傘", "傘"]);
        assert_eq!(wrapped("", 0), [""]);
        assert_eq!(short("0123456789abcdef"), "01234567…");
        assert_eq!(short("700123x1x0"), "700123x1x0");
    }
}
