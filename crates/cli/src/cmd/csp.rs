//! `csp ...`

mod iface;
mod node;
mod ping;

use can_link::address::LinkAddress;
use csp_can::{CanConfig, CanInterface};
use csp_core::rt::Node;
use csp_core::{Config, InterfaceConfig, InterfaceName, Netmask, Subnet, Switch, Version};
use tinwire_sim::World;

use self::iface::Iface;
use super::Session;
use crate::args::csp::{CspVerb, Interface};
use crate::failure::{Code, Failure, Result};
use crate::links::{self, Door, Opened};

pub(super) async fn run(session: &mut Session, verb: CspVerb) -> Result {
    match verb {
        CspVerb::Ping(args) => ping::run(session, args).await,
        CspVerb::Node(args) => node::run(session, args).await,
    }
}

/// A node of our own on an interface.
#[derive(Debug)]
struct Attached {
    node: Node,
    /// The interface, as messages name it.
    name: String,
    /// The simulated devices, which live as long as the node.
    _world: Option<World>,
}

/// What was asked for: the flag, else the configured interface, else the link.
fn understand(session: &Session, args: &Interface) -> Result<(Iface, LinkAddress)> {
    let configured = session
        .settings
        .csp_iface
        .as_ref()
        .map(|iface| iface.value.as_str());
    let text = args.iface.as_deref().or(configured);
    let mut iface = text.map_or_else(|| Ok(Iface::default()), str::parse::<Iface>)?;
    if let Some(address) = &args.addr {
        iface.address = Some(address.parse()?);
    }
    let link = links::named_or_configured(session, iface.link.as_deref())?;
    Ok((iface, link))
}

/// Makes a node of our `own` address on the interface.
async fn attach(door: &Door, iface: &Iface, link: &LinkAddress, own: Subnet) -> Result<Attached> {
    let Opened {
        link, name, world, ..
    } = links::open(door, link).await?;
    let label = iface.name.as_deref().unwrap_or("CAN");
    let label = InterfaceName::new(label)
        .ok_or_else(|| Failure::new(Code::BadAddress, format!("{label:?} is no name for an interface")))?;
    let mut config = InterfaceConfig::new(label, own.address(), own.netmask()).version(own.version());
    // Without network bits no address is in our network, and none of version 1 is usually outside of it.
    let leads_everywhere = own.version() == Version::V1 && own.netmask() == Netmask::NONE;
    if iface.is_default || leads_everywhere {
        config = config.default_route();
    }
    let can = CanConfig::default().promiscuous(if iface.is_promiscuous {
        Switch::On
    } else {
        Switch::Off
    });
    let interface = CanInterface::new(link, &config, can)
        .map_err(|error| Failure::caused(Code::CannotOpen, error).context(&name))?;
    let node = Node::spawn(Config::default());
    node.attach(config, interface)
        .map_err(|error| Failure::caused(Code::CannotOpen, error).context(&name))?;
    Ok(Attached {
        node,
        name,
        _world: world,
    })
}
