//! One line of a scenario.

use std::fmt;
use std::time::Duration;

use super::super::command::{
    Alias, COMMANDS, Command, Complaint, Misread, Opening, Words, moment, number, pair, sat, span,
    span_text,
};
use super::super::{LndVersion, Sizes};
use crate::units::Sat;

/// The words that a line begins with, and how each is written.
const FORMS: [&str; 5] = [
    "seed NUMBER",
    "node NAME [0.20|0.21]",
    "channel OPENER OTHER SAT [even|push SAT] [private] [fee MSAT PPM]",
    "traffic PAYER PAYEE every TIME SAT|MIN..MAX|uneven MIN..MAX",
    "at TIME COMMAND",
];

/// What a line of a scenario says.
#[derive(Debug)]
pub(super) enum Line {
    Seed(u64),
    Node(Node),
    Channel(Opening),
    Traffic(Traffic),
    At(Duration, Command),
}

/// A node of the network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// What it is called.
    pub alias: Alias,
    /// Which lnd it is, where that is said.
    pub version: Option<LndVersion>,
}

/// A node that pays another again and again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Traffic {
    /// Who pays.
    pub payer: Alias,
    /// Who is paid.
    pub payee: Alias,
    /// How long from one payment to the next.
    pub every: Duration,
    /// How much.
    pub sizes: Sizes,
}

impl Line {
    /// Reads one; `None` where it says nothing.
    pub(super) fn read(text: &str) -> Result<Option<Self>, Misread> {
        let mut words = Words::new(text);
        let Some(word) = words.next() else { return Ok(None) };
        let first = |form: &&'static str| form.split(' ').next().unwrap_or_default();
        let Some(form) = FORMS.iter().find(|form| first(form) == word.text) else {
            let text = word.text.to_owned();
            let is_command = COMMANDS.iter().any(|(form, _)| first(form) == word.text);
            let known = FORMS.iter().map(first).collect();
            let what = if is_command {
                Complaint::Untimed(text)
            } else {
                Complaint::Unknown { word: text, wanted: "line of a scenario", known }
            };
            return Err(words.misread(word.column, what));
        };
        words.expect(form);
        let line = match word.text {
            "seed" => Self::Seed(words.read(seed)?),
            "node" => Self::Node(Node::read(&mut words)?),
            "channel" => Self::Channel(Opening::read(&mut words)?),
            "traffic" => Self::Traffic(Traffic::read(&mut words)?),
            _ => {
                let time = words.read(moment)?;
                // So that a missing command is told as such.
                words.peek().ok_or_else(|| words.missing())?;
                Self::At(time, Command::read(&mut words, &[])?)
            }
        };
        words.end()?;
        Ok(Some(line))
    }
}

fn seed(text: &str) -> Result<u64, Complaint> {
    let wanted = "seed: write a number of at most 64 bits";
    number(text, 0, u64::MAX).ok_or_else(|| Complaint::not(text, wanted))
}

impl Node {
    fn read(words: &mut Words<'_>) -> Result<Self, Misread> {
        let alias = words.read(Alias::read)?;
        let version = |text: &str| {
            text.parse().map_err(|_| Complaint::not(text, "version of lnd: write 0.20 or 0.21"))
        };
        let version = words.peek().is_some().then(|| words.read(version)).transpose()?;
        Ok(Self { alias, version })
    }
}

impl Traffic {
    fn read(words: &mut Words<'_>) -> Result<Self, Misread> {
        let (payer, payee) = pair(words)?;
        words.read(|text| match text {
            "every" => Ok(()),
            _ => Err(Complaint::not(text, "interval: write such as every 2s")),
        })?;
        let every = words.read(span)?;
        let sizes = if words.take("uneven") {
            let (min, max) = words.read(range)?;
            Sizes::Uneven(min, max)
        } else {
            let (min, max) = words.read(range)?;
            Sizes::Even(min, max)
        };
        Ok(Self { payer, payee, every, sizes })
    }
}

/// A range of amounts, or one amount.
fn range(text: &str) -> Result<(Sat, Sat), Complaint> {
    let (min, max) = text.split_once("..").unwrap_or((text, text));
    let (min, max) = (sat(min)?, sat(max)?);
    if min > max {
        return Err(Complaint::not(text, "range: write the smaller amount first"));
    }
    Ok((min, max))
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} every {} ", self.payer, self.payee, span_text(self.every))?;
        match self.sizes {
            Sizes::Even(min, max) if min == max => write!(f, "{}", min.sat()),
            Sizes::Even(min, max) => write!(f, "{}..{}", min.sat(), max.sat()),
            Sizes::Uneven(min, max) => write!(f, "uneven {}..{}", min.sat(), max.sat()),
        }
    }
}
