//! What can be made to go wrong.
//!
//! A fault at a node's door changes what its clients are told; one in the network changes what
//! happens. What each does is the business of the rooms where it happens.

use std::fmt;
use std::time::Duration;

use super::alias::Alias;
use super::channel::pair;
use super::words::{Complaint, Misread, Words, moment, signed, span, span_text};

/// The most blocks by which a height is off.
const BLOCKS_OFF_MAX: u32 = 100_000;

/// The faults that there are: how each is written, and what it does.
pub const FAULTS: [(&str, &str); 10] = [
    ("fault slow NODE TIME [for TIME]", "each call takes that much longer"),
    ("fault refuse NODE [for TIME]", "each call is answered UNAVAILABLE"),
    ("fault lost-answer NODE [for TIME]", "it pays, and the answer is lost"),
    (
        "fault unknown NODE [for TIME]",
        "it says UNKNOWN to payments, which stay in flight until a restart",
    ),
    (
        "fault stale NODE [for TIME]",
        "its channels look as they did when this began, and no event tells more",
    ),
    (
        "fault stuck NODE NODE [for TIME]",
        "what the two send each other is neither settled nor failed",
    ),
    ("fault disconnect NODE NODE [for TIME]", "the two lose each other"),
    ("fault restart NODE [for TIME]", "it is killed, and starts again at the end"),
    (
        "fault height NODE BLOCKS [for TIME]",
        "the block height that it says is off by so many, such as -3",
    ),
    ("fault clock NODE TIME [for TIME]", "its clock is off by so much, such as +90s"),
];

/// Something that goes wrong for a while.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// For how long; until it is cleared where that is not said.
    pub lasts: Option<Duration>,
}

/// What goes wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FaultKind {
    /// Each call takes longer.
    Slow {
        /// The node that is called.
        node: Alias,
        /// How much longer.
        by: Duration,
    },
    /// Each call is answered `UNAVAILABLE`.
    Refuse(Alias),
    /// Payments are made, and `UNAVAILABLE` is answered.
    LostAnswer(Alias),
    /// Payments are answered `UNKNOWN`, and stay in flight without attempts until a restart.
    Unknown(Alias),
    /// Channels are listed as they were when this began, and no update comes.
    Stale(Alias),
    /// What two nodes send each other hangs: it is neither settled nor failed.
    Stuck(Alias, Alias),
    /// Two nodes are not connected.
    Disconnect(Alias, Alias),
    /// The node is down, as if it were killed, and starts again when the fault ends.
    Restart(Alias),
    /// The block height that the node says is off.
    Height {
        /// The node.
        node: Alias,
        /// By how many blocks.
        blocks: i32,
    },
    /// The node's clock is off.
    Clock {
        /// The node.
        node: Alias,
        /// By how many milliseconds it is ahead.
        ahead_ms: i64,
    },
}

impl Fault {
    /// Reads what follows `fault`.
    pub(super) fn read(words: &mut Words<'_>) -> Result<Self, Misread> {
        let word = words.word()?;
        let Some((form, _)) = FAULTS.iter().find(|(form, _)| second(form) == word.text) else {
            let known = FAULTS.iter().map(|(form, _)| second(form)).chain(["clear"]).collect();
            let text = word.text.to_owned();
            words.expect("");
            return Err(words
                .misread(word.column, Complaint::Unknown { word: text, wanted: "fault", known }));
        };
        words.expect(form);
        let kind = FaultKind::read(word.text, words)?;
        let lasts = if words.take("for") { Some(words.read(span)?) } else { None };
        Ok(Self { kind, lasts })
    }
}

/// The second word of a form.
fn second(form: &'static str) -> &'static str {
    form.split(' ').nth(1).unwrap_or_default()
}

impl FaultKind {
    /// Reads what follows the word of a kind that there is.
    fn read(word: &str, words: &mut Words<'_>) -> Result<Self, Misread> {
        Ok(match word {
            "stuck" => {
                let (one, other) = pair(words)?;
                Self::Stuck(one, other)
            }
            "disconnect" => {
                let (one, other) = pair(words)?;
                Self::Disconnect(one, other)
            }
            _ => {
                let node = words.read(Alias::read)?;
                match word {
                    "slow" => Self::Slow { node, by: words.read(span)? },
                    "refuse" => Self::Refuse(node),
                    "lost-answer" => Self::LostAnswer(node),
                    "unknown" => Self::Unknown(node),
                    "stale" => Self::Stale(node),
                    "restart" => Self::Restart(node),
                    "height" => Self::Height { node, blocks: words.read(blocks)? },
                    _ => Self::Clock { node, ahead_ms: words.read(skew)? },
                }
            }
        })
    }
}

fn blocks(text: &str) -> Result<i32, Complaint> {
    let wanted = "number of blocks: write -3 or +3, at most 100000 either way";
    let blocks = signed(text, BLOCKS_OFF_MAX).and_then(|blocks| i32::try_from(blocks).ok());
    blocks.ok_or_else(|| Complaint::not(text, wanted))
}

/// A time with a sign, in milliseconds.
fn skew(text: &str) -> Result<i64, Complaint> {
    let (sign, span) = match text.strip_prefix('-') {
        Some(span) => (-1, span),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let wanted = "time to be off by: write +90s or -90s, at most 30 days";
    let ms = moment(span).ok().and_then(|span| i64::try_from(span.as_millis()).ok());
    ms.map(|ms| sign * ms).ok_or_else(|| Complaint::not(text, wanted))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}", self.kind)?;
        self.lasts.map_or(Ok(()), |lasts| write!(f, " for {}", span_text(lasts)))
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow { node, by } => write!(f, "slow {node} {}", span_text(*by)),
            Self::Refuse(node) => write!(f, "refuse {node}"),
            Self::LostAnswer(node) => write!(f, "lost-answer {node}"),
            Self::Unknown(node) => write!(f, "unknown {node}"),
            Self::Stale(node) => write!(f, "stale {node}"),
            Self::Stuck(one, other) => write!(f, "stuck {one} {other}"),
            Self::Disconnect(one, other) => write!(f, "disconnect {one} {other}"),
            Self::Restart(node) => write!(f, "restart {node}"),
            Self::Height { node, blocks } => write!(f, "height {node} {blocks:+}"),
            Self::Clock { node, ahead_ms } => {
                let span = span_text(Duration::from_millis(ahead_ms.unsigned_abs()));
                write!(f, "clock {node} {}{span}", if *ahead_ms < 0 { '-' } else { '+' })
            }
        }
    }
}
