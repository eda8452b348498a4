//! A whole DNS message: its questions, then its records, one after the other.

use super::{Class, DnsError, Header, Name, QType, Question, Rcode};

/// A DNS message, of which nothing but the header has been read. Borrows all it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// The first twelve bytes.
    pub header: Header,
}

impl<'a> Message<'a> {
    /// Reads the header of a message.
    ///
    /// # Errors
    /// When the message is shorter than 12 bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DnsError> {
        let header = Header::decode(bytes)?;
        Ok(Self { bytes, header })
    }

    /// The bytes of the message.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What is asked, in order. In an update, this is the zone.
    #[must_use]
    pub const fn questions(&self) -> Questions<'a> {
        Questions {
            message: *self,
            offset: Header::LEN,
            left: self.header.questions,
        }
    }

    /// The record that carries EDNS, as far as the message can be read.
    #[must_use]
    pub fn opt(&self) -> Option<Record<'a>> {
        if self.header.additionals == 0 {
            return None;
        }
        self.records().ok()?.map_while(Result::ok).find(Record::is_opt)
    }

    /// The response code with the bits that EDNS adds above those of the header (RFC 6891, 6.1.3).
    #[must_use]
    pub fn rcode(&self) -> Rcode {
        match self.opt() {
            Some(opt) => opt.rcode(self.header.rcode()),
            None => self.header.rcode(),
        }
    }

    /// All records, in order.
    ///
    /// # Errors
    /// When the questions before them cannot be read.
    pub fn records(&self) -> Result<Records<'a>, DnsError> {
        let mut questions = self.questions();
        for question in questions.by_ref() {
            question?;
        }
        Ok(questions.records())
    }
}

/// The questions of a message. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Questions<'a> {
    message: Message<'a>,
    offset: usize,
    left: u16,
}

impl<'a> Questions<'a> {
    /// The records, when all questions have been read.
    const fn records(&self) -> Records<'a> {
        let Header {
            answers,
            authorities,
            additionals,
            ..
        } = self.message.header;
        Records {
            bytes: self.message.bytes,
            offset: self.offset,
            left: [answers, authorities, additionals],
        }
    }
}

impl<'a> Iterator for Questions<'a> {
    type Item = Result<Question<'a>, DnsError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let question = Question::at(self.message.bytes, self.offset);
        match question {
            Ok((_, behind)) => self.offset = behind,
            Err(_) => self.left = 0,
        }
        Some(question.map(|(question, _)| question))
    }
}

/// Part of a message that a record stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// Answers; what an update requires.
    Answer,
    /// Authorities; what an update changes.
    Authority,
    /// Everything else, EDNS among it.
    Additional,
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it stands.
    pub section: Section,
    /// Whose record it is.
    pub name: Name<'a>,
    /// Its type.
    pub rtype: QType,
    /// Its class; for EDNS, the longest UDP payload of the sender.
    pub class: Class,
    /// How long it may be kept, in seconds; for EDNS, flags.
    pub ttl: u32,
    /// What it says. Names in it may point into the message.
    pub rdata: &'a [u8],
    /// Where `rdata` begins in the message.
    pub offset: usize,
}

impl Record<'_> {
    /// Whether it carries EDNS (RFC 6891).
    #[must_use]
    pub fn is_opt(&self) -> bool {
        self.section == Section::Additional && self.rtype == QType(41)
    }

    /// The response code of a message with this OPT record.
    pub(crate) const fn rcode(&self, low: Rcode) -> Rcode {
        let [high, ..] = self.ttl.to_be_bytes();
        Rcode::from_bits(u16::from_be_bytes([0, high]) << 4 | low.to_bits())
    }
}

/// The records of a message. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    offset: usize,
    left: [u16; 3],
}

impl<'a> Records<'a> {
    /// Where the next record begins; after the last one, the end of the message, unless more bytes follow.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    fn read(&mut self, section: Section) -> Result<Record<'a>, DnsError> {
        const SHORT: DnsError = DnsError::Short { field: "record" };
        let (name, behind) = Name::decode(self.bytes, self.offset)?;
        let rest = self.bytes.get(behind..).unwrap_or_default();
        let (fixed, rest) = rest.split_first_chunk::<10>().ok_or(SHORT)?;
        let [t, u, c, d, e, f, g, h, l, m] = *fixed;
        let len = usize::from(u16::from_be_bytes([l, m]));
        let rdata = rest.get(..len).ok_or(SHORT)?;
        let offset = behind + fixed.len();
        self.offset = offset + len;
        Ok(Record {
            section,
            name,
            rtype: QType(u16::from_be_bytes([t, u])),
            class: Class(u16::from_be_bytes([c, d])),
            ttl: u32::from_be_bytes([e, f, g, h]),
            rdata,
            offset,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, DnsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        let (left, section) = self.left.iter_mut().zip(sections).find(|(left, _)| **left > 0)?;
        *left -= 1;
        let record = self.read(section);
        if record.is_err() {
            self.left = [0; 3];
        }
        Some(record)
    }
}
