//! [`View`]: what is looked at on the screen, and what each key does. Nothing is drawn here.

use std::cmp::Reverse;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::super::super::printable::printable;
use super::super::row::pair;
use super::Told;
use crate::control::Status;
use crate::core::report::ChannelReport;
use crate::ids::{ChannelPoint, NodeId};

/// How many channels a page key goes on.
const PAGE: usize = 20;

/// How many lines it goes on in what is said of a channel.
const SCROLL: usize = 5;

/// The longest filter: more than any name has.
const FILTER_CHARS_MAX: usize = 80;

/// What is looked at.
#[derive(Debug, Default)]
pub(super) struct View {
    /// What was last heard.
    pub(super) status: Option<Status>,
    /// Why nothing was heard since.
    pub(super) error: Option<String>,
    /// The order of the channels.
    pub(super) sort: Sort,
    /// Whether the order is turned round.
    pub(super) is_reversed: bool,
    /// What the channels shown have in their line.
    pub(super) filter: String,
    /// Whether keys go into the filter.
    pub(super) is_typing: bool,
    /// Whether the chosen channel's sentences are shown.
    pub(super) is_open: bool,
    /// How many lines of what is said of it are passed over.
    pub(super) scroll: usize,
    /// The sentences, and of which channel.
    pub(super) why: Option<(ChannelPoint, Vec<String>)>,
    /// Which side is chosen: it stays so wherever the order takes it.
    chosen: Option<(ChannelPoint, NodeId)>,
}

/// An order of channels.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Sort {
    /// The farthest from its balance point first.
    #[default]
    Drift,
    /// By the names of both ends.
    Name,
    /// The largest first.
    Size,
    /// The last rebalanced first.
    Last,
    /// Those that ask first, then by the reason for rest.
    State,
}

/// Whether the watch goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flow {
    /// It does.
    Stay,
    /// The operator has seen enough.
    Leave,
}

impl View {
    /// Takes in what the daemon told.
    pub(super) fn heard(&mut self, told: Told) {
        match told.status {
            Ok(status) => {
                self.status = Some(status);
                self.error = None;
            }
            Err(error) => self.error = Some(error.to_string()),
        }
        if let Some((point, why)) = told.why {
            self.why = Some((point, why.unwrap_or_else(|error| vec![error.to_string()])));
        }
    }

    /// The channel whose sentences are wanted.
    pub(super) fn wanted(&self) -> Option<ChannelPoint> {
        self.chosen.filter(|_| self.is_open).map(|(point, _)| point)
    }

