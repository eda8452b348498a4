//! `python_codec.json`: calls on the Python codec object, made on our [`PushCodec`].
//!
//! Our outcome is compared call by call, until a rule says that the two cannot be where the other is any
//! more: the Python codec has lost the frame boundaries, or ours has ended the stream. What is encoded is
//! compared to the end.

use fstrm_codec::codec::{CodecError, OwnedFrame, PushCodec};
use fstrm_codec::control::{BuildError, ControlLimit, Strictness};
use fstrm_codec::frame::{Beginning, EncodeError, FrameConfig};
use fstrm_codec::{Control, ControlFrame, ControlType};
use serde_json::Value;

use crate::{Tally, list, unhex};

pub(crate) fn check(file: &Value, tally: &mut Tally) {
    for entry in list(&file["vectors"]) {
        println!("  {}", entry["name"]);
        let config = FrameConfig::new()
            .beginning(Beginning::Any)
            .strictness(Strictness::Lenient)
            .max_data(core::num::NonZeroU32::MAX);
        let mut followed = Followed {
            codec: PushCodec::new(config),
            appended: Vec::new(),
            before: Held::default(),
        };
        let mut follows = true;
        for step in list(&entry["steps"]) {
            let call = step["call"].as_str().unwrap();
            if call.starts_with("encode") {
                check_encode(call, step, tally);
            } else if follows {
                follows = followed.step(call, step, tally);
                followed.before = Held::of(&step["state"], &followed.appended);
            }
        }
        tally.checked();
    }
}

fn python_bytes(value: &Value) -> Option<Vec<u8>> {
    value["bytes"].as_str().map(unhex)
}

/// One argument or several.
fn python_list(value: &Value) -> Option<Vec<Vec<u8>>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => items.iter().map(python_bytes).collect(),
        one => Some(vec![python_bytes(one)?]),
    }
}

/// What the Python codec holds.
#[derive(Default)]
struct Held {
    buffered: u64,
    bytes: Vec<u8>,
    data_len: Option<u64>,
    control_len: Option<u64>,
}

impl Held {
    /// A long buffer is told by its length; it is the end of all that was appended.
    fn of(state: &Value, appended: &[u8]) -> Self {
        let bytes = match state["buf"]["len"].as_u64() {
            Some(len) => appended[appended.len() - usize::try_from(len).unwrap()..].to_vec(),
            None => unhex(state["buf"].as_str().unwrap()),
        };
        Self {
            buffered: u64::try_from(bytes.len()).unwrap(),
            bytes,
            data_len: state["df_length"].as_u64(),
            control_len: state["cf_length"].as_u64(),
        }
    }

    /// Length of the payload at hand, once it was read.
    fn payload_len(&self) -> Option<u64> {
        match self.data_len {
            Some(0) => self.control_len,
            len => len,
        }
    }

    fn is_complete(&self) -> bool {
        self.payload_len().is_some_and(|len| self.buffered >= len)
    }

    /// Whether it is at a control frame that ours refuses.
    fn is_malformed(&self) -> bool {
        let Some(len) = self.control_len else { return false };
        let payload = self.bytes.get(..usize::try_from(len).unwrap());
        !(4..=512).contains(&len)
            || payload.is_some_and(|payload| Control::decode(payload, Strictness::Lenient).is_err())
    }
}

struct Followed {
    codec: PushCodec,
    appended: Vec<u8>,
    /// What the Python codec held before the step.
    before: Held,
}

impl Followed {
    /// Follows one call; false when the two part here.
    fn step(&mut self, call: &str, step: &Value, tally: &mut Tally) -> bool {
        let data = python_bytes(&step["args"]["data"]).unwrap_or_default();
        self.appended.extend_from_slice(&data);
        match call {
            "append" => {
                self.codec.append(&data);
                true
            }
            "process" | "append_and_process" => {
                let ours = self.codec.append_and_process(&data);
                let Ok(ours) = ours else {
                    assert!(Held::of(&step["state"], &self.appended).is_malformed(), "{step}");
                    return malformed(tally);
                };
                assert_eq!(step["returns"], ours, "{step}");
                true
            }
            "pending_nb_bytes" => self.pending(step, tally),
            "decode" => self.decode(step, tally),
            "reset" => {
                self.codec.reset();
                if self.before.buffered > 0 {
                    tally.rule("a reset forgets the bytes with the lengths (Python: the bytes are misread)");
                }
                self.before.buffered == 0
            }
            "is_data" | "is_ctrlready" | "is_ctrlaccept" | "is_ctrlstart" => {
                self.codec.append(&data);
                self.expect(call, step, tally)
            }
            other => panic!("unknown call {other}"),
        }
    }

