//! Who is at the other end of a socket, as the kernel says.

use alloc::vec;
use alloc::vec::Vec;
use std::fs;
use std::io;

use tokio::net::UnixStream;

use super::sharing::Sharing;
use crate::peer::Peer;

#[derive(Clone, Copy, Debug)]
pub(super) struct Credentials {
    pid: u32,
    pub(super) uid: u32,
    gid: u32,
}

impl Credentials {
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let peer = stream.peer_cred()?;
        Ok(Self {
            pid: peer.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            uid: peer.uid(),
            gid: peer.gid(),
        })
    }

    /// Whether a name that is shared so is open to it.
    pub(super) fn admitted_by(&self, sharing: Sharing) -> bool {
        match sharing {
            Sharing::Group(_) => sharing.admits(self.uid, &self.groups()),
            Sharing::User | Sharing::Everybody => sharing.admits(self.uid, &[]),
        }
    }

    /// All its groups. The kernel vouches for the first one; the others are those of the process that has the
    /// number now, which the mode of the socket let in.
    fn groups(&self) -> Vec<u32> {
        let mut groups = vec![self.gid];
        let status = fs::read_to_string(alloc::format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Groups:"));
        groups.extend(
            line.into_iter()
                .flat_map(str::split_whitespace)
                .filter_map(|word| word.parse::<u32>().ok()),
        );
        groups
    }

    pub(super) const fn peer(&self) -> Peer {
        Peer::Process {
            pid: self.pid,
            uid: self.uid,
        }
    }
}
