//! Messages between host and members; the layout is told at the parent module.

use alloc::vec::Vec;

use thiserror::Error;

use super::limits::QueueLen;
use crate::frame::CanFrame;
use crate::record::{self, Datagram, MAX_DATAGRAM_LEN, RECORD_LEN, XL_HEADER_LEN};

/// Bytes before each body.
pub(super) const HEADER_LEN: usize = 16;

const MAGIC: [u8; 4] = *b"TWB1";
const FLAG: u8 = 0x01;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum WireError {
    #[error("unknown message kind {0}")]
    Kind(u8),
    #[error("a message of kind {kind} with a body of {got} bytes")]
    BodyLength { kind: u8, got: usize },
    #[error(
        "a queue of {0} frames was asked for, {min} to {max} are allowed",
        min = QueueLen::MIN, max = QueueLen::MAX
    )]
    Queue(u64),
    #[error("not a tinwire bus, or one of another version")]
    Magic,
    #[error(transparent)]
    Frame(#[from] record::DecodeError),
    #[error("a message that only the other side may send, or not at this point")]
    Unexpected,
}

/// Whose frame it is, from the receiver's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Other,
    Own,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Hello {
        own_echo: bool,
        queue: QueueLen,
    },
    Welcome,
    Frame {
        frame: CanFrame,
        sender: Sender,
        nanos: u64,
    },
    Lost(u64),
    Leave,
    Full(u64),
    Done,
    Passed,
}

impl Message {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello { own_echo, queue } => {
                let frames = u64::try_from(queue.frames()).unwrap_or(u64::MAX);
                header(out, 1, u8::from(*own_echo), 0, MAGIC, frames);
            }
            Self::Welcome => header(out, 2, 0, 0, MAGIC, 0),
            Self::Frame { frame, sender, nanos } => encode_frame(out, frame, *sender, *nanos),
            Self::Lost(count) => header(out, 5, 0, 0, [0; 4], *count),
            Self::Leave => header(out, 6, 0, 0, [0; 4], 0),
            Self::Full(members) => header(out, 7, 0, 0, [0; 4], *members),
            Self::Done => header(out, 8, 0, 0, [0; 4], 0),
            Self::Passed => header(out, 9, 0, 0, [0; 4], 0),
        }
    }

    /// The message at the start of `bytes` and its length; `None` when it is not complete yet.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, WireError> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let [kind, flags, l0, l1, m0, m1, m2, m3, value @ ..] = *header;
        let value = u64::from_ne_bytes(value);
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let fits = match kind {
            1 | 2 | 5..=9 => len == 0,
            3 => len == RECORD_LEN,
            4 => (XL_HEADER_LEN + 1..=MAX_DATAGRAM_LEN).contains(&len),
            _ => return Err(WireError::Kind(kind)),
        };
        if !fits {
            return Err(WireError::BodyLength { kind, got: len });
        }
        if kind <= 2 && [m0, m1, m2, m3] != MAGIC {
            return Err(WireError::Magic);
        }
        let Some(body) = rest.get(..len) else {
            return Ok(None);
        };
        let flag = flags & FLAG != 0;
        let sender = if flag { Sender::Own } else { Sender::Other };
        let message = match kind {
            1 => Self::Hello {
                own_echo: flag,
                queue: queue_len(value)?,
            },
            2 => Self::Welcome,
            5 => Self::Lost(value),
            6 => Self::Leave,
            7 => Self::Full(value),
            8 => Self::Done,
            9 => Self::Passed,
            _ => Self::Frame {
                frame: decode_body(body)?,
                sender,
                nanos: value,
            },
        };
        Ok(Some((message, HEADER_LEN + len)))
    }
}

fn queue_len(frames: u64) -> Result<QueueLen, WireError> {
    let len = usize::try_from(frames).ok().and_then(QueueLen::new);
    len.ok_or(WireError::Queue(frames))
}

fn header(out: &mut Vec<u8>, kind: u8, flags: u8, len: usize, magic: [u8; 4], value: u64) {
    out.extend([kind, flags]);
    out.extend(u16::try_from(len).unwrap_or(u16::MAX).to_ne_bytes());
    out.extend(magic);
    out.extend(value.to_ne_bytes());
}

/// Appends a frame's message.
pub(super) fn encode_frame(out: &mut Vec<u8>, frame: &CanFrame, sender: Sender, nanos: u64) {
    let flags = u8::from(sender == Sender::Own);
    if let Some(record) = record::encode_record(frame) {
        header(out, 3, flags, RECORD_LEN, [0; 4], nanos);
        out.extend(record);
    } else {
        let mut body = [0; MAX_DATAGRAM_LEN];
        let len = record::encode(frame, &mut body);
        header(out, 4, flags, len, [0; 4], nanos);
        out.extend(body.into_iter().take(len));
    }
}

