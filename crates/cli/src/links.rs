//! From the text of a link to an open one, and from its errors to sentences.

mod farewell;

use can_link::FilterSet;
use can_link::address::{LinkAddress, Loopback};
use can_link::link::{CanLink, CanRx as _, ChannelId, Echo, Event, LinkError, SendError};
use tinwire_sim::{World, WorldConfig};

pub(crate) use self::farewell::{Door, farewell};
use crate::cmd::Session;
use crate::cmd::doctor::kernel_can_fix;
use crate::failure::{Code, Failure, Result};
use crate::settings::Origin;
use crate::units;

/// Any link.
pub(crate) type AnyLink = Box<dyn CanLink>;

/// An open link and how its frames are labelled.
pub(crate) struct Opened {
    pub(crate) link: AnyLink,
    /// The interface or bus, as log lines name it.
    pub(crate) name: String,
    labels: Labels,
    /// What it means when the link ends.
    pub(crate) end: End,
    /// The simulated devices, which live as long as the link.
    pub(crate) world: Option<World>,
}

/// What it means when a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it was read: a log.
    Natural,
    /// It was lost.
    Lost,
}

/// How the interface of a frame is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Labels {
    /// The link is one interface.
    One,
    /// The frame tells its interface.
    ByChannel,
}

impl Opened {
    /// The name of the interface that an event came from.
    pub(crate) fn label(&self, event: &Event) -> String {
        let channel = match (self.labels, event) {
            (Labels::ByChannel, Event::Frame(received)) => received.channel,
            (Labels::ByChannel, Event::BusError(error)) => error.channel,
            _ => return self.name.clone(),
        };
        interface_name(channel).unwrap_or_else(|| self.name.clone())
    }
}

