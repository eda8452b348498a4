//! `started`: the process that was started for a name last.
//!
//! Its content is the process's number in decimal; its age is that of the file.

use alloc::string::ToString;
use core::time::Duration;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;

use super::found::{Found, seats};
use super::lock::{Locked, Patience};
use super::{file, root};

const FILE: &str = "started";
/// Digits of a process's number, at most.
const MAX_LEN: u64 = 10;

impl Found {
    /// Starts a process, unless one that was started less than `startup` ago is alive and has no seat yet.
    /// Returns the number of the one that was started.
    pub(in super::super) fn start_alone(
        &self,
        startup: Duration,
        start: impl FnOnce() -> io::Result<u32>,
    ) -> io::Result<Option<u32>> {
        let Some(locked) = Locked::take(&self.path, Patience::Second)? else {
            return Ok(None); // the name goes; whoever looks next will see
        };
        if let Some(pid) = self.started(startup)
            && !file::is_dead(pid)
            && !seats(&self.path)?.iter().any(|seat| seat.pid == pid)
        {
            return Ok(None);
        }
        let pid = start()?;
        // who cannot note it has started it all the same
        let _ = self.note(pid);
        drop(locked);
        Ok(Some(pid))
    }

    /// The process that was started last, if that is not long ago.
    fn started(&self, startup: Duration) -> Option<u32> {
        let file = root::own_file().read(true).open(self.path.join(FILE)).ok()?;
        let meta = file.metadata().ok()?;
        let age = meta.modified().ok()?.elapsed().unwrap_or_default();
        let own = meta.uid() == tinwire_place::own_uid();
        (own && age < startup).then(|| number(file)).flatten()
    }

    fn note(&self, pid: u32) -> io::Result<()> {
        let path = self.path.join(FILE);
        let _ = fs::remove_file(&path); // there is none yet, or it is another user's
        let mut file = root::own_file().create_new(true).write(true).open(path)?;
        file.write_all(pid.to_string().as_bytes())
    }
}

fn number(file: File) -> Option<u32> {
    let mut text = alloc::string::String::new();
    file.take(MAX_LEN).read_to_string(&mut text).ok()?;
    text.parse().ok()
}
