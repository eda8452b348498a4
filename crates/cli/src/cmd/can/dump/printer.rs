//! Events as lines on standard output: for people, as log lines, or as JSON.

use std::collections::BTreeMap;
use std::time::SystemTime;

use can_link::candump::{Direction, LogTime, Message, Precision, ScreenLine, ScreenText};
use can_link::link::{Event, Origin, Received, Timestamp};

use super::super::record::{self, Frame, Line};
use super::sources::Tagged;
use crate::args::can::{Dump, TimeStamps};
use crate::cmd::stamps::Stamps;
use crate::failure::Result;
use crate::output::{Output, timestamp};

/// What the lines look like.
#[derive(Debug)]
enum Form {
    Silent,
    Json,
    Screen(ScreenText),
    Log(LogLines),
}

#[derive(Debug)]
pub(super) struct Printer {
    form: Form,
    stamps: Stamps,
    direction: Shown,
    clock: Clock,
    drops: DropLines,
}

/// Whether the direction is shown (`-x`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    No,
    Yes,
}

/// Whose time is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    Host,
    Hardware,
}

impl Clock {
    pub(super) const fn of(args: &Dump) -> Self {
        if args.hardware_time {
            Self::Hardware
        } else {
            Self::Host
        }
    }

    /// The time of an event; of the host where the controller has none.
    pub(super) fn time(self, stamp: &Timestamp) -> SystemTime {
        match (self, stamp.hardware) {
            (Self::Hardware, Some(time)) => SystemTime::UNIX_EPOCH.checked_add(time).unwrap_or(stamp.host),
            _ => stamp.host,
        }
    }
}

impl Printer {
    pub(super) fn new(json: bool, args: &Dump) -> Self {
        let logs = args.log || args.file.as_ref().is_some_and(|file| file.as_os_str() != "-");
        let silent = args.silent.map_or(logs, |level| level > 0);
        let log_lines = args.log_lines || args.file.as_ref().is_some_and(|file| file.as_os_str() == "-");
        let form = if json {
            Form::Json
        } else if silent {
            Form::Silent
        } else if log_lines {
            Form::Log(LogLines::new(args))
        } else {
            Form::Screen(screen(args))
        };
        let precision = precision(args);
        Self {
            form,
            stamps: Stamps::new(args.time, precision),
            direction: if args.extra { Shown::Yes } else { Shown::No },
            clock: Clock::of(args),
            drops: DropLines::wanted(args),
        }
    }

    pub(super) fn print(&mut self, output: &mut Output, tagged: &Tagged) -> Result {
        match &mut self.form {
            Form::Silent => Ok(()),
            Form::Json => {
                if let Some(line) = json(tagged, self.clock) {
                    output.json(&line)?;
                }
                Ok(())
            }
            Form::Log(lines) => match lines.line(tagged) {
                Some(line) => output.text(line),
                None => Ok(()),
            },
            Form::Screen(text) => {
                if let Some(line) = self.drops.line(tagged) {
                    return output.text(line);
                }
                let Some((message, stamp, origin)) = message(&tagged.event) else {
                    return Ok(());
                };
                let time = self.stamps.text(LogTime::from(self.clock.time(stamp)));
                let line = ScreenLine {
                    time: &time,
                    interface: &tagged.link,
                    message: &message,
                    direction: (self.direction == Shown::Yes).then(|| direction(origin)),
                };
                output.text(text.line(line))
            }
        }
    }
}

fn screen(args: &Dump) -> ScreenText {
    let mut text = ScreenText::new();
    if args.ascii {
        text = text.ascii();
    }
    if args.raw_dlc {
        text = text.raw_dlc();
    }
    if args.error_details {
        text = text.error_details();
    }
    text
}

pub(super) const fn precision(args: &Dump) -> Precision {
    if args.nanos {
        Precision::Nano
    } else {
        Precision::Micro
    }
}

