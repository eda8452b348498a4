//! `transcripts.json`: sessions between peers, played again with one of our machines in each role.

use core::num::NonZeroU32;

use bytes::BytesMut;
use fstrm_codec::codec::OwnedFrame;
use fstrm_codec::frame::{Beginning, FrameConfig};
use fstrm_codec::handshake::{Absence, HandshakeError, Verdict};
use fstrm_codec::{
    Config, ContentType, Control, ControlType, Frame, FstrmCodec, Mode, ReaderMachine, WriterMachine,
};
use serde_json::{Value, json};
use tinwire_time::Instant;
use tokio_util::codec::Decoder;

use super::scripts::is_file_of;
use super::streams::{digest, payloads};
use crate::{Tally, bytes, latin1, list};

/// Longest frame that `fstrm_capture` takes when nothing else was said.
const CAPTURE_LIMIT: usize = 262_140;

/// What a control frame says, for comparing.
type Said = (ControlType, Vec<Vec<u8>>);

fn said(control: &Control<'_>) -> Said {
    let types = control.content_types().map(<[u8]>::to_vec);
    (control.control_type(), types.collect())
}

/// The frames in `bytes`, as far as they are well-formed; `None` for data.
fn words(bytes: &[u8]) -> Vec<Option<Said>> {
    let any = FrameConfig::new()
        .beginning(Beginning::Any)
        .max_data(NonZeroU32::MAX);
    let (mut codec, mut buffer) = (FstrmCodec::new(any), BytesMut::from(bytes));
    let frames = core::iter::from_fn(|| codec.decode(&mut buffer).ok().flatten());
    frames
        .map(|frame| match frame {
            OwnedFrame::Control(control) => Some(said(&control.as_control())),
            _ => None,
        })
        .collect()
}

fn controls(bytes: &[u8]) -> Vec<Said> {
    words(bytes).into_iter().flatten().collect()
}

/// Our reader in place of a session's server.
pub(crate) struct Reader {
    codec: FstrmCodec,
    machine: ReaderMachine,
    buffer: BytesMut,
    pub(crate) answers: Vec<u8>,
    pub(crate) payloads: Vec<Vec<u8>>,
    malformed: bool,
}

