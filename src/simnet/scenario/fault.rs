//! What can be wrong with a scenario, told all at once.

use std::io;
use std::path::{Path, PathBuf};

use super::super::command::{Alias, ChannelName, Misread};
use crate::simnet::world::funding::{CAPACITY_MAX, CAPACITY_MIN};
use crate::simnet::world::node::GIFT;
use crate::units::Sat;

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{} cannot be read (it should be a file of text that you may read)", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file says what cannot be meant.
    #[error("{}", list(path, faults))]
    Faulty {
        /// The file.
        path: PathBuf,
        /// All that is wrong, in the order of its lines; never empty.
        faults: Vec<Fault>,
    },
}

/// The faults as a list under a headline.
fn list(path: &Path, faults: &[Fault]) -> String {
    let path = path.display();
    let headline = match faults {
        [_] => format!("the scenario {path} has a fault:"),
        _ => format!("the scenario {path} has {} faults:", faults.len()),
    };
    faults.iter().fold(headline, |text, fault| format!("{text}\n  {path}:{fault}"))
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{line}:{column}: {what}")]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: What,
}

/// What is wrong in one place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum What {
    /// The line cannot be read.
    #[error("{0}")]
    Misread(Misread),
    /// There is no node.
    #[error("there is no node: write such as `node alice` for each")]
    Empty,
    /// A node that there is not.
    #[error("`{alias}` is no node of this network{}", match nearest {
        Some(nearest) => format!("; do you mean `{nearest}`?"),
        None => ": add a line such as `node NAME`".to_owned(),
    })]
    Nobody {
        /// Who is named.
        alias: Alias,
        /// The node that is named most like it.
        nearest: Option<Alias>,
    },
    /// A second node of the same name.
    #[error("`{alias}` is the node of line {first} already: choose another name")]
    Namesake {
        /// The name.
        alias: Alias,
        /// Where the first stands.
        first: usize,
    },
    /// A second seed.
    #[error("the seed is that of line {first} already: leave one of the two")]
    SecondSeed {
        /// Where the first stands.
        first: usize,
    },
    /// A channel of a size that lnd does not open.
    #[error(
        "a channel of {0} is not opened by lnd: write {min} to {max} sat",
        min = CAPACITY_MIN.sat(), max = CAPACITY_MAX.sat()
    )]
    Capacity(Sat),
    /// More is given away than there is beside what the opener must keep.
    #[error(
        "{push} is too much of {capacity}, of which the opener keeps its reserve and the fees: \
         push {most} at most, or open a larger channel"
    )]
    Push {
        /// What is given away.
        push: Sat,
        /// What there is.
        capacity: Sat,
        /// What can be given away.
        most: Sat,
    },
    /// A wallet that is empty by then.
    #[error(
        "with this channel `{alias}` spends {sum} in all, fees among it, and its wallet has {GIFT}"
    )]
    Wallet {
        /// Whose.
        alias: Alias,
        /// What its channels cost.
        sum: Sat,
    },
    /// A channel that is not there.
    #[error("there is no channel `{0}` by then: open one before")]
    NoChannel(ChannelName),
    /// Two nodes with several channels, of which none is named.
    #[error("`{from}` and `{to}` have {count} channels by then: name one, such as {to}#{one}",
        from = channel.from, to = channel.to)]
    WhichChannel {
        /// As it is named.
        channel: ChannelName,
        /// How many there are.
        count: usize,
        /// One of them.
        one: u16,
    },
}