    /// Bytes missing for the payload at hand, where the Python codec has read its length.
    fn pending(&self, step: &Value, tally: &mut Tally) -> bool {
        let theirs = step["returns"].as_i64().unwrap();
        let ours = i64::try_from(self.codec.pending_bytes()).unwrap();
        if self.before.is_malformed() {
            assert!(self.codec.clone().process().is_err(), "{step}");
            return malformed(tally);
        }
        if self.before.payload_len().is_some() {
            assert_eq!(ours, theirs.max(0), "{step}");
            if theirs < 0 {
                tally.rule("the number of missing bytes is never negative");
            }
        } else {
            assert_eq!(theirs, 4, "{step}");
            let in_length = i64::try_from(self.before.buffered).unwrap();
            if in_length < 4 {
                assert_eq!(ours, 4 - in_length, "{step}");
            }
            if ours != 4 {
                tally.rule("of the bytes missing, those that have come are none (Python: 4 until process)");
            }
        }
        true
    }

    fn decode(&mut self, step: &Value, tally: &mut Tally) -> bool {
        let before = &self.before;
        if before.data_len.is_none() {
            // All that waits comes back, and goes on waiting.
            assert_eq!(step["returns"][0], 0, "{step}");
            tally.rule("a frame is given once, when it is complete (Python: decode without process)");
            return true;
        }
        if before.is_malformed() {
            assert!(self.codec.decode().is_err(), "{step}");
            return malformed(tally);
        }
        if !before.is_complete() {
            // Where not even a length was looked at, ours may have the frame.
            assert!(
                before.payload_len().is_none() || self.codec.decode().unwrap().is_none(),
                "{step}"
            );
            tally.rule("a frame is not given before it is complete (Python: a part, as if it were all)");
            return false;
        }
        let frame = self.codec.decode().unwrap();
        let Some(frame) = frame else {
            panic!("no frame: {step}");
        };
        if !step["raises"].is_null() {
            return unknown(&frame, step, tally);
        }
        let theirs = &step["returns"];
        let (kind, rest) = (theirs[0].as_u64().unwrap(), python_bytes(&theirs[2]).unwrap());
        match frame {
            OwnedFrame::Data(payload) => assert!(kind == 0 && payload == rest, "{step}"),
            OwnedFrame::Skipped { .. } => panic!("no limit is set: {step}"),
            OwnedFrame::Control(control) => {
                let control = control.as_control();
                let types: Vec<_> = control.content_types().map(<[u8]>::to_vec).collect();
                assert_eq!(u64::from(control.control_type().to_bits()), kind, "{step}");
                if kind == 0 {
                    tally.rule("a control frame of type 0 is none of data");
                }
                let theirs = python_list(&theirs[1]).unwrap();
                assert!(types.starts_with(&theirs), "{step}");
                if types.len() > theirs.len() {
                    assert_eq!(types[theirs.len()..], [Vec::<u8>::new()], "{step}");
                    assert_eq!(rest, b"\0\0\0\x01\0\0\0\0", "{step}");
                    tally.rule("an empty content type at the end of a control frame is read");
                } else if !rest.is_empty() {
                    assert!(
                        matches!(control.control_type(), ControlType::Unknown(_)),
                        "{step}"
                    );
                    tally.rule("what stands in a control frame of unknown type is not judged");
                }
            }
        }
        true
    }

