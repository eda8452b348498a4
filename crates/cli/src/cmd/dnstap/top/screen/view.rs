//! What the screen shows, and where.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::Key;
use crate::cmd::dnstap::top::figures::{Figures, List, Lists, STREAMS, bar, percent};

const KEYS: &str = "q quit  space freeze  s sort  ? help";
const HELP: [&str; 13] = [
    "q, Esc, Ctrl-C   end",
    "space            hold the picture; counting goes on",
    "s                names and clients by count, or by name",
    "?                this page, and back",
    "",
    "q/s, r/s         queries and responses in a second",
    "dropped          frames that were lost on their way to us",
    "not understood   frames that are no dnstap message",
    "queue            how full the queue between sockets and counting is",
    "-12              behind a bar: the count is at most 12 too large",
    "latency          from a query to its response",
    "",
    "Memory stays the same however long this runs.",
];
/// Columns of a row that are no label and no bar: count, share and the blanks between.
const NUMBERS: u16 = 20;
/// Columns from which lists stand side by side.
const WIDE: u16 = 72;
/// Rows beside which streams are shown.
const NAMES: u16 = 4;
/// Rows of a list that are worth its heading and a blank line.
const LEAST: u16 = 3;

/// What the screen shows beside the figures.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    figures: Option<Figures>,
    is_by_name: bool,
    is_frozen: bool,
    is_help: bool,
    remark: Option<String>,
}

impl View {
    /// Takes newer figures; on a picture that is held, what was lost is new all the same.
    pub(super) fn take(&mut self, figures: Figures) {
        match &mut self.figures {
            Some(held) if self.is_frozen => held.dropped = figures.dropped,
            held => *held = Some(figures),
        }
    }

    pub(super) fn remark(&mut self, text: String) {
        self.remark = Some(text);
    }

    pub(super) const fn press(&mut self, key: Key) {
        match key {
            Key::Freeze => self.is_frozen = !self.is_frozen,
            Key::Sort => self.is_by_name = !self.is_by_name,
            Key::Help => self.is_help = !self.is_help,
            Key::Quit | Key::Redraw => {}
        }
    }

    /// Draws everything.
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        // Where there is no room for all, what was lost comes first.
        let foot = u16::from(frame.area().height > 3);
        let heights = [
            Constraint::Length(3),
            Constraint::Fill(1),
            Constraint::Length(foot),
        ];
        let [head, body, foot] = Layout::vertical(heights).areas(frame.area());
        if let Some(figures) = &self.figures {
            let alarm = if figures.is_lossy() {
                Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
            } else {
                Style::new()
            };
            let lines = vec![
                Line::styled(figures.headline(), bold()),
                Line::styled(figures.losses(), alarm),
            ];
            frame.render_widget(Paragraph::new(lines), head);
            if !self.is_help {
                self.body(frame, body, figures);
            }
        }
        if self.is_help {
            let lines: Vec<_> = HELP.into_iter().map(Line::raw).collect();
            frame.render_widget(Paragraph::new(lines), body);
        }
        frame.render_widget(Paragraph::new(self.foot()).style(dim()), foot);
    }

    fn foot(&self) -> String {
        let order = if self.is_by_name { "name" } else { "count" };
        let state = if self.is_frozen { "  FROZEN" } else { "" };
        let remark = self.remark.as_deref().map(|remark| format!("  {remark}"));
        format!("{KEYS}  (by {order}){state}{}", remark.unwrap_or_default())
    }

    fn body(&self, frame: &mut Frame<'_>, area: Rect, figures: &Figures) {
        let Lists { codes, times, names } = figures.lists();
        let names = if self.is_by_name {
            names.map(List::by_name)
        } else {
            names
        };
        let is_wide = area.width >= WIDE;
        let streams = match figures.streams.len() {
            0 => 0,
            streams => rows_of(streams).min(6) + 1,
        };
        let wanted = [want(&codes, 8, is_wide), want(&times, 12, is_wide), streams];
        let heights = share(area.height, wanted, if is_wide { LEAST } else { 2 * LEAST });
        let [codes_area, times_area, names_area, streams_area] =
            Layout::vertical(heights.map(Constraint::Length)).areas(area);
        pair(frame, codes_area, &codes, is_wide);
        pair(frame, times_area, &times, is_wide);
        pair(frame, names_area, &names, is_wide);
        if streams_area.height > 0 {
            frame.render_widget(Paragraph::new(stream_lines(figures)), streams_area);
        }
    }
}

