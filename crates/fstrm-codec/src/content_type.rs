//! An owned content type.

use core::fmt;
use core::ops::Deref;

use bytes::Bytes;

use crate::control::MAX_CONTENT_TYPE_LEN;

/// The name of what a stream's data frames hold; at most 256 bytes, compared byte for byte.
///
/// Cheap to clone. Usually ASCII, as `protobuf:dnstap.Dnstap`, but any bytes are legal, none included.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentType(Bytes);

impl ContentType {
    /// The content type with these bytes; `None` when there are more than 256.
    #[must_use]
    pub fn new(name: impl Into<Bytes>) -> Option<Self> {
        let name = name.into();
        (name.len() <= MAX_CONTENT_TYPE_LEN).then_some(Self(name))
    }

    /// The content type with these constant bytes; `None` when there are more than 256.
    #[must_use]
    pub const fn from_static(name: &'static [u8]) -> Option<Self> {
        if name.len() <= MAX_CONTENT_TYPE_LEN {
            Some(Self(Bytes::from_static(name)))
        } else {
            None
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for ContentType {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for ContentType {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// ASCII as it is, everything else escaped.
impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

/// Content types as an error names them: quoted, with commas between.
pub(crate) struct List<'a>(pub(crate) &'a [ContentType]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, content_type) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}\"{content_type}\"")?;
        }
        if self.0.is_empty() {
            f.write_str("none")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentType(\"{self}\")")
    }
}
