//! Packets in time, and how many of them went: what `cbr` and `perf` have in common.

use core::time::Duration;

use flow_core::{FlowWriter, WriteError};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::args::flow::load::Packets;

/// Packets after which others have their turn.
const TURN: u64 = 64;

/// When packets go out.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Duration,
    next: Instant,
    spins: bool,
}

impl Pace {
    /// Packets of `size` bytes at a rate of bits per second, or one right after the other.
    pub(super) fn new(packets: &Packets, size: u32, floods: bool) -> Self {
        let gap = f64::from(size) * 8.0 / packets.rate;
        Self {
            gap: if floods {
                Duration::ZERO
            } else {
                Duration::try_from_secs_f64(gap).unwrap_or(Duration::MAX)
            },
            next: Instant::now(),
            spins: packets.spin,
        }
    }

    /// Waits until it is time; whoever is late goes at once, so the rate is kept.
    async fn wait(&mut self) {
        if self.gap.is_zero() {
            return;
        }
        if self.spins {
            while Instant::now() < self.next {
                core::hint::spin_loop();
            }
        } else if Instant::now() < self.next {
            sleep_until(self.next).await;
        }
        self.next = self.next.checked_add(self.gap).unwrap_or(self.next);
    }
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// Sends packets of `size` bytes, numbered from 0 in their first bytes, until it is time to end. What was
/// sent stands in `sent` whenever the future is dropped.
pub(super) async fn send(
    writer: &mut FlowWriter,
    size: u32,
    pace: &mut Pace,
    until: Instant,
    sent: &mut Sent,
) -> Result<(), WriteError> {
    let len = usize::try_from(size).unwrap_or(usize::MAX);
    while Instant::now() < until {
        if pace.next > until && !pace.gap.is_zero() {
            sleep_until(until).await;
            return Ok(());
        }
        pace.wait().await;
        let mut packet = sent.packets.to_le_bytes().to_vec();
        packet.resize(len, 0);
        tokio::select! {
            written = writer.write(packet) => written?,
            () = sleep_until(until) => return Ok(()), // nobody made room
        }
        sent.packets += 1;
        sent.bytes += u64::from(size);
        if sent.packets.is_multiple_of(TURN) {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// Packets of a flow within some time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Report {
    r#type: &'static str,
    flow: u64,
    packets: u64,
    bytes: u64,
    ms: u64,
    pps: f64,
    mbps: f64,
}

impl Report {
    pub(super) fn new(flow: u64, packets: u64, bytes: u64, time: Duration) -> Self {
        Self {
            r#type: "interval",
            flow,
            packets,
            bytes,
            ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            pps: rate(packets, time),
            mbps: megabits(bytes, time),
        }
    }

    /// As ocbr writes it.
    pub(super) fn text(&self) -> String {
        let Self {
            flow,
            packets,
            bytes,
            ms,
            pps,
            mbps,
            ..
        } = self;
        format!(
            "Flow {flow:4}: {packets:9} packets ({bytes:12} bytes) in {ms:9} ms \
             => {pps:9.4} pps, {mbps:9.4} Mbps"
        )
    }
}

/// So many in a second.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn rate(count: u64, time: Duration) -> f64 {
    if time.is_zero() {
        return 0.0;
    }
    count as f64 / time.as_secs_f64()
}

/// Megabits in a second.
pub(super) fn megabits(bytes: u64, time: Duration) -> f64 {
    rate(bytes, time) * 8e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_ocbrs_columns() {
        let report = Report::new(7, 1_000, 1_000_000, Duration::from_secs(2));
        assert_eq!(
            report.text(),
            "Flow    7:      1000 packets (     1000000 bytes) in      2000 ms \
             =>  500.0000 pps,    4.0000 Mbps"
        );
        assert_eq!(megabits(5, Duration::ZERO).to_bits(), 0.0f64.to_bits());
    }
}
