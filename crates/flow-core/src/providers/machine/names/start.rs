//! Programs that are started because somebody asks for their name.

use alloc::format;
use core::time::Duration;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

use super::super::directory::{Candidates, Directory};
use super::{Program, Start};
use crate::error::AllocError;
use crate::name::Name;

/// How long a program that was started may take to bind the name.
const STARTUP: Duration = Duration::from_secs(10);
/// Pauses between looks whether it has.
const PAUSE: Duration = Duration::from_millis(20);

impl Directory {
    /// As [`candidates`](Self::candidates), of which there is at least one: when nobody is bound to the name,
    /// a program that is bound to it and may be started is, once, and waited for.
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
        let unreachable = |reason: &str| AllocError::Unreachable {
            name: name.clone(),
            reason: reason.into(),
        };
        let candidates = self.candidates(name)?;
        if !candidates.is_empty() {
            return Ok(candidates);
        }
        match start(self, name) {
            Ok(true) => {}
            Ok(false) => return Err(unreachable("no process is bound to it")),
            Err(error) => return Err(unreachable(&format!("its program does not start: {error}"))),
        }
        let bound = async {
            loop {
                tokio::time::sleep(PAUSE).await;
                let candidates = self.candidates(name)?;
                if !candidates.is_empty() {
                    return Ok(candidates);
                }
            }
        };
        let bound = tokio::time::timeout(STARTUP, bound).await;
        bound.unwrap_or_else(|_| Err(unreachable("its program was started and has not bound it")))
    }
}

/// Starts the first program that is bound to the name and may be started; `false` when there is none.
fn start(directory: &Directory, name: &Name) -> io::Result<bool> {
    let Some(found) = directory.find(name)?.filter(|found| found.is_own()) else {
        return Ok(false); // what another user wants started is not started by us
    };
    let automatic = |program: &Program| match &program.start {
        Start::Auto { args } => Some((program.path.clone(), args.clone())),
        Start::ByHand => None,
    };
    let Some((path, args)) = found.record.programs.iter().find_map(automatic) else {
        return Ok(false);
    };
    let mut child = Command::new(path)
        .args(args)
        .env(super::super::directory::FLOW_DIR, directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0) // what is typed at our terminal is not for it
        .spawn()?;
    // it would stay a zombie if nobody asked how it ended
    thread::Builder::new()
        .name("started".into())
        .spawn(move || child.wait())
        .map(|_| true)
}
