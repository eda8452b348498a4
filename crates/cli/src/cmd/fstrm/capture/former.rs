//! Files of earlier captures that nobody will mend: the store goes on with its own alone.

use core::num::NonZeroU32;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use fstrm_codec::file::Verification;
use fstrm_codec::frame::End;
use fstrm_codec::{Config, ControlFrame, FileReader};

/// Files that are looked at, the newest ones; and as many of those in progress.
const FILES: usize = 4;
/// Entries of a folder that are looked at.
const ENTRIES: usize = 16_384;
/// Bytes that are read of a file to find where its last frame begins.
const READ: u64 = 32 << 20;

/// A file that somebody should mend.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Former {
    pub(super) path: PathBuf,
    pub(super) fault: Fault,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ends within the frame that begins there.
    Torn { offset: u64 },
    /// It is long, and its last bytes are no STOP.
    Unended,
    /// It is still called as a file in progress, and nobody writes it.
    Orphan,
}

impl Fault {
    /// As it stands in JSON.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Torn { .. } => "torn",
            Self::Unended => "unended",
            Self::Orphan => "orphan",
        }
    }
}

impl Former {
    /// What is told of it, with what helps.
    pub(super) fn text(&self) -> String {
        let path = self.path.display();
        let mend = format!("\"tinwire fstrm repair {path}\" mends it");
        match self.fault {
            Fault::Torn { offset } => format!("{path} ends within the frame at byte {offset}; {mend}"),
            Fault::Unended => format!("{path} does not end with STOP and may be torn; {mend}"),
            Fault::Orphan => {
                let name = self.path.with_extension("");
                let name = name.display();
                format!("{path} was left by a capture that was killed; {mend}, then call it {name}")
            }
        }
    }
}

/// The former files of a pattern that are not as their writers would have left them. What cannot be read is
/// none of them: this is a word, not a duty.
///
/// With `has_letters`, `pattern` is for strftime. Files that another process writes are passed over, as is
/// the one that our store has open.
pub(super) fn find(pattern: &Path, has_letters: bool) -> Vec<Former> {
    let (whole, in_progress) = newest(pattern, has_letters);
    let torn = whole.into_iter().filter_map(|path| {
        let fault = fault(&path).ok().flatten()?;
        Some(Former { path, fault })
    });
    let orphans = in_progress.into_iter().filter_map(|path| {
        abandoned(&path).ok().flatten()?;
        let fault = Fault::Orphan;
        Some(Former { path, fault })
    });
    torn.chain(orphans).collect()
}

/// The newest files of a pattern: those with their names, and those in progress.
fn newest(pattern: &Path, has_letters: bool) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let mut folders = vec![PathBuf::new()];
    let Some(name) = pattern.file_name() else {
        return (Vec::new(), Vec::new());
    };
    for component in pattern.parent().into_iter().flat_map(Path::components) {
        let letters = match component {
            Component::Normal(name) if has_letters => Some(name.to_string_lossy()),
            _ => None,
        };
        match letters.filter(|name| name.contains('%')) {
            None => folders.iter_mut().for_each(|folder| folder.push(component)),
            Some(name) => {
                let pieces = pieces(&name);
                folders = latest(&folders, |name| is_like(&pieces, name));
            }
        }
    }
    let name = name.to_string_lossy();
    let pieces = if has_letters {
        pieces(&name)
    } else {
        vec![name.into_owned()]
    };
    let is_ours = |name: &str| is_like(&pieces, name) || is_like(&pieces, &unnumbered(name));
    let whole = latest(&folders, is_ours);
    let in_progress = latest(&folders, |name| name.strip_suffix(".part").is_some_and(is_ours));
    (whole, in_progress)
}

