//! What a channel can be told.

use core::time::Duration;

use crate::data_link::{DataLink, Padding};
use crate::stmin::{BlockSize, StMin};

/// The default of [`Config::max_rx_len`]: all that the 12-bit length can announce.
pub const DEFAULT_MAX_RX_LEN: u32 = 4095;
/// The default of every timeout.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_millis(1000);
/// The default of [`Config::n_br`].
pub const DEFAULT_N_BR: Duration = Duration::from_millis(400);
/// The default of [`Config::wft_max`].
pub const DEFAULT_WFT_MAX: u8 = 10;

/// Whether a channel takes part in the transfers it sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Answers first frames with flow control, and may send.
    #[default]
    Endpoint,
    /// Follows transfers between others: never sends anything. One listener sees one direction.
    Listener,
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
    pub(crate) n_as: Duration,
    pub(crate) n_ar: Duration,
    pub(crate) n_bs: Duration,
    pub(crate) n_br: Duration,
    pub(crate) n_cr: Duration,
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
            n_as: DEFAULT_TIMEOUT,
            n_ar: DEFAULT_TIMEOUT,
            n_bs: DEFAULT_TIMEOUT,
            n_br: DEFAULT_N_BR,
            n_cr: DEFAULT_TIMEOUT,
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

    /// The longest message to receive, in bytes. A longer one is answered with OVFLW.
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

    /// N_As: how long a sent frame of a message may take until it is confirmed.
    ///
    /// Default: 1000 ms, as ISO 15765-2; Linux has 2 s.
    #[must_use]
    pub const fn n_as(self, timeout: Duration) -> Self {
        Self {
            n_as: timeout,
            ..self
        }
    }

    /// N_Ar: how long a sent flow control may take until it is confirmed.
    ///
    /// Default: 1000 ms, as ISO 15765-2.
    #[must_use]
    pub const fn n_ar(self, timeout: Duration) -> Self {
        Self {
            n_ar: timeout,
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
            n_bs: timeout,
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
            n_br: interval,
            ..self
        }
    }

    /// N_Cr: how long a receiver waits for the next consecutive frame.
    ///
    /// Default: 1000 ms, as ISO 15765-2, Linux and python-can-isotp (`rx_consecutive_frame_timeout`).
    #[must_use]
    pub const fn n_cr(self, timeout: Duration) -> Self {
        Self {
            n_cr: timeout,
            ..self
        }
    }
}
