//! A node of our own on an interface: who we are, and on what.

use can_link::address::LinkAddress;
use csp_can::{CanConfig, CanInterface};
use csp_core::hmac::Key;
use csp_core::rt::{CallError, Node};
use csp_core::{Config, Flags, InterfaceConfig, InterfaceName, SendError, Subnet, Switch};
use tinwire_sim::World;

use super::drops::Drops;
use super::iface::{Iface, OwnAddress};
use super::overheard::{Ear, Listened};
use crate::args::csp::{Interface, Protection};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::links::{self, AnyLink, Opened};

/// Where we want to be, as it was asked for: the flag, else the configured interface, else the link.
#[derive(Clone, Debug)]
pub(in crate::cmd) struct Berth {
    pub(super) iface: Iface,
    pub(super) link: LinkAddress,
}

impl Berth {
    pub(in crate::cmd) fn of(session: &Session, args: &Interface) -> Result<Self> {
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
        Ok(Self { iface, link })
    }

    /// Our address and network: what was asked for, or the usual ones.
    pub(super) fn own(&self) -> Result<Subnet> {
        let address = self.iface.address.unwrap_or(OwnAddress::DEFAULT);
        address.subnet(self.iface.version)
    }

    pub(super) const fn is_simulated(&self) -> bool {
        matches!(self.link, LinkAddress::Sim(_))
    }

    /// Makes a node there.
    pub(in crate::cmd) async fn occupy(&self, session: &Session, config: Config) -> Result<Station> {
        let (station, ()) = self.occupy_with(session, config, |_| Ok(())).await?;
        Ok(station)
    }

    /// Makes a node there that is set up before anything can reach it.
    pub(super) async fn occupy_with<T>(
        &self,
        session: &Session,
        config: Config,
        set_up: impl FnOnce(&Node) -> Result<T>,
    ) -> Result<(Station, T)> {
        let own = self.own()?;
        let node = Node::spawn(config);
        let ready = set_up(&node)?;
        let opening = links::open(&session.door, &self.link);
        let Opened {
            link, name, world, ..
        } = session.stop.cut(opening).await?;
        let station = Station::attach(node, link, name, world, &self.iface, own)?;
        Ok((station, ready))
    }
}

/// A node of our own on an interface.
#[derive(Debug)]
pub(in crate::cmd) struct Station {
    pub(in crate::cmd) node: Node,
    /// The interface, as messages name it.
    pub(super) name: String,
    pub(super) own: Subnet,
    pub(super) ear: Ear,
    pub(super) drops: Drops,
    /// The simulated devices, which live as long as the node.
    world: Option<World>,
}

impl Station {
    /// The only interface of a node leads everywhere (ROUTE-8).
    pub(super) fn attach(
        node: Node,
        link: AnyLink,
        name: String,
        world: Option<World>,
        iface: &Iface,
        own: Subnet,
    ) -> Result<Self> {
        let label = iface.name.as_deref().unwrap_or("CAN");
        let label = InterfaceName::new(label).ok_or_else(|| {
            Failure::new(Code::BadAddress, format!("{label:?} is no name for an interface"))
        })?;
        let interface = InterfaceConfig::new(label, own.address(), own.netmask())
            .version(own.version())
            .default_route();
        let can = CanConfig::default().promiscuous(if iface.is_promiscuous {
            Switch::On
        } else {
            Switch::Off
        });
        let cannot = |error: anyhow::Error| Failure::caused(Code::CannotOpen, error).context(&name);
        let ear = Ear::default();
        let link = Listened::new(link, ear.clone()).map_err(|error| links::trouble(error, &name))?;
        let can = CanInterface::new(link, &interface, can).map_err(|error| cannot(error.into()))?;
        let drops = Drops::of(&node);
        let attached = node.attach(interface, can);
        attached.map_err(|error| match error {
            CallError::Refused(error) => Failure::caused(Code::BadAddress, error)
                .context(&name)
                .hint("--addr ADDR/BITS gives us another address"),
            error => cannot(error.into()),
        })?;
        Ok(Self {
            node,
            name,
            own,
            ear,
            drops,
            world,
        })
    }

    /// Whether the other nodes are the built-in ones.
    pub(in crate::cmd) const fn is_simulated(&self) -> bool {
        self.world.is_some()
    }

    /// Why a packet was not sent.
    pub(super) fn not_sent(&self, error: SendError) -> Failure {
        match error {
            SendError::TooLong { max, .. } => {
                Failure::caused(Code::Usage, error).hint(format!("{max} bytes are the most here"))
            }
            SendError::LinkDown => Failure::caused(Code::Lost, error)
                .context(&self.name)
                .hint("an interface of the kernel is brought up with: sudo ip link set NAME up"),
            SendError::Header(_) | SendError::NoRoute { .. } | SendError::Unsupported { .. } => {
                Failure::caused(Code::Usage, error)
            }
            _ => Failure::caused(Code::NotSent, error),
        }
    }
}

impl Protection {
    /// The flags of what is sent.
    pub(super) const fn flags(&self) -> Flags {
        let crc = if self.no_crc { Flags::NONE } else { Flags::CRC32 };
        if self.hmac.is_some() {
            crc.with(Flags::HMAC)
        } else {
            crc
        }
    }

    /// A node with the key.
    pub(super) fn config(&self) -> Config {
        let config = Config::default();
        match &self.hmac {
            Some(phrase) => config.hmac_key(Key::from_pass_phrase(phrase.as_bytes())),
            None => config,
        }
    }
}
