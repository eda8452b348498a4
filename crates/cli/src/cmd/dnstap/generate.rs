//! `dnstap gen`: made-up traffic of a resolver.

use core::time::Duration;

use serde::Serialize;
use tinwire_sim::resolver::Resolver;

use super::outlet::{Existing, Frames};
use crate::args::dnstap::Gen;
use crate::cmd::Session;
use crate::failure::Result;
use crate::units;

/// Messages after which signals and the deadline are looked at.
const LOOK_UP: u64 = 4096;

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    written: u64,
}

pub(super) async fn run(session: &Session, args: Gen) -> Result {
    let existing = if args.append {
        Existing::Append
    } else {
        Existing::Refuse
    };
    let mut outlet = Frames::open(&args.to, existing)?;
    let gap = Duration::from_secs_f64(args.rate.recip());
    let mut resolver = Resolver::seeded(args.seed).gap(gap);
    let mut written = 0;
    let stop = session.stop.clone();
    let mut progress = session.output.progress(args.count);
    let making = async {
        for payload in resolver.by_ref() {
            if written == args.count {
                break;
            }
            outlet.write(&payload)?;
            written += 1;
            if written.is_multiple_of(LOOK_UP) {
                progress.show(written, "messages");
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    };
    let made = tokio::select! {
        biased;
        _ = stop.wait() => Ok(()),
        made = making => made,
    };
    progress.clear();
    let finished = made.and_then(|()| outlet.finish());
    let summary = Summary {
        r#type: "summary",
        written,
    };
    session.output.summary(&summary, |summary| {
        format!("{} written", units::counted(summary.written, "message"))
    });
    finished
}
