//! `fstrm repair`: files that end too early are mended.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fstrm_codec::FrameConfig;
use fstrm_codec::file::{self, Cut, RepairError, Repaired};
use serde::Serialize;

use super::faults::Faults;
use super::watched::{Watched, watch};
use super::{end_word, is_too_long, trouble};
use crate::args::fstrm::Repair;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::units::counted;

/// What became of one file.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<String>,
    is_changed: bool,
    frames: u64,
    bytes: u64,
    cut_bytes: u64,
    stop_written: bool,
    /// How it ended before.
    end: &'static str,
}

#[derive(Default, Serialize)]
struct Summary {
    r#type: &'static str,
    files: u64,
    repaired: u64,
    sound: u64,
    refused: u64,
    frames: u64,
    cut_bytes: u64,
}

/// How files are mended.
#[derive(Clone)]
struct Plan {
    limits: FrameConfig,
    cut: Cut,
    out: Option<PathBuf>,
    tail: Option<PathBuf>,
}

/// Mends every file; the worst one decides the exit status.
pub(super) async fn run(session: &mut Session, args: &Repair) -> Result {
    let takes_one = args.write.is_some() || args.keep_tail.is_some();
    if takes_one && args.files.len() > 1 {
        let message = "-w and --keep-tail take one file, and there are several";
        return Err(Failure::new(Code::Usage, message));
    }
    let plan = Plan {
        limits: FrameConfig::new().max_data(args.max_frame),
        cut: if args.cut_fault { Cut::Fault } else { Cut::Partial },
        out: args.write.clone(),
        tail: args.keep_tail.clone(),
    };
    let mut faults = Faults::default();
    let mut summary = Summary {
        r#type: "summary",
        ..Summary::default()
    };
    for path in &args.files {
        let name = path.display().to_string();
        let total = std::fs::metadata(path).ok().map(|metadata| metadata.len());
        let (path, plan, shown) = (path.clone(), plan.clone(), name.clone());
        let out = plan.out.as_ref().map(|out| out.display().to_string());
        let mended = watch(session, &name, total, move |read| {
            // A copy reads twice what a bar counts once.
            mend(&path, &plan, |file| Watched::new(file, read)).map_err(|error| error.told(&shown))
        });
        summary.files += 1;
        match mended.await? {
            Ok(repaired) => {
                let line = line(&name, out, &repaired);
                summary.frames += line.frames;
                summary.cut_bytes += line.cut_bytes;
                summary.repaired += u64::from(line.is_changed);
                summary.sound += u64::from(!line.is_changed);
                session.output.either(&line, text)?;
            }
            Err(failure) => {
                summary.refused += 1;
                faults.take(session, failure)?;
            }
        }
    }
    session.output.flush()?;
    session.output.summary(&summary, Summary::text);
    faults.result()
}

/// Why a file was not mended.
enum Trouble {
    Repair(RepairError),
    /// Another file is to blame.
    Other(PathBuf, io::Error),
}

impl From<RepairError> for Trouble {
    fn from(error: RepairError) -> Self {
        Self::Repair(error)
    }
}

impl Trouble {
    fn told(self, name: &str) -> Failure {
        match self {
            Self::Repair(RepairError::Malformed(error)) if is_too_long(&error) => trouble(name, error),
            Self::Repair(RepairError::Malformed(error)) => {
                trouble(name, error).hint("--cut-fault cuts everything from there on")
            }
            Self::Repair(error @ RepairError::NoStart) => {
                Failure::caused(Code::Truncated, error).context(name)
            }
            Self::Repair(error) => Failure::caused(Code::File, io::Error::from(error)).context(name),
            Self::Other(path, error) => Failure::caused(Code::File, error).context(path.display()),
        }
    }
}

fn mend<R: io::Read + io::Seek>(
    path: &Path,
    plan: &Plan,
    watched: impl FnOnce(File) -> R,
) -> core::result::Result<Repaired, Trouble> {
    let here = |error| Trouble::Repair(RepairError::Io(error));
    let mut tail = Late::new(plan.tail.as_deref());
    let repaired = match &plan.out {
        Some(out) => {
            let source = watched(File::open(path).map_err(here)?);
            let copy = File::create_new(out).map_err(|error| Trouble::Other(out.clone(), error))?;
            let repaired = file::repair_to(source, plan.limits, plan.cut, copy, &mut tail);
            if repaired.is_err() {
                // What there is of it is no stream; nobody is left to be told when that fails too.
                let _ = std::fs::remove_file(out);
            }
            repaired
        }
        None => {
            let source = OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .map_err(here)?;
            if let Err(TryLockError::WouldBlock) = source.try_lock() {
                let busy = io::Error::new(io::ErrorKind::ResourceBusy, "another process writes this file");
                return Err(here(busy));
            }
            file::repair(source, plan.limits, plan.cut, &mut tail)
        }
    };
    tail.blame(repaired)
}

/// A file that is created when something is written to it.
struct Late<'a> {
    path: Option<&'a Path>,
    file: Option<File>,
    is_to_blame: bool,
}

impl<'a> Late<'a> {
    const fn new(path: Option<&'a Path>) -> Self {
        Self {
            path,
            file: None,
            is_to_blame: false,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(path) = self.path else {
            return Ok(bytes.len());
        };
        if self.file.is_none() {
            self.file = Some(File::create_new(path)?);
        }
        self.file
            .as_mut()
            .map_or(Ok(bytes.len()), |file| file.write(bytes))
    }

    /// Whose fault an error is.
    fn blame(
        self,
        repaired: core::result::Result<Repaired, RepairError>,
    ) -> core::result::Result<Repaired, Trouble> {
        repaired.map_err(|error| match (error, self.path) {
            (RepairError::Io(error), Some(path)) if self.is_to_blame => {
                Trouble::Other(path.to_owned(), error)
            }
            (error, _) => Trouble::Repair(error),
        })
    }
}

impl Write for Late<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let put = self.put(bytes);
        self.is_to_blame = put.is_err();
        put
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn line<'a>(name: &'a str, out: Option<String>, repaired: &Repaired) -> Line<'a> {
    Line {
        file: name,
        out,
        is_changed: !repaired.is_unchanged(),
        frames: repaired.frames,
        bytes: repaired.payload_bytes,
        cut_bytes: repaired.cut_bytes,
        stop_written: repaired.is_stopped,
        end: repaired.end.as_ref().map_or("malformed", |end| end_word(*end)),
    }
}

fn text(line: &Line<'_>) -> String {
    let target = line.out.as_deref().unwrap_or(line.file);
    let frames = counted(line.frames, "frame");
    if !line.is_changed {
        return format!("{target}: sound, {frames}");
    }
    let stop = if line.stop_written { ", STOP written" } else { "" };
    format!(
        "{target}: {frames} kept, {} cut{stop}",
        counted(line.cut_bytes, "byte")
    )
}

impl Summary {
    fn text(&self) -> String {
        let Self {
            files,
            repaired,
            sound,
            refused,
            cut_bytes,
            ..
        } = self;
        format!(
            "{}: {repaired} repaired, {sound} sound, {refused} refused; {} cut",
            counted(*files, "file"),
            counted(*cut_bytes, "byte"),
        )
    }
}
