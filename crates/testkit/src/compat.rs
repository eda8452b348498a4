//! What was measured with somebody else's program, as lines that `cargo xtask compat` makes tables of.

use std::process::Command;

use serde_json::json;

/// Who sent and who received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// We send, the peer receives.
    ToPeer,
    /// The peer sends, we receive.
    FromPeer,
    /// Both, at once or in turn.
    Both,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::ToPeer => "to peer",
            Self::FromPeer => "from peer",
            Self::Both => "both",
        }
    }
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As both sides mean it.
    Works,
    /// The peer does otherwise than the standard says, and we live with it.
    PeerDiffers,
    /// The peer cannot, and we come to no harm.
    PeerFails,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::PeerDiffers => "peer differs",
            Self::PeerFails => "peer fails",
        }
    }
}

/// Prints the rows of one peer.
#[derive(Clone, Debug)]
pub struct Report {
    /// The peer's name.
    pub peer: String,
    /// Its version, and that of what it stands on.
    pub version: String,
    /// What carried the frames: `bus:`, or `vcan` with the kernel.
    pub over: String,
}

impl Report {
    /// The report on some of can-utils, on a virtual interface. They do not tell their version; their
    /// package's is the next best.
    #[must_use]
    pub fn can_utils(tools: &str) -> Self {
        let mut query = Command::new("dpkg-query");
        query.args(["--show", "--showformat=${Version}", "can-utils"]);
        let told = query.output().ok().filter(|output| output.status.success());
        let version = told.map_or_else(
            || String::from("of unknown version"),
            |output| format!("Debian {}", String::from_utf8_lossy(&output.stdout)),
        );
        Self {
            peer: format!("can-utils, {tools}"),
            version,
            over: vcan(),
        }
    }

    /// One measured fact.
    pub fn row(&self, direction: Direction, feature: &str, outcome: Outcome, remark: &str) {
        let row = json!({
            "v": 1,
            "peer": self.peer,
            "version": self.version,
            "over": self.over,
            "direction": direction.name(),
            "feature": feature,
            "result": outcome.name(),
            "remark": remark,
        });
        println!("compat: {row}");
    }
}

/// The running kernel as `vcan, Linux 6.1.192`: Debian's names of kernels have less of the version.
#[must_use]
pub fn vcan() -> String {
    let read = |name: &str| {
        std::fs::read_to_string(format!("/proc/sys/kernel/{name}"))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let (release, build) = (read("osrelease"), read("version"));
    let debian = build
        .split_once("Debian ")
        .and_then(|(_, rest)| rest.split(['-', ' ']).next());
    format!("vcan, Linux {}", debian.unwrap_or_else(|| release.trim()))
}
