//! What a channel can be told.
//!
//! ```text
//! timer  from                                    until                         setter
//! N_As   a frame of a message is handed out      it is confirmed, or failure   n_as
//! N_Ar   a flow control is handed out            it is confirmed, or failure   n_ar
//! N_Bs   first frame or block confirmed, WAIT    flow control, or failure      n_bs
//! N_Br   first frame there, or WAIT confirmed    the next WAIT                 n_br
//! N_Cs   a consecutive frame is confirmed        the next one                  forced_gap, extra_gap
//! N_Cr   flow control confirmed, frame there     the next frame, or failure    n_cr
//! ```
//!
//! N_Cs is the receiver's STmin unless `forced_gap` replaces it, plus `extra_gap`; the first frame of a block
//! leaves at once. So does a flow control, unless the previous message was not taken: N_Br is for that case.

use core::time::Duration;

use tinwire_time::Instant;

use crate::data_link::{DataLink, Padding};
use crate::padding::PaddingCheck;
use crate::rate::RateLimit;
use crate::stmin::{BlockSize, StMin};

/// The default of [`Config::max_rx_len`]: all that the 12-bit length can announce.
pub const DEFAULT_MAX_RX_LEN: u32 = 4095;
/// The default of every timeout.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_millis(1000);
/// The default of [`Config::n_br`].
pub const DEFAULT_N_BR: Duration = Duration::from_millis(400);
/// The default of [`Config::wft_max`].
pub const DEFAULT_WFT_MAX: u8 = 10;

/// A time in whole microseconds: half the size of a [`Duration`], and added without a division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Micros(u64);

impl Micros {
    /// The shortest time of at least `duration`.
    pub(crate) const fn covering(duration: Duration) -> Self {
        let micros = duration.as_secs().saturating_mul(1_000_000);
        Self(micros.saturating_add(duration.subsec_nanos().div_ceil(1_000) as u64))
    }

    /// As a duration again.
    #[cfg(all(feature = "linux", target_os = "linux"))]
    pub(crate) const fn duration(self) -> Duration {
        Duration::from_micros(self.0)
    }

    pub(crate) const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum of both.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This time, `count` times over.
    #[cfg(feature = "tokio")]
    pub(crate) const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// The instant that is this much later than `now`.
    pub(crate) const fn after(self, now: Instant) -> Instant {
        Instant::from_micros(now.as_micros().saturating_add(self.0))
    }
}

impl PartialEq<Duration> for Micros {
    fn eq(&self, other: &Duration) -> bool {
        *self == Self::covering(*other)
    }
}

/// Whether a channel takes part in the transfers it sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Answers first frames with flow control, and may send.
    #[default]
    Endpoint,
    /// Follows transfers between others: never sends anything. One listener sees one direction.
    Listener,
}

/// Whether both directions are in use at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Duplex {
    /// A message may be sent while another one is received.
    #[default]
    Full,
    /// One message at a time, either way.
    ///
    /// A message that is to be sent while one is received waits until that has ended. While a message is
    /// sent, from its first frame on, single, first and consecutive frames are ignored; while one is
    /// received, flow controls are. When both nodes send their first frames at once, each one ignores the
    /// other's, and both messages fail with N_TIMEOUT_Bs: agree on who asks and who answers.
    Half,
}

/// Which flow controls tell a sender the block size and the separation time.
///
/// A receiver must not change them within a message, so the standard leaves it open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FlowParameters {
    /// Each one that lets it continue (CTS): the latest counts.
    #[default]
    EachCts,
    /// The first one after the first frame, even when that is a WAIT.
    First,
}

