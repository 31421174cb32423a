//! [`Show`]: how the story is shown, on a screen or as lines.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{Event, KeyCode, KeyModifiers};

use super::super::door::say;
use super::super::keys::Keys;
use super::board::Board;
use super::news::News;
use super::plain::lines;

/// How long the beginning and the end of a chapter are left to the eye.
const BREATH: Duration = Duration::from_millis(800);

/// Shows news as it comes.
#[derive(Debug)]
pub(super) struct Show {
    begin: Instant,
    screen: Option<Screen>,
}

/// A terminal. Dropped, it is as it was.
#[derive(Debug)]
struct Screen {
    terminal: DefaultTerminal,
    keys: Keys,
    board: Board,
}

impl Show {
    /// Begins, on a screen if there is one and no lines are wanted.
    pub(super) fn begin(is_plain: bool) -> io::Result<Self> {
        let begin = Instant::now();
        if is_plain || !io::stdout().is_terminal() {
            return Ok(Self { begin, screen: None });
        }
        // It restores the terminal on a panic too.
        let terminal = ratatui::try_init()?;
        let screen = Screen { terminal, keys: Keys::read(), board: Board::default() };
        Ok(Self { begin, screen: Some(screen) })
    }

    /// How long the beginning and the end of a chapter are left to the eye; lines stay anyway.
    pub(super) const fn breath(&self) -> Duration {
        if self.screen.is_some() { BREATH } else { Duration::ZERO }
    }

    /// Shows something new.
    pub(super) fn show(&mut self, news: News) -> io::Result<()> {
        let at = self.begin.elapsed();
        match &mut self.screen {
            Some(screen) => {
                screen.board.take(news, at);
                screen.draw(at)
            }
            None => say(&lines(&news, at)),
        }
    }

    /// Waits until somebody who looks at the screen has seen enough.
    pub(super) async fn left(&mut self) -> io::Result<()> {
        let begin = self.begin;
        let Some(screen) = &mut self.screen else { return std::future::pending().await };
        loop {
            match screen.keys.events.recv().await {
                Some(Event::Key(key)) => {
                    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
                    let is_end = key.code == KeyCode::Char('q')
                        || is_control && key.code == KeyCode::Char('c');
                    if is_end {
                        return Ok(());
                    }
                }
                // A resize: the next frame fits.
                Some(_) => screen.draw(begin.elapsed())?,
                // The terminal is gone.
                None => return Ok(()),
            }
        }
    }
}

impl Screen {
    fn draw(&mut self, at: Duration) -> io::Result<()> {
        let Self { terminal, board, .. } = self;
        terminal.draw(|frame| board.draw(frame, at)).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
