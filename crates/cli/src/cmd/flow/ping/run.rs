//! The asking side of a ping.

use core::time::Duration;
use std::collections::VecDeque;
use std::time::SystemTime;

use flow_core::error::ReadError;
use flow_core::{FlowReader, FlowWriter};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::message::{answered, request};
use super::tally::{Counts, scale};
use crate::args::flow::ping::Ping;
use crate::cmd::Session;
use crate::cmd::flow::reach::{Reach, broken, fits};
use crate::cmd::rtt::micros;
use crate::failure::{Code, Failure, Result};
use crate::output::{Progress, timestamp};
use crate::stop;
use crate::units;

/// How many packets go out where nothing says.
const USUAL: u32 = 4;
/// Requests that are remembered: a reply to an older one is no longer told from a wrong packet.
const REMEMBERED: usize = 4_096;
/// How many of those that nobody waits for any more.
const KEPT: usize = 256;

/// One line per packet.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line {
    Reply {
        ts: String,
        name: String,
        seq: u32,
        size: usize,
        rtt_us: u64,
        #[serde(skip_serializing_if = "core::ops::Not::not")]
        out_of_order: bool,
        /// It was told to be lost.
        #[serde(skip_serializing_if = "core::ops::Not::not")]
        late: bool,
    },
    Duplicate {
        ts: String,
        name: String,
        seq: u32,
    },
    Lost {
        ts: String,
        name: String,
        seq: u32,
    },
}

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    seq: u32,
    at: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waited,
    Given,
    Answered,
}

struct Run<'a> {
    name: &'a str,
    args: &'a Ping,
    size: usize,
    counts: Counts,
    /// The last requests, in their order.
    sent: VecDeque<Sent>,
    /// Numbers below have been answered, or later ones have.
    expected: u32,
    next: u32,
    count: Option<u32>,
    start: Instant,
    /// When no more packets go out.
    until: Option<Instant>,
    is_flood: bool,
    bar: Option<Progress>,
}

pub(super) async fn run(session: &mut Session, args: &Ping, name: &str) -> Result {
    let reach = Reach::to(session, &args.way, name).await?;
    let flow = reach.alloc(session, args.quality.qos).await?;
    let size = fits(args.size, &flow)?;
    let count = match (args.count, args.duration) {
        (Some(0), _) | (None, Some(_)) => None,
        (Some(count), _) => Some(count),
        (None, None) => Some(USUAL),
    };
    let is_flood = args.flood || args.flood_busy || args.interval.is_zero();
    if !session.output.is_json() && !args.quality.quiet {
        let packets = count.map_or_else(String::new, |count| format!(" ({count} packets)"));
        session.output.text(format_args!(
            "Pinging {name} with {size} bytes of data{packets}:\n"
        ))?;
        session.output.flush()?;
    }
    let start = Instant::now();
    let progress = |count: u32| session.output.progress(count.into());
    let mut run = Run {
        name,
        args,
        size,
        counts: Counts::default(),
        sent: VecDeque::new(),
        expected: 0,
        next: 0,
        count,
        start,
        until: args.duration.and_then(|duration| start.checked_add(duration)),
        is_flood,
        bar: count
            .filter(|_| args.quality.quiet || session.output.is_quiet())
            .map(progress),
    };
    let (mut reader, mut writer) = flow.split();
    let ended = run.exchange(session, &mut reader, &mut writer).await;
    drop(run.bar.take());
    let stats = reader.stats();
    let mut summary = run
        .counts
        .summary(name, start.elapsed(), reach.is_simulated(), args.histogram);
    summary.dropped = stats.dropped + stats.discarded;
    summary.lost = stats.lost;
    session.output.either(&summary, ToString::to_string)?;
    if args.histogram && !session.output.is_json() {
        for bar in run.counts.pings.times().bars() {
            session.output.text(bar)?;
        }
    }
    session.output.flush()?;
    ended?;
    if run.counts.pings.received() == 0 && run.counts.pings.sent > 0 {
        let failure = Failure::new(Code::NoReply, format!("no reply from {name}"));
        return Err(if name.starts_with("csp:") {
            failure.hint("nodes may answer only what has a CRC32: -q raw-no-errors")
        } else {
            failure
        });
    }
    Ok(())
}