/// The parameters of a channel; every value that can be built is valid.
///
/// Setters take and return the configuration by value:
///
/// ```
/// use core::time::Duration;
/// use isotp::{BlockSize, Config, StMin};
///
/// let config = Config::default()
///     .block_size(BlockSize::from_bits(8))
///     .st_min(StMin::at_least(Duration::from_micros(500)))
///     .n_bs(Duration::from_millis(250));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) data_link: DataLink,
    pub(crate) padding: Padding,
    pub(crate) role: Role,
    pub(crate) block_size: BlockSize,
    pub(crate) st_min: StMin,
    pub(crate) max_rx_len: u32,
    pub(crate) wft_max: u8,
    pub(crate) wait_limit: Option<u8>,
    pub(crate) forced_gap: Option<Duration>,
    pub(crate) extra_gap: Micros,
    pub(crate) forced_rx_gap: Option<Duration>,
    pub(crate) duplex: Duplex,
    pub(crate) flow_parameters: FlowParameters,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) padding_check: PaddingCheck,
    pub(crate) n_as: Micros,
    pub(crate) n_ar: Micros,
    pub(crate) n_bs: Micros,
    pub(crate) n_br: Micros,
    pub(crate) n_cr: Micros,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_link: DataLink::default(),
            padding: Padding::default(),
            role: Role::default(),
            block_size: BlockSize::UNLIMITED,
            st_min: StMin::ZERO,
            max_rx_len: DEFAULT_MAX_RX_LEN,
            wft_max: DEFAULT_WFT_MAX,
            wait_limit: None,
            forced_gap: None,
            extra_gap: Micros::covering(Duration::ZERO),
            forced_rx_gap: None,
            duplex: Duplex::default(),
            flow_parameters: FlowParameters::default(),
            rate_limit: None,
            padding_check: PaddingCheck::default(),
            n_as: Micros::covering(DEFAULT_TIMEOUT),
            n_ar: Micros::covering(DEFAULT_TIMEOUT),
            n_bs: Micros::covering(DEFAULT_TIMEOUT),
            n_br: Micros::covering(DEFAULT_N_BR),
            n_cr: Micros::covering(DEFAULT_TIMEOUT),
        }
    }
}

impl Config {
    /// The kind and maximum length (TX_DL) of sent frames. Both kinds are received, of any length.
    ///
    /// Default: classic, as Linux and python-can-isotp.
    #[must_use]
    pub const fn data_link(self, data_link: DataLink) -> Self {
        Self { data_link, ..self }
    }

    /// How sent frames are filled.
    ///
    /// Default: 0xCC to at least 8 bytes, as aioisotp; Linux and python-can-isotp do not pad unless told to.
    #[must_use]
    pub const fn padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// Whether the channel takes part or only listens.
    ///
    /// Default: it takes part.
    #[must_use]
    pub const fn role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// After how many consecutive frames a sender shall wait for this receiver's next flow control (BS).
    ///
    /// Default: unlimited, as Linux; python-can-isotp has 8, aioisotp 16.
    #[must_use]
    pub const fn block_size(self, block_size: BlockSize) -> Self {
        Self { block_size, ..self }
    }

    /// The least gap between the consecutive frames sent to this receiver (STmin), 0..=127 ms.
    ///
    /// Default: none, as Linux, python-can-isotp and aioisotp.
    #[must_use]
    pub const fn st_min(self, st_min: StMin) -> Self {
        Self { st_min, ..self }
    }

    /// The longest message to receive, in bytes, up to 2³²−1. A longer one is answered with OVFLW.
    ///
    /// Memory grows with the data that arrived, never with what was announced; a fixed buffer limits further.
    /// Default: 4095, as python-can-isotp; Linux has 8300 or 66000.
    #[must_use]
    pub const fn max_rx_len(self, max_rx_len: u32) -> Self {
        Self { max_rx_len, ..self }
    }

    /// How many WAITs in a row to send while the user has not taken the previous message (WFTmax); then
    /// OVFLW.
    ///
    /// 0: OVFLW at once. Default: 10. No peer sends WAIT.
    #[must_use]
    pub const fn wft_max(self, wft_max: u8) -> Self {
        Self { wft_max, ..self }
    }

    /// How many WAITs in a row to accept as a sender; one more ends the transfer with N_WFT_OVRN.
    ///
    /// Default: any number, as Linux and aioisotp; python-can-isotp has 0, Zephyr 10.
    #[must_use]
    pub const fn wait_limit(self, wait_limit: Option<u8>) -> Self {
        Self { wait_limit, ..self }
    }

    /// A gap between sent consecutive frames that replaces the STmin of received flow controls.
    ///
    /// Default: none. Linux has it as `FORCE_TXSTMIN`, python-can-isotp as `override_receiver_stmin`.
    #[must_use]
    pub const fn forced_gap(self, gap: Option<Duration>) -> Self {
        Self {
            forced_gap: gap,
            ..self
        }
    }

