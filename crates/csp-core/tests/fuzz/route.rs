//! Any text as the routes of a node between the header versions.

use csp_core::{
    Address, Config, InterfaceConfig, InterfaceName, Netmask, Node, RouteDialect, RouteStringError,
    RouteStringReason, Switch, Version,
};

use testkit::fuzz::Input;

/// What texts are made of, so that many of them are routes.
const PIECES: [&str; 24] = [
    "0",
    "1",
    "2",
    "3",
    "9",
    "16",
    "31",
    "257",
    "1005",
    "16383",
    "65535",
    "/",
    "/0 ",
    "/-1 ",
    " ",
    "\t",
    ",",
    ", ",
    "-",
    "x",
    " CAN",
    " KISS",
    " kiss ",
    "ABCDEFGHIJK ",
];

/// A text is taken whole or not at all, what is taken is saved so that it is read again, and an error names
/// the first entry that is wrong.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let checks = if input.flag() { Switch::On } else { Switch::Off };
    let dialect = if input.flag() {
        RouteDialect::Libcsp1
    } else {
        RouteDialect::Libcsp2
    };
    let text = if input.flag() {
        String::from_utf8_lossy(input.rest()).into_owned()
    } else {
        let piece = |byte: &u8| PIECES[usize::from(*byte) % PIECES.len()];
        input.rest().iter().map(piece).collect()
    };
    let mut node = node(checks);
    let checked = node.check_routes(&text, dialect);
    assert_eq!(node.save_routes(), "", "checking changes nothing");
    let loaded = node.load_routes_as(&text, dialect);
    assert_eq!(loaded, checked);
    match loaded {
        Ok(loaded) => {
            assert!(node.routes().iter().count() <= loaded.entries);
            let mut before = 0;
            for range in loaded.ignored {
                assert!(
                    range.start >= before && text.get(range.clone()).is_some(),
                    "{range:?} of {text:?}"
                );
                before = range.start;
            }
        }
        Err(error) => names_the_first_wrong_entry(&mut node, &text, dialect, &error),
    }
    is_saved_and_found(&mut node);
}

fn node(checks: Switch) -> Node {
    let mut node = Node::new(Config::default().checks(checks), 1);
    let address = |bits| Address::new(bits).unwrap();
    let interfaces = [
        ("CAN", 9, 2, Version::V1),
        ("KISS", 257, 8, Version::V2),
        ("ABCDEFGHIJ", 513, 8, Version::V2),
    ];
    for (name, own, netmask, version) in interfaces {
        let (name, netmask) = (InterfaceName::new(name).unwrap(), Netmask::new(netmask).unwrap());
        let config = InterfaceConfig::new(name, address(own), netmask).version(version);
        node.add_interface(config.map(address(1005), address(own + 1)))
            .unwrap();
    }
    node
}

fn names_the_first_wrong_entry(node: &mut Node, text: &str, dialect: RouteDialect, error: &RouteStringError) {
    assert_eq!(node.save_routes(), "", "{error}");
    let right = &text[..text[..error.offset].rfind(',').unwrap_or_default()];
    let loaded = node.load_routes_as(right, dialect).unwrap();
    assert_eq!(loaded.entries, error.entry - 1, "{error} in {text:?}");
    if let RouteStringReason::UnknownInterface { name, .. } = &error.reason {
        assert!(
            text[error.offset..].starts_with(name.as_str()),
            "{error} in {text:?}"
        );
    }
}

fn is_saved_and_found(node: &mut Node) {
    let saved = node.save_routes();
    let routes: Vec<_> = node.routes().iter().copied().collect();
    for route in &routes {
        let address = route.subnet.address();
        let found: Vec<_> = node.routes().lookup(address).collect();
        assert!(found.iter().all(|found| found.subnet.contains(address)));
        let longest = found.iter().map(|found| found.subnet.host_mask()).min().unwrap();
        assert!(longest <= route.subnet.host_mask());
    }
    let over_loopback = node.interface_named("LOOP").unwrap();
    let kept = |route: &&csp_core::Route| route.interface != over_loopback;
    node.clear_routes();
    let loaded = node.load_routes(&saved).unwrap();
    assert!(loaded.ignored.is_empty(), "{saved}");
    assert!(node.routes().iter().eq(routes.iter().filter(kept)), "{saved}");
    assert_eq!(node.save_routes(), saved);
}
