//! What came back, in figures.

use core::time::Duration;
use std::collections::BTreeMap;

use csp_core::Address;
use csp_core::rt::Status;
use serde::Serialize;

use super::super::drops;
use crate::cmd::histogram::Range;
use crate::cmd::rtt::{self, Rtt};

/// Counts of one run.
#[derive(Debug)]
pub(super) struct Tally {
    node: Address,
    is_simulated: bool,
    pub(super) pings: rtt::Tally,
    /// Requests that somebody answered; a broadcast has more replies than that.
    answered: u64,
    pub(super) garbled: u64,
    pub(super) duplicates: u64,
    pub(super) late: u64,
    /// What our own node dropped.
    dropped: u64,
    reasons: BTreeMap<String, u64>,
}

/// The closing line.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    r#type: &'static str,
    node: u16,
    sent: u64,
    received: u64,
    /// Share of requests without a reply, 0 to 1.
    loss: f64,
    duplicates: u64,
    /// Replies to requests that count as lost.
    late: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_us: Option<Rtt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    histogram: Option<Vec<Range>>,
    /// Packets that our own node dropped.
    dropped: u64,
    dropped_by: &'a BTreeMap<String, u64>,
    sim: bool,
}

impl Tally {
    pub(super) fn new(node: Address, is_simulated: bool) -> Self {
        Self {
            node,
            is_simulated,
            pings: rtt::Tally::default(),
            answered: 0,
            garbled: 0,
            duplicates: 0,
            late: 0,
            dropped: 0,
            reasons: BTreeMap::new(),
        }
    }

    pub(super) const fn node(&self) -> Address {
        self.node
    }

    /// A reply came, the `first` to its request or another node's.
    pub(super) fn receive(&mut self, rtt: Duration, first: bool) {
        self.pings.receive(rtt);
        self.answered += u64::from(first);
    }

    pub(super) const fn answered(&self) -> u64 {
        self.answered
    }

    /// Share of requests that nobody answered, 0 to 1.
    pub(super) fn loss(&self) -> f64 {
        rtt::share_missing(self.pings.sent, self.answered)
    }

    pub(super) fn take_status(&mut self, status: &Status) {
        self.dropped = status.stats.dropped;
        self.reasons = drops::reasons(status);
    }

    pub(super) fn summary(&self, with_histogram: bool) -> Summary<'_> {
        Summary {
            r#type: "summary",
            node: self.node.to_bits(),
            sent: self.pings.sent,
            received: self.pings.received(),
            loss: self.loss(),
            duplicates: self.duplicates,
            late: self.late,
            rtt_us: self.pings.rtt(),
            histogram: with_histogram.then(|| self.pings.times().ranges()),
            dropped: self.dropped,
            dropped_by: &self.reasons,
            sim: self.is_simulated,
        }
    }
}

pub(super) fn text(summary: &Summary<'_>) -> String {
    let Summary {
        node,
        sent,
        received,
        loss,
        duplicates,
        late,
        ..
    } = summary;
    let mut text = format!(
        "--- node {node}: {sent} sent, {received} received, {:.0}% loss",
        loss * 100.0
    );
    for (count, what) in [(duplicates, "duplicates"), (late, "late")] {
        if *count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text.push_str(", ");
    text.push_str(&drops::text(summary.dropped, summary.dropped_by));
    if let Some(rtt) = summary.rtt_us {
        text.push_str(&format!("\n{rtt}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(sent: u64, rtts: &[u64]) -> Tally {
        let mut tally = Tally::new(Address::new(5).unwrap(), true);
        tally.pings.sent = sent;
        for &rtt in rtts {
            tally.receive(Duration::from_micros(rtt), true);
        }
        tally
    }

    #[test]
    fn the_summary_has_loss_and_round_trip_times_in_microseconds() {
        let tally = tally(4, &[100, 300, 200]);
        assert_eq!(
            text(&tally.summary(false)),
            "--- node 5: 4 sent, 3 received, 25% loss, 0 dropped\n\
             rtt min/avg/p50/p99/max = 100/200/200/296/300 µs"
        );
        let json = serde_json::to_string(&tally.summary(false)).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"type":"summary","node":5,"sent":4,"received":3,"loss":0.25,"duplicates":0,"late":0,"#,
                r#""rtt_us":{"min":100,"avg":200,"p50":200,"p99":296,"max":300},"#,
                r#""dropped":0,"dropped_by":{},"sim":true}"#
            )
        );
    }

    #[test]
    fn silence_has_no_round_trip_time() {
        assert_eq!(
            text(&tally(2, &[]).summary(false)),
            "--- node 5: 2 sent, 0 received, 100% loss, 0 dropped"
        );
    }

    #[test]
    fn what_is_odd_is_counted_where_there_is_any() {
        let mut tally = tally(2, &[100]);
        (tally.duplicates, tally.late, tally.dropped) = (3, 1, 4);
        tally.reasons = [("wrong checksum".to_owned(), 4)].into();
        let text = text(&tally.summary(false));
        assert!(
            text.contains("50% loss, 3 duplicates, 1 late, 4 dropped (4 wrong checksum)\n"),
            "{text}"
        );
        let json = serde_json::to_value(tally.summary(true)).unwrap();
        let range = serde_json::json!([{"from_us": 100, "to_us": 100, "count": 1}]);
        assert_eq!(json["histogram"], range);
    }
}
