//! Runs that own their bytes.

use bytes::{BufMut, Bytes, BytesMut};

use super::{DATA_HEADER_LEN, EncodeError, FrameConfig, FrameError, Run, data_header};
use crate::control::split_u32;

/// A [`Run`] that owns its bytes; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRun {
    wire: Bytes,
    frames: u64,
}

impl OwnedRun {
    /// Checks that `wire` is data frames from its first byte to its last.
    ///
    /// # Errors
    /// As [`Run::decode`].
    pub fn decode(wire: Bytes, config: FrameConfig) -> Result<Self, FrameError> {
        let frames = Run::decode(&wire, config)?.frames();
        Ok(Self { wire, frames })
    }

    /// Frames `payloads`, each of 1 to the limit of `config` bytes.
    ///
    /// # Errors
    /// When there is no payload, or one is empty or too long.
    pub fn encode<'p>(
        payloads: impl IntoIterator<Item = &'p [u8]>,
        config: FrameConfig,
    ) -> Result<Self, EncodeError> {
        let mut wire = BytesMut::new();
        let mut frames = 0;
        for payload in payloads {
            let header = data_header(payload, config.max_data)?;
            wire.reserve(header.len() + payload.len());
            wire.put_slice(&header);
            wire.put_slice(payload);
            frames += 1;
        }
        if frames == 0 {
            return Err(EncodeError::EmptyRun);
        }
        let wire = wire.freeze();
        Ok(Self { wire, frames })
    }

    /// What the caller has checked to be `frames` data frames.
    #[cfg(feature = "std")]
    pub(crate) const fn checked(wire: Bytes, frames: u64) -> Self {
        Self { wire, frames }
    }

    /// The same run, borrowed.
    #[must_use]
    pub fn as_run(&self) -> Run<'_> {
        Run::checked(&self.wire, self.frames)
    }

    /// The frames as they stand on the wire, lengths included.
    #[must_use]
    pub const fn as_wire(&self) -> &Bytes {
        &self.wire
    }

    /// The frames as they stand on the wire, lengths included.
    #[must_use]
    pub fn into_wire(self) -> Bytes {
        self.wire
    }

    /// How many frames there are, at least 1.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes of all payloads together.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.as_run().payload_bytes()
    }

    /// The payloads, in order; they share the run's bytes, and holding one holds all.
    pub fn payloads(&self) -> impl Iterator<Item = Bytes> + '_ {
        let mut at = 0;
        core::iter::from_fn(move || {
            let (len, body) = split_u32(self.wire.get(at..)?)?;
            let payload = body.get(..usize::try_from(len).ok()?)?;
            at += DATA_HEADER_LEN + payload.len();
            Some(self.wire.slice_ref(payload))
        })
    }
}

/// Copies the bytes.
impl From<Run<'_>> for OwnedRun {
    fn from(run: Run<'_>) -> Self {
        Self {
            wire: Bytes::copy_from_slice(run.as_wire()),
            frames: run.frames(),
        }
    }
}
