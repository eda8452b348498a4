//! Route tables as text.

use csp_core::{
    Address, Config, InterfaceConfig, InterfaceName, Netmask, Node, RouteDialect, RouteError,
    RouteStringError, RouteStringReason, Switch, Version,
};
use testkit::vectors::Value;

use super::{Outcome, address, is_16, number, text, version};

/// A node with the interfaces named, each a network of its own without neighbours.
fn node<'a>(version: Version, names: impl Iterator<Item = &'a str>, checks: Switch) -> Node {
    let mut node = Node::new(Config::default().checks(checks), 1);
    for (name, own) in names.zip(20..) {
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
    assert_eq!(out["entries_or_error"], out["dry_run"], "{entry}");
    let (loaded, saved) = load(routes, Switch::Off);
    let Some(expected) = out["entries_or_error"].as_u64() else {
        return refused(entry, loaded, &saved, |routes| load(routes, Switch::Off).1);
    };
    let entries: u64 = loaded
        .unwrap_or_else(|error| panic!("{error}: {entry}"))
        .try_into()
        .unwrap();
    if routes.len() > 100
        || input["capacity"]
            .as_u64()
            .is_some_and(|capacity| expected > capacity)
    {
        let all = plain(routes);
        assert_eq!(saved.split(',').collect::<Vec<_>>(), all, "{entry}");
        assert_eq!(usize::try_from(entries).unwrap(), all.len(), "{entry}");
        return Outcome::Differs("13.1: no entry is lost to a limit of characters or of the table");
    }
    assert_eq!(entries, expected, "{entry}");
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
            let too_large = RouteStringReason::Route(RouteError::ViaTooLarge {
                via: saved.rsplit(' ').next().unwrap().parse().unwrap(),
                max: version(input).broadcast(),
            });
            assert_eq!((error.reason, &strict[..]), (too_large, ""), "{entry}");
            Outcome::Differs(
                "BET-7: a next hop that the header version cannot name is refused, unless unchecked",
            )
        }
    }
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
    let mut node = node(version(input), names.into_iter(), Switch::On);
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
