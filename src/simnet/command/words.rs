//! The words of a line, and what can be wrong with them.
//!
//! Knows amounts, times and counts; what they are for is said by the command that asks for them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::time::parse_span;
use crate::units::Sat;

/// All satoshis that there can be.
const SAT_MAX: u64 = 2_100_000_000_000_000;

/// The longest time: no experiment takes longer, and no clock overflows.
const SPAN_MAX: Duration = Duration::from_hours(30 * 24);

/// Why a line cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Misread {
    /// The column of the word at fault, from 1; of the end of the line, where one is missing.
    pub column: usize,
    /// What is wrong.
    pub what: Complaint,
    /// How the line is rightly written; empty where that is not known.
    pub form: &'static str,
}

/// What is wrong with a word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Complaint {
    /// There is none.
    Missing,
    /// Nothing should follow.
    Surplus(String),
    /// One of a few words was wanted.
    Unknown {
        /// What stands there.
        word: String,
        /// What was wanted.
        wanted: &'static str,
        /// The words that there are.
        known: Vec<&'static str>,
    },
    /// Not what is meant by such a word.
    Not {
        /// What stands there.
        word: String,
        /// What was wanted, with how it is written.
        wanted: &'static str,
    },
    /// A node cannot have to do with itself.
    Itself(String),
    /// A command in the place of a scenario's line.
    Untimed(String),
}

impl Misread {
    /// What is wrong, and where that does not say it, how the line is rightly written.
    fn sentence(&self) -> String {
        let (what, form, name) = (&self.what, self.form, name(self.form));
        match what {
            Complaint::Missing => format!("{name} wants: {form}"),
            Complaint::Surplus(_) if !form.is_empty() => format!("{what}; {name} wants: {form}"),
            Complaint::Surplus(_)
            | Complaint::Unknown { .. }
            | Complaint::Not { .. }
            | Complaint::Itself(_)
            | Complaint::Untimed(_) => what.to_string(),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "something is missing"),
            Self::Surplus(word) => write!(f, "`{word}` is too much"),
            Self::Unknown { word, wanted, known } => match nearest(word, known) {
                Some(nearest) => write!(f, "`{word}` is no {wanted}; do you mean `{nearest}`?"),
                None => write!(f, "`{word}` is no {wanted}; there are {}", known.join(", ")),
            },
            Self::Not { word, wanted } => write!(f, "`{word}` is no {wanted}"),
            Self::Untimed(word) => {
                write!(f, "`{word}` wants to know when: write such as at 10s {word} ..")
            }
            Self::Itself(node) => write!(f, "`{node}` stands on both sides: name two nodes"),
        }
    }
}

/// The words of a form that are written as they stand: what the command is called.
fn name(form: &str) -> String {
    let is_itself = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
    form.split(' ').take_while(is_itself).collect::<Vec<_>>().join(" ")
}

/// The known word that is most like `word`, if any is like it at all.
pub(in crate::simnet) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &&&str| strsim::damerau_levenshtein(&word.to_lowercase(), known);
    // A third of the letters may be wrong: beyond that a suggestion misleads.
    let is_like = |known: &&&str| distance(known) <= word.chars().count() / 3;
    known.iter().filter(is_like).min_by_key(distance).copied()
}

/// A word of a line.
#[derive(Clone, Copy, Debug)]
pub(in crate::simnet) struct Word<'a> {
    pub(in crate::simnet) text: &'a str,
    pub(in crate::simnet) column: usize,
}

/// The words of a line that are yet to be read.
#[derive(Debug)]
pub(in crate::simnet) struct Words<'a> {
    rest: &'a str,
    column: usize,
    form: &'static str,
}

impl<'a> Words<'a> {
    /// Those of `line`.
    pub(in crate::simnet) fn new(line: &'a str) -> Self {
        let mut words = Self { rest: line, column: 1, form: "" };
        words.skip_blanks();
        words
    }

    /// Says how what is read now is rightly written.
    pub(in crate::simnet) const fn expect(&mut self, form: &'static str) {
        self.form = form;
    }

