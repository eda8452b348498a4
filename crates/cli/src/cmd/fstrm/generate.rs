//! `fstrm gen`: numbered frames, and the check that none is missing.

mod check;
mod numbered;
pub(in crate::cmd) mod outlet;

use core::time::Duration;
use std::time::SystemTime;

use fstrm_codec::ContentType;
use serde::Serialize;
use tokio::time::Instant;

use self::numbered::Numbered;
use self::outlet::{Outlet, Sent};
use crate::args::fstrm::Gen;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::units::counted;

/// Bytes that are handed over together.
const PIECE: usize = 64 * 1024;
/// How often a rate is looked after.
const TICK: Duration = Duration::from_millis(10);
/// Frames of a file when nobody says how many.
const DEFAULT_COUNT: u64 = 1_000;

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    run: u32,
    offered: u64,
    sent: u64,
    dropped: u64,
    /// Offered, and not sent when the time was over.
    left: u64,
    bytes: u64,
    seconds: f64,
}

pub(super) async fn run(session: &mut Session, args: &Gen) -> Result {
    if args.check {
        return check::run(session, args).await;
    }
    let [target] = args.targets.as_slice() else {
        let message = "several targets; frames go to one, and --check reads several files";
        return Err(Failure::new(Code::Usage, message));
    };
    let id = args.seed.unwrap_or_else(by_the_clock);
    let count = args.count.map_or(DEFAULT_COUNT, core::num::NonZeroU64::get);
    let mut numbered = Numbered::new(id, args.size.clone());
    let mut outlet = Outlet::open(target, content_type(args)?, &args.sending)?;
    let begun = Instant::now();
    let stop = session.stop.clone();
    let mut progress = session.output.progress(count);
    let making = async {
        while numbered.frames() < count {
            let frames = due(args, begun, numbered.frames(), count);
            if frames == 0 {
                tokio::time::sleep(TICK).await;
                continue;
            }
            outlet.write(numbered.piece(frames, PIECE)).await?;
            progress.show(numbered.frames(), "frames");
        }
        outlet.drain().await
    };
    let made = tokio::select! {
        biased;
        _ = stop.wait() => Ok(()),
        made = making => made,
    };
    progress.clear();
    let finished = outlet.finish().await;
    let seconds = begun.elapsed().as_secs_f64();
    let (sent, finished) = match finished {
        Ok(sent) => (sent, Ok(())),
        Err(failure) => (Sent::default(), Err(failure)),
    };
    let summary = Summary {
        r#type: "summary",
        run: id,
        offered: sent.offered,
        sent: sent.sent,
        dropped: sent.dropped,
        left: sent.left,
        bytes: numbered.bytes(),
        seconds,
    };
    session.output.summary(&summary, text);
    made.and(finished)?;
    if sent.left > 0 {
        let message = format!("{} could not be sent", counted(sent.left, "frame"));
        return Err(Failure::new(Code::NotSent, message).hint("--linger waits longer for a collector"));
    }
    Ok(())
}

fn content_type(args: &Gen) -> Result<Option<ContentType>> {
    let Some(name) = &args.content_type else {
        return Ok(None);
    };
    ContentType::new(name.clone())
        .map(Some)
        .ok_or_else(|| Failure::new(Code::Usage, "the content type is too long"))
}

/// How many frames may go now.
fn due(args: &Gen, begun: Instant, done: u64, count: u64) -> u64 {
    let left = count - done;
    let Some(rate) = args.rate else { return left };
    let micros = begun.elapsed().as_micros();
    let by_now = micros.saturating_mul(u128::from(rate.get())) / 1_000_000;
    u64::try_from(by_now)
        .unwrap_or(u64::MAX)
        .saturating_add(1)
        .saturating_sub(done)
        .min(left)
}

/// A number that no other run has, or hardly.
fn by_the_clock() -> u32 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    let seconds = u32::try_from(since.as_secs() & 0xffff_ffff).unwrap_or_default();
    seconds.rotate_left(16) ^ since.subsec_nanos() ^ std::process::id()
}

fn text(summary: &Summary) -> String {
    let mut text = format!("{} sent", counted(summary.sent, "frame"));
    text.push_str(&format!(", {} dropped", summary.dropped));
    if summary.left > 0 {
        text.push_str(&format!(", {} left", summary.left));
    }
    text.push_str(&format!(" in {:.3} s (run {})", summary.seconds, summary.run));
    text
}
