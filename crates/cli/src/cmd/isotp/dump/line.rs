//! Frames as isotpdump prints them, byte for byte.
//!
//! isotpdump judges nothing: it shows what the first bytes would mean, and bytes that a frame does not have
//! as zeros. The one difference on purpose: lengths of 2 GiB and more are shown as they are.

use core::fmt::Write as _;

use can_link::{CanFrame, Id};
use isotp::StMin;

use super::pair::{Talk, Talker};
use super::uds;
use crate::args::isotp::dump::Forms;

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const BLUE: &str = "\x1b[34m";
pub(super) const RESET: &str = "\x1b[0m";

/// What the lines show.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    colored: bool,
    ascii: bool,
    uds: bool,
    /// A message has begun whose service was not named yet.
    unnamed: bool,
}

impl Lines {
    pub(super) const fn new(colored: bool, ascii: bool, uds: bool) -> Self {
        Self {
            colored,
            ascii,
            uds,
            unnamed: false,
        }
    }

    /// The line of a frame; `time` is what stands between parentheses, or empty.
    pub(super) fn line(&mut self, time: &str, interface: &str, talk: Talk<'_>) -> String {
        let bytes = talk.frame.payload();
        let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
        let mut text = start(self.colored, time, interface, talk.from);
        // Not filled with zeros, unlike elsewhere.
        match talk.frame.id() {
            Id::Standard(id) => write(&mut text, format_args!("{:3X}", id.as_raw())),
            Id::Extended(id) => write(&mut text, format_args!("{:8X}", id.as_raw())),
        }
        let prefix = talk.prefix.len();
        if prefix > 0 {
            write(&mut text, format_args!("{{{:02X}}}", byte(0)));
        }
        match talk.frame {
            CanFrame::Fd(_) => write(&mut text, format_args!(" [{:02}]  ", bytes.len())),
            _ => write(&mut text, format_args!("  [{}]  ", bytes.len())),
        }
        let pci = byte(prefix);
        let low = pci & 0x0F;
        let content = match pci >> 4 {
            0 => {
                self.unnamed = true;
                let (len, skip) = if low > 0 { (low, 1) } else { (byte(prefix + 1), 2) };
                write(&mut text, format_args!("[SF] ln: {len:<4} data:"));
                Some(prefix + skip)
            }
            1 => {
                self.unnamed = true;
                let (len, skip) = match u16::from_be_bytes([low, byte(prefix + 1)]) {
                    0 => (u32::from_be_bytes([2, 3, 4, 5].map(|at| byte(prefix + at))), 6),
                    len => (len.into(), 2),
                };
                write(&mut text, format_args!("[FF] ln: {len:<4} data:"));
                Some(prefix + skip)
            }
            2 => {
                write(&mut text, format_args!("[CF] sn: {low:X}    data:"));
                Some(prefix + 1)
            }
            3 => {
                flow_control(&mut text, low, byte(prefix + 1), byte(prefix + 2));
                None
            }
            _ => {
                text.push_str("[??]");
                None
            }
        };
        if let Some(content) = content
            && let Some(data) = bytes.get(content..).filter(|data| !data.is_empty())
        {
            self.data(&mut text, prefix, data);
        }
        if self.colored {
            text.push_str(RESET);
        }
        text
    }

    /// Bytes, characters, and the name of the service, each in a column of its own where the frame is
    /// classic.
    fn data(&mut self, text: &mut String, prefix: usize, data: &[u8]) {
        text.push(' ');
        for byte in data {
            write(text, format_args!("{byte:02X} "));
        }
        // How many bytes fewer than a consecutive frame can have; longer CAN FD frames have more.
        let missing = signed(7 - prefix) - signed(data.len());
        if self.ascii {
            aligned(text, "-  '", missing * 3 + 5);
            text.extend(data.iter().map(|&byte| printable(byte)));
            text.push('\'');
        }
        if self.uds && self.unnamed {
            self.unnamed = false;
            let width = if self.ascii { 1 } else { 3 };
            aligned(text, " - ", missing * width + 3);
            write(text, format_args!("{}", uds::of(data)));
        }
    }
}

