//! `csp ping`: is a node alive, and how far away is it.

mod flight;
mod tally;

use core::time::Duration;
use std::time::SystemTime;

use csp_core::rt::{Connection, RecvError};
use csp_core::{Address, Message, Port, SendError};
use serde::Serialize;
use tokio::time::Instant;

use self::flight::{Audience, Flight, Reply};
use self::tally::Tally;
use super::diagnosis::{Lacking, Unanswered, investigate};
use super::drops::Told;
use super::station::{Berth, Station};
use super::{message, whom};
use crate::args::csp::message::Transport;
use crate::args::csp::ping::Ping;
use crate::cmd::Session;
use crate::cmd::rtt::micros;
use crate::failure::{Code, Failure, Result};
use crate::output::{Progress, timestamp};
use crate::units;

/// Requests without a reply at once, where there is time between them and where there is none.
const USUAL_IN_FLIGHT: u8 = 64;
const FLOOD_IN_FLIGHT: u8 = 16;

/// One line per request.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line {
    Reply {
        ts: String,
        node: u16,
        seq: u64,
        size: usize,
        rtt_us: u64,
    },
    Duplicate {
        ts: String,
        node: u16,
        seq: u64,
    },
    /// A reply to a request that was told to be lost.
    Late {
        ts: String,
        node: u16,
        seq: u64,
        rtt_us: u64,
    },
    Lost {
        ts: String,
        node: u16,
        seq: u64,
        reason: String,
    },
}

pub(super) async fn run(session: &mut Session, args: Ping) -> Result {
    let berth = Berth::of(session, &args.interface)?;
    let remote = whom::node(session, &args.node, &berth)?;
    let mut station = berth.occupy(session, args.protection.config()).await?;
    let transport = Transport {
        rdp: args.rdp,
        sfp: false,
    };
    let flags = message::with_transport(args.protection.flags(), transport);
    let to = (remote, Port::PING);
    let connection = message::connect(session, &mut station, to, flags, args.timeout).await?;
    if !session.output.is_json() {
        let Ping { node, size, .. } = &args;
        session.output.text(format_args!(
            "PING {node} ({remote}) on {}: {size} bytes",
            station.name
        ))?;
        session.output.flush()?;
    }
    let audience = if station.own.is_broadcast(remote) {
        Audience::All
    } else {
        Audience::One
    };
    let is_flood = args.flood || args.interval.is_zero();
    let usual = if is_flood {
        FLOOD_IN_FLIGHT
    } else {
        USUAL_IN_FLIGHT
    };
    let mut run = Run {
        remote,
        flight: Flight::new(args.size, args.timeout, args.in_flight.unwrap_or(usual), audience),
        tally: Tally::new(remote, berth.is_simulated()),
        interval: if args.flood { Duration::ZERO } else { args.interval },
        next: Instant::now(),
        bar: (args.flood && args.count > 0).then(|| session.output.progress(args.count)),
        args: &args,
    };
    let ended = run.exchange(session, &mut station, connection).await;
    let Run { mut tally, bar, .. } = run;
    drop(bar);
    tally.take_status(&station.node.status());
    station.drops.catch_up();
    if tally.pings.sent > 0 {
        let summary = tally.summary(args.histogram);
        session.output.either(&summary, tally::text)?;
        if args.histogram && !session.output.is_json() {
            for bar in tally.pings.times().bars() {
                session.output.text(bar)?;
            }
        }
        session.output.flush()?;
    }
    ended?;
    verdict(session, &mut station, &tally, &args).await
}

/// One run of the command.
struct Run<'a> {
    remote: Address,
    flight: Flight,
    tally: Tally,
    interval: Duration,
    /// When the next request is due.
    next: Instant,
    /// Where the replies have no lines.
    bar: Option<Progress>,
    args: &'a Ping,
}

