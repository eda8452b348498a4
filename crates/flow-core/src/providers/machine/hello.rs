//! What is said before a connection is a flow: one question, one answer.
//!
//! ```text
//! hello   "TWF1" request(1) name length(1) 0(2) qos(30) packets(4) bytes(4) longest(4) name
//!          request 1: take me if somebody waits in `accept` now
//!                  2: let me wait until somebody does
//! answer  "TWF1" result(1) field(1) 0(2) limit(4) asked(8) has(8) qos(30) packets(4) bytes(4) longest(4)
//!          result  0: accepted, the flow begins       4: `limit` requests wait already
//!                  1: nobody waits in `accept` now    5: `limit` flows are there already
//!                  2: nobody is bound to the name     6: this quality is not to be had
//!                  3: denied                          7: not understood
//! qos     delay(4) bandwidth(8) availability(1) loss(4) ber(4) in order(1) max gap(4) timeout(4)
//! ```
//!
//! Numbers are little endian. `packets` and `bytes` are what a side's queue holds, so that the other may have
//! so many under way; `longest` is the longest packet it takes. Fields that a result does not need are 0.

use bytes::{Buf, BufMut, BytesMut};
use std::io;
use thiserror::Error;

use super::frame::MAX_PAYLOAD;
use crate::name::{MAX_NAME_LEN, Name, NameError};
use crate::qos::{Bound, Order, PeerTimeout, QosError, QosField, QosSpec, Tolerance};
use crate::queue::QueueConfig;

/// The first bytes of a connection, each way.
pub const MAGIC: [u8; 4] = *b"TWF1";
/// Bytes of a hello before the name.
pub const HELLO_LEN: usize = 50;
/// Bytes of the longest hello.
pub const MAX_HELLO_LEN: usize = HELLO_LEN + MAX_NAME_LEN;
/// Bytes of an answer.
pub const ANSWER_LEN: usize = 70;

/// What a side takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Packets that may be under way.
    pub packets: u32,
    /// Their bytes.
    pub bytes: u32,
    /// The longest packet, in bytes.
    pub longest: u32,
}

impl Window {
    /// What a queue takes.
    #[must_use]
    pub fn of(queue: &QueueConfig) -> Self {
        let bits = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            packets: bits(queue.max_packets()),
            bytes: bits(queue.max_packet()),
            longest: bits(queue.max_packet().min(MAX_PAYLOAD)),
        }
    }
}

/// Whether somebody who asks would wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// No: only if somebody waits in `accept` now.
    Now,
    /// Until somebody does.
    Waits,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Whether to wait.
    pub patience: Patience,
    /// The name that is asked for.
    pub name: Name,
    /// What the flow must have.
    pub qos: QosSpec,
    /// What the asker takes.
    pub window: Window,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The flow begins.
    Accepted {
        /// What it has.
        qos: QosSpec,
        /// What the accepter takes.
        window: Window,
    },
    /// Nobody waits in `accept` now.
    NotNow,
    /// Nobody is bound to the name.
    Unknown,
    /// The name is not open to the asker.
    Denied,
    /// As many requests as may wait do already.
    Busy {
        /// How many may.
        max: u32,
    },
    /// There are as many flows as there may be.
    Full {
        /// How many may be.
        max: u32,
    },
    /// The quality is not to be had.
    Qos(QosError),
    /// The hello was not understood.
    Malformed,
}

/// Why bytes are no hello or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HelloError {
    /// They begin with something else.
    #[error("not a flow: it begins with {got:02x?}")]
    Magic {
        /// The first bytes.
        got: [u8; 4],
    },
    /// A field has a value that means nothing.
    #[error("{field} {got} means nothing")]
    Value {
        /// The field.
        field: &'static str,
        /// The value.
        got: u8,
    },
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl From<HelloError> for io::Error {
    fn from(error: HelloError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

const FIELDS: [QosField; 8] = [
    QosField::Delay,
    QosField::Bandwidth,
    QosField::Availability,
    QosField::Loss,
    QosField::Ber,
    QosField::InOrder,
    QosField::MaxGap,
    QosField::Timeout,
];

impl Hello {
    /// Appends the hello to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        let name = self.name.as_str().as_bytes();
        out.put_slice(&MAGIC);
        out.put_u8(match self.patience {
            Patience::Now => 1,
            Patience::Waits => 2,
        });
        out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX)); // a name is no longer than that
        out.put_bytes(0, 2);
        put_qos(out, &self.qos);
        put_window(out, self.window);
        out.put_slice(name);
    }

    /// Takes a hello off `bytes`; `None` when it is not there whole.
    ///
    /// # Errors
    ///
    /// [`HelloError`], as soon as it shows.
    pub fn decode(bytes: &mut BytesMut) -> Result<Option<Self>, HelloError> {
        check_magic(bytes)?;
        let mut rest: &[u8] = bytes;
        if rest.len() < HELLO_LEN {
            return Ok(None);
        }
        rest.advance(MAGIC.len());
        let patience = match rest.get_u8() {
            1 => Patience::Now,
            2 => Patience::Waits,
            got => return Err(value("request", got)),
        };
        let len = usize::from(rest.get_u8());
        rest.advance(2);
        let qos = get_qos(&mut rest)?;
        let window = get_window(&mut rest);
        let Some(name) = rest.get(..len) else {
            return Ok(None);
        };
        let name = Name::from_bytes(name)?;
        bytes.advance(HELLO_LEN + len);
        Ok(Some(Self {
            patience,
            name,
            qos,
            window,
        }))
    }
}

