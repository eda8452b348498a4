//! The borrowing reader.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::vec;
use std::vec::Vec;

use bytes::Bytes;
use thiserror::Error;
use tinwire_time::Instant;

use super::spares::Spares;
use crate::ContentType;
use crate::control::{BuildError, CONTROL_HEADER_LEN, ControlType, split_u32};
use crate::frame::{DATA_HEADER_LEN, End, Frame, FrameError, OwnedRun, Parser, Piece, Run};
use crate::handshake::{Config, Event, HandshakeError, Mode, ReaderMachine, Stats, Verdict};

/// Bytes from the beginning of START to the end of its type.
const START_LEN: usize = CONTROL_HEADER_LEN + 4;
/// First size of the read buffer, in bytes; it grows to hold the longest frame met.
const READ_CAPACITY: usize = 256 * 1024;

/// Why a file cannot be read on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be read.
    #[error("read failed")]
    Io(#[from] io::Error),
    /// The bytes are not frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The frames are not a stream that the configuration takes.
    #[error("at byte {offset}: {error}")]
    Stream {
        /// Where in the file the frame begins, in bytes.
        offset: u64,
        /// What is wrong with it.
        #[source]
        error: HandshakeError,
    },
    /// The configured content types do not fit into a control frame.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl ReadError {
    /// Where in the file the frame begins that is wrong, in bytes; `None` when it is not a frame that is.
    #[must_use]
    pub const fn offset(&self) -> Option<u64> {
        match self {
            Self::Frame(error) => Some(error.offset),
            Self::Stream { offset, .. } => Some(*offset),
            Self::Io(_) | Self::Build(_) => None,
        }
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        let kind = match error {
            ReadError::Io(error) => return error,
            ReadError::Frame(_) | ReadError::Stream { .. } => io::ErrorKind::InvalidData,
            ReadError::Build(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// How many streams a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sequences {
    /// One; what follows STOP is not read. The default, as the C library.
    #[default]
    One,
    /// Any number, START to STOP, back to back: files that were put together with `cat`. What follows STOP
    /// and is no START is not read; [`FileReader::trailing_bytes`] counts it.
    Concatenated,
}

/// Reads a stream from a file, or from anything else that `Read`s.
///
/// ```
/// # fn main() -> Result<(), fstrm_codec::file::ReadError> {
/// use fstrm_codec::{Config, End, FileReader};
///
/// let file: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x02\0\0\0\x05hello\0\0\0\x05wor";
/// let mut reader = FileReader::new(file, Config::new())?;
/// assert_eq!(reader.next_frame()?, Some(&b"hello"[..]));
/// assert_eq!(reader.next_frame()?, None);
/// assert_eq!(reader.end_of_stream(), Some(End::Truncated { offset: 21, missing: 2 }));
/// # Ok(())
/// # }
/// ```
///
/// The buffer is 256 KiB at first and grows with the bytes that come, at most to twice the longest frame
/// allowed.
#[derive(Debug)]
pub struct FileReader<R> {
    inner: R,
    buffer: Vec<u8>,
    spares: Spares,
    /// The bytes of the buffer that are read and not consumed.
    start: usize,
    end: usize,
    parser: Parser,
    machine: ReaderMachine,
    sequences: Sequences,
    started: u64,
    /// Where in the file the last frame or run begins; in front of `flow` only.
    frame_offset: u64,
    /// A frame that came while START was looked for; it ends at `start`.
    early: Option<Taken>,
    /// The run that was given last; it ends at `start`.
    run: Option<Taken>,
    /// Data frames that were taken one by one straight off the buffer, not yet told to parser and machine.
    flow: Option<Flow>,
    max_data: u32,
    at_end: bool,
    /// Whether STOP has come and the next stream is looked for.
    between: bool,
    trailing: u64,
}

/// How much to take at once.
#[derive(Clone, Copy, Debug)]
enum Step {
    Frame,
    Run,
}

/// Data frames that were taken off the buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    /// Length of all, headers included.
    len: usize,
    frames: u64,
}

/// Data frames taken off the buffer without asking anybody: they lie in front of `start`.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    /// Where in the buffer the first begins.
    from: usize,
    /// Where in the buffer the last begins.
    last: usize,
    frames: u64,
}

impl FileReader<File> {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: impl AsRef<Path>, config: Config) -> Result<Self, ReadError> {
        Ok(Self::new(File::open(path)?, config)?)
    }
}

