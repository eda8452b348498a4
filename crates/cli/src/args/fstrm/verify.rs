//! `fstrm verify`, `fstrm repair`.

use core::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::Input;

pub(super) const VERIFY_EXAMPLES: &str = "\
Reads every file to its end: content type, frames, how far it is sound, and what is wrong behind
that.

A file that ends between two frames, without STOP, is sound: some senders leave so. It is told, and
with --strict it counts as truncated.

Exit status: 0 when every file is sound, 1 when one ends before START or within a frame, with
--strict also when it ends without STOP, 3 when it cannot be read, 4 when it is malformed; of
several files, that of the worst one.

Examples:
  tinwire fstrm verify capture.fstrm
  tinwire fstrm verify --json *.fstrm
  tinwire fstrm verify --strict capture.fstrm || tinwire fstrm repair capture.fstrm";

pub(super) const REPAIR_EXAMPLES: &str = "\
Cuts off a partial frame, as a killed capture leaves it, and writes STOP where it is missing. A
sound file is not touched, nor is one that another process writes. What is malformed is refused,
unless --cut-fault is given: then everything from the first fault on goes.

Exit status: 0 when the file is sound now, 1 when nothing of it can be saved, 3 when it cannot be
read or written, 4 when it is malformed; of several files, that of the worst one.

Examples:
  tinwire fstrm repair capture.fstrm
  tinwire fstrm repair capture.fstrm -w mended.fstrm
  tinwire fstrm repair --keep-tail tail.bin capture.fstrm
  tinwire fstrm repair --cut-fault zeros-at-the-end.fstrm";

/// `fstrm verify`
#[derive(Args, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) input: Input,
    /// An end without STOP is an error too
    #[arg(long)]
    pub(crate) strict: bool,
}

/// `fstrm repair`
#[derive(Args, Debug)]
pub(crate) struct Repair {
    /// Files
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Leave FILE as it is and write a mended copy, which must not exist
    #[arg(short = 'w', long, value_name = "OUT")]
    pub(crate) write: Option<PathBuf>,
    /// Keep what is cut off in this file, which must not exist
    #[arg(long, value_name = "TAIL")]
    pub(crate) keep_tail: Option<PathBuf>,
    /// Cut everything from the first fault on
    #[arg(long)]
    pub(crate) cut_fault: bool,
    /// Longest data frame that is no fault, in bytes
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    pub(crate) max_frame: NonZeroU32,
}
