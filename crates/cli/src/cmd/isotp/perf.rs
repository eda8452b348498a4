//! `isotp perf`: throughput against what the bit rate allows, and gaps against the separation time.

mod classic;
mod gaps;
mod meter;
mod report;
mod traffic;

use core::time::Duration;
use std::time::SystemTime;

use can_link::Filter;
use can_link::FilterSet;
use can_link::address::LinkAddress;
use isotp::{Address, BlockSize, Config, Target};

use self::meter::{Meter, Pair};
use self::report::{Line, Report};
use self::traffic::Traffic;
use super::endpoint::{self, End};
use crate::args::isotp::perf::{Perf, Role};
use crate::cmd::Session;
use crate::cmd::clock::Clock;
use crate::cmd::watch::Watch;
use crate::failure::{Code, Failure, Result};
use crate::multicall::Guise;
use crate::stop::Ended;

/// How many messages are sent where nobody says.
const MESSAGES: u64 = 10;
/// How long frames may be on their way to who watches.
const SETTLE: Duration = Duration::from_millis(200);

pub(super) async fn run(session: &mut Session, args: Perf) -> Result {
    let address = address(&args)?;
    let (tx, rx) = (address.tx(), address.rx());
    let source = tx.id(Target::Physical);
    let pair = Pair {
        source: (source, tx.address_byte()),
        destination: (rx.id(Target::Physical).unwrap_or(source), rx.address_byte()),
    };
    let link = endpoint::link(session, &args.endpoint, args.named.as_deref())?;
    match (&link, args.role) {
        (LinkAddress::Log(_), Role::Watch) => {}
        (LinkAddress::Log(_), _) => return Err(Failure::new(Code::Usage, "a log can only be watched")),
        (LinkAddress::Sim(_), _) => {
            let message = "the simulation has one link, and who measures needs one beside those who talk";
            return Err(
                Failure::new(Code::Usage, message).hint("--role both works on bus:NAME and virtual:NAME")
            );
        }
        _ => {}
    }
    let filters = FilterSet::any([pair.source.0, pair.destination.0].map(Filter::id));
    let opening = Watch::open(session, link.clone(), Some(&filters));
    let mut watch = session.stop.cut(opening).await?;
    let mut traffic = Traffic::start(session, &args, &link, address, config(&args)).await?;
    let mut report = Report::new(pair, args.bitrate);
    let ended = measure(session, &mut watch, &mut traffic, &args, &mut report).await;
    let trouble = traffic.end().await;
    report.dropped = watch.dropped;
    if session.guise.is_none() {
        report.failed_to_send = trouble.len();
        for (what, count) in &trouble {
            session.output.notice(format_args!("{count} x {what}"));
        }
        show(session, &report)?;
    }
    ended?;
    verdict(session, &report)
}

/// The source's address, whoever of the two we are.
fn address(args: &Perf) -> Result<Address> {
    let mut endpoint = args.endpoint.clone();
    if let (Some((byte, _)), Some(other)) = (endpoint.extended, args.rx_extended) {
        endpoint.extended = Some((byte, other));
    }
    endpoint::address(&endpoint, End::Tester)
}

/// What both of our ends are told.
fn config(args: &Perf) -> Config {
    let mut config = Config::default().forced_gap(args.forced_gap);
    if let Some(block_size) = args.block_size {
        config = config.block_size(BlockSize::from_bits(block_size));
    }
    if let Some(st_min) = args.st_min {
        config = config.st_min(st_min);
    }
    match args.role {
        Role::Recv | Role::Both => config.max_rx_len(args.dummy.max(isotp::config::DEFAULT_MAX_RX_LEN)),
        Role::Watch | Role::Send => config,
    }
}

/// Measures until something ends it: the count, the time, a signal, the end of a log, of our own traffic.
async fn measure(
    session: &mut Session,
    watch: &mut Watch,
    traffic: &mut Traffic,
    args: &Perf,
    report: &mut Report,
) -> Result {
    let mut meter = Meter::new(report.pair(), args.bitrate);
    let mut clock = Clock::default();
    let is_classic = session.guise == Some(Guise::Isotpperf);
    let wanted = match args.role {
        Role::Watch | Role::Recv => args.count,
        Role::Send | Role::Both => Some(args.count.unwrap_or(MESSAGES)),
    };
    let mut bar = session.output.progress(wanted.unwrap_or_default());
    let over = crate::stop::at(
        args.duration
            .and_then(|time| tokio::time::Instant::now().checked_add(time)),
    );
    tokio::pin!(over);
    loop {
        if !watch.is_behind() {
            session.output.flush()?;
        }
        let idle = async {
            match meter.is_measuring() {
                true => tokio::time::sleep(Duration::from_secs(1)).await,
                false => core::future::pending().await,
            }
        };
        let (link, received) = tokio::select! {
            biased;
            ended = session.stop.wait() => return stopped(ended, report),
            frame = watch.frame(session) => match frame? {
                Some(frame) => frame,
                None => return Ok(()),
            },
            () = &mut over => return Ok(()),
            () = idle => {
                let now = clock.at(SystemTime::now());
                if meter.expire(now) {
                    report.broke_off();
                    if is_classic {
                        session.output.raw(classic::timed_out().as_bytes())?;
                    }
                }
                continue;
            }
            () = traffic.settled(SETTLE) => return Ok(()),
        };
        let now = clock.at(received.time.host);
        if meter.expire(now) {
            report.broke_off();
        }
        let shown = meter.handle_frame(now, &received.frame);
        if is_classic {
            session.output.raw(classic::text(&shown).as_bytes())?;
        }
        report.take(&shown);
        if let Some(measured) = &shown.measured {
            bar.show(report.messages(), &format!("{} messages", report.messages()));
            if !is_classic && (session.output.is_json() || args.role == Role::Watch) {
                bar.clear();
                session
                    .output
                    .either(&Line::of(&link, received.time.host, measured), Line::text)?;
            }
            if args.role != Role::Send && args.role != Role::Both && wanted == Some(report.messages()) {
                return Ok(());
            }
        }
    }
}

/// Being stopped is how watching ends.
fn stopped(ended: Ended, report: &Report) -> Result {
    match ended {
        Ended::Signal(signal) if report.messages() == 0 => Err(Failure::new(
            Code::Interrupted(signal),
            "interrupted before a message was seen",
        )),
        Ended::Signal(_) | Ended::Deadline => Ok(()),
    }
}

fn show(session: &mut Session, report: &Report) -> Result {
    if session.output.is_json() {
        session.output.json(&report.record())?;
    } else {
        for line in report.text() {
            session.output.text(line)?;
        }
    }
    session.output.flush()
}

fn verdict(session: &Session, report: &Report) -> Result {
    if session.guise.is_some() {
        return Ok(());
    }
    match report.complaint() {
        Some(complaint) => Err(Failure::new(Code::NothingFound, complaint)),
        None => Ok(()),
    }
}
