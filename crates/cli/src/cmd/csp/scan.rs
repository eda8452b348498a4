//! `csp scan`: who is on this bus.

mod sweep;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::time::SystemTime;

use bytes::Bytes;
use csp_core::rt::{Answer, Call, ServiceError, Socket};
use csp_core::service::Identity;
use csp_core::{Address, ConnectConfig, Port, SocketConfig, Subnet};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use tokio::time::Instant;

use self::sweep::Sweep;
use super::drops::{self, Told};
use super::ident::Ident;
use super::station::{Berth, Station};
use super::whom;
use crate::args::csp::scan::{Range, Scan};
use crate::cmd::Session;
use crate::cmd::rtt::micros;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;
use crate::stop::Ended;
use crate::units;

/// Payload of a probe.
const PROBE: &[u8] = &[0];
/// The port that probes come from. One is enough for any number of them.
const PORT: u8 = 16;
/// Answers that wait to be looked at.
const RECEIVE_QUEUE: usize = 4096;
/// How long to wait for each, where there are few addresses and where there are many.
const PATIENT: Duration = Duration::from_millis(200);
const HASTY: Duration = Duration::from_millis(30);
const FEW: usize = 256;
/// How long those that answered may take to say who they are.
const IDENT: Duration = Duration::from_millis(500);
/// How many are asked that at once; each takes a port.
const IDENTS_IN_FLIGHT: usize = 16;

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    ts: String,
    node: u16,
    /// Its name here.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    rtt_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ident: Option<Ident>,
}

/// The closing line.
#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    asked: u64,
    found: u64,
    dropped: u64,
    dropped_by: BTreeMap<String, u64>,
    sim: bool,
}

type Identified = (
    Address,
    Duration,
    core::result::Result<Answer<Identity>, ServiceError>,
);

pub(super) async fn run(session: &mut Session, args: Scan) -> Result {
    let berth = Berth::of(session, &args.interface)?;
    let own = berth.own()?;
    let targets = match args.fast {
        true => vec![own.version().broadcast()],
        false => targets(args.range.as_ref(), own)?,
    };
    let usual = if targets.len() > FEW { HASTY } else { PATIENT };
    let timeout = args.timeout.unwrap_or(usual);
    let queue = usize::from(args.in_flight) * 2;
    let config = args.protection.config().transmit_queue(queue);
    let mut station = berth.occupy(session, config).await?;
    let socket = Port::new(PORT).map(|port| {
        let config = SocketConfig::default().receive_queue(RECEIVE_QUEUE);
        station.node.bind(port, config)
    });
    let socket = socket.ok_or_else(|| Failure::new(Code::CannotOpen, "no port to ask from"))?;
    let socket = socket.map_err(|error| Failure::caused(Code::CannotOpen, error))?;
    let asked = u64::try_from(targets.len()).unwrap_or(u64::MAX);
    let mut run = Run {
        args: &args,
        is_simulated: berth.is_simulated(),
        call: Call::default().timeout(IDENT).flags(args.protection.flags()),
        sweep: Sweep::new(targets, args.in_flight, timeout, args.retries),
        heard: BTreeMap::new(),
        unknown: VecDeque::new(),
        idents: FuturesUnordered::new(),
        found: 0,
        asked,
    };
    let ended = run.sweep(session, &mut station, socket).await;
    session.output.flush()?;
    station.drops.catch_up();
    let status = station.node.status();
    let summary = Summary {
        r#type: "summary",
        asked: run.sweep.done(),
        found: run.found,
        dropped: status.stats.dropped,
        dropped_by: drops::reasons(&status),
        sim: berth.is_simulated(),
    };
    session.output.summary(&summary, |summary| {
        format!(
            "{}, {} asked, {}",
            units::counted(summary.found, "node"),
            summary.asked,
            drops::text(summary.dropped, &summary.dropped_by)
        )
    });
    let ended = ended?;
    if let Some(lost) = station.drops.lost(&station.name) {
        return Err(lost);
    }
    match ended {
        _ if summary.found > 0 => Ok(()),
        Some(Ended::Signal(signal)) => Err(Failure::new(
            Code::Interrupted(signal),
            "interrupted before anybody was found",
        )),
        _ => Err(nobody(&station)),
    }
}