impl Answer {
    /// Appends the answer to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        let (result, limit) = match *self {
            Self::Accepted { .. } => (0, 0),
            Self::NotNow => (1, 0),
            Self::Unknown => (2, 0),
            Self::Denied => (3, 0),
            Self::Busy { max } => (4, max),
            Self::Full { max } => (5, max),
            Self::Qos(_) => (6, 0),
            Self::Malformed => (7, 0),
        };
        let (field, asked, has) = match self {
            Self::Qos(error) => {
                let field = FIELDS.iter().position(|field| *field == error.field);
                let field = field.and_then(|field| u8::try_from(field).ok()).unwrap_or(0);
                (field, error.asked, error.has)
            }
            _ => (0, 0, 0),
        };
        let nothing = Window {
            packets: 0,
            bytes: 0,
            longest: 0,
        };
        let (qos, window) = match self {
            Self::Accepted { qos, window } => (*qos, *window),
            _ => (QosSpec::RAW, nothing),
        };
        out.put_slice(&MAGIC);
        out.put_slice(&[result, field, 0, 0]);
        out.put_u32_le(limit);
        out.put_u64_le(asked);
        out.put_u64_le(has);
        put_qos(out, &qos);
        put_window(out, window);
    }

    /// Takes an answer off `bytes`; `None` when it is not there whole.
    ///
    /// # Errors
    ///
    /// [`HelloError`], as soon as it shows.
    pub fn decode(bytes: &mut BytesMut) -> Result<Option<Self>, HelloError> {
        check_magic(bytes)?;
        let mut rest: &[u8] = bytes;
        if rest.len() < ANSWER_LEN {
            return Ok(None);
        }
        rest.advance(MAGIC.len());
        let (result, field) = (rest.get_u8(), rest.get_u8());
        rest.advance(2);
        let max = rest.get_u32_le();
        let (asked, has) = (rest.get_u64_le(), rest.get_u64_le());
        let qos = get_qos(&mut rest)?;
        let window = get_window(&mut rest);
        let answer = match result {
            0 => Self::Accepted { qos, window },
            1 => Self::NotNow,
            2 => Self::Unknown,
            3 => Self::Denied,
            4 => Self::Busy { max },
            5 => Self::Full { max },
            6 => {
                let named = FIELDS.get(usize::from(field)).copied();
                let field = named.ok_or_else(|| value("field", field))?;
                Self::Qos(QosError { field, asked, has })
            }
            7 => Self::Malformed,
            got => return Err(value("result", got)),
        };
        bytes.advance(ANSWER_LEN);
        Ok(Some(answer))
    }
}

const fn value(field: &'static str, got: u8) -> HelloError {
    HelloError::Value { field, got }
}

/// Looks at as much of the magic as is there.
fn check_magic(bytes: &[u8]) -> Result<(), HelloError> {
    if bytes.iter().zip(&MAGIC).all(|(got, wanted)| got == wanted) {
        return Ok(());
    }
    let mut got = [0; 4];
    got.iter_mut().zip(bytes).for_each(|(got, byte)| *got = *byte);
    Err(HelloError::Magic { got })
}

fn put_qos(out: &mut BytesMut, qos: &QosSpec) {
    out.put_u32_le(qos.delay().to_bits());
    out.put_u64_le(qos.bandwidth());
    out.put_u8(qos.availability());
    out.put_u32_le(qos.loss().to_bits());
    out.put_u32_le(qos.ber().to_bits());
    out.put_u8(match qos.order() {
        Order::Any => 0,
        Order::Kept => 1,
    });
    out.put_u32_le(qos.max_gap().to_bits());
    out.put_u32_le(qos.timeout().to_bits());
}

/// Reads what [`put_qos`] wrote; the bytes are there.
fn get_qos(bytes: &mut &[u8]) -> Result<QosSpec, HelloError> {
    let qos = QosSpec::RAW
        .with_delay(Bound::from_millis(bytes.get_u32_le()))
        .with_bandwidth(bytes.get_u64_le())
        .with_availability(bytes.get_u8())
        .with_loss(Tolerance::from_bits(bytes.get_u32_le()))
        .with_ber(Tolerance::from_bits(bytes.get_u32_le()))
        .with_order(match bytes.get_u8() {
            0 => Order::Any,
            1 => Order::Kept,
            got => return Err(value("in order", got)),
        })
        .with_max_gap(Bound::from_millis(bytes.get_u32_le()))
        .with_timeout(PeerTimeout::from_millis(bytes.get_u32_le()));
    Ok(qos)
}

fn put_window(out: &mut BytesMut, window: Window) {
    out.put_u32_le(window.packets);
    out.put_u32_le(window.bytes);
    out.put_u32_le(window.longest);
}

/// Reads what [`put_window`] wrote; the bytes are there.
fn get_window(bytes: &mut &[u8]) -> Window {
    Window {
        packets: bytes.get_u32_le(),
        bytes: bytes.get_u32_le(),
        longest: bytes.get_u32_le(),
    }
}

#[cfg(test)]
mod tests;