    /// Does what a key stands for.
    pub(super) fn press(&mut self, key: KeyEvent) -> Flow {
        if key.kind == KeyEventKind::Release {
            return Flow::Stay;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            let is_end = matches!(key.code, KeyCode::Char('c' | 'd'));
            return if is_end { Flow::Leave } else { Flow::Stay };
        }
        if self.is_typing { self.type_key(key.code) } else { self.command(key.code) }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "most keys mean nothing")]
    fn command(&mut self, key: KeyCode) -> Flow {
        match key {
            KeyCode::Char('q') => return Flow::Leave,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Enter => {
                self.is_open = !self.is_open;
                self.scroll = 0;
            }
            KeyCode::Esc if self.is_open => self.is_open = false,
            KeyCode::PageUp if self.is_open => self.scroll = self.scroll.saturating_sub(SCROLL),
            // Drawing it holds that to what there is.
            KeyCode::PageDown if self.is_open => self.scroll = self.scroll.saturating_add(SCROLL),
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Up | KeyCode::Char('k') => self.go(|at, _| at.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.go(|at, _| at.saturating_add(1)),
            KeyCode::PageUp => self.go(|at, _| at.saturating_sub(PAGE)),
            KeyCode::PageDown => self.go(|at, _| at.saturating_add(PAGE)),
            KeyCode::Home | KeyCode::Char('g') => self.go(|_, _| 0),
            KeyCode::End | KeyCode::Char('G') => self.go(|_, last| last),
            _ => {}
        }
        Flow::Stay
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "most keys mean nothing")]
    fn type_key(&mut self, key: KeyCode) -> Flow {
        match key {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if self.filter.chars().count() < FILTER_CHARS_MAX => {
                self.filter.push(c);
            }
            _ => {}
        }
        Flow::Stay
    }

    /// Chooses another channel: where the chosen one stands, and the last one's place, give it.
    fn go(&mut self, to: impl FnOnce(usize, usize) -> usize) {
        let rows = self.rows();
        let Some(last) = rows.len().checked_sub(1) else { return };
        let at = to(self.place(&rows), last).min(last);
        let chosen = rows.get(at).map(|channel| key(channel));
        if chosen != self.chosen {
            self.scroll = 0;
        }
        self.chosen = chosen;
    }

    /// The chosen channel's side, while it is looked at.
    pub(super) fn side(&self) -> Option<&ChannelReport> {
        let chosen = self.chosen.filter(|_| self.is_open);
        self.sides().find(|side| Some(key(side)) == chosen)
    }

    fn sides(&self) -> impl Iterator<Item = &ChannelReport> {
        self.status.iter().flat_map(|status| status.report.sides())
    }

    /// Where the chosen channel stands among `rows`; the first, where it is not among them.
    pub(super) fn place(&self, rows: &[&ChannelReport]) -> usize {
        let chosen = |channel: &&ChannelReport| Some(key(channel)) == self.chosen;
        rows.iter().position(chosen).unwrap_or(0)
    }

    /// Chooses the channel under the mark where none that is shown was chosen.
    pub(super) fn settle(&mut self) {
        self.go(|at, _| at);
    }

    /// The channels that the filter lets through, in order.
    pub(super) fn rows(&self) -> Vec<&ChannelReport> {
        let wanted = self.filter.to_lowercase();
        let mut rows: Vec<_> = self.sides().filter(|channel| is_like(channel, &wanted)).collect();
        // Equal ones keep the daemon's order, so that nothing jumps without a reason.
        match self.sort {
            Sort::Drift => rows.sort_by_key(|channel| Reverse(drift(channel))),
            Sort::Name => rows.sort_by_cached_key(|channel| pair(channel).to_lowercase()),
            Sort::Size => rows.sort_by_key(|channel| Reverse(channel.capacity)),
            Sort::Last => rows.sort_by_key(|channel| Reverse(channel.last_rebalance_at)),
            Sort::State => rows.sort_by_key(|channel| channel.rest.as_ref().map(|rest| &rest.code)),
        }
        if self.is_reversed {
            rows.reverse();
        }
        rows
    }
}

impl Sort {
    const fn next(self) -> Self {
        match self {
            Self::Drift => Self::Name,
            Self::Name => Self::Size,
            Self::Size => Self::Last,
            Self::Last => Self::State,
            Self::State => Self::Drift,
        }
    }

    /// What it is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Drift => "drift",
            Self::Name => "name",
            Self::Size => "size",
            Self::Last => "last rebalance",
            Self::State => "state",
        }
    }
}

const fn key(channel: &ChannelReport) -> (ChannelPoint, NodeId) {
    (channel.point, channel.node)
}

/// How far a side is from its balance point; the farthest where its figures make no sense.
fn drift(channel: &ChannelReport) -> u32 {
    let balance_point = channel.balance_point.ppm();
    channel.share.map_or(u32::MAX, |share| share.ppm().abs_diff(balance_point))
}

