//! Runs a job in an emulated machine with a kernel of our own; the host's file system is its root.

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::process;
use crate::vcan::job::Job;
use crate::vcan::kernel::Kernel;
use crate::vcan::qemu::{Accelerator, Ending, Machine, run_limited};
use crate::vcan::{Outcome, initramfs, modules};

/// All but the last two run on the host only.
const PROGRAMS: [&str; 7] = [
    "qemu-system-x86_64",
    "dpkg-deb",
    "tar",
    "xz",
    "zstd",
    "busybox",
    "ip",
];
const PID1: &str = include_str!("pid1.sh");
/// The guest switches itself off this much later than we would kill it.
const GRACE: Duration = Duration::from_secs(15);
/// A machine under KVM that works has booted long before.
const PROBE_LIMIT: Duration = Duration::from_secs(10);
/// Directories of running machines are called by their process.
const RUN_PREFIX: &str = "run-";
const CONSOLE_LINES_SHOWN: usize = 100;
/// Boots at most, until one comes as far as its job. On a busy host the emulated timer now and then fails the
/// kernel's check of it, which ends the boot; that says nothing about the job.
const BOOTS: usize = 3;

/// How many times longer than at home the tests should wait in there.
pub(crate) const SLOWNESS: u32 = 4;

/// The machine, ready to be started any number of times.
#[derive(Debug)]
pub(crate) struct Guest {
    accelerator: Accelerator,
    kernel: PathBuf,
    initramfs: PathBuf,
    directory: PathBuf,
    controllers: bool,
}

impl Guest {
    /// Packs the guest's first file system into a directory of this process's own below `cache`.
    pub(crate) fn prepare(kernel: &Kernel, controllers: bool, cache: &Path) -> Result<Self> {
        let busybox = needed("busybox")?;
        let modules = modules::load(&kernel.modules, controllers)?;
        let archive = initramfs::pack(&busybox, &modules)?;
        remove_abandoned(cache);
        let directory = cache.join(format!("{RUN_PREFIX}{}", std::process::id()));
        let share = directory.join("share");
        fs::create_dir_all(&share).map_err(|error| Failure::at(&share, &error))?;
        let initramfs = directory.join("initramfs");
        write(&initramfs, &archive)?;
        write(&share.join("pid1.sh"), PID1.as_bytes())?;
        Ok(Self {
            accelerator: Accelerator::Tcg,
            kernel: kernel.image.clone(),
            initramfs,
            directory,
            controllers,
        })
    }

    pub(crate) fn has_controllers(&self) -> bool {
        self.controllers
    }

    /// Uses the processor's virtualisation from here on, if a first boot with it goes well.
    pub(crate) fn accelerate(&mut self) -> Result {
        self.accelerator = Accelerator::Kvm;
        let outcome = self.boot(&Job::default(), PROBE_LIMIT, &mut |_| ())?;
        if outcome != Outcome::Status(0) {
            println!("KVM does not work here ({outcome:?}): running in software emulation");
            self.accelerator = Accelerator::Tcg;
        }
        Ok(())
    }

