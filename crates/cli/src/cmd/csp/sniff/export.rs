//! `--pcapng`: the packets for Wireshark and its like.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use can_link::link::{Origin, Received as Frame};
use csp_core::{Packet, Version};

use crate::failure::{Code, Failure, Result};
use crate::output::Output;
use crate::pcapng::{Direction, InterfaceId, LinkType, Section};

/// Who captured, as the file tells.
const APPLICATION: &str = concat!("tinwire ", env!("CARGO_PKG_VERSION"));

/// A capture file that grows by whole blocks, so that it can be read however we end.
#[derive(Debug)]
pub(super) struct Export {
    version: Version,
    section: Section,
    interfaces: BTreeMap<String, InterfaceId>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Stdout,
    File(PathBuf, File),
}

impl Export {
    /// Begins a file, or standard output for `-`. An existing file is overwritten.
    pub(super) fn begin(path: &Path, version: Version) -> Result<Self> {
        let place = if path == Path::new("-") {
            Place::Stdout
        } else {
            let file = File::create(path).map_err(|error| trouble(path, error))?;
            Place::File(path.to_owned(), file)
        };
        Ok(Self {
            version,
            section: Section::begin(APPLICATION),
            interfaces: BTreeMap::new(),
            place,
        })
    }

    /// Whether standard output belongs to the file.
    pub(super) const fn is_stdout(&self) -> bool {
        matches!(self.place, Place::Stdout)
    }

    /// Adds a packet whose last frame is `frame`: its time and direction.
    pub(super) fn packet(&mut self, interface: &str, frame: &Frame, packet: &Packet) {
        let bytes = packet
            .encode(self.version)
            .expect("a header read in one version has a form in it");
        let id = match self.interfaces.get(interface) {
            Some(id) => *id,
            None => self.describe(interface),
        };
        let direction = match frame.origin {
            Origin::Bus => Direction::Inbound,
            Origin::LocalHost | Origin::Own => Direction::Outbound,
        };
        self.section.packet(id, frame.time.host, direction, &bytes);
    }

    fn describe(&mut self, interface: &str) -> InterfaceId {
        // Nothing else tells a dissector how long the header is.
        let description = match self.version {
            Version::V1 => "CSP v1",
            Version::V2 => "CSP v2",
        };
        let id = self.section.interface(LinkType::USER0, interface, description);
        self.interfaces.insert(interface.to_owned(), id);
        id
    }

    /// Writes what there is; on standard output that is the output's to do.
    pub(super) fn flush(&mut self, output: &mut Output) -> Result {
        let blocks = self.section.take();
        if blocks.is_empty() {
            return Ok(());
        }
        match &mut self.place {
            Place::Stdout => output.raw(&blocks),
            Place::File(path, file) => file.write_all(&blocks).map_err(|error| trouble(path, error)),
        }
    }
}

fn trouble(path: &Path, error: std::io::Error) -> Failure {
    Failure::caused(Code::File, error).context(format_args!("writing {}", path.display()))
}
