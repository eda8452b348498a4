//! A CAN frame as a piece of a packet: what it begins or goes on with, and whether the packet is then whole.
//!
//! Not here: any packet in the making.

use can_link::{CanFrame, ExtendedId, Id};
use csp_core::{Header, Version};

use crate::{Cfp1Id, Cfp2Id, DiscardReason, IgnoreReason, Sender};

/// What a frame is to packets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece<'a> {
    /// A packet's first frame.
    First(First<'a>),
    /// A later one.
    Later(Later<'a>),
    /// A frame of CFP that cannot be used.
    Unusable { source: Sender, reason: DiscardReason },
    /// A first frame that is cut short: what follows under its key belongs to no packet.
    Short {
        key: u32,
        source: Sender,
        reason: DiscardReason,
    },
    /// None of CFP.
    Foreign(IgnoreReason),
}

/// A packet's first frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First<'a> {
    pub(crate) key: u32,
    pub(crate) source: Sender,
    pub(crate) header: Header,
    pub(crate) progress: Progress,
    pub(crate) end: End,
    pub(crate) data: &'a [u8],
}

/// A packet's later frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Later<'a> {
    pub(crate) key: u32,
    pub(crate) source: Sender,
    pub(crate) data: &'a [u8],
    counter: u8,
    is_last: bool,
}

/// What goes on with a packet in the making.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Progress {
    /// The length announced, and how many frames are to come.
    Cfp1 { length: usize, remaining: u8 },
    /// The next frame counter.
    Cfp2 { next: u8 },
}

/// How a frame says whether it is its packet's last.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Here,
    Later,
    /// When this many bytes are there, whatever the counter says (CFP1-5).
    ByLength(usize),
}

impl<'a> Piece<'a> {
    /// What `frame` is under the CFP that goes with `version`.
    pub(crate) fn read(version: Version, frame: &'a CanFrame) -> Self {
        let Id::Extended(id) = frame.id() else {
            return Self::Foreign(IgnoreReason::StandardId);
        };
        if frame.is_remote() {
            return Self::Foreign(IgnoreReason::Remote);
        }
        let data = frame.payload();
        match version {
            Version::V1 => Self::read_cfp1(id, data),
            Version::V2 => Self::read_cfp2(id, data),
        }
    }

    fn read_cfp1(id: ExtendedId, data: &'a [u8]) -> Self {
        let (key, id) = (Cfp1Id::key(id.as_raw()), Cfp1Id::from_id(id));
        let source = Sender::of(Version::V1, id.source);
        if data.len() > 8 {
            return Self::long(source, data);
        }
        if id.more {
            return Self::Later(Later {
                key,
                source,
                data,
                counter: id.remaining,
                is_last: false,
            });
        }
        let Some((&[a, b, c, d, high, low], rest)) = data.split_first_chunk::<6>() else {
            return Self::short(key, source, (6, data));
        };
        let Ok((header, _)) = Header::decode(Version::V1, &[a, b, c, d]) else {
            return Self::short(key, source, (6, data));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        Self::First(First {
            key,
            source,
            header,
            progress: Progress::Cfp1 {
                length,
                remaining: id.remaining,
            },
            end: End::ByLength(length),
            data: rest,
        })
    }

    fn read_cfp2(id: ExtendedId, data: &'a [u8]) -> Self {
        let (key, id) = (Cfp2Id::key(id.as_raw()), Cfp2Id::from_id(id));
        if data.len() > 8 {
            return Self::long(id.sender, data);
        }
        if !id.begin {
            return Self::Later(Later {
                key,
                source: id.sender,
                data,
                counter: id.fragment,
                is_last: id.end,
            });
        }
        let Some((&[c, d, e, f], rest)) = data.split_first_chunk::<4>() else {
            return Self::short(key, id.sender, (4, data));
        };
        // The header's upper 16 bits are in the identifier.
        let high = u16::from(id.priority.to_bits()) << 14 | id.destination.to_bits();
        let [a, b] = high.to_be_bytes();
        let Ok((header, _)) = Header::decode(Version::V2, &[a, b, c, d, e, f]) else {
            return Self::short(key, id.sender, (4, data));
        };
        Self::First(First {
            key,
            source: id.sender,
            header,
            progress: Progress::Cfp2 { next: 1 },
            end: if id.end { End::Here } else { End::Later },
            data: rest,
        })
    }

    const fn long(source: Sender, data: &[u8]) -> Self {
        let reason = DiscardReason::LongFrame { got: data.len() };
        Self::Unusable { source, reason }
    }

    const fn short(key: u32, source: Sender, (need, data): (usize, &[u8])) -> Self {
        let got = data.len();
        let reason = DiscardReason::ShortBegin { need, got };
        Self::Short { key, source, reason }
    }
}

impl Progress {
    /// Steps over a later frame, if it is the one to come.
    pub(crate) const fn step(&mut self, later: &Later<'_>) -> Result<End, DiscardReason> {
        let got = later.counter;
        let expected = match self {
            Self::Cfp1 { length, remaining } => {
                let expected = remaining.saturating_sub(1);
                if *remaining > 0 && expected == got {
                    *remaining = got;
                    return Ok(End::ByLength(*length));
                }
                expected
            }
            Self::Cfp2 { next } => {
                if *next == got {
                    *next = (*next + 1) & 7;
                    return Ok(if later.is_last { End::Here } else { End::Later });
                }
                *next
            }
        };
        Err(DiscardReason::WrongCounter { expected, got })
    }
}

impl End {
    /// Whether a payload of `len` bytes is complete, or why it never will be.
    pub(crate) const fn is_reached(self, len: usize, max: usize) -> Result<bool, DiscardReason> {
        match self {
            Self::ByLength(length) if length > max => Err(DiscardReason::TooLong { max }),
            Self::ByLength(length) if len > length => Err(DiscardReason::BeyondLength { length }),
            Self::ByLength(length) => Ok(len == length),
            Self::Here | Self::Later if len > max => Err(DiscardReason::TooLong { max }),
            Self::Here => Ok(true),
            Self::Later => Ok(false),
        }
    }
}
