//! A log as a receive-only link.
//!
//! Frames come with the log's time stamps and, by default, at the pace they were recorded at: whoever polls
//! waits on tokio's clock. Error reports become bus errors with the states they imply, `DROPCOUNT` lines
//! become drops, and lines that are no frames become bad input with their number. The end of the log is the
//! end of the link.
//!
//! The log is read by a thread of its own, so that a pipe that delivers nothing holds up nobody; it reads at
//! most [`AHEAD`] lines ahead and ends with the link (standard input: with the process).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::thread;

use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::address::{LogAddress, ReplaySpeed};
use crate::candump::{BadLine, Direction, LineError, LogItem, LogLine, LogReader, LogTime, Message, Reading};
use crate::error_frame::BusState;
use crate::filter::FilterSet;
use crate::frame::{CanFrame, MAX_XL_LEN};
use crate::link::{
    BadInput, BusError, CanRx, CanTx, Capabilities, ChannelId, DropReason, Event, EventBuf, FilterPlace,
    Link, LinkError, Origin, Received, SendError, Timestamp,
};

/// Lines that are read before they are due.
pub const AHEAD: usize = 256;

/// One line of the log, without what borrows from it.
#[derive(Debug)]
enum Entry {
    Message {
        time: LogTime,
        channel: ChannelId,
        origin: Origin,
        message: Message,
    },
    Dropped(u64),
    Bad(BadLine),
}

/// The receiving half: the log.
#[derive(Debug)]
pub struct LogRx {
    entries: mpsc::Receiver<io::Result<Entry>>,
    /// The entry whose time has not come.
    next: Option<Entry>,
    /// Events that are due; an error report may be two.
    due: EventBuf,
    /// The input's error, when events were due before it.
    failed: Option<io::Error>,
    speed: ReplaySpeed,
    /// The log's first time stamp, and when it was handed out.
    start: Option<(LogTime, Instant)>,
    alarm: Pin<Box<Sleep>>,
    filters: FilterSet,
    state: BusState,
    file: String,
}

/// The sending half: refuses everything.
#[derive(Clone, Copy, Debug)]
pub struct LogTx;

/// Opens a log in candump's format.
///
/// # Errors
/// [`LinkError::Io`] when the file cannot be opened.
///
/// # Panics
/// Outside of a tokio runtime with time enabled.
pub fn open(address: &LogAddress) -> Result<Link, LinkError> {
    let context = || alloc::format!("opening the log {}", address.file);
    let input: Box<dyn BufRead + Send> = if address.file == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(&address.file).map_err(|error| LinkError::io(context(), error))?;
        Box::new(BufReader::new(file))
    };
    let rx = LogRx::new(input, address).map_err(|error| LinkError::io(context(), error))?;
    Ok(Link::new(rx, LogTx))
}

impl LogRx {
    /// A link that replays `input`; `address` names it in errors and tells the speed.
    ///
    /// # Errors
    /// When the system makes no thread.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time enabled.
    fn new(input: Box<dyn BufRead + Send>, address: &LogAddress) -> io::Result<Self> {
        let (sender, entries) = mpsc::channel(AHEAD);
        thread::Builder::new()
            .name("log replay".into())
            .spawn(move || read_all(input, &sender))?;
        Ok(Self {
            entries,
            next: None,
            due: EventBuf::new(),
            failed: None,
            speed: address.speed,
            start: None,
            alarm: Box::pin(sleep_until(Instant::now())),
            filters: FilterSet::default(),
            state: BusState::default(),
            file: address.file.clone(),
        })
    }