fn decode_body(body: &[u8]) -> Result<CanFrame, WireError> {
    if let Ok(record) = <&[u8; RECORD_LEN]>::try_from(body) {
        // A CAN XL structure may have this length too; its flags byte tells it apart.
        if record.get(4).is_some_and(|byte| byte & 0x80 == 0) {
            return Ok(record::decode_record(record)?);
        }
    }
    match record::decode(body)? {
        Datagram::Frame(frame) | Datagram::MaskedId(frame) => Ok(frame),
        Datagram::Error(_) => Err(record::DecodeError::ErrorFrame.into()),
    }
}

/// Received bytes, taken apart into messages.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    taken: usize,
}

impl Input {
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes that were not taken.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// The next complete message.
    pub(super) fn next_message(&mut self) -> Result<Option<Message>, WireError> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        Ok(Message::decode(rest)?.map(|(message, len)| {
            self.taken += len;
            message
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use proptest::prelude::*;

    use super::*;
    use crate::StandardId;
    use crate::frame::{FdFlags, XlFrame};

    fn any_message() -> impl Strategy<Value = Message> {
        let id = StandardId::new(0x123).unwrap();
        let frame = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..=8)
                .prop_map(move |data| CanFrame::data(id, &data).unwrap()),
            proptest::collection::vec(any::<u8>(), 0..=64).prop_map(move |data| CanFrame::fd(
                id,
                &data,
                FdFlags::BRS
            )
            .unwrap()),
            (0..9usize).prop_map(move |len| CanFrame::remote(id, len).unwrap()),
            (1..=2048usize).prop_map(move |len| XlFrame::new(id, vec![7; len]).unwrap().into()),
        ];
        prop_oneof![
            (any::<bool>(), 1..=65_536usize).prop_map(|(own_echo, frames)| Message::Hello {
                own_echo,
                queue: QueueLen::new(frames).unwrap(),
            }),
            Just(Message::Welcome),
            any::<u64>().prop_map(Message::Lost),
            Just(Message::Leave),
            any::<u64>().prop_map(Message::Full),
            Just(Message::Done),
            Just(Message::Passed),
            (frame, any::<bool>(), any::<u64>()).prop_map(|(frame, own, nanos)| Message::Frame {
                frame,
                sender: if own { Sender::Own } else { Sender::Other },
                nanos
            }),
        ]
    }

    #[test]
    fn an_xl_frame_of_the_length_of_a_record_is_told_apart() {
        let frame: CanFrame = XlFrame::new(StandardId::ZERO, vec![1; RECORD_LEN - XL_HEADER_LEN])
            .unwrap()
            .into();
        let mut bytes = Vec::new();
        encode_frame(&mut bytes, &frame, Sender::Other, 0);
        let (message, _) = Message::decode(&bytes).unwrap().unwrap();
        assert_eq!(
            message,
            Message::Frame {
                frame,
                sender: Sender::Other,
                nanos: 0
            }
        );
    }

    #[test]
    fn a_length_that_does_not_fit_the_kind_is_refused_before_the_body_comes() {
        let mut bytes = Vec::new();
        header(&mut bytes, 3, 0, 73, [0; 4], 0);
        assert_eq!(
            Message::decode(&bytes),
            Err(WireError::BodyLength { kind: 3, got: 73 })
        );
        let mut bytes = Vec::new();
        header(&mut bytes, 1, 0, 0, MAGIC, 65_537);
        assert_eq!(Message::decode(&bytes), Err(WireError::Queue(65_537)));
        let mut bytes = Vec::new();
        header(&mut bytes, 10, 0, 0, [0; 4], 0);
        assert_eq!(Message::decode(&bytes), Err(WireError::Kind(10)));
        let mut bytes = Vec::new();
        header(&mut bytes, 1, 0, 0, *b"HTTP", 0);
        assert_eq!(Message::decode(&bytes), Err(WireError::Magic));
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_messages(
            messages in proptest::collection::vec(any_message(), 1..6),
            cut in 1..200usize,
        ) {
            let mut bytes = Vec::new();
            messages.iter().for_each(|message| message.encode(&mut bytes));
            let (mut input, mut got) = (Input::default(), Vec::new());
            for part in bytes.chunks(cut) {
                input.extend(part);
                while let Some(message) = input.next_message().unwrap() {
                    got.push(message);
                }
            }
            prop_assert_eq!(got, messages);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..11u8) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            let mut input = Input::default();
            input.extend(&bytes);
            while let Ok(Some(_)) = input.next_message() {}
        }
    }
}
