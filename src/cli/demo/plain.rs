//! The demo as lines, where there is no screen.

use std::time::Duration;

use super::super::printable::printable;
use super::super::status::figures::wrapped;
use super::diary::brief;
use super::news::{Chapter, Line, News};

/// How wide the lines about a chapter are.
const WIDTH: usize = 90;

/// What has to be said of it, `at` so long after the beginning.
pub(super) fn lines(news: &News, at: Duration) -> String {
    match news {
        News::Chapter(Chapter { number, title, sentence }) => {
            let lines = wrapped(sentence, WIDTH).join("\n   ");
            format!("\n{number}. {title}\n   {lines}\n\n")
        }
        News::Line(line) => told(line, at) + "\n",
        News::Channels(_) | News::Daemons(_) => String::new(),
    }
}

/// A line with its time and whose it is.
fn told(line: &Line, at: Duration) -> String {
    let Line { who, text } = line;
    format!("{:>7}  {:<6} {}", tenths(at), who.name(), printable(text))
}

/// A time since the beginning, to a tenth of a second.
pub(super) fn tenths(at: Duration) -> String {
    if at < Duration::from_secs(1) {
        return format!("0.{} s", at.as_millis() / 100);
    }
    brief(at)
}
