//! Captures of real DNS servers, field by field. Folder: `TINWIRE_VECTORS`, or the copy beside this file.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what is wrong by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

use dnstap_codec::dns::{Header, Question};
use dnstap_codec::{CONTENT_TYPE, Dnstap, Message};
use fstrm_codec::{Config, ContentType, Control, FileReader, Frame, FrameConfig, Parser};
use serde_json::{Map, Value, json};

fn folder() -> PathBuf {
    let root = std::env::var_os("TINWIRE_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"),
        PathBuf::from,
    );
    root.join("fstrm/dnstap")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

/// A field as the vectors write it, without the parts that are only for reading.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(fields) if fields.contains_key("hex") => fields["hex"].clone(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), bare(value)))
            .collect(),
        other => other.clone(),
    }
}

fn insert(fields: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(name.into(), value.into());
    }
}

fn message_fields(message: &Message<'_>) -> Value {
    let mut fields = Map::new();
    insert(&mut fields, "type", Some(message.message_type.to_string()));
    insert(
        &mut fields,
        "socket_family",
        message.socket_family.map(|value| value.to_string()),
    );
    insert(
        &mut fields,
        "socket_protocol",
        message.socket_protocol.map(|value| value.to_string()),
    );
    insert(&mut fields, "query_address", message.query_address.map(hex));
    insert(&mut fields, "response_address", message.response_address.map(hex));
    insert(&mut fields, "query_port", message.query_port);
    insert(&mut fields, "response_port", message.response_port);
    insert(&mut fields, "query_time_sec", message.query_time_sec);
    insert(&mut fields, "query_time_nsec", message.query_time_nsec);
    insert(&mut fields, "query_message", message.query_message.map(hex));
    insert(&mut fields, "query_zone", message.query_zone.map(hex));
    insert(&mut fields, "response_time_sec", message.response_time_sec);
    insert(&mut fields, "response_time_nsec", message.response_time_nsec);
    insert(&mut fields, "response_message", message.response_message.map(hex));
    insert(
        &mut fields,
        "http_protocol",
        message.http_protocol.map(|value| value.to_string()),
    );
    if let Some(policy) = message.policy {
        let mut inner = Map::new();
        insert(&mut inner, "type", policy.policy_type.map(hex));
        insert(&mut inner, "rule", policy.rule.map(hex));
        insert(&mut inner, "action", policy.action.map(|value| value.to_string()));
        insert(&mut inner, "match", policy.matched.map(|value| value.to_string()));
        insert(&mut inner, "value", policy.value.map(hex));
        fields.insert("policy".into(), inner.into());
    }
    fields.into()
}

fn fields(dnstap: &Dnstap<'_>) -> Value {
    let mut fields = Map::new();
    insert(&mut fields, "identity", dnstap.identity.map(hex));
    insert(&mut fields, "version", dnstap.version.map(hex));
    insert(&mut fields, "extra", dnstap.extra.map(hex));
    insert(
        &mut fields,
        "message",
        dnstap.message.as_ref().map(message_fields),
    );
    insert(&mut fields, "type", Some(dnstap.dnstap_type.to_string()));
    fields.into()
}

/// Addresses as text, where the vector has them.
#[track_caller]
fn check_addresses(expected: &Value, message: &Message<'_>) {
    let addresses = [
        ("query_address", message.query_ip()),
        ("response_address", message.response_ip()),
    ];
    for (name, ip) in addresses {
        if let Some(text) = expected[name]["text"].as_str() {
            assert_eq!(ip.map(|ip| ip.to_string()).as_deref(), Some(text), "{name}");
        }
    }
}

#[track_caller]
fn check_dns(expected: &Value, bytes: Option<&[u8]>) {
    if expected["dns"].is_null() {
        return;
    }
    let bytes = bytes.unwrap();
    let header = Header::decode(bytes).unwrap();
    let question = Question::decode(bytes).unwrap();
    let ours = json!({
        "id": header.id,
        "opcode": header.opcode(),
        "rcode": header.rcode().to_string(),
        "qname": question.map(|question| question.name.to_string()),
        "qtype": question.map(|question| question.qtype.to_string()),
        "answers": header.answers,
    });
    assert_eq!(ours, expected["dns"]);
}

