//! How a command tells of files and faults, and how it ends: in our own way, or as golang-dnstap's `dnstap`.

use std::path::Path;

use super::counts::{Counts, Summary};
use crate::cmd::Session;
use crate::cmd::fstrm::faults::Faults;
use crate::failure::{Code, Failure, Result};
use crate::multicall::Guise;
use crate::output::complain;

/// Whose manners.
#[derive(Debug)]
pub(super) enum Manners {
    /// Faults are told, the worst one last; it decides the exit status. A closing line counts.
    Own(Faults),
    /// What cannot be opened ends everything with status 1; what goes wrong later is told and no failure.
    Golang,
}

impl Default for Manners {
    fn default() -> Self {
        Self::Own(Faults::default())
    }
}

impl Manners {
    pub(super) fn of(session: &Session) -> Self {
        match session.guise {
            Some(Guise::Dnstap) => Self::Golang,
            _ => Self::default(),
        }
    }

    pub(super) const fn are_golangs(&self) -> bool {
        matches!(self, Self::Golang)
    }

    /// Tells that a file was opened.
    pub(super) fn opened(&self, path: &Path) {
        if self.are_golangs() && path.exists() {
            complain(format_args!("dnstap: opened input file {}", path.display()));
        }
    }

    /// What a command that cannot begin ends with.
    pub(super) fn refuse(&self, failure: Failure) -> Failure {
        match self {
            Self::Golang if failure.code() != Code::PipeClosed => {
                Failure::imitated(1, format_args!("dnstap: {}", failure.message()))
            }
            _ => failure,
        }
    }

    /// Takes a fault; an error when the command is over.
    pub(super) fn fault(&mut self, session: &mut Session, failure: Failure, has_started: bool) -> Result {
        match self {
            Self::Own(faults) => faults.take(session, failure),
            Self::Golang if has_started => {
                session.output.flush()?;
                complain(format_args!("dnstap: {}", failure.message()));
                Ok(())
            }
            Self::Golang => {
                let words = format!("dnstap: Failed to open input: {}", failure.message());
                Err(Failure::imitated(1, words))
            }
        }
    }

    /// What the command ends with; tells the counts.
    pub(super) fn end(self, session: &Session, ended: Result, counts: &Counts) -> Result {
        match self {
            Self::Own(faults) => {
                session.output.summary(&counts.summary(), Summary::text);
                ended.and_then(|()| faults.result())
            }
            Self::Golang => {
                if counts.bad + counts.dropped > 0 {
                    complain(format_args!("dnstap: {}", counts.summary().text()));
                }
                ended.map_err(|failure| match failure.code() {
                    Code::Imitated(_) => failure,
                    _ => Self::Golang.refuse(failure),
                })
            }
        }
    }
}