/// The line of a message as isotpsniffer prints it, but for the colour's end. Where the address byte may be
/// any, which isotpsniffer has not, it is shown as isotpdump does.
pub(super) fn message(
    colored: bool,
    time: &str,
    interface: &str,
    talk: Talk<'_>,
    byte: Option<u8>,
    content: &str,
) -> String {
    let mut text = start(colored, time, interface, talk.from);
    let raw = match talk.frame.id() {
        Id::Standard(id) => id.as_raw().into(),
        Id::Extended(id) => id.as_raw(),
    };
    write(&mut text, format_args!("{raw:03X}"));
    if let Some(byte) = byte {
        write(&mut text, format_args!("{{{byte:02X}}}"));
    }
    text.push_str(content);
    text
}

/// A message's length and its first `head` bytes. Dots stand for more (isotpsniffer also prints them where
/// there is no more).
pub(super) fn content(data: &[u8], head: usize, forms: Forms) -> String {
    let shown = data.get(..head).unwrap_or(data);
    let has_more = shown.len() < data.len();
    let mut text = format!("  [{}]  ", data.len());
    if matches!(forms, Forms::Hex | Forms::Both) {
        for byte in shown {
            write(&mut text, format_args!("{byte:02X} "));
        }
        text.push_str(if has_more { "... " } else { "" });
    }
    if forms == Forms::Both {
        text.push_str(" - ");
    }
    if matches!(forms, Forms::Ascii | Forms::Both) {
        text.push('\'');
        text.extend(shown.iter().map(|&byte| printable(byte)));
        text.push_str(if has_more { "' ... " } else { "'" });
    }
    text
}

/// What all lines begin with, up to the identifier.
fn start(colored: bool, time: &str, interface: &str, from: Talker) -> String {
    let mut text = String::with_capacity(80);
    if colored {
        text.push_str(match from {
            Talker::Source => RED,
            Talker::Destination => BLUE,
            Talker::Broadcast => GREEN,
        });
    }
    if !time.is_empty() {
        write(&mut text, format_args!("({time}) "));
    }
    write(&mut text, format_args!(" {interface}  "));
    text
}

fn flow_control(text: &mut String, status: u8, block_size: u8, st_min: u8) {
    let name = match status {
        0 => "CTS",
        1 => "WT",
        2 => "OVFLW",
        _ => "reserved",
    };
    let off = if block_size == 0 { "= off " } else { "" };
    write(
        text,
        format_args!("[FC] FC: {status} = {name} # BS: {block_size} {off}# STmin: 0x{st_min:02X} = "),
    );
    match StMin::from_bits(st_min).map(|st_min| st_min.gap()) {
        None => text.push_str("reserved"),
        Some(_) if st_min < 0x80 => write(text, format_args!("{st_min} ms")),
        Some(gap) => write(text, format_args!("{} us", gap.as_micros())),
    }
}

/// As `%*s` of C: on the right of a field, on the left where its width is negative.
fn aligned(text: &mut String, what: &str, width: i32) {
    let columns = usize::try_from(width.unsigned_abs()).unwrap_or_default();
    if width < 0 {
        write(text, format_args!("{what:<columns$}"));
    } else {
        write(text, format_args!("{what:>columns$}"));
    }
}

/// The character, or a dot.
const fn printable(byte: u8) -> char {
    match byte {
        0x20..=0x7E => byte as char,
        _ => '.',
    }
}

/// Lengths of frames, which are small.
fn signed(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX / 8)
}

