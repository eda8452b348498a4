//! Why a name's settings were not changed.

use alloc::boxed::Box;
use alloc::string::ToString;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::error::{BindError, Errno};
use crate::name::Name;

/// Why a name's settings were not read or changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NamesError {
    /// There is no such name; create it first.
    #[error("there is no name \"{name}\"; create it first")]
    UnknownName {
        /// The name.
        name: Name,
    },
    /// The name was created already, or is bound with another sharing.
    #[error("the name \"{name}\" is there already")]
    Exists {
        /// The name.
        name: Name,
    },
    /// The name is another user's.
    #[error("the name \"{name}\" belongs to another user")]
    Denied {
        /// The name.
        name: Name,
    },
    /// There are as many names as there may be.
    #[error("the layer has {max} names already")]
    Full {
        /// How many there may be.
        max: usize,
    },
    /// The program is not there, not a regular file, or may not be executed.
    #[error("{} is no program: {reason}", path.display())]
    Program {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// There is no such process.
    #[error("there is no process {pid}")]
    Process {
        /// Its number.
        pid: u32,
    },
    /// The files of the layer are not to be had.
    #[error("the layer's files: {reason}")]
    Layer {
        /// What failed.
        reason: Box<str>,
    },
}

impl NamesError {
    pub(in super::super) fn io(name: &Name, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { name: name.clone() },
            _ => Self::Layer {
                reason: error.to_string().into(),
            },
        }
    }

    /// The number of the C headers that says it best.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::UnknownName { .. } => Errno::Name,
            Self::Exists { .. } => Errno::Perm,
            Self::Denied { .. } => Errno::Auth,
            Self::Full { .. } => Errno::NoMem,
            Self::Program { .. } | Self::Process { .. } => Errno::Inval,
            Self::Layer { .. } => Errno::Irmd,
        }
    }
}

impl From<BindError> for NamesError {
    fn from(error: BindError) -> Self {
        match error {
            BindError::Full { max } => Self::Full { max },
            BindError::Denied { name } => Self::Denied { name },
            other => Self::Layer {
                reason: other.to_string().into(),
            },
        }
    }
}
