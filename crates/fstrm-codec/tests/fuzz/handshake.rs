//! Any frames at any times against each end, and the two ends against each other over a wire that loses,
//! repeats and changes bytes.

use core::time::Duration;

use bytes::BytesMut;
use fstrm_codec::control::Strictness;
use fstrm_codec::frame::{Beginning, End};
use fstrm_codec::handshake::{Finish, Verdict};
use fstrm_codec::{
    Config, ContentType, Control, ControlFrame, Event, Frame, FrameConfig, FstrmCodec, ReaderMachine,
    WriterMachine,
};
use testkit::fuzz::Input;
use tinwire_time::Instant;
use tokio_util::codec::Decoder as _;

use crate::choice;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.byte() % 3 {
        0 => reader_alone(&mut input),
        1 => writer_alone(&mut input),
        _ => both(&mut input),
    }
}

fn config(input: &mut Input<'_>) -> Config {
    let mut config = choice::config(input.byte());
    for _ in 0..input.byte() % 3 {
        let name = choice::name(input).to_vec();
        config = ContentType::new(name)
            .into_iter()
            .fold(config, Config::content_type);
    }
    config
}

/// What a machine has told: one end at most, and nothing behind it.
#[derive(Default)]
struct Told {
    ended: usize,
    failed: usize,
}

impl Told {
    fn hear(&mut self, mut next: impl FnMut() -> Option<Event>) {
        while let Some(event) = next() {
            assert_eq!(self.ended + self.failed, 0, "{event:?} behind the end");
            match event {
                Event::Ended(_) => self.ended += 1,
                Event::Failed(_) => self.failed += 1,
                _ => {}
            }
        }
    }

    const fn is_over(&self) -> bool {
        self.ended + self.failed > 0
    }
}

/// A frame for a machine; data and what is skipped among them.
fn with_frame<T>(input: &mut Input<'_>, take: impl FnOnce(&Frame<'_>) -> T) -> Option<T> {
    let bytes;
    let frame = match input.byte() % 6 {
        0 => Frame::Data(b"payload"),
        1 => Frame::Skipped { len: u32::MAX },
        _ => {
            bytes = choice::control(input);
            Frame::Control(Control::decode_frame(&bytes, Strictness::Lenient).ok()?)
        }
    };
    Some(take(&frame))
}

fn reader_alone(input: &mut Input<'_>) {
    let Ok(mut reader) = ReaderMachine::new(config(input), Instant::ZERO) else {
        return;
    };
    let (mut now, mut told, mut delivered, mut taken) = (Instant::ZERO, Told::default(), 0, 0);
    while !input.is_empty() {
        let was_over = told.is_over();
        match input.byte() % 12 {
            0 => {
                now += Duration::from_millis(u64::from(input.byte()) * 40);
                reader.handle_timeout(now);
            }
            1 => reader.release_finish(),
            2 if input.byte() < 40 => reader.handle_end(End::Eof),
            _ => {
                let verdict = with_frame(input, |frame| reader.handle_frame(now, frame));
                taken += u64::from(verdict.is_some());
                delivered += u64::from(verdict == Some(Verdict::Deliver));
                assert!(
                    !was_over || verdict != Some(Verdict::Deliver),
                    "data behind the end"
                );
            }
        }
        told.hear(|| reader.poll_event());
        let sent: Vec<_> = core::iter::from_fn(|| reader.poll_transmit()).collect();
        assert!(sent.len() <= 1, "{sent:?}");
        assert!(
            told.failed == 0 || sent.is_empty(),
            "{sent:?} to who broke the protocol"
        );
        assert!(
            reader
                .poll_timeout()
                .is_none_or(|due| due > now && !told.is_over())
        );
        assert_eq!(told.failed > 0, reader.failure().is_some());
        assert_eq!(told.ended > 0, reader.end_of_stream().is_some());
        let stats = reader.stats();
        assert_eq!((stats.data_frames, stats.events_lost), (delivered, 0));
        assert!(stats.surplus_frames + stats.skipped_frames + stats.ignored_controls + delivered <= taken);
    }
}