    /// The next entry that is due.
    fn poll_entry(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Entry>>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let entry = match self.next.take() {
            Some(entry) => entry,
            None => match ready!(self.entries.poll_recv(cx)) {
                Some(Ok(entry)) => entry,
                end => return Poll::Ready(end),
            },
        };
        if let Entry::Message { time, .. } = &entry {
            let now = Instant::now();
            let (first, start) = *self.start.get_or_insert((*time, now));
            // a moment too far ahead for the clock is one that never comes
            let due = start.checked_add(self.speed.due(time.since(first)));
            if due.is_none_or(|due| due > now) {
                if let Some(due) = due {
                    self.alarm.as_mut().reset(due);
                }
                if due.is_none() || self.alarm.as_mut().poll(cx).is_pending() {
                    self.next = Some(entry);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Some(Ok(entry)))
    }

    /// Makes what `entry` means due; nothing when a filter refuses it.
    fn push(&mut self, entry: Entry) {
        match entry {
            Entry::Dropped(count) => {
                let reason = DropReason::Upstream;
                self.due.push_back(Event::Dropped { count, reason });
            }
            Entry::Bad(line) => self.due.push_back(Event::BadInput(BadInput::LogLine(line))),
            Entry::Message {
                time,
                channel,
                origin,
                message,
            } => {
                let time = Timestamp {
                    host: time.into(),
                    hardware: None,
                    monotonic: Instant::now().into_std(),
                };
                match message {
                    Message::Frame(frame) if self.filters.accepts(&frame) => {
                        self.due.push_back(Event::Frame(Received {
                            frame,
                            time,
                            origin,
                            channel,
                        }));
                    }
                    Message::Error(report) if self.filters.errors().intersects(report.classes()) => {
                        self.due.push_back(Event::BusError(BusError {
                            report,
                            time,
                            channel,
                        }));
                        let state = self.state.after(&report);
                        if state != self.state {
                            self.state = state;
                            self.due.push_back(Event::State(state));
                        }
                    }
                    Message::Frame(_) | Message::Error(_) => {}
                }
            }
        }
    }
}

/// The thread: reads until the end, an error, or until nobody listens.
fn read_all(input: Box<dyn BufRead + Send>, sender: &mpsc::Sender<io::Result<Entry>>) {
    let mut reader = LogReader::new(input, Reading::Strict);
    let mut interfaces: Vec<String> = Vec::new();
    loop {
        let entry = match reader.read_item() {
            Ok(None) => return,
            Err(error) => Err(error),
            Ok(Some(LogItem::Line(line))) => Ok(message(line, &mut interfaces)),
            Ok(Some(LogItem::DropCount { dropped, .. })) => Ok(Entry::Dropped(dropped)),
            Ok(Some(LogItem::Comment(_))) => continue,
            Ok(Some(LogItem::Bad(line))) => Ok(Entry::Bad(line)),
            Ok(Some(LogItem::Skipped(_))) => Ok(Entry::Bad(BadLine {
                number: reader.line_number(),
                reason: LineError::Form,
            })),
        };
        let end = entry.is_err();
        if sender.blocking_send(entry).is_err() || end {
            return;
        }
    }
}

/// Channels count from 0 in the order in which the log's interfaces appear, at most 65536 of them.
fn message(line: LogLine<'_>, interfaces: &mut Vec<String>) -> Entry {
    const MAX_INTERFACES: usize = 1 << 16;
    let known = interfaces.iter().position(|name| name == line.interface);
    let index = known.unwrap_or_else(|| {
        if interfaces.len() < MAX_INTERFACES {
            interfaces.push(line.interface.into());
        }
        interfaces.len() - 1
    });
    Entry::Message {
        time: line.time,
        channel: ChannelId(u32::try_from(index).unwrap_or(u32::MAX)),
        origin: match line.direction {
            Some(Direction::Transmit) => Origin::LocalHost,
            Some(Direction::Receive) | None => Origin::Bus,
        },
        message: line.message,
    }
}

impl CanRx for LogRx {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        let mut moved = 0;
        while moved < max {
            if let Some(event) = self.due.pop_front() {
                out.push_back(event);
                moved += 1;
                continue;
            }
            match self.poll_entry(cx) {
                Poll::Ready(Some(Ok(entry))) => self.push(entry),
                // what is in `out` comes first; the error comes with the next call
                Poll::Ready(Some(Err(error))) if moved == 0 => {
                    let context = alloc::format!("reading the log {}", self.file);
                    return Poll::Ready(Err(LinkError::io(context, error)));
                }
                Poll::Ready(Some(Err(error))) => {
                    self.failed = Some(error);
                    break;
                }
                Poll::Ready(None) => break,
                Poll::Pending if moved == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(moved))
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.filters = filters.clone();
        Ok(FilterPlace::Software)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            max_data: MAX_XL_LEN,
            error_reports: true,
            ..Capabilities::default()
        }
    }
}

impl CanTx for LogTx {
    fn poll_send(&mut self, _: &mut Context<'_>, _: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        let what = "frames to send; a log is receive-only";
        Poll::Ready(Err(SendError::Unsupported { what }))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
