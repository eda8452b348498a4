//! Any stream, cut anyhow, through every face: the parser by frames and by runs, the codec likewise, the
//! codec that holds its bytes, and the file reader.

use core::num::NonZeroU32;
use std::io::{self, Read};

use bytes::BytesMut;
use fstrm_codec::codec::{CodecError, OwnedFrame, OwnedPiece, PushCodec};
use fstrm_codec::control::Strictness;
use fstrm_codec::file::ReadError;
use fstrm_codec::frame::{End, FrameError, Oversize, Piece, Run};
use fstrm_codec::handshake::Verdict;
use fstrm_codec::{Config, FileReader, Frame, FrameConfig, FstrmCodec, Mode, Parser, ReaderMachine};
use testkit::fuzz::Input;
use tinwire_time::Instant;
use tokio_util::codec::Decoder as _;

use crate::choice;

/// What is made of a stream.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Data(Vec<u8>),
    Control(Vec<u8>),
    Skipped(u32),
    End(End),
    Error(FrameError),
}

impl From<Frame<'_>> for Item {
    fn from(frame: Frame<'_>) -> Self {
        match frame {
            Frame::Data(payload) => Self::Data(payload.to_vec()),
            Frame::Control(control) => Self::Control(control.payload().to_vec()),
            Frame::Skipped { len } => Self::Skipped(len),
        }
    }
}

impl From<OwnedFrame> for Item {
    fn from(frame: OwnedFrame) -> Self {
        frame.as_frame().into()
    }
}

/// Lengths of pieces, over and over.
struct Cuts {
    lens: Vec<usize>,
    next: usize,
}

impl Cuts {
    const fn new(lens: Vec<usize>) -> Self {
        Self { lens, next: 0 }
    }

    fn take<'a>(&mut self, rest: &mut &'a [u8]) -> &'a [u8] {
        let len = self.lens[self.next % self.lens.len()].min(rest.len());
        self.next += 1;
        let (piece, behind) = rest.split_at(len);
        *rest = behind;
        piece
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (limit, choices) = (input.byte(), input.byte());
    let pick = |bit: u8| choices & (1 << bit) != 0;
    let config = choice::config(choices)
        .mode(Mode::Unidirectional)
        .max_data(NonZeroU32::new(u32::from(limit % 64) + 1).unwrap())
        .oversize(if pick(0) { Oversize::Skip } else { Oversize::Refuse });
    let lens: Vec<_> = (0..3).map(|_| usize::from(input.byte() % 60) + 1).collect();
    let mut stream = Vec::new();
    if pick(3) {
        stream.extend(b"\0\0\0\0\0\0\0\x04\0\0\0\x02");
    }
    while !input.is_empty() {
        match input.byte() % 16 {
            0..=9 => stream.extend(data(&mut input)),
            10..=13 => stream.extend(choice::control(&mut input)),
            _ => {
                let len = usize::from(input.byte() % 16);
                stream.extend(input.take(len));
            }
        }
    }
    let whole = by_frames(&stream, config.frame(), vec![usize::MAX]);
    for lens in [vec![1], lens, vec![usize::MAX]] {
        assert_eq!(by_frames(&stream, config.frame(), lens.clone()), whole);
        assert_eq!(by_runs(&stream, config.frame(), lens.clone()), whole);
        assert_eq!(by_codec(&stream, config.frame(), lens.clone(), false), whole);
        assert_eq!(by_codec(&stream, config.frame(), lens.clone(), true), whole);
        assert_eq!(pushed(&stream, config.frame(), lens.clone()), whole);
        let (payloads, end) = told(&whole, &config);
        for by_run in [false, true] {
            assert_eq!(
                file(&stream, &config, lens.clone(), by_run),
                (payloads.clone(), end)
            );
        }
    }
}

/// Bytes of a data frame: mostly a short and sound one.
fn data(input: &mut Input<'_>) -> Vec<u8> {
    let len = match input.byte() {
        0xff => u32::MAX,
        0xfe => u32::MAX - 3,
        0xfd => 0x0500_0000,
        0xfc => 300,
        len => u32::from(len % 40) + 1,
    };
    let payload = input.take(usize::try_from(len % 41).unwrap());
    let mut frame = len.to_be_bytes().to_vec();
    frame.extend(payload);
    if len <= 300 {
        frame.resize(4 + usize::try_from(len).unwrap(), 7);
    }
    frame
}

