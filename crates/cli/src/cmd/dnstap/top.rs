//! `dnstap top`: rates, codes, names, clients and latencies of what comes, now and again.

mod feed;
mod figures;
mod meter;
#[cfg_attr(not(feature = "tui"), path = "top/blind.rs")]
mod screen;
mod table;

use std::io::IsTerminal as _;
use std::time::SystemTime;

use dnstap_codec::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use self::feed::{Came, Feed};
use self::figures::Figures;
use self::meter::{Clock, Meter};
use self::screen::{Next, Screen};
use super::manners::Manners;
use crate::args::dnstap::Top;
use crate::cmd::Session;
use crate::cmd::fstrm::check_end;
use crate::cmd::streams::{Arrival, Source};
use crate::failure::{Failure, Result};

pub(super) async fn run(session: &mut Session, args: Top) -> Result {
    let mut manners = Manners::of(session);
    let feed = Feed::open(&args, &session.stop).await?;
    for endpoint in feed.listening() {
        session.output.notice(format_args!("listening on {endpoint}"));
    }
    let meter = Meter::new(args.from.join(" "), feed.clock(), args.filter.clone(), args.top);
    let is_screen = !args.once && !session.output.is_json() && std::io::stdout().is_terminal();
    let mut work = Work {
        screen: if is_screen { open(session) } else { None },
        meter,
        feed,
        begun: Instant::now(),
        is_over: false,
        faults: Vec::new(),
    };
    let ended = work.all(session, &args).await;
    // The terminal is as it was before anything else is written.
    work.screen = None;
    let Work {
        mut meter,
        feed,
        faults,
        ..
    } = work;
    if let Some(stats) = feed.close().await {
        meter.counts.dropped += stats.dropped.total();
    }
    let told = faults
        .into_iter()
        .try_for_each(|(failure, has_started)| manners.fault(session, failure, has_started));
    manners.end(session, ended.and(told), &meter.counts)
}

/// The screen; without one, tables do.
fn open(session: &Session) -> Option<Screen> {
    match Screen::open(&session.stop) {
        Ok(screen) => screen,
        Err(error) => {
            session.output.notice(format_args!("no screen: {error}"));
            None
        }
    }
}

/// The command at work.
#[derive(Debug)]
struct Work {
    meter: Meter,
    feed: Feed,
    screen: Option<Screen>,
    begun: Instant,
    /// Whether nothing comes any more.
    is_over: bool,
    /// Told at the end: a screen has no place for them. And whether the file gave anything.
    faults: Vec<(Failure, bool)>,
}

impl Work {
    async fn all(&mut self, session: &mut Session, args: &Top) -> Result {
        let stop = session.stop.clone();
        let mut ticks = interval_at(self.begun + args.interval, args.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Files are read to their end, and sim: does not need time to pass.
        let is_timed = !args.once || self.feed.is_live();
        if self.screen.is_some() {
            self.show(session)?;
        }
        loop {
            tokio::select! {
                biased;
                _ = stop.wait() => return if args.once { self.show(session) } else { Ok(()) },
                key = Screen::key(&mut self.screen) => {
                    if let Some(screen) = &mut self.screen
                        && screen.press(key).map_err(Failure::stdout)? == Next::End
                    {
                        return Ok(());
                    }
                }
                _ = ticks.tick(), if is_timed => {
                    self.show(session)?;
                    if args.once {
                        return Ok(());
                    }
                }
                came = self.feed.next(), if !self.is_over => match came {
                    Some(came) => self.take(session, came),
                    None => {
                        self.is_over = true;
                        self.show(session)?;
                        // A screen with nothing on it would hide why.
                        let has_failed = self.meter.counts.frames == 0 && !self.faults.is_empty();
                        if self.screen.is_none() || has_failed {
                            return Ok(());
                        }
                    }
                },
            }
        }
    }

    fn take(&mut self, session: &Session, came: Came) {
        let arrival = match came {
            Came::Arrival(arrival) => arrival,
            Came::Made(payloads) => {
                for payload in payloads {
                    self.meter.handle_frame(None, &payload);
                }
                return;
            }
        };
        match arrival {
            Arrival::Parcel(parcel) => {
                self.meter.handle_run(&parcel.source, &parcel.run, now());
                // It is counted: that is all we do with it.
                parcel.ticket.confirm();
            }
            Arrival::Ended { source, end } => {
                self.meter.handle_end(&source, Some(end));
                if let Source::File(name) = &source
                    && let Err(failure) = check_end(name, end)
                {
                    self.faults.push((failure, true));
                }
            }
            Arrival::Broken { source, error } => {
                self.meter.handle_end(&source, None);
                self.remark(session, format!("{source}: {error}"));
            }
            Arrival::Failed(failure) => {
                self.remark(session, failure.message());
                self.faults.push((failure, false));
            }
            Arrival::Told(remark) => {
                if let Some(peer) = remark.oversize {
                    self.meter.handle_oversize(peer);
                }
                self.remark(session, remark.to_string());
            }
        }
    }

    /// On the screen, or where remarks go without one.
    fn remark(&mut self, session: &Session, text: String) {
        match &mut self.screen {
            Some(screen) => screen.remark(text),
            None => session.output.notice(text),
        }
    }

    /// Shows the figures of this moment.
    fn show(&mut self, session: &mut Session) -> Result {
        let (elapsed, at) = match self.feed.made_until() {
            Some((elapsed, at)) => (elapsed, Some(at)),
            None if self.feed.clock() == Clock::Messages => (self.begun.elapsed(), None),
            None => (self.begun.elapsed(), Some(now())),
        };
        let figures = self.meter.figures(elapsed, at, self.feed.stats().as_ref());
        match &mut self.screen {
            Some(screen) => screen.show(figures).map_err(Failure::stdout),
            None => {
                session.output.either(&figures, table)?;
                session.output.flush()
            }
        }
    }
}

/// With an empty line between tables.
fn table(figures: &Figures) -> String {
    table::text(figures) + "\n"
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp {
        sec: since.as_secs(),
        nsec: since.subsec_nanos(),
    }
}
