//! One line of the prompt or of a scenario's script, as a [`Command`].
//!
//! What is read here is well formed; whether the nodes and channels that it names exist is for
//! the network to say. Every command prints as a line that reads as the same command.

mod alias;
mod channel;
mod fault;
mod words;

use std::fmt;
use std::str::FromStr;

pub use alias::Alias;
pub use channel::{ChannelName, Fee, Opening, Push};
pub use fault::{FAULTS, Fault, FaultKind};
pub use words::{Complaint, Misread};

use crate::units::Sat;
pub(super) use channel::pair;
pub use words::span_text;
pub(super) use words::{Words, moment, nearest, number, sat, span};

/// The most blocks that one command mines: two months of them.
const BLOCKS_MAX: u32 = 10_000;

/// Something to do with a network that runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Pay an invoice over whatever route there is.
    Pay {
        /// Who pays.
        payer: Alias,
        /// Who is paid.
        payee: Alias,
        /// How much.
        amount: Sat,
    },
    /// Pay over exactly one channel, in one hop.
    Drift {
        /// The channel, from its payer.
        channel: ChannelName,
        /// How much.
        amount: Sat,
    },
    /// Open a channel.
    Open(Opening),
    /// Close a channel in agreement.
    Close(ChannelName),
    /// Mine blocks.
    Mine {
        /// How many.
        blocks: u32,
    },
    /// Have something go wrong.
    Fault(Fault),
    /// End faults.
    Clear {
        /// Those at this node; all where none is named.
        node: Option<Alias>,
    },
    /// Tell what everybody has.
    Balances,
}

/// The commands that there are: how each is written, and what it does. [`FAULTS`] has the faults.
pub const COMMANDS: [(&str, &str); 8] = [
    ("pay PAYER PAYEE SAT", "by an invoice, over whatever route the payer finds"),
    ("drift PAYER PAYEE[#N] SAT", "over exactly that channel of the two, in one hop"),
    (
        "open OPENER OTHER SAT [even|push SAT] [private] [fee MSAT PPM]",
        "fund a channel; mine 1 to use it, 6 to have it announced",
    ),
    ("close CLOSER OTHER[#N]", "close a channel in agreement"),
    ("mine BLOCKS", "mine blocks"),
    ("fault KIND .. [for TIME]", "have something go wrong"),
    ("fault clear [NODE]", "end the faults of a node, or all"),
    ("balances", "what everybody has"),
];

/// The form of a command.
fn form(word: &str) -> Option<&'static str> {
    let mut forms = COMMANDS.iter().map(|(form, _)| *form);
    forms.find(|form| form.split(' ').next() == Some(word))
}

impl Command {
    /// Reads one that the rest of a line is. `also` is what else may stand in its place.
    pub(super) fn read(words: &mut Words<'_>, also: &[&'static str]) -> Result<Self, Misread> {
        let word = words.word()?;
        let Some(form) = form(word.text) else {
            let known = ["pay", "drift", "open", "close", "mine", "fault", "balances"];
            let known = known.iter().chain(also).copied().collect();
            let text = word.text.to_owned();
            let what = Complaint::Unknown { word: text, wanted: "command", known };
            return Err(words.misread(word.column, what));
        };
        words.expect(form);
        let command = match word.text {
            "pay" => {
                let (payer, payee) = pair(words)?;
                Self::Pay { payer, payee, amount: words.read(sat)? }
            }
            "drift" => Self::Drift { channel: ChannelName::read(words)?, amount: words.read(sat)? },
            "open" => Self::Open(Opening::read(words)?),
            "close" => Self::Close(ChannelName::read(words)?),
            "mine" => Self::Mine {
                blocks: words.read(|text| {
                    let wanted = "number of blocks: write 1 to 10000";
                    number(text, 1, BLOCKS_MAX).ok_or_else(|| Complaint::not(text, wanted))
                })?,
            },
            "fault" if words.take("clear") => {
                words.expect("fault clear [NODE]");
                let node = words.peek().is_some().then(|| words.read(Alias::read)).transpose()?;
                Self::Clear { node }
            }
            "fault" => Self::Fault(Fault::read(words)?),
            _ => Self::Balances,
        };
        words.end()?;
        Ok(command)
    }
}

impl FromStr for Command {
    type Err = Misread;

