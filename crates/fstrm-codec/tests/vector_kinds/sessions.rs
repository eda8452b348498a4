//! `transcripts.json` and `capture_raw.json`: sessions between peers, played again with one of our machines
//! in each role.

use core::num::NonZeroU32;

use bytes::BytesMut;
use fstrm_codec::codec::OwnedFrame;
use fstrm_codec::frame::{Beginning, End, FrameConfig, Oversize};
use fstrm_codec::handshake::{Absence, DataBeforeStart, HandshakeError, Verdict};
use fstrm_codec::{
    Config, ContentType, Control, ControlType, FileReader, Frame, FstrmCodec, Mode, ReaderMachine,
    WriterMachine,
};
use serde_json::Value;
use tinwire_time::Instant;
use tokio_util::codec::Decoder;

use crate::{Tally, bytes, list};

/// What a control frame says, for comparing.
type Said = (ControlType, Vec<Vec<u8>>);

fn said(control: &Control<'_>) -> Said {
    let types = control.content_types().map(<[u8]>::to_vec);
    (control.control_type(), types.collect())
}

/// The control frames in `bytes`, as far as they are well-formed.
fn controls(bytes: &[u8]) -> Vec<Said> {
    let any = FrameConfig::new()
        .beginning(Beginning::Any)
        .max_data(NonZeroU32::MAX);
    let (mut codec, mut buffer) = (FstrmCodec::new(any), BytesMut::from(bytes));
    let frames = core::iter::from_fn(|| codec.decode(&mut buffer).ok().flatten());
    frames
        .filter_map(|frame| match frame {
            OwnedFrame::Control(control) => Some(said(&control.as_control())),
            _ => None,
        })
        .collect()
}

/// Our reader in place of a session's server.
struct Reader {
    codec: FstrmCodec,
    machine: ReaderMachine,
    buffer: BytesMut,
    answers: Vec<u8>,
    payloads: Vec<Vec<u8>>,
    malformed: bool,
}

impl Reader {
    fn new(config: Config) -> Self {
        Self {
            codec: FstrmCodec::new(config.frame()),
            machine: ReaderMachine::new(config, Instant::ZERO).unwrap(),
            buffer: BytesMut::new(),
            answers: Vec::new(),
            payloads: Vec::new(),
            malformed: false,
        }
    }

    fn over(&self) -> bool {
        self.malformed || self.machine.end_of_stream().is_some() || self.machine.failure().is_some()
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while !self.over() {
            match self.codec.decode(&mut self.buffer) {
                Ok(Some(frame)) => self.take(&frame.as_frame()),
                Ok(None) => return,
                Err(_) => self.malformed = true,
            }
        }
    }

    fn take(&mut self, frame: &Frame<'_>) {
        let verdict = self.machine.handle_frame(Instant::ZERO, frame);
        if let (Verdict::Deliver, Frame::Data(payload)) = (verdict, frame) {
            self.payloads.push(payload.to_vec());
        }
        while let Some(answer) = self.machine.poll_transmit() {
            self.answers.extend_from_slice(answer.as_bytes());
        }
    }
}

fn with_types(config: Config, types: &[Vec<u8>]) -> Config {
    types.iter().fold(config, |config, name| {
        config.content_type(ContentType::new(name.clone()).unwrap())
    })
}

/// Content types that a side of a transcript was given.
fn side_types(side: &Value) -> Vec<Vec<u8>> {
    let one = side["content_type"].as_str();
    let many = list(&side["content_types"])
        .iter()
        .map(|name| name.as_str().unwrap());
    many.chain(one).map(|name| name.as_bytes().to_vec()).collect()
}

pub(crate) fn check_transcripts(file: &Value, tally: &mut Tally) {
    for entry in list(&file["vectors"]) {
        println!("  {}", entry["name"]);
        for steps in list(&entry["connections"]) {
            check_reader(list(steps), &side_types(&entry["server"]), tally);
            check_writer(list(steps), tally);
        }
        tally.checked();
    }
}

/// All bytes that went one way.
fn direction(steps: &[Value], direction: &str) -> Vec<u8> {
    let sent = steps
        .iter()
        .filter(|step| step["dir"] == direction && step["hex"].is_string());
    sent.flat_map(|step| bytes(&step["hex"])).collect()
}

/// What our reader, taking `types`, ought to say to a client's control frames.
fn due_answers(client: &[Said], types: &[Vec<u8>]) -> Vec<Said> {
    let Some(((ControlType::Ready, offered), rest)) = client.split_first() else {
        return Vec::new();
    };
    let meets = |name: &&Vec<u8>| offered.is_empty() || offered.contains(name);
    let common = types.iter().filter(meets).cloned().collect();
    let accepted: Vec<_> = if types.is_empty() { offered.clone() } else { common };
    if accepted.is_empty() && !types.is_empty() {
        return Vec::new();
    }
    let started = rest.first().is_some_and(|(kind, named)| {
        *kind == ControlType::Start && named.iter().all(|name| types.is_empty() || types.contains(name))
    });
    let stopped = started && rest.get(1).is_some_and(|(kind, _)| *kind == ControlType::Stop);
    let finish = stopped.then(|| (ControlType::Finish, Vec::new()));
    [(ControlType::Accept, accepted)]
        .into_iter()
        .chain(finish)
        .collect()
}

