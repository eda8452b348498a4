//! Who cuts and joins messages: this library or the kernel; and why that one.

use core::fmt;
use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use can_link::LinkError;
use can_link::address::AddressError;
use thiserror::Error;

/// Who is asked to do the protocol's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Backend {
    /// The kernel where the link is a CAN interface of Linux and the kernel can do all that is asked for;
    /// else this library. [`Choice`] tells which one it was, and why.
    #[default]
    Auto,
    /// The kernel or nobody.
    Kernel,
    /// This library.
    User,
}

/// Who does the protocol's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Worker {
    /// The kernel: [`KernelIsoTp`](crate::kernel::KernelIsoTp).
    Kernel,
    /// This library: [`IsoTpStream`](crate::IsoTpStream).
    User,
    /// A server elsewhere: [`isotpserver::Client`](crate::isotpserver::Client).
    Server,
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::User => "user",
            Self::Server => "server",
        })
    }
}

/// Something that was asked for and that the kernel's ISO-TP has not (ISO-TP spec ch. 9 to 12).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Lack {
    /// It has an address byte in both directions or in none.
    #[error("an address byte in one direction only")]
    OneSidedByte,
    /// It has no limit of the rate.
    #[error("a rate limit")]
    RateLimit,
    /// It checks the filler of padded frames only.
    #[error("the filler of frames that are as short as possible (it checks padded ones)")]
    ShortestFilled,
    /// With half duplex, it sends a message during a reception all the same; then both fail.
    #[error("holding a message back while another one is received (it sends it, and both fail)")]
    HoldingBack,
    /// It receives one identifier; the fixed modes leave the priority of a frame to its sender.
    #[error("frames of any priority (it takes one only)")]
    Priority,
    /// It pads to 8 bytes, or not at all.
    #[error("padding to {got} bytes (it pads to 8 or not at all)")]
    PaddingLength {
        /// The length asked for.
        got: usize,
    },
    /// Without padding, CAN FD frames are filled to their next length with 0xCC.
    #[error("the filler {got:#04X} without padding (it takes 0xCC)")]
    Filler {
        /// The filler asked for.
        got: u8,
    },
    /// Its timers are fixed.
    #[error("{timer} other than {} ({} asked)", millis(*.fixed), millis(*.got))]
    Timer {
        /// The timer's name.
        timer: &'static str,
        /// The time asked for.
        got: Duration,
        /// What it always is.
        fixed: Duration,
    },
    /// It never sends WAIT, so N_Br and WFTmax mean nothing to it. What its reader does not take in time is
    /// lost when 2 MiB of buffer are full.
    #[error("WAIT while the user is slow (it never sends it)")]
    Waits,
    /// It accepts any number of WAITs.
    #[error("a limit of received WAITs ({max} asked, it takes any number)")]
    WaitLimit {
        /// The limit asked for.
        max: u8,
    },
    /// Its times are 32 bits of nanoseconds.
    #[error("a gap of {} between frames (at most {})", millis(*.got), millis(*.max))]
    Gap {
        /// The gap asked for.
        got: Duration,
        /// The longest it can keep.
        max: Duration,
    },
    /// Its listeners answer messages that are too long.
    #[error("a listener that never sends (it answers too long messages)")]
    SilentListener,
    /// It takes messages up to its own limit; one above ours is refused when it is there, and its sender was
    /// told that all is well.
    #[error("OVFLW above {max} bytes (it takes such messages first)")]
    RefusingEarly {
        /// The limit asked for.
        max: u32,
    },
    /// Its limit is lower.
    #[error("messages of {asked} bytes (it receives at most {max})")]
    LongMessages {
        /// The limit asked for.
        asked: u32,
        /// The kernel's.
        max: u32,
    },
    /// Nothing proves that it takes block size and separation time from every flow control. From the first
    /// one alone means, where that is a WAIT, to send without a pause.
    #[error("block size and separation time of every flow control (it may heed the first only)")]
    EveryFlowControl,
    /// A socket is bound to one interface.
    #[error("all interfaces at once")]
    AllInterfaces,
    /// An option of the link that is about raw frames.
    #[error("the link option {0}=")]
    LinkOption(&'static str),
}

impl Lack {
    /// Whether the kernel cannot do it at all, so that an explicit wish for the kernel fails. Else it does it
    /// differently, which keeps [`Backend::Auto`] from it, and nobody who asks for the kernel.
    #[must_use]
    pub const fn is_total(&self) -> bool {
        !matches!(
            self,
            Self::Priority
                | Self::HoldingBack
                | Self::SilentListener
                | Self::RefusingEarly { .. }
                | Self::EveryFlowControl
        )
    }
}

