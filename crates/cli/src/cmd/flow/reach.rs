//! From the words that were typed to whoever gives flows there. Only what an address needs is opened.

use core::time::Duration;
#[cfg(unix)]
use std::path::Path;

use csp_core::hmac::Key;
use csp_core::{ConnectConfig, Need, Needs, SocketConfig, Switch};
use flow_core::error::{AcceptError, ReadError};
use flow_core::providers::csp::{CspConfig, CspProvider};
use flow_core::providers::fstrm::FstrmProvider;
use flow_core::providers::isotp::IsoTpProvider;
#[cfg(unix)]
use flow_core::providers::machine::{MachineConfig, MachineLayer};
use flow_core::{Address, AllocError, BindError, Flow, FlowError, Flows, JoinError, QosSpec, WriteError};
use tinwire_sim::{World, WorldConfig};

use crate::args::csp::Interface;
use crate::args::flow::Way;
use crate::cmd::Session;
use crate::cmd::csp::station::{Berth, Station};
use crate::failure::{Code, Failure, Result};

/// How long a flow may take to come about.
const ALLOC: Duration = Duration::from_secs(20);
/// How long a broadcast layer may take to be left.
#[cfg(unix)]
const LEAVING: Duration = Duration::from_secs(2);
/// How often a process that is bound to nothing looks whether it is.
const UNBOUND: Duration = Duration::from_millis(200);

/// Whoever gives flows at one address.
#[derive(Debug)]
pub(super) struct Reach {
    flows: Flows,
    /// As it was typed.
    pub(super) name: String,
    /// As the provider knows it.
    address: String,
    #[cfg(unix)]
    machine: Option<MachineLayer>,
    /// What has to live as long as the flows.
    world: Option<World>,
    station: Option<Station>,
}

impl Reach {
    fn named(name: &str) -> Self {
        Self {
            flows: Flows::new(),
            name: name.to_owned(),
            address: name.to_owned(),
            #[cfg(unix)]
            machine: None,
            world: None,
            station: None,
        }
    }

    /// The way to an address. What is not there is told when a flow is asked for.
    pub(super) async fn to(session: &Session, way: &Way, name: &str) -> Result<Self> {
        let mut reach = Self::named(name);
        if let Some(simulated) = name.strip_prefix("sim:") {
            let world = World::start(WorldConfig::default())
                .await
                .map_err(|error| Failure::caused(Code::CannotOpen, error))?;
            reach.address = format!("local:{simulated}");
            reach.flows = Flows::new().with("local", world.layer().attach());
            reach.world = Some(world);
            return Ok(reach);
        }
        let address = name
            .parse::<Address>()
            .map_err(|error| Failure::caused(Code::BadAddress, error).context(name))?;
        reach.flows = match address.scheme() {
            "csp" => {
                let station = station(session, way).await?;
                let provider = CspProvider::with_config(station.node.clone(), csp_config(way));
                reach.station = Some(station);
                Flows::new().with("csp", provider)
            }
            "isotp" => Flows::new().with("isotp", IsoTpProvider::new()),
            "fstrm" => Flows::new().with("fstrm", FstrmProvider::new()),
            _ => return reach.on_machine(way),
        };
        Ok(reach)
    }

    /// The way for whoever accepts: for a name that is bound here, or for all that this process is bound to.
    pub(super) async fn for_accepting(session: &Session, way: &Way, name: Option<&str>) -> Result<Self> {
        let Some(name) = name else {
            let mut reach = Self::named(&format!("what process {} is bound to", std::process::id()));
            reach.address.clear();
            return reach.on_machine(way);
        };
        let reach = Self::to(session, way, name).await?;
        let bound = reach.flows.bind(&reach.address);
        bound.map_err(|error| not_bound(error, name))?;
        Ok(reach)
    }

    #[cfg(unix)]
    fn on_machine(self, way: &Way) -> Result<Self> {
        let layer = MachineLayer::open(machine_config(way.dir.as_deref())).map_err(no_layer)?;
        Ok(Self {
            flows: Flows::new().with("local", layer.attach()),
            machine: Some(layer),
            ..self
        })
    }

    #[cfg(not(unix))]
    fn on_machine(self, _: &Way) -> Result<Self> {
        Err(no_sockets())
    }

