//! Domain names as they stand in a message, compressed or not.

use core::fmt;

use super::DnsError;

/// Longest name, in bytes on the wire (RFC 1035, 3.1).
const MAX_NAME: usize = 255;
/// Most pointers that are followed in one name: compression has no use for more than one per label.
const MAX_JUMPS: u8 = 127;

/// A domain name inside a DNS message. Displays in presentation format, dot at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    message: &'a [u8],
    offset: usize,
}

impl<'a> Name<'a> {
    /// Reads the name at `offset` of `message`, and where the bytes behind it begin.
    ///
    /// # Errors
    /// When it is cut, has a malformed label, or is longer than 255 bytes. Pointers must lead backwards,
    /// before all of the name that was read until then: none goes round.
    pub fn decode(message: &'a [u8], offset: usize) -> Result<(Self, usize), DnsError> {
        let mut walk = Walk::new(message, offset);
        while walk.step()?.is_some() {}
        Ok((Self { message, offset }, walk.behind.unwrap_or(walk.offset)))
    }

    /// The labels from the left, without the root.
    pub fn labels(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut walk = Walk::new(self.message, self.offset);
        // It was walked once without an error.
        core::iter::from_fn(move || walk.step().ok().flatten())
    }

    /// Whether the name is `other`, letter case aside.
    #[must_use]
    pub fn eq_ignore_case(&self, other: &Name<'_>) -> bool {
        let (mut ours, mut theirs) = (self.labels(), other.labels());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => {}
                _ => return false,
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

/// From label to label.
struct Walk<'a> {
    message: &'a [u8],
    /// Of the next label.
    offset: usize,
    /// Where the labels since the last pointer begin; the next pointer leads before it.
    run: usize,
    /// What follows the name in the message, once a pointer was taken.
    behind: Option<usize>,
    jumps: u8,
    /// Bytes of the name so far, with the root's.
    len: usize,
}

impl<'a> Walk<'a> {
    const fn new(message: &'a [u8], offset: usize) -> Self {
        Self {
            message,
            offset,
            run: offset,
            behind: None,
            jumps: 0,
            len: 1,
        }
    }

    /// The next label; `None` at the root, and then `offset` is behind it.
    fn step(&mut self) -> Result<Option<&'a [u8]>, DnsError> {
        const SHORT: DnsError = DnsError::Short { field: "name" };
        loop {
            let (len, rest) = self
                .message
                .get(self.offset..)
                .and_then(<[u8]>::split_first)
                .ok_or(SHORT)?;
            match *len {
                0 => {
                    self.offset += 1;
                    return Ok(None);
                }
                1..=63 => {
                    let len = usize::from(*len);
                    self.len += 1 + len;
                    if self.len > MAX_NAME {
                        return Err(DnsError::Label);
                    }
                    self.offset += 1 + len;
                    return rest.get(..len).ok_or(SHORT).map(Some);
                }
                0xc0.. => {
                    let low = rest.first().ok_or(SHORT)?;
                    let target = usize::from(u16::from_be_bytes([*len & 0x3f, *low]));
                    if target >= self.run || self.jumps == MAX_JUMPS {
                        return Err(DnsError::Label);
                    }
                    self.behind = self.behind.or(Some(self.offset + 2));
                    self.jumps += 1;
                    (self.offset, self.run) = (target, target);
                }
                _ => return Err(DnsError::Label),
            }
        }
    }
}
