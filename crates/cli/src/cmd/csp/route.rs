//! `csp route`: tables of routes, read here or set in a node.

use std::collections::BTreeSet;
use std::time::SystemTime;

use csp_core::service::SetRoute;
use csp_core::{
    Address, Config, InterfaceConfig, InterfaceName, Netmask, Node, Port, Route, Switch, Version,
};
use serde::Serialize;

use super::ask::{Asking, asking};
use super::diagnosis::Lacking;
use crate::args::csp::route::{Check, RouteVerb, Set};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    ts: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<u16>,
    address: u16,
    netmask: u8,
    interface: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<u16>,
}

/// A table, and the names of its interfaces.
struct Table {
    node: Node,
    /// Parts of the text without effect.
    ignored: Vec<String>,
}

pub(super) async fn run(session: &mut Session, verb: RouteVerb) -> Result {
    match verb {
        RouteVerb::Set(args) => {
            let setting = async |session: &mut Session, node: &mut Asking| set(session, node, &args).await;
            asking(session, &args.request, setting).await
        }
        RouteVerb::Check(args) => check(session, &args),
    }
}

fn check(session: &mut Session, args: &Check) -> Result {
    let version = if args.v1 { Version::V1 } else { Version::V2 };
    let table = Table::read(&args.routes, version)?;
    table.tell_ignored(session);
    for (route, interface) in table.routes() {
        show(session, None, &route, interface)?;
    }
    Ok(())
}

async fn set(session: &mut Session, asking: &mut Asking, args: &Set) -> Result {
    let table = Table::read(&args.routes, asking.station.own.version())?;
    table.tell_ignored(session);
    asking.lacking = Lacking::Interface;
    let (node, remote, call) = (asking.station.node.clone(), asking.remote, asking.call);
    for (route, interface) in table.routes() {
        let subnet = route.subnet;
        let is_host = subnet.netmask() == Netmask::host(subnet.version());
        let wanted = SetRoute {
            destination: subnet.address(),
            netmask: (!is_host).then_some(subnet.netmask()),
            via: route.via,
            interface,
        };
        if args.old {
            let short = wanted.request_v1();
            short.map_err(|error| Failure::caused(Code::Usage, error).context("--old"))?;
        }
        let asked = async {
            let answer = if args.old {
                node.set_route_v1(remote, &wanted, call).await
            } else {
                node.set_route(remote, &wanted, call).await
            };
            answer.map(|_| ())
        };
        asking.answer(session, Port::CMP, asked).await?;
        show(session, Some(remote), &route, interface)?;
        session.output.flush()?;
    }
    Ok(())
}

impl Table {
    /// Reads a text as a node would that has all the interfaces that are named.
    fn read(text: &str, version: Version) -> Result<Self> {
        let mut node = Node::new(Config::default().checks(Switch::Off), 0);
        let names: BTreeSet<_> = text
            .split(',')
            .filter_map(|entry| InterfaceName::new(entry.split_whitespace().nth(1)?))
            .collect();
        for (at, name) in names.into_iter().enumerate() {
            let address = u16::try_from(at + 1).ok().and_then(Address::new);
            let address = address.unwrap_or(Address::LOOPBACK);
            let interface = InterfaceConfig::new(name, address, Netmask::NONE).version(version);
            // One that is there already, as LOOP is, needs no other.
            let _ = node.add_interface(interface);
        }
        let wrong = |error| {
            Failure::caused(Code::Usage, anyhow::Error::new(error))
                .hint("routes are ADDRESS[/BITS] INTERFACE [VIA], several behind commas")
        };
        let loaded = node.load_routes(text).map_err(wrong)?;
        if loaded.entries == 0 {
            return Err(Failure::new(Code::Usage, "there is no route"));
        }
        let ignored = loaded.ignored.into_iter().filter_map(|range| text.get(range));
        let ignored = ignored.map(str::to_owned).collect();
        Ok(Self { node, ignored })
    }

    fn routes(&self) -> impl Iterator<Item = (Route, InterfaceName)> {
        let name = |route: &Route| {
            let mut interfaces = self.node.interfaces();
            let found = interfaces.find(|(id, ..)| *id == route.interface);
            Some((*route, found?.1))
        };
        self.node.routes().iter().filter_map(name)
    }

    fn tell_ignored(&self, session: &Session) {
        for part in &self.ignored {
            session
                .output
                .notice(format_args!("{part:?} is read over, as libcsp does"));
        }
    }
}

fn show(session: &mut Session, node: Option<Address>, route: &Route, interface: InterfaceName) -> Result {
    let line = Line {
        r#type: "route",
        ts: timestamp(SystemTime::now()),
        node: node.map(Address::to_bits),
        address: route.subnet.address().to_bits(),
        netmask: route.subnet.netmask().to_bits(),
        interface: interface.to_string(),
        via: route.via.map(Address::to_bits),
    };
    session.output.either(&line, |line| {
        let via = line.via.map_or_else(String::new, |via| format!(" via {via}"));
        format!("{}/{} {}{via}", line.address, line.netmask, line.interface)
    })
}
