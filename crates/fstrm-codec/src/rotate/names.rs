//! What files are called.

use std::borrow::ToOwned as _;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::string::ToString as _;
use std::time::SystemTime;

/// What the suffix of a file in progress is.
const PART: &str = ".part";

/// Names the files of a store.
///
/// A path is a fixed name; a closure makes one from the time. Whatever it says, a file that exists is never
/// overwritten: see [`numbered`].
pub trait Names: Send {
    /// The name of a file that is opened at this moment.
    fn name(&mut self, wall: SystemTime) -> PathBuf;

    /// How many seconds local time is ahead of UTC at this moment, for files that end on the hour. Default 0.
    fn utc_offset(&self, wall: SystemTime) -> i32 {
        let _ = wall;
        0
    }
}

impl Names for PathBuf {
    fn name(&mut self, _: SystemTime) -> PathBuf {
        self.clone()
    }
}

impl<F: FnMut(SystemTime) -> PathBuf + Send> Names for F {
    fn name(&mut self, wall: SystemTime) -> PathBuf {
        self(wall)
    }
}

/// The name that is taken where `path` exists: with a number in front of the suffix, counted from 1.
///
/// ```
/// use std::path::Path;
/// use fstrm_codec::rotate::numbered;
///
/// assert_eq!(numbered(Path::new("a/capture.fstrm"), 3), Path::new("a/capture.3.fstrm"));
/// assert_eq!(numbered(Path::new("a/capture"), 3), Path::new("a/capture.3"));
/// assert_eq!(numbered(Path::new("a/capture.fstrm"), 0), Path::new("a/capture.fstrm"));
/// ```
#[must_use]
pub fn numbered(path: &Path, number: u64) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(".");
    name.push(number.to_string());
    if let Some(suffix) = path.extension() {
        name.push(".");
        name.push(suffix);
    }
    path.with_file_name(name)
}

/// What the file at `path` is called while it is written.
pub(crate) fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PART);
    name.into()
}

/// Recognises the numbered names of a path, in progress or not.
#[derive(Debug)]
pub(crate) struct NumberedBy {
    stem: OsString,
    suffix: OsString,
}

impl NumberedBy {
    pub(crate) fn new(path: &Path) -> Self {
        let mut stem = path.file_stem().unwrap_or_default().to_owned();
        let mut suffix = OsString::new();
        if let Some(extension) = path.extension() {
            suffix.push(".");
            suffix.push(extension);
        }
        if stem.is_empty() {
            stem = path.as_os_str().to_owned();
        }
        Self { stem, suffix }
    }

    /// The number in `name`; 0 for the path's own name, `None` for any other.
    pub(crate) fn number(&self, name: &OsStr) -> Option<u64> {
        let name = name.as_encoded_bytes();
        let name = name.strip_suffix(PART.as_bytes()).unwrap_or(name);
        let rest = name.strip_prefix(self.stem.as_encoded_bytes())?;
        let middle = rest.strip_suffix(self.suffix.as_encoded_bytes())?;
        if middle.is_empty() {
            return Some(0);
        }
        let digits = middle.strip_prefix(b".")?;
        let is_plain = !digits.starts_with(b"0") && digits.iter().all(u8::is_ascii_digit);
        let digits = core::str::from_utf8(digits).ok().filter(|_| is_plain)?;
        digits.parse().ok()
    }
}
