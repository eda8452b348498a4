//! The words of `fstrm_dump`.

use std::io::Write as _;

use fstrm_codec::{ContentType, End};

use crate::cmd::fstrm::pieces::Print;

/// How a backslash in a payload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backslash {
    /// Doubled: what is shown has one meaning.
    Escaped,
    /// As it is, which `\x41` in a payload cannot be told from.
    Plain,
}

/// How things are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) backslash: Backslash,
    /// Whether payloads are all that is told.
    pub(super) is_quiet: bool,
    /// Whether what is around the payloads goes where they go.
    pub(super) is_one_place: bool,
    /// Whether every end of a stream is told as STOP.
    pub(super) ends_with_stop: bool,
}

/// Some frames in words.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// For standard output.
    pub(super) payloads: Vec<u8>,
    /// For standard error.
    pub(super) around: Vec<u8>,
    /// What goes into a copy.
    pub(super) copied: Vec<Copied>,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    /// Control frames passed over.
    pub(super) ignored_controls: u64,
    pub(super) offset: u64,
    /// Whether a stream began.
    pub(super) has_started: bool,
    /// How the file ended, once it has, and how many bytes behind STOP are no stream.
    pub(super) end: Option<(End, u64)>,
}

/// A part of a copy.
#[derive(Debug)]
pub(super) enum Copied {
    /// A stream of this content type begins; the one before, if any, has ended.
    Start(Option<ContentType>),
    /// Data frames as they are.
    Frames(Vec<u8>),
}

/// Puts frames into words.
#[derive(Debug)]
pub(super) struct Words {
    style: Style,
    /// Whether the frames are wanted as they are, too.
    is_copied: bool,
    has_started: bool,
    /// Bytes of frames that go into a copy.
    copied_len: usize,
    piece: Piece,
}

impl Words {
    pub(super) fn new(style: Style, is_copied: bool) -> Self {
        Self {
            style,
            is_copied,
            has_started: false,
            copied_len: 0,
            piece: Piece::default(),
        }
    }

    /// Where what is around the payloads goes; nowhere for who wants none of it.
    fn around(&mut self) -> Option<&mut Vec<u8>> {
        if self.style.is_quiet {
            None
        } else if self.style.is_one_place {
            Some(&mut self.piece.payloads)
        } else {
            Some(&mut self.piece.around)
        }
    }

    fn stop(&mut self) {
        if let Some(around) = self.around() {
            around.extend_from_slice(b"FSTRM_CONTROL_STOP.\n");
        }
    }
}

impl Print for Words {
    type Piece = Piece;

    fn start(&mut self, content_type: Option<&ContentType>) {
        let backslash = self.style.backslash;
        if self.has_started {
            // Another one begins only behind STOP.
            self.stop();
        }
        self.has_started = true;
        self.piece.has_started = true;
        self.piece.copied.push(Copied::Start(content_type.cloned()));
        let Some(around) = self.around() else { return };
        around.extend_from_slice(b"FSTRM_CONTROL_START.\n");
        if let Some(content_type) = content_type {
            let len = content_type.as_bytes().len();
            // Writing into a vector cannot fail.
            let _ = writeln!(around, "FSTRM_CONTROL_FIELD_CONTENT_TYPE ({len} bytes).");
            quote(around, content_type.as_bytes(), backslash);
        }
    }

    fn frame(&mut self, _offset: u64, payload: &[u8]) -> bool {
        if let Some(around) = self.around() {
            around.extend_from_slice(b"Data frame (");
            push_number(around, payload.len());
            around.extend_from_slice(b") bytes.\n");
        }
        let piece = &mut self.piece;
        quote(&mut piece.payloads, payload, self.style.backslash);
        piece.frames += 1;
        piece.bytes += u64::try_from(payload.len()).unwrap_or(u64::MAX);
        if self.is_copied {
            if !matches!(piece.copied.last(), Some(Copied::Frames(_))) {
                piece.copied.push(Copied::Frames(Vec::new()));
            }
            if let Some(Copied::Frames(wire)) = piece.copied.last_mut() {
                // A payload that was read has a length that can be written.
                let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
                wire.extend_from_slice(&len.to_be_bytes());
                wire.extend_from_slice(payload);
                self.copied_len += payload.len() + 4;
            }
        }
        true
    }

    fn pass_over(&mut self, _frames: u64, controls: u64) {
        self.piece.ignored_controls += controls;
    }

    fn end(&mut self, end: End, trailing_bytes: u64) {
        self.piece.end = Some((end, trailing_bytes));
        if end == End::Stop || (self.style.ends_with_stop && self.has_started) {
            self.stop();
        }
    }

    fn len(&self) -> usize {
        self.piece.payloads.len() + self.piece.around.len() + self.copied_len
    }

    fn take(&mut self, offset: u64) -> Piece {
        self.piece.offset = offset;
        self.copied_len = 0;
        core::mem::take(&mut self.piece)
    }
}

fn push_number(text: &mut Vec<u8>, number: usize) {
    let _ = write!(text, "{number}");
}

/// A blank, the bytes in quotes, and the end of the line.
fn quote(text: &mut Vec<u8>, bytes: &[u8], backslash: Backslash) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'?');
    let is_plain = |byte: &u8| match byte {
        b'"' => false,
        b'\\' => backslash == Backslash::Plain,
        byte => matches!(byte, b' '..=b'~'),
    };
    text.reserve(bytes.len() + 4);
    text.extend_from_slice(b" \"");
    let mut rest = bytes;
    loop {
        let plain = rest.iter().take_while(|byte| is_plain(byte)).count();
        let (front, back) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        text.extend_from_slice(front);
        let Some((byte, behind)) = back.split_first() else {
            break;
        };
        match byte {
            b'"' | b'\\' => text.extend_from_slice(&[b'\\', *byte]),
            byte => text.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]),
        }
        rest = behind;
    }
    text.extend_from_slice(b"\"\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(bytes: &[u8], backslash: Backslash) -> String {
        let mut text = Vec::new();
        quote(&mut text, bytes, backslash);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_is_not_printable_ascii_is_hex() {
        let bytes = b"a\x00 ~\x7f\xff\n";
        assert_eq!(
            quoted(bytes, Backslash::Escaped),
            " \"a\\x00 ~\\x7f\\xff\\x0a\"\n"
        );
        assert_eq!(quoted(b"", Backslash::Escaped), " \"\"\n");
    }

    #[test]
    fn a_backslash_is_escaped_but_not_by_the_tool() {
        assert_eq!(quoted(b"\\x\"", Backslash::Escaped), " \"\\\\x\\\"\"\n");
        assert_eq!(quoted(b"\\x\"", Backslash::Plain), " \"\\x\\\"\"\n");
    }
}