impl Run<'_> {
    /// Whether another packet is to go out.
    fn goes_on(&self) -> bool {
        self.count.is_none_or(|count| self.next < count)
            && self.until.is_none_or(|until| Instant::now() < until)
    }

    async fn exchange(
        &mut self,
        session: &mut Session,
        reader: &mut FlowReader,
        writer: &mut FlowWriter,
    ) -> Result {
        let mut due = self.start;
        loop {
            let waits = self.sent.iter().find(|sent| sent.state == State::Waited);
            let given_up = waits.map(|sent| sent.at + self.args.timeout);
            let goes_on = self.goes_on();
            if !goes_on && waits.is_none() {
                return Ok(());
            }
            // one after the other, or in time whatever comes back
            let sends = goes_on && (!self.is_flood || waits.is_none());
            if sends && self.is_flood {
                due = Instant::now();
            }
            let stop = session.stop.clone();
            tokio::select! {
                biased;
                _ = stop.wait() => return Ok(()),
                packet = read(reader, self.args.flood_busy) => {
                    let now = Instant::now();
                    match packet {
                        Ok(packet) => self.receive(session, now, &packet)?,
                        Err(error) => return Err(broken(error, self.name)),
                    }
                }
                () = stop::at(given_up) => self.give_up(session)?,
                () = sleep_until(due), if sends => {
                    self.send(writer).await?;
                    due = (due + self.args.interval).max(Instant::now());
                }
            }
        }
    }

    async fn send(&mut self, writer: &mut FlowWriter) -> Result {
        let seq = self.next;
        let at = Instant::now();
        let packet = request(seq, at.duration_since(self.start), self.size);
        self.next += 1;
        self.counts.pings.sent += 1;
        if self.sent.len() >= REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent {
            seq,
            at,
            state: State::Waited,
        });
        match writer.write_timeout(packet, self.args.timeout).await {
            // without room it is lost, and told to be in time
            Ok(()) | Err(flow_core::WriteError::TimedOut) => Ok(()),
            Err(error) => Err(broken(error, self.name)),
        }
    }

    fn receive(&mut self, session: &mut Session, now: Instant, packet: &[u8]) -> Result {
        let name = self.name.to_owned();
        let ts = timestamp(SystemTime::now());
        let known = answered(packet).and_then(|seq| self.sent.iter_mut().find(|sent| sent.seq == seq));
        let Some(sent) = known else {
            self.counts.invalid += 1;
            return Ok(());
        };
        let seq = sent.seq;
        if sent.state == State::Answered {
            self.counts.duplicates += 1;
            let text = format!("{} bytes from {name}: seq={seq} [duplicate]", packet.len());
            return self.show(session, &Line::Duplicate { ts, name, seq }, text);
        }
        let rtt = now.duration_since(sent.at);
        let late = sent.state == State::Given;
        sent.state = State::Answered;
        let out_of_order = seq < self.expected;
        self.counts.out_of_order += u64::from(out_of_order);
        self.expected = self.expected.max(seq + 1);
        self.counts.receive(rtt);
        while self.sent.front().is_some_and(|sent| sent.state != State::Waited) && self.sent.len() > KEPT {
            self.sent.pop_front();
        }
        let ms = rtt.as_secs_f64() * 1e3;
        let (factor, unit) = scale(ms);
        let text = format!(
            "{} bytes from {name}: seq={seq} time={:.3} {unit}{}{}",
            packet.len(),
            ms * factor,
            if out_of_order { " [out-of-order]" } else { "" },
            if late { " [late]" } else { "" }
        );
        let line = Line::Reply {
            ts,
            name,
            seq,
            size: packet.len(),
            rtt_us: micros(rtt),
            out_of_order,
            late,
        };
        self.show(session, &line, text)
    }

    /// The oldest that waits has waited for long enough.
    fn give_up(&mut self, session: &mut Session) -> Result {
        let waits = self.sent.iter_mut().find(|sent| sent.state == State::Waited);
        let Some(sent) = waits else {
            return Ok(());
        };
        sent.state = State::Given;
        let (seq, name) = (sent.seq, self.name.to_owned());
        let timeout = units::shown(self.args.timeout);
        let text = format!("from {name}: seq={seq} no reply within {timeout}");
        let ts = timestamp(SystemTime::now());
        self.show(session, &Line::Lost { ts, name, seq }, text)
    }

    fn show(&mut self, session: &mut Session, line: &Line, text: String) -> Result {
        if let Some(bar) = &mut self.bar {
            let lost = self.counts.pings.sent - self.counts.pings.received();
            bar.show(self.next.into(), &format!("{lost} unanswered"));
        }
        if self.args.quality.quiet {
            return Ok(());
        }
        let stamp = self.args.timeofday.then(time_of_day).unwrap_or_default();
        session.output.either(line, |_| format!("{stamp}{text}"))?;
        session.output.flush()
    }
}

/// The next packet; a busy one looks for it again and again.
async fn read(reader: &mut FlowReader, is_busy: bool) -> core::result::Result<bytes::Bytes, ReadError> {
    if !is_busy {
        return reader.read_packet().await;
    }
    loop {
        match reader.try_read_packet() {
            Err(ReadError::WouldBlock) => tokio::task::yield_now().await,
            read => return read,
        }
    }
}

/// Seconds of the epoch in brackets, as oping.
fn time_of_day() -> String {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    format!("[{}.{:06}] ", since.as_secs(), since.subsec_micros())
}
