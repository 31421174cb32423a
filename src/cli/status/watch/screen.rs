//! Draws a [`View`]: the daemon's state above, the channels in the middle, the keys below.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::super::super::printable::printable;
use super::super::cluster::budgets;
use super::super::figures::{cut, wrapped};
use super::super::names::Names;
use super::super::row::{Row, Widths};
use super::super::said::{Said, Severity};
use super::super::text::{head, line, open};
use super::view::View;
use crate::core::report::ChannelReport;

/// How many lines of the daemon's state are shown: the rest of the screen is for the channels.
const HEAD_LINES_MAX: usize = 12;

/// What stands out on every background.
const TITLE: Style = Style::new().add_modifier(Modifier::BOLD);
/// What is wrong.
const WRONG: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);

/// Draws the whole screen.
pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View) {
    view.settle();
    let room = usize::from(frame.area().height / 2).clamp(1, HEAD_LINES_MAX);
    let above = above(view, room);
    let height = u16::try_from(above.lines.len()).unwrap_or(u16::MAX);
    let half = if view.is_open { Constraint::Percentage(40) } else { Constraint::Length(0) };
    let areas = [Constraint::Length(height), Constraint::Min(2), half, Constraint::Length(1)];
    let [top, middle, details, bottom] = Layout::vertical(areas).areas(frame.area());
    frame.render_widget(above, top);
    frame.render_widget(channels(view, middle), middle);
    if view.is_open {
        frame.render_widget(why(view, details), details);
    }
    frame.render_widget(keys(view), bottom);
}

/// How the daemon stands, or that it does not answer.
fn above(view: &View, room: usize) -> Text<'static> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    if let Some(error) = &view.error {
        let since = if view.status.is_some() { "; below is what it last said" } else { "" };
        lines.push(Line::styled(format!("waiting{since}: {}", printable(error)), WRONG));
    }
    let Some(status) = &view.status else {
        if lines.is_empty() {
            lines.push(Line::raw("asking the daemon"));
        }
        return Text::from(lines);
    };
    let names = Names::of(status);
    let mut said = head(status, &names);
    said.extend([budgets(status), Said::calm(line(status))]);
    let under_way = &status.report.open;
    said.extend(under_way.iter().map(|known| open(known, &names, status.report.at)));
    let room = room.saturating_sub(lines.len());
    if said.len() > room {
        let hidden = said.split_off(room.saturating_sub(1));
        let more = format!("and {} more lines: tightrope status has all", hidden.len());
        let is_wrong = hidden.iter().any(|said| said.severity == Severity::Wrong);
        said.push(if is_wrong { Said::wrong(more) } else { Said::calm(more) });
    }
    lines.extend(said.into_iter().enumerate().map(|(index, said)| {
        let style = match said.severity {
            Severity::Wrong => WRONG,
            Severity::Calm if index == 0 => TITLE,
            Severity::Calm => Style::new(),
        };
        Line::styled(said.text, style)
    }));
    Text::from(lines)
}

/// The channels that there is room for, around the chosen one.
fn channels(view: &View, area: Rect) -> Text<'static> {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let (Some(status), Some(room)) = (&view.status, height.checked_sub(1)) else {
        return Text::default();
    };
    let all = view.rows();
    let chosen = view.place(&all);
    // The chosen one stays in the middle, but for both ends.
    let first = chosen.saturating_sub(room / 2).min(all.len().saturating_sub(room));
    let names = Names::of(status);
    let rows: Vec<Row<'_>> =
        all.iter().map(|channel| Row::of(channel, &status.report, &names)).collect();
    // The widths that all rows need, so that no column moves while one scrolls.
    let widths = Widths::of(&rows, width);
    let title = if rows.is_empty() {
        "no channel to show".to_owned()
    } else {
        format!("{} ({} of {})", widths.title(), chosen + 1, all.len())
    };
    let rows = rows.iter().enumerate().skip(first).take(room).map(|(index, row)| {
        let is_chosen = index == chosen;
        let mark = if is_chosen { Modifier::REVERSED } else { Modifier::empty() };
        Line::styled(cut(&row.line(widths), width), Style::new().add_modifier(mark))
    });
    Text::from_iter(std::iter::once(Line::styled(cut(&title, width), TITLE)).chain(rows))
}

/// What is said of the chosen channel: its names as they can be copied, then why it does what it
/// does. What there is no room for, page keys show.
fn why(view: &mut View, area: Rect) -> Paragraph<'static> {
    let wanted = view.wanted();
    let known = view.why.as_ref().filter(|(point, _)| Some(*point) == wanted);
    let mut said: Vec<String> = match (known, wanted) {
        (Some((_, sentences)), _) => sentences.iter().map(|said| printable(said)).collect(),
        (None, Some(_)) => vec!["asking the daemon".to_owned()],
        (None, None) => vec!["no channel is chosen".to_owned()],
    };
    said.extend(view.side().into_iter().flat_map(keys_of));
    let width = usize::from(area.width);
    let lines: Vec<String> = said.iter().flat_map(|said| wrapped(said, width)).collect();
    // One line is the title's.
    let room = usize::from(area.height).saturating_sub(1);
    view.scroll = view.scroll.min(lines.len().saturating_sub(room));
    let (first, count) = (view.scroll, lines.len());
    let title = match view.side() {
        Some(side) => format!("why {}", side.scid),
        None => "why".to_owned(),
    };
    let title = if count > room {
        format!(" {title}, lines {} to {} of {count} (PgUp, PgDn) ", first + 1, first + room)
    } else {
        format!(" {title} ")
    };
    let shown = lines.into_iter().skip(first).take(room).map(Line::raw);
    let block = Block::new().borders(Borders::TOP).title(title);
    Paragraph::new(Text::from_iter(shown)).block(block)
}