fn check_reader(steps: &[Value], types: &[Vec<u8>], tally: &mut Tally) {
    let client = direction(steps, "c2s");
    for chunk in [1, 7, client.len().max(1)] {
        let mut reader = Reader::new(with_types(Config::new(), types));
        client.chunks(chunk).for_each(|piece| reader.feed(piece));
        assert_eq!(controls(&reader.answers), due_answers(&controls(&client), types));
    }
    let (ours, theirs) = (
        due_answers(&controls(&client), types),
        controls(&direction(steps, "s2c")),
    );
    if ours == theirs {
        return;
    }
    let their_accept = theirs.iter().find(|(kind, _)| *kind == ControlType::Accept);
    tally.rule(match their_accept {
        Some((_, named)) if !named.is_empty() && ours.is_empty() => {
            "a reader without a common type says nothing, also not what it would take"
        }
        Some((_, named)) if named.is_empty() && types.is_empty() => {
            "a reader of anything accepts what is offered, so that a Go writer keeps its type"
        }
        Some((_, named)) if named.is_empty() => "an empty ACCEPT is never a refusal: the reader closes",
        Some((_, named)) if named.len() == 1 && ours[0].1.len() > 1 && ours[0].1.starts_with(named) => {
            "ACCEPT names every common type, not the first alone"
        }
        _ if ours.starts_with(&theirs) && ours.ends_with(&[(ControlType::Finish, Vec::new())]) => {
            "STOP is always answered with FINISH"
        }
        _ => panic!("ours {ours:?}, theirs {theirs:?}"),
    });
}

/// Our writer in place of the client: offers what the client offered, and stops where it stopped.
fn check_writer(steps: &[Value], tally: &mut Tally) {
    let theirs = controls(&direction(steps, "c2s"));
    let Some((first, _)) = theirs.first() else {
        // Who says nothing wants nothing.
        return;
    };
    let mode = match first {
        ControlType::Ready => Mode::Bidirectional,
        _ => Mode::Unidirectional,
    };
    let config = with_types(Config::new().mode(mode), &theirs[0].1);
    let mut codec = FstrmCodec::new(config.frame());
    let mut machine = WriterMachine::new(config, Instant::ZERO).unwrap();
    let (mut input, mut ours) = (BytesMut::new(), Vec::new());
    for step in steps {
        match (step["dir"].as_str().unwrap(), step["hex"].is_string()) {
            ("s2c", true) => {
                input.extend(bytes(&step["hex"]));
                while let Some(frame) = codec.decode(&mut input).unwrap() {
                    machine.handle_frame(&frame.as_frame());
                }
            }
            ("s2c", false) => machine.handle_end(),
            ("c2s", true) => {
                let stops = controls(&bytes(&step["hex"]))
                    .iter()
                    .any(|(kind, _)| *kind == ControlType::Stop);
                if stops && machine.is_streaming() {
                    machine.finish(Instant::ZERO).unwrap();
                }
            }
            _ => {}
        }
        while let Some(frame) = machine.poll_transmit() {
            ours.extend(controls(frame.as_bytes()));
        }
    }
    let answers = controls(&direction(steps, "s2c"));
    if ours != theirs {
        tally.rule(why_words_differ(&ours, &theirs, &answers));
    }
    let stopped = theirs.iter().any(|(kind, _)| *kind == ControlType::Stop);
    check_writers_end(&machine, mode, &ours, &answers, stopped);
}

fn why_words_differ(ours: &[Said], theirs: &[Said], answers: &[Said]) -> &'static str {
    let second_ready = theirs.get(1).is_some_and(|(kind, _)| *kind == ControlType::Ready);
    let untyped_start = theirs.contains(&(ControlType::Start, Vec::new()));
    let start = ours.get(1).filter(|(kind, _)| *kind == ControlType::Start);
    if second_ready {
        return match start {
            Some(_) => "a writer tries all its types against ACCEPT and never sends READY twice",
            None => "a writer without a common type does not send READY again",
        };
    }
    if let (Some((_, named)), [(ControlType::Ready, offered)]) = (start, theirs) {
        assert!(
            named.first() != offered.first() && answers[0].1.contains(&named[0]),
            "ours {ours:?}"
        );
        return "a writer tries all its types against ACCEPT, also where the first one misses";
    }
    assert!(
        untyped_start
            && answers[0].1.is_empty()
            && ours[1] == (ControlType::Start, vec![ours[0].1[0].clone()]),
        "ours {ours:?}, theirs {theirs:?}"
    );
    "a writer whose ACCEPT names no type starts with its first"
}

