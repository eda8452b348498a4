//! Limits and places of a layer between processes.

use core::time::Duration;
use std::path::{Path, PathBuf};

use crate::providers::local::LocalConfig;

/// How many flows a layer has at most in one process, unless told otherwise. The C peer has 4032.
pub const DEFAULT_FLOWS: usize = 4_096;
/// How many connections may be shaking hands, unless told otherwise.
pub const DEFAULT_HANDSHAKES: usize = 128;
/// How long one may take to say what it wants, unless told otherwise: 2 s.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a layer between processes lies, and its limits.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    directory: Option<PathBuf>,
    local: LocalConfig,
    flows: usize,
    handshakes: usize,
    handshake_timeout: Duration,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self {
            directory: None,
            local: LocalConfig::default(),
            flows: DEFAULT_FLOWS,
            handshakes: DEFAULT_HANDSHAKES,
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
        }
    }
}

impl MachineConfig {
    /// The directory of the layer's names. Default: `$TINWIRE_FLOW_DIR`, else `flow` in the user's runtime
    /// directory.
    #[must_use]
    pub fn directory(self, directory: impl Into<PathBuf>) -> Self {
        let directory = Some(directory.into());
        Self { directory, ..self }
    }

    /// Queues of each flow, names, requests that wait, members: as within a process.
    #[must_use]
    pub fn local(self, local: LocalConfig) -> Self {
        Self { local, ..self }
    }

    /// How many flows to other processes there may be at a time. Default: [`DEFAULT_FLOWS`].
    #[must_use]
    pub fn flows(self, flows: usize) -> Self {
        Self { flows, ..self }
    }

    /// How many connections may be there that have not said yet what they want. Default:
    /// [`DEFAULT_HANDSHAKES`]. When one more comes, the oldest is turned out.
    #[must_use]
    pub fn handshakes(self, handshakes: usize) -> Self {
        Self { handshakes, ..self }
    }

    /// How long a connection may take to say what it wants. Default: [`DEFAULT_HANDSHAKE_TIMEOUT`].
    #[must_use]
    pub fn handshake_timeout(self, handshake_timeout: Duration) -> Self {
        Self {
            handshake_timeout,
            ..self
        }
    }

    /// The directory that was given.
    pub(super) fn given_directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }
}
