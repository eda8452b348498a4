//! What the table, the screen and the JSON line show.

use core::time::Duration;

use dnstap_codec::stats::{Count, Snapshot, Top};
use serde::Serialize;

/// Most rows of latencies.
const RANGES: usize = 12;

/// The figures of one moment.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) r#type: &'static str,
    /// Where the messages come from.
    pub(super) from: String,
    /// Since the beginning; of files, from the first message to the last.
    pub(super) seconds: f64,
    pub(super) rates: Rates,
    /// Messages for which `--where` does not hold.
    pub(super) passed_over: u64,
    /// Frames that were lost on their way to us, of all streams.
    pub(super) dropped: u64,
    /// What has come over sockets and is not counted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queue: Option<Queue>,
    pub(super) streams: Vec<Stream>,
    #[serde(flatten)]
    pub(super) snapshot: Snapshot,
}

/// In a second, over the last interval; of files, over all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Rates {
    pub(super) queries: f64,
    pub(super) responses: f64,
    pub(super) frames: f64,
    pub(super) bytes: f64,
}

/// How full a queue is.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Queue {
    pub(super) bytes: u64,
    pub(super) limit: u64,
}

/// One file or connection.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) is_open: bool,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) frames_per_second: f64,
    pub(super) bytes_per_second: f64,
    /// Frames cut at its end, or over the limit.
    pub(super) dropped: u64,
}

/// One of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) count: u64,
    /// By how much the count may be too large.
    pub(super) error: u64,
}

impl From<&Count> for Row {
    fn from(count: &Count) -> Self {
        Self {
            what: count.name.clone(),
            count: count.count,
            error: 0,
        }
    }
}

impl From<&Top> for Row {
    fn from(top: &Top) -> Self {
        Self {
            what: top.name.clone(),
            count: top.count,
            error: top.error,
        }
    }
}

/// Rows under a heading.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) heading: String,
    pub(super) rows: Vec<Row>,
    /// How many there are of all, also of those that have no row.
    pub(super) all: u64,
}

impl List {
    fn new<'a, T: 'a>(heading: &str, rows: &'a [T], all: u64) -> Self
    where
        Row: From<&'a T>,
    {
        Self {
            heading: heading.to_owned(),
            rows: rows.iter().map(Row::from).collect(),
            all,
        }
    }

    /// The longest bar's count.
    pub(super) fn most(&self) -> u64 {
        self.rows.iter().map(|row| row.count).max().unwrap_or(0)
    }

    /// By name instead of by count.
    #[cfg(feature = "tui")]
    pub(super) fn by_name(mut self) -> Self {
        self.rows.sort_by(|a, b| a.what.cmp(&b.what));
        self
    }
}

/// All lists, as they are shown side by side.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    pub(super) codes: [List; 2],
    pub(super) times: [List; 2],
    pub(super) names: [List; 2],
}

impl Figures {
    pub(super) fn lists(&self) -> Lists {
        let snapshot = &self.snapshot;
        let exchanges = snapshot.qtypes.iter().map(|count| count.count).sum();
        Lists {
            codes: [
                List::new("RCODE", &snapshot.rcodes, snapshot.responses),
                List::new("QTYPE", &snapshot.qtypes, exchanges),
            ],
            times: [
                List::new("KIND", &snapshot.kinds, snapshot.messages),
                List {
                    heading: latency(snapshot),
                    rows: ranges(&snapshot.latency_steps_ns),
                    all: snapshot.latencies,
                },
            ],
            names: [
                List::new("NAME", &snapshot.names, exchanges),
                List::new("CLIENT", &snapshot.clients, exchanges),
            ],
        }
    }

    /// The line on top: where from, and rates.
    pub(super) fn headline(&self) -> String {
        let Rates {
            queries,
            responses,
            frames,
            bytes,
        } = self.rates;
        format!(
            "{}  {}  {} q/s  {} r/s  {} frames/s  {}B/s",
            self.from,
            clock(self.seconds),
            rate(queries),
            rate(responses),
            rate(frames),
            short(bytes),
        )
    }

    /// What was lost; always shown.
    pub(super) fn losses(&self) -> String {
        let queue = self.queue.map_or_else(String::new, |queue| {
            format!("  queue {}", percent(queue.bytes, queue.limit))
        });
        let passed_over = match self.passed_over {
            0 => String::new(),
            count => format!("  passed over {count}"),
        };
        let Snapshot {
            queries,
            responses,
            unreadable,
            ..
        } = &self.snapshot;
        let lost = format!("dropped {}  not understood {unreadable}{queue}", self.dropped);
        format!("{lost}  queries {queries}  responses {responses}{passed_over}")
    }

    /// Whether something is missing from the counts.
    #[cfg(feature = "tui")]
    pub(super) const fn is_lossy(&self) -> bool {
        self.dropped > 0 || self.snapshot.unreadable > 0
    }
}

impl Stream {
    /// Its line, under [`STREAMS`].
    pub(super) fn line(&self) -> String {
        let state = if self.is_open { "" } else { "  ended" };
        format!(
            "{:<32} {:>11} {:>10} {:>9} {:>9}{state}",
            self.name,
            self.frames,
            rate(self.frames_per_second),
            short(self.bytes_per_second),
            self.dropped,
        )
    }
}