fn check_writers_end(
    machine: &WriterMachine,
    mode: Mode,
    ours: &[Said],
    answers: &[Said],
    theirs_stopped: bool,
) {
    let has = |said: &[Said], wanted| said.iter().any(|(kind, _)| *kind == wanted);
    let stopped = has(ours, ControlType::Stop);
    let closed = Absence::Closed;
    match machine.failure() {
        None if !stopped => assert!(mode == Mode::Unidirectional && !theirs_stopped),
        None => assert!(mode == Mode::Unidirectional || has(answers, ControlType::Finish)),
        Some(HandshakeError::NoFinish { absence }) => {
            assert!(*absence == closed && stopped && !has(answers, ControlType::Finish));
        }
        Some(HandshakeError::NoAnswer { absence, .. }) => assert!(*absence == closed && answers.is_empty()),
        Some(HandshakeError::NoCommonType { ours: own, .. }) => {
            let (kind, accepted) = &answers[0];
            assert!(*kind == ControlType::Accept && !accepted.is_empty());
            assert!(
                own.iter()
                    .all(|own| !accepted.iter().any(|name| name == own.as_bytes()))
            );
        }
        Some(HandshakeError::Unexpected { .. }) => {
            let in_order = [ControlType::Accept, ControlType::Finish];
            assert!(answers.iter().map(|(kind, _)| *kind).ne(in_order), "{answers:?}");
        }
        Some(HandshakeError::ReaderGone) => assert!(!stopped && has(answers, ControlType::Accept)),
        Some(other) => panic!("{other}"),
    }
}

/// Data payloads of the file that `fstrm_capture` wrote, where the vector has its bytes.
fn file_payloads(entry: &Value) -> Option<Vec<Vec<u8>>> {
    let file = entry["server_result"]["file_hex"].as_str()?;
    let file = bytes(&file.into());
    let mut reader = FileReader::new(&file[..], Config::new()).unwrap();
    let mut payloads = Vec::new();
    while let Some(payload) = reader.next_frame().unwrap() {
        payloads.push(payload.to_vec());
    }
    Some(payloads)
}

/// Our reader with the policies of `fstrm_capture`, in its place.
fn capture_config(entry: &Value) -> Config {
    let options = list(&entry["options"]);
    let buffer = options
        .iter()
        .position(|option| option == "-b")
        .and_then(|at| options[at + 1].as_str().unwrap().parse().ok())
        // What is no size is the default there.
        .filter(|size: &u32| *size > 4)
        .unwrap_or(262_144);
    Config::new()
        .content_type(ContentType::from_static(b"protobuf:dnstap.Dnstap").unwrap())
        .data_before_start(DataBeforeStart::Accept)
        .oversize(Oversize::Skip)
        .max_data(NonZeroU32::new(buffer - 4).unwrap())
}

pub(crate) fn check_capture(file: &Value, tally: &mut Tally) {
    for entry in list(&file["vectors"]) {
        println!("  {}", entry["name"]);
        let mut reader = Reader::new(capture_config(entry));
        let (mut sent, mut theirs, mut hung_up) = (Vec::new(), Vec::new(), false);
        for step in list(&entry["steps"]) {
            if !step["send"].is_null() {
                sent.extend(bytes(&step["send"]));
                reader.feed(&bytes(&step["send"]));
            } else if !step["recv"].is_null() {
                theirs.extend(bytes(&step["recv"]));
            } else if step["client"].is_string() && !reader.over() {
                let end = reader.codec.parser().end();
                reader.machine.handle_end(end);
            }
            hung_up |= step["server"].is_string();
        }
        let same_payloads = file_payloads(entry).is_none_or(|payloads| payloads == reader.payloads);
        let same = same_payloads && reader.answers == theirs && (!hung_up || reader.over());
        if !same {
            tally.rule(why_capture_differs(&reader, &sent, &theirs));
        }
        tally.checked();
    }
}

fn why_capture_differs(reader: &Reader, sent: &[u8], theirs: &[u8]) -> &'static str {
    let controls = controls(sent);
    let first = sent
        .get(4..8)
        .map_or(0, |clen| u32::from_be_bytes(clen.try_into().unwrap()));
    if controls
        .iter()
        .any(|(kind, _)| matches!(kind, ControlType::Unknown(_)))
    {
        assert!(reader.machine.stats().ignored_controls > 0);
        "a control frame of unknown type is passed over, as documented"
    } else if (504..=512).contains(&first) {
        assert!(theirs.is_empty() && controls[0].0 == ControlType::Ready && !reader.answers.is_empty());
        "a control frame of 504 to 512 bytes is accepted"
    } else if first_frame_is_data(sent) && !controls.is_empty() {
        assert!(reader.machine.failure().is_some() && !reader.payloads.is_empty());
        "a handshake behind data that came without one is refused"
    } else {
        assert_eq!(reader.machine.end_of_stream(), Some(End::Stop));
        assert!(!reader.buffer.is_empty(), "something follows STOP");
        assert!(self::controls(&reader.answers).ends_with(&[(ControlType::Finish, Vec::new())]));
        "what follows STOP is not of the stream, and keeps no FINISH back"
    }
}

fn first_frame_is_data(sent: &[u8]) -> bool {
    sent.first_chunk::<4>().is_some_and(|len| *len != [0; 4])
}
