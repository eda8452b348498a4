//! What was measured, in words and in JSON.

use core::time::Duration;
use std::time::SystemTime;

use can_link::virtual_bus::BitRate;
use serde::Serialize;

use super::gaps::{Gaps, Kept};
use super::meter::{FrameKind, Measured, Pair, Shown};
use crate::cmd::histogram::Range;
use crate::output::timestamp;
use crate::units;

/// One message.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    r#type: &'static str,
    ts: String,
    link: &'a str,
    len: u32,
    frames: u64,
    fd: bool,
    can_dl: usize,
    bs: u8,
    st_min: String,
    duration_us: u64,
    bytes_per_s: Option<u64>,
    /// How much of the bus the frames took while it lasted, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    efficiency: Option<f64>,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Bytes a second, where there is a time.
fn rate(bytes: u64, time: Duration) -> Option<u64> {
    bytes.saturating_mul(1_000_000).checked_div(micros(time))
}

/// A share with three decimals.
fn share(part: Duration, whole: Duration) -> Option<f64> {
    let per_mille = micros(part).saturating_mul(1000).checked_div(micros(whole))?;
    Some(f64::from(u32::try_from(per_mille).ok()?) / 1000.0)
}

impl<'a> Line<'a> {
    pub(super) fn of(link: &'a str, time: SystemTime, measured: &Measured) -> Self {
        let FrameKind { is_fd, can_dl, .. } = measured.frame;
        Self {
            r#type: "transfer",
            ts: timestamp(time),
            link,
            len: measured.len,
            frames: measured.frames,
            fd: is_fd,
            can_dl,
            bs: measured.block_size,
            st_min: format!("{:02X}", measured.st_min_bits),
            duration_us: micros(measured.took),
            bytes_per_s: rate(measured.len.into(), measured.took),
            efficiency: measured.frames_take.and_then(|take| share(take, measured.took)),
        }
    }

    pub(super) fn text(&self) -> String {
        let speed = self
            .bytes_per_s
            .map_or_else(String::new, |rate| format!(", {rate} B/s"));
        let share = self.efficiency.map_or_else(String::new, |share| {
            format!(", {:.1} % of the bus", share * 100.0)
        });
        format!(
            "{}  {} in {} frames, {}{speed}{share}; BS {}, STmin {}",
            self.link,
            units::counted(self.len.into(), "byte"),
            self.frames,
            units::shown(Duration::from_micros(self.duration_us)),
            self.bs,
            self.st_min,
        )
    }
}

/// All messages.
#[derive(Debug)]
pub(super) struct Report {
    pair: Pair,
    bit_rate: Option<BitRate>,
    messages: u64,
    /// Messages that were seen to break off.
    broken: u64,
    /// Messages of ours that failed, by kind.
    pub(super) failed_to_send: usize,
    bytes: u64,
    took: Duration,
    frames_take: Duration,
    must_take: Duration,
    gaps: Gaps,
    pub(super) dropped: u64,
}

impl Report {
    pub(super) fn new(pair: Pair, bit_rate: Option<BitRate>) -> Self {
        Self {
            pair,
            bit_rate,
            messages: 0,
            broken: 0,
            failed_to_send: 0,
            bytes: 0,
            took: Duration::ZERO,
            frames_take: Duration::ZERO,
            must_take: Duration::ZERO,
            gaps: Gaps::default(),
            dropped: 0,
        }
    }

    pub(super) const fn pair(&self) -> Pair {
        self.pair
    }

    pub(super) const fn messages(&self) -> u64 {
        self.messages
    }

    pub(super) const fn broke_off(&mut self) {
        self.broken += 1;
    }

    pub(super) fn take(&mut self, shown: &Shown) {
        self.broken += u64::from(shown.failed);
        if let Some(gap) = shown.gap {
            self.gaps.add(gap);
        }
        if let Some(measured) = &shown.measured {
            self.messages += 1;
            self.bytes += u64::from(measured.len);
            self.took += measured.took;
            self.frames_take += measured.frames_take.unwrap_or_default();
            self.must_take += measured.must_take.unwrap_or_default();
        }
    }

    /// What is not as it should be.
    pub(super) fn complaint(&self) -> Option<String> {
        if self.messages == 0 {
            return Some("no message was seen".into());
        }
        // With frames lost on the way to us, what seems to break off may have been whole.
        let broken = if self.dropped == 0 { self.broken } else { 0 };
        let shorter = self.gaps.shorter();
        match (shorter, broken, self.failed_to_send) {
            (0, 0, 0) => None,
            (0, ..) => Some(format!("{} failed", units::counted(broken.max(1), "message"))),
            (shorter, ..) => {
                let gaps = units::counted(shorter, "gap");
                Some(format!(
                    "{gaps} shorter than the separation time that was asked for"
                ))
            }
        }
    }

    /// Bytes a second at most: of the frames back to back, and with the gaps that were asked for.
    fn limits(&self) -> Option<(u64, u64)> {
        self.bit_rate?;
        rate(self.bytes, self.frames_take).zip(rate(self.bytes, self.must_take))
    }

