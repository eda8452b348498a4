//! How an endpoint is set up: in plain numbers, for our machine and for the model of the standard.

use core::time::Duration;

use can_link::frame::{Dlc, FdFlags};
use isotp::{BlockSize, Config, DataLink, Padding, RateLimit, Role, StMin, TxDl};
use testkit::vectors::Value;

/// Times are in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The flags of sent CAN FD frames; `None`: classic ones.
    pub(crate) fd: Option<u8>,
    pub(crate) tx_dl: usize,
    /// The least length of sent frames.
    pub(crate) min_len: usize,
    pub(crate) fill: u8,
    pub(crate) block_size: u8,
    pub(crate) st_min: u8,
    pub(crate) max_rx_len: u32,
    pub(crate) n_bs: u64,
    pub(crate) n_cr: u64,
    /// What replaces the gap of received flow controls.
    pub(crate) forced_gap: Option<u64>,
    pub(crate) wait_limit: Option<u8>,
    pub(crate) listener: bool,
    /// Whether messages go to all nodes unless told otherwise.
    pub(crate) functional: bool,
    pub(crate) rate_limit: Option<RateLimit>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            fd: None,
            tx_dl: 8,
            min_len: 0,
            fill: 0xCC,
            block_size: 0,
            st_min: 0,
            max_rx_len: 4095,
            n_bs: 1_000_000,
            n_cr: 1_000_000,
            forced_gap: None,
            wait_limit: None,
            listener: false,
            functional: false,
            rate_limit: None,
        }
    }
}

impl Setup {
    pub(crate) fn config(&self) -> Config {
        let data_link = self.fd.map_or(DataLink::Classic, |flags| DataLink::Fd {
            tx_dl: TxDl::try_from(self.tx_dl).unwrap(),
            flags: FdFlags::from_bits(flags),
        });
        let role = if self.listener {
            Role::Listener
        } else {
            Role::Endpoint
        };
        Config::default()
            .data_link(data_link)
            .padding(Padding::at_least(Dlc::exact(self.min_len).unwrap(), self.fill))
            .role(role)
            .block_size(BlockSize::from_bits(self.block_size))
            .st_min(StMin::try_from(self.st_min).unwrap())
            .max_rx_len(self.max_rx_len)
            .n_bs(Duration::from_micros(self.n_bs))
            .n_cr(Duration::from_micros(self.n_cr))
            .forced_gap(self.forced_gap.map(Duration::from_micros))
            .wait_limit(self.wait_limit)
            .rate_limit(self.rate_limit)
    }

    /// The parameters of a python-can-isotp peer.
    pub(crate) fn python(params: &Value) -> Self {
        let mut setup = Self {
            block_size: 8,
            ..Self::default()
        };
        let (mut fd, mut flags, mut fill, mut min) = (false, 0, None, None);
        let (mut limited, mut bit_rate, mut window) = (false, 100_000_000, 0.2);
        for (name, value) in params.as_object().unwrap() {
            let number = || value.as_u64().unwrap_or_else(|| panic!("{name}: {value}"));
            let byte = || u8::try_from(number()).unwrap();
            let is_set = || value.as_bool().unwrap_or_else(|| panic!("{name}: {value}"));
            match name.as_str() {
                _ if value.is_null() => {}
                "can_fd" => fd = is_set(),
                "bitrate_switch" => flags = u8::from(is_set()),
                "tx_data_length" => setup.tx_dl = usize::try_from(number()).unwrap(),
                "tx_data_min_length" => min = Some(usize::try_from(number()).unwrap()),
                "tx_padding" => fill = Some(byte()),
                "blocksize" => setup.block_size = byte(),
                "stmin" => setup.st_min = byte(),
                "max_frame_size" => setup.max_rx_len = u32::try_from(number()).unwrap_or(u32::MAX),
                "rx_flowcontrol_timeout" => setup.n_bs = number() * 1000,
                "rx_consecutive_frame_timeout" => setup.n_cr = number() * 1000,
                "override_receiver_stmin" => {
                    let gap = Duration::from_secs_f64(value.as_f64().unwrap());
                    setup.forced_gap = Some(u64::try_from(gap.as_nanos().div_ceil(1000)).unwrap());
                }
                // That peer's 0 does not accept a WAIT and goes on waiting all the same.
                "wftmax" => {
                    let max = u8::try_from(number().min(255)).unwrap();
                    setup.wait_limit = Some(max).filter(|&max| max > 0);
                }
                "listen_mode" => setup.listener = is_set(),
                "default_target_address_type" => setup.functional = value == 1,
                "rate_limit_enable" => limited = is_set(),
                "rate_limit_max_bitrate" => bit_rate = number(),
                "rate_limit_window_size" => window = value.as_f64().unwrap(),
                // Nothing of them is seen on the wire.
                "blocking_send" | "logger_name" | "wait_func" => {}
                unknown => panic!("unknown parameter {unknown}"),
            }
        }
        setup.fd = fd.then_some(flags);
        setup.fill = fill.unwrap_or(0xCC);
        // With a filler that peer pads to 8 where frames are no longer than that; else above 8 bytes only.
        setup.min_len = match (min, fill) {
            (Some(min), _) => min,
            (None, Some(_)) if setup.tx_dl == 8 => 8,
            (None, _) => 0,
        };
        let most = u64::from(RateLimit::MAX_BITS_PER_SECOND);
        let bit_rate = u32::try_from(bit_rate.min(most)).unwrap();
        setup.rate_limit =
            limited.then(|| RateLimit::new(bit_rate, Duration::from_secs_f64(window)).unwrap());
        setup
    }

    /// Replaces a reserved STmin, which a peer sends as it is and our types do not build; what it was.
    pub(crate) fn take_reserved_st_min(&mut self) -> Option<u8> {
        let reserved = Some(self.st_min).filter(|&bits| StMin::from_bits(bits).is_none());
        if reserved.is_some() {
            self.st_min = StMin::MAX.to_bits();
        }
        reserved
    }
}
