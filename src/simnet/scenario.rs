//! [`Scenario`]: a network and what happens in it, as a file of lines.
//!
//! A line is a node, a channel that is there at the start, traffic, the seed, or a [`Command`] at
//! a time. Once read, a scenario holds together: every node that is named exists, and every
//! channel where that can be told. All that is wrong with a file is told at once.

mod check;
mod fault;
mod line;
mod stage;

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

pub use fault::{Fault, ScenarioError, What};
pub use line::{Node, Traffic};
pub use stage::StageError;

use super::command::{Command, Opening, span_text};
use line::Line;

/// A network, and what happens in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scenario {
    /// What chance in it begins with.
    pub seed: u64,
    /// Its nodes, in the order of the file.
    pub nodes: Vec<Node>,
    /// The channels that are there at the start.
    pub channels: Vec<Opening>,
    /// Who pays whom again and again.
    pub traffic: Vec<Traffic>,
    /// What is done when, after the start; in the order of time.
    pub script: Vec<(Duration, Command)>,
}

impl Scenario {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let text = fs::read_to_string(path).map_err(|source| {
            let path = path.to_owned();
            ScenarioError::Unreadable { path, source }
        })?;
        Self::parse(&text).map_err(|faults| ScenarioError::Faulty { path: path.to_owned(), faults })
    }

    /// Reads the text of a file, or tells all that is wrong with it, in the order of its lines.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let (mut lines, mut faults) = (Vec::new(), Vec::new());
        for (text, number) in text.lines().zip(1..) {
            match Line::read(text) {
                Ok(Some(line)) => lines.push(Numbered { number, text, line }),
                Ok(None) => {}
                Err(misread) => {
                    let (column, what) = (misread.column, What::Misread(misread));
                    faults.push(Fault { line: number, column, what });
                }
            }
        }
        faults = check::check(text, &lines, faults);
        if faults.is_empty() { Ok(Self::of(lines)) } else { Err(faults) }
    }

    fn of(lines: Vec<Numbered<'_>>) -> Self {
        let mut scenario = Self::default();
        for numbered in lines {
            match numbered.line {
                Line::Seed(seed) => scenario.seed = seed,
                Line::Node(node) => scenario.nodes.push(node),
                Line::Channel(opening) => scenario.channels.push(opening),
                Line::Traffic(traffic) => scenario.traffic.push(traffic),
                Line::At(time, command) => scenario.script.push((time, command)),
            }
        }
        scenario.script.sort_by_key(|(time, _)| *time);
        scenario
    }
}

impl fmt::Display for Scenario {
    /// As a file that reads as the same scenario.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for node in &self.nodes {
            write!(f, "node {}", node.alias)?;
            match node.version {
                Some(version) => writeln!(f, " {version}")?,
                None => writeln!(f)?,
            }
        }
        for opening in &self.channels {
            writeln!(f, "channel {opening}")?;
        }
        for traffic in &self.traffic {
            writeln!(f, "traffic {traffic}")?;
        }
        for (time, command) in &self.script {
            writeln!(f, "at {} {command}", span_text(*time))?;
        }
        Ok(())
    }
}

/// A line with where it stands.
#[derive(Debug)]
struct Numbered<'a> {
    number: usize,
    text: &'a str,
    line: Line,
}