fn writer_alone(input: &mut Input<'_>) {
    let Ok(mut writer) = WriterMachine::new(config(input), Instant::ZERO) else {
        return;
    };
    let (mut now, mut told) = (Instant::ZERO, Told::default());
    let mut sent = core::iter::from_fn(|| writer.poll_transmit()).count();
    while !input.is_empty() {
        match input.byte() % 10 {
            0 => {
                now += Duration::from_millis(u64::from(input.byte()) * 40);
                writer.handle_timeout(now);
            }
            1 => assert_eq!(writer.is_streaming(), writer.finish(now).is_ok()),
            2 if input.byte() < 40 => writer.handle_end(),
            _ => _ = with_frame(input, |frame| writer.handle_frame(frame)),
        }
        told.hear(|| writer.poll_event());
        sent += core::iter::from_fn(|| writer.poll_transmit()).count();
        assert!(sent <= 3, "READY, START and STOP are all that a writer says");
        assert!(
            writer
                .poll_timeout()
                .is_none_or(|due| due > now && !told.is_over())
        );
        assert_eq!(
            (told.failed > 0, told.ended > 0),
            (writer.failure().is_some(), writer.is_ended())
        );
        assert!(!told.is_over() || !writer.is_streaming());
    }
}

/// A wire that now and then does harm, and the frames that come out.
struct Wire {
    codec: FstrmCodec,
    buffer: BytesMut,
    harmed: bool,
}

impl Wire {
    fn new() -> Self {
        let config = FrameConfig::new()
            .beginning(Beginning::Any)
            .strictness(Strictness::Lenient);
        Self {
            codec: FstrmCodec::new(config),
            buffer: BytesMut::new(),
            harmed: false,
        }
    }

    fn carry(&mut self, bytes: &[u8], input: &mut Input<'_>) {
        let at = usize::from(input.byte()) % bytes.len();
        match input.byte() {
            1 => {
                self.buffer.extend_from_slice(&bytes[..at]);
                self.harmed = true;
            }
            2 => {
                self.buffer.extend_from_slice(&bytes.repeat(2));
                self.harmed = true;
            }
            3 => {
                let mut changed = bytes.to_vec();
                changed[at] ^= input.byte() | 1;
                self.buffer.extend_from_slice(&changed);
                self.harmed = true;
            }
            _ => self.buffer.extend_from_slice(bytes),
        }
    }

    /// The next frame; none as well where the bytes are none any more.
    fn next(&mut self) -> Option<fstrm_codec::codec::OwnedFrame> {
        self.codec.decode(&mut self.buffer).ok().flatten()
    }
}

fn both(input: &mut Input<'_>) {
    let config = config(input).finish(Finish::AtOnce);
    let Ok(mut writer) = WriterMachine::new(config.clone(), Instant::ZERO) else {
        return;
    };
    let mut reader = ReaderMachine::new(config, Instant::ZERO).unwrap();
    let (mut there, mut back) = (Wire::new(), Wire::new());
    let (mut sent, mut came, frames) = (0_u64, 0, u64::from(input.byte() % 5));
    let (mut writer_told, mut reader_told) = (Told::default(), Told::default());
    let mut now = Instant::ZERO;
    for _ in 0..16 {
        let words: Vec<ControlFrame> = core::iter::from_fn(|| writer.poll_transmit()).collect();
        words.iter().for_each(|word| there.carry(word.as_bytes(), input));
        if writer.is_streaming() {
            if sent < frames {
                there.carry(b"\0\0\0\x05hello", input);
                sent += 1;
            } else {
                writer.finish(now).unwrap();
            }
        }
        while let Some(frame) = there.next() {
            let verdict = reader.handle_frame(now, &frame.as_frame());
            came += u64::from(verdict == Verdict::Deliver);
        }
        let answers: Vec<ControlFrame> = core::iter::from_fn(|| reader.poll_transmit()).collect();
        answers
            .iter()
            .for_each(|answer| back.carry(answer.as_bytes(), input));
        while let Some(frame) = back.next() {
            writer.handle_frame(&frame.as_frame());
        }
        writer_told.hear(|| writer.poll_event());
        reader_told.hear(|| reader.poll_event());
    }
    if there.harmed || back.harmed {
        // Whatever was lost, both come to an end.
        now += Duration::from_secs(60);
        writer.handle_timeout(now);
        if writer.is_streaming() {
            writer.handle_end();
        }
        reader.handle_timeout(now);
        reader.handle_end(End::Eof);
        writer_told.hear(|| writer.poll_event());
        reader_told.hear(|| reader.poll_event());
        assert!(reader_told.is_over());
        assert!(writer_told.is_over() || writer.is_streaming());
        return;
    }
    assert_eq!(
        (writer.is_ended(), reader.end_of_stream()),
        (true, Some(End::Stop))
    );
    assert_eq!((sent, came), (frames, frames));
    assert_eq!(writer.content_type(), reader.content_type());
    assert_eq!((writer_told.ended, reader_told.ended), (1, 1));
}
