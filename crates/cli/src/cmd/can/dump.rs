//! `can dump`: shows the traffic of links, as candump does, and never hides what was lost.

mod counts;
mod logfile;
mod printer;
mod sources;

use core::time::Duration;

use can_link::link::{Event, LinkChange};

use self::counts::Counts;
use self::logfile::LogFile;
use self::printer::Printer;
use self::sources::{Sources, Tagged};
use super::super::Session;
use crate::args::can::Dump;
use crate::failure::{Code, Failure, Result, data_lost};
use crate::links::End;

pub(super) async fn run(session: &mut Session, args: Dump) -> Result {
    let mut sources = Sources::open(session, &args).await?;
    let mut printer = Printer::new(session.output.is_json(), &args);
    let mut log = LogFile::create(session, &args)?;
    let mut counts = Counts::default();
    let ended = watch(
        session,
        &mut sources,
        &mut printer,
        log.as_mut(),
        &mut counts,
        &args,
    )
    .await;
    session.output.summary(&counts.summary(), counts::text);
    ended?;
    if counts.is_rubbish() {
        return Err(Failure::new(Code::Malformed, "nothing that came could be read"));
    }
    if args.strict && counts.dropped() > 0 {
        return Err(data_lost(counts.dropped()));
    }
    Ok(())
}

/// Shows events until something ends it: a signal, a deadline, the count, silence, the last link's end.
async fn watch(
    session: &mut Session,
    sources: &mut Sources,
    printer: &mut Printer,
    mut log: Option<&mut LogFile>,
    counts: &mut Counts,
    args: &Dump,
) -> Result {
    let mut batch = Vec::new();
    let idle = tokio::time::sleep(args.timeout.unwrap_or(Duration::MAX));
    tokio::pin!(idle);
    loop {
        tokio::select! {
            biased;
            _ = session.stop.wait() => return Ok(()),
            ended = sources.recv(&mut batch) => match ended? {
                None => {}
                Some(End::Natural) => return Ok(()),
                Some(End::Lost) => return Err(Failure::new(Code::Lost, "the last link has ended")),
            },
            () = &mut idle, if args.timeout.is_some() => return Ok(()),
        }
        for event in batch.drain(..) {
            counts.take(&event);
            printer.print(&mut session.output, &event)?;
            if let Some(log) = log.as_mut() {
                log.write(&event)?;
            }
            tell(session, &event);
            if args.count.is_some_and(|count| counts.shown() >= count) {
                return finish(session, log);
            }
        }
        session.output.flush()?;
        if let Some(log) = log.as_mut() {
            log.flush()?;
        }
        if let Some(timeout) = args.timeout {
            idle.as_mut().reset(tokio::time::Instant::now() + timeout);
        }
    }
}

fn finish(session: &mut Session, log: Option<&mut LogFile>) -> Result {
    session.output.flush()?;
    log.map_or(Ok(()), LogFile::flush)
}

/// What is not traffic is told beside it; JSON has lines for it.
fn tell(session: &Session, Tagged { link, event, .. }: &Tagged) {
    if session.output.is_json() {
        return;
    }
    match event {
        Event::Link(LinkChange::Down) => {
            session.output.notice(format_args!(
                "{link}: interface is down; waiting until it is up again"
            ));
        }
        Event::Link(change) => session.output.notice(format_args!("{link}: {change}")),
        Event::State(state) => session
            .output
            .notice(format_args!("{link}: controller is {state}")),
        Event::BadInput(what) => session.output.notice(format_args!("{link}: {what}")),
        _ => {}
    }
}
