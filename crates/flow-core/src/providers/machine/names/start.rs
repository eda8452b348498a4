//! Programs that are started because somebody asks for their name.

use alloc::format;
use core::time::Duration;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

use super::super::directory::{Candidates, Directory, Found};
use super::{Program, Start};
use crate::error::AllocError;
use crate::name::Name;

/// How long a program that was started may take to bind the name.
const STARTUP: Duration = Duration::from_secs(10);
/// Pauses between looks whether it has.
const PAUSE: Duration = Duration::from_millis(20);

impl Directory {
    /// As [`candidates`](Self::candidates), of which there is at least one: when nobody is bound to the name,
    /// a program that is bound to it and may be started is, once, and waited for; or the one is waited for
    /// that another request has started.
    ///
    /// # Errors
    ///
    /// [`AllocError`]: as [`candidates`](Self::candidates), and [`Unreachable`](AllocError::Unreachable) when
    /// nobody is bound to a name that is known, or its program has not bound it within 10 s.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves a program running that was started.
    pub async fn reach(&self, name: &Name) -> Result<Candidates, AllocError> {
        self.reach_or_start(name).await.map(|(candidates, _)| candidates)
    }

    /// As [`reach`](Self::reach), and whether this request has started a program.
    pub(in super::super) async fn reach_or_start(
        &self,
        name: &Name,
    ) -> Result<(Candidates, bool), AllocError> {
        let unreachable = |reason: &str| AllocError::Unreachable {
            name: name.clone(),
            reason: reason.into(),
        };
        let candidates = self.candidates(name)?;
        if !candidates.is_empty() {
            return Ok((candidates, false));
        }
        let mut started = false;
        let bound = async {
            loop {
                if !started {
                    // one that another has started may die on its way
                    started = match self.start(name) {
                        Ok(Begun::Now) => true,
                        Ok(Begun::OnItsWay) => false,
                        Ok(Begun::Never) => return Err(unreachable("no process is bound to it")),
                        Err(error) => {
                            return Err(unreachable(&format!("its program does not start: {error}")));
                        }
                    };
                }
                tokio::time::sleep(PAUSE).await;
                let candidates = self.candidates(name)?;
                if !candidates.is_empty() {
                    return Ok((candidates, started));
                }
            }
        };
        let bound = tokio::time::timeout(STARTUP, bound).await;
        bound.unwrap_or_else(|_| Err(unreachable("its program was started and has not bound it")))
    }
}

/// What became of the wish that a program be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Begun {
    /// It was started.
    Now,
    /// One was started a moment ago, and has not bound the name yet.
    OnItsWay,
    /// There is none that may be started.
    Never,
}

impl Directory {
    /// Starts the first program that is bound to the name and may be started, unless one is on its way:
    /// however many ask at once, one comes after the other.
    pub(in super::super) fn start(&self, name: &Name) -> io::Result<Begun> {
        let automatic = |program: &Program| match &program.start {
            Start::Auto { args } => Some((program.path.clone(), args.clone())),
            Start::ByHand => None,
        };
        // what another user wants started is not started by us
        let found = self.find(name)?.filter(Found::is_own);
        let program = |found: &Found| found.record.programs.iter().find_map(automatic);
        let Some((found, (path, args))) = found.and_then(|found| program(&found).map(|it| (found, it)))
        else {
            return Ok(Begun::Never);
        };
        let pid = found.start_alone(STARTUP, || {
            let mut child = Command::new(path)
                .args(args)
                .env(super::super::directory::FLOW_DIR, self.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0) // what is typed at our terminal is not for it
                .spawn()?;
            let pid = child.id();
            // it would stay a zombie if nobody asked how it ended
            thread::Builder::new()
                .name("started".into())
                .spawn(move || child.wait())
                .map(|_| pid)
        })?;
        Ok(if pid.is_some() {
            Begun::Now
        } else {
            Begun::OnItsWay
        })
    }
}
