//! Lines for people, as candump prints them without `-L`.

use core::fmt;

use embedded_can::Id;

use super::frame::IdText;
use super::{Direction, Message, error_details};
use crate::frame::{CanFrame, Dlc, MAX_CLASSIC_LEN, MAX_FD_LEN, XlFrame};
use crate::id;

/// What one line shows.
#[derive(Clone, Copy, Debug)]
pub struct ScreenLine<'a> {
    /// The time as it is to stand between parentheses; empty for none.
    pub time: &'a str,
    /// The interface's name.
    pub interface: &'a str,
    /// The frame or report.
    pub message: &'a Message,
    /// Which way it went; shown as `-x` does.
    pub direction: Option<Direction>,
}

/// Writes candump's lines for people.
///
/// Interface names are padded to the longest one seen, and standard identifiers are indented from the first
/// extended frame on, as candump does.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScreenText {
    width: usize,
    indent: bool,
    ascii: bool,
    raw_dlc: bool,
    details: bool,
}

impl ScreenText {
    /// The plain form.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            width: 0,
            indent: false,
            ascii: false,
            raw_dlc: false,
            details: false,
        }
    }

    /// Adds the data as ASCII characters behind up to 8 bytes (`-a`).
    #[must_use]
    pub const fn ascii(self) -> Self {
        Self { ascii: true, ..self }
    }

    /// Shows the DLC as `{E}` in place of the length (`-8`).
    #[must_use]
    pub const fn raw_dlc(self) -> Self {
        Self {
            raw_dlc: true,
            ..self
        }
    }

    /// Adds a line for each cause of an error report (`-e`).
    #[must_use]
    pub const fn error_details(self) -> Self {
        Self {
            details: true,
            ..self
        }
    }

    /// Indents standard identifiers from the start, as log2long does.
    #[must_use]
    pub const fn indented(self) -> Self {
        Self { indent: true, ..self }
    }

    /// The text of the next line, without the final line break.
    pub fn line<'a>(&mut self, line: ScreenLine<'a>) -> impl fmt::Display + use<'a> {
        self.width = self.width.max(line.interface.len());
        // candump looks at the extended flag, which error reports do not carry.
        if let Message::Frame(frame) = line.message {
            self.indent |= matches!(frame.id(), Id::Extended(_));
        }
        Laid { text: *self, line }
    }
}

struct Laid<'a> {
    text: ScreenText,
    line: ScreenLine<'a>,
}

impl fmt::Display for Laid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ScreenLine {
            time,
            interface,
            message,
            direction,
        } = self.line;
        let width = self.text.width;
        if !time.is_empty() {
            write!(f, " ({time}) ")?;
        } else {
            f.write_str(" ")?;
        }
        write!(f, " {interface:>width$}")?;
        if let Some(direction) = direction {
            let way = if direction == Direction::Receive {
                "RX"
            } else {
                "TX"
            };
            write!(f, "  {way} {}", fd_flags(message))?;
        }
        f.write_str("  ")?;
        self.content(f, message)
    }
}

/// Bit-rate switch and error state, as `-x` shows them.
fn fd_flags(message: &Message) -> &'static str {
    let Message::Frame(CanFrame::Fd(frame)) = message else {
        return "- -";
    };
    match frame.flags().to_bits() {
        1 => "B -",
        2 => "- E",
        3 => "B E",
        _ => "- -",
    }
}

