//! What the node runs on, as its services tell it: this process, and a memory that is none.

use std::time::{SystemTime, UNIX_EPOCH};

use csp_core::service::{Memory, Origin, Platform, PowerCommand, Refusal, Timestamp};
use csp_core::{Address, Route};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Size of the memory at address 0.
const MEMORY_LEN: usize = 64 * 1024;
/// Deeds that are not told yet.
const QUEUE: usize = 64;

/// Something that another node made us do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    pub(super) by: Address,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Power(PowerCommand),
    ClockSet(Timestamp),
    Written { address: u64, len: usize },
    RouteSet,
}

pub(super) struct Simulated {
    start: Instant,
    memory: Memory,
    /// By how much our clock is ahead of this machine's, in nanoseconds.
    ahead: i128,
    deeds: mpsc::Sender<Deed>,
}

impl Simulated {
    pub(super) fn new() -> (Self, mpsc::Receiver<Deed>) {
        let (deeds, told) = mpsc::channel(QUEUE);
        let mut memory = Memory::new();
        // A memory of its own has room for it.
        let _ = memory.add(0, vec![0; MEMORY_LEN]);
        let simulated = Self {
            start: Instant::now(),
            memory,
            ahead: 0,
            deeds,
        };
        (simulated, told)
    }

    /// Tells of a deed, unless nobody has listened to the last ones.
    fn tell(&self, origin: &Origin, what: What) {
        let _ = self.deeds.try_send(Deed {
            by: origin.source,
            what,
        });
    }
}

impl Platform for Simulated {
    fn processes(&mut self, _: &Origin) -> Option<String> {
        Some(format!("{:>7} tinwire csp node\n", std::process::id()))
    }

    fn memory_free(&mut self, _: &Origin) -> Option<u32> {
        available_memory().map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    fn uptime(&mut self, _: &Origin) -> Option<u32> {
        u32::try_from(self.start.elapsed().as_secs()).ok()
    }

    fn clock(&mut self, _: &Origin) -> Option<Timestamp> {
        let nanos = now()?.checked_add(self.ahead)?;
        let nanos = u64::try_from(nanos).ok()?;
        Timestamp::new(core::time::Duration::from_nanos(nanos))
    }

    fn set_clock(&mut self, origin: &Origin, time: Timestamp) -> Result<(), Refusal> {
        let set = i128::try_from(time.since_epoch().as_nanos()).map_err(|_| Refusal::Refused)?;
        self.ahead = set - now().ok_or(Refusal::Refused)?;
        self.tell(origin, What::ClockSet(time));
        Ok(())
    }

    fn reboot(&mut self, origin: &Origin) -> Result<(), Refusal> {
        self.start = Instant::now();
        self.tell(origin, What::Power(PowerCommand::Reboot));
        Ok(())
    }

    fn shutdown(&mut self, origin: &Origin) -> Result<(), Refusal> {
        self.tell(origin, What::Power(PowerCommand::Shutdown));
        Ok(())
    }

    fn peek(&mut self, _: &Origin, address: u64, data: &mut [u8]) -> Result<(), Refusal> {
        self.memory.read(address, data)
    }

    fn poke(&mut self, origin: &Origin, address: u64, data: &[u8]) -> Result<(), Refusal> {
        self.memory.write(address, data)?;
        let len = data.len();
        self.tell(origin, What::Written { address, len });
        Ok(())
    }

    fn set_route(&mut self, origin: &Origin, _: &Route) -> Result<(), Refusal> {
        self.tell(origin, What::RouteSet);
        Ok(())
    }
}

/// Nanoseconds since 1970.
fn now() -> Option<i128> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i128::try_from(since.as_nanos()).ok()
}

/// What the kernel says that programs could have.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}