impl Reader {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            codec: FstrmCodec::new(config.frame()),
            machine: ReaderMachine::new(config, Instant::ZERO).unwrap(),
            buffer: BytesMut::new(),
            answers: Vec::new(),
            payloads: Vec::new(),
            malformed: false,
        }
    }

    pub(crate) fn over(&self) -> bool {
        self.malformed || self.machine.end_of_stream().is_some() || self.machine.failure().is_some()
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
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

/// Content types that a server was given; where that is not told, those that it accepts.
fn reader_types(server: &Value, steps: &[Value]) -> Vec<Vec<u8>> {
    let (one, many) = (&server["content_type"], &server["content_types"]);
    if one.is_null() && many.is_null() {
        let accept = controls(&direction(steps, "s2c")).into_iter().next();
        return accept.map_or(Vec::new(), |(_, named)| named);
    }
    let one = Some(one).filter(|name| name.is_string());
    list(many).iter().chain(one).map(latin1).collect()
}

pub(crate) fn check(file: &Value, tally: &mut Tally) {
    for entry in list(&file["vectors"]) {
        println!("  {}", entry["name"]);
        let mut taken = Vec::new();
        for steps in list(&entry["connections"]) {
            let steps = list(steps);
            check_told(steps);
            taken.push(check_reader(steps, &reader_types(&entry["server"], steps), tally));
            check_writer(steps, tally);
        }
        if let Some(taken) = taken.into_iter().collect::<Option<Vec<_>>>() {
            check_taken(taken, entry);
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

/// What our reader, taking `types`, ought to say to a client's frames.
fn due_answers(client: &[Option<Said>], types: &[Vec<u8>]) -> Vec<Said> {
    let Some((Some((ControlType::Ready, offered)), rest)) = client.split_first() else {
        return Vec::new();
    };
    let meets = |name: &&Vec<u8>| offered.is_empty() || offered.contains(name);
    let common = types.iter().filter(meets).cloned().collect();
    let accepted: Vec<_> = if types.is_empty() { offered.clone() } else { common };
    if accepted.is_empty() && !types.is_empty() {
        return Vec::new();
    }
    let started = rest.first().is_some_and(|start| match start {
        Some((ControlType::Start, named)) => {
            named.iter().all(|name| types.is_empty() || types.contains(name))
        }
        _ => false,
    });
    let mut known = rest
        .iter()
        .skip(1)
        .flatten()
        .filter(|(kind, _)| !matches!(kind, ControlType::Unknown(_)));
    let stopped = started && known.next().is_some_and(|(kind, _)| *kind == ControlType::Stop);
    let finish = stopped.then(|| (ControlType::Finish, Vec::new()));
    [(ControlType::Accept, accepted)]
        .into_iter()
        .chain(finish)
        .collect()
}

/// The frames that the vectors say the bytes are, as far as they are told.
fn check_told(steps: &[Value]) {
    for way in ["c2s", "s2c"] {
        let of_way = steps.iter().filter(|step| step["dir"] == way);
        let told: Vec<_> = of_way.flat_map(|step| list(&step["frames"])).cloned().collect();
        let any = FrameConfig::new()
            .beginning(Beginning::Any)
            .max_data(NonZeroU32::MAX);
        let (mut codec, mut buffer) = (FstrmCodec::new(any), BytesMut::from(&direction(steps, way)[..]));
        let frames = core::iter::from_fn(|| codec.decode(&mut buffer).ok().flatten());
        let ours: Vec<_> = frames.map(|frame| tell(&frame)).collect();
        assert!(told.is_empty() || told == ours, "{told:?} {ours:?}");
    }
}

fn tell(frame: &OwnedFrame) -> Value {
    match frame {
        OwnedFrame::Control(control) => {
            let (kind, types) = said(&control.as_control());
            let text = |name: Vec<u8>| name.into_iter().map(char::from).collect::<String>();
            let types: Vec<_> = types.into_iter().map(text).collect();
            if types.is_empty() {
                json!({ "control": kind.to_string() })
            } else {
                json!({ "control": kind.to_string(), "content_types": types })
            }
        }
        OwnedFrame::Data(payload) => json!({ "data_len": payload.len() }),
        OwnedFrame::Skipped { len } => panic!("{len} bytes skipped, without a limit"),
    }
}

/// What our reader took on all connections is what the server says it got.
fn check_taken(mut taken: Vec<Vec<Vec<u8>>>, entry: &Value) {
    let (server, result) = (&entry["server"], &entry["server_result"]);
    taken
        .iter_mut()
        .for_each(|payloads| payloads.retain(|payload| payload.len() <= CAPTURE_LIMIT));
    let one = taken.len() == 1;
    let taken = taken.concat();
    let digests: Vec<_> = taken
        .iter()
        .map(|payload| (payload.len(), digest(payload)))
        .collect();
    if server["content_type"].is_string() && result["file_size"].is_u64() && one {
        assert!(
            is_file_of(result, &latin1(&server["content_type"]), &taken),
            "{taken:?} {entry}"
        );
    } else if result["result"]["reads"].is_array() && one {
        assert_eq!(payloads(&result["result"]["reads"]), digests, "{entry}");
    }
}

/// Runs our reader; gives what it took where it and the server said the same.
fn check_reader(steps: &[Value], types: &[Vec<u8>], tally: &mut Tally) -> Option<Vec<Vec<u8>>> {
    let client = direction(steps, "c2s");
    let (mut taken, mut is_sound) = (None, false);
    for chunk in [1, 7, client.len().max(1)] {
        let mut reader = Reader::new(with_types(Config::new(), types));
        client.chunks(chunk).for_each(|piece| reader.feed(piece));
        assert_eq!(controls(&reader.answers), due_answers(&words(&client), types));
        assert!(
            taken.is_none_or(|taken| taken == reader.payloads),
            "in chunks of {chunk}"
        );
        is_sound = !reader.malformed && reader.machine.failure().is_none();
        taken = Some(reader.payloads);
    }
    let (ours, theirs) = (
        due_answers(&words(&client), types),
        controls(&direction(steps, "s2c")),
    );
    if ours == theirs {
        return taken.filter(|_| is_sound);
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
        _ if ours.starts_with(&theirs) => "a reader answers whatever is due an answer",
        _ if theirs.starts_with(&ours) => "a reader answers no more than is due an answer",
        _ => panic!("ours {ours:?}, theirs {theirs:?}"),
    });
    None
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
    let (mut input, mut sent, mut ours) = (BytesMut::new(), Vec::new(), Vec::new());
    for step in steps {
        let is_client = step["dir"] == "c2s";
        if step["hex"].is_null() {
            // A client that leaves without having got an answer has waited long enough.
            if !is_client || !machine.is_streaming() {
                machine.handle_end();
            }
        } else if is_client {
            sent.extend(bytes(&step["hex"]));
        } else {
            input.extend(bytes(&step["hex"]));
        }
        loop {
            if has(&controls(&sent), ControlType::Stop) && machine.is_streaming() {
                machine.finish(Instant::ZERO).unwrap();
            }
            while let Some(frame) = machine.poll_transmit() {
                ours.extend(controls(frame.as_bytes()));
            }
            // Behind bytes that are no frame nothing is read.
            let Ok(Some(frame)) = codec.decode(&mut input) else {
                break;
            };
            machine.handle_frame(&frame.as_frame());
        }
    }
    assert_eq!(ours, due_words(steps, &theirs[0].1, mode));
    let answers = controls(&direction(steps, "s2c"));
    if ours != theirs {
        tally.rule(why_words_differ(&ours, &theirs, &answers));
    }
    check_writers_end(&machine, mode, &ours, &answers, has(&theirs, ControlType::Stop));
}

/// What our writer, offering `types`, ought to say, and where the client stops.
fn due_words(steps: &[Value], types: &[Vec<u8>], mode: Mode) -> Vec<Said> {
    let start = |chosen: Option<&Vec<u8>>| (ControlType::Start, chosen.into_iter().cloned().collect());
    let mut is_streaming = mode == Mode::Unidirectional;
    let mut words = vec![match mode {
        Mode::Unidirectional => start(types.first()),
        Mode::Bidirectional => (ControlType::Ready, types.to_vec()),
    }];
    let (mut sent, mut heard) = (Vec::new(), Vec::new());
    for step in steps {
        let (is_client, known) = (step["dir"] == "c2s", controls(&heard).len());
        if step["hex"].is_null() {
            is_streaming &= is_client || mode == Mode::Unidirectional;
        } else if is_client {
            sent.extend(bytes(&step["hex"]));
        } else {
            heard.extend(bytes(&step["hex"]));
        }
        let mut heard = controls(&heard).into_iter().skip(known);
        loop {
            if is_streaming && has(&controls(&sent), ControlType::Stop) {
                words.push((ControlType::Stop, Vec::new()));
                is_streaming = false;
            }
            let Some((kind, accepted)) = heard.next() else {
                break;
            };
            let chosen = types
                .iter()
                .find(|own| accepted.is_empty() || accepted.contains(own));
            let is_due = words.len() == 1 && mode == Mode::Bidirectional && kind == ControlType::Accept;
            is_streaming = is_due && (chosen.is_some() || types.is_empty());
            if is_streaming {
                words.push(start(chosen));
            }
        }
    }
    words
}

fn has(said: &[Said], wanted: ControlType) -> bool {
    said.iter().any(|(kind, _)| *kind == wanted)
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
    match (start, theirs) {
        (Some((_, named)), [(ControlType::Ready, offered)]) if named.first() != offered.first() => {
            "a writer tries all its types against ACCEPT, also where the first one misses"
        }
        (Some((_, named)), _) if untyped_start && !named.is_empty() && answers[0].1.is_empty() => {
            "a writer whose ACCEPT names no type starts with its first"
        }
        (None, [_, (ControlType::Start, _), ..]) => "a writer without a common type does not start",
        _ if theirs.starts_with(ours) => "a writer says no more when its reader has gone",
        _ if ours.starts_with(theirs) => "a writer starts when it is let",
        _ => "a writer says what its table says, whatever the client said",
    }
}

fn check_writers_end(
    machine: &WriterMachine,
    mode: Mode,
    ours: &[Said],
    answers: &[Said],
    theirs_stopped: bool,
) {
    let stopped = has(ours, ControlType::Stop);
    let closed = Absence::Closed;
    match machine.failure() {
        None if !stopped => assert!(!theirs_stopped || !has(ours, ControlType::Start)),
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