impl Laid<'_> {
    fn content(&self, f: &mut fmt::Formatter<'_>, message: &Message) -> fmt::Result {
        match message {
            Message::Error(report) => {
                let word = report.classes().to_bits() | id::ERR_FLAG;
                write!(f, "{word:08X}   [8] ")?;
                bytes(f, report.data())?;
                f.write_str("   ERRORFRAME")?;
                if self.text.details {
                    error_details(report).try_for_each(|cause| write!(f, "\n\t{cause}"))?;
                }
                Ok(())
            }
            Message::Frame(CanFrame::Xl(frame)) => self.xl(f, frame),
            Message::Frame(frame) => {
                self.id(f, frame.id())?;
                match frame {
                    CanFrame::Fd(frame) => write!(f, "  [{:02}] ", frame.data().len())?,
                    CanFrame::Remote(remote) => {
                        self.classic_len(f, remote.dlc())?;
                        return f.write_str(" remote request");
                    }
                    CanFrame::Data(data) => self.classic_len(f, data.dlc())?,
                    CanFrame::Xl(_) => {}
                }
                bytes(f, frame.payload())?;
                self.ascii(f, frame.payload())
            }
        }
    }

    fn id(&self, f: &mut fmt::Formatter<'_>, id: Id) -> fmt::Result {
        let indent = if self.text.indent && matches!(id, Id::Standard(_)) {
            "     "
        } else {
            ""
        };
        write!(f, "{indent}{}", IdText(id))
    }

    fn classic_len(&self, f: &mut fmt::Formatter<'_>, dlc: Dlc) -> fmt::Result {
        if self.text.raw_dlc {
            write!(f, "   {{{:X}}} ", dlc.raw())
        } else {
            write!(f, "   [{}] ", dlc.classic_len())
        }
    }

    fn ascii(&self, f: &mut fmt::Formatter<'_>, data: &[u8]) -> fmt::Result {
        if !self.text.ascii || data.len() > MAX_CLASSIC_LEN {
            return Ok(());
        }
        let gap = 3 * (MAX_CLASSIC_LEN - data.len()) + 4;
        write!(f, "{:>gap$}", '\'')?;
        data.iter().try_for_each(|&byte| {
            let shown = if (0x20..0x7F).contains(&byte) {
                char::from(byte)
            } else {
                '.'
            };
            write!(f, "{shown}")
        })?;
        f.write_str("'")
    }

    fn xl(&self, f: &mut fmt::Formatter<'_>, frame: &XlFrame) -> fmt::Result {
        self.id(f, Id::Standard(frame.priority()))?;
        let (len, vcid, flags) = (frame.data().len(), frame.vcid(), 0x80 | frame.flags());
        let (sdu_type, acceptance) = (frame.sdu_type(), frame.acceptance());
        write!(
            f,
            " [{len:04}] ({vcid:02X}|{flags:02X}:{sdu_type:02X}:{acceptance:08X})"
        )?;
        bytes(f, frame.data().get(..MAX_FD_LEN).unwrap_or_else(|| frame.data()))?;
        f.write_str(if len > MAX_FD_LEN { " ..." } else { "" })
    }
}

fn bytes(f: &mut fmt::Formatter<'_>, data: &[u8]) -> fmt::Result {
    data.iter().try_for_each(|byte| write!(f, " {byte:02X}"))
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use super::*;

    fn print(text: &mut ScreenText, frame: &str) -> String {
        let message = frame.parse().unwrap();
        let line = ScreenLine {
            time: "",
            interface: "can0",
            message: &message,
            direction: None,
        };
        text.line(line).to_string()
    }

    #[test]
    fn each_kind_has_candumps_columns() {
        let mut text = ScreenText::new();
        assert_eq!(print(&mut text, "123#112233"), "  can0  123   [3]  11 22 33");
        assert_eq!(print(&mut text, "123#"), "  can0  123   [0] ");
        assert_eq!(print(&mut text, "123#R5"), "  can0  123   [5]  remote request");
        assert_eq!(print(&mut text, "123##4112233"), "  can0  123  [03]  11 22 33");
        assert_eq!(
            print(&mut text, "20000004#0004000000000000"),
            "  can0  20000004   [8]  00 04 00 00 00 00 00 00   ERRORFRAME"
        );
        assert_eq!(
            print(&mut text, "45123#83:00:12345678#1122"),
            "  can0  123 [0002] (45|83:00:12345678) 11 22"
        );
    }

    #[test]
    fn standard_identifiers_are_indented_from_the_first_extended_one_on() {
        let mut text = ScreenText::new();
        assert_eq!(print(&mut text, "123#11"), "  can0  123   [1]  11");
        assert_eq!(print(&mut text, "12345678#11"), "  can0  12345678   [1]  11");
        assert_eq!(print(&mut text, "123#11"), "  can0       123   [1]  11");
    }

    #[test]
    fn options_add_what_candump_adds() {
        let mut ascii = ScreenText::new().ascii();
        assert_eq!(
            print(&mut ascii, "123#410042"),
            "  can0  123   [3]  41 00 42                  'A.B'"
        );
        let mut raw = ScreenText::new().raw_dlc();
        assert_eq!(
            print(&mut raw, "123#1122334455667788_E"),
            "  can0  123   {E}  11 22 33 44 55 66 77 88"
        );
        let mut details = ScreenText::new().error_details();
        assert!(print(&mut details, "20000040#").ends_with("ERRORFRAME\n\tbus-off"));
    }

    #[test]
    fn time_and_direction_stand_before_the_frame() {
        let message = "123##511".parse().unwrap();
        let line = ScreenLine {
            time: "0000000001.000002",
            interface: "can0",
            message: &message,
            direction: Some(Direction::Receive),
        };
        assert_eq!(
            ScreenText::new().line(line).to_string(),
            " (0000000001.000002)  can0  RX B -  123  [01]  11"
        );
    }
}
