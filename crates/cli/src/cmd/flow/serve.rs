//! Accepting flows until interrupted: what every listening verb has in common.

use core::fmt;
use core::ops::ControlFlow;
use std::time::SystemTime;

use bytes::Bytes;
use flow_core::error::{AcceptError, ReadError};
use flow_core::flow::ReadStats;
use flow_core::{Flow, FlowError, FlowId, FlowReader, FlowWriter, WriteError};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::reach::Reach;
use crate::cmd::Session;
use crate::failure::Result;
use crate::output::timestamp;
use crate::units;

/// What flows have told and nobody has shown yet.
const UNTOLD: usize = 1_024;

/// How many flows are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serves {
    /// All that come, until interrupted.
    All,
    /// The first, to its end.
    First,
}

/// A flow that is served, and where what it tells goes.
#[derive(Debug)]
pub(super) struct Guest<T> {
    reader: FlowReader,
    writer: FlowWriter,
    teller: mpsc::Sender<T>,
    closing: watch::Receiver<bool>,
}

/// Why a flow was served no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It ended.
    Flow(FlowError),
    /// This command ends, or has seen enough of it.
    Left,
}

impl From<ReadError> for Why {
    fn from(error: ReadError) -> Self {
        Self::Flow(error.into())
    }
}

impl From<WriteError> for Why {
    fn from(error: WriteError) -> Self {
        Self::Flow(error.into())
    }
}

impl Why {
    /// One word for it; programs match on it.
    const fn word(self) -> &'static str {
        match self {
            Self::Flow(error) => reason(error),
            Self::Left => "left",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow(error) => error.fmt(f),
            Self::Left => f.write_str("let go of here"),
        }
    }
}

impl<T> Guest<T> {
    /// The number of the flow, as lines show it.
    pub(super) fn number(&self) -> u64 {
        self.reader.id().to_bits()
    }

    /// The next packet. Dropping the future loses nothing.
    pub(super) async fn read(&mut self) -> core::result::Result<Bytes, Why> {
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|closing| *closing) => Err(Why::Left),
            packet = self.reader.read_packet() => Ok(packet?),
        }
    }

    pub(super) async fn write(&mut self, packet: Bytes) -> core::result::Result<(), Why> {
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|closing| *closing) => Err(Why::Left),
            written = self.writer.write(packet) => Ok(written?),
        }
    }

    /// Has something shown. At the end nobody may listen any more.
    pub(super) async fn tell(&self, told: T) {
        let _nobody_listens = self.teller.send(told).await;
    }

    pub(super) fn ended(self, why: Why) -> Ended {
        Ended {
            flow: self.reader.id(),
            why,
            read: self.reader.stats(),
        }
    }
}

/// How a flow that was served has ended.
#[derive(Debug)]
pub(super) struct Ended {
    flow: FlowId,
    why: Why,
    read: ReadStats,
}

/// Counts of all flows of a run.
#[derive(Debug, Serialize)]
pub(super) struct Totals {
    r#type: &'static str,
    flows: u64,
    packets: u64,
    bytes: u64,
    /// Packets that the queues of this side had no room for.
    pub(super) dropped: u64,
    /// Packets that got lost on the way, as far as the transport can tell.
    lost: u64,
}

impl Totals {
    const fn new() -> Self {
        Self {
            r#type: "summary",
            flows: 0,
            packets: 0,
            bytes: 0,
            dropped: 0,
            lost: 0,
        }
    }

    const fn add(&mut self, read: ReadStats) {
        self.packets += read.packets;
        self.bytes += read.bytes;
        self.dropped += read.dropped + read.discarded;
        self.lost += read.lost;
    }

    fn text(&self) -> String {
        let Self {
            flows,
            packets,
            bytes,
            dropped,
            lost,
            ..
        } = self;
        format!("--- {flows} flows, {packets} packets, {bytes} bytes, {dropped} dropped, {lost} lost")
    }
}

