//! How the addresses, parameters and frames of captured peers are told to our machine.

pub(crate) mod address;
pub(crate) mod aioisotp;
mod any;
pub(crate) mod bus;
#[cfg(feature = "tokio")]
pub(crate) mod isotpserver;
pub(crate) mod linux;
pub(crate) mod pdu;
pub(crate) mod recorded;
pub(crate) mod session;
mod setup;
mod standard;
mod story;

use bytes::Bytes;
use can_link::frame::{FdFlags, FdFrame};
use can_link::{CanFrame, ExtendedId, Id, StandardId};
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
