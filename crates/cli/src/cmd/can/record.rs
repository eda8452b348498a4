//! Frames and what else happens on a link, as JSON carries them.

use can_link::error_frame::ErrorFrame;
use can_link::frame::{Dlc, FdFlags, XlFrame};
use can_link::link::Origin;
use can_link::{CanFrame, Id};
use serde::Serialize;

use crate::units;

/// One line of `can dump --json`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Line<'a> {
    Frame {
        ts: String,
        link: &'a str,
        origin: &'static str,
        #[serde(flatten)]
        frame: Frame,
    },
    /// A report of bus errors.
    Error {
        ts: String,
        link: &'a str,
        class: String,
        data: String,
        causes: Vec<String>,
    },
    /// Frames for us were lost here.
    Dropped {
        link: &'a str,
        count: u64,
        reason: String,
    },
    /// The controller's state changed.
    State { link: &'a str, state: String },
    /// The link went away or came back.
    Link { link: &'a str, change: String },
    /// Something arrived that is no frame.
    BadInput { link: &'a str, what: String },
}

impl<'a> Line<'a> {
    pub(super) fn error(ts: String, link: &'a str, report: &ErrorFrame) -> Self {
        Self::Error {
            ts,
            link,
            class: format!("{:X}", report.classes().to_bits()),
            data: units::hex(report.data()),
            causes: report.causes().map(|cause| cause.to_string()).collect(),
        }
    }
}

/// Who sent it, in one word.
pub(super) const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Bus => "bus",
        Origin::LocalHost => "host",
        Origin::Own => "own",
    }
}

/// A frame's own fields.
#[derive(Serialize)]
pub(super) struct Frame {
    kind: &'static str,
    id: String,
    ext: bool,
    /// Data bytes; of a remote frame those it asks for.
    len: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    /// Only where it is not the usual one of the length.
    #[serde(skip_serializing_if = "Option::is_none")]
    dlc: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    esi: Option<bool>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    xl: Option<Xl>,
}

/// What only CAN XL frames have.
#[derive(Serialize)]
struct Xl {
    vcid: u8,
    sdt: u8,
    af: String,
    sec: bool,
    rrs: bool,
}

impl Xl {
    fn of(frame: &XlFrame) -> Self {
        Self {
            vcid: frame.vcid(),
            sdt: frame.sdu_type(),
            af: format!("{:08X}", frame.acceptance()),
            sec: frame.flags() & XlFrame::SEC != 0,
            rrs: frame.flags() & XlFrame::RRS != 0,
        }
    }
}

impl Frame {
    pub(super) fn of(frame: &CanFrame) -> Self {
        let plain = Self {
            kind: "data",
            id: units::id_text(frame.id()),
            ext: matches!(frame.id(), Id::Extended(_)),
            len: frame.payload().len(),
            data: Some(units::hex(frame.payload())),
            dlc: None,
            brs: None,
            esi: None,
            xl: None,
        };
        let unusual = |dlc: Dlc| Some(dlc.raw()).filter(|&raw| raw > 8);
        match frame {
            CanFrame::Data(data) => Self {
                dlc: unusual(data.dlc()),
                ..plain
            },
            CanFrame::Remote(remote) => Self {
                kind: "remote",
                len: remote.len(),
                data: None,
                dlc: unusual(remote.dlc()),
                ..plain
            },
            CanFrame::Fd(fd) => Self {
                kind: "fd",
                brs: Some(fd.flags().contains(FdFlags::BRS)),
                esi: Some(fd.flags().contains(FdFlags::ESI)),
                ..plain
            },
            CanFrame::Xl(xl) => Self {
                kind: "xl",
                xl: Some(Xl::of(xl)),
                ..plain
            },
            _ => Self {
                kind: "unknown",
                ..plain
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use can_link::candump::{Message, Reading, parse_frame};

    use super::*;

    fn json(text: &str) -> String {
        let Ok(Message::Frame(frame)) = parse_frame(text, Reading::Strict) else {
            panic!("{text} is no frame");
        };
        serde_json::to_string(&Frame::of(&frame)).unwrap()
    }

    #[test]
    fn each_kind_of_frame_has_its_fields_and_no_others() {
        for (text, expected) in [
            (
                "123#DEAD",
                r#"{"kind":"data","id":"123","ext":false,"len":2,"data":"dead"}"#,
            ),
            (
                "12345678#",
                r#"{"kind":"data","id":"12345678","ext":true,"len":0,"data":""}"#,
            ),
            (
                "123#1122334455667788_E",
                r#"{"kind":"data","id":"123","ext":false,"len":8,"data":"1122334455667788","dlc":14}"#,
            ),
            ("123#R5", r#"{"kind":"remote","id":"123","ext":false,"len":5}"#),
            (
                "123##5AA",
                r#"{"kind":"fd","id":"123","ext":false,"len":1,"data":"aa","brs":true,"esi":false}"#,
            ),
            (
                "45123#81:03:12345678#11",
                concat!(
                    r#"{"kind":"xl","id":"123","ext":false,"len":1,"data":"11","#,
                    r#""vcid":69,"sdt":3,"af":"12345678","sec":true,"rrs":false}"#
                ),
            ),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
    }
}