    /// Boots, runs the job with its output going to `listener`, and switches off.
    pub(crate) fn run(
        &self,
        job: &Job,
        limit: Duration,
        listener: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Outcome> {
        let outcome = until_heard(listener, |listener| self.boot(job, limit, listener))?;
        if !matches!(outcome, Outcome::Status(_)) {
            self.show_last_words();
        }
        Ok(outcome)
    }

    fn boot(&self, job: &Job, limit: Duration, listener: &mut (dyn FnMut(&[u8]) + Send)) -> Result<Outcome> {
        let share = self.share();
        let status = share.join("status");
        if status.exists() {
            fs::remove_file(&status).map_err(|error| Failure::at(&status, &error))?;
        }
        write(&share.join("job.sh"), job.script().as_bytes())?;
        write(
            &share.join("settings"),
            format!("LIMIT={}\n", (limit + GRACE).as_secs()).as_bytes(),
        )?;
        let machine = Machine {
            accelerator: self.accelerator,
            kernel: &self.kernel,
            initramfs: &self.initramfs,
            share: &share,
            console: &self.console(),
            controllers: self.controllers,
        };
        let ending = run_limited(&mut machine.command(), &self.errors(), limit, listener)?;
        let reported = fs::read_to_string(&status)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        Ok(match (ending, reported) {
            (_, Some(status)) => Outcome::Status(status),
            (Ending::Killed, None) => Outcome::OutOfTime(limit),
            (Ending::OnItsOwn, None) => Outcome::Died,
        })
    }

    fn show_last_words(&self) {
        for (name, file) in [("console", self.console()), ("QEMU", self.errors())] {
            let bytes = fs::read(file).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
            let skipped = lines.len().saturating_sub(CONSOLE_LINES_SHOWN);
            for line in lines.iter().skip(skipped) {
                eprintln!("{name}: {line}");
            }
        }
    }

    fn share(&self) -> PathBuf {
        self.directory.join("share")
    }

    fn console(&self) -> PathBuf {
        self.directory.join("console")
    }

    fn errors(&self) -> PathBuf {
        self.directory.join("errors")
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // What stays behind lies under target/ and does no harm.
        let _left_behind = fs::remove_dir_all(&self.directory);
    }
}

/// Boots again when the machine died before anything was heard of its job.
fn until_heard(
    listener: &mut (dyn FnMut(&[u8]) + Send),
    mut boot: impl FnMut(&mut (dyn FnMut(&[u8]) + Send)) -> Result<Outcome>,
) -> Result<Outcome> {
    let mut number = 1;
    loop {
        let mut heard = false;
        let outcome = boot(&mut |bytes| {
            heard = true;
            listener(bytes);
        })?;
        if outcome != Outcome::Died || heard || number == BOOTS {
            return Ok(outcome);
        }
        println!("the emulated machine died in boot {number} of {BOOTS} at most, before its job: again");
        number += 1;
    }
}

/// Runs that were killed could not tidy up after themselves.
fn remove_abandoned(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(RUN_PREFIX));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _left_behind = fs::remove_dir_all(entry.path());
        }
    }
}

/// Fails with the remedy when a program is missing that the machine is made with.
pub(crate) fn check_programs() -> Result {
    PROGRAMS.iter().try_for_each(|program| needed(program).map(drop))
}

/// Where a program is, or how to get it.
fn needed(program: &str) -> Result<PathBuf> {
    process::find(program)
        .ok_or_else(|| Failure::new(format!("{program} is not installed: cargo xtask setup")))
}

fn write(path: &Path, content: &[u8]) -> Result {
    fs::write(path, content).map_err(|error| Failure::at(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a machine whose boots go like these, and how many there were.
    fn boots(plan: &[(&[u8], Outcome)]) -> (Outcome, usize) {
        let mut plan = plan.iter();
        let mut count = 0;
        let outcome = until_heard(&mut |_| (), |listener| {
            count += 1;
            let (words, outcome) = plan.next().unwrap();
            if !words.is_empty() {
                listener(words);
            }
            Ok(*outcome)
        });
        (outcome.unwrap(), count)
    }

    #[test]
    fn a_machine_that_dies_before_its_job_is_booted_again() {
        let dead = (&b""[..], Outcome::Died);
        let fine = (&b"words"[..], Outcome::Status(0));
        assert_eq!(boots(&[fine]), (Outcome::Status(0), 1));
        assert_eq!(boots(&[dead, dead, fine]), (Outcome::Status(0), 3));
        assert_eq!(boots(&[dead, dead, dead, fine]), (Outcome::Died, 3));
    }

    #[test]
    fn a_job_that_was_heard_of_is_not_run_twice() {
        assert_eq!(boots(&[(b"words", Outcome::Died)]), (Outcome::Died, 1));
        let hung = (&b""[..], Outcome::OutOfTime(Duration::ZERO));
        assert_eq!(boots(&[hung]), (Outcome::OutOfTime(Duration::ZERO), 1));
        assert_eq!(boots(&[(b"", Outcome::Status(1))]), (Outcome::Status(1), 1));
    }
}
