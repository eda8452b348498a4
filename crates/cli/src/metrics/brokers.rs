//! The figures of brokers that frames are relayed to.

use super::Page;
use crate::broker::Stats;

/// What became of the frames for each broker, by the name of the output.
pub(crate) fn brokers(page: &mut Page, brokers: &[(&str, Stats)]) {
    for (output, stats) in brokers {
        let help = "Data frames for a broker, by what became of them";
        for (what, count) in [
            ("offered", stats.offered),
            ("stored", stats.stored),
            ("resent", stats.resent),
            ("duplicate", stats.duplicates),
        ] {
            let labels = [("output", *output), ("what", what)];
            page.counter("tinwire_broker_frames_total", help, &labels, count);
        }
    }
    for (output, stats) in brokers {
        let help = "Data frames that no broker will store, by reason";
        for (reason, count) in stats.dropped.by_reason() {
            let labels = [("output", *output), ("reason", reason)];
            page.counter("tinwire_broker_drops_total", help, &labels, count);
        }
    }
    for (output, stats) in brokers {
        let help = "Messages that a broker has acknowledged";
        let labels = [("output", *output)];
        page.counter(
            "tinwire_broker_messages_total",
            help,
            &labels,
            stats.stored_messages,
        );
    }
    for (output, stats) in brokers {
        let help = "Connections to a broker: made, lost, and lost because no answer came in time";
        for (what, count) in [
            ("made", stats.connects),
            ("lost", stats.losses),
            ("overdue", stats.overdue),
        ] {
            let labels = [("output", *output), ("what", what)];
            page.counter("tinwire_broker_connections_total", help, &labels, count);
        }
    }
    for (output, stats) in brokers {
        let help = "Data frames that are not acknowledged yet";
        page.gauge(
            "tinwire_broker_held_frames",
            help,
            &[("output", *output)],
            stats.held_frames,
        );
    }
    for (output, stats) in brokers {
        let help = "Payload bytes of messages that are not acknowledged yet";
        page.gauge(
            "tinwire_broker_held_bytes",
            help,
            &[("output", *output)],
            stats.held_bytes,
        );
    }
}
