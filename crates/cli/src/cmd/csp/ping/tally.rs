//! What came back, in figures.

use csp_core::rt::Status;
use csp_core::{Address, InterfaceStats, Subnet, Version};
use serde::Serialize;

use crate::cmd::rtt::{self, Rtt};

/// Counts of one run.
#[derive(Debug)]
pub(super) struct Tally {
    node: Address,
    is_simulated: bool,
    pub(super) pings: rtt::Tally,
    pub(super) garbled: u64,
    /// What our node counted.
    link: InterfaceStats,
    dropped: u64,
}

/// The closing line.
#[derive(Serialize)]
pub(super) struct Summary {
    r#type: &'static str,
    node: u16,
    sent: u64,
    received: u64,
    /// Share of requests without a reply, 0 to 1.
    loss: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_us: Option<Rtt>,
    /// Packets that our own node dropped.
    dropped: u64,
    sim: bool,
}

impl Tally {
    pub(super) fn new(node: Address, is_simulated: bool) -> Self {
        Self {
            node,
            is_simulated,
            pings: rtt::Tally::new(),
            garbled: 0,
            link: InterfaceStats::default(),
            dropped: 0,
        }
    }

    pub(super) const fn node(&self) -> Address {
        self.node
    }

    pub(super) fn take_status(&mut self, status: &Status) {
        self.dropped = status.stats.dropped;
        // The loopback is the first interface, the one we made the last.
        if let Some(interface) = status.interfaces.last() {
            self.link = interface.stats;
        }
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            r#type: "summary",
            node: self.node.to_bits(),
            sent: self.pings.sent,
            received: self.pings.received(),
            loss: self.pings.loss(),
            rtt_us: self.pings.rtt(),
            dropped: self.dropped,
            sim: self.is_simulated,
        }
    }

    /// What the counters of our own node say about the silence.
    pub(super) fn diagnosis(&self, own: Subnet) -> String {
        let InterfaceStats {
            rx, rx_error, frame, ..
        } = self.link;
        if rx + rx_error + frame == 0 {
            format!(
                "nothing at all arrived for {}/{}: is the node on this bus, with the same network bits, and \
                 does nobody else have our address?",
                own.address(),
                own.netmask()
            )
        } else if rx_error > 0 {
            format!("{rx_error} packets arrived that were wrong (checksum or length): is CRC32 set up alike?")
        } else if rx == 0 {
            format!(
                "{frame} frames arrived that made no packet: does the node speak version {}, or does the bus \
                 lose frames?",
                match own.version() {
                    Version::V1 => 2,
                    Version::V2 => 1,
                }
            )
        } else {
            format!(
                "{rx} packets arrived for us, none of them an echo: is port 1 of the node its ping service?"
            )
        }
    }
}

pub(super) fn text(summary: &Summary) -> String {
    let Summary {
        node,
        sent,
        received,
        loss,
        dropped,
        ..
    } = summary;
    let mut text = format!(
        "--- node {node}: {sent} sent, {received} received, {:.0}% loss",
        loss * 100.0
    );
    if *dropped > 0 {
        text.push_str(&format!(", {dropped} dropped here"));
    }
    if let Some(rtt) = summary.rtt_us {
        text.push_str(&format!(
            "
{rtt}"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use csp_core::Netmask;

    use super::*;

    fn tally(sent: u64, rtts: &[u64]) -> Tally {
        let mut tally = Tally::new(Address::new(5).unwrap(), true);
        tally.pings.sent = sent;
        for &rtt in rtts {
            tally.pings.receive(Duration::from_micros(rtt));
        }
        tally
    }

    #[test]
    fn the_summary_has_loss_and_round_trip_times_in_microseconds() {
        let tally = tally(4, &[100, 300, 200]);
        assert_eq!(
            text(&tally.summary()),
            "--- node 5: 4 sent, 3 received, 25% loss\nrtt min/avg/max = 100/200/300 µs"
        );
        let json = serde_json::to_string(&tally.summary()).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"type":"summary","node":5,"sent":4,"received":3,"loss":0.25,"#,
                r#""rtt_us":{"min":100,"avg":200,"max":300},"dropped":0,"sim":true}"#
            )
        );
    }

    #[test]
    fn silence_has_no_round_trip_time() {
        let tally = tally(2, &[]);
        assert_eq!(
            text(&tally.summary()),
            "--- node 5: 2 sent, 0 received, 100% loss"
        );
    }

    #[test]
    fn the_diagnosis_follows_the_counters() {
        let own = Subnet::new(Version::V2, Address::new(10).unwrap(), Netmask::new(8).unwrap()).unwrap();
        let mut tally = tally(1, &[]);
        assert!(
            tally
                .diagnosis(own)
                .starts_with("nothing at all arrived for 10/8")
        );
        tally.link.frame = 3;
        assert!(
            tally
                .diagnosis(own)
                .starts_with("3 frames arrived that made no packet")
        );
        tally.link.rx_error = 2;
        assert!(
            tally
                .diagnosis(own)
                .starts_with("2 packets arrived that were wrong")
        );
    }
}
