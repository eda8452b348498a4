//! What each station is and runs on, as the services of its node tell it.

use core::fmt::Write as _;
use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use csp_core::service::{Identity, Memory, Origin, Platform, Refusal, Service, Services, Timestamp};
use tinwire_time::Instant;

use super::Station;
use crate::random::Random;

/// Where a station's program lies: read only, it begins with the station's name.
pub const FLASH_START: u32 = 0x0800_0000;
/// Where its working memory lies: peek and poke.
pub const RAM_START: u32 = 0x2000_0000;
/// A memory that only 64-bit peek and poke reach.
pub const STORE_START: u64 = 0x1_0000_0000;
/// Bytes of each of the three.
pub const MEMORY_LEN: usize = 4096;

/// 2026-01-01 00:00:00 UTC, when every simulated mission begins.
const EPOCH: u64 = 1_767_225_600;
/// A station has been up for at most so many seconds when the simulation begins.
const MAX_UPTIME: u64 = 40 * 24 * 3600;
/// The memory free in a station changes once in so many seconds.
const HEAP_PERIOD: u64 = 10;

struct Task {
    name: &'static str,
    priority: u8,
}

const fn task(name: &'static str, priority: u8) -> Task {
    Task { name, priority }
}

/// What all stations run.
const COMMON: [Task; 3] = [task("IDLE", 0), task("csp_router", 4), task("can_rx", 5)];

struct Kind {
    model: &'static str,
    revision: &'static str,
    built: (&'static str, &'static str),
    heap: u32,
    tasks: &'static [Task],
}

fn kind(station: &str) -> Kind {
    match station {
        "obc" => Kind {
            model: "on-board computer",
            revision: "3.2.0",
            built: ("Nov  4 2025", "10:21:37"),
            heap: 182_400,
            tasks: const {
                &[
                    task("scheduler", 3),
                    task("fdir", 5),
                    task("store", 2),
                    task("beacon", 1),
                ]
            },
        },
        "eps" => Kind {
            model: "power supply",
            revision: "1.9.4",
            built: ("Aug 19 2025", "08:02:11"),
            heap: 9_216,
            tasks: const { &[task("mppt", 4), task("switches", 3)] },
        },
        "adcs" => Kind {
            model: "attitude control",
            revision: "2.0.1",
            built: ("Sep 30 2025", "16:45:09"),
            heap: 41_984,
            tasks: const { &[task("ekf", 4), task("wheels", 4), task("mag", 3), task("sun", 2)] },
        },
        "radio" => Kind {
            model: "UHF transceiver",
            revision: "5.1.0",
            built: ("Jul  2 2025", "13:30:58"),
            heap: 22_528,
            tasks: const { &[task("modem", 5), task("agc", 3)] },
        },
        _ => Kind {
            model: "camera",
            revision: "0.8.2",
            built: ("Dec 11 2025", "19:12:44"),
            heap: 1_048_576,
            tasks: const { &[task("capture", 3), task("compress", 1)] },
        },
    }
}

/// The machine under a station's node.
#[derive(Debug)]
pub(super) struct Unit {
    station: Station,
    seed: u64,
    /// How long it was up when its node began, and when it last started since.
    up_before: Duration,
    started_at: Instant,
    /// The clock's reading when its node's time was zero.
    clock_at_zero: Duration,
    memory: Memory,
}

impl Unit {
    pub(super) fn new(station: Station, seed: u64) -> Self {
        let seed = seed ^ u64::from(station.address) << 32;
        let mut random = Random::seeded(seed);
        let up_before = Duration::from_secs(random.next_u64() % MAX_UPTIME);
        // Nobody's clock is quite right.
        let off = Duration::from_millis(random.next_u64() % 2000);
        Self {
            station,
            seed,
            up_before,
            started_at: Instant::ZERO,
            clock_at_zero: Duration::from_secs(EPOCH) + off,
            memory: memory(station, &mut random),
        }
    }

    pub(super) fn identity(&self) -> Identity {
        let Kind {
            model,
            revision,
            built,
            ..
        } = kind(self.station.name);
        Identity::new(self.station.name)
            .model(model)
            .revision(revision)
            .built(built.0, built.1)
    }

    fn up(&self, now: Instant) -> Duration {
        self.up_before + now.saturating_since(self.started_at)
    }
}

/// All but the shutdown: nobody could start a satellite again.
pub(super) fn services() -> Services {
    let all = Service::ALL.into_iter().fold(Services::none(), Services::on);
    all.off(Service::Shutdown)
}

/// What a station has where it can be peeked: name and noise.
fn memory(station: Station, random: &mut Random) -> Memory {
    let mut noise = || -> Vec<u8> { (0..MEMORY_LEN).map(|_| random.next_u8()).collect() };
    let name = station.name.bytes().chain([0]);
    let (ram, flash, store) = (noise(), noise(), noise());
    let mut program: Vec<u8> = name.chain(flash).collect();
    program.truncate(MEMORY_LEN);
    let mut memory = Memory::new();
    memory
        .add_fixed(FLASH_START.into(), program)
        .and_then(|()| memory.add(RAM_START.into(), ram))
        .and_then(|()| memory.add(STORE_START, store))
        .expect("the three regions lie apart");
    memory
}

impl Platform for Unit {
    fn processes(&mut self, origin: &Origin) -> Option<String> {
        let mut random = Random::seeded(self.seed);
        let mut text = String::from("name        prio state    stack\n");
        for Task { name, priority } in COMMON.iter().chain(kind(self.station.name).tasks) {
            // The idle task waits for nothing, and whoever answers is running.
            let state = match *name {
                "IDLE" => "ready",
                "csp_router" => "running",
                _ => "blocked",
            };
            let stack = 64 + random.next_u16() % 448;
            let _ = writeln!(text, "{name:<12}{priority:<5}{state:<9}{stack}");
        }
        let _ = writeln!(text, "up {} s", self.up(origin.received_at).as_secs());
        Some(text)
    }

    fn memory_free(&mut self, origin: &Origin) -> Option<u32> {
        let heap = kind(self.station.name).heap;
        let period = self.up(origin.received_at).as_secs() / HEAP_PERIOD;
        let used = u32::from(Random::seeded(self.seed ^ period).next_u8()) * (heap / 1024);
        Some(heap.saturating_sub(used))
    }

    fn uptime(&mut self, origin: &Origin) -> Option<u32> {
        u32::try_from(self.up(origin.received_at).as_secs()).ok()
    }

    fn clock(&mut self, origin: &Origin) -> Option<Timestamp> {
        Timestamp::new(self.clock_at_zero + origin.received_at.saturating_since(Instant::ZERO))
    }

    fn set_clock(&mut self, origin: &Origin, time: Timestamp) -> Result<(), Refusal> {
        let running = origin.received_at.saturating_since(Instant::ZERO);
        self.clock_at_zero = time.since_epoch().checked_sub(running).ok_or(Refusal::Refused)?;
        Ok(())
    }

    /// The station is up again at once.
    fn reboot(&mut self, origin: &Origin) -> Result<(), Refusal> {
        self.up_before = Duration::ZERO;
        self.started_at = origin.received_at;
        Ok(())
    }

    fn peek(&mut self, _: &Origin, address: u64, data: &mut [u8]) -> Result<(), Refusal> {
        self.memory.read(address, data)
    }

    fn poke(&mut self, _: &Origin, address: u64, data: &[u8]) -> Result<(), Refusal> {
        self.memory.write(address, data)
    }
}
