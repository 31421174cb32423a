//! The demo as lines, where there is no screen.

use std::io;
use std::time::{Duration, Instant};

use super::super::door::say;
use super::super::printable::printable;
use super::super::status::figures::wrapped;
use super::diary::brief;
use super::news::{Chapter, Line, News};

/// How wide the lines about a chapter are.
const WIDTH: usize = 90;

/// Prints news as it comes.
#[derive(Debug)]
pub(super) struct Plain {
    begin: Instant,
}

impl Plain {
    /// Times count from here.
    pub(super) fn begin() -> Self {
        Self { begin: Instant::now() }
    }

    /// Prints what has to be said of it.
    pub(super) fn show(&self, news: &News) -> io::Result<()> {
        match news {
            News::Chapter(Chapter { number, title, sentence }) => {
                let lines = wrapped(sentence, WIDTH).join("\n   ");
                say(&format!("\n{number}. {title}\n   {lines}\n\n"))
            }
            News::Line(line) => say(&(told(line, self.begin.elapsed()) + "\n")),
            News::Channels(_) | News::Daemons(_) => Ok(()),
        }
    }
}

/// A line with its time and whose it is.
pub(super) fn told(line: &Line, at: Duration) -> String {
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
