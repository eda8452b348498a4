//! `dnstap gen`: made-up traffic of a resolver.

use core::time::Duration;
use std::time::SystemTime;

use dnstap_codec::CONTENT_TYPE;
use fstrm_codec::ContentType;
use serde::Serialize;
use tinwire_sim::resolver::Resolver;
use tokio::time::{Instant, sleep_until};

use crate::args::dnstap::Gen;
use crate::cmd::Session;
use crate::cmd::fstrm::generate::outlet::{Outlet, Sent};
use crate::failure::{Code, Failure, Result};
use crate::units;

/// Bytes that are handed over together.
const PIECE: usize = 64 * 1024;

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    written: u64,
    dropped: u64,
    /// Made, and not sent when the time was over.
    left: u64,
}

pub(super) async fn run(session: &Session, args: Gen) -> Result {
    let mut outlet = Outlet::open(&args.to, ContentType::from_static(CONTENT_TYPE), &args.sending)?;
    let gap = Duration::from_secs_f64(args.rate.recip());
    let mut resolver = Resolver::seeded(args.seed).gap(gap);
    if outlet.is_live() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        resolver = resolver.start(now.unwrap_or_default());
    }
    let stop = session.stop.clone();
    let made = tokio::select! {
        biased;
        _ = stop.wait() => Ok(()),
        made = make(session, &args, resolver, &mut outlet) => made,
    };
    let finished = outlet.finish().await;
    let (sent, finished) = match finished {
        Ok(sent) => (sent, Ok(())),
        Err(failure) => (Sent::default(), Err(failure)),
    };
    let summary = Summary {
        r#type: "summary",
        written: sent.sent,
        dropped: sent.dropped,
        left: sent.left,
    };
    session.output.summary(&summary, text);
    made.and(finished)?;
    if sent.left > 0 {
        let message = format!("{} could not be sent", units::counted(sent.left, "message"));
        return Err(Failure::new(Code::NotSent, message).hint("--linger waits longer for a collector"));
    }
    Ok(())
}

/// Makes messages; for a collector, each at its time.
async fn make(session: &Session, args: &Gen, mut resolver: Resolver, outlet: &mut Outlet) -> Result {
    let (begun, start) = (Instant::now(), resolver.next_time());
    let mut progress = session.output.progress(args.count);
    let mut wire = Vec::new();
    for made in 0..args.count {
        let due = begun + resolver.next_time().saturating_sub(start);
        let is_early = outlet.is_live() && due > Instant::now();
        if !wire.is_empty() && (is_early || wire.len() >= PIECE) {
            outlet.write(core::mem::take(&mut wire)).await?;
            progress.show(made, "messages");
        }
        if is_early {
            sleep_until(due).await;
        }
        let Some(payload) = resolver.next() else { break };
        wire.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
        wire.extend_from_slice(&payload);
    }
    if !wire.is_empty() {
        outlet.write(wire).await?;
    }
    outlet.drain().await
}

fn text(summary: &Summary) -> String {
    let mut text = format!("{} written", units::counted(summary.written, "message"));
    for (count, what) in [(summary.dropped, "dropped"), (summary.left, "left")] {
        if count > 0 {
            text = format!("{text}, {count} {what}");
        }
    }
    text
}
