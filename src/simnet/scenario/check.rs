//! Whether the lines of a scenario hold together.
//!
//! What is found is only what cannot work: what a payment finds in its way when its time comes is
//! what a scenario is for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::command::{
    Alias, ChannelName, Command, Fault as Trouble, FaultKind, Opening, Words, nearest,
};
use super::Numbered;
use super::fault::{Fault, What};
use super::line::Line;
use crate::simnet::run::SAT_PER_VBYTE;
use crate::simnet::world::channel::push_max;
use crate::simnet::world::funding::{CAPACITY_MAX, CAPACITY_MIN, cost};
use crate::simnet::world::node::GIFT;
use crate::units::Sat;

/// All that is wrong: what could not be read, and what does not hold together.
pub(super) fn check(text: &str, lines: &[Numbered<'_>], misread: Vec<Fault>) -> Vec<Fault> {
    let mut checks = Checks { nodes: nodes(text), faults: Vec::new() };
    checks.names(lines);
    checks.openings(lines);
    // What follows from a line that cannot be read is not told.
    if misread.is_empty() {
        checks.channels(lines);
    }
    checks.faults.extend(misread);
    checks.faults.sort_by_key(|fault| (fault.line, fault.column));
    checks.faults
}

/// The nodes, with the line of each: also those whose line has a fault in another word.
fn nodes(text: &str) -> Vec<(Alias, usize)> {
    let mut nodes = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let mut words = Words::new(line);
        if words.take("node")
            && let Ok(alias) = words.read(Alias::read)
        {
            nodes.push((alias, number));
        }
    }
    nodes
}

/// The nodes, and what was found.
struct Checks {
    nodes: Vec<(Alias, usize)>,
    faults: Vec<Fault>,
}

impl Checks {
    /// Tells what is wrong with the word `at` of a line.
    fn add(&mut self, line: &Numbered<'_>, at: &str, what: What) {
        self.add_after(line, at, 0, what);
    }

    /// Tells what is wrong with the word that comes so many words after `at`.
    fn add_after(&mut self, line: &Numbered<'_>, at: &str, after: usize, what: What) {
        let is_it = |text: &str| text.split('#').next() == Some(at);
        let mut words = Words::new(line.text);
        let word =
            std::iter::from_fn(|| words.next()).skip_while(|word| !is_it(word.text)).nth(after);
        let column = word.map_or(1, |word| word.column);
        self.faults.push(Fault { line: line.number, column, what });
    }

