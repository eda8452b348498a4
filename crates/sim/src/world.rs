//! Everything at once.

use core::time::Duration;

use can_link::VirtualBus;
use can_link::faulty::{FaultConfig, Faulty, Probability};
use can_link::virtual_bus::{BitRate, BusConfig, VirtualPort};
use flow_core::LocalLayer;
use thiserror::Error;
use tokio::task::JoinSet;

use crate::chatter::Chatter;
use crate::echo::{Echo, EchoError};
use crate::ecu::{self, Ecu, EcuConfig};
use crate::satellite::{Satellite, SatelliteError};

/// How the devices' bus behaves.
///
/// The faults strike on the way to each device and on the way to each [`World::join`]ed link, so a request
/// and its response are at risk both.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorldConfig {
    seed: u64,
    loss: Probability,
    delay: Duration,
    duplicate: Probability,
    corrupt: Probability,
    bit_rate: Option<BitRate>,
}

impl WorldConfig {
    /// A sound bus; the seed decides the traffic, and the faults where there are any. Default seed: 0.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// How often a frame is lost on one way. Default: never, but for the satellite's lossy hop.
    #[must_use]
    pub const fn loss(self, loss: Probability) -> Self {
        Self { loss, ..self }
    }

    /// How long a frame takes one way, besides its bits. Default: no time.
    #[must_use]
    pub const fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// How often a frame comes twice. Default: never.
    #[must_use]
    pub const fn duplicate(self, duplicate: Probability) -> Self {
        Self { duplicate, ..self }
    }

    /// How often a bit of a frame flips unnoticed. Default: never.
    #[must_use]
    pub const fn corrupt(self, corrupt: Probability) -> Self {
        Self { corrupt, ..self }
    }

    /// Paces the bus: a frame takes as long as its bits. Default: frames take no time.
    #[must_use]
    pub const fn bit_rate(self, rate: BitRate) -> Self {
        Self {
            bit_rate: Some(rate),
            ..self
        }
    }

    /// Each link has faults of its own, and the same ones every time.
    fn faults(&self, link: u64) -> FaultConfig {
        FaultConfig::seeded(self.seed.wrapping_mul(0x100).wrapping_add(link))
            .loss(self.loss)
            .delay(self.delay)
            .duplicate(self.duplicate)
            .corrupt(self.corrupt)
    }
}

/// Why the world does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorldError {
    /// The satellite does not.
    #[error("the simulated satellite does not start: {0}")]
    Satellite(#[from] SatelliteError),
    /// The echo service does not.
    #[error("the echo service does not start: {0}")]
    Echo(#[from] EchoError),
}

/// A satellite and a car on one simulated bus, and an echo service beside it. They stop when it is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// use can_link::CanRxExt;
/// use tinwire_sim::{World, WorldConfig};
///
/// let world = World::start(WorldConfig::seeded(7)).await?;
/// let mut link = world.join();
/// let frame = link.recv_frame().await?.ok_or("the car talks all the time")?.frame;
/// # let _ = frame;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct World {
    bus: VirtualBus,
    config: WorldConfig,
    satellite: Satellite,
    layer: LocalLayer,
    _echo: Echo,
    /// The car's tasks, which end with the world.
    _car: JoinSet<()>,
}

impl World {
    /// Starts the satellite, the car and the echo service.
    ///
    /// # Errors
    /// When one of them does not start.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    /// When the future is dropped, nothing runs.
    pub async fn start(config: WorldConfig) -> Result<Self, WorldError> {
        let mut bus = BusConfig::default();
        if let Some(rate) = config.bit_rate {
            bus = bus.bit_rate(rate);
        }
        let bus = VirtualBus::with_config(bus);
        let mut links = 0;
        let satellite = Satellite::launch(config.seed, || {
            links += 1;
            Faulty::new(bus.join(), config.faults(links))
        })
        .await?;
        let layer = LocalLayer::new();
        let echo = Echo::launch(&layer)?;
        let mut car = JoinSet::new();
        let port = Faulty::new(bus.join(), config.faults(links + 1));
        let ecu = Ecu::new(EcuConfig::seeded(config.seed));
        car.spawn(async move {
            // The bus lives as long as the world does, so this ends with it.
            let _ = ecu::serve(ecu, port).await;
        });
        let (_, talker) = bus.join().split();
        car.spawn(Chatter::seeded(config.seed).run(talker));
        Ok(Self {
            bus,
            config,
            satellite,
            layer,
            _echo: echo,
            _car: car,
        })
    }

    /// A link on the bus, with the faults that were asked for.
    #[must_use]
    pub fn join(&self) -> Faulty<VirtualPort> {
        Faulty::new(self.bus.join(), self.config.faults(0xFF))
    }

    /// The bus itself, to join without faults.
    #[must_use]
    pub const fn bus(&self) -> &VirtualBus {
        &self.bus
    }

    /// The satellite.
    #[must_use]
    pub const fn satellite(&self) -> &Satellite {
        &self.satellite
    }

    /// The layer that the service [`echo`](crate::echo) is in.
    #[must_use]
    pub const fn layer(&self) -> &LocalLayer {
        &self.layer
    }
}

#[cfg(test)]
mod tests {
    use can_link::{CanFrame, CanRxExt as _};
    use isotp::{Address, IsoTpStream};

    use super::*;
    use crate::ecu::{REQUEST_ID, RESPONSE_ID, standard_id};

    async fn overhear(config: WorldConfig, count: usize) -> Vec<CanFrame> {
        let world = World::start(config).await.unwrap();
        let mut link = world.join();
        let mut frames = Vec::new();
        while frames.len() < count {
            frames.push(link.recv_frame().await.unwrap().unwrap().frame);
        }
        frames
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_seed_is_the_same_world() {
        let first = overhear(WorldConfig::seeded(4), 100).await;
        assert_eq!(first, overhear(WorldConfig::seeded(4), 100).await);
        assert_ne!(first, overhear(WorldConfig::seeded(5), 100).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lossy_world_loses_the_same_frames_every_time() {
        let lossy = || WorldConfig::seeded(4).loss(Probability::new(0.3).unwrap());
        let frames = overhear(lossy(), 100).await;
        assert_eq!(frames, overhear(lossy(), 100).await);
        assert_ne!(frames, overhear(WorldConfig::seeded(4), 100).await);
    }

    #[tokio::test(start_paused = true)]
    async fn delay_counts_on_both_ways() {
        let delay = Duration::from_millis(20);
        let world = World::start(WorldConfig::seeded(0).delay(delay)).await.unwrap();
        let address = Address::normal(standard_id(REQUEST_ID), standard_id(RESPONSE_ID)).unwrap();
        let mut tester = IsoTpStream::new(world.join(), address, isotp::Config::default()).unwrap();
        let start = tokio::time::Instant::now();
        tester.send(vec![0x3E, 0x00]).await.unwrap();
        assert_eq!(tester.recv().await.unwrap().unwrap(), [0x7E, 0x00][..]);
        assert_eq!(start.elapsed(), 2 * delay);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paced_bus_takes_the_time_of_its_bits() {
        let rate = BitRate::new(500_000).unwrap();
        let world = World::start(WorldConfig::seeded(0).bit_rate(rate)).await.unwrap();
        let mut link = world.join();
        let first = link.recv_frame().await.unwrap().unwrap().time.monotonic;
        let second = link.recv_frame().await.unwrap().unwrap().time.monotonic;
        let gap = second - first;
        assert!(
            (100..300).contains(&gap.as_micros()),
            "8 data bytes at 500 kbit/s: {gap:?}"
        );
    }
}