fn by_frames(stream: &[u8], config: FrameConfig, lens: Vec<usize>) -> Vec<Item> {
    let (mut parser, mut cuts, mut rest) = (Parser::new(config), Cuts::new(lens), stream);
    let (mut buffer, mut items, mut calls) = (Vec::new(), Vec::new(), 0);
    loop {
        calls += 1;
        let parsed = match parser.parse(&buffer) {
            Ok(parsed) => parsed,
            Err(error) => {
                assert_eq!(parser.parse(b"\0\0\0\x01x"), Err(error), "errors latch");
                items.push(Item::Error(error));
                break;
            }
        };
        items.extend(parsed.frame.map(Item::from));
        let is_short = parsed.frame.is_none();
        buffer.drain(..parsed.consumed);
        if is_short && rest.is_empty() {
            items.push(Item::End(parser.end()));
            break;
        }
        if is_short {
            buffer.extend_from_slice(cuts.take(&mut rest));
        }
    }
    // Each call takes a frame, or wants a piece.
    assert!(calls <= items.len() + cuts.next + 1);
    items
}

fn by_runs(stream: &[u8], config: FrameConfig, lens: Vec<usize>) -> Vec<Item> {
    let (mut parser, mut cuts, mut rest) = (Parser::new(config), Cuts::new(lens), stream);
    let (mut buffer, mut items) = (Vec::new(), Vec::new());
    loop {
        let parsed = match parser.parse_run(&buffer) {
            Ok(parsed) => parsed,
            Err(error) => {
                items.push(Item::Error(error));
                return items;
            }
        };
        match parsed.piece {
            Some(Piece::Run(run)) => {
                assert_eq!(Run::decode(run.as_wire(), config), Ok(run));
                items.extend(run.iter().map(|payload| Item::Data(payload.to_vec())));
            }
            Some(Piece::Control(control)) => items.push(Frame::Control(control).into()),
            Some(Piece::Skipped { len }) => items.push(Item::Skipped(len)),
            None if rest.is_empty() => {
                items.push(Item::End(parser.end()));
                return items;
            }
            None => {}
        }
        let is_short = parsed.piece.is_none();
        buffer.drain(..parsed.consumed);
        if is_short {
            buffer.extend_from_slice(cuts.take(&mut rest));
        }
    }
}

/// The last item of a codec whose bytes are at their end.
fn last(end: Result<Option<OwnedFrame>, CodecError>) -> Item {
    match end {
        Ok(None) => Item::End(End::Eof),
        Err(CodecError::Truncated { offset, missing }) => Item::End(End::Truncated { offset, missing }),
        Err(CodecError::Frame(error)) => Item::Error(error),
        other => panic!("{other:?}"),
    }
}

fn by_codec(stream: &[u8], config: FrameConfig, lens: Vec<usize>, by_run: bool) -> Vec<Item> {
    let (mut codec, mut cuts, mut rest) = (FstrmCodec::new(config), Cuts::new(lens), stream);
    let (mut buffer, mut items, mut longest) = (BytesMut::new(), Vec::new(), 0);
    loop {
        longest = longest.max(buffer.len());
        let decoded = if by_run {
            codec.decode_run(&mut buffer).map(|piece| match piece? {
                OwnedPiece::Run(run) => Some(
                    run.payloads()
                        .map(|payload| Item::Data(payload.to_vec()))
                        .collect(),
                ),
                OwnedPiece::Control(control) => Some(vec![Item::from(OwnedFrame::Control(control))]),
                OwnedPiece::Skipped { len } => Some(vec![Item::Skipped(len)]),
            })
        } else {
            codec.decode(&mut buffer).map(|frame| Some(vec![frame?.into()]))
        };
        // What is announced makes no room, but for a little.
        assert!(
            buffer.capacity() <= 4 * longest + 128 * 1024,
            "{}",
            buffer.capacity()
        );
        match decoded {
            Ok(Some(more)) => items.extend(more),
            Ok(None) if rest.is_empty() => {
                items.push(last(codec.decode_eof(&mut buffer)));
                return items;
            }
            Ok(None) => buffer.extend_from_slice(cuts.take(&mut rest)),
            Err(error) => {
                items.push(last(Err(error)));
                return items;
            }
        }
    }
}