    /// Whether everybody who is named is there, once.
    fn names(&mut self, lines: &[Numbered<'_>]) {
        if self.nodes.is_empty() {
            self.faults.push(Fault { line: 1, column: 1, what: What::Empty });
            return;
        }
        let mut seed = None;
        for line in lines {
            match &line.line {
                Line::Seed(_) => match seed {
                    Some(first) => self.add(line, "seed", What::SecondSeed { first }),
                    None => seed = Some(line.number),
                },
                Line::Node(node) => {
                    let is_same = |(alias, _): &&(Alias, usize)| *alias == node.alias;
                    let first = self.nodes.iter().find(is_same).map(|(_, first)| *first);
                    if let Some(first) = first.filter(|first| *first < line.number) {
                        let alias = node.alias.clone();
                        self.add(line, node.alias.as_str(), What::Namesake { alias, first });
                    }
                }
                Line::Channel(_) | Line::Traffic(_) | Line::At(..) => self.named(line),
            }
        }
    }

    /// Whether everybody whom a line names is there.
    fn named(&mut self, line: &Numbered<'_>) {
        for alias in names(&line.line) {
            let known: Vec<&str> = self.nodes.iter().map(|(alias, _)| alias.as_str()).collect();
            if !known.contains(&alias.as_str()) {
                let nearest = nearest(alias.as_str(), &known);
                let nearest = nearest.and_then(|nearest| Alias::read(nearest).ok());
                let what = What::Nobody { alias: alias.clone(), nearest };
                self.add(line, alias.as_str(), what);
            }
        }
    }

    /// Whether channels can be opened as they should.
    fn openings(&mut self, lines: &[Numbered<'_>]) {
        let mut spent = BTreeMap::new();
        for line in lines {
            match &line.line {
                Line::Channel(opening) => {
                    self.opening(line, opening);
                    let sum: &mut u64 = spent.entry(&opening.opener).or_default();
                    *sum = sum.saturating_add(cost(opening.capacity, SAT_PER_VBYTE).sat());
                    if *sum > GIFT.sat() && opening.capacity <= CAPACITY_MAX {
                        let (alias, sum) = (opening.opener.clone(), Sat::new(*sum));
                        self.add(line, opening.opener.as_str(), What::Wallet { alias, sum });
                    }
                }
                Line::At(_, Command::Open(opening)) => self.opening(line, opening),
                Line::Seed(_) | Line::Node(_) | Line::Traffic(_) | Line::At(..) => {}
            }
        }
    }

    fn opening(&mut self, line: &Numbered<'_>, opening: &Opening) {
        let (push, capacity) = (opening.pushed(), opening.capacity);
        if !(CAPACITY_MIN..=CAPACITY_MAX).contains(&capacity) {
            self.add_after(line, opening.opener.as_str(), 2, What::Capacity(capacity));
        } else if push > push_max(capacity) {
            let most = push_max(capacity);
            self.add_after(line, "push", 1, What::Push { push, capacity, most });
        }
    }

    /// Whether the channels that the script names are there when their time comes.
    fn channels(&mut self, lines: &[Numbered<'_>]) {
        let mut ledger = Ledger::default();
        let mut script = Vec::new();
        for line in lines {
            match &line.line {
                Line::Channel(opening) => ledger.open(opening),
                Line::At(time, command) => script.push((*time, line, command)),
                Line::Seed(_) | Line::Node(_) | Line::Traffic(_) => {}
            }
        }
        script.sort_by_key(|(time, _, _): &(Duration, _, _)| *time);
        for (_, line, command) in script {
            let looked_up = match command {
                Command::Open(opening) => {
                    ledger.open(opening);
                    Ok(())
                }
                Command::Drift { channel, .. } => ledger.find(channel).map(drop),
                Command::Close(channel) => ledger.close(channel),
                Command::Pay { .. }
                | Command::Mine { .. }
                | Command::Fault(_)
                | Command::Clear { .. }
                | Command::Balances => Ok(()),
            };
            if let Err((channel, what)) = looked_up {
                self.add(line, channel.to.as_str(), what);
            }
        }
    }
}

/// Everybody whom a line names beside the node that it adds.
fn names(line: &Line) -> Vec<&Alias> {
    match line {
        Line::Seed(_) | Line::Node(_) => Vec::new(),
        Line::Channel(opening) | Line::At(_, Command::Open(opening)) => {
            vec![&opening.opener, &opening.other]
        }
        Line::Traffic(traffic) => vec![&traffic.payer, &traffic.payee],
        Line::At(_, Command::Pay { payer, payee, .. }) => vec![payer, payee],
        Line::At(_, Command::Drift { channel, .. } | Command::Close(channel)) => {
            vec![&channel.from, &channel.to]
        }
        Line::At(_, Command::Fault(Trouble { kind, .. })) => match kind {
            FaultKind::Slow { node, .. }
            | FaultKind::Refuse(node)
            | FaultKind::LostAnswer(node)
            | FaultKind::Unknown(node)
            | FaultKind::Stale(node)
            | FaultKind::Restart(node)
            | FaultKind::Height { node, .. }
            | FaultKind::Clock { node, .. } => vec![node],
            FaultKind::Stuck(one, other) | FaultKind::Disconnect(one, other) => vec![one, other],
        },
        Line::At(_, Command::Clear { node }) => node.iter().collect(),
        Line::At(_, Command::Mine { .. } | Command::Balances) => Vec::new(),
    }
}

/// The channels between any two nodes: those that were opened, in order, and whether each is
/// still there.
#[derive(Default)]
struct Ledger<'a>(BTreeMap<[&'a Alias; 2], Vec<bool>>);

/// A channel that is not there, and why.
type Absent<'a> = (&'a ChannelName, What);

impl<'a> Ledger<'a> {
    fn of(&mut self, one: &'a Alias, other: &'a Alias) -> &mut Vec<bool> {
        let mut pair = [one, other];
        pair.sort();
        self.0.entry(pair).or_default()
    }

    fn open(&mut self, opening: &'a Opening) {
        self.of(&opening.opener, &opening.other).push(true);
    }

    /// The index of a channel that is there.
    fn find(&mut self, channel: &'a ChannelName) -> Result<usize, Absent<'a>> {
        let channels = self.of(&channel.from, &channel.to);
        let there: Vec<_> = (0..channels.len()).filter(|index| channels[*index]).collect();
        let wanted = channel.nth.map(|nth| usize::from(nth.get()) - 1);
        match (wanted, &*there) {
            (Some(wanted), there) if there.contains(&wanted) => Ok(wanted),
            (None, [only]) => Ok(*only),
            (Some(_), _) | (None, []) => Err((channel, What::NoChannel(channel.clone()))),
            (None, [first, ..]) => {
                let (count, one) = (there.len(), u16::try_from(first + 1).unwrap_or(u16::MAX));
                Err((channel, What::WhichChannel { channel: channel.clone(), count, one }))
            }
        }
    }

    fn close(&mut self, channel: &'a ChannelName) -> Result<(), Absent<'a>> {
        let index = self.find(channel)?;
        self.of(&channel.from, &channel.to)[index] = false;
        Ok(())
    }
}
