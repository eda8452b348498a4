//! What the tests against other people's programs start, and whether it is installed.

use std::path::Path;

use crate::process;
use crate::setup::{AIOISOTP, PYTHON, STREAMS, Venv};
use crate::workspace::Workspace;

/// Where Debian has the headers of C libraries.
const HEADERS: &str = "/usr/include";

/// Something that `cargo xtask setup` installs, or a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Program(&'static str),
    /// A C library, by its header.
    Library(&'static str),
    Python(Venv),
    /// To be somebody else for a while.
    Root,
}

/// The test files that need something, and what.
const NEEDS: [(&str, &[Need]); 16] = [
    (
        "peer_dnstap_tools",
        &[
            Need::Program("dnstap"),
            Need::Program("dnstap-ldns"),
            Need::Program("dnstap-read"),
        ],
    ),
    (
        "peer_fstrm",
        &[
            Need::Program("fstrm_capture"),
            Need::Program("fstrm_dump"),
            Need::Program("fstrm_replay"),
        ],
    ),
    (
        "peer_fstrm_files",
        &[
            Need::Program("fstrm_capture"),
            Need::Program("fstrm_dump"),
            Need::Program("fstrm_replay"),
            Need::Program("dnstap-ldns"),
        ],
    ),
    (
        "peer_fstrm_tools",
        &[
            Need::Program("fstrm_capture"),
            Need::Program("fstrm_dump"),
            Need::Program("fstrm_replay"),
        ],
    ),
    ("peer_kafka", &[Need::Python(STREAMS), Need::Program("kill")]),
    ("peer_libfstrm", &[Need::Program("cc"), Need::Library("fstrm.h")]),
    ("peer_nats", &[Need::Python(STREAMS), Need::Program("kill")]),
    ("peer_python", &[Need::Python(PYTHON), Need::Python(AIOISOTP)]),
    ("peer_python_fstrm", &[Need::Python(STREAMS)]),
    (
        "peer_servers",
        &[
            Need::Program("unbound"),
            Need::Program("knotd"),
            Need::Program("named"),
        ],
    ),
    ("peer_tshark", &[Need::Program("tshark")]),
    ("peer_udsoncan", &[Need::Python(PYTHON)]),
    ("peer_user", &[Need::Root]),
    (
        "vcan_canutils",
        &[Need::Program("isotpsend"), Need::Program("isotprecv")],
    ),
    ("vcan_python", &[Need::Python(PYTHON), Need::Python(AIOISOTP)]),
    ("vcan_udsoncan", &[Need::Python(PYTHON)]),
];

/// What the test file `target` needs; `None` when nobody wrote it down.
pub(crate) fn of(target: &str) -> Option<&'static [Need]> {
    NEEDS
        .iter()
        .find(|(file, _)| *file == target)
        .map(|(_, needs)| *needs)
}

/// What of these is not installed, and the command that installs it; `None` when all is there.
pub(crate) fn missing(needs: &[Need], workspace: &Workspace) -> Option<String> {
    let absent: Vec<_> = needs
        .iter()
        .filter(|need| !need.is_there(workspace))
        .map(Need::shown)
        .collect();
    (!absent.is_empty()).then(|| format!("{} missing: cargo xtask setup", absent.join(", ")))
}

impl Need {
    fn is_there(&self, workspace: &Workspace) -> bool {
        match self {
            Self::Program(name) => process::find(name).is_some(),
            Self::Library(header) => Path::new(HEADERS).join(header).is_file(),
            Self::Python(venv) => venv.is_there(workspace),
            Self::Root => process::is_root(),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Program(name) | Self::Library(name) => (*name).to_owned(),
            Self::Python(venv) => format!("Python with {}", venv.shown()),
            Self::Root => "the rights of root".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        Workspace {
            root: "/w".into(),
            target: "/no/such/target".into(),
            packages: Vec::new(),
        }
    }

    #[test]
    fn what_is_missing_is_named_with_what_installs_it() {
        let needs = [
            Need::Program("sh"),
            Need::Program("no-such-tool"),
            Need::Library("no-such-library.h"),
            Need::Python(AIOISOTP),
        ];
        let missing = missing(&needs, &workspace()).unwrap();
        assert!(
            missing.starts_with("no-such-tool, no-such-library.h, Python with "),
            "{missing}"
        );
        assert!(missing.contains("aioisotp 0.1.1"), "{missing}");
        assert!(missing.ends_with(": cargo xtask setup"), "{missing}");
    }

    #[test]
    fn nothing_is_missing_where_all_is_there() {
        assert_eq!(missing(&[Need::Program("sh")], &workspace()), None);
        assert_eq!(of("peer_python").map(<[Need]>::len), Some(2));
        assert_eq!(of("vcan_raw"), None);
    }
}
