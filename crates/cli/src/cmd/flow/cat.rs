//! `flow cat`: standard input to a flow, a flow to standard output.

use core::pin::Pin;
use core::time::Duration;

use bytes::Bytes;
use flow_core::error::ReadError;
use flow_core::flow::{Access, ReadStats, WriteStats};
use flow_core::{Flow, FlowError, FlowWriter, WriteError};
use futures::{FutureExt as _, Sink as _};
use serde::Serialize;
use tokio::sync::mpsc;

use super::input::{Cut, packets};
use super::reach::{Reach, broken};
use crate::args::flow::talk::Cat;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::units;

/// How long what was written last may take to be read by the other side.
const LINGER: Duration = Duration::from_secs(5);
/// How often a side that has nothing to say looks whether the other is there.
const GLANCE: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    sent: u64,
    sent_bytes: u64,
    received: u64,
    received_bytes: u64,
    dropped: u64,
    lost: u64,
}

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    size: usize,
    data: String,
}

pub(super) async fn run(session: &mut Session, args: Cat) -> Result {
    let (reach, flow) = if args.listen {
        let reach = Reach::for_accepting(session, &args.way, args.whom.text()).await?;
        session
            .output
            .notice(format_args!("Listening at {}.", reach.name));
        let flow = first(session, &reach).await?;
        (reach, flow)
    } else {
        let Some(name) = args.whom.text() else {
            let failure = Failure::new(Code::Usage, "no name to speak to");
            return Err(failure.hint("tinwire flow cat NAME; -l NAME waits for one who asks"));
        };
        let reach = Reach::to(session, &args.way, name).await?;
        let flow = reach.alloc(session, args.quality.qos).await?;
        (reach, flow)
    };
    converse(session, &reach.name, flow, &args).await
}

/// The first flow that is asked for.
async fn first(session: &Session, reach: &Reach) -> Result<Flow> {
    let accepting = async { reach.accept().await.map_err(|error| reach.not_accepted(error)) };
    session.stop.cut(accepting).await
}

async fn converse(session: &mut Session, name: &str, flow: Flow, args: &Cat) -> Result {
    let (reads, writes) = match flow.access() {
        Access::ReadOnly => (true, false),
        Access::WriteOnly => (false, true),
        Access::ReadWrite => (true, true),
    };
    let cut = if args.lines { Cut::Lines } else { Cut::Pieces };
    let max = flow.max_packet();
    let (mut reader, writer) = flow.split();
    let (writer, held) = if writes {
        (Some(writer), None)
    } else {
        (None, Some(writer))
    };
    let mut task = writer.map(|writer| {
        let input = (!args.no_input).then(|| packets(cut, max));
        tokio::spawn(write(writer, input))
    });
    let mut written = WriteStats::default();
    let mut is_read = !reads;
    let stop = session.stop.clone();
    let ended = loop {
        if is_read && task.is_none() {
            break Ok(());
        }
        tokio::select! {
            packet = reader.read_packet(), if !is_read => match packet {
                Ok(packet) => {
                    let shown = show(session, &packet, args.lines);
                    // more may be there already: one write for all
                    let flushed = if reader.queue_len() == 0 { session.output.flush() } else { Ok(()) };
                    if let Err(failure) = shown.and(flushed) {
                        break Err(failure);
                    }
                }
                // it may still listen to what is said here
                Err(ReadError::Deallocated | ReadError::WriteOnly) => is_read = true,
                Err(error) => break Err(broken(error, name)),
            },
            done = async { task.as_mut()?.await.ok() }, if task.is_some() => {
                task = None;
                if let Some((stats, sent)) = done {
                    written = stats;
                    match sent {
                        // where there is more to read, that tells how the flow ended
                        Err(error) if is_read && error != WriteError::Deallocated => {
                            break Err(broken(error, name));
                        }
                        Ok(()) | Err(_) => {}
                    }
                }
            }
            _ = stop.wait() => break Ok(()),
        }
    };
    if let Some(task) = task {
        task.abort();
    }
    drop(held);
    let flushed = session.output.flush();
    summarize(session, reader.stats(), written);
    ended.and(flushed)
}

/// Writes until the input ends or the other side has left; without an input, holds this side open until then.
async fn write(
    mut writer: FlowWriter,
    mut input: Option<mpsc::Receiver<Bytes>>,
) -> (WriteStats, core::result::Result<(), WriteError>) {
    loop {
        let next = async {
            match &mut input {
                Some(input) => input.recv().await,
                None => core::future::pending().await,
            }
        };
        let written = tokio::select! {
            packet = next => match packet {
                Some(packet) => writer.write(packet).await,
                None => break,
            },
            () = tokio::time::sleep(GLANCE) => glance(&mut writer),
        };
        if let Err(error) = written {
            return (writer.stats(), Err(error));
        }
    }
    let stats = writer.stats();
    let _what_nobody_reads_is_told_by_the_reading_side = writer.dealloc_within(LINGER).await;
    (stats, Ok(()))
}

/// Whether a packet could be written, now or later.
fn glance(writer: &mut FlowWriter) -> core::result::Result<(), WriteError> {
    let ready = core::future::poll_fn(|cx| Pin::new(&mut *writer).poll_ready(cx));
    match ready.now_or_never() {
        Some(Err(FlowError::Write(error))) => Err(error),
        _ => Ok(()),
    }
}

fn show(session: &mut Session, packet: &[u8], lines: bool) -> Result {
    if session.output.is_json() {
        return session.output.json(&Line {
            r#type: "packet",
            size: packet.len(),
            data: units::hex(packet),
        });
    }
    session.output.raw(packet)?;
    if lines {
        session.output.raw(b"\n")?;
    }
    Ok(())
}

fn summarize(session: &Session, read: ReadStats, written: WriteStats) {
    let summary = Summary {
        r#type: "summary",
        sent: written.packets,
        sent_bytes: written.bytes,
        received: read.packets,
        received_bytes: read.bytes,
        dropped: read.dropped + read.discarded,
        lost: read.lost + written.lost,
    };
    let text = |summary: &Summary| {
        let Summary {
            sent,
            received,
            dropped,
            lost,
            ..
        } = summary;
        format!("--- {sent} packets sent, {received} received, {dropped} dropped, {lost} lost")
    };
    if session.output.is_json() || summary.dropped + summary.lost > 0 {
        session.output.summary(&summary, text);
    } else {
        session.output.remark(&summary, text);
    }
}
