//! Why there is no layer.

use alloc::boxed::Box;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::Errno;

/// Why a layer between processes was not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LayerError {
    /// Nothing says where its directory is.
    #[error("no directory for flows: {reason}")]
    NoDirectory {
        /// What was looked for.
        reason: Box<str>,
    },
    /// The directory cannot be made or used.
    #[error("using {} for flows", path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// The directory belongs to another user.
    #[error("{} belongs to user {owner}", path.display())]
    Foreign {
        /// Which one.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others may write to the directory.
    #[error(
        "{} is open to others (mode {mode:o}); close it with chmod 700, or share it with chmod +t",
        path.display()
    )]
    Open {
        /// Which one.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

impl LayerError {
    /// What the C peer would have returned. Where its daemon cannot be reached it says EPERM; this is the
    /// number that its headers have for that.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::NoDirectory { .. } | Self::Directory { .. } => Errno::Irmd,
            Self::Foreign { .. } | Self::Open { .. } => Errno::Auth,
        }
    }
}
