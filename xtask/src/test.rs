//! `test`: everything that can be tested on this machine, closed by one line of counts.

use std::env;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::need;
use crate::process;
use crate::setup;
use crate::suite;
use crate::tally::{Tally, Totals};
use crate::vcan;
use crate::workspace::Workspace;

/// Test files with this prefix talk to somebody else's program; the rest of the name says whose.
pub(crate) const PEER_PREFIX: &str = "peer_";

pub(crate) fn run() -> Result {
    let mut session = Session {
        workspace: Workspace::load()?,
        totals: Totals::default(),
        red: Vec::new(),
    };
    if in_ci()
        && let Err(failure) = setup::run()
    {
        session.fail("setup", &failure);
    }
    session.workspace_tests()?;
    session.feature_sets()?;
    session.kernel_tests()?;
    session.peer_tests()?;
    session.close()
}

/// Whether nothing may be missing.
pub(crate) fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// The state of one run.
struct Session {
    workspace: Workspace,
    totals: Totals,
    /// What went wrong, in order.
    red: Vec<String>,
}

impl Session {
    fn workspace_tests(&mut self) -> Result {
        let mut cargo = process::cargo();
        cargo.args(["test", "--workspace", "--all-features", "--no-fail-fast"]);
        let totals = self.counted(&mut cargo)?;
        self.totals += totals;
        Ok(())
    }

    /// The libraries alone, with their default features and with none. These are the same tests again, so
    /// their number is not added; their failures are. Examples in the documentation are of the default face.
    fn feature_sets(&mut self) -> Result {
        let names: Vec<_> = self
            .workspace
            .libraries()
            .map(|package| package.name.clone())
            .collect();
        for name in names {
            for features in [&[][..], &["--no-default-features", "--lib", "--tests"]] {
                let mut cargo = process::cargo();
                cargo
                    .args(["test", "--quiet", "--no-fail-fast", "--package", &name])
                    .args(features);
                self.totals.failed += self.counted(&mut cargo)?.failed;
            }
        }
        Ok(())
    }

    fn kernel_tests(&mut self) -> Result {
        match vcan::tests(&self.workspace, &vcan::Options::everything())? {
            vcan::Run::Through(totals, result) => {
                self.totals += totals;
                if let Err(failure) = result {
                    self.fail("kernel tests", &failure);
                }
            }
            vcan::Run::NotHere { tests, why } => self.missing("kernel tests", tests, &why),
        }
        Ok(())
    }

    fn peer_tests(&mut self) -> Result {
        for executable in suite::build(&self.workspace, PEER_PREFIX)? {
            let Some(needs) = need::of(&executable.target) else {
                let why = Failure::new("xtask/src/need.rs does not say what it starts");
                self.fail(&executable.title(), &why);
                continue;
            };
            if let Some(why) = need::missing(needs, &self.workspace) {
                self.missing(&executable.title(), executable.count(None)?, &Failure::new(why));
            } else {
                let mut test = Command::new(&executable.path);
                test.arg("--ignored").current_dir(&executable.directory);
                test.env("CARGO_MANIFEST_DIR", &executable.directory);
                test.envs(setup::pythons(&self.workspace));
                let totals = self.counted(&mut test)?;
                self.totals += totals;
            }
        }
        Ok(())
    }

    /// Runs something that prints as libtest does.
    fn counted(&mut self, command: &mut Command) -> Result<Totals> {
        let mut tally = Tally::default();
        let status = process::tee(command, |bytes| tally.push(bytes))?;
        if tally.is_within_line() {
            println!();
        }
        if !status.success() {
            self.red.push(process::shown(command));
        }
        Ok(tally.finish(status.success()))
    }

    /// Something is not installed: a failure where nothing may be missing, else a loud skip.
    fn missing(&mut self, what: &str, tests: u64, why: &Failure) {
        if in_ci() {
            self.fail(what, why);
        } else {
            println!("\nSKIPPED: {what} ({tests}): {why}\n");
            self.totals.skipped += tests;
        }
    }

    fn fail(&mut self, what: &str, why: &Failure) {
        self.red.push(format!("{what}: {why}"));
    }

    fn close(mut self) -> Result {
        if !self.red.is_empty() && self.totals.failed == 0 {
            self.totals.failed = 1;
        }
        for red in &self.red {
            println!("red: {red}");
        }
        let verdict = self.totals.verdict().map_err(Failure::tell);
        println!("{}", self.totals);
        verdict
    }
}
