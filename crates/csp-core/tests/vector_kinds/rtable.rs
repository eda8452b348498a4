//! Route tables as text.

use core::ops::RangeInclusive;

use csp_core::{
    Address, Config, InterfaceConfig, InterfaceName, Netmask, Node, RouteDialect, RouteError,
    RouteStringError, RouteStringReason, Switch, Version,
};
use testkit::vectors::Value;

use super::{Outcome, address, is_16, number, text, version};

/// Characters of a text that libcsp reads.
const CUT: usize = 100;

/// Own addresses of the interfaces, one after the other.
const OWN: RangeInclusive<u16> = 20..=30;

/// Whether `via` is an own address of one of the interfaces of an entry.
fn is_own(input: &Value, via: Address) -> bool {
    let names = input["interfaces"].as_array().unwrap();
    OWN.zip(names).any(|(own, _)| via.to_bits() == own) || via == Address::LOOPBACK
}

/// A node with the interfaces named, each a network of its own without neighbours.
fn node<'a>(version: Version, names: impl Iterator<Item = &'a str>, checks: Switch) -> Node {
    let mut node = Node::new(Config::default().checks(checks), 1);
    for (name, own) in names.zip(OWN) {
        let (name, own) = (InterfaceName::new(name).unwrap(), Address::new(own).unwrap());
        let config = InterfaceConfig::new(name, own, Netmask::host(version)).version(version);
        node.add_interface(config).unwrap();
    }
    node
}

/// The entries of a text, each as `save` would write it.
fn plain(text: &str) -> Vec<String> {
    let words = |entry: &str| entry.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split(',').map(words).collect()
}

pub(crate) fn parse(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let names = || input["interfaces"].as_array().unwrap().iter().map(text);
    let routes = text(&input["text"]);
    let dialect = if is_16(entry) {
        RouteDialect::Libcsp1
    } else {
        RouteDialect::Libcsp2
    };
    let load = |routes: &str, checks| -> (Result<usize, RouteStringError>, String) {
        let mut node = node(version(input), names(), checks);
        let checked = node.check_routes(routes, dialect).map(|loaded| loaded.entries);
        assert_eq!(node.save_routes(), "", "checking changes nothing: {entry}");
        let loaded = node.load_routes_as(routes, dialect).map(|loaded| loaded.entries);
        assert_eq!(checked, loaded, "{entry}");
        (loaded, node.save_routes())
    };
    let (loaded, saved) = load(routes, Switch::Off);
    if let Err(RouteStringError {
        reason: RouteStringReason::ViaTooLarge { .. },
        ..
    }) = loaded
        && !is_16(entry)
    {
        assert_eq!(saved, "", "all or nothing: {entry}");
        return Outcome::Differs("HDR-4: what is no address is no next hop");
    }
    if routes.len() > CUT {
        return cut(entry, loaded, &saved);
    }
    let Some(expected) = out["entries_or_error"].as_u64() else {
        return refused(entry, loaded, &saved, |routes| load(routes, Switch::Off).1);
    };
    // 2.2 has a place less than it says (section 16).
    if input["capacity"]
        .as_u64()
        .is_some_and(|capacity| expected >= capacity)
        && saved != text(&out["saved"])
    {
        return cut(entry, loaded, &saved);
    }
    let entries = loaded.unwrap_or_else(|error| panic!("{error}: {entry}"));
    assert_eq!(u64::try_from(entries).unwrap(), expected, "{entry}");
    if is_16(entry) && saved != text(&out["saved"]) {
        assert_eq!(saved.split(',').collect::<Vec<_>>(), plain(routes), "{entry}");
        return Outcome::Differs("7.3: one network over two interfaces is kept twice");
    }
    assert_eq!(saved, text(&out["saved"]), "{entry}");
    match load(routes, Switch::On) {
        (Ok(_), strict) => {
            assert_eq!(strict, saved, "{entry}");
            Outcome::Agrees
        }
        (Err(error), strict) => {
            let RouteStringReason::Route(reason) = error.reason else {
                panic!("{error}: {entry}")
            };
            assert_eq!(strict, "", "all or nothing: {entry}");
            let max = version(input).broadcast();
            match reason {
                RouteError::ViaTooLarge { via, max: largest } => {
                    assert!(via > max && largest == max, "{entry}")
                }
                RouteError::ViaBroadcast { via } => assert_eq!(via, max, "{entry}"),
                RouteError::ViaOwn { via } => assert!(is_own(input, via), "{entry}"),
                other => panic!("{other}: {entry}"),
            }
            Outcome::Differs("BET-7: a next hop that leads nowhere is refused, unless unchecked")
        }
    }
}

/// The peer lost entries to a limit that we do not have.
fn cut(entry: &Value, loaded: Result<usize, RouteStringError>, saved: &str) -> Outcome {
    const RULE: &str = "13.1: no entry is lost to a limit of characters or of the table";
    let all = plain(text(&entry["in"]["text"]));
    if let Err(error) = &loaded {
        assert_eq!(saved, "", "all or nothing, {error}: {entry}");
        return Outcome::Differs(RULE);
    }
    assert_eq!(saved.split(',').collect::<Vec<_>>(), all, "{entry}");
    assert_eq!(loaded, Ok(all.len()), "{entry}");
    Outcome::Differs(RULE)
}

/// The peer refused the text, and kept what stood before the wrong entry.
fn refused(
    entry: &Value,
    loaded: Result<usize, RouteStringError>,
    saved: &str,
    load: impl Fn(&str) -> String,
) -> Outcome {
    let routes = text(&entry["in"]["text"]);
    let Err(error) = loaded else {
        let is_long = |word: &str| word.len() >= 10;
        assert!(routes.split_whitespace().any(is_long), "{entry}");
        return Outcome::Differs("section 16: names have up to ten characters, not nine");
    };
    assert_eq!(saved, "", "all or nothing: {entry}");
    assert!(
        error.offset <= routes.len() && error.entry >= 1,
        "{error}: {entry}"
    );
    let kept = text(&entry["out"]["saved"]);
    let wrong = routes[..error.offset].rfind(',').unwrap_or_default();
    assert_eq!(
        load(&routes[..wrong]),
        kept,
        "the error tells the wrong entry: {entry}"
    );
    if kept.is_empty() {
        Outcome::Agrees
    } else {
        Outcome::Differs("13.1: a text is taken whole or not at all")
    }
}

pub(crate) fn lookup(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let table = text(&input["table"]);
    let is_name = |word: &&str| word.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let mut names: Vec<_> = table.split([' ', ',']).filter(is_name).collect();
    names.sort_unstable();
    names.dedup();
    let mut node = node(version(input), names.into_iter(), Switch::Off);
    node.load_routes(table).unwrap();
    let results = entry["out"]["results"].as_array().unwrap();
    for (destination, result) in input["addresses"].as_array().unwrap().iter().zip(results) {
        let found = node.routes().lookup(address(destination)).next().map(|route| {
            let name = node
                .interfaces()
                .find(|(id, ..)| *id == route.interface)
                .unwrap()
                .1;
            let via = route.via.map(|via| u64::from(via.to_bits()));
            let subnet = route.subnet;
            (
                name.to_string(),
                via,
                format!("{}/{}", subnet.address(), subnet.netmask()),
            )
        });
        let expected = result.as_object().map(|result| {
            let via = (!result["via"].is_null()).then(|| number(&result["via"]));
            (
                text(&result["iface"]).to_owned(),
                via,
                text(&result["entry"]).to_owned(),
            )
        });
        assert_eq!(found, expected, "{destination}: {entry}");
    }
    Outcome::Agrees
}