fn pushed(stream: &[u8], config: FrameConfig, lens: Vec<usize>) -> Vec<Item> {
    let (mut codec, mut cuts, mut rest) = (PushCodec::new(config), Cuts::new(lens), stream);
    let mut items = Vec::new();
    loop {
        match codec.decode() {
            Ok(Some(frame)) => items.push(frame.into()),
            Ok(None) if rest.is_empty() => break,
            Ok(None) => {
                assert!(codec.pending_bytes() > 0, "somebody would read nothing, for ever");
                codec.append(cuts.take(&mut rest));
            }
            Err(error) => {
                items.push(last(Err(error)));
                return items;
            }
        }
    }
    // It knows no end; what it waits for tells.
    let mut parser = Parser::new(config);
    let mut at = 0;
    while let Ok(parsed) = parser.parse(&stream[at..]) {
        at += parsed.consumed;
        if parsed.frame.is_none() {
            break;
        }
    }
    let missing = codec.pending_bytes();
    assert_eq!(
        missing,
        if parser.missing() == 0 {
            4
        } else {
            parser.missing()
        }
    );
    items.push(Item::End(parser.end()));
    items
}

/// How a file is left: some error, or its end.
type Left = Option<End>;

/// What a file reader ought to make of the items.
fn told(items: &[Item], config: &Config) -> (Vec<Vec<u8>>, Left) {
    let mut machine = ReaderMachine::new(config.clone(), Instant::ZERO).unwrap();
    let mut payloads = Vec::new();
    for item in items {
        match item {
            Item::Data(payload) => {
                if machine.handle_frame(Instant::ZERO, &Frame::Data(payload)) == Verdict::Deliver {
                    payloads.push(payload.clone());
                }
            }
            Item::Control(payload) => {
                let control = fstrm_codec::Control::decode(payload, Strictness::Lenient).unwrap();
                let _ = machine.handle_frame(Instant::ZERO, &Frame::Control(control));
            }
            Item::Skipped(len) => _ = machine.handle_frame(Instant::ZERO, &Frame::Skipped { len: *len }),
            Item::End(End::Eof) if !machine.is_streaming() => {
                let offset = items_len(items);
                return (payloads, Some(End::Truncated { offset, missing: 12 }));
            }
            Item::End(end) => return (payloads, Some(*end)),
            Item::Error(_) => return (payloads, None),
        }
        if machine.failure().is_some() {
            return (payloads, None);
        }
        if let Some(end) = machine.end_of_stream() {
            return (payloads, Some(end));
        }
    }
    unreachable!("the last item is an end or an error")
}

/// Bytes of whole frames.
fn items_len(items: &[Item]) -> u64 {
    let len = |item: &Item| match item {
        Item::Data(payload) => u64::try_from(4 + payload.len()).unwrap(),
        Item::Control(payload) => u64::try_from(8 + payload.len()).unwrap(),
        Item::Skipped(len) => 4 + u64::from(*len),
        Item::End(_) | Item::Error(_) => 0,
    };
    items.iter().map(len).sum()
}

/// Short reads, interrupted ones between.
struct Short<'a> {
    rest: &'a [u8],
    cuts: Cuts,
    reads: usize,
}

impl Read for Short<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads.is_multiple_of(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let piece = self.cuts.take(&mut self.rest);
        buffer[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    }
}

fn file(stream: &[u8], config: &Config, lens: Vec<usize>, by_run: bool) -> (Vec<Vec<u8>>, Left) {
    let short = Short {
        rest: stream,
        cuts: Cuts::new(lens),
        reads: 0,
    };
    let mut reader = FileReader::new(short, config.clone()).unwrap();
    let mut payloads = Vec::new();
    loop {
        let more = if by_run {
            reader
                .next_run()
                .map(|run| run.map(|run| payloads.extend(run.iter().map(<[u8]>::to_vec))))
        } else {
            reader
                .next_frame()
                .map(|payload| payload.map(|payload| payloads.push(payload.to_vec())))
        };
        match more {
            Ok(Some(())) => {}
            Ok(None) => return (payloads, reader.end_of_stream()),
            Err(ReadError::Frame(_) | ReadError::Stream { .. }) => return (payloads, None),
            Err(other) => panic!("{other}"),
        }
    }
}