fn check_capture(path: &Path, vectors: &[Value]) {
    let dnstap = ContentType::from_static(CONTENT_TYPE).unwrap();
    let mut reader = FileReader::open(path, Config::new().content_type(dnstap)).unwrap();
    for (index, vector) in vectors.iter().enumerate() {
        let at = format!("{} message {index}", path.display());
        let frame = reader
            .next_frame()
            .unwrap()
            .unwrap_or_else(|| panic!("{at}: end"))
            .to_vec();
        assert_eq!(vector["offset"], reader.offset(), "{at}");
        assert_eq!(vector["frame_length"], frame.len(), "{at}");
        let dnstap = Dnstap::decode(&frame).unwrap_or_else(|error| panic!("{at}: {error}"));
        assert_eq!(fields(&dnstap), bare(&vector["message"]), "{at}");
        let (expected, message) = (&vector["message"]["message"], dnstap.message.unwrap());
        check_addresses(expected, &message);
        check_dns(&expected["query_message"], message.query_message);
        check_dns(&expected["response_message"], message.response_message);
        let differs = vector["reserialization_differs"].as_bool().unwrap_or(false);
        assert_eq!(dnstap.encode() != frame, differs, "{at}: encoding again");
        assert_eq!(Dnstap::decode(&dnstap.encode()), Ok(dnstap), "{at}");
    }
    assert_eq!(
        reader.next_frame().unwrap(),
        None,
        "{}: more messages",
        path.display()
    );
}

/// The frames of one direction's bytes, as the vectors write them, as far as the bytes go.
fn frames(bytes: &[u8]) -> Vec<Value> {
    let mut parser = Parser::new(FrameConfig::new().beginning(fstrm_codec::frame::Beginning::Any));
    let mut rest = bytes;
    let mut frames = Vec::new();
    while let Some(frame) = { parser.parse(rest).unwrap() }.frame {
        rest = &bytes[usize::try_from(parser.offset()).unwrap()..];
        frames.push(match frame {
            Frame::Control(control) => control_fields(&control),
            Frame::Data(payload) => json!({ "data_len": payload.len() }),
            Frame::Skipped { len } => json!({ "skipped": len }),
        });
    }
    frames
}

fn control_fields(control: &Control<'_>) -> Value {
    let types: Vec<_> = control
        .content_types()
        .map(|name| name.iter().copied().map(char::from).collect::<String>())
        .collect();
    let name = control.control_type().to_string();
    if types.is_empty() {
        json!({ "control": name })
    } else {
        json!({ "control": name, "content_types": types })
    }
}

/// The bytes are cut short in these files; what is there is checked.
fn check_transcript(connections: &Value) {
    for step in connections
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|steps| steps.as_array().unwrap())
    {
        let Some(text) = step["hex"].as_str() else {
            continue;
        };
        let expected = step["frames"].as_array().unwrap();
        let ours = frames(&unhex(text));
        assert_eq!(ours, expected[..ours.len()], "{step}");
        assert!(
            step["hex_truncated"] == true || ours.len() == expected.len(),
            "{step}"
        );
    }
}

#[test]
fn every_captured_message_is_read_to_its_last_field() {
    let Ok(folder) = fs::read_dir(folder()) else {
        println!("fstrm/dnstap: 0/0 (no such folder)");
        return;
    };
    for entry in folder {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let vectors: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            vectors["schema"],
            "fstrm-dnstap-1",
            "{}: unknown kind",
            path.display()
        );
        let messages = vectors["messages"].as_array().unwrap();
        check_capture(&path.with_extension("fstrm"), messages);
        check_transcript(&vectors["transcript"]);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        println!("fstrm/dnstap/{name}: {}/{}", messages.len(), messages.len());
    }
}
