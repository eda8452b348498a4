//! Limits and places of a layer between processes.

use core::time::Duration;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::balance::Balance;
use super::sharing::Sharing;
use crate::providers::local::LocalConfig;

/// How many flows a layer has at most in one process, unless told otherwise. The C peer has 4032.
pub const DEFAULT_FLOWS: usize = 4_096;
/// How many connections may be shaking hands, unless told otherwise.
pub const DEFAULT_HANDSHAKES: usize = 128;
/// How many members a broadcast layer has at most, unless told otherwise.
pub const DEFAULT_MEMBERS: usize = 64;
/// How long one may take to say what it wants, unless told otherwise: 2 s.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a layer between processes lies, and its limits.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    directory: Option<PathBuf>,
    pub(super) program: Option<OsString>,
    pub(super) sharing: Sharing,
    pub(super) balance: Balance,
    pub(super) members: usize,
    pub(super) local: LocalConfig,
    flows: usize,
    handshakes: usize,
    handshake_timeout: Duration,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self {
            directory: None,
            program: None,
            sharing: Sharing::User,
            balance: Balance::RoundRobin,
            members: DEFAULT_MEMBERS,
            local: LocalConfig::default(),
            flows: DEFAULT_FLOWS,
            handshakes: DEFAULT_HANDSHAKES,
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
        }
    }
}

impl MachineConfig {
    /// The directory where processes meet; it is made when it is not there, those above it are not. Default:
    /// `$TINWIRE_FLOW_DIR`, else `flow` in the user's runtime directory.
    ///
    /// One given here or by the variable may be shared between users: others may write to it if it has the
    /// sticky bit (`chmod 1777`). It must belong to this user or to the superuser, unless
    /// [`sharing`](Self::sharing) says that others are wanted.
    #[must_use]
    pub fn directory(self, directory: impl Into<PathBuf>) -> Self {
        let directory = Some(directory.into());
        Self { directory, ..self }
    }

    /// What this process calls itself where programs are bound to names: a base name. Default: the base name
    /// of its first argument, else of its executable file (as the peer's library announces it).
    #[must_use]
    pub fn program(self, program: impl AsRef<OsStr>) -> Self {
        let program = Some(program.as_ref().into());
        Self { program, ..self }
    }

    /// Which users may ask for a name that is made by this layer, and be bound to it; and which may be in a
    /// broadcast layer made by it. A name that is there keeps its own. Default: the own user alone.
    #[must_use]
    pub const fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// Who gets a request for a name that is made by this layer, when several processes accept. A name that
    /// is there keeps its own. Default: they take turns.
    #[must_use]
    pub const fn balance(mut self, balance: Balance) -> Self {
        self.balance = balance;
        self
    }

    /// How many members a broadcast layer may have. All members of another process count as one, for one link
    /// carries what they hear; every process is linked to every other. Default: [`DEFAULT_MEMBERS`].
    #[must_use]
    pub const fn members(mut self, members: usize) -> Self {
        self.members = members;
        self
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

    pub(super) const fn max_flows(&self) -> usize {
        self.flows
    }

    pub(super) const fn max_handshakes(&self) -> usize {
        self.handshakes
    }

    pub(super) const fn max_handshake_time(&self) -> Duration {
        self.handshake_timeout
    }

    /// The directory that was given.
    pub(super) fn given_directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }
}