impl<R: Read> FileReader<R> {
    /// Reads from `inner`, which needs no buffer of its own. The mode of `config` is always unidirectional
    /// here.
    ///
    /// # Errors
    /// When the configured content types do not fit into a control frame.
    pub fn new(inner: R, config: Config) -> Result<Self, BuildError> {
        let config = config.mode(Mode::Unidirectional);
        Ok(Self {
            inner,
            max_data: config.frame().max_data.get(),
            buffer: vec![0; READ_CAPACITY],
            spares: Spares::default(),
            start: 0,
            end: 0,
            parser: Parser::new(config.frame()),
            machine: ReaderMachine::new(config, Instant::ZERO)?,
            sequences: Sequences::One,
            started: 0,
            frame_offset: 0,
            early: None,
            run: None,
            flow: None,
            at_end: false,
            between: false,
            trailing: 0,
        })
    }

    /// How many streams the file holds. Default [`Sequences::One`], as the C library.
    #[must_use]
    pub const fn sequences(mut self, sequences: Sequences) -> Self {
        self.sequences = sequences;
        self
    }

    /// The next payload; `None` at the end of the stream.
    ///
    /// A missing tail is an end like any other: [`end_of_stream`](Self::end_of_stream) tells them apart. A
    /// file that ends before or within START, an empty one too, is [`End::Truncated`].
    ///
    /// # Errors
    /// When the file cannot be read, is malformed, or is not a stream that the configuration takes. The last
    /// two are final: every later call gives the error again. After a read that failed the call can be made
    /// again, as where a read would have to wait.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, ReadError> {
        // While data flows, a frame costs a look at its length and no more.
        if let Some(flow) = &mut self.flow
            && let Some(rest) = self.buffer.get(self.start..self.end)
            && let Some((len, body)) = split_u32(rest)
            && len.wrapping_sub(1) < self.max_data
            && let Some(payload) = usize::try_from(len).ok().and_then(|len| body.get(..len))
        {
            flow.last = self.start;
            flow.frames += 1;
            let from = self.start + DATA_HEADER_LEN;
            self.start = from + payload.len();
            return Ok(self.buffer.get(from..self.start));
        }
        self.next_frame_elsewhere()
    }

    /// The next payload, wherever the stream is.
    #[cold]
    fn next_frame_elsewhere(&mut self) -> Result<Option<&[u8]>, ReadError> {
        let Some(taken) = self.next_piece(Step::Frame)? else {
            return Ok(None);
        };
        self.flow = Some(Flow {
            from: self.start,
            ..Flow::default()
        });
        Ok(self
            .buffer
            .get(self.start - taken.len + DATA_HEADER_LEN..self.start))
    }

    /// All data frames that are at hand, side by side, at least one; `None` at the end of the stream.
    ///
    /// The fastest way to count, copy or relay frames. It may alternate with
    /// [`next_frame`](Self::next_frame).
    ///
    /// # Errors
    /// As [`next_frame`](Self::next_frame).
    pub fn next_run(&mut self) -> Result<Option<Run<'_>>, ReadError> {
        let Some(taken) = self.next_piece(Step::Run)? else {
            return Ok(None);
        };
        self.run = Some(taken);
        Ok(self.run())
    }

    /// The run that [`next_run`](Self::next_run) gave last, as long as nothing was read since.
    ///
    /// While it is held the reader can be asked for other things, as the content type.
    #[must_use]
    pub fn run(&self) -> Option<Run<'_>> {
        let taken = self.run?;
        let wire = self.buffer.get(self.start - taken.len..self.start)?;
        Some(Run::checked(wire, taken.frames))
    }

    /// As [`run`](Self::run), to keep: the reader goes on in another buffer.
    ///
    /// A run that fills less than half of the buffer is copied instead, so that what is kept takes no more
    /// than twice its length. A buffer comes back to the reader when nobody keeps a run of it any more; there
    /// are never more of them than were out at one time, and one.
    pub fn take_run(&mut self) -> Option<OwnedRun> {
        let taken = self.run.take()?;
        let wire = self.start - taken.len..self.start;
        if taken.len < self.buffer.len() / 2 {
            let copy = Bytes::copy_from_slice(self.buffer.get(wire)?);
            return Some(OwnedRun::checked(copy, taken.frames));
        }
        let rest = self.buffer.get(self.start..self.end)?;
        let next = self.spares.next(READ_CAPACITY, rest);
        let full = core::mem::replace(&mut self.buffer, next);
        self.end -= self.start;
        self.start = 0;
        Some(OwnedRun::checked(
            self.spares.lend(full).slice(wire),
            taken.frames,
        ))
    }

    /// Reads START, if it has not come yet, so that [`content_type`](Self::content_type) is known.
    ///
    /// # Errors
    /// As [`next_frame`](Self::next_frame).
    pub fn read_start(&mut self) -> Result<Option<&ContentType>, ReadError> {
        while self.started == 0 && !self.is_over() {
            self.early = self.step(Step::Frame)?;
        }
        Ok(self.machine.content_type())
    }

    /// The content type of the stream at hand, once its START was read.
    #[must_use]
    pub const fn content_type(&self) -> Option<&ContentType> {
        self.machine.content_type()
    }

    /// How the stream ended, once it has.
    #[must_use]
    pub const fn end_of_stream(&self) -> Option<End> {
        self.machine.end_of_stream()
    }

    /// Where in the file the last frame or run begins, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        match &self.flow {
            Some(flow) if flow.frames > 0 => self.parser.offset() + wide(flow.last - flow.from),
            _ => self.frame_offset,
        }
    }

    /// Streams begun so far.
    #[must_use]
    pub const fn streams(&self) -> u64 {
        self.started
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.machine.stats();
        if let Some(flow) = &self.flow {
            stats.data_frames += flow.frames;
            stats.data_bytes += self.flow_bytes(flow);
        }
        stats
    }

    /// The next thing that happened: frames passed over, start and end.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.machine.poll_event()
    }

    /// What is read from. Bytes that are taken from it are missing in the stream.
    pub const fn inner_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Reads to the end of the file and counts the bytes that belong to no frame.
    ///
    /// # Errors
    /// When the file cannot be read; the call can be made again, and goes on.
    pub fn trailing_bytes(&mut self) -> io::Result<u64> {
        self.settle();
        loop {
            self.trailing += wide(self.end - self.start);
            self.start = self.end;
            if !self.fill()? {
                return Ok(self.trailing);
            }
        }
    }

    /// The next data that belongs to the caller; it ends at `start`.
    fn next_piece(&mut self, step: Step) -> Result<Option<Taken>, ReadError> {
        self.settle();
        let mut taken = self.early.take();
        while taken.is_none() && !self.is_over() {
            taken = self.step(step)?;
        }
        Ok(taken)
    }

    /// Tells parser and machine what was taken without them.
    fn settle(&mut self) {
        self.run = None;
        if let Some(flow) = self.flow.take().filter(|flow| flow.frames > 0) {
            self.frame_offset = self.parser.offset() + wide(flow.last - flow.from);
            self.machine.count_run(flow.frames, self.flow_bytes(&flow));
            self.parser.advance(self.start - flow.from);
        }
    }

    fn flow_bytes(&self, flow: &Flow) -> u64 {
        wide(self.start - flow.from) - flow.frames * wide(DATA_HEADER_LEN)
    }

    /// Takes one piece off the buffer, or fills it; gives data that belongs to the caller.
    fn step(&mut self, step: Step) -> Result<Option<Taken>, ReadError> {
        self.check()?;
        if self.between {
            self.next_stream()?;
            return Ok(None);
        }
        let input = self.buffer.get(self.start..self.end).unwrap_or(&[]);
        let (consumed, offset, piece) = match step {
            Step::Run => {
                let parsed = self.parser.parse_run(input)?;
                (parsed.consumed, parsed.offset, parsed.piece)
            }
            Step::Frame => {
                let parsed = self.parser.parse(input)?;
                let piece = parsed.frame.map(|frame| match frame {
                    Frame::Control(control) => Piece::Control(control),
                    Frame::Skipped { len } => Piece::Skipped { len },
                    Frame::Data(payload) => {
                        let front = parsed.consumed - payload.len() - DATA_HEADER_LEN;
                        Piece::Run(Run::checked(input.get(front..parsed.consumed).unwrap_or(&[]), 1))
                    }
                });
                (parsed.consumed, parsed.offset, piece)
            }
        };
        self.start += consumed;
        let Some(piece) = piece else {
            if !self.fill()? {
                self.frame_offset = self.parser.offset();
                self.handle_end();
            }
            return Ok(None);
        };
        self.frame_offset = offset;
        let was_streaming = self.machine.is_streaming();
        let mut taken = Taken::default();
        let verdict = match piece {
            Piece::Run(run) => {
                taken.len = run.as_wire().len();
                taken.frames = run.frames();
                self.machine.handle_run(Instant::ZERO, &run)
            }
            Piece::Control(control) => self.machine.handle_frame(Instant::ZERO, &Frame::Control(control)),
            Piece::Skipped { len } => self.machine.handle_frame(Instant::ZERO, &Frame::Skipped { len }),
        };
        self.started += u64::from(!was_streaming && self.machine.is_streaming());
        if verdict == Verdict::Deliver {
            return Ok(Some(taken));
        }
        self.check()?;
        self.between =
            self.machine.end_of_stream() == Some(End::Stop) && self.sequences == Sequences::Concatenated;
        Ok(None)
    }

    /// No more bytes: nobody is there who could have closed a connection, so START is cut like any frame.
    fn handle_end(&mut self) {
        let end = match self.parser.end() {
            End::Eof if !self.machine.is_streaming() => End::Truncated {
                offset: self.frame_offset,
                missing: u64::try_from(START_LEN).unwrap_or(u64::MAX),
            },
            end => end,
        };
        self.machine.end(end);
    }

    /// After STOP: begins the next stream, if START follows.
    fn next_stream(&mut self) -> io::Result<()> {
        while self.end - self.start < START_LEN {
            if !self.fill()? {
                self.between = false;
                return Ok(());
            }
        }
        if is_start(self.buffer.get(self.start..self.end).unwrap_or(&[])) {
            self.parser.restart();
            self.machine.restart();
        }
        self.between = false;
        Ok(())
    }

    /// Whether nothing follows.
    const fn is_over(&self) -> bool {
        !self.between && self.machine.end_of_stream().is_some()
    }

    fn check(&self) -> Result<(), ReadError> {
        match self.machine.failure() {
            Some(error) => Err(ReadError::Stream {
                offset: self.frame_offset,
                error: error.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Reads more bytes behind those at hand; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            // Only bytes that have come make the buffer grow; the parser refuses frames over the limit.
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        loop {
            match self.inner.read(room) {
                Ok(0) => {
                    self.at_end = true;
                    return Ok(false);
                }
                Ok(len) => {
                    self.end += len;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Whether `bytes` are the escape, any length, and the type of START.
fn is_start(bytes: &[u8]) -> bool {
    let word = |bytes| split_u32(bytes).unwrap_or((u32::MAX, &[]));
    let (escape, rest) = word(bytes);
    let (_, rest) = word(rest);
    let (control_type, _) = word(rest);
    escape == 0 && control_type == ControlType::Start.to_bits()
}