/// Whether something that a channel is known by contains `wanted`, or its state does.
fn is_like(channel: &ChannelReport, wanted: &str) -> bool {
    let state = channel.rest.as_ref().map_or("asks", |rest| &rest.code);
    wanted.is_empty()
        || pair(channel).to_lowercase().contains(wanted)
        || printable(state).to_lowercase().contains(wanted)
        || channel.scid.to_string().contains(wanted)
        || channel.other_scids.iter().any(|scid| scid.to_string().contains(wanted))
        || channel.point.to_string().starts_with(wanted)
        || channel.counterparty.to_string().starts_with(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ClientError;

    fn status() -> Status {
        let json = include_str!("../../../../tests/data/cli/status.json");
        serde_json::from_str(json).expect("a status")
    }

    fn view() -> View {
        let mut view = View::default();
        view.heard(Told { status: Ok(status()), why: None });
        view.settle();
        view
    }

    /// Presses each key of `keys`: a letter stands for itself, `<` for Esc, `>` for Enter.
    fn press(view: &mut View, keys: &str) -> Flow {
        let code = |key| match key {
            '<' => KeyCode::Esc,
            '>' => KeyCode::Enter,
            letter => KeyCode::Char(letter),
        };
        keys.chars().fold(Flow::Stay, |_, key| view.press(code(key).into()))
    }

    fn shown(view: &View) -> Vec<String> {
        view.rows().into_iter().map(|side| side.scid.to_string()).collect()
    }

    #[test]
    fn each_order_has_its_key_and_its_reverse() {
        let mut view = view();
        for (keys, first) in [
            ("", "700126x3x2"),
            ("s", "700125x1x0"),
            ("s", "700124x12x1"),
            ("s", "700123x1x0"),
            ("s", "700124x12x1"),
            ("s", "700126x3x2"),
            ("r", "700123x1x0"),
        ] {
            press(&mut view, keys);
            assert_eq!(shown(&view)[0], first, "{:?}", view.sort);
        }
    }

    #[test]
    fn a_filter_finds_names_ids_and_states() {
        for (filter, count) in [
            ("CAROL", 4),
            ("alice", 8),
            ("700125", 2),
            ("16000000x5", 2),
            ("cooling", 1),
            ("asks", 1),
            ("away", 1),
            ("1111", 1),
            ("nobody", 0),
            ("q", 0),
        ] {
            let mut view = view();
            assert_eq!(press(&mut view, &format!("/{filter}>")), Flow::Stay);
            assert_eq!(view.rows().len(), count, "{filter}");
            press(&mut view, "<");
            assert_eq!(view.rows().len(), 8, "Esc shows all again");
        }
    }

    #[test]
    fn the_chosen_channel_stays_chosen_wherever_the_order_takes_it() {
        let mut view = view();
        press(&mut view, "j>");
        let wanted = view.wanted().expect("a channel");
        let mut other = status();
        other.report.channels.reverse();
        press(&mut view, "r");
        view.heard(Told { status: Ok(other), why: None });
        view.settle();
        assert_eq!(view.wanted(), Some(wanted));
        press(&mut view, "Gj");
        assert_eq!(view.place(&view.rows()), 7, "the end is the end");
        press(&mut view, "gk");
        assert_eq!(view.place(&view.rows()), 0);
        press(&mut view, ">");
        assert_eq!(view.wanted(), None, "nothing is open");
    }

    #[test]
    fn page_keys_scroll_what_is_said_and_another_channel_begins_at_its_first_line() {
        let mut view = view();
        let page = |view: &mut View, code: KeyCode| view.press(code.into());
        page(&mut view, KeyCode::Enter);
        let wanted = view.wanted();
        page(&mut view, KeyCode::PageDown);
        assert_eq!((view.scroll, view.wanted()), (SCROLL, wanted));
        page(&mut view, KeyCode::PageUp);
        page(&mut view, KeyCode::PageUp);
        assert_eq!(view.scroll, 0);
        page(&mut view, KeyCode::PageDown);
        press(&mut view, "j");
        assert_eq!(view.scroll, 0);
        assert_ne!(view.wanted(), wanted);
    }

    #[test]
    fn a_daemon_that_is_gone_leaves_what_it_said_and_comes_back() {
        let mut view = view();
        let socket = || std::path::PathBuf::from("/run/control.sock");
        let gone = ClientError::NotTightrope { socket: socket() };
        view.heard(Told { status: Err(gone), why: None });
        assert!(view.error.is_some() && view.status.is_some());
        view.heard(Told { status: Ok(status()), why: None });
        assert_eq!(view.error, None);
    }

    #[test]
    fn q_and_control_c_leave_but_not_while_a_filter_is_typed() {
        assert_eq!(press(&mut view(), "q"), Flow::Leave);
        assert_eq!(press(&mut view(), "/q"), Flow::Stay);
        let end = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        let mut view = view();
        press(&mut view, "/");
        assert_eq!(view.press(end), Flow::Leave);
    }
}