/// Nobody answered, and what was heard instead.
fn nobody(station: &Station) -> Failure {
    let failure = Failure::new(Code::NothingFound, format!("nobody answered on {}", station.name));
    match super::diagnosis::passed_by(station.own, &station.ear.heard()) {
        Some(finding) => failure.hint(finding.to_string()),
        None => failure,
    }
}

/// The addresses to ask: none of ours, and no broadcasts.
fn targets(range: Option<&Range>, own: Subnet) -> Result<Vec<Address>> {
    let max = own.version().broadcast();
    let is_somebody = |address: &Address| {
        *address != own.address() && *address != Address::LOOPBACK && !own.is_broadcast(*address)
    };
    let all = || (1..max.to_bits()).filter_map(Address::new).filter(is_somebody);
    let targets: Vec<_> = match range {
        None => all().filter(|&address| own.contains(address)).collect(),
        Some(Range::All) => all().collect(),
        Some(Range::Some(parts)) => {
            if let Some((_, last)) = parts.iter().find(|(_, last)| *last > max.to_bits()) {
                let message = format!("{last} is no address of this header version, {max} is the largest");
                return Err(Failure::new(Code::Usage, message));
            }
            let is_named = |address: &Address| {
                parts
                    .iter()
                    .any(|(from, to)| (*from..=*to).contains(&address.to_bits()))
            };
            all().filter(is_named).collect()
        }
    };
    if targets.is_empty() {
        let message = "there is nobody to ask: in this range is only our own address, or a broadcast";
        return Err(Failure::new(Code::Usage, message).hint("tinwire csp scan all asks every address"));
    }
    Ok(targets)
}

/// One run of the command.
struct Run<'a> {
    args: &'a Scan,
    is_simulated: bool,
    call: Call,
    sweep: Sweep,
    /// Who answered a broadcast.
    heard: BTreeMap<Address, Duration>,
    /// Who answered, and is still to be asked who it is.
    unknown: VecDeque<(Address, Duration)>,
    idents: FuturesUnordered<BoxFuture<'static, Identified>>,
    found: u64,
    asked: u64,
}

