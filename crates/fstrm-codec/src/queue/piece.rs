//! Whole frames that stay together.

use bytes::{Buf, Bytes};

use crate::control::split_u32;
use crate::frame::DATA_HEADER_LEN;

/// One frame or a run of them, with the number of the first.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) first: u64,
    pub(super) frames: u64,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    /// As it stands on the wire.
    Run(Bytes),
    /// One frame whose payload was not copied.
    Frame([u8; DATA_HEADER_LEN], Bytes),
}

/// A place between two frames of a piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Boundary {
    /// Frames in front of it.
    pub(super) frames: u64,
    /// Their bytes, headers included.
    pub(super) bytes: usize,
}

impl Piece {
    pub(super) const fn run(first: u64, frames: u64, wire: Bytes) -> Self {
        Self {
            first,
            frames,
            body: Body::Run(wire),
        }
    }

    pub(super) const fn frame(first: u64, header: [u8; DATA_HEADER_LEN], payload: Bytes) -> Self {
        Self {
            first,
            frames: 1,
            body: Body::Frame(header, payload),
        }
    }

    /// Bytes on the wire.
    pub(super) const fn len(&self) -> usize {
        match &self.body {
            Body::Run(wire) => wire.len(),
            Body::Frame(header, payload) => header.len() + payload.len(),
        }
    }

    /// The bytes from `at` on; of a single frame first the header, then the payload.
    pub(super) fn parts(&self, at: usize) -> [&[u8]; 2] {
        match &self.body {
            Body::Run(wire) => [wire.get(at..).unwrap_or_default(), &[]],
            Body::Frame(header, payload) => [
                header.get(at..).unwrap_or_default(),
                payload.get(at.saturating_sub(header.len())..).unwrap_or_default(),
            ],
        }
    }

    /// The last boundary within the first `len` bytes.
    pub(super) fn boundary(&self, len: usize) -> Boundary {
        let mut boundary = Boundary::default();
        while boundary.frames < self.frames {
            let end = boundary.bytes + self.frame_len(boundary.bytes);
            if end > len {
                break;
            }
            boundary.bytes = end;
            boundary.frames += 1;
        }
        boundary
    }

    /// Lets go of what lies in front of a boundary.
    pub(super) fn advance(&mut self, boundary: Boundary) {
        self.first += boundary.frames;
        self.frames -= boundary.frames;
        match &mut self.body {
            Body::Run(wire) => wire.advance(boundary.bytes),
            // Its only boundaries are its ends.
            Body::Frame(..) if boundary.frames == 0 => {}
            Body::Frame(..) => self.body = Body::Run(Bytes::new()),
        }
    }

    /// Takes the first frames off, fewer than all.
    pub(super) fn split_front(&mut self, frames: u64) -> Self {
        let mut boundary = Boundary::default();
        while boundary.frames < frames.min(self.frames) {
            boundary.bytes += self.frame_len(boundary.bytes);
            boundary.frames += 1;
        }
        let mut front = self.clone();
        front.frames = boundary.frames;
        if let Body::Run(wire) = &mut front.body {
            wire.truncate(boundary.bytes);
        }
        self.advance(boundary);
        front
    }

    /// Length of the first frame's payload.
    pub(super) fn payload_len(&self) -> usize {
        self.frame_len(0).saturating_sub(DATA_HEADER_LEN)
    }

    /// Lets go of the first frame and gives its length on the wire.
    pub(super) fn pop_frame(&mut self) -> usize {
        let bytes = self.frame_len(0);
        self.advance(Boundary { frames: 1, bytes });
        bytes
    }

    /// Length on the wire of the frame that begins at `at`.
    fn frame_len(&self, at: usize) -> usize {
        match &self.body {
            Body::Frame(..) => self.len(),
            Body::Run(wire) => {
                let rest = wire.get(at..).unwrap_or_default();
                let len = split_u32(rest).and_then(|(len, _)| usize::try_from(len).ok());
                // A run was checked when it was made: what it announces is there.
                len.map_or(rest.len(), |len| DATA_HEADER_LEN + len)
                    .min(rest.len())
            }
        }
    }
}