/// As candump: everything that was made on this host was transmitted.
pub(super) const fn direction(origin: Origin) -> Direction {
    match origin {
        Origin::Bus => Direction::Receive,
        Origin::LocalHost | Origin::Own => Direction::Transmit,
    }
}

/// What a text line shows of an event, if it is one that has a line.
pub(super) fn message(event: &Event) -> Option<(Message, &Timestamp, Origin)> {
    match event {
        Event::Frame(received) => Some((
            Message::Frame(received.frame.clone()),
            &received.time,
            received.origin,
        )),
        Event::BusError(error) => Some((Message::Error(error.report), &error.time, Origin::Bus)),
        _ => None,
    }
}

fn json(tagged: &Tagged, clock: Clock) -> Option<Line<'_>> {
    let link = tagged.link.as_str();
    Some(match &tagged.event {
        Event::Frame(Received {
            frame, time, origin, ..
        }) => Line::Frame {
            ts: timestamp(clock.time(time)),
            link,
            origin: record::origin(*origin),
            frame: Frame::of(frame),
        },
        Event::BusError(error) => Line::error(timestamp(clock.time(&error.time)), link, &error.report),
        Event::Dropped { count, reason } => Line::Dropped {
            link,
            count: *count,
            reason: reason.to_string(),
        },
        Event::State(state) => Line::State {
            link,
            state: state.to_string(),
        },
        Event::Link(change) => Line::Link {
            link,
            change: change.to_string(),
        },
        Event::BadInput(what) => Line::BadInput {
            link,
            what: what.to_string(),
        },
        _ => return None,
    })
}

/// Log lines, as canplayer reads them.
#[derive(Debug)]
pub(super) struct LogLines {
    stamps: Stamps,
    direction: Shown,
    clock: Clock,
    drops: DropLines,
    width: usize,
}

impl LogLines {
    /// As candump: of the forms of time a log has only absolute and from zero.
    pub(super) fn new(args: &Dump) -> Self {
        let form = match args.time {
            Some(TimeStamps::Zero) => TimeStamps::Zero,
            _ => TimeStamps::Absolute,
        };
        Self {
            stamps: Stamps::new(Some(form), precision(args)),
            direction: if args.extra { Shown::Yes } else { Shown::No },
            clock: Clock::of(args),
            drops: DropLines::wanted(args),
            width: 0,
        }
    }

    pub(super) fn line(&mut self, tagged: &Tagged) -> Option<String> {
        if let Some(line) = self.drops.line(tagged) {
            return Some(line);
        }
        let (message, stamp, origin) = message(&tagged.event)?;
        let time = self.stamps.text(LogTime::from(self.clock.time(stamp)));
        self.width = self.width.max(tagged.link.len());
        let way = match (self.direction, direction(origin)) {
            (Shown::No, _) => "",
            (Shown::Yes, Direction::Receive) => " R",
            (Shown::Yes, Direction::Transmit) => " T",
        };
        let width = self.width;
        Some(format!("({time}) {:>width$} {message}{way}", tagged.link))
    }
}

/// `-d`: candump's line where frames were lost, with the sum of each link.
#[derive(Debug, Default)]
struct DropLines {
    totals: Option<BTreeMap<String, u64>>,
}

impl DropLines {
    fn wanted(args: &Dump) -> Self {
        Self {
            totals: args.drops.then(BTreeMap::new),
        }
    }

    fn line(&mut self, tagged: &Tagged) -> Option<String> {
        let (totals, Event::Dropped { count, .. }) = (self.totals.as_mut()?, &tagged.event) else {
            return None;
        };
        let total = totals.entry(tagged.link.clone()).or_default();
        *total += count;
        let plural = if *count > 1 { "s" } else { "" };
        let link = &tagged.link;
        Some(format!(
            "DROPCOUNT: dropped {count} CAN frame{plural} on '{link}' socket (total drops {total})"
        ))
    }
}

#[cfg(test)]
mod tests;