impl Run<'_> {
    async fn exchange(
        &mut self,
        session: &mut Session,
        station: &mut Station,
        mut connection: Connection,
    ) -> Result {
        let stop = session.stop.clone();
        loop {
            let is_done = self.args.count != 0 && self.flight.sent() >= self.args.count;
            if is_done && self.flight.is_empty() {
                return Ok(());
            }
            let is_next = !is_done && self.flight.has_room();
            tokio::select! {
                biased;
                _ = stop.wait() => return Ok(()),
                message = connection.recv() => self.receive(session, station, message)?,
                told = station.drops.next() => match told {
                    Told::Ended(why) => {
                        return Err(Failure::new(Code::Lost, format!("{}: {why}", station.name)));
                    }
                    Told::Link(state) => {
                        session.output.notice(format_args!("{}: the link is {state}", station.name));
                    }
                    Told::Dropped(_) => {}
                },
                () = crate::stop::at(self.flight.deadline()) => self.expire(session)?,
                () = tokio::time::sleep_until(self.next), if is_next => {
                    self.send(station, &connection).await?;
                }
            }
            session.output.flush()?;
            if let Some(bar) = &mut self.bar {
                bar.show(self.flight.sent(), "sent");
            }
        }
    }

    async fn send(&mut self, station: &Station, connection: &Connection) -> Result {
        let now = Instant::now();
        match connection.send(self.flight.payload()).await {
            // While the link is down requests are lost, and the next ones may not be.
            Ok(()) | Err(SendError::LinkDown) => {}
            Err(error) => return Err(station.not_sent(error)),
        }
        self.flight.send(now);
        self.tally.pings.sent += 1;
        self.next = now + self.interval;
        Ok(())
    }

    fn receive(
        &mut self,
        session: &mut Session,
        station: &Station,
        message: core::result::Result<Message, RecvError>,
    ) -> Result {
        let message = message.map_err(|error| Failure::caused(Code::Lost, error))?;
        let from = message.header.source;
        let ts = timestamp(SystemTime::now());
        let node = from.to_bits();
        // When our node got it, which is before this task had its turn.
        let at = station.node.clock_at(message.received_at);
        let at = at.map_or_else(Instant::now, Instant::from_std);
        match self.flight.receive(at, from, &message.payload) {
            Reply::Answer { seq, rtt, first } => {
                self.tally.receive(rtt, first);
                let (seq, size) = (seq + 1, self.args.size);
                if self.args.flood && !session.output.is_json() {
                    return Ok(());
                }
                let line = Line::Reply {
                    ts,
                    node,
                    seq,
                    size,
                    rtt_us: micros(rtt),
                };
                session.output.either(&line, |_| {
                    format!("{size} bytes from {from}: seq={seq} time={}", units::shown(rtt))
                })
            }
            Reply::Duplicate { seq } => {
                self.tally.duplicates += 1;
                let seq = seq + 1;
                let line = Line::Duplicate { ts, node, seq };
                session
                    .output
                    .either(&line, |_| format!("from {from}: seq={seq} a second reply"))
            }
            Reply::Late { seq, rtt } => {
                self.tally.late += 1;
                let seq = seq + 1;
                let line = Line::Late {
                    ts,
                    node,
                    seq,
                    rtt_us: micros(rtt),
                };
                session.output.either(&line, |_| {
                    format!("from {from}: seq={seq} late, time={}", units::shown(rtt))
                })
            }
            Reply::Garbled => {
                self.tally.garbled += 1;
                session.output.notice(format_args!(
                    "from {from}: a reply with something else than was sent"
                ));
                Ok(())
            }
        }
    }

    fn expire(&mut self, session: &mut Session) -> Result {
        let now = Instant::now();
        while let Some((seq, is_lost)) = self.flight.expired(now) {
            if !is_lost {
                continue;
            }
            let (remote, seq) = (self.remote, seq + 1);
            let line = Line::Lost {
                ts: timestamp(SystemTime::now()),
                node: remote.to_bits(),
                seq,
                reason: format!("no reply within {}", units::shown(self.args.timeout)),
            };
            if let Some(bar) = &mut self.bar {
                bar.clear();
            }
            session.output.either(&line, |line| match line {
                Line::Lost { reason, .. } => format!("from {remote}: seq={seq} {reason}"),
                _ => String::new(),
            })?;
        }
        Ok(())
    }
}

/// At least one reply is a yes, unless too many are missing or the link is gone.
async fn verdict(session: &Session, station: &mut Station, tally: &Tally, args: &Ping) -> Result {
    if tally.pings.sent > 0
        && let Some(lost) = station.drops.lost(&station.name)
    {
        return Err(lost);
    }
    if tally.answered() == 0 && tally.garbled > 0 {
        return Err(Failure::new(
            Code::Protocol,
            "every reply carried something else than was sent",
        ));
    }
    if tally.answered() == 0 && tally.pings.sent > 0 {
        let about = Unanswered {
            remote: tally.node(),
            port: Port::PING,
            flags: args.protection.flags(),
            limit: args.timeout,
            lacking: Lacking::Nothing,
        };
        let message = format!("no reply from {} on {}", tally.node(), station.name);
        let finding = tokio::select! {
            finding = investigate(station, about) => finding.to_string(),
            _ = session.stop.wait() => String::new(),
        };
        let failure = Failure::new(Code::NoReply, message);
        return Err(if finding.is_empty() {
            failure
        } else {
            failure.hint(finding)
        });
    }
    if let Some(max) = args.max_loss
        && tally.loss() > max
    {
        let message = format!("{:.1}% of the replies are missing", tally.loss() * 100.0);
        return Err(Failure::new(Code::NoReply, message));
    }
    Ok(())
}
