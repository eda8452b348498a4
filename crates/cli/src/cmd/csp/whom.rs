//! Whom a command talks to: a node, or a port of one.

use csp_core::{Address, Port, Version};
use tinwire_sim::satellite::STATIONS;

use super::station::Berth;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};

/// Another node than us.
pub(super) fn node(session: &Session, text: &str, berth: &Berth) -> Result<Address> {
    let address = any(session, text, berth)?;
    if address == berth.own()?.address() {
        let message = format!("{address} is our own address");
        return Err(Failure::new(Code::Usage, message).hint("--addr ADDR/BITS gives us another one"));
    }
    Ok(address)
}

/// A number, a name of the configuration, or a name of the simulated satellite.
pub(super) fn any(session: &Session, text: &str, berth: &Berth) -> Result<Address> {
    let max = berth.iface.version.broadcast();
    let number = text.parse::<u16>().ok();
    let address = number
        .or_else(|| named(session, text, berth.is_simulated()))
        .and_then(Address::new)
        .filter(|&address| address <= max);
    address.ok_or_else(|| {
        let message = format!("{text:?} is neither an address from 0 to {max} nor a known name");
        let hint = match (berth.iface.version, number) {
            (Version::V1, Some(_)) => "version 2 headers have addresses up to 16383: leave out v1",
            _ => "names stand in tinwire.toml: [csp.hosts] eps = 2",
        };
        Failure::new(Code::BadAddress, message).hint(hint)
    })
}

/// `NODE:PORT`.
pub(super) fn port(session: &Session, text: &str, berth: &Berth) -> Result<(Address, Port)> {
    let (name, port) = text.rsplit_once(':').ok_or_else(|| {
        Failure::new(Code::BadAddress, format!("{text:?} has no port"))
            .hint("write NODE:PORT, for example 2:10")
    })?;
    let number = port.parse().map_err(|error| {
        Failure::caused(Code::BadAddress, anyhow::Error::new(error)).context(format_args!("port {port:?}"))
    })?;
    Ok((node(session, name, berth)?, number))
}

/// The name of a node, where one is known.
pub(super) fn name(session: &Session, address: Address, is_simulated: bool) -> Option<String> {
    let hosts = &session.settings.csp_hosts;
    let configured = hosts.iter().find(|(_, host)| host.value == address.to_bits());
    let station = || {
        let mut stations = STATIONS.iter().filter(|_| is_simulated);
        let station = stations.find(|station| station.address == address.to_bits())?;
        Some(station.name.to_owned())
    };
    configured.map(|(name, _)| name.clone()).or_else(station)
}

fn named(session: &Session, name: &str, is_simulated: bool) -> Option<u16> {
    let configured = session.settings.csp_hosts.get(name).map(|host| host.value);
    let station = || {
        let mut stations = STATIONS.iter().filter(|_| is_simulated);
        let station = stations.find(|station| station.name.eq_ignore_ascii_case(name))?;
        Some(station.address)
    };
    configured.or_else(station)
}
