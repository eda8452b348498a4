//! An ordinary computer as the platform of a node.

use std::string::String;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, format, process};

use crate::service::{Memory, Origin, Platform, Refusal, Timestamp};

/// The computer that the program runs on.
///
/// It tells the wall clock, on Linux the free memory, and the program itself as the only process; the uptime
/// is the node's own. It changes nothing: reboot, shutdown and setting the clock are not available. Peek
/// and poke see the [`Memory`] given to it and never the computer's.
///
/// ```
/// use csp_core::Config;
/// use csp_core::rt::Host;
/// use csp_core::service::Identity;
///
/// let config = Config::default().identity(Identity::new("ground")).platform(Host::default());
/// ```
#[derive(Debug, Default)]
pub struct Host {
    memory: Option<Memory>,
}

impl Host {
    /// What peek and poke are to see. Default nothing.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = Some(memory);
        self
    }
}

impl Platform for Host {
    fn processes(&mut self, _: &Origin) -> Option<String> {
        let program = env::current_exe().ok()?;
        let name = program.file_name()?.to_string_lossy();
        Some(format!("{name} {}\n", process::id()))
    }

    fn memory_free(&mut self, _: &Origin) -> Option<u32> {
        // A file in memory: reading it does not block.
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        available(&text)
    }

    fn clock(&mut self, _: &Origin) -> Option<Timestamp> {
        Timestamp::new(SystemTime::now().duration_since(UNIX_EPOCH).ok()?)
    }

    fn peek(&mut self, _: &Origin, address: u64, data: &mut [u8]) -> Result<(), Refusal> {
        self.memory
            .as_ref()
            .ok_or(Refusal::Unavailable)?
            .read(address, data)
    }

    fn poke(&mut self, _: &Origin, address: u64, data: &[u8]) -> Result<(), Refusal> {
        self.memory
            .as_mut()
            .ok_or(Refusal::Unavailable)?
            .write(address, data)
    }
}

/// The memory that Linux could give a program, in bytes; what 32 bits don't hold is the most they do.
fn available(meminfo: &str) -> Option<u32> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(u32::try_from(kibibytes.saturating_mul(1024)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_available_memory_is_told_in_bytes_up_to_what_32_bits_hold() {
        let text = "MemTotal:  16384 kB\nMemFree:  100 kB\nMemAvailable:  2048 kB\n";
        assert_eq!(available(text), Some(2048 * 1024));
        assert_eq!(available("MemAvailable: 8388608 kB\n"), Some(u32::MAX));
        assert_eq!(available("MemAvailable: much\n"), None);
        assert_eq!(available("MemFree: 1 kB\n"), None);
    }
}
