//! [`Board`]: all that the screen of the demo shows, and how it is drawn.

use std::collections::VecDeque;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Row, Span, Text};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::super::printable::printable;
use super::super::status::bar::{marked, marks};
use super::super::status::figures::{cut, percent, sats, wrapped};
use super::news::{Bar, Chapter, Line, News, Who};
use super::node::ALIASES;
use super::plain::tenths;
use super::stage::{HIGHEST, LOWEST};
use crate::control::Status;
use crate::core::report::ChannelReport;

/// How many lines are kept: more than any screen has.
const LINES_MAX: usize = 100;
/// How wide a bar is.
const BAR: usize = 30;
/// How many lines there are for what happens around the daemons, their title included.
const WORLD_LINES: u16 = 6;
/// How many channels there are in the end.
const CHANNELS: u16 = 5;

const TITLE: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);

/// What is shown.
#[derive(Debug, Default)]
pub(super) struct Board {
    chapter: Option<Chapter>,
    bars: Vec<Bar>,
    daemons: [Option<Box<Status>>; 2],
    /// With when they came.
    lines: VecDeque<(Duration, Line)>,
}

impl Board {
    /// Takes in something new, `at` so long after the beginning.
    pub(super) fn take(&mut self, news: News, at: Duration) {
        match news {
            News::Chapter(chapter) => self.chapter = Some(chapter),
            News::Line(line) => {
                self.lines.push_back((at, line));
                if self.lines.len() > LINES_MAX {
                    self.lines.pop_front();
                }
            }
            News::Channels(bars) => self.bars = bars,
            News::Daemons(daemons) => self.daemons = daemons,
        }
    }