/// The newest entries of these folders whose names are wanted.
fn latest(folders: &[PathBuf], is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<(SystemTime, PathBuf)> = folders
        .iter()
        .filter_map(|folder| {
            let here = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            };
            Some((folder, fs::read_dir(here).ok()?))
        })
        .flat_map(|(folder, entries)| entries.take(ENTRIES).flatten().map(move |entry| (folder, entry)))
        .filter(|(_, entry)| entry.file_name().to_str().is_some_and(&is_wanted))
        .filter_map(|(folder, entry)| {
            let changed = entry.metadata().ok()?.modified().ok()?;
            Some((changed, folder.join(entry.file_name())))
        })
        .collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.truncate(FILES);
    found.into_iter().map(|(_, path)| path).collect()
}

/// What stands between the letters of a pattern: `a%Yb` is a and b. `%%` is a letter too, and so is the flag
/// or width in `%-d` and `%3N`.
fn pieces(pattern: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut rest = pattern.chars();
    while let Some(letter) = rest.next() {
        if letter == '%' {
            let is_flag = |letter: &char| "-_0^#:.".contains(*letter) || letter.is_ascii_digit();
            // The letter itself; what is before it belongs to it.
            let _ = rest.by_ref().find(|letter| !is_flag(letter));
            pieces.push(String::new());
        } else if let Some(piece) = pieces.last_mut() {
            piece.push(letter);
        }
    }
    pieces
}

/// Whether a name begins and ends as a pattern does, and has its other pieces between, in order.
fn is_like(pieces: &[String], name: &str) -> bool {
    let Some((first, others)) = pieces.split_first() else {
        return false;
    };
    let Some((last, middle)) = others.split_last() else {
        return name == first;
    };
    let Some(inner) = name
        .strip_prefix(first.as_str())
        .and_then(|rest| rest.strip_suffix(last.as_str()))
    else {
        return false;
    };
    let mut rest = Some(inner);
    for piece in middle {
        rest = rest.and_then(|rest| Some(rest.split_once(piece.as_str())?.1));
    }
    rest.is_some()
}

/// A name without the number that was put in front of its suffix because another file had it.
fn unnumbered(name: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let Some((stem, suffix)) = name.rsplit_once('.') else {
        return name.to_owned();
    };
    if is_number(suffix) {
        return stem.to_owned();
    }
    match stem.rsplit_once('.') {
        Some((stem, number)) if is_number(number) => format!("{stem}.{suffix}"),
        _ => name.to_owned(),
    }
}

/// A regular file that holds something and that nobody writes.
fn abandoned(path: &Path) -> io::Result<Option<File>> {
    // A pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let file = File::open(path)?;
    if file.try_lock_shared().is_err() {
        return Ok(None);
    }
    // Who wants to go on with it need not wait for us.
    file.unlock()?;
    Ok((file.metadata()?.len() > 0).then_some(file))
}

