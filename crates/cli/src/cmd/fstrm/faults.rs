//! What becomes of a command on several files when one of them is bad.

use crate::cmd::Session;
use crate::failure::{Failure, Result};

/// Why a file is left.
pub(in crate::cmd) enum Left {
    /// It cannot be read, or not to its end; the next one may be better.
    File(Failure),
    /// The command cannot go on.
    Command(Failure),
    /// The command has all it wants, or was told to end.
    Done,
}

impl From<Failure> for Left {
    fn from(failure: Failure) -> Self {
        Self::Command(failure)
    }
}

/// The faults of files: each is told, the worst one last and as the result.
#[derive(Debug, Default)]
pub(in crate::cmd) struct Faults {
    worst: Option<Failure>,
}

impl Faults {
    /// Takes a fault; tells it, or the one that it is worse than.
    pub(in crate::cmd) fn take(&mut self, session: &mut Session, failure: Failure) -> Result {
        let milder = match self.worst.take() {
            Some(worst) if worst.code().exit() >= failure.code().exit() => {
                self.worst = Some(worst);
                Some(failure)
            }
            milder => {
                self.worst = Some(failure);
                milder
            }
        };
        if let Some(milder) = milder {
            session.output.flush()?;
            session.output.failure(&milder);
        }
        Ok(())
    }

    /// The worst one.
    pub(in crate::cmd) fn result(self) -> Result {
        self.worst.map_or(Ok(()), Err)
    }
}