/// A line for each flow.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Listening {
        ts: String,
        name: &'a str,
        pid: u32,
    },
    Flow {
        ts: String,
        flow: u64,
        name: &'a str,
        peer: String,
    },
    End {
        ts: String,
        flow: u64,
        reason: &'static str,
        packets: u64,
        bytes: u64,
        dropped: u64,
        lost: u64,
    },
}

/// One word for how a flow ended; programs match on it.
pub(super) const fn reason(error: FlowError) -> &'static str {
    match error {
        FlowError::Read(ReadError::Deallocated) | FlowError::Write(WriteError::Deallocated) => "deallocated",
        FlowError::Read(ReadError::PeerGone) | FlowError::Write(WriteError::PeerGone) => "peer-gone",
        FlowError::Read(ReadError::Reset) | FlowError::Write(WriteError::Reset) => "reset",
        FlowError::Read(ReadError::Down) | FlowError::Write(WriteError::Down) => "down",
        FlowError::Read(ReadError::TimedOut) | FlowError::Write(WriteError::TimedOut) => "timed-out",
        FlowError::Read(ReadError::WriteOnly) => "write-only",
        FlowError::Write(WriteError::ReadOnly) => "read-only",
        FlowError::Write(WriteError::PeerNotReading) => "peer-not-reading",
        _ => "failed",
    }
}

/// Where the lines about flows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// They are what the command is for.
    Result,
    /// In text they are remarks: standard output is the packets'.
    Remark,
}

/// Serves flows until interrupted: each in a task of its own that tells what is to be shown.
pub(super) async fn serve<T, F>(
    session: &mut Session,
    reach: &Reach,
    (serves, lines): (Serves, Lines),
    handle: impl Fn(Guest<T>) -> F,
    mut show: impl FnMut(&mut Session, T) -> Result<ControlFlow<()>>,
) -> Result<Totals>
where
    T: Send + 'static,
    F: Future<Output = Ended> + Send + 'static,
{
    let name = reach.name.clone();
    let listening = Line::Listening {
        ts: timestamp(SystemTime::now()),
        name: &name,
        pid: std::process::id(),
    };
    let _goes_on = tell(session, lines, &listening, format_args!("Listening at {name}."))?;
    let (teller, mut told) = mpsc::channel(UNTOLD);
    let (close, closing) = watch::channel(false);
    let mut flows = JoinSet::new();
    let mut totals = Totals::new();
    let mut is_full = false;
    let mut ended = loop {
        let accepts = !is_full && (serves == Serves::All || totals.flows == 0);
        if !accepts && flows.is_empty() {
            break Ok(());
        }
        let stop = session.stop.clone();
        let done = tokio::select! {
            accepted = reach.accept(), if accepts => match accepted {
                Ok(flow) => {
                    totals.flows += 1;
                    let welcomed = welcome(session, lines, &flow);
                    let (reader, writer) = flow.split();
                    let (teller, closing) = (teller.clone(), closing.clone());
                    flows.spawn(handle(Guest { reader, writer, teller, closing }));
                    welcomed
                }
                Err(AcceptError::Full { .. }) => {
                    is_full = true; // until one of them ends
                    Ok(ControlFlow::Continue(()))
                }
                Err(error) => break Err(reach.not_accepted(error)),
            },
            Some(first) = told.recv() => show_all(session, Some(first), &mut told, &mut show),
            Some(done) = flows.join_next() => {
                is_full = false;
                let shown = show_all(session, None, &mut told, &mut show);
                match (shown, done) {
                    (Ok(ControlFlow::Continue(())), Ok(done)) => end(session, lines, &mut totals, done),
                    (shown, _) => shown,
                }
            }
            _ = stop.wait() => break Ok(()),
        };
        match done {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break Ok(()),
            Err(failure) => break Err(failure),
        }
    };
    close.send_replace(true);
    let mut shows = ended.is_ok();
    while !flows.is_empty() {
        tokio::select! {
            Some(first) = told.recv() => if shows {
                match show_all(session, Some(first), &mut told, &mut show) {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(())) => shows = false,
                    Err(failure) => {
                        shows = false;
                        ended = Err(failure);
                    }
                }
            },
            Some(Ok(done)) = flows.join_next() => totals.add(done.read),
        }
    }
    session.output.flush()?;
    session.output.summary(&totals, Totals::text);
    ended.map(|()| totals)
}

