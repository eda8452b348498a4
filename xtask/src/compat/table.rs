//! The page: one table for each peer.

use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet};

use crate::compat::row::{Fact, Facts};

const HEAD: &str = include_str!("head.md");
/// What can become of it, in the order of the summary.
const RESULTS: [&str; 3] = ["works", "peer differs", "peer fails"];
/// How a kernel is told in what carried the frames.
const KERNEL: &str = "vcan, Linux ";

/// The facts of one peer, and what carried the frames.
type Section<'a> = Vec<(&'a Fact, &'a BTreeSet<String>)>;

/// The page as a whole.
pub(crate) fn page(facts: &Facts) -> String {
    let mut peers: BTreeMap<(String, &str, &str), Section<'_>> = BTreeMap::new();
    for (fact, over) in facts {
        // Names are sorted as people do, not as capitals come.
        let key = (fact.peer.to_lowercase(), &*fact.peer, &*fact.version);
        peers.entry(key).or_default().push((fact, over));
    }
    let mut page = HEAD.to_owned();
    let _infallible = writeln!(page, "\n| peer | {} |\n|---|---|---|---|", RESULTS.join(" | "));
    for ((_, peer, version), facts) in &peers {
        let counts = RESULTS.map(|result| facts.iter().filter(|(fact, _)| fact.result == result).count());
        let counts = counts.map(|count| count.to_string()).join(" | ");
        let _infallible = writeln!(page, "| {} | {counts} |", title(peer, version));
    }
    for ((_, peer, version), facts) in &peers {
        let _infallible = write!(
            page,
            "\n## {}\n\n| direction | feature | result | remark | over |\n|---|---|---|---|---|\n",
            title(peer, version)
        );
        let mut facts = facts.clone();
        facts.sort_by_key(|(fact, _)| (fact.feature.to_lowercase(), fact.direction != "to peer"));
        for (fact, over) in facts {
            let cells =
                [&fact.direction, &fact.feature, &fact.result, &fact.remark].map(|cell| escaped(cell));
            let _infallible = writeln!(page, "| {} | {} |", cells.join(" | "), carriers(over));
        }
    }
    page
}

fn title(peer: &str, version: &str) -> String {
    escaped(&format!("{peer} {version}"))
}

/// What carried the frames, kernels together.
fn carriers(over: &BTreeSet<String>) -> String {
    let mut parts: Vec<_> = over
        .iter()
        .filter(|over| !over.starts_with(KERNEL))
        .cloned()
        .collect();
    let mut kernels: Vec<_> = over.iter().filter_map(|over| over.strip_prefix(KERNEL)).collect();
    kernels.sort_by_key(|version| numbers(version));
    if !kernels.is_empty() {
        parts.push(format!("{KERNEL}{}", kernels.join(", ")));
    }
    escaped(&parts.join("; "))
}

/// A version as its numbers, so that 6.12 comes after 6.1.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// A text that ends no cell and begins no markup.
fn escaped(text: &str) -> String {
    text.replace('|', r"\|").replace('_', r"\_").replace('*', r"\*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(peer: &str, feature: &str, direction: &str, result: &str) -> Fact {
        Fact {
            peer: peer.into(),
            version: "1.0".into(),
            feature: feature.into(),
            direction: direction.into(),
            result: result.into(),
            remark: "N_OK | done".into(),
        }
    }

    fn over(places: &[&str]) -> BTreeSet<String> {
        places.iter().map(|&place| place.to_owned()).collect()
    }

    #[test]
    fn every_peer_has_its_table_and_its_line_of_counts() {
        let facts = Facts::from([
            (fact("Zeta", "b", "from peer", "works"), over(&["bus:"])),
            (fact("alpha", "b", "from peer", "peer fails"), over(&["bus:"])),
            (fact("alpha", "b", "to peer", "works"), over(&["bus:"])),
            (fact("alpha", "A", "both", "works"), over(&["bus:"])),
        ]);
        let page = page(&facts);
        let tables = page.strip_prefix(HEAD).unwrap();
        let expected = "
| peer | works | peer differs | peer fails |
|---|---|---|---|
| alpha 1.0 | 2 | 0 | 1 |
| Zeta 1.0 | 1 | 0 | 0 |

## alpha 1.0

| direction | feature | result | remark | over |
|---|---|---|---|---|
| both | A | works | N\\_OK \\| done | bus: |
| to peer | b | works | N\\_OK \\| done | bus: |
| from peer | b | peer fails | N\\_OK \\| done | bus: |

## Zeta 1.0

| direction | feature | result | remark | over |
|---|---|---|---|---|
| from peer | b | works | N\\_OK \\| done | bus: |
";
        assert_eq!(tables, expected);
    }

    #[test]
    fn kernels_are_told_together_and_in_their_order() {
        let over = over(&[
            "vcan, Linux 7.2.12",
            "vcan, Linux 6.12.95",
            "bus:",
            "vcan, Linux 6.1.192",
        ]);
        assert_eq!(carriers(&over), "bus:; vcan, Linux 6.1.192, 6.12.95, 7.2.12");
    }
}
