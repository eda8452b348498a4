//! How python-can-isotp's addresses, parameters and frames are told to our machine.

pub(crate) mod address;
pub(crate) mod bus;
#[cfg(feature = "tokio")]
pub(crate) mod isotpserver;
pub(crate) mod pdu;
pub(crate) mod session;

use core::time::Duration;

use bytes::Bytes;
use can_link::frame::{Dlc, FdFlags, FdFrame};
use can_link::{CanFrame, ExtendedId, Id, StandardId};
use isotp::{BlockSize, Config, DataLink, Padding, RateLimit, Role, StMin, TxDl};
use testkit::vectors::{Value, hex};

/// `7E0#0211AA` or `7E0##10211AA`, as in can-utils.
pub(crate) fn frame(text: &str) -> CanFrame {
    let (id, rest) = text.split_once('#').unwrap();
    let raw = u32::from_str_radix(id, 16).unwrap();
    let id: Id = if id.len() == 3 {
        StandardId::new(u16::try_from(raw).unwrap()).unwrap().into()
    } else {
        ExtendedId::new(raw).unwrap().into()
    };
    match rest.strip_prefix('#') {
        None => CanFrame::data(id, &hex(rest)).unwrap(),
        Some(fd) => {
            let (flags, data) = fd.split_at(1);
            let flags = FdFlags::from_bits(u8::from_str_radix(flags, 16).unwrap());
            FdFrame::with_exact_len(id, &hex(data), flags).unwrap().into()
        }
    }
}

/// The other way round.
pub(crate) fn text(frame: &CanFrame) -> String {
    let id = match frame.id() {
        Id::Standard(id) => format!("{:03X}", id.as_raw()),
        Id::Extended(id) => format!("{:08X}", id.as_raw()),
    };
    let flags = match frame {
        CanFrame::Fd(frame) => format!("#{:X}", frame.flags().to_bits()),
        _ => String::new(),
    };
    let data: String = frame.payload().iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{id}#{flags}{data}")
}

/// Hexadecimal digits, or a length and a pattern.
pub(crate) fn payload(value: &Value) -> Bytes {
    if let Some(text) = value.as_str() {
        return hex(text).into();
    }
    let len = usize::try_from(value["len"].as_u64().unwrap()).unwrap();
    assert_eq!(value["pattern"], "p1", "unknown pattern");
    (0..len)
        .map(|i| u8::try_from((i + i / 256) % 256).unwrap())
        .collect()
}

/// The parameters of a python-can-isotp peer; `None` with the name of one that is not built yet.
pub(crate) fn config(params: &Value) -> Result<Config, String> {
    // That peer's default block size shows in its flow controls.
    let mut config = Config::default().block_size(BlockSize::from_bits(8));
    let (mut fd, mut tx_dl, mut flags) = (false, TxDl::MIN, FdFlags::NONE);
    let (mut fill, mut min) = (None, None);
    let (mut limited, mut bit_rate, mut window) = (false, 100_000_000, Duration::from_millis(200));
    for (name, value) in params.as_object().unwrap() {
        let number = || value.as_u64().unwrap_or_else(|| panic!("{name}: {value}"));
        let byte = || u8::try_from(number()).unwrap();
        let len = || usize::try_from(number()).unwrap();
        config = match name.as_str() {
            "can_fd" => {
                fd = value.as_bool().unwrap();
                config
            }
            "tx_data_length" => {
                tx_dl = TxDl::new(len()).unwrap();
                config
            }
            "bitrate_switch" => {
                if value.as_bool().unwrap() {
                    flags = FdFlags::BRS;
                }
                config
            }
            "tx_padding" => {
                fill = Some(byte());
                config
            }
            "tx_data_min_length" => {
                min = Dlc::exact(len());
                assert!(min.is_some(), "{name}: {value}");
                config
            }
            "blocksize" => config.block_size(BlockSize::from_bits(byte())),
            "stmin" => config.st_min(StMin::from_bits(byte()).unwrap()),
            "max_frame_size" => config.max_rx_len(u32::try_from(number()).unwrap()),
            "rx_flowcontrol_timeout" => config.n_bs(Duration::from_millis(number())),
            "rx_consecutive_frame_timeout" => config.n_cr(Duration::from_millis(number())),
            "override_receiver_stmin" => {
                config.forced_gap(Some(Duration::from_secs_f64(value.as_f64().unwrap())))
            }
            "wftmax" => config.wait_limit(Some(byte()).filter(|&max| max > 0)),
            "listen_mode" if value == true => config.role(Role::Listener),
            "listen_mode" => config,
            "rate_limit_enable" => {
                limited = value.as_bool().unwrap();
                config
            }
            "rate_limit_max_bitrate" => {
                bit_rate = number();
                config
            }
            "rate_limit_window_size" => {
                window = Duration::from_secs_f64(value.as_f64().unwrap());
                config
            }
            unknown => panic!("unknown parameter {unknown}"),
        };
    }
    // That peer pads classic frames to 8 when it has a filler, and CAN FD frames above 8 bytes only.
    let pads_to = match (min, fill) {
        (Some(min), _) => min,
        (None, Some(_)) if !fd => Dlc::exact(8).unwrap(),
        (None, _) => Dlc::exact(0).unwrap(),
    };
    let config = config.padding(Padding::at_least(pads_to, fill.unwrap_or(0xCC)));
    let limit = RateLimit::new(u32::try_from(bit_rate).unwrap(), window);
    let config = config.rate_limit(limited.then(|| limit.unwrap()));
    Ok(if fd {
        config.data_link(DataLink::Fd { tx_dl, flags })
    } else {
        config
    })
}