/// The heading of streams.
pub(super) const STREAMS: &str =
    "STREAM                                FRAMES   FRAMES/S   BYTES/S   DROPPED";

/// The heading of latencies.
fn latency(snapshot: &Snapshot) -> String {
    let shown = |nanos: Option<u64>| nanos.map_or_else(|| "-".to_owned(), time);
    let [p50, p90, p99, _] = snapshot.latency_quantiles_ns.map(shown);
    let max = shown(snapshot.latency_max_ns);
    format!("LATENCY p50 {p50} p90 {p90} p99 {p99} max {max}")
}

/// Steps folded into ranges, each twice as long as the one before; the shortest ones into one.
fn ranges(steps: &[(u64, u64)]) -> Vec<Row> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for (end, count) in steps {
        let end = end.checked_next_power_of_two().unwrap_or(u64::MAX);
        match ranges.last_mut() {
            Some(last) if last.0 == end => last.1 += count,
            _ => ranges.push((end, *count)),
        }
    }
    let folded = ranges.len().saturating_sub(RANGES);
    let below: u64 = ranges.drain(..folded).map(|(_, count)| count).sum();
    if let Some(first) = ranges.first_mut() {
        first.1 += below;
    }
    let row = |(end, count): (u64, u64)| Row {
        what: format!("up to {}", time(end)),
        count,
        error: 0,
    };
    ranges.into_iter().map(row).collect()
}

/// Hours, minutes and seconds, or seconds with a decimal.
fn clock(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
}

/// With as many decimals as tell something.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        0.0 => "0".to_owned(),
        ..10.0 => format!("{per_second:.2}"),
        ..100.0 => format!("{per_second:.1}"),
        _ => format!("{per_second:.0}"),
    }
}

/// With a prefix; what follows is the unit.
fn short(number: f64) -> String {
    match number {
        ..1e3 => format!("{number:.0} "),
        ..1e6 => format!("{:.1} k", number / 1e3),
        ..1e9 => format!("{:.1} M", number / 1e6),
        _ => format!("{:.1} G", number / 1e9),
    }
}

/// Nanoseconds, in the unit that fits.
fn time(nanos: u64) -> String {
    let micros = nanos / 1_000;
    match micros {
        0 => format!("{nanos} ns"),
        1..1_000 => format!("{micros} us"),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros / 100 % 10),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
    }
}

/// A bar of up to `width` letters; its end in eighths.
pub(super) fn bar(count: u64, most: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let most = u128::from(most.max(1));
    let eighths = u128::from(count) * u128::try_from(width).unwrap_or(0) * 8 / most;
    let full = usize::try_from(eighths / 8).unwrap_or(width);
    let rest = usize::try_from(eighths % 8).unwrap_or(0);
    let rest = EIGHTHS.get(rest).copied().unwrap_or_default();
    match "█".repeat(full.min(width)) + rest {
        // Something is not nothing.
        bar if bar.is_empty() && count > 0 && width > 0 => "▏".to_owned(),
        bar => bar,
    }
}

/// A share of all, in percent.
pub(super) fn percent(count: u64, all: u64) -> String {
    let tenths = u128::from(count) * 1000 / u128::from(all.max(1));
    format!("{}.{}%", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share_and_never_nothing_for_something() {
        assert_eq!(bar(10, 10, 4), "████");
        assert_eq!(bar(5, 10, 4), "██");
        assert_eq!(bar(1, 16, 4), "▎");
        assert_eq!(bar(1, 1_000_000, 4), "▏");
        assert_eq!(bar(0, 10, 4), "");
        assert_eq!(bar(u64::MAX, u64::MAX, 4), "████");
        assert_eq!(bar(1, 1, 0), "");
    }

    #[test]
    fn times_and_rates_have_the_digits_that_tell_something() {
        assert_eq!(
            [999, 999_000, 1_000_000, 9_950_000, 42_123_000, 1_500_000_000].map(time),
            ["999 ns", "999 us", "1.0 ms", "9.9 ms", "42 ms", "1.5 s"]
        );
        assert_eq!(
            [0.0, 1.234, 12.34, 4999.6].map(rate),
            ["0", "1.23", "12.3", "5000"]
        );
        assert_eq!([12.0, 1_234.0, 2.5e6].map(short), ["12 ", "1.2 k", "2.5 M"]);
        assert_eq!([1.25, 3_661.0].map(clock), ["1.2 s", "1:01:01"]);
        assert_eq!(percent(1, 3), "33.3%");
    }

    #[test]
    fn ranges_double_and_the_shortest_are_folded_without_loss() {
        let steps: Vec<(u64, u64)> = (0..20).map(|power| (1 << power, 1)).collect();
        let rows = ranges(&steps);
        assert_eq!(rows.len(), RANGES);
        assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), 20);
        assert_eq!((rows[0].count, &*rows[0].what), (9, "up to 256 ns"));
        let rows = ranges(&[(1100, 2), (1900, 3), (2100, 4)]);
        let counts: Vec<_> = rows.iter().map(|row| row.count).collect();
        assert_eq!(counts, [5, 4]);
    }
}
