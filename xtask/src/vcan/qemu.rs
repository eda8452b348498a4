//! One run of the emulated machine: its command line, its output, and its end.

use core::time::Duration;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::failure::{Failure, Result};
use crate::process;

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// `nokaslr` and `mitigations=off` are for speed under emulation. Neither `tsc=reliable` nor
/// `no_timer_check` may stand here: with them the machine hangs now and then when the host is busy.
const KERNEL_ARGUMENTS: &str =
    "console=ttyS0 quiet panic=-1 oops=panic nokaslr random.trust_cpu=on mitigations=off";

/// How QEMU runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// In software: works everywhere.
    Tcg,
    /// By the processor. `/dev/kvm` may be there and hang all the same, in machines within machines.
    Kvm,
}

/// What a machine is made of.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) accelerator: Accelerator,
    pub(crate) kernel: &'a Path,
    pub(crate) initramfs: &'a Path,
    /// Seen by the guest as `/run/xtask`, the only place of the host it can write to.
    pub(crate) share: &'a Path,
    /// Gets what the kernel says.
    pub(crate) console: &'a Path,
    pub(crate) controllers: bool,
}

/// How a program that had a time limit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    OnItsOwn,
    Killed,
}

impl Machine<'_> {
    /// The job's output comes through a virtio port whose other end is QEMU's standard output. That may not
    /// be the `stdio` kind: with the standard input at its end the guest's port then counts as closed.
    pub(crate) fn command(&self) -> Command {
        let mut qemu = Command::new("qemu-system-x86_64");
        let (accelerator, cpu) = match self.accelerator {
            Accelerator::Tcg => ("tcg,thread=multi", "max"),
            Accelerator::Kvm => ("kvm", "host"),
        };
        qemu.args([
            "-machine",
            "q35",
            "-accel",
            accelerator,
            "-cpu",
            cpu,
            "-smp",
            "2",
            "-m",
            "1024",
        ]);
        qemu.args(["-nodefaults", "-display", "none", "-no-reboot"]);
        qemu.arg("-kernel")
            .arg(self.kernel)
            .arg("-initrd")
            .arg(self.initramfs);
        qemu.args(["-append", KERNEL_ARGUMENTS]);
        qemu.arg("-serial").arg(format!("file:{}", escaped(self.console)));
        qemu.args([
            "-device",
            "virtio-serial-pci",
            "-chardev",
            "file,id=job,path=/dev/stdout",
        ]);
        qemu.args(["-device", "virtserialport,chardev=job,name=job"]);
        qemu.args([
            "-fsdev",
            "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
        ]);
        qemu.args(["-device", "virtio-9p-pci,fsdev=root,mount_tag=root"]);
        qemu.arg("-fsdev").arg(format!(
            "local,id=share,path={},security_model=none",
            escaped(self.share)
        ));
        qemu.args(["-device", "virtio-9p-pci,fsdev=share,mount_tag=share"]);
        if self.controllers {
            qemu.args(["-object", "can-bus,id=bus"]);
            qemu.args([
                "-device",
                "kvaser_pci,canbus=bus",
                "-device",
                "kvaser_pci,canbus=bus",
            ]);
        }
        qemu
    }
}

/// QEMU's option syntax doubles a comma that is meant.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// Runs a program for at most `limit`, handing its standard output to `listener` as it comes. Standard error
/// goes to the file `errors`.
pub(crate) fn run_limited(
    command: &mut Command,
    errors: &Path,
    limit: Duration,
    listener: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Ending> {
    let errors = File::create(errors).map_err(|error| Failure::at(errors, &error))?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
    let mut child = command
        .spawn()
        .map_err(|error| process::unstartable(command, &error))?;
    let output = child.stdout.take();
    thread::scope(|scope| {
        scope.spawn(move || {
            let Some(mut output) = output else { return };
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                listener(buffer.get(..count).unwrap_or_default());
            }
        });
        wait(&mut child, limit).map_err(|error| process::unstartable(command, &error))
    })
}

fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Ending> {
    let start = Instant::now();
    while child.try_wait()?.is_none() {
        if start.elapsed() >= limit {
            kill_group(child);
            child.kill()?;
            child.wait()?;
            return Ok(Ending::Killed);
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(Ending::OnItsOwn)
}

/// A child that leads a process group (see `Command::process_group`) takes its own children with it.
/// For any other there is no such group, and nothing happens.
///
/// By the shell's own `kill`: the program of that name is not part of the smallest Debian.
fn kill_group(child: &Child) {
    process::quiet(Command::new("sh").args(["-c", "kill -KILL \"-$1\"", "sh", &child.id().to_string()]));
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::path::PathBuf;

    use super::*;

    fn run(script: &str, limit: Duration) -> (Ending, String) {
        let mut output = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", script]).process_group(0);
        let ending = run_limited(&mut command, Path::new("/dev/null"), limit, &mut |bytes| {
            output.extend_from_slice(bytes)
        });
        (ending.unwrap(), String::from_utf8(output).unwrap())
    }

    #[test]
    fn a_program_that_ends_has_its_output_passed_on() {
        assert_eq!(
            run("echo one; echo two", Duration::from_secs(60)),
            (Ending::OnItsOwn, "one\ntwo\n".into())
        );
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        let (ending, output) = run("echo before; sleep 1000 & wait", Duration::from_millis(300));
        assert_eq!((ending, output.as_str()), (Ending::Killed, "before\n"));
    }

    #[test]
    fn a_comma_in_a_path_does_not_end_the_option() {
        assert_eq!(escaped(&PathBuf::from("/a,b")), "/a,,b");
    }
}
