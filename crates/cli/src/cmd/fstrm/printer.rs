//! Frames in the form that was asked for, collected into pieces.

use std::io::Write as _;

use dnstap_codec::text::{self, Style};
use dnstap_codec::{CONTENT_TYPE, Dnstap};
use fstrm_codec::{ContentType, End};

use super::pieces::Print;

/// Payload bytes that a text line shows.
const SHOWN: usize = 32;

/// What a frame becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A line: where, how long, how it begins; a dnstap message in words.
    Text,
    /// An object.
    Json,
    /// Its payload as it is.
    Raw,
}

/// How much is made of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// What its content type says.
    Understood,
    /// Bytes.
    Bytes,
}

/// Shown frames, and what they count.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) text: Vec<u8>,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    /// Payloads that are not what the content type says.
    pub(super) bad: u64,
    /// Frames passed over.
    pub(super) dropped: u64,
    /// Control frames passed over.
    pub(super) ignored_controls: u64,
    /// Where in the file the reading stands.
    pub(super) offset: u64,
    /// How the file ended, once it has, and how many bytes behind STOP are no stream.
    pub(super) end: Option<(End, u64)>,
}

/// Turns frames into text.
#[derive(Debug)]
pub(super) struct Printer {
    form: Form,
    depth: Depth,
    dnstap: text::Printer,
    is_dnstap: bool,
    /// Whether a frame has a place that is worth telling.
    has_offsets: bool,
    /// Frames that are still wanted; any number without it.
    left: Option<u64>,
    piece: Piece,
}

impl Printer {
    pub(super) fn new(form: Form, depth: Depth, left: Option<u64>) -> Self {
        let style = if form == Form::Json {
            Style::Json
        } else {
            Style::Quiet
        };
        Self {
            form,
            depth,
            dnstap: text::Printer::new(style),
            is_dnstap: false,
            has_offsets: true,
            left,
            piece: Piece::default(),
        }
    }

    /// The same for frames that have no place in a file.
    pub(super) fn without_offsets(self) -> Self {
        Self {
            has_offsets: false,
            ..self
        }
    }

    fn text(&mut self, offset: u64, payload: &[u8]) {
        let text = &mut self.piece.text;
        let error = match self.is_dnstap.then(|| Dnstap::decode(payload)) {
            Some(Ok(dnstap)) => return self.dnstap.print(&dnstap, text),
            Some(Err(error)) => Some(error),
            None => None,
        };
        // Writing into a vector cannot fail.
        if self.has_offsets {
            let _ = write!(text, "{offset:>10} ");
        }
        let _ = write!(text, "{:>7}b  ", payload.len());
        push_hex(text, payload.get(..SHOWN).unwrap_or(payload));
        if payload.len() > SHOWN {
            text.extend_from_slice(b" ..");
        }
        if let Some(error) = error {
            let _ = write!(text, " ({error})");
            self.piece.bad += 1;
        }
        self.piece.text.push(b'\n');
    }

    fn json(&mut self, offset: u64, payload: &[u8]) {
        let text = &mut self.piece.text;
        text.extend_from_slice(b"{\"v\":1,\"type\":\"frame\",");
        if self.has_offsets {
            let _ = write!(text, "\"offset\":{offset},");
        }
        let _ = write!(text, "\"len\":{},", payload.len());
        let error = match self.is_dnstap.then(|| Dnstap::decode(payload)) {
            Some(Ok(dnstap)) => {
                text.extend_from_slice(b"\"dnstap\":");
                self.dnstap.print(&dnstap, text);
                // The line goes on behind the object.
                text.pop_if(|last| *last == b'\n');
                return text.extend_from_slice(b"}\n");
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        text.extend_from_slice(b"\"data\":\"");
        push_hex(text, payload);
        text.push(b'"');
        if let Some(error) = error {
            text.extend_from_slice(b",\"error\":");
            // A string can be written, and a vector takes every byte.
            let _ = serde_json::to_writer(&mut *text, &error.to_string());
            self.piece.bad += 1;
        }
        text.extend_from_slice(b"}\n");
    }
}

impl Print for Printer {
    type Piece = Piece;

    fn start(&mut self, content_type: Option<&ContentType>) {
        self.is_dnstap = self.depth == Depth::Understood
            && content_type.is_some_and(|content_type| content_type.as_bytes() == CONTENT_TYPE);
    }

    fn frame(&mut self, offset: u64, payload: &[u8]) -> bool {
        if self.left == Some(0) {
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        self.piece.frames += 1;
        self.piece.bytes += u64::try_from(payload.len()).unwrap_or(u64::MAX);
        match self.form {
            Form::Text => self.text(offset, payload),
            Form::Json => self.json(offset, payload),
            Form::Raw => self.piece.text.extend_from_slice(payload),
        }
        self.left != Some(0)
    }

    fn pass_over(&mut self, frames: u64, controls: u64) {
        self.piece.dropped += frames;
        self.piece.ignored_controls += controls;
    }

    fn end(&mut self, end: End, trailing_bytes: u64) {
        self.piece.end = Some((end, trailing_bytes));
    }

    fn len(&self) -> usize {
        self.piece.text.len()
    }

    fn take(&mut self, offset: u64) -> Piece {
        self.piece.offset = offset;
        core::mem::take(&mut self.piece)
    }
}

/// Two digits a byte.
fn push_hex(text: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'?');
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}
