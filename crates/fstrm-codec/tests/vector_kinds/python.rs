//! `python_codec.json`: calls on the Python codec object.
//!
//! Its call interface is not offered here; what it decodes and encodes is compared. A sequence is followed as
//! long as the codec is used as meant: `process` says that a frame is complete, `decode` takes it.

use bytes::{Bytes, BytesMut};
use fstrm_codec::codec::{CodecError, OwnedFrame};
use fstrm_codec::control::{BuildError, ControlLimit, Strictness};
use fstrm_codec::frame::{Beginning, EncodeError, FrameConfig};
use fstrm_codec::{ControlFrame, ControlType, FstrmCodec};
use serde_json::Value;
use tokio_util::codec::{Decoder, Encoder};

use crate::{Tally, list, unhex};

struct Followed {
    codec: FstrmCodec,
    buffer: BytesMut,
    /// `process` has said that a frame is complete.
    complete: bool,
}

pub(crate) fn check(file: &Value, tally: &mut Tally) {
    for entry in list(&file["vectors"]) {
        println!("  {}", entry["name"]);
        let config = FrameConfig::new()
            .beginning(Beginning::Any)
            .strictness(Strictness::Lenient)
            .max_data(core::num::NonZeroU32::MAX);
        let mut followed = Followed {
            codec: FstrmCodec::new(config),
            buffer: BytesMut::new(),
            complete: false,
        };
        for step in list(&entry["steps"]) {
            if !followed.step(step, tally) {
                break;
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

impl Followed {
    /// Follows one call; false when the sequence leaves what can be compared.
    fn step(&mut self, step: &Value, tally: &mut Tally) -> bool {
        let call = step["call"].as_str().unwrap();
        if let Some(data) = python_bytes(&step["args"]["data"]).filter(|_| !call.starts_with("encode")) {
            self.buffer.extend_from_slice(&data);
        }
        match call {
            "append" => true,
            "process" | "append_and_process" => {
                self.complete = step["returns"] == true;
                true
            }
            "pending_nb_bytes" => self.pending(step, tally),
            "decode" if self.complete => {
                self.complete = false;
                self.decode(step, tally)
            }
            "decode" => {
                tally.rule("a frame is not given before it is complete (Python: decode without process)");
                false
            }
            "reset" => {
                tally.rule("a length that was read is not forgotten (Python: reset)");
                false
            }
            "is_data" | "is_ctrlready" | "is_ctrlaccept" | "is_ctrlstart" => self.expect(call, step),
            encode => {
                check_encode(encode, step, tally);
                true
            }
        }
    }

    /// Bytes missing for the payload at hand, where the codec has read its length.
    fn pending(&self, step: &Value, tally: &mut Tally) -> bool {
        let state = &step["state"];
        if !(state["df_length"].as_u64().is_some_and(|len| len > 0) || state["cf_length"].is_u64()) {
            return true;
        }
        let theirs = step["returns"].as_i64().unwrap();
        if theirs < 0 {
            tally.rule("the number of missing bytes is never negative");
        }
        // The parser does not take a frame to tell; a copy of it does.
        let mut probe = self.codec.clone();
        match probe.decode(&mut self.buffer.clone()) {
            Ok(Some(_)) => assert!(theirs <= 0, "{step}"),
            Ok(None) => assert_eq!(i128::from(theirs), i128::from(probe.parser().missing()), "{step}"),
            Err(_) => return malformed(tally),
        }
        true
    }

    fn decode(&mut self, step: &Value, tally: &mut Tally) -> bool {
        let frame = match self.codec.decode(&mut self.buffer) {
            Ok(frame) => frame.unwrap_or_else(|| panic!("no frame: {step}")),
            Err(_) => return malformed(tally),
        };
        let theirs = &step["returns"];
        assert!(step["raises"].is_null(), "{step}");
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
                if rest.is_empty() {
                    assert_eq!(Some(types), python_list(&theirs[1]), "{step}");
                } else {
                    assert_eq!(types.last(), Some(&Vec::new()), "{step}");
                    tally.rule("an empty content type at the end of a control frame is read");
                }
            }
        }
        true
    }

    /// The calls that want one kind of frame and throw any other away.
    fn expect(&mut self, call: &str, step: &Value) -> bool {
        let frame = self.codec.decode(&mut self.buffer).unwrap();
        let wanted = match &frame {
            None => {
                assert_eq!(step["returns"], false, "{step}");
                return true;
            }
            Some(OwnedFrame::Data(_)) => "is_data".to_owned(),
            Some(OwnedFrame::Control(control)) => {
                format!("is_ctrl{}", control.as_control().control_type()).to_lowercase()
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
        encode_data(python_bytes(payload))
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
    let mut wire = BytesMut::new();
    match FstrmCodec::default().encode(Bytes::from(payload.ok_or(Refusal::Both)?), &mut wire) {
        Ok(()) => Ok(wire.to_vec()),
        Err(CodecError::Encode(EncodeError::EmptyFrame)) => {
            Err(Refusal::Ours("an empty data frame is refused"))
        }
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
