//! `can gen`: traffic in cangen's words.

mod frames;

use std::time::SystemTime;

use can_link::candump::{Message, ScreenLine, ScreenText};
use can_link::frame::{FdFlags, MAX_CLASSIC_LEN};
use can_link::{CanFrame, CanRx as _, CanTxExt as _};
use serde::Serialize;
use tokio::time::Instant;

use self::frames::{Body, Frames, Kind, Mix};
use super::super::Session;
use super::record;
use crate::args::can::Gen;
use crate::args::modes::{IdMode, LengthMode};
use crate::failure::{Code, Failure, Result};
use crate::links::{self, Opened};
use crate::output::{Output, timestamp};

/// Standard identifiers end here.
const MAX_STANDARD: u32 = 0x7FF;

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    sent: u64,
}

pub(super) async fn run(session: &mut Session, args: Gen) -> Result {
    let mut address = links::named_or_configured(session, args.link.as_deref())?;
    if args.no_loopback {
        address = links::without_loopback(address)?;
    }
    let mut opened = session.stop.cut(links::open(&session.door, &address)).await?;
    let mut frames = frames(&args, &opened)?;
    let stop = session.stop.clone();
    let mut sent = 0;
    let result = tokio::select! {
        result = transmit(&mut opened, &mut frames, &args, &mut session.output, &mut sent) => result,
        _ = stop.wait() => Ok(()),
    };
    let summary = Summary {
        r#type: "summary",
        sent,
    };
    session.output.summary(&summary, |summary| {
        let plural = if summary.sent == 1 { "" } else { "s" };
        format!("{} frame{plural} sent", summary.sent)
    });
    result
}

fn frames(args: &Gen, opened: &Opened) -> Result<Frames> {
    let carries_fd = opened.link.capabilities().fd();
    let is_fd = args.fd || args.brs || args.esi;
    if is_fd && !carries_fd {
        let message = format!("{}: the link does not carry CAN FD frames", opened.name);
        return Err(Failure::new(Code::NotSent, message));
    }
    if let IdMode::Fixed(id) = args.id
        && id > MAX_STANDARD
        && !args.extended
    {
        let message = format!("identifier {id:X} has more than 11 bits");
        return Err(Failure::new(Code::Usage, message).hint("add -e for extended frames"));
    }
    if let LengthMode::Fixed(length) = args.length
        && length > MAX_CLASSIC_LEN
        && !is_fd
        && !args.mix
    {
        let message = format!("classic frames carry no {length} bytes");
        return Err(Failure::new(Code::Usage, message).hint("add -f for CAN FD frames"));
    }
    let flag = |is_set: bool, flag| if is_set { flag } else { FdFlags::NONE };
    let body = if is_fd {
        Body::Fd(flag(args.brs, FdFlags::BRS) | flag(args.esi, FdFlags::ESI))
    } else if args.remote {
        Body::Remote
    } else {
        Body::Data
    };
    let kind = Kind {
        is_extended: args.extended,
        body,
    };
    let mix = match (args.mix, carries_fd) {
        (false, _) => Mix::No,
        (true, true) => Mix::WithFd,
        (true, false) => Mix::Classic,
    };
    let seed = args.seed.unwrap_or_else(clock_seed);
    Ok(Frames::new(
        seed,
        kind,
        mix,
        (args.id, args.length, args.data.clone()),
    ))
}

/// A seed for who wants no particular one.
fn clock_seed() -> u64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| u64::from(since.subsec_nanos()) << 32 ^ since.as_secs())
}

/// Frames leave at their times, not a gap after the one before, so that waiting does not add up.
async fn transmit(
    opened: &mut Opened,
    frames: &mut Frames,
    args: &Gen,
    output: &mut Output,
    sent: &mut u64,
) -> Result {
    let mut screen = ScreenText::new();
    if args.verbose > 2 {
        screen = screen.ascii();
    }
    let mut due = Instant::now();
    while args.count.is_none_or(|count| *sent < count) {
        let Some(frame) = frames.make() else {
            continue;
        };
        if *sent > 0 && !args.gap.is_zero() {
            due += args.gap;
            if due > Instant::now() {
                output.flush()?;
                tokio::time::sleep_until(due).await;
            }
        }
        opened
            .link
            .send(frame.clone())
            .await
            .map_err(|error| links::not_sent(error, &opened.name))?;
        *sent += 1;
        if args.verbose > 0 {
            show(output, &mut screen, args.verbose, &opened.name, frame)?;
        }
    }
    opened
        .link
        .flush()
        .await
        .map_err(|error| links::not_sent(error, &opened.name))
}

/// `-v` shows the frame as cansend would take it, `-v -v` as candump shows it.
fn show(output: &mut Output, screen: &mut ScreenText, level: u8, link: &str, frame: CanFrame) -> Result {
    if output.is_json() {
        return output.json(&record::Line::Frame {
            ts: timestamp(SystemTime::now()),
            link,
            origin: "own",
            frame: record::Frame::of(&frame),
        });
    }
    let message = Message::Frame(frame);
    if level == 1 {
        return output.text(format_args!("  {link}  {message}"));
    }
    let line = ScreenLine {
        time: "",
        interface: link,
        message: &message,
        direction: None,
    };
    output.text(screen.line(line))
}