    /// The calls that want one kind of frame and throw any other away.
    fn expect(&mut self, call: &str, step: &Value, tally: &mut Tally) -> bool {
        let frame = match self.codec.decode() {
            Ok(frame) => frame,
            Err(CodecError::Frame(_)) => {
                // The Python codec has found nothing wrong, or waits for a length that is none, or complains.
                assert!(
                    step["returns"] != false || Held::of(&step["state"], &self.appended).is_malformed(),
                    "{step}"
                );
                return malformed(tally);
            }
            Err(other) => panic!("{other}"),
        };
        let wanted = match &frame {
            None => {
                assert_eq!(step["returns"], false, "{step}");
                return true;
            }
            Some(OwnedFrame::Data(_)) => "is_data".to_owned(),
            Some(OwnedFrame::Control(control)) => {
                let control = control.as_control();
                if control.control_type() == ControlType::Unknown(0) {
                    tally.rule("a control frame of type 0 is none of data");
                    return true;
                }
                format!("is_ctrl{}", control.control_type()).to_lowercase()
            }
            Some(OwnedFrame::Skipped { .. }) => panic!("no limit is set: {step}"),
        };
        assert_eq!(step["raises"].is_null(), wanted == call, "{step}");
        if let (Some(payload), Some(OwnedFrame::Data(ours))) = (python_bytes(&step["returns"]), frame) {
            assert_eq!(ours, payload, "{step}");
        }
        true
    }
}

/// A frame that the Python codec takes, complains of, and goes on behind.
fn unknown(frame: &OwnedFrame, step: &Value, tally: &mut Tally) -> bool {
    let OwnedFrame::Control(control) = frame else {
        panic!("nothing is wrong: {step}");
    };
    assert!(
        matches!(control.as_control().control_type(), ControlType::Unknown(_)),
        "{step}"
    );
    tally.rule("what stands in a control frame of unknown type is not judged");
    true
}

fn malformed(tally: &mut Tally) -> bool {
    tally.rule("a malformed control frame ends the stream");
    false
}

fn check_encode(call: &str, step: &Value, tally: &mut Tally) {
    let args = &step["args"];
    let kind = match call {
        "encode_data" => 0,
        "encode_ctrlaccept" => 1,
        "encode_ctrlstart" => 2,
        "encode_ctrlready" => 4,
        "encode" => args["ctrl"].as_i64().unwrap(),
        other => panic!("unknown call {other}"),
    };
    let theirs = python_bytes(&step["returns"]);
    let ours = if kind == 0 {
        let payload = if call == "encode_data" {
            &args["data"]
        } else {
            &args["payload"]
        };
        encode_data(match payload {
            Value::Null => Some(Vec::new()),
            payload => python_bytes(payload),
        })
    } else {
        encode_control(kind, python_list(&args["ct"]))
    };
    match ours {
        Ok(ours) => assert_eq!(Some(ours), theirs, "{step}"),
        Err(Refusal::Both) => assert_eq!(theirs, None, "{step}"),
        Err(Refusal::Ours(rule)) => {
            assert!(theirs.is_some(), "{step}");
            tally.rule(rule);
        }
    }
}

/// Who does not encode this.
enum Refusal {
    Both,
    Ours(&'static str),
}

/// `None` stands for an argument that is no byte string, which has no counterpart here.
fn encode_data(payload: Option<Vec<u8>>) -> Result<Vec<u8>, Refusal> {
    let config = FrameConfig::new().max_data(core::num::NonZeroU32::MAX);
    match PushCodec::new(config).encode_data(&payload.ok_or(Refusal::Both)?) {
        Ok(wire) => Ok(wire.to_vec()),
        Err(EncodeError::EmptyFrame) => Err(Refusal::Ours("an empty data frame is refused")),
        Err(other) => panic!("{other}"),
    }
}

fn encode_control(kind: i64, types: Option<Vec<Vec<u8>>>) -> Result<Vec<u8>, Refusal> {
    let kind = ControlType::from_bits(u32::try_from(kind).map_err(|_| Refusal::Both)?);
    let types = types.ok_or(Refusal::Both)?;
    match ControlFrame::build(kind, types.iter().map(Vec::as_slice), ControlLimit::Narrow) {
        Ok(frame) => Ok(frame.as_bytes().to_vec()),
        Err(BuildError::UnknownType { .. }) => Err(Refusal::Both),
        Err(BuildError::TooManyContentTypes { .. }) => Err(Refusal::Ours(
            "content types that do not fit a control type are refused, not sent",
        )),
        Err(_) => Err(Refusal::Ours("over-long content types are refused")),
    }
}