    /// A gap between sent consecutive frames on top of STmin, or of [`forced_gap`](Self::forced_gap): the
    /// sender's own part of N_Cs.
    ///
    /// A receiver gives up when the whole gap is longer than its N_Cr.
    /// Default: none. Linux has it as `frame_txtime`, with a default of 50 µs, and can-utils as `-t`.
    #[doc(alias = "n_cs")]
    #[must_use]
    pub const fn extra_gap(self, gap: Duration) -> Self {
        Self {
            extra_gap: Micros::covering(gap),
            ..self
        }
    }

    /// The least gap between received consecutive frames; those that come sooner are ignored.
    ///
    /// That is how a receiver looks which is too slow for its own STmin, so it is for tests of a sender.
    /// Default: none. Linux has it as `FORCE_RXSTMIN`.
    #[must_use]
    pub const fn forced_rx_gap(self, gap: Option<Duration>) -> Self {
        Self {
            forced_rx_gap: gap,
            ..self
        }
    }

    /// Whether messages may go both ways at the same time.
    ///
    /// Default: full duplex, as everywhere. Linux has half duplex as `HALF_DUPLEX`, but does not hold a
    /// message back while another one is received.
    #[must_use]
    pub const fn duplex(self, duplex: Duplex) -> Self {
        Self { duplex, ..self }
    }

    /// Which flow controls tell the block size and the separation time to keep.
    ///
    /// Default: each CTS, as python-can-isotp, aioisotp, and Linux with `DYN_FC_PARMS`; without it Linux goes
    /// by the first flow control.
    #[must_use]
    pub const fn flow_parameters(self, flow_parameters: FlowParameters) -> Self {
        Self {
            flow_parameters,
            ..self
        }
    }

    /// How many bits of frame data to send at most in a time.
    ///
    /// Default: no limit, as python-can-isotp (`rate_limit_enable`); nobody else has one.
    #[must_use]
    pub const fn rate_limit(self, rate_limit: Option<RateLimit>) -> Self {
        Self { rate_limit, ..self }
    }

    /// What is asked of the padding of received frames.
    ///
    /// Default: nothing, as everywhere; Linux has checks as `CHK_PAD_LEN` and `CHK_PAD_DATA`.
    #[must_use]
    pub const fn padding_check(self, padding_check: PaddingCheck) -> Self {
        Self {
            padding_check,
            ..self
        }
    }

    /// N_As: how long a sent frame of a message may take until it is confirmed.
    ///
    /// Default: 1000 ms, as ISO 15765-2; Linux has 2 s.
    #[must_use]
    pub const fn n_as(self, timeout: Duration) -> Self {
        Self {
            n_as: Micros::covering(timeout),
            ..self
        }
    }

    /// N_Ar: how long a sent flow control may take until it is confirmed.
    ///
    /// Default: 1000 ms, as ISO 15765-2.
    #[must_use]
    pub const fn n_ar(self, timeout: Duration) -> Self {
        Self {
            n_ar: Micros::covering(timeout),
            ..self
        }
    }

    /// N_Bs: how long a sender waits for a flow control after a first frame, a block, or a WAIT.
    ///
    /// Default: 1000 ms, as ISO 15765-2, Linux and python-can-isotp (`rx_flowcontrol_timeout`); aioisotp
    /// waits for ever.
    #[must_use]
    pub const fn n_bs(self, timeout: Duration) -> Self {
        Self {
            n_bs: Micros::covering(timeout),
            ..self
        }
    }

    /// N_Br: how long this receiver lets a sender wait before each WAIT.
    ///
    /// Must leave the sender's N_Bs some room: N_Br plus the time to send a frame below 0.9 N_Bs. Default:
    /// 400 ms.
    #[must_use]
    pub const fn n_br(self, interval: Duration) -> Self {
        Self {
            n_br: Micros::covering(interval),
            ..self
        }
    }

    /// N_Cr: how long a receiver waits for the next consecutive frame.
    ///
    /// Default: 1000 ms, as ISO 15765-2, Linux and python-can-isotp (`rx_consecutive_frame_timeout`).
    #[must_use]
    pub const fn n_cr(self, timeout: Duration) -> Self {
        Self {
            n_cr: Micros::covering(timeout),
            ..self
        }
    }
}
