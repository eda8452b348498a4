//! Where the messages come from: files and streams, or a resolver that is made up.

use core::time::Duration;

use dnstap_codec::Timestamp;
use fstrm_codec::collector;
use fstrm_codec::endpoint::{Direction, Endpoint};
use tinwire_sim::resolver::Resolver;
use tokio::time::{Instant, sleep_until};

use super::meter::Clock;
use crate::args::dnstap::Top;
use crate::cmd::dnstap::cat::of_dnstap;
use crate::cmd::streams::{self, Arrival, Inputs, Redial, Settings};
use crate::failure::{Code, Failure, Result};
use crate::stop::Stop;

/// The word for the made-up resolver.
const SIM: &str = "sim:";
/// Between two of its queries: 5,000 a second.
const GAP: Duration = Duration::from_micros(200);
/// When its traffic begins, since 1970: the beginning of 2026.
const START: Duration = Duration::from_secs(1_767_225_600);
/// How much of it is made at a time.
const SLICE: Duration = Duration::from_millis(50);

/// What came.
#[derive(Debug)]
pub(super) enum Came {
    Arrival(Arrival),
    /// Payloads, by their own times.
    Made(Vec<Vec<u8>>),
}

/// Where from.
#[derive(Debug)]
pub(super) enum Feed {
    /// Files, read to their end.
    Files(Inputs),
    /// Something live among them.
    Live(Inputs),
    Made(Box<Made>),
}

/// The resolver's traffic, made as time passes.
#[derive(Debug)]
pub(super) struct Made {
    resolver: Resolver,
    /// When time begins to pass; without it, nobody waits.
    begun: Option<Instant>,
    /// How much was made.
    until: Duration,
    /// How much is made in all; without it, it never ends.
    end: Option<Duration>,
}

impl Feed {
    pub(super) async fn open(args: &Top, stop: &Stop) -> Result<Self> {
        if args.from.iter().any(|word| word == SIM) {
            if args.from.len() > 1 {
                return Err(Failure::new(Code::Usage, "sim: stands alone"));
            }
            return Ok(Self::Made(Box::new(Made {
                resolver: Resolver::seeded(args.seed).gap(GAP).start(START),
                begun: (!args.once).then(Instant::now),
                until: Duration::ZERO,
                end: args.once.then_some(args.interval),
            })));
        }
        let from: Vec<Endpoint> = args
            .from
            .iter()
            .map(|word| streams::endpoint(word))
            .collect::<Result<_>>()?;
        let settings = Settings::new(&of_dnstap(args.streams.clone()), &from, &[])?
            .redial(Redial::Always)
            .reload_at_hangups(stop);
        let inputs = Inputs::open(&from, &settings).await?;
        let is_live = from
            .iter()
            .any(|endpoint| endpoint.direction_or(Direction::Listen).is_some());
        Ok(if is_live {
            Self::Live(inputs)
        } else {
            Self::Files(inputs)
        })
    }

    /// Whether it has no end of its own.
    pub(super) const fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    /// Whose time counts.
    pub(super) const fn clock(&self) -> Clock {
        match self {
            Self::Files(_) => Clock::Messages,
            Self::Live(_) | Self::Made(_) => Clock::Ours,
        }
    }

    /// Where we listen.
    pub(super) fn listening(&self) -> &[Endpoint] {
        match self {
            Self::Files(inputs) | Self::Live(inputs) => inputs.listening(),
            Self::Made(_) => &[],
        }
    }

    /// The counters of the sockets.
    pub(super) fn stats(&self) -> Option<collector::Stats> {
        match self {
            Self::Files(inputs) | Self::Live(inputs) => inputs.watch().map(|watch| watch.stats()),
            Self::Made(_) => None,
        }
    }

    /// How much time was made, and when that is.
    pub(super) fn made_until(&self) -> Option<(Duration, Timestamp)> {
        let Self::Made(made) = self else { return None };
        let at = START + made.until;
        let at = Timestamp {
            sec: at.as_secs(),
            nsec: at.subsec_nanos(),
        };
        Some((made.until, at))
    }

    /// What comes next; `None` when nothing will. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<Came> {
        match self {
            Self::Files(inputs) | Self::Live(inputs) => inputs.next().await.map(Came::Arrival),
            Self::Made(made) => made.next().await.map(Came::Made),
        }
    }

    pub(super) async fn close(self) -> Option<collector::Stats> {
        match self {
            Self::Files(inputs) | Self::Live(inputs) => inputs.close().await,
            Self::Made(_) => None,
        }
    }
}

impl Made {
    async fn next(&mut self) -> Option<Vec<Vec<u8>>> {
        let until = match self.end {
            Some(end) if self.until >= end => return None,
            Some(end) => end.min(self.until + SLICE),
            None => self.until + SLICE,
        };
        if let Some(begun) = self.begun {
            sleep_until(begun + until).await;
        }
        self.until = until;
        let mut payloads = Vec::new();
        while self.resolver.next_time() < START + until {
            payloads.extend(self.resolver.next());
        }
        Some(payloads)
    }
}