/// Writing to a string cannot fail.
fn write(text: &mut String, arguments: core::fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use can_link::candump::{Message, Reading, parse_frame};

    use super::super::pair::Pair;
    use super::*;
    use crate::args::isotp::dump::AddressByte;
    use crate::units;

    fn shown(lines: &mut Lines, byte: Option<AddressByte>, text: &str) -> String {
        let pair = Pair {
            source: units::can_id("123").unwrap(),
            destination: units::can_id("18DAF110").unwrap(),
            broadcast: units::can_id("7DF").ok(),
            source_byte: byte,
            destination_byte: None,
        };
        let Ok(Message::Frame(frame)) = parse_frame(text, Reading::Strict) else {
            panic!("{text} is no frame");
        };
        lines.line("", "vcan0", pair.talk(&frame).unwrap())
    }

    #[test]
    fn reserved_values_and_missing_bytes_have_lines_too() {
        let mut lines = Lines::default();
        for (frame, expected) in [
            (
                "123#3F0AF5",
                " vcan0  123  [3]  [FC] FC: 15 = reserved # BS: 10 # STmin: 0xF5 = 500 us",
            ),
            (
                "123#30",
                " vcan0  123  [1]  [FC] FC: 0 = CTS # BS: 0 = off # STmin: 0x00 = 0 ms",
            ),
            (
                "123#3200FF",
                " vcan0  123  [3]  [FC] FC: 2 = OVFLW # BS: 0 = off # STmin: 0xFF = reserved",
            ),
            ("123#4455", " vcan0  123  [2]  [??]"),
            ("123#", " vcan0  123  [0]  [SF] ln: 0    data:"),
            (
                "123#10008000000011",
                " vcan0  123  [7]  [FF] ln: 2147483648 data: 11 ",
            ),
            ("18DAF110#0211", " vcan0  18DAF110  [2]  [SF] ln: 2    data: 11 "),
        ] {
            assert_eq!(shown(&mut lines, None, frame), expected);
        }
    }

    #[test]
    fn characters_stand_in_one_column_for_classic_frames() {
        let mut lines = Lines::new(false, true, false);
        let at = |text: String| text.find('\'').unwrap();
        let short = at(shown(&mut lines, None, "123#0141"));
        let long = at(shown(&mut lines, None, "123#2141424344454647"));
        assert_eq!(short, long);
        let text = shown(&mut lines, None, "123#0341007E");
        assert!(text.ends_with("-  'A.~'"), "{text}");
    }

    #[test]
    fn a_service_is_named_once_in_a_message() {
        let mut lines = Lines::new(false, false, true);
        let first = shown(&mut lines, None, "123#100A22F190010203");
        assert!(first.ends_with(" - [SRQ] ReadDataByIdentifier"), "{first}");
        let second = shown(&mut lines, None, "123#2122F190");
        assert!(!second.contains("ReadData"), "{second}");
        let refused = shown(&mut lines, None, "123#037F2231");
        assert!(refused.ends_with(" - [NRC] requestOutOfRange"), "{refused}");
    }

    #[test]
    fn a_message_is_shown_as_bytes_and_characters_up_to_a_length() {
        let vin = b"b\xF1VIN";
        assert_eq!(content(vin, 9, Forms::Both), "  [5]  62 F1 56 49 4E  - 'b.VIN'");
        assert_eq!(content(vin, 5, Forms::Hex), "  [5]  62 F1 56 49 4E ");
        assert_eq!(content(vin, 2, Forms::Both), "  [5]  62 F1 ...  - 'b.' ... ");
        assert_eq!(content(vin, 2, Forms::Ascii), "  [5]  'b.' ... ");
    }

    #[test]
    fn each_identifier_has_its_colour() {
        let mut lines = Lines::new(true, false, false);
        for (frame, color) in [("123#3E", RED), ("18DAF110#3E", BLUE), ("7DF#3E", GREEN)] {
            let text = shown(&mut lines, None, frame);
            assert!(text.starts_with(color) && text.ends_with(RESET), "{text:?}");
        }
    }

    #[test]
    fn the_address_byte_stands_behind_the_identifier() {
        let mut lines = Lines::default();
        let text = shown(&mut lines, Some(AddressByte::Any), "123#F1023E00");
        assert_eq!(text, " vcan0  123{F1}  [4]  [SF] ln: 2    data: 3E 00 ");
    }
}
