//! Just enough DNS to say what a message asks: header and first question.
//!
//! Not here: records, EDNS, anything behind the question.

use core::fmt;

use thiserror::Error;

/// Most labels of a name: 255 bytes hold no more.
const MAX_LABELS: usize = 128;

/// Why a DNS message has no readable question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DnsError {
    /// The message ends too early.
    #[error("DNS message ends inside its {field}")]
    Short {
        /// Which part.
        field: &'static str,
    },
    /// A label that is neither text nor a pointer back.
    #[error("malformed label in the name asked for")]
    Label,
}

/// The header of a DNS message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Query identifier.
    pub id: u16,
    /// All flag bits, opcode and rcode included.
    pub flags: u16,
    /// Questions.
    pub questions: u16,
    /// Answer records.
    pub answers: u16,
    /// Authority records.
    pub authorities: u16,
    /// Additional records.
    pub additionals: u16,
}

impl Header {
    /// Length on the wire, in bytes.
    pub const LEN: usize = 12;

    /// Reads the header of `message`.
    ///
    /// # Errors
    /// When the message is shorter than 12 bytes.
    pub fn decode(message: &[u8]) -> Result<Self, DnsError> {
        let (head, _) = message
            .split_first_chunk::<{ Self::LEN }>()
            .ok_or(DnsError::Short { field: "header" })?;
        let [i, j, f, g, q, r, a, b, n, o, x, y] = *head;
        Ok(Self {
            id: u16::from_be_bytes([i, j]),
            flags: u16::from_be_bytes([f, g]),
            questions: u16::from_be_bytes([q, r]),
            answers: u16::from_be_bytes([a, b]),
            authorities: u16::from_be_bytes([n, o]),
            additionals: u16::from_be_bytes([x, y]),
        })
    }

    /// Whether it is a response.
    #[must_use]
    pub const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// Kind of query, 0 to 15; 0 is a plain query.
    #[must_use]
    pub const fn opcode(&self) -> u8 {
        self.flags.to_be_bytes()[0] >> 3 & 0x0f
    }

    /// Response code.
    #[must_use]
    pub const fn rcode(&self) -> Rcode {
        Rcode(self.flags.to_be_bytes()[1] & 0x0f)
    }
}

/// A response code, 0 to 15; without the upper bits that EDNS may add.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rcode(u8);

impl Rcode {
    /// The number.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }
}

/// Its name (`NOERROR`), or `RCODE` and the number.
impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self.0 {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            6 => "YXDOMAIN",
            7 => "YXRRSET",
            8 => "NXRRSET",
            9 => "NOTAUTH",
            10 => "NOTZONE",
            other => return write!(f, "RCODE{other}"),
        })
    }
}

/// A record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QType(pub u16);

/// Its name (`AAAA`), or `TYPE` and the number.
impl fmt::Display for QType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self.0 {
            1 => "A",
            2 => "NS",
            5 => "CNAME",
            6 => "SOA",
            12 => "PTR",
            13 => "HINFO",
            15 => "MX",
            16 => "TXT",
            28 => "AAAA",
            33 => "SRV",
            35 => "NAPTR",
            39 => "DNAME",
            43 => "DS",
            46 => "RRSIG",
            47 => "NSEC",
            48 => "DNSKEY",
            50 => "NSEC3",
            51 => "NSEC3PARAM",
            52 => "TLSA",
            64 => "SVCB",
            65 => "HTTPS",
            251 => "IXFR",
            252 => "AXFR",
            255 => "ANY",
            257 => "CAA",
            other => return write!(f, "TYPE{other}"),
        })
    }
}

/// The first question of a DNS message. Displays as `AAAA example.org.`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The name asked for.
    pub name: Name<'a>,
    /// The record type asked for.
    pub qtype: QType,
    /// The class asked for; 1 is the Internet.
    pub class: u16,
}

impl<'a> Question<'a> {
    /// Reads the first question of `message`; `None` when it has none.
    ///
    /// # Errors
    /// When the message is cut or its name malformed.
    pub fn decode(message: &'a [u8]) -> Result<Option<Self>, DnsError> {
        if Header::decode(message)?.questions == 0 {
            return Ok(None);
        }
        let name = Name {
            message,
            offset: Header::LEN,
        };
        let behind = name.check()?;
        let fixed = message.get(behind..).and_then(<[u8]>::first_chunk::<4>);
        let [t, u, c, d] = *fixed.ok_or(DnsError::Short { field: "question" })?;
        Ok(Some(Self {
            name,
            qtype: QType(u16::from_be_bytes([t, u])),
            class: u16::from_be_bytes([c, d]),
        }))
    }
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.qtype, self.name)
    }
}

/// A domain name inside a DNS message. Displays in presentation format, dot at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    message: &'a [u8],
    offset: usize,
}

impl<'a> Name<'a> {
    /// The labels from the left, without the root.
    pub fn labels(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let message = self.message;
        let mut offset = self.offset;
        core::iter::from_fn(move || match step(message, offset) {
            Ok(Step::Label(label, next)) => {
                offset = next;
                Some(label)
            }
            _ => None,
        })
        .take(MAX_LABELS)
    }

    /// Walks the whole name once; the offset behind it.
    fn check(&self) -> Result<usize, DnsError> {
        let (mut offset, mut labels) = (self.offset, 0);
        loop {
            match step(self.message, offset)? {
                Step::Label(_, next) if labels < MAX_LABELS => (offset, labels) = (next, labels + 1),
                Step::Label(..) => return Err(DnsError::Label),
                Step::Root(behind) => return Ok(behind),
            }
        }
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut root = true;
        for label in self.labels() {
            root = false;
            for byte in label {
                match byte {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                        write!(f, "\\{}", char::from(*byte))?
                    }
                    b'!'..=b'~' => write!(f, "{}", char::from(*byte))?,
                    other => write!(f, "\\{other:03}")?,
                }
            }
            f.write_str(".")?;
        }
        if root { f.write_str(".") } else { Ok(()) }
    }
}

enum Step<'a> {
    Label(&'a [u8], usize),
    Root(usize),
}

/// One label at `offset` and where the next one is. The name in a first question has nothing before it to
/// point back to but the header, so a pointer is malformed.
fn step(message: &[u8], offset: usize) -> Result<Step<'_>, DnsError> {
    let short = DnsError::Short { field: "name" };
    let (len, rest) = message.get(offset..).and_then(<[u8]>::split_first).ok_or(short)?;
    match *len {
        0 => Ok(Step::Root(offset + 1)),
        1..=63 => {
            let len = usize::from(*len);
            Ok(Step::Label(rest.get(..len).ok_or(short)?, offset + 1 + len))
        }
        _ => Err(DnsError::Label),
    }
}

#[cfg(test)]
mod tests;
