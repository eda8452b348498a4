//! How a command tells of files and faults, and how it ends: in our own way, or as golang-dnstap's `dnstap`.

use std::path::Path;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

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
    Golang(Hangups),
}

/// Hangups, at which that tool opens its file anew.
#[derive(Debug)]
pub(super) struct Hangups {
    #[cfg(unix)]
    signal: Option<Signal>,
}

impl Hangups {
    /// From now on.
    fn listen() -> Self {
        Self {
            #[cfg(unix)]
            signal: signal(SignalKind::hangup()).ok(),
        }
    }

    /// Completes with the next one. May be dropped and called again; none is lost between.
    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        core::future::pending().await
    }
}

impl Default for Manners {
    fn default() -> Self {
        Self::Own(Faults::default())
    }
}

impl Manners {
    pub(super) fn of(session: &Session) -> Self {
        match session.guise {
            Some(Guise::Dnstap) => Self::Golang(Hangups::listen()),
            _ => Self::default(),
        }
    }

    pub(super) const fn are_golangs(&self) -> bool {
        matches!(self, Self::Golang(_))
    }

    /// Completes when files are to be opened anew.
    pub(super) async fn hung_up(&mut self) {
        match self {
            Self::Own(_) => core::future::pending().await,
            Self::Golang(hangups) => hangups.next().await,
        }
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
            Self::Golang(_) => imitated(failure),
            Self::Own(_) => failure,
        }
    }

    /// Takes a fault; an error when the command is over.
    pub(super) fn fault(&mut self, session: &mut Session, failure: Failure, has_started: bool) -> Result {
        match self {
            Self::Own(faults) => faults.take(session, failure),
            Self::Golang(_) if has_started => {
                session.output.flush()?;
                complain(format_args!("dnstap: {}", failure.message()));
                Ok(())
            }
            Self::Golang(_) => {
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
            Self::Golang(_) => {
                if counts.bad + counts.dropped > 0 {
                    complain(format_args!("dnstap: {}", counts.summary().text()));
                }
                ended.map_err(|failure| match failure.code() {
                    Code::Imitated(_) => failure,
                    _ => imitated(failure),
                })
            }
        }
    }
}

/// A failure in that tool's words.
fn imitated(failure: Failure) -> Failure {
    match failure.code() {
        Code::PipeClosed => failure,
        _ => Failure::imitated(1, format_args!("dnstap: {}", failure.message())),
    }
}