    fn from_str(line: &str) -> Result<Self, Misread> {
        Self::read(&mut Words::new(line), &[])
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pay { payer, payee, amount } => {
                write!(f, "pay {payer} {payee} {}", amount.sat())
            }
            Self::Drift { channel, amount } => write!(f, "drift {channel} {}", amount.sat()),
            Self::Open(opening) => write!(f, "open {opening}"),
            Self::Close(channel) => write!(f, "close {channel}"),
            Self::Mine { blocks } => write!(f, "mine {blocks}"),
            Self::Fault(fault) => fault.fmt(f),
            Self::Clear { node: Some(node) } => write!(f, "fault clear {node}"),
            Self::Clear { node: None } => write!(f, "fault clear"),
            Self::Balances => write!(f, "balances"),
        }
    }
}

/// A line of the prompt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Prompt {
    /// Do it.
    Run(Command),
    /// Tell the commands.
    Help,
    /// End.
    Quit,
}

impl Prompt {
    /// Reads one; `None` of a line that says nothing.
    pub fn read(line: &str) -> Result<Option<Self>, Misread> {
        let mut words = Words::new(line);
        let Some(word) = words.peek() else { return Ok(None) };
        let prompt = match word.text {
            "help" => Self::Help,
            "quit" => Self::Quit,
            _ => return Command::read(&mut words, &["help", "quit"]).map(Self::Run).map(Some),
        };
        words.next();
        words.end()?;
        Ok(Some(prompt))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::*;

    #[test]
    fn a_command_prints_as_the_line_that_it_was_read_from() {
        for line in [
            "pay alice carol 20000",
            "drift alice bob 300000",
            "drift alice bob#2 300000",
            "open alice carol 500000",
            "open alice carol 500000 even private",
            "open alice carol 500000 push 20000 private fee 1000 100",
            "close alice bob#65535",
            "mine 6",
            "fault slow alice 500ms for 10s",
            "fault slow alice 1.500s",
            "fault refuse a for 60s",
            "fault lost-answer a-1",
            "fault unknown bob",
            "fault stale bob",
            "fault stuck alice bob",
            "fault disconnect alice bob",
            "fault restart bob for 3s",
            "fault height alice -3",
            "fault clock alice +90s",
            "fault clock alice -0.500s",
            "fault clear",
            "fault clear bob",
            "balances",
        ] {
            let command: Command = line.parse().unwrap_or_else(|fault| panic!("{line}: {fault}"));
            let printed = command.to_string();
            assert_eq!(printed.parse(), Ok(command), "{line}");
            if !line.contains("0.500s") {
                assert_eq!(printed, line);
            }
        }
    }

    #[test]
    fn amounts_and_times_may_be_written_in_several_ways() {
        for (line, same) in [
            ("pay alice carol 20_000", "pay alice carol 20000"),
            ("  pay\talice carol 20000  # a comment", "pay alice carol 20000"),
            ("fault slow alice 1m for 1h30m", "fault slow alice 60s for 5400s"),
            ("fault slow alice 1.5s", "fault slow alice 1.500s"),
            ("fault height alice 3", "fault height alice +3"),
            ("open a b 30000 fee 0 1 private", "open a b 30000 private fee 0 1"),
        ] {
            let command: Command = line.parse().unwrap_or_else(|fault| panic!("{line}: {fault}"));
            assert_eq!(command.to_string(), same);
        }
    }

    #[test]
    fn a_line_that_cannot_be_meant_is_told_with_how_it_is_written() {
        let lines = [
            "driift alice bob 1",
            "Pay alice bob 1",
            "xyzzy",
            "qiut",
            "help me",
            "drift alice bob",
            "drift alice bob 1 now",
            "drift alice bob#0 1",
            "drift alice alice 1",
            "pay alice Bob 1",
            "pay alice bob 0",
            "pay alice bob 1.5",
            "pay alice bob 1_",
            "pay alice bob 2100000000000001",
            "open alice bob 5 push",
            "open alice bob 5 even push 3",
            "open alice bob 5 fee 1 1000001",
            "close alice",
            "mine many",
            "balances please",
            "fault",
            "fault slwo alice 1s",
            "fault slow alice 5",
            "fault slow alice 0s",
            "fault slow alice 5us",
            "fault slow alice 31d",
            "fault slow alice",
            "fault refuse alice for",
            "fault height alice three",
            "fault clock alice soon",
            "fault clear alice bob",
        ];
        let told = lines.map(|line| {
            let misread = Prompt::read(line).expect_err(line);
            format!("{line}\n  {}: {misread}\n", misread.column)
        });
        expect_file!["../../tests/data/simnet/commands.txt"].assert_eq(&told.concat());
    }

    #[test]
    fn a_line_may_say_nothing() {
        for line in ["", "  ", "# all of it", "\t#"] {
            assert_eq!(Prompt::read(line), Ok(None), "{line:?}");
        }
        assert_eq!(Prompt::read(" quit "), Ok(Some(Prompt::Quit)));
    }
}