    /// Draws all of it, `at` so long after the beginning.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, at: Duration) {
        let width = usize::from(frame.area().width);
        let (title, sentence) = match self.chapter {
            Some(Chapter { number, title, sentence }) => {
                (format!("{number} of 4: {title}"), sentence)
            }
            None => ("tightrope demo".to_owned(), "Five nodes are started."),
        };
        let sentence = wrapped(sentence, width.max(20));
        let height = u16::try_from(sentence.len()).unwrap_or(u16::MAX);
        let areas = [
            Constraint::Length(1),
            Constraint::Length(height.saturating_add(1)),
            Constraint::Length(CHANNELS + 1),
            Constraint::Length(WORLD_LINES),
            Constraint::Min(3),
            Constraint::Length(1),
        ];
        let [top, told, channels, world, owners, bottom] =
            Layout::vertical(areas).areas(frame.area());
        let time = tenths(at);
        let [left, right] =
            Layout::horizontal([Constraint::Min(0), Constraint::Length(9)]).areas(top);
        frame.render_widget(Row::styled(title, TITLE), left);
        frame.render_widget(Row::styled(format!("{time:>9}"), DIM), right);
        frame.render_widget(Text::from_iter(sentence), told);
        frame.render_widget(Text::from_iter(self.bars.iter().map(|bar| self.row(bar))), channels);
        self.panel(frame, world, Who::World, "around them");
        // Exactly: how half a column is given away is left to chance by the layout.
        let half = owners.width.saturating_sub(1) / 2;
        let halves = Layout::horizontal([Constraint::Length(half), Constraint::Min(0)]).spacing(1);
        let [hers, his] = halves.areas(owners);
        for (who, area) in [(Who::Alice, hers), (Who::Bob, his)] {
            let mut nodes = ALIASES.iter().enumerate().filter(|(place, _)| Who::of(*place) == who);
            let nodes: Vec<&str> = nodes.by_ref().map(|(_, alias)| *alias).collect();
            let title = format!("{} has {}", who.name(), nodes.join(", "));
            self.panel(frame, area, who, &title);
        }
        frame.render_widget(Row::styled("q quits and ends everything", DIM), bottom);
    }

    /// The last things that somebody did.
    fn panel(&self, frame: &mut Frame<'_>, area: Rect, who: Who, title: &str) {
        let block =
            Block::new().borders(Borders::TOP).title(format!(" {title} ")).title_style(TITLE);
        let inside = block.inner(area);
        let (width, height) = (usize::from(inside.width), usize::from(inside.height));
        let mut rows: Vec<Row<'_>> = Vec::new();
        // From the last one back, until there is no more room.
        for (at, line) in self.lines.iter().rev().filter(|(_, line)| line.who == who) {
            if rows.len() >= height {
                break;
            }
            let time = format!("{:>7} ", tenths(*at));
            let room = width.saturating_sub(time.len() + 1).max(10);
            // A figure and its unit stay together.
            let text = printable(&line.text).replace(" %", "\u{a0}%").replace(" sat", "\u{a0}sat");
            let told = wrapped(&text, room);
            for (index, text) in told.into_iter().enumerate().rev() {
                let time = if index == 0 { time.clone() } else { " ".repeat(time.len()) };
                rows.push(Row::from_iter([Span::styled(time, DIM), Span::raw(text)]));
            }
        }
        rows.truncate(height);
        rows.reverse();
        frame.render_widget(Paragraph::new(Text::from_iter(rows)).block(block), area);
    }

    /// A channel: its bar, and what the daemons make of it.
    fn row(&self, bar: &Bar) -> Row<'static> {
        let sides = || self.daemons.iter().flatten().flat_map(|it| it.report.sides());
        let side = sides().find(|side| side.point == bar.point && side.node == bar.node);
        let drawn = match bar.share {
            Some(share) => marked(share, side.map(marks).unwrap_or_default(), BAR),
            None => " ".repeat(BAR),
        };
        let (state, color) = self.state(bar);
        let share = bar.share.map(percent).unwrap_or_default();
        let (near, far) = (sats(bar.near), sats(bar.far));
        Row::from_iter([
            Span::styled(format!("{}  ", bar.name), TITLE),
            Span::raw(format!("{near:>9} ")),
            Span::styled(drawn, Style::new().fg(color)),
            Span::raw(format!(" {far:<9} {share:>7}  ")),
            Span::raw(cut(&printable(&state), 60)),
        ])
    }

    /// What the daemons make of a channel, and the color of that.
    fn state(&self, bar: &Bar) -> (String, Color) {
        let reports = || self.daemons.iter().flatten().map(|status| &status.report);
        let is_here = |side: &&ChannelReport| side.point == bar.point;
        if let Some(open) = reports().flat_map(|it| &it.open).find(|it| it.point == bar.point) {
            return (format!("{} sat are asked for", sats(open.amount)), Color::Cyan);
        }
        let is_content = bar.share.is_none_or(|share| LOWEST <= share && share <= HIGHEST);
        let color = if is_content { Color::Green } else { Color::Yellow };
        let mut sides = reports().flat_map(|it| it.sides()).filter(is_here).peekable();
        if sides.peek().is_none() {
            return ("nobody keeps it".to_owned(), color);
        }
        let low = sides.find(|side| side.low_since.is_some());
        let state = match low.map(|side| &side.rest) {
            // The nodes were asked a moment before the daemons.
            None if is_content => "in balance".to_owned(),
            None => "has drifted".to_owned(),
            Some(None) => "asks".to_owned(),
            Some(Some(rest)) => rest.reason.clone(),
        };
        (state, color)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::ids::ChannelPoint;

    /// A board in the middle of the story. Of its channels, the first two are known to a daemon.
    fn board() -> Board {
        let json = include_str!("../../../tests/data/cli/status.json");
        let status: Box<Status> = serde_json::from_str(json).expect("a status");
        let mut board = Board::default();
        let second = Duration::from_secs;
        let chapter = Chapter { number: 2, title: "They meet", sentence: "They find each other." };
        board.take(News::Chapter(chapter), second(1));
        let bars = [(0, "A–B"), (1, "A–C"), (4, "E–B")].map(|(place, name)| {
            let side = &status.report.channels[place];
            let (node, point) = (side.node, side.point);
            let (near, far, share) = (side.local, side.remote, side.share);
            Bar { point, order: place, node, name: name.to_owned(), near, far, share }
        });
        let mut bars = bars.to_vec();
        bars[2].point = ChannelPoint::new([0; 32], 0);
        board.take(News::Channels(bars), second(2));
        board.take(News::Daemons([Some(status), None]), second(2));
        for (who, text) in [
            (Who::World, "A pays C 250,000 sat over A–C, in 5 payments"),
            (Who::Alice, "A asks C for 250,000 sat over A–C: it has 25.0 % there"),
            (Who::Bob, "C finds it in order, and pays A 250,000 sat over A–C"),
            (Who::Alice, "A is paid; A–C is mended 250 ms after its \u{1b}[2J drift was seen"),
        ] {
            board.take(News::Line(Line { who, text: text.to_owned() }), second(3));
        }
        board
    }

    fn drawn(board: &Board, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| board.draw(frame, Duration::from_secs(4))).expect("a frame");
        terminal.backend().to_string()
    }

    #[test]
    fn a_screen_shows_the_chapter_the_channels_and_what_each_side_did() {
        let golden = expect_file!["../../../tests/data/cli/demo.txt"];
        golden.assert_eq(&drawn(&board(), 100, 26));
    }

    #[test]
    fn any_size_of_screen_is_drawn() {
        for (width, height) in [(1, 1), (3, 2), (20, 5), (80, 24), (300, 3), (10, 100)] {
            drawn(&board(), width, height);
            drawn(&Board::default(), width, height);
        }
    }
}
