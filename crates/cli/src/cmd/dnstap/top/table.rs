//! The figures as text, for a terminal that scrolls and for pipes.

use core::fmt::Write as _;

use super::figures::{Figures, List, STREAMS, bar, percent};

/// Letters of the longest bar.
const BAR: usize = 24;
/// Letters of what a row is about; longer ones are told whole.
const LABEL: usize = 32;

/// The whole table; its last line has no line feed.
pub(super) fn text(figures: &Figures) -> String {
    let mut text = figures.headline();
    text.push('\n');
    text.push_str(&figures.losses());
    let lists = figures.lists();
    for list in lists.codes.iter().chain(&lists.times).chain(&lists.names) {
        push(&mut text, list);
    }
    if !figures.streams.is_empty() {
        text.push_str("\n\n");
        text.push_str(STREAMS);
        for stream in &figures.streams {
            text.push('\n');
            text.push_str(&stream.line());
        }
    }
    text
}

fn push(text: &mut String, list: &List) {
    if list.rows.is_empty() {
        return;
    }
    text.push_str("\n\n");
    text.push_str(&list.heading);
    for row in &list.rows {
        let error = match row.error {
            0 => String::new(),
            error => format!(" -{error}"),
        };
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            "\n  {:<LABEL$} {:>10} {:>7} {}{error}",
            row.what,
            row.count,
            percent(row.count, list.all),
            bar(row.count, list.most(), BAR)
        );
    }
}