/// The kernel's name of an interface index.
fn interface_name(ChannelId(index): ChannelId) -> Option<String> {
    let entries = std::fs::read_dir("/sys/class/net").ok()?;
    entries
        .flatten()
        .find(|entry| {
            std::fs::read_to_string(entry.path().join("ifindex"))
                .is_ok_and(|text| text.trim().parse() == Ok(index))
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// Understands the text of a link.
pub(crate) fn parse(text: &str) -> Result<LinkAddress> {
    let written = match text.strip_prefix("sim:?") {
        Some(faults) => simulated(faults),
        None => text.to_owned(),
    };
    written.parse().map_err(|error| {
        Failure::caused(Code::BadAddress, anyhow::Error::new(error)).context(format_args!("link {text}"))
    })
}

/// Faults as people write them, `loss=5%,delay=20ms`, in the grammar of addresses, `loss=0.05&delay=20ms`.
fn simulated(faults: &str) -> String {
    let faults: Vec<_> = faults
        .split([',', '&'])
        .map(|fault| match fault.split_once('=') {
            Some((key, share)) if share.ends_with('%') => match units::percent(share) {
                Ok(share) => format!("{key}={share}"),
                Err(_) => fault.to_owned(),
            },
            _ => fault.to_owned(),
        })
        .collect();
    format!("sim:?{}", faults.join("&"))
}

/// The link that is named, or else the configured one; a notice says so when that is the simulation.
pub(crate) fn named_or_configured(session: &Session, named: Option<&str>) -> Result<LinkAddress> {
    let Some(text) = named else {
        let configured = &session.settings.link;
        if configured.origin == Origin::BuiltIn {
            session
                .output
                .notice("no link configured: using the built-in simulated devices (sim:)");
        }
        return parse(&configured.value);
    };
    parse(text)
}

/// Asks for a receive buffer of the kernel.
pub(crate) fn with_receive_buffer(mut address: LinkAddress, bytes: Option<u32>) -> Result<LinkAddress> {
    let Some(bytes) = bytes else {
        return Ok(address);
    };
    match &mut address {
        LinkAddress::SocketCan(socket) => socket.receive_buffer = usize::try_from(bytes).ok(),
        other => return Err(kernel_only("-r", other)),
    }
    Ok(address)
}

/// Hides sent frames from other programs of this host.
pub(crate) fn without_loopback(mut address: LinkAddress) -> Result<LinkAddress> {
    match &mut address {
        LinkAddress::SocketCan(socket) => socket.loopback = Loopback::Off,
        other => return Err(kernel_only("-x", other)),
    }
    Ok(address)
}

fn kernel_only(flag: &str, address: &LinkAddress) -> Failure {
    let message = format!("{flag} is for interfaces of the kernel, and {address} is none");
    Failure::new(Code::Usage, message)
}

/// Opens a link.
pub(crate) async fn open(door: &Door, address: &LinkAddress) -> Result<Opened> {
    if let LinkAddress::Sim(sim) = address {
        let config = WorldConfig::seeded(sim.seed)
            .loss(sim.loss)
            .delay(sim.delay)
            .duplicate(sim.duplicate)
            .corrupt(sim.corrupt);
        let world = World::start(config)
            .await
            .map_err(|error| Failure::caused(Code::CannotOpen, error))?;
        return Ok(Opened {
            // The world ends with the command: there is nobody to say farewell to.
            link: Box::new(world.join()),
            name: name(address),
            labels: Labels::One,
            end: End::Lost,
            world: Some(world),
        });
    }
    if let LinkAddress::IsotpServer(_) = address {
        let message = format!("{address} carries messages and no frames; isotp send and recv take it");
        return Err(Failure::new(Code::Usage, message));
    }
    let (name, labels) = (name(address), labels(address));
    let link = can_link::open(address).await.map_err(|error| {
        let fix = match (address, &error) {
            (LinkAddress::SocketCan(_), LinkError::Unsupported { .. }) => kernel_can_fix(),
            _ => None,
        };
        let failure = trouble(error, &name);
        match fix {
            Some(fix) => failure.hint(fix),
            None => failure,
        }
    })?;
    Ok(Opened {
        link: door.watch(link),
        name,
        labels,
        end: match address {
            LinkAddress::Log(_) => End::Natural,
            _ => End::Lost,
        },
        world: None,
    })
}

/// How the link's frames and messages are labelled.
pub(crate) fn name(address: &LinkAddress) -> String {
    match address {
        LinkAddress::SocketCan(socket) => socket.interface.clone(),
        LinkAddress::Virtual(address) => address.name.clone(),
        LinkAddress::Bus(address) => address.name.clone(),
        LinkAddress::Sim(_) => "sim".into(),
        other => other.to_string(),
    }
}

fn labels(address: &LinkAddress) -> Labels {
    match address {
        LinkAddress::SocketCan(socket) if socket.interface == "any" => Labels::ByChannel,
        _ => Labels::One,
    }
}

/// The same link, which gives own frames back where it can: what came back was on the wire.
pub(crate) fn with_own_echo(mut address: LinkAddress) -> LinkAddress {
    match &mut address {
        LinkAddress::SocketCan(socket) => socket.own = Echo::On,
        LinkAddress::Virtual(address) => address.own = true,
        LinkAddress::Bus(address) => address.own = true,
        _ => {}
    }
    address
}

/// Opens a link that shall deliver only what the filters accept.
pub(crate) async fn open_filtered(
    door: &Door,
    mut address: LinkAddress,
    filters: Option<&FilterSet>,
) -> Result<Opened> {
    let Some(filters) = filters else {
        return open(door, &address).await;
    };
    // A kernel socket queues from the moment it is bound, so its filters have to be there before.
    if let LinkAddress::SocketCan(socket) = &mut address {
        socket.filters = filters.filters().to_vec();
        socket.join = filters.join();
        socket.errors = filters.errors();
        return open(door, &address).await;
    }
    let mut opened = open(door, &address).await?;
    opened
        .link
        .set_filters(filters)
        .map_err(|error| trouble(error, &opened.name))?;
    Ok(opened)
}

/// A link that cannot be opened or is of no further use, with what would help.
pub(crate) fn trouble(error: LinkError, link: &str) -> Failure {
    let code = match &error {
        LinkError::Gone { .. } | LinkError::Closed => Code::Lost,
        LinkError::Protocol { .. } => Code::Protocol,
        _ => Code::CannotOpen,
    };
    let hint = match &error {
        LinkError::NotFound { .. } | LinkError::Unsupported { .. } => {
            Some("tinwire doctor tells what this machine has; bus:NAME and sim: work on every one")
        }
        LinkError::Permission { .. } => Some("tinwire doctor tells which rights are missing"),
        _ => None,
    };
    let is_named = error.to_string().contains(link);
    let mut failure = Failure::caused(code, anyhow::Error::new(error));
    if !is_named {
        failure = failure.context(link);
    }
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A frame that the link did not take.
pub(crate) fn not_sent(error: SendError, link: &str) -> Failure {
    let code = match &error {
        SendError::Gone | SendError::Closed => Code::Lost,
        _ => Code::NotSent,
    };
    let hint = match &error {
        SendError::Down => Some(format!("sudo ip link set {link} up")),
        SendError::BusOff => Some(format!("sudo ip link set {link} type can restart")),
        _ => None,
    };
    let failure = Failure::caused(code, anyhow::Error::new(error)).context(link);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scheme_is_told_with_what_was_meant() {
        let failure = parse("socketcam:can0").unwrap_err();
        assert_eq!(
            failure.text(),
            "error: link socketcam:can0: unknown scheme \"socketcam\" (did you mean \"socketcan\"?)"
        );
        assert_eq!(failure.code().exit(), 2);
    }

    #[test]
    fn faults_of_the_simulation_may_be_percentages_behind_commas() {
        let link = |text: &str| parse(text).unwrap();
        assert_eq!(
            link("sim:?loss=5%,delay=20ms,dup=1%,corrupt=0.1%,seed=4"),
            link("sim:?loss=0.05&delay=20ms&dup=0.01&corrupt=0.001&seed=4")
        );
        assert!(parse("sim:?loss=500%").is_err());
        assert!(parse("sim:?lss=5%").unwrap_err().text().contains("\"loss\""));
    }

    #[test]
    fn flags_of_the_kernel_are_refused_elsewhere() {
        let bus = || parse("bus:lab").unwrap();
        assert_eq!(
            without_loopback(bus()).unwrap_err().text(),
            "error: -x is for interfaces of the kernel, and bus:lab is none"
        );
        assert!(with_receive_buffer(bus(), Some(1)).is_err());
        assert!(with_receive_buffer(bus(), None).is_ok());
        assert!(without_loopback(parse("can0").unwrap()).is_ok());
    }

    #[test]
    fn what_went_wrong_with_a_link_names_it_once() {
        let error = LinkError::NotFound {
            link: "can7".into(),
            fix: None,
        };
        let text = trouble(error, "can7").text();
        assert!(
            text.starts_with("error: can7: no such CAN interface\nhint: "),
            "{text}"
        );
        assert_eq!(
            not_sent(SendError::Down, "can0").text(),
            "error: can0: the interface is down\nhint: sudo ip link set can0 up"
        );
    }
}
