//! `flow cbr`: packets at a constant bit rate, as ocbr.

use core::ops::ControlFlow;
use core::time::Duration;

use flow_core::error::ReadError;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::load::{Pace, Report, Sent, megabits, send};
use super::reach::{Reach, broken, fits};
use super::serve::{Ended, Guest, Lines, Serves, serve};
use crate::args::flow::load::Cbr;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::units;

/// The closing line of the client.
#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    name: String,
    sent: u64,
    bytes: u64,
    ms: u64,
    mbps: f64,
}

pub(super) async fn run(session: &mut Session, args: Cbr) -> Result {
    if args.listen {
        return listen(session, &args).await;
    }
    let Some(name) = args.whom.text() else {
        return Err(Failure::new(Code::Usage, "no server").hint("-n NAME, or a name; -l is the server"));
    };
    let reach = Reach::to(session, &args.way, name).await?;
    let flow = reach.alloc(session, args.quality.qos).await?;
    fits(args.size, &flow)?;
    if !session.output.is_json() && !args.quality.quiet {
        let rate = if args.flood {
            "as fast as possible".to_owned()
        } else {
            format!("rate {:.0} b/s", args.packets.rate)
        };
        let (time, size) = (units::shown(args.duration), args.size);
        session.output.text(format_args!(
            "Client started, duration {time}, {rate}, size {size} B."
        ))?;
        session.output.flush()?;
    }
    let (reader, mut writer) = flow.split();
    let start = Instant::now();
    let until = start.checked_add(args.duration).unwrap_or(start);
    let mut pace = Pace::new(&args.packets, args.size, args.flood);
    let mut sent = Sent::default();
    let stop = session.stop.clone();
    let ended = tokio::select! {
        sent = send(&mut writer, args.size, &mut pace, until, &mut sent) => sent,
        _ = stop.wait() => Ok(()),
    };
    let time = start.elapsed();
    if ended.is_ok() {
        let _what_is_unread_is_the_servers_to_tell = writer.dealloc_within(Duration::from_secs(1)).await;
    }
    drop(reader);
    let summary = Summary {
        r#type: "summary",
        name: name.to_owned(),
        sent: sent.packets,
        bytes: sent.bytes,
        ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        mbps: megabits(sent.bytes, time),
    };
    session.output.either(&summary, |summary| {
        let Summary {
            sent,
            bytes,
            ms,
            mbps,
            ..
        } = summary;
        format!("sent statistics: {sent:9} packets, {bytes:12} bytes in {ms:9} ms, {mbps:.4} Mb/s")
    })?;
    session.output.flush()?;
    ended.map_err(|error| broken(error, name))
}

async fn listen(session: &mut Session, args: &Cbr) -> Result {
    let reach = Reach::for_accepting(session, &args.way, args.whom.text()).await?;
    if !session.output.is_json() && !args.quality.quiet {
        let [interval, timeout] = [args.interval, args.timeout].map(units::shown);
        session.output.text(format_args!(
            "Server started, interval is {interval}, timeout is {timeout}."
        ))?;
    }
    let (interval, timeout) = (args.interval.max(Duration::from_millis(1)), args.timeout);
    let count = move |guest| count(guest, interval, timeout);
    let show = |session: &mut Session, report: Report| {
        session.output.either(&report, Report::text)?;
        Ok(ControlFlow::Continue(()))
    };
    serve(session, &reach, (Serves::All, Lines::Result), count, show).await?;
    Ok(())
}

async fn count(mut guest: Guest<Report>, interval: Duration, timeout: Duration) -> Ended {
    let mut begun = Instant::now();
    let mut heard = begun;
    let (mut packets, mut bytes) = (0, 0);
    let why = loop {
        let due = begun + interval;
        tokio::select! {
            packet = guest.read() => match packet {
                Ok(packet) => {
                    packets += 1;
                    bytes += u64::try_from(packet.len()).unwrap_or(u64::MAX);
                    heard = Instant::now();
                }
                Err(why) => break why,
            },
            () = sleep_until(heard + timeout) => break ReadError::TimedOut.into(),
            () = sleep_until(due) => {
                guest.tell(Report::new(guest.number(), packets, bytes, begun.elapsed())).await;
                begun = Instant::now();
                (packets, bytes) = (0, 0);
            }
        }
    };
    guest
        .tell(Report::new(guest.number(), packets, bytes, begun.elapsed()))
        .await;
    guest.ended(why)
}
