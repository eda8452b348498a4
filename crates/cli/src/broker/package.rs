//! From frames to the messages that a broker stores.

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use bytes::{BufMut as _, Bytes, BytesMut};
use dnstap_codec::Dnstap;
use fstrm_codec::frame::DATA_HEADER_LEN;
use fstrm_codec::{ContentType, ControlFrame};
use jiff::Timestamp;

use super::address::Grain;

/// The content type whose frames have an identity that can be a key.
pub(crate) const DNSTAP: &[u8] = b"protobuf:dnstap.Dnstap";

/// One message as a broker stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its place among all messages, from 1.
    pub(crate) number: u64,
    /// The place of its first frame among all frames, from 1.
    pub(crate) first: u64,
    /// How many frames it holds.
    pub(crate) frames: u64,
    /// One frame's payload, or a whole Frame Stream.
    pub(crate) payload: Bytes,
    /// The dnstap identity.
    pub(crate) key: Option<Bytes>,
    pub(crate) content_type: Option<ContentType>,
    /// When its frames were taken.
    pub(crate) taken: SystemTime,
}

impl Message {
    /// What every broker is told about it: names and values of headers.
    pub(crate) fn labels(&self, relay: &str) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let content_type = self
            .content_type
            .as_ref()
            .map(|name| ("content-type", name.to_string()));
        // A clock outside of the years 0 to 9999 is worse off than a message without a time.
        let time = Timestamp::try_from(self.taken).ok();
        content_type
            .into_iter()
            .chain([
                ("tinwire-relay", relay.to_owned()),
                ("tinwire-sequence", self.first.to_string()),
                ("tinwire-frames", self.frames.to_string()),
            ])
            .chain(time.map(|time| ("tinwire-time", format!("{time:.6}"))))
    }
}

/// What became of frames that were offered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) messages: Vec<Message>,
    /// Lengths of the frames that no message can hold.
    pub(crate) too_large: Vec<usize>,
}

/// Numbers frames and puts them into messages.
#[derive(Debug)]
pub(crate) struct Packer {
    grain: Grain,
    /// Whether messages have keys.
    keyed: bool,
    /// Largest payload of a message, in bytes.
    limit: usize,
    messages: u64,
    frames: u64,
}

impl Packer {
    pub(crate) const fn new(grain: Grain, keyed: bool, limit: usize) -> Self {
        Self {
            grain,
            keyed,
            limit,
            messages: 0,
            frames: 0,
        }
    }

    /// The broker takes messages up to `limit` bytes from now on.
    pub(crate) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The frames of one read, of one stream. A frame that does not fit keeps its number, so that whoever
    /// reads the messages sees that one is missing.
    pub(crate) fn pack(
        &mut self,
        frames: impl IntoIterator<Item = Bytes>,
        content_type: Option<&ContentType>,
        taken: SystemTime,
    ) -> Packed {
        let mut packed = Packed::default();
        let is_dnstap = self.keyed && content_type.is_some_and(|name| name.as_bytes() == DNSTAP);
        let start = start(content_type);
        let stop = ControlFrame::stop();
        let overhead = start.as_bytes().len() + stop.as_bytes().len();
        let mut open: Option<Open<'_>> = None;
        for frame in frames {
            self.frames = self.frames.saturating_add(1);
            let len = match self.grain {
                Grain::Frame => frame.len(),
                Grain::Run => overhead + DATA_HEADER_LEN + frame.len(),
            };
            if len > self.limit {
                packed.too_large.push(frame.len());
                packed
                    .messages
                    .extend(open.take().map(|open| open.close(self, &stop)));
                continue;
            }
            let key = if is_dnstap { identity(&frame) } else { None };
            let mut next = Open {
                wire: BytesMut::new(),
                first: self.frames,
                frames: 1,
                key,
                content_type,
                taken,
            };
            match self.grain {
                Grain::Frame => packed.messages.push(self.message(next, frame)),
                Grain::Run => match &mut open {
                    // One key per message: frames of another server go into the next.
                    Some(open)
                        if open.key == next.key
                            && open.wire.len() + len <= self.limit + start.as_bytes().len() =>
                    {
                        open.push(&frame);
                        open.frames += 1;
                    }
                    _ => {
                        next.wire.extend_from_slice(start.as_bytes());
                        next.push(&frame);
                        packed
                            .messages
                            .extend(open.replace(next).map(|open| open.close(self, &stop)));
                    }
                },
            }
        }
        packed
            .messages
            .extend(open.take().map(|open| open.close(self, &stop)));
        packed
    }

    fn message(&mut self, open: Open<'_>, payload: Bytes) -> Message {
        self.messages = self.messages.saturating_add(1);
        Message {
            number: self.messages,
            first: open.first,
            frames: open.frames,
            payload,
            key: open.key,
            content_type: open.content_type.cloned(),
            taken: open.taken,
        }
    }
}

/// START as a message has it.
fn start(content_type: Option<&ContentType>) -> ControlFrame {
    ControlFrame::start(content_type.map(ContentType::as_bytes))
        .expect("a content type has at most 256 bytes, and START has room for those")
}

/// A message that is being put together.
#[derive(Debug)]
struct Open<'a> {
    wire: BytesMut,
    first: u64,
    frames: u64,
    key: Option<Bytes>,
    content_type: Option<&'a ContentType>,
    taken: SystemTime,
}

impl Open<'_> {
    fn push(&mut self, frame: &[u8]) {
        // A frame that fits into a message fits into 32 bits: no broker takes messages of 4 GiB.
        self.wire.put_u32(u32::try_from(frame.len()).unwrap_or(u32::MAX));
        self.wire.extend_from_slice(frame);
    }

    fn close(mut self, packer: &mut Packer, stop: &ControlFrame) -> Message {
        let mut wire = core::mem::take(&mut self.wire);
        wire.extend_from_slice(stop.as_bytes());
        packer.message(self, wire.freeze())
    }
}

/// Who wrote a dnstap frame, without copying; `None` when it does not say or is no dnstap.
fn identity(frame: &Bytes) -> Option<Bytes> {
    let identity = Dnstap::decode(frame).ok()?.identity?;
    (!identity.is_empty()).then(|| frame.slice_ref(identity))
}