fn fault(path: &Path) -> io::Result<Option<Fault>> {
    let Some(mut file) = abandoned(path)? else {
        return Ok(None);
    };
    let len = file.metadata()?.len();
    let stop = ControlFrame::stop();
    let mut end = Vec::with_capacity(stop.as_bytes().len());
    let stop_len = u64::try_from(stop.as_bytes().len()).unwrap_or(u64::MAX);
    file.seek(SeekFrom::Start(len.saturating_sub(stop_len)))?;
    file.by_ref().take(stop_len).read_to_end(&mut end)?;
    if end == stop.as_bytes() {
        return Ok(None);
    }
    if len > READ {
        return Ok(Some(Fault::Unended));
    }
    file.rewind()?;
    let any = Config::new().max_data(NonZeroU32::MAX);
    let mut reader = FileReader::new(file.take(READ), any).map_err(io::Error::other)?;
    let found = Verification::read(&mut reader);
    Ok(match found.end {
        // Without a whole START there is nothing in it that could be mended.
        Ok(End::Truncated { offset, .. }) if found.streams > 0 => Some(Fault::Torn { offset }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"\0\0\0\0\0\0\0\x0d\0\0\0\x02\0\0\0\x01\0\0\0\x01t\0\0\0\x03one";

    fn written(folder: &Path, name: &str, end: &[u8]) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, [STREAM, end].concat()).unwrap();
        path
    }

    #[test]
    fn only_files_of_the_pattern_that_are_torn_or_orphans_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, end: &[u8]| written(folder.path(), name, end);
        let torn = at("2026/11/dns-0507.fstrm", b"\0\0\0\x05to");
        let numbered = at("2026/10/dns-0507.2.fstrm", b"\0\0");
        at("2026/10/dns-0508.fstrm", ControlFrame::stop().as_bytes());
        at("2026/10/dns-0509.fstrm", b"");
        at("2026/10/web-0507.fstrm", b"\0\0");
        at("2026/dns-0507.fstrm", b"\0\0");
        let orphan = at("2026/11/dns-0510.fstrm.part", b"\0\0");
        let written = at("2026/11/dns-0511.fstrm.part", b"\0\0");
        let writer = File::open(&written).unwrap();
        writer.lock().unwrap();
        let found = find(&folder.path().join("%Y/%m/dns-%H%M.fstrm"), true);
        let mut found: Vec<_> = found
            .into_iter()
            .map(|former| (former.path, former.fault))
            .collect();
        found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let offset = u64::try_from(STREAM.len()).unwrap();
        let torn_there = Fault::Torn { offset };
        assert_eq!(
            found,
            [
                (numbered, torn_there),
                (torn, torn_there),
                (orphan, Fault::Orphan)
            ]
        );
    }

    #[test]
    fn a_plain_name_has_numbered_neighbours_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| written(folder.path(), name, b"\0");
        let own = [at("50%.fstrm"), at("50%.3.fstrm")];
        at("500.fstrm");
        at("50%.x.fstrm");
        let found = find(&folder.path().join("50%.fstrm"), false);
        let mut found: Vec<_> = found.into_iter().map(|former| former.path).collect();
        found.sort_unstable_by_key(|path| path.as_os_str().len());
        assert_eq!(found, own);
    }

    #[test]
    fn the_newest_files_alone_are_looked_at_and_long_ones_not_through() {
        let folder = tempfile::tempdir().unwrap();
        for second in 0..10 {
            let path = written(folder.path(), &format!("{second}.fstrm"), b"\0");
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + core::time::Duration::from_secs(second))
                .unwrap();
            if second == 9 {
                file.set_len(READ + 1).unwrap();
            }
        }
        let names: Vec<_> = find(&folder.path().join("%s.fstrm"), true)
            .into_iter()
            .map(|former| (former.path.file_stem().unwrap().to_owned(), former.fault))
            .collect();
        let names: Vec<_> = names
            .iter()
            .map(|(name, fault)| (name.to_str().unwrap(), *fault == Fault::Unended))
            .collect();
        assert_eq!(names, [("9", true), ("8", false), ("7", false), ("6", false)]);
    }

    #[test]
    fn letters_of_a_pattern_may_have_flags_and_widths() {
        assert_eq!(pieces("a-%-d%3N.b%%"), ["a-", "", ".b", ""]);
        assert!(is_like(&pieces("%d-%m.f"), "20-11.f"));
        assert!(!is_like(&pieces("%d-%m.f"), "2011.f"));
    }

    #[test]
    fn what_helps_is_told_with_the_name() {
        let former = |fault| Former {
            path: "a.fstrm.part".into(),
            fault,
        };
        assert_eq!(
            former(Fault::Orphan).text(),
            "a.fstrm.part was left by a capture that was killed; \"tinwire fstrm repair a.fstrm.part\" mends \
             it, then call it a.fstrm"
        );
        assert_eq!(
            former(Fault::Torn { offset: 7 }).text(),
            "a.fstrm.part ends within the frame at byte 7; \"tinwire fstrm repair a.fstrm.part\" mends it"
        );
    }
}