    /// After the last flow of a broadcast layer was let go of: waits until its links have taken what was
    /// written, which they do, or have ended, within a second.
    pub(super) async fn left(&self) {
        #[cfg(unix)]
        if let Some(layer) = &self.machine {
            let gone = async {
                while layer.stats().broadcast.links > 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            let _those_that_take_nothing_lose_it = tokio::time::timeout(LEAVING, gone).await;
        }
    }

    /// Whether the other end is a built-in one.
    pub(super) fn is_simulated(&self) -> bool {
        self.world.is_some() || self.station.as_ref().is_some_and(Station::is_simulated)
    }

    /// Asks for a flow.
    pub(super) async fn alloc(&self, session: &Session, qos: QosSpec) -> Result<Flow> {
        let asking = async {
            let asked = self.flows.alloc(&self.address, qos, Some(ALLOC)).await;
            asked.map_err(|error| not_allocated(error, &self.name))
        };
        session.stop.cut(asking).await
    }

    /// Joins a broadcast layer.
    pub(super) async fn join(&self, session: &Session) -> Result<Flow> {
        let joining = async {
            let joined = self.flows.join(&self.address, Some(ALLOC)).await;
            joined.map_err(|error| not_joined(error, &self.name))
        };
        session.stop.cut(joining).await
    }

    /// The next flow that is asked for here. Dropping the future loses none.
    pub(super) async fn accept(&self) -> core::result::Result<Flow, AcceptError> {
        loop {
            match self.flows.accept(None).await {
                // settings may bind this process yet
                Err(AcceptError::NoName) if self.address.is_empty() => tokio::time::sleep(UNBOUND).await,
                accepted => return accepted,
            }
        }
    }

    /// Why no flow is accepted any more.
    pub(super) fn not_accepted(&self, error: AcceptError) -> Failure {
        Failure::caused(Code::Lost, error).context(&self.name)
    }
}

async fn station(session: &Session, way: &Way) -> Result<Station> {
    let interface = Interface {
        iface: way.iface.clone(),
        addr: way.addr.clone(),
    };
    let config = csp_core::Config::default();
    let config = match &way.hmac {
        Some(phrase) => config.hmac_key(Key::from_pass_phrase(phrase.as_bytes())),
        None => config,
    };
    Berth::of(session, &interface)?.occupy(session, config).await
}

/// With a pass phrase everything is authenticated, both ways.
fn csp_config(way: &Way) -> CspConfig {
    if way.hmac.is_none() {
        return CspConfig::default();
    }
    CspConfig::default()
        .connect(ConnectConfig::default().hmac(Switch::On))
        .socket(SocketConfig::default().needs(Needs::default().hmac(Need::Required)))
}

#[cfg(unix)]
pub(super) fn machine_config(dir: Option<&Path>) -> MachineConfig {
    match dir {
        Some(directory) => MachineConfig::default().directory(directory),
        None => MachineConfig::default(),
    }
}

#[cfg(not(unix))]
pub(super) fn no_sockets() -> Failure {
    let message = "flows between processes need Unix sockets, which this system does not have";
    Failure::new(Code::NotInThisVersion, message).hint("sim:echo, csp:, isotp: and fstrm: are here")
}

#[cfg(unix)]
pub(super) fn no_layer(error: flow_core::LayerError) -> Failure {
    Failure::caused(Code::CannotOpen, error).hint("--dir DIR or TINWIRE_FLOW_DIR names another directory")
}

fn not_allocated(error: AllocError, name: &str) -> Failure {
    let (code, hint) = match &error {
        AllocError::UnknownName { .. } => (
            Code::CannotOpen,
            Some("tinwire flow ls shows the names that are there"),
        ),
        AllocError::Qos(_) => (Code::Usage, Some("another quality is asked for with --qos")),
        AllocError::Address { .. } => (Code::BadAddress, None),
        AllocError::TimedOut => (
            Code::NoReply,
            Some("somebody is bound there, and does not accept"),
        ),
        _ => (Code::CannotOpen, None),
    };
    let failure = Failure::caused(code, error).context(name);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn not_bound(error: BindError, name: &str) -> Failure {
    let code = match error {
        BindError::Address { .. } => Code::BadAddress,
        _ => Code::CannotOpen,
    };
    Failure::caused(code, error).context(name)
}

fn not_joined(error: JoinError, name: &str) -> Failure {
    let code = match error {
        JoinError::Address { .. } | JoinError::Unsupported => Code::BadAddress,
        JoinError::TimedOut => Code::NoReply,
        _ => Code::CannotOpen,
    };
    Failure::caused(code, error).context(name)
}

/// Why a flow does not go on.
pub(super) fn broken(error: impl Into<FlowError>, name: &str) -> Failure {
    let error = error.into();
    let code = match error {
        FlowError::Read(ReadError::WriteOnly)
        | FlowError::Write(WriteError::ReadOnly | WriteError::TooLong { .. } | WriteError::Empty) => {
            Code::Usage
        }
        _ => Code::Lost,
    };
    Failure::caused(code, error).context(name)
}

/// Checks that packets of so many bytes can be sent.
pub(super) fn fits(size: u32, flow: &Flow) -> Result<usize> {
    let (size, max) = (usize::try_from(size).unwrap_or(usize::MAX), flow.max_packet());
    if size > max {
        let message = format!("packets of {size} bytes do not fit the flow");
        return Err(Failure::new(Code::Usage, message).hint(format!("-s {max} is the most here")));
    }
    Ok(size)
}
