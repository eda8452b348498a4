//! `control.json`: encoding, decoding and matching of control frames.

use fstrm_codec::control::{BuildError, ControlLimit, Strictness};
use fstrm_codec::{Control, ControlFrame, ControlType};
use serde_json::Value;

use crate::{Tally, bytes, list};

pub(crate) fn check(file: &Value, tally: &mut Tally) {
    for entry in list(&file["encode"]) {
        check_encode(entry, tally);
        tally.checked();
    }
    for entry in list(&file["decode"]) {
        check_decode(entry, tally);
        tally.checked();
    }
    for entry in list(&file["match"]) {
        check_match(entry, tally);
        tally.checked();
    }
}

fn control_type(entry: &Value) -> ControlType {
    ControlType::from_bits(u32::try_from(entry["type"].as_u64().unwrap()).unwrap())
}

fn types(value: &Value) -> Vec<Vec<u8>> {
    list(value).iter().map(bytes).collect()
}

fn check_encode(entry: &Value, tally: &mut Tally) {
    let (kind, types) = (control_type(entry), types(&entry["content_types"]));
    let build = |limit| ControlFrame::build(kind, types.iter().map(Vec::as_slice), limit);
    let (whole, payload) = (&entry["c_with_header"], &entry["c_payload_only"]);
    match build(ControlLimit::Narrow) {
        Ok(frame) => {
            assert_eq!(
                (&whole["res"], &payload["res"]),
                (&"success".into(), &"success".into()),
                "{entry}"
            );
            assert_eq!(frame.as_bytes(), bytes(&whole["hex"]), "{entry}");
            assert_eq!(frame.as_bytes()[8..], bytes(&payload["hex"]), "{entry}");
            for peer in [&entry["go"], &entry["python"]] {
                if peer["hex"].is_string() {
                    assert_eq!(frame.as_bytes(), bytes(&peer["hex"]), "{entry}");
                }
            }
        }
        Err(BuildError::UnknownType { .. }) => {
            assert!(!(1..=5).contains(&kind.to_bits()), "{entry}");
            tally.rule("a control frame of unknown type is not built");
        }
        Err(BuildError::TooManyContentTypes { max, .. }) => {
            assert!(types.len() > max, "{entry}");
            tally.rule("content types that do not fit a control type are refused, not dropped or sent");
        }
        Err(BuildError::TooLong { .. }) => {
            let wide = build(ControlLimit::Wide);
            if payload["res"] == "success" {
                assert!(payload["size"].as_u64().unwrap() > 503, "{entry}");
                assert_eq!(wide.unwrap().as_bytes()[8..], bytes(&payload["hex"]), "{entry}");
                tally.rule("a control frame of 504 to 512 bytes is built only when asked for");
            } else {
                assert!(wide.is_err(), "{entry}");
            }
        }
        Err(_) => assert_eq!(payload["res"], "failure", "{entry}"),
    }
}

fn check_decode(entry: &Value, tally: &mut Tally) {
    let input = bytes(&entry["input"]);
    let (c, go) = (&entry["c"], &entry["go"]);
    let strict = Control::decode_frame(&input, Strictness::Strict);
    let lenient = Control::decode_frame(&input, Strictness::Lenient);
    let go_takes_it = go["error"] == "" && go["consumed"] == input.len();
    if c["res"] == "success" {
        assert_same(strict.unwrap(), &c["control"], entry);
        assert_eq!(strict, lenient, "{entry}");
        if go_takes_it {
            assert_same(strict.unwrap(), go, entry);
        }
    } else if let Ok(ours) = strict
        && matches!(ours.control_type(), ControlType::Unknown(_))
    {
        if go_takes_it {
            assert_same(ours, go, entry);
        }
        tally.rule("a control frame of unknown type is decoded, for the reader to pass over");
    } else {
        assert!(strict.is_err(), "{entry}");
        if go_takes_it {
            assert_same(lenient.unwrap(), go, entry);
            assert!(lenient.unwrap().irregularity().is_some(), "{entry}");
        } else if let Ok(ours) = lenient {
            assert_eq!(ours.content_types().last(), Some(&b""[..]), "{entry}");
            tally.rule("an empty content type is one, also at the end");
        }
    }
}

#[track_caller]
fn assert_same(ours: Control<'_>, theirs: &Value, entry: &Value) {
    assert_eq!(ours.control_type(), control_type(theirs), "{entry}");
    let named: Vec<_> = ours.content_types().map(<[u8]>::to_vec).collect();
    assert_eq!(named, types(&theirs["content_types"]), "{entry}");
}

fn check_match(entry: &Value, tally: &mut Tally) {
    let mut payload = control_type(entry).to_bits().to_be_bytes().to_vec();
    for name in types(&entry["content_types"]) {
        payload.extend(1_u32.to_be_bytes());
        payload.extend(u32::try_from(name.len()).unwrap().to_be_bytes());
        payload.extend(name);
    }
    let control = match Control::decode(&payload, Strictness::Lenient) {
        Ok(control) => control,
        Err(error) => {
            assert!(payload.len() > 512, "{error}: {entry}");
            return tally.rule("what no control frame has room for is not looked at");
        }
    };
    let wanted = entry["match"].as_str().map(|_| bytes(&entry["match"]));
    assert_eq!(
        control.matches(wanted.as_deref()),
        entry["c"] == "success",
        "{entry}"
    );
}
