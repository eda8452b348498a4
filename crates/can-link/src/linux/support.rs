//! What this kernel's ISO-TP can do, asked of the kernel itself and not of its version.

use std::fs;
use std::os::fd::BorrowedFd;

use super::opening::{failed, knows_xl_channels};
use super::sys::{self, Length};
use crate::link::LinkError;

/// Readable where the longest message is a parameter of the module.
const MAX_PDU_PARAMETER: &str = "/sys/module/can_isotp/parameters/max_pdu_size";
/// The limits of kernels without that parameter, longest first.
const MAX_PDU_KNOWN: [usize; 2] = [66_000, 8_200];

/// What the kernel's ISO-TP can do.
///
/// Unknown flags are accepted and read back, so setting an option proves nothing; these are the signs that
/// do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IsoTpSupport {
    /// The longest message of both directions in bytes, where the kernel tells it without a bound socket
    /// (since about 6.4); else [`IsoTpSocket::max_send`](super::IsoTpSocket::max_send) tells.
    pub max_message: Option<usize>,
    /// Whether block size and separation time can be taken from every flow control.
    ///
    /// Nothing in ISO-TP shows it. It came with the same release (6.9) as virtual channels of CAN XL, and
    /// those can be asked for. A kernel that has one of them alone is taken for one without.
    pub dynamic_flow_control: bool,
}

impl IsoTpSupport {
    /// What a kernel could have told.
    #[must_use]
    pub const fn new(max_message: Option<usize>, dynamic_flow_control: bool) -> Self {
        Self {
            max_message,
            dynamic_flow_control,
        }
    }

    /// Asks the kernel, which loads its module if need be. No interface is touched.
    ///
    /// # Errors
    /// [`LinkError::Unsupported`] when there is no ISO-TP in this kernel; [`LinkError::Permission`],
    /// [`LinkError::Io`].
    pub fn ask() -> Result<Self, LinkError> {
        sys::isotp_socket().map_err(|error| failed("isotp", "opening an ISO-TP socket", error))?;
        Ok(Self {
            max_message: parameter(),
            dynamic_flow_control: knows_xl_channels(),
        })
    }
}

fn parameter() -> Option<usize> {
    fs::read_to_string(MAX_PDU_PARAMETER).ok()?.trim().parse().ok()
}

/// The longest message that this kernel sends and receives, asked with a bound and idle socket.
pub(super) fn max_pdu(fd: BorrowedFd<'_>) -> usize {
    let takes = |len: &usize| sys::isotp_takes(fd, *len) == Length::Possible;
    let [_, least] = MAX_PDU_KNOWN;
    parameter()
        .or_else(|| MAX_PDU_KNOWN.into_iter().find(takes))
        .unwrap_or(least)
}
