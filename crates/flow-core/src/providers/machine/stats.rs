//! What a layer counts.

use super::broadcast::BroadcastStats;
use super::driver::{DriverStats, Over};
use super::link::Breach;
use crate::providers::local::LocalStats;

/// Counters of a layer between processes, as this process sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineStats {
    /// Names, requests and flows of this process, those from other processes included.
    pub local: LocalStats,
    /// Broadcast layers.
    pub broadcast: BroadcastStats,
    /// Flows to other processes that are there now.
    pub flows: usize,
    /// Connections that are there now and have not said what they want.
    pub handshakes: usize,
    /// Flows that were allocated to other processes.
    pub allocated: u64,
    /// Flows that were accepted from other processes.
    pub accepted: u64,
    /// Connections that did not say in time what they want, or were turned out for a younger one.
    pub mute: u64,
    /// Connections that said something that is no request.
    pub malformed: u64,
    /// Connections of users to whom the name is not open.
    pub denied: u64,
    /// Requests for which there were too many flows.
    pub full: u64,
    /// Connections that could not be taken for want of a file number or memory.
    pub untaken: u64,
    /// Sockets of dead processes that were met.
    pub stale: u64,
    /// Flows whose peer ended without a word.
    pub killed: u64,
    /// Flows whose peer was silent for too long.
    pub silent: u64,
    /// Flows whose peer sent something that is no frame.
    pub broken_frames: u64,
    /// Flows whose peer sent more than the window, or after its end, or took back what it had read.
    pub broken_rules: u64,
    /// How the last peer that broke the rules did so.
    pub last_breach: Option<Breach>,
    /// Flows that were let go of, whose peer did not take in time what was written before.
    pub discarded: u64,
    /// Packets that arrived after this side had stopped reading for good.
    pub unwanted: u64,
    /// Keepalives sent.
    pub keepalives_sent: u64,
}

impl MachineStats {
    /// A flow is over.
    pub(super) fn count_over(&mut self, over: Over, driver: DriverStats) {
        self.unwanted += driver.unwanted;
        self.keepalives_sent += driver.keepalives_sent;
        match over {
            Over::Here | Over::There => {}
            Over::Discarded => self.discarded += 1,
            Over::Killed => self.killed += 1,
            Over::Silent => self.silent += 1,
            Over::Broken(breach) => {
                self.last_breach = Some(breach);
                match breach {
                    Breach::Frame(_) => self.broken_frames += 1,
                    Breach::AfterEnd | Breach::BeyondWindow | Breach::Read { .. } => self.broken_rules += 1,
                }
            }
        }
    }
}