fn welcome(session: &mut Session, lines: Lines, flow: &Flow) -> Result<ControlFlow<()>> {
    let line = Line::Flow {
        ts: timestamp(SystemTime::now()),
        flow: flow.id().to_bits(),
        name: flow.name().as_str(),
        peer: flow.peer().to_string(),
    };
    let text = format_args!("New flow {} from {}.", flow.id().to_bits(), flow.peer());
    tell(session, lines, &line, text)
}

fn tell(
    session: &mut Session,
    lines: Lines,
    line: &Line<'_>,
    text: fmt::Arguments<'_>,
) -> Result<ControlFlow<()>> {
    if lines == Lines::Remark && !session.output.is_json() {
        session.output.notice(text);
    } else {
        session.output.either(line, |_| text.to_string())?;
        session.output.flush()?;
    }
    Ok(ControlFlow::Continue(()))
}

fn end(session: &mut Session, lines: Lines, totals: &mut Totals, ended: Ended) -> Result<ControlFlow<()>> {
    let Ended { flow, why, read } = ended;
    totals.add(read);
    let line = Line::End {
        ts: timestamp(SystemTime::now()),
        flow: flow.to_bits(),
        reason: why.word(),
        packets: read.packets,
        bytes: read.bytes,
        dropped: read.dropped + read.discarded,
        lost: read.lost,
    };
    let text = format_args!(
        "Flow {} ended: {why}; {} packets, {} bytes, {} dropped.",
        flow.to_bits(),
        read.packets,
        read.bytes,
        read.dropped + read.discarded
    );
    tell(session, lines, &line, text)
}

/// Shows what was told, and all that was told meanwhile, with one write.
fn show_all<T>(
    session: &mut Session,
    first: Option<T>,
    told: &mut mpsc::Receiver<T>,
    show: &mut impl FnMut(&mut Session, T) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let mut next = first.or_else(|| told.try_recv().ok());
    let mut flow = ControlFlow::Continue(());
    for _ in 0..UNTOLD {
        let Some(told_now) = next else {
            break;
        };
        flow = show(session, told_now)?;
        if flow.is_break() {
            break;
        }
        next = told.try_recv().ok();
    }
    session.output.flush()?;
    Ok(flow)
}

/// A packet for people, on one line that does nothing to a terminal. The peer's tools end texts with a zero.
pub(super) fn said(packet: &[u8]) -> String {
    let text = packet.strip_suffix(b"\0").unwrap_or(packet);
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut shown = String::with_capacity(text.len());
    for letter in String::from_utf8_lossy(text).chars() {
        if letter.is_control() && letter != '\t' {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// A packet for people: text as text, and anything else in hex.
pub(super) fn shown(packet: &[u8]) -> String {
    let text = packet.strip_suffix(b"\0").unwrap_or(packet);
    let is_text = core::str::from_utf8(text).is_ok_and(|text| {
        !text
            .chars()
            .any(|letter| letter.is_control() && !matches!(letter, '\t' | '\n'))
    });
    if is_text {
        said(packet)
    } else {
        units::spaced_hex(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_one_harmless_line() {
        assert_eq!(said(b"Client says hi!\0"), "Client says hi!");
        assert_eq!(said("gr\u{fc}n\n".as_bytes()), "gr\u{fc}n");
        assert_eq!(
            (shown(b"hi\n").as_str(), shown(b"\x01\xff").as_str()),
            ("hi", "01 FF")
        );
        assert_eq!(said(b"a\x1b[2Jb\nc\xff"), "a\\u{1b}[2Jb\\nc\u{fffd}");
    }
}
