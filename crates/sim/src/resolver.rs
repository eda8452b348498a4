//! A DNS resolver's dnstap: a recorded capture, and made-up traffic that a seed decides.

mod dns;
mod exchange;

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BinaryHeap;
use std::vec::Vec;

use dnstap_codec::CONTENT_TYPE;
use fstrm_codec::ContentType;
use fstrm_codec::FileWriter;
use fstrm_codec::file::WriteError;

use self::exchange::Exchange;
use crate::random::Random;

/// 20 dnstap messages in Frame Streams, recorded from unbound 1.17.1 while it answered local queries.
pub const CAPTURE: &[u8] = include_bytes!("../data/unbound.fstrm");

/// 2026-01-01 00:00:00 UTC, when the made-up traffic begins.
const START: Duration = Duration::from_secs(1_767_225_600);

/// Made-up traffic of a resolver, in the order of time: payloads of Frame Streams data frames.
///
/// Clients ask over IPv4 and IPv6, mostly over UDP, for a few names often and for many seldom. A fifth of
/// their questions goes on to an authoritative server, whose answer takes its time; the rest is answered at
/// once. Some names do not exist, some servers fail.
///
/// ```
/// use tinwire_sim::resolver::Resolver;
///
/// let first: Vec<_> = Resolver::seeded(7).take(4).collect();
/// let again: Vec<_> = Resolver::seeded(7).take(4).collect();
/// assert_eq!(first, again, "the same seed, the same traffic");
/// ```
#[derive(Clone, Debug)]
pub struct Resolver {
    random: Random,
    /// When the next client asks, since 1970.
    now: Duration,
    gap: Duration,
    /// Messages that are not given out yet, the earliest first.
    due: BinaryHeap<Reverse<Due>>,
    /// Messages made so far: those of one moment keep their order.
    made: u64,
}

/// A message and when it is seen, since 1970.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Duration,
    number: u64,
    payload: Vec<u8>,
}

impl Resolver {
    /// Traffic of 1,000 client queries per second, from the beginning of 2026 on.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self {
            random: Random::seeded(seed),
            now: START,
            gap: Duration::from_millis(1),
            due: BinaryHeap::new(),
            made: 0,
        }
    }

    /// Sets the mean time between two client queries. Default 1 ms.
    #[must_use]
    pub fn gap(self, gap: Duration) -> Self {
        Self { gap, ..self }
    }

    /// Sets when the traffic begins, since 1970. Default the first moment of 2026.
    #[must_use]
    pub fn start(self, start: Duration) -> Self {
        Self { now: start, ..self }
    }

    /// When the next message is seen, since 1970.
    #[must_use]
    pub fn next_time(&mut self) -> Duration {
        self.fill();
        self.due.peek().map_or(self.now, |Reverse(due)| due.at)
    }

    /// The next `count` messages as a capture file, from START to STOP.
    ///
    /// # Errors
    /// Never for made-up messages; the error is the writer's.
    pub fn capture(&mut self, count: usize) -> Result<Vec<u8>, WriteError> {
        let content_type = ContentType::from_static(CONTENT_TYPE);
        let mut writer = FileWriter::new(Vec::new(), content_type.as_ref())?;
        for payload in self.take(count) {
            writer.write_frame(&payload)?;
        }
        writer.finish()
    }

    /// Lets clients ask until the earliest message is known.
    fn fill(&mut self) {
        while self.due.peek().is_none_or(|Reverse(due)| due.at > self.now) {
            let exchange = Exchange::new(&mut self.random);
            let (due, made) = (&mut self.due, &mut self.made);
            exchange.play(self.now, |at, payload| {
                due.push(Reverse(Due {
                    at,
                    number: *made,
                    payload,
                }));
                *made += 1;
            });
            self.now += self.random.spread(self.gap);
        }
    }
}

/// Never ends.
impl Iterator for Resolver {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.fill();
        self.due.pop().map(|Reverse(due)| due.payload)
    }
}

#[cfg(test)]
mod tests;
