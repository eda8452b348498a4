//! Chooses where a job runs: on this kernel or in the machine.

use std::path::PathBuf;

use crate::failure::Result;
use crate::vcan::guest::{self, Guest};
use crate::vcan::job::{Job, Step};
use crate::vcan::options::{Controllers, Options};
use crate::vcan::{Outcome, direct, kernel};
use crate::workspace::Workspace;

/// Where a job runs.
#[derive(Debug)]
pub(crate) enum Place {
    /// On this kernel, in a namespace; scripts and logs are kept below that directory.
    Here(PathBuf),
    Machine(Guest),
}

impl Place {
    /// Fails when neither is possible, with the reason and its remedy.
    pub(crate) fn choose(workspace: &Workspace, options: &Options) -> Result<Self> {
        let cache = workspace.target.join("vcan");
        if !options.vm && options.controllers != Controllers::Wanted && direct::is_possible() {
            return Ok(Self::Here(cache));
        }
        guest::check_programs()?;
        let kernel = kernel::provide(&options.kernel, &cache)?;
        let mut guest = Guest::prepare(&kernel, options.controllers != Controllers::Absent, &cache)?;
        if options.kvm {
            guest.accelerate()?;
        }
        Ok(Self::Machine(guest))
    }

    pub(crate) fn has_controllers(&self) -> bool {
        match self {
            Self::Here(_) => false,
            Self::Machine(guest) => guest.has_controllers(),
        }
    }

    /// Runs the steps, each after the one before, with their output going to `listener`.
    pub(crate) fn run(
        &self,
        options: &Options,
        steps: Vec<Step>,
        listener: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Outcome> {
        match self {
            Self::Here(cache) => {
                println!("==> on this kernel, in a network namespace of its own");
                let job = Job {
                    steps,
                    slowness: direct::SLOWNESS,
                };
                direct::run(&job, options.timeout, cache, listener)
            }
            Self::Machine(guest) => {
                println!("==> in an emulated machine with a kernel of its own");
                let job = Job {
                    steps,
                    slowness: guest::SLOWNESS,
                };
                guest.run(&job, options.timeout, listener)
            }
        }
    }
}