    pub(super) fn text(&self) -> Vec<String> {
        let [source, destination] = [self.pair.source.0, self.pair.destination.0].map(units::id_text);
        let messages = units::counted(self.messages, "message");
        let mut lines = vec![format!(
            "{source} -> {destination}: {messages}, {}, {} broke off, {} dropped",
            units::counted(self.bytes, "byte"),
            self.broken,
            units::counted(self.dropped, "frame"),
        )];
        if let Some(speed) = rate(self.bytes, self.took) {
            let mut line = format!("throughput  {speed} B/s");
            if let Some(((most, allowed), bit_rate)) = self.limits().zip(self.bit_rate) {
                let of = |limit: u64| percent(speed, limit);
                line.push_str(&format!(
                    "; {} of {most} B/s that the frames take at {}",
                    of(most),
                    bit_rate_text(bit_rate)
                ));
                if allowed < most {
                    line.push_str(&format!(
                        ", {} of {allowed} B/s with the gaps asked for",
                        of(allowed)
                    ));
                }
            }
            lines.push(line);
        }
        if let (true, Some(bit_rate)) = (self.frames_take > self.took, self.bit_rate) {
            let rate = bit_rate_text(bit_rate);
            lines.push(format!(
                "            faster than {rate} can be: is --bitrate right?"
            ));
        }
        if self.dropped > 0 {
            lines.push(
                "            frames were lost on the way to the meter: not all could be measured".into(),
            );
        }
        for (asked, kept) in self.gaps.iter() {
            lines.extend(gap_text(asked.gap(), kept));
        }
        lines
    }

    pub(super) fn record(&self) -> Record {
        let [source, destination] = [self.pair.source.0, self.pair.destination.0].map(units::id_text);
        let limits = self.limits();
        Record {
            r#type: "report",
            source,
            destination,
            messages: self.messages,
            broken: self.broken,
            bytes: self.bytes,
            duration_us: micros(self.took),
            bytes_per_s: rate(self.bytes, self.took),
            bitrate: self.bit_rate.map(BitRate::nominal),
            data_bitrate: self.bit_rate.map(BitRate::data),
            max_bytes_per_s: limits.map(|(most, _)| most),
            allowed_bytes_per_s: limits.map(|(_, allowed)| allowed),
            efficiency: self.bit_rate.and_then(|_| share(self.frames_take, self.took)),
            gaps: self
                .gaps
                .iter()
                .map(|(asked, kept)| GapRecord::of(asked.to_bits(), asked.gap(), kept))
                .collect(),
            dropped: self.dropped,
        }
    }
}

fn percent(part: u64, whole: u64) -> String {
    let tenths = part.saturating_mul(1000).checked_div(whole).unwrap_or_default();
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn bit_rate_text(rate: BitRate) -> String {
    if rate.nominal() == rate.data() {
        format!("{} bit/s", rate.nominal())
    } else {
        format!("{} and {} bit/s", rate.nominal(), rate.data())
    }
}

fn gap_text(asked: Duration, kept: &Kept) -> Vec<String> {
    let shown = |micros: u64| units::shown(Duration::from_micros(micros));
    let histogram = &kept.histogram;
    let worst = match kept.shorter {
        0 => String::new(),
        _ => format!(" (by up to {})", shown(kept.worst)),
    };
    let mut lines = vec![
        format!(
            "gaps        {} with STmin {}: {} shorter{worst}",
            histogram.count(),
            units::shown(asked),
            kept.shorter
        ),
        format!(
            "            min {}, median {}, 99 % {}, max {}",
            shown(histogram.min()),
            shown(histogram.per_mille(500)),
            shown(histogram.per_mille(990)),
            shown(histogram.max())
        ),
    ];
    lines.extend(histogram.bars());
    lines
}

/// The closing line of `--json`.
#[derive(Serialize)]
pub(super) struct Record {
    r#type: &'static str,
    source: String,
    destination: String,
    messages: u64,
    broken: u64,
    bytes: u64,
    duration_us: u64,
    bytes_per_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bitrate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_bitrate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes_per_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_bytes_per_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    efficiency: Option<f64>,
    gaps: Vec<GapRecord>,
    dropped: u64,
}

#[derive(Serialize)]
struct GapRecord {
    st_min: String,
    st_min_us: u64,
    count: u64,
    shorter: u64,
    shorter_by_us: u64,
    min_us: u64,
    median_us: u64,
    p99_us: u64,
    max_us: u64,
    histogram: Vec<Range>,
}

impl GapRecord {
    fn of(bits: u8, asked: Duration, kept: &Kept) -> Self {
        let histogram = &kept.histogram;
        Self {
            st_min: format!("{bits:02X}"),
            st_min_us: micros(asked),
            count: histogram.count(),
            shorter: kept.shorter,
            shorter_by_us: kept.worst,
            min_us: histogram.min(),
            median_us: histogram.per_mille(500),
            p99_us: histogram.per_mille(990),
            max_us: histogram.max(),
            histogram: histogram.ranges(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let id = |text| units::can_id(text).unwrap();
        Report::new(
            Pair {
                source: (id("7E0"), None),
                destination: (id("7E8"), None),
            },
            None,
        )
    }

    #[test]
    fn what_the_meter_missed_is_not_held_against_the_messages() {
        let mut report = report();
        assert_eq!(report.complaint().unwrap(), "no message was seen");
        report.messages = 3;
        assert_eq!(report.complaint(), None);
        report.broke_off();
        assert_eq!(report.complaint().unwrap(), "1 message failed");
        report.dropped = 20;
        assert_eq!(report.complaint(), None);
        assert!(report.text().join("\n").contains("lost on the way to the meter"));
    }

    #[test]
    fn rates_and_shares_have_no_value_without_a_time() {
        assert_eq!(rate(100, Duration::ZERO), None);
        assert_eq!(rate(100, Duration::from_millis(10)), Some(10_000));
        assert_eq!(
            share(Duration::from_millis(1), Duration::from_millis(3)),
            Some(0.333)
        );
        assert_eq!(percent(1, 3), "33.3 %");
    }
}
