//! What our own node dropped and why, and how its link is.

use std::collections::BTreeMap;

use csp_core::rt::{Node, Notice, Notices, Status};
use csp_core::{Dropped, InterfaceId, LinkState};
use futures::FutureExt as _;
use serde::Serialize;

use super::station::Station;
use crate::cmd::Session;
use crate::failure::{Code, Failure};

/// The latest drops that are remembered one by one.
const MAX_LATEST: usize = 64;

/// What a node says of itself.
#[derive(Debug)]
pub(super) struct Drops {
    notices: Notices,
    missed: u64,
    latest: Vec<Dropped>,
    /// What the link of the interface was when it was last told.
    link: LinkState,
    ended: Option<String>,
}

/// Something that the node said.
#[derive(Debug)]
pub(super) enum Told {
    Dropped(Dropped),
    Link(LinkState),
    /// The interface is of no use any more.
    Ended(String),
}

impl Drops {
    pub(super) fn of(node: &Node) -> Self {
        Self {
            notices: node.notices(),
            missed: 0,
            latest: Vec::new(),
            link: LinkState::Up,
            ended: None,
        }
    }

    /// The next thing that the node says. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Told {
        loop {
            let Some(notice) = self.notices.recv().await else {
                return Told::Ended("the node has stopped".to_owned());
            };
            if let Some(told) = self.take(notice) {
                return told;
            }
        }
    }

    /// Takes what the node has said by now.
    pub(super) fn catch_up(&mut self) {
        while let Some(Some(notice)) = self.notices.recv().now_or_never() {
            self.take(notice);
        }
    }

    /// How many notices came faster than they were taken, since it was last asked.
    pub(super) fn missed(&mut self) -> u64 {
        let lost = self.notices.lost();
        lost - core::mem::replace(&mut self.missed, lost)
    }

    /// The latest drops.
    pub(super) fn latest(&self) -> &[Dropped] {
        &self.latest
    }

    /// Why the link of `name` is of no use now, if it is not.
    pub(super) fn lost(&self, name: &str) -> Option<Failure> {
        let why = match (&self.ended, self.link) {
            (Some(why), _) => why.as_str(),
            (None, LinkState::Down) => "the link is down",
            (None, LinkState::Up) => return None,
        };
        Some(Failure::new(Code::Lost, format!("{name}: {why}")))
    }

    fn take(&mut self, notice: Notice) -> Option<Told> {
        match notice {
            Notice::Event(csp_core::Event::Dropped(dropped)) => {
                if self.latest.len() >= MAX_LATEST {
                    self.latest.remove(0);
                }
                self.latest.push(dropped);
                Some(Told::Dropped(dropped))
            }
            Notice::Event(csp_core::Event::Link { interface, state }) => {
                if interface == InterfaceId::LOOPBACK {
                    return None;
                }
                self.link = state;
                Some(Told::Link(state))
            }
            Notice::Ended { error, .. } => {
                let why = error.map_or_else(|| "the link has ended".to_owned(), |error| error.to_string());
                self.ended = Some(why.clone());
                Some(Told::Ended(why))
            }
            _ => None,
        }
    }
}

/// The closing line of a verb without one of its own: what our node dropped. People are told where it did.
pub(super) fn summarize(session: &Session, station: &Station) {
    #[derive(Serialize)]
    struct Summary {
        r#type: &'static str,
        dropped: u64,
        dropped_by: BTreeMap<String, u64>,
    }
    let status = station.node.status();
    let summary = Summary {
        r#type: "summary",
        dropped: status.stats.dropped,
        dropped_by: reasons(&status),
    };
    if summary.dropped > 0 || session.output.is_json() {
        session
            .output
            .summary(&summary, |summary| text(summary.dropped, &summary.dropped_by));
    }
}

/// How many packets a node dropped, in words that a line of JSON may have as keys.
pub(super) fn reasons(status: &Status) -> BTreeMap<String, u64> {
    let drops = status.drops.iter();
    drops
        .map(|(reason, count)| (reason.to_string(), *count))
        .collect()
}

/// `3 dropped (2 wrong checksum, 1 nothing is bound to its port)`.
pub(super) fn text(dropped: u64, reasons: &BTreeMap<String, u64>) -> String {
    let reasons: Vec<_> = reasons
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    if reasons.is_empty() {
        return format!("{dropped} dropped");
    }
    format!("{dropped} dropped ({})", reasons.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_link_is_lost_while_it_is_down_or_for_good() {
        use can_link::VirtualBus;
        use can_link::link::LinkChange;
        use csp_core::Config;

        use super::super::iface::{Iface, OwnAddress};

        let bus = VirtualBus::new();
        let (iface, link) = (Iface::default(), Box::new(bus.join()));
        let own = OwnAddress::DEFAULT.subnet(iface.version).unwrap();
        let node = Node::spawn(Config::default());
        let mut station = Station::attach(node, link, "bus".into(), None, &iface, own).unwrap();
        for (change, lost) in [
            (LinkChange::Down, Some("error: bus: the link is down")),
            (LinkChange::Up, None),
        ] {
            bus.set_link(change);
            assert!(matches!(station.drops.next().await, Told::Link(_)));
            let failure = station.drops.lost("bus").map(|failure| failure.text());
            assert_eq!(failure.as_deref(), lost);
        }
        bus.set_link(LinkChange::Gone);
        assert!(matches!(
            station.drops.next().await,
            Told::Link(_) | Told::Ended(_)
        ));
        assert!(station.drops.lost("bus").is_some());
    }

    #[test]
    fn reasons_stand_in_parentheses() {
        assert_eq!(text(0, &BTreeMap::new()), "0 dropped");
        let reasons = [("wrong checksum", 2), ("the link is down", 1)];
        let reasons = reasons.map(|(reason, count)| (reason.to_owned(), count));
        assert_eq!(
            text(3, &reasons.into()),
            "3 dropped (1 the link is down, 2 wrong checksum)"
        );
    }
}
