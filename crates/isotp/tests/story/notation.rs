//! How the stories write frames and messages.

use bytes::Bytes;
use can_link::CanFrame;
use can_link::candump::{Message, Reading, parse_frame};
use testkit::vectors::{Value, hex};

pub(crate) fn frame(text: &str) -> CanFrame {
    match parse_frame(text, Reading::Strict) {
        Ok(Message::Frame(frame)) => frame,
        other => panic!("{text}: {other:?}"),
    }
}

/// As in the stories: the mark of CAN FD itself is not one of the flags.
pub(crate) fn text(frame: &CanFrame) -> String {
    let id = match frame.id() {
        can_link::Id::Standard(id) => format!("{:03X}", id.as_raw()),
        can_link::Id::Extended(id) => format!("{:08X}", id.as_raw()),
    };
    let flags = match frame {
        CanFrame::Fd(frame) => format!("#{:X}", frame.flags().to_bits() & 3),
        _ => String::new(),
    };
    let data: String = frame.payload().iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{id}#{flags}{data}")
}

pub(crate) fn payload(value: &Value) -> Bytes {
    if let Some(text) = value.as_str() {
        return hex(text).into();
    }
    if let Some(text) = value["hex"].as_str() {
        return hex(text).into();
    }
    let len = usize::try_from(value["len"].as_u64().unwrap()).unwrap();
    assert_eq!(value["pattern"], "p1", "unknown pattern");
    crate::kernel::payload(len)
}
