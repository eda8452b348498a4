//! `flow perf`: throughput, one way or there and back, as operf.

use core::ops::ControlFlow;
use core::time::Duration;

use flow_core::error::ReadError;
use flow_core::{FlowReader, WriteError};
use serde::Serialize;
use tokio::time::Instant;

use super::load::{Pace, Report, Sent, megabits, send};
use super::reach::{Reach, broken, fits};
use super::serve::{Ended, Guest, Lines, Serves, serve};
use crate::args::flow::load::{Perf, Test};
use crate::cmd::Session;
use crate::cmd::rtt::share_missing;
use crate::failure::{Code, Failure, Result};
use crate::units;

/// How long the last replies may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The closing line of the client.
#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    name: String,
    test: &'static str,
    sent: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<f64>,
    ms: f64,
    mbps: f64,
}

pub(super) async fn run(session: &mut Session, args: Perf) -> Result {
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
        let (size, time) = (args.size, units::shown(args.duration));
        let line = if args.flood {
            format!("Flooding {name} with {size} byte packets for {time}.\n")
        } else {
            let rate = args.packets.rate / 1e6;
            format!("Sending {size} byte packets for {time} to {name} at {rate:.3} Mb/s.\n")
        };
        session.output.text(line)?;
        session.output.flush()?;
    }
    let (mut reader, mut writer) = flow.split();
    let kind: u32 = match args.test {
        Test::Uni => 0,
        Test::Bi => 1,
    };
    let start = Instant::now();
    let until = start.checked_add(args.duration).unwrap_or(start);
    let (mut sent, mut received) = (Sent::default(), Sent::default());
    let mut pace = Pace::new(&args.packets, args.size, args.flood);
    let stop = session.stop.clone();
    let sending = async {
        writer.write(kind.to_le_bytes().to_vec()).await?;
        send(&mut writer, args.size, &mut pace, until, &mut sent).await
    };
    let measuring = async {
        match args.test {
            Test::Uni => sending.await,
            Test::Bi => there_and_back(sending, &mut reader, &mut received).await,
        }
    };
    let ended = tokio::select! {
        ended = measuring => ended,
        _ = stop.wait() => Ok(()),
    };
    if args.test == Test::Bi && ended.is_ok() {
        rest(&mut reader, sent.packets, &mut received).await;
    }
    let time = start.elapsed();
    if ended.is_ok() {
        let _what_is_unread_is_the_servers_to_tell = writer.dealloc_within(Duration::from_secs(1)).await;
    }
    let is_bi = args.test == Test::Bi;
    let summary = Summary {
        r#type: "summary",
        name: name.to_owned(),
        test: if is_bi { "bi" } else { "uni" },
        sent: sent.packets,
        bytes: sent.bytes,
        received: is_bi.then_some(received.packets),
        loss: is_bi.then(|| share_missing(sent.packets, received.packets)),
        ms: time.as_secs_f64() * 1e3,
        mbps: megabits(if is_bi { received.bytes } else { sent.bytes }, time),
    };
    session.output.either(&summary, text)?;
    session.output.flush()?;
    ended.map_err(|error| broken(error, name))?;
    if is_bi && received.packets == 0 && sent.packets > 0 {
        return Err(Failure::new(
            Code::NoReply,
            format!("nothing came back from {name}"),
        ));
    }
    Ok(())
}

fn text(summary: &Summary) -> String {
    let Summary {
        name, sent, ms, mbps, ..
    } = summary;
    let back = match (summary.received, summary.loss) {
        (Some(received), Some(loss)) => {
            format!("{received} received, {:.0}% packet loss, ", (loss * 100.0).ceil())
        }
        _ => String::new(),
    };
    format!(
        "--- {name} perf statistics ---\n\
         {sent} packets transmitted, {back}time: {ms:.3} ms, bandwidth: {mbps:.3} Mb/s."
    )
}

/// Sends, and counts what comes back meanwhile.
async fn there_and_back(
    sending: impl Future<Output = core::result::Result<(), WriteError>>,
    reader: &mut FlowReader,
    received: &mut Sent,
) -> core::result::Result<(), WriteError> {
    let reading = async {
        while count_one(reader, received).await.is_ok() {}
        // how the flow ended is what writing fails with
        core::future::pending::<()>().await;
    };
    tokio::select! {
        sent = sending => sent,
        () = reading => Ok(()),
    }
}

async fn count_one(reader: &mut FlowReader, received: &mut Sent) -> core::result::Result<(), ReadError> {
    let packet = reader.read_packet().await?;
    received.packets += 1;
    received.bytes += u64::try_from(packet.len()).unwrap_or(u64::MAX);
    Ok(())
}

/// What is still under way.
async fn rest(reader: &mut FlowReader, sent: u64, received: &mut Sent) {
    while received.packets < sent {
        match tokio::time::timeout(PATIENCE, count_one(reader, received)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

async fn listen(session: &mut Session, args: &Perf) -> Result {
    let reach = Reach::for_accepting(session, &args.way, args.whom.text()).await?;
    let show = |session: &mut Session, report: Report| {
        session.output.either(&report, Report::text)?;
        Ok(ControlFlow::Continue(()))
    };
    serve(session, &reach, (Serves::All, Lines::Result), answer, show).await?;
    Ok(())
}

/// The first packet says what is to be done with the others.
async fn answer(mut guest: Guest<Report>) -> Ended {
    let mut goes_back = None;
    let mut start = Instant::now();
    let (mut packets, mut bytes) = (0, 0);
    let why = loop {
        let packet = match guest.read().await {
            Ok(packet) => packet,
            Err(why) => break why,
        };
        let Some(goes_back) = goes_back else {
            goes_back = Some(*packet == 1u32.to_le_bytes());
            start = Instant::now();
            continue;
        };
        packets += 1;
        bytes += u64::try_from(packet.len()).unwrap_or(u64::MAX);
        if goes_back && let Err(why) = guest.write(packet).await {
            break why;
        }
    };
    guest
        .tell(Report::new(guest.number(), packets, bytes, start.elapsed()))
        .await;
    guest.ended(why)
}