    /// The next word, which stays.
    pub(in crate::simnet) fn peek(&self) -> Option<Word<'a>> {
        let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
        let text = &self.rest[..end];
        (!text.is_empty()).then_some(Word { text, column: self.column })
    }

    /// The next word.
    pub(in crate::simnet) fn next(&mut self) -> Option<Word<'a>> {
        let word = self.peek()?;
        self.advance(word.text.len());
        self.skip_blanks();
        Some(word)
    }

    /// Takes the next word if it is `text`.
    pub(in crate::simnet) fn take(&mut self, text: &str) -> bool {
        let is_next = self.peek().is_some_and(|word| word.text == text);
        is_next && self.next().is_some()
    }

    /// The next word, which must be there.
    pub(in crate::simnet) fn word(&mut self) -> Result<Word<'a>, Misread> {
        let missing = self.missing();
        self.next().ok_or(missing)
    }

    /// That a word is missing here.
    pub(in crate::simnet) const fn missing(&self) -> Misread {
        self.misread(self.column, Complaint::Missing)
    }

    /// The next word, understood.
    pub(in crate::simnet) fn read<T>(
        &mut self,
        understand: impl Fn(&str) -> Result<T, Complaint>,
    ) -> Result<T, Misread> {
        let word = self.word()?;
        understand(word.text).map_err(|what| self.misread(word.column, what))
    }

    /// Whether nothing is left.
    pub(in crate::simnet) fn end(&mut self) -> Result<(), Misread> {
        match self.peek() {
            Some(word) => Err(self.misread(word.column, Complaint::Surplus(word.text.to_owned()))),
            None => Ok(()),
        }
    }

    /// What is wrong at `column`.
    pub(in crate::simnet) const fn misread(&self, column: usize, what: Complaint) -> Misread {
        Misread { column, what, form: self.form }
    }

    fn advance(&mut self, bytes: usize) {
        let (gone, rest) = self.rest.split_at(bytes);
        self.column += gone.chars().count();
        self.rest = rest;
    }

    /// Goes on to the next word. One that begins with `#` begins a comment.
    fn skip_blanks(&mut self) {
        self.advance(self.rest.len() - self.rest.trim_start().len());
        if self.rest.starts_with('#') {
            self.rest = "";
        }
    }
}

impl Complaint {
    /// That `word` is not what was wanted.
    pub(in crate::simnet) fn not(word: &str, wanted: &'static str) -> Self {
        Self::Not { word: word.to_owned(), wanted }
    }
}

/// An amount: whole satoshis, at least one.
pub(in crate::simnet) fn sat(text: &str) -> Result<Sat, Complaint> {
    let wanted = "amount: write whole satoshis, such as 20000 or 20_000";
    number(text, 1, SAT_MAX).map(Sat::new).ok_or_else(|| Complaint::not(text, wanted))
}

/// A length of time: whole milliseconds, more than none.
pub(in crate::simnet) fn span(text: &str) -> Result<Duration, Complaint> {
    match moment(text)? {
        Duration::ZERO => Err(Complaint::not(text, "length of time: it is none at all")),
        span => Ok(span),
    }
}

/// A time after the start: whole milliseconds.
pub(in crate::simnet) fn moment(text: &str) -> Result<Duration, Complaint> {
    let wanted = "time: write a number and a unit, at most 30 days, such as 500ms, 1.5s or 10m";
    let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    let is_whole =
        |span: &Duration| span.subsec_nanos().is_multiple_of(1_000_000) && *span <= SPAN_MAX;
    let span = parse_span(text).ok().filter(|_| has_unit).filter(is_whole);
    span.ok_or_else(|| Complaint::not(text, wanted))
}

/// A whole number within bounds. Between digits, `_` may stand.
pub(in crate::simnet) fn number<T: FromStr + PartialOrd>(text: &str, min: T, max: T) -> Option<T> {
    let is_plain = text
        .split('_')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let number: T = text.replace('_', "").parse().ok().filter(|_| is_plain)?;
    (min <= number && number <= max).then_some(number)
}

/// A number with a sign, of at most `max` either way.
pub(in crate::simnet) fn signed(text: &str, max: u32) -> Option<i64> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = i64::from(number(digits, 0, max)?);
    Some(if is_negative { -number } else { number })
}

/// Prints a time as it is read.
pub fn span_text(span: Duration) -> String {
    match (span.as_secs(), span.subsec_millis()) {
        (secs, 0) => format!("{secs}s"),
        (0, ms) => format!("{ms}ms"),
        (secs, ms) => format!("{secs}.{ms:03}s"),
    }
}