/// The whole names of a channel and of who is at its ends.
fn keys_of(side: &ChannelReport) -> Vec<String> {
    let mut names = vec![
        format!("channel point {}", side.point),
        format!("our node {}", side.node),
        format!("other end {}", side.counterparty),
    ];
    names.extend(side.peer.map(|peer| format!("its peer {peer}")));
    names.extend(side.other_scids.iter().map(|scid| format!("further id {scid}")));
    names
}

/// What can be pressed.
fn keys(view: &View) -> Line<'static> {
    let text = if view.is_typing {
        format!("filter: {}_   Enter keeps it, Esc clears it", printable(&view.filter))
    } else {
        let order = if view.is_reversed { ", reversed" } else { "" };
        let filter = match view.filter.as_str() {
            "" => "/ filter".to_owned(),
            filter => format!("/ filter: {} (Esc clears)", printable(filter)),
        };
        let sort = view.sort.name();
        let why = if view.is_open { "Enter closes   PgDn scrolls" } else { "Enter why" };
        format!("q quit   ↑↓ choose   {why}   s sort: {sort}{order}   r reverse   {filter}")
    };
    Line::styled(text, Style::new().add_modifier(Modifier::DIM))
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::KeyCode;

    use super::super::Told;
    use super::*;
    use crate::control::{ClientError, Status};
    use crate::ids::{ChannelPoint, Scid};

    fn status() -> Status {
        let json = include_str!("../../../../tests/data/cli/status.json");
        serde_json::from_str(json).expect("a status")
    }

    /// The screen as text, `width` by `height`.
    fn drawn(view: &mut View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, view)).expect("a frame");
        terminal.backend().to_string()
    }

    #[test]
    fn a_screen_shows_the_daemon_the_channels_and_the_keys() {
        let mut view = View::default();
        let mut all = drawn(&mut view, 100, 4);
        view.heard(Told { status: Ok(status()), why: None });
        all += &drawn(&mut view, 140, 20);
        for key in [KeyCode::Down, KeyCode::Enter] {
            view.press(key.into());
        }
        let point = view.wanted().expect("a channel is chosen");
        let why = vec!["alice asks for 1,000,000 sat.".to_owned(), "\u{1b}[2J".to_owned()];
        let error = ClientError::NotTightrope { socket: "/run/control.sock".into() };
        view.heard(Told { status: Err(error), why: Some((point, Ok(why))) });
        view.press(KeyCode::Char('/').into());
        view.press(KeyCode::Char('a').into());
        all += &drawn(&mut view, 100, 30);
        expect_file!["../../../../tests/data/cli/watch.txt"].assert_eq(&all);
    }

    #[test]
    fn what_there_is_no_room_for_is_scrolled_to() {
        let mut view = View::default();
        view.heard(Told { status: Ok(status()), why: None });
        view.settle();
        view.press(KeyCode::Enter.into());
        let point = view.wanted().expect("a channel is chosen");
        let why: Vec<String> = (1..=20).map(|n| format!("sentence {n}.")).collect();
        view.heard(Told { status: Ok(status()), why: Some((point, Ok(why))) });
        let shown = drawn(&mut view, 80, 24);
        assert!(shown.contains("lines 1 to 9 of 24 (PgUp, PgDn)"), "{shown}");
        for _ in 0..9 {
            view.press(KeyCode::PageDown.into());
        }
        let shown = drawn(&mut view, 80, 24);
        assert!(shown.contains("lines 16 to 24 of 24") && shown.contains("its peer"), "{shown}");
    }

    #[test]
    fn what_is_wrong_stands_out_by_what_it_is_and_not_by_its_words() {
        let mut status = status();
        status.report.pauses[1].reason = Some("it CANNOT wait".to_owned());
        let mut view = View::default();
        view.heard(Told { status: Ok(status), why: None });
        let lines = above(&view, 20).lines;
        let style = |text: &str| {
            let mut lines = lines.iter();
            lines.find(|line| line.to_string().contains(text)).expect("it is said").style
        };
        assert_eq!(style("CANNOT"), Style::new());
        assert_eq!((style("DOWN"), style("UNKNOWN")), (WRONG, WRONG));
    }

    #[test]
    fn any_size_of_screen_is_drawn() {
        let mut view = View::default();
        view.heard(Told { status: Ok(status()), why: None });
        view.press(KeyCode::Enter.into());
        for (width, height) in [(1, 1), (3, 2), (20, 5), (79, 9), (400, 3), (10, 200)] {
            drawn(&mut view, width, height);
        }
    }

    #[test]
    fn of_a_thousand_channels_those_around_the_chosen_one_are_drawn() {
        let mut status = status();
        let channels = status.report.channels.clone();
        status.report.channels = channels.into_iter().cycle().take(1000).collect();
        status.report.absent_channels.clear();
        for (channel, number) in status.report.channels.iter_mut().zip(0_u32..) {
            channel.scid = Scid::new(u64::from(number) << 40);
            channel.point = ChannelPoint::new([0; 32], number);
        }
        let mut view = View::default();
        view.heard(Told { status: Ok(status), why: None });
        view.press(KeyCode::Char('r').into());
        for (key, place, row) in [(KeyCode::Home, 1, "996x0x0"), (KeyCode::End, 1000, "3x0x0")] {
            view.press(key.into());
            let shown = drawn(&mut view, 160, 60);
            assert!(shown.contains(&format!("({place} of 1000)")), "{shown}");
            assert!(shown.contains(row), "{shown}");
        }
    }
}