/// Rows that two lists would take, with their headings and a blank line.
fn want(lists: &[List; 2], most: u16, is_wide: bool) -> u16 {
    let [one, other] = [&lists[0], &lists[1]].map(|list| match list.rows.len() {
        0 => 0,
        rows => rows_of(rows).min(most) + 2,
    });
    if is_wide { one.max(other) } else { one + other }
}

fn rows_of(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX / 4)
}

/// Heights of codes, times, names and streams: a third for each of the first two, or nothing where that is
/// less than `least`; names get what is left.
fn share(height: u16, [codes, times, streams]: [u16; 3], least: u16) -> [u16; 4] {
    let streams = if height > NAMES + 2 {
        streams.min(height / 3)
    } else {
        0
    };
    let third = (height - streams) / 3;
    let take = |want: u16| if third < least { 0 } else { want.min(third) };
    let (codes, times) = (take(codes), take(times));
    [codes, times, height - codes - streams - times, streams]
}

/// Two lists side by side, or one above the other.
fn pair(frame: &mut Frame<'_>, area: Rect, lists: &[List; 2], is_wide: bool) {
    let [first, second] = lists;
    let halves = [Constraint::Fill(1), Constraint::Fill(1)];
    if !is_wide && area.height < 2 * LEAST {
        return rows(frame, area, first);
    }
    let [one, other]: [Rect; 2] = if is_wide {
        Layout::horizontal(halves).spacing(2).areas(area)
    } else {
        Layout::vertical(halves).areas(area)
    };
    rows(frame, one, first);
    rows(frame, other, second);
}

/// A heading and as many rows as there is room for.
fn rows(frame: &mut Frame<'_>, area: Rect, list: &List) {
    if list.rows.is_empty() {
        return;
    }
    let room = usize::from(area.width.saturating_sub(NUMBERS));
    let longest = list.rows.iter().map(|row| row.what.chars().count()).max();
    let label = longest.unwrap_or(0).min(room * 2 / 3);
    let lines = list.rows.iter().map(|row| {
        let what: String = row.what.chars().take(label).collect();
        let error = match row.error {
            0 => String::new(),
            error => format!(" -{error}"),
        };
        let width = room.saturating_sub(label + error.len());
        Line::from(vec![
            Span::raw(format!("{what:<label$}")),
            Span::raw(format!(" {:>9} {:>6}  ", row.count, percent(row.count, list.all))),
            Span::styled(bar(row.count, list.most(), width), Style::new().fg(Color::Cyan)),
            Span::styled(error, dim()),
        ])
    });
    let lines: Vec<_> = core::iter::once(Line::styled(list.heading.clone(), bold()))
        .chain(lines)
        // The last row of an area is the blank line below.
        .take(usize::from(area.height.saturating_sub(1)))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn stream_lines(figures: &Figures) -> Vec<Line<'static>> {
    // Those that are open come first, the newest of them on top.
    let (open, ended): (Vec<_>, Vec<_>) = figures.streams.iter().rev().partition(|stream| stream.is_open);
    let lines = open.into_iter().chain(ended).map(|stream| {
        let style = if stream.is_open { Style::new() } else { dim() };
        Line::styled(stream.line(), style)
    });
    core::iter::once(Line::styled(STREAMS, bold()))
        .chain(lines)
        .collect()
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}
