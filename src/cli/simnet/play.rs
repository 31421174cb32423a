//! [`Play`]: what happens in a network: the script in its time, and what is asked on the prompt.
//!
//! What was begun goes on by itself, so nothing that hangs holds up anything else. A wrong line is
//! told and leaves the prompt.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::super::door::say;
use crate::simnet::Simnet;
use crate::simnet::command::{COMMANDS, Command, FAULTS, Prompt, span_text};

/// How long an answer is waited for before the next line is asked for.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many lines are read ahead of what is done.
const LINES_AHEAD: usize = 1;

/// Where commands come from.
#[derive(Debug)]
pub(super) enum Lines {
    /// Somebody writes them.
    Open(mpsc::Receiver<String>),
    /// No more will come.
    Ended,
    /// None are asked for.
    Never,
}

impl Lines {
    /// Those that are written to this process.
    pub(super) fn of_stdin() -> Self {
        let (heard, lines) = mpsc::channel(LINES_AHEAD);
        // It ends with the input, or with the process: nobody can end a read that waits.
        drop(tokio::task::spawn_blocking(move || {
            for line in std::io::stdin().lines() {
                let Ok(line) = line else { return };
                if heard.blocking_send(line).is_err() {
                    return;
                }
            }
        }));
        Self::Open(lines)
    }

    /// The next line; `None` when there are no more.
    async fn next(&mut self) -> Option<String> {
        match self {
            Self::Open(lines) => lines.recv().await,
            Self::Ended | Self::Never => std::future::pending().await,
        }
    }
}

/// Who wants something done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    /// The script, at this time.
    ByScript(Duration),
    /// The prompt, as its command of this number.
    ByPrompt(u64),
}

/// What became of a command.
#[derive(Debug)]
struct Done {
    command: Command,
    asked: Asked,
    answer: String,
}

/// What is going on.
#[derive(Debug)]
pub(super) struct Play {
    network: Rc<Simnet>,
    start: Instant,
    script: std::vec::IntoIter<(Duration, Command)>,
    lines: Lines,
    under_way: JoinSet<Done>,
    /// How many commands were asked for on the prompt.
    count: u64,
    /// The one whose answer is waited for, and until when.
    awaited: Option<(Asked, Instant)>,
}

impl Play {
    /// Begins now.
    pub(super) fn new(network: Rc<Simnet>, script: Vec<(Duration, Command)>, lines: Lines) -> Self {
        let (start, script) = (Instant::now(), script.into_iter());
        let (under_way, count, awaited) = (JoinSet::new(), 0, None);
        Self { network, start, script, lines, under_way, count, awaited }
    }

    /// Plays until `quit`, or until all is done where no more can be asked.
    pub(super) async fn go_on(&mut self) -> anyhow::Result<()> {
        self.ask()?;
        loop {
            let due = self.script.as_slice().first().map(|(time, _)| self.start + *time);
            let is_over = matches!(self.lines, Lines::Ended);
            if is_over && due.is_none() && self.under_way.is_empty() {
                return Ok(());
            }
            let awaited = self.awaited.map(|(_, until)| until);
            tokio::select! {
                // What was done before a line came is told before it is answered.
                biased;
                Some(done) = self.under_way.join_next() => self.tell(&done?)?,
                () = at(due) => {
                    if let Some((time, command)) = self.script.next() {
                        self.begin(command, Asked::ByScript(time));
                    }
                }
                () = at(awaited) => {
                    say("it takes its time; its end will be told\n")?;
                    self.awaited = None;
                    self.ask()?;
                }
                line = self.lines.next(), if awaited.is_none() => match line {
                    Some(line) => if self.hear(&line)?.is_break() { return Ok(()) },
                    None => self.lines = Lines::Ended,
                },
            }
        }
    }

    /// Shows whoever sits there that a line can be written.
    fn ask(&self) -> anyhow::Result<()> {
        let is_seen = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        if is_seen && matches!(self.lines, Lines::Open(_)) {
            say("> ")?;
        }
        Ok(())
    }

    /// Does what a line of the prompt says. It breaks where that is the end.
    fn hear(&mut self, line: &str) -> anyhow::Result<ControlFlow<()>> {
        match Prompt::read(line) {
            Ok(Some(Prompt::Run(command))) => {
                self.count += 1;
                let asked = Asked::ByPrompt(self.count);
                self.awaited = Some((asked, Instant::now() + PATIENCE));
                self.begin(command, asked);
                return Ok(ControlFlow::Continue(()));
            }
            Ok(Some(Prompt::Help)) => say(&help())?,
            Ok(Some(Prompt::Quit)) => return Ok(ControlFlow::Break(())),
            Ok(None) => {}
            Err(misread) => say(&format!("{misread}\n"))?,
        }
        self.ask()?;
        Ok(ControlFlow::Continue(()))
    }

    fn begin(&mut self, command: Command, asked: Asked) {
        let network = Rc::clone(&self.network);
        self.under_way.spawn_local(async move {
            let answer = match network.run(&command).await {
                Ok(report) => report.to_string(),
                Err(error) => format!("not done: {error}"),
            };
            Done { command, asked, answer }
        });
    }

    /// Tells what became of a command: whose answer nobody waits for, with its name.
    fn tell(&mut self, done: &Done) -> anyhow::Result<()> {
        if self.awaited.is_some_and(|(awaited, _)| awaited == done.asked) {
            self.awaited = None;
            say(&format!("{}\n", done.answer))?;
            return self.ask();
        }
        let name = match done.asked {
            Asked::ByScript(time) => format!("at {} {}", span_text(time), done.command),
            Asked::ByPrompt(_) => done.command.to_string(),
        };
        let lines: String = done.answer.lines().map(|line| format!("  {line}\n")).collect();
        say(&format!("{name}\n{lines}"))?;
        Ok(())
    }
}

/// The moment `due`, if ever.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The commands and the faults, each on a line.
fn help() -> String {
    let own = [("help", "this"), ("quit", "end the network")];
    let commands = COMMANDS.into_iter().chain(own);
    let lines = |forms: &mut dyn Iterator<Item = (&'static str, &'static str)>| {
        forms.map(|(form, does)| format!("  {form}\n      {does}\n")).collect::<String>()
    };
    let (commands, faults) = (lines(&mut { commands }), lines(&mut FAULTS.into_iter()));
    format!("commands:\n{commands}faults:\n{faults}")
}