/// A duration in milliseconds, with as many decimals as it needs.
fn millis(time: Duration) -> String {
    let (whole, nanos) = (time.as_millis(), time.subsec_nanos() % 1_000_000);
    if nanos == 0 {
        return std::format!("{whole} ms");
    }
    let decimals = std::format!("{nanos:06}");
    std::format!("{whole}.{} ms", decimals.trim_end_matches('0'))
}

/// One of the reasons for a [`Choice`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was asked for by name.
    Asked,
    /// The kernel can do all that was asked for.
    KernelSuffices,
    /// The kernel cannot do this, or does it differently.
    KernelLacks(Lack),
    /// The link is none that the kernel's ISO-TP could use.
    NoInterface,
    /// The kernel has no ISO-TP, or refuses it, and this is what it said.
    KernelRefuses(String),
    /// This build, or this system, has no kernel ISO-TP.
    NotBuilt,
    /// The link carries whole messages and not frames.
    CarriesMessages,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("asked for"),
            Self::KernelSuffices => f.write_str("the kernel can do all that is asked for"),
            Self::KernelLacks(lack) => write!(f, "kernel cannot: {lack}"),
            Self::NoInterface => f.write_str("the link is no CAN interface of Linux"),
            Self::KernelRefuses(what) => write!(f, "kernel refuses: {what}"),
            Self::NotBuilt => f.write_str("this build has no kernel ISO-TP (Linux only, feature `linux`)"),
            Self::CarriesMessages => f.write_str("the link carries whole messages"),
        }
    }
}

/// Message lengths in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// The longest message that can be sent.
    pub max_send: usize,
    /// The longest message that can be sent to all nodes.
    pub max_send_functional: usize,
    /// The longest message that is received.
    pub max_receive: usize,
}

/// Which backend works, why, and with what limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub(crate) worker: Worker,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) limits: Limits,
}

impl Choice {
    /// Who does the work.
    #[must_use]
    pub const fn worker(&self) -> Worker {
        self.worker
    }

    /// Why; at least one reason. Beside a kernel that was asked for stands what it does differently.
    #[must_use]
    pub fn why(&self) -> &[Reason] {
        &self.reasons
    }

    /// How long messages may be.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }
}

/// `user: kernel cannot: N_Bs other than 1000 ms (250 ms asked)`
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.worker, list(&self.reasons))
    }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(std::string::ToString::to_string).collect();
    items.join("; ")
}

/// Why an endpoint was not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The text names no link.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The link cannot be opened.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The kernel was asked for by name, and cannot do what is asked of it. No socket was opened, except to
    /// ask for its limits.
    #[error("{link}: the kernel cannot: {}", list(.lacks))]
    KernelLacks {
        /// The link.
        link: String,
        /// What it cannot do, one by one.
        lacks: Vec<Lack>,
    },
    /// A backend was asked for by name that this link cannot have.
    #[error("{link}: no {wanted} backend here: {reason}")]
    NotHere {
        /// The link.
        link: String,
        /// What was asked for.
        wanted: Worker,
        /// Why not.
        reason: Reason,
    },
}

impl From<OpenError> for std::io::Error {
    fn from(error: OpenError) -> Self {
        let kind = match error {
            OpenError::Link(error) => return error.into(),
            OpenError::Address(_) => std::io::ErrorKind::InvalidInput,
            OpenError::KernelLacks { .. } | OpenError::NotHere { .. } => std::io::ErrorKind::Unsupported,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec;

    use super::*;

    #[test]
    fn a_choice_tells_its_reasons_one_by_one() {
        let (got, fixed) = (Duration::from_micros(250_500), Duration::from_secs(1));
        let timer = "N_Bs";
        let choice = Choice {
            worker: Worker::User,
            reasons: vec![
                Reason::KernelLacks(Lack::Timer { timer, got, fixed }),
                Reason::KernelLacks(Lack::EveryFlowControl),
            ],
            limits: Limits {
                max_send: 1,
                max_send_functional: 1,
                max_receive: 1,
            },
        };
        assert_eq!(
            choice.to_string(),
            "user: kernel cannot: N_Bs other than 1000 ms (250.5 ms asked); \
             kernel cannot: block size and separation time of every flow control \
             (it may heed the first only)"
        );
    }

    #[test]
    fn an_error_lists_what_is_lacking() {
        let error = OpenError::KernelLacks {
            link: "can0".into(),
            lacks: vec![Lack::OneSidedByte, Lack::WaitLimit { max: 3 }],
        };
        assert_eq!(
            error.to_string(),
            "can0: the kernel cannot: an address byte in one direction only; \
             a limit of received WAITs (3 asked, it takes any number)"
        );
        assert_eq!(
            std::io::Error::from(error).kind(),
            std::io::ErrorKind::Unsupported
        );
    }
}