impl Run<'_> {
    async fn sweep(
        &mut self,
        session: &mut Session,
        station: &mut Station,
        mut socket: Socket,
    ) -> Result<Option<Ended>> {
        let start = Instant::now();
        let mut bar = session.output.progress(self.asked);
        loop {
            self.send(session, station, &socket).await?;
            self.identify(station);
            if self.sweep.is_over() && self.idents.is_empty() && self.unknown.is_empty() {
                return Ok(None);
            }
            let deadline = self.sweep.deadline();
            tokio::select! {
                biased;
                ended = session.stop.wait() => return Ok(Some(ended)),
                message = socket.recv_from() => {
                    let message = message.map_err(|error| Failure::caused(Code::Lost, error))?;
                    if message.payload == PROBE {
                        self.answered(start, message.header.source);
                    }
                }
                Some((from, rtt, identity)) = self.idents.next() => {
                    bar.clear();
                    self.show(session, from, rtt, identity.ok().map(|answer| answer.value))?;
                }
                told = station.drops.next() => if let Told::Ended(why) = told {
                    return Err(Failure::new(Code::Lost, format!("{}: {why}", station.name)));
                },
                () = crate::stop::at(deadline) => self.sweep.expire(Instant::now()),
            }
            while self.args.no_ident
                && let Some((from, rtt)) = self.unknown.pop_front()
            {
                bar.clear();
                self.show(session, from, rtt, None)?;
            }
            let done = self.sweep.done();
            bar.show(
                done,
                &format!("{done} of {} asked, {} found", self.asked, self.found),
            );
        }
    }

    async fn send(&mut self, session: &Session, station: &Station, socket: &Socket) -> Result {
        let config = ConnectConfig::default().flags(self.args.protection.flags());
        while let Some(address) = self.sweep.next() {
            let probe = Bytes::from_static(PROBE);
            let sent = socket.send_to(address, Port::PING, config.clone(), probe);
            // Where the link takes nothing this may wait for ever.
            let sent = session.stop.cut(async { Ok(sent.await) }).await?;
            sent.map_err(|error| station.not_sent(error))?;
            self.sweep.ask(Instant::now());
        }
        Ok(())
    }

    fn answered(&mut self, start: Instant, from: Address) {
        let now = Instant::now();
        let rtt = if self.args.fast {
            let rtt = now.saturating_duration_since(start);
            self.heard.insert(from, rtt).is_none().then_some(rtt)
        } else {
            self.sweep.answer(now, from)
        };
        if let Some(rtt) = rtt {
            self.found += 1;
            self.unknown.push_back((from, rtt));
        }
    }

    /// Asks who they are.
    fn identify(&mut self, station: &Station) {
        while !self.args.no_ident
            && self.idents.len() < IDENTS_IN_FLIGHT
            && let Some((from, rtt)) = self.unknown.pop_front()
        {
            let (node, call) = (station.node.clone(), self.call);
            let asked = async move { (from, rtt, node.identify(from, call).await) };
            self.idents.push(Box::pin(asked));
        }
    }

    fn show(
        &self,
        session: &mut Session,
        from: Address,
        rtt: Duration,
        identity: Option<Identity>,
    ) -> Result {
        let line = Line {
            r#type: "node",
            ts: timestamp(SystemTime::now()),
            node: from.to_bits(),
            name: whom::name(session, from, self.is_simulated),
            rtt_us: micros(rtt),
            ident: identity.map(Ident::of),
        };
        session.output.either(&line, |line| {
            let name = line.name.as_deref().unwrap_or("-");
            let ident = line.ident.as_ref().map_or_else(String::new, Ident::text);
            let text = format!("{from:>5}  {name:<10} {:>10}  {ident}", units::shown(rtt));
            text.trim_end().to_owned()
        })?;
        session.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};
    use csp_core::{Netmask, Version};

    use super::*;

    fn address(bits: u16) -> Address {
        Address::new(bits).unwrap()
    }

    #[test]
    fn who_answers_a_broadcast_twice_is_found_once() {
        let words = Scan::augment_args(Command::new("scan")).get_matches_from(["scan", "--fast"]);
        let args = Scan::from_arg_matches(&words).unwrap();
        let mut run = Run {
            args: &args,
            is_simulated: false,
            call: Call::default(),
            sweep: Sweep::new([Address::BROADCAST], 1, PATIENT, 0),
            heard: BTreeMap::new(),
            unknown: VecDeque::new(),
            idents: FuturesUnordered::new(),
            found: 0,
            asked: 1,
        };
        let start = Instant::now();
        for from in [2, 5, 2, 2] {
            run.answered(start, address(from));
        }
        assert_eq!(run.found, 2);
        let found: Vec<_> = run.unknown.iter().map(|(from, _)| from.to_bits()).collect();
        assert_eq!(found, [2, 5]);
    }

    #[test]
    fn neither_we_nor_broadcasts_are_asked() {
        let own = Subnet::new(Version::V2, address(10), Netmask::new(8).unwrap()).unwrap();
        let bits = |range: Option<Range>| {
            let targets = targets(range.as_ref(), own).unwrap();
            targets.into_iter().map(Address::to_bits).collect::<Vec<_>>()
        };
        let others = (1..63).filter(|bits| *bits != 10).collect::<Vec<_>>();
        assert_eq!(bits(None), others);
        assert_eq!(
            bits(Some(Range::Some(vec![(0, 2), (9, 11), (62, 64)]))),
            [1, 2, 9, 11, 62, 64]
        );
        assert!(!bits(Some(Range::All)).contains(&10));
        assert!(targets(Some(&Range::Some(vec![(10, 10)])), own).is_err());
    }
}
