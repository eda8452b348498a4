//! Captures of real DNS servers, field by field. Folder: `TINWIRE_VECTORS`, or the copy beside this file.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what is wrong by panicking"
)]

use core::net::IpAddr;
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
    root.join("fstrm")
}

/// Every JSON file, also in folders: its schema tells whose it is.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

/// Fields that are enumerations; a number without a name is written as one.
const NAMED: [&str; 6] = [
    "type",
    "socket_family",
    "socket_protocol",
    "http_protocol",
    "action",
    "match",
];

/// A field as the vectors write it, without the parts that are only for reading.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(fields) if fields.contains_key("hex") => fields["hex"].clone(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                (name, Value::Number(number)) if NAMED.contains(&name) => {
                    (name.into(), number.to_string().into())
                }
                ("policy", policy) => (name.clone(), bare_policy(policy)),
                _ => (name.clone(), bare(value)),
            })
            .collect(),
        other => other.clone(),
    }
}

/// The type of a policy is the one text of the schema.
fn bare_policy(policy: &Value) -> Value {
    let mut bare = bare(policy);
    if let Some(text) = policy["type"].as_str() {
        bare["type"] = hex(text.as_bytes()).into();
    }
    bare
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
            // An IPv4 address that is mapped into IPv6 is read as what it is.
            let expected: Option<IpAddr> = text.parse().ok();
            assert_eq!(ip, expected.map(|ip| ip.to_canonical()), "{name}: {text}");
        }
    }
}

/// Types and codes are compared as numbers, names as bytes: there is more than one way to write them.
#[track_caller]
fn check_dns(expected: &Value, bytes: Option<&[u8]>) {
    let Some(expected) = expected["dns"].as_object() else {
        return;
    };
    let bytes = bytes.unwrap();
    let header = Header::decode(bytes).unwrap();
    let question = Question::decode(bytes).unwrap();
    for (key, expected) in expected {
        let text = || expected.as_str().unwrap_or_else(|| panic!("{key}: {expected}"));
        match key.as_str() {
            "id" => assert_eq!(*expected, header.id, "{key}"),
            "opcode" => assert_eq!(*expected, header.opcode(), "{key}"),
            "answers" => assert_eq!(*expected, header.answers, "{key}"),
            "rcode" => assert_eq!(text().parse(), Ok(header.rcode()), "{key}"),
            "qname" | "qtype" if question.is_none() => assert!(expected.is_null(), "{key}: {expected}"),
            "qtype" => assert_eq!(text().parse(), Ok(question.unwrap().qtype), "{key}"),
            "qname" => assert_eq!(plain(text()), plain(&question.unwrap().name.to_string()), "{key}"),
            other => panic!("unknown key {other}"),
        }
    }
}

/// A name in presentation format without its escapes.
fn plain(name: &str) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::new(), name.as_bytes());
    while let [first, behind @ ..] = rest {
        let digits = behind
            .get(..3)
            .and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        (plain, rest) = match (first, digits, behind) {
            (b'\\', Some(byte), _) => ([plain, vec![byte]].concat(), &behind[3..]),
            (b'\\', None, [byte, behind @ ..]) => ([plain, vec![*byte]].concat(), behind),
            _ => ([plain, vec![*first]].concat(), behind),
        };
    }
    plain
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
        if let Some(message) = &dnstap.message {
            let expected = &vector["message"]["message"];
            check_addresses(expected, message);
            check_dns(&expected["query_message"], message.query_message);
            check_dns(&expected["response_message"], message.response_message);
        }
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
    let mut found = Vec::new();
    files(&folder(), &mut found);
    for path in found {
        let vectors: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if vectors["schema"] != "fstrm-dnstap-1" {
            let is_ours = path.parent().is_some_and(|folder| folder.ends_with("dnstap"));
            assert!(!is_ours, "{}: unknown kind", path.display());
            continue;
        }
        let messages = vectors["messages"].as_array().unwrap();
        let capture = path.with_extension("fstrm");
        let size = fs::metadata(&capture).unwrap().len();
        assert_eq!(vectors["size"], size, "{}", capture.display());
        check_capture(&capture, messages);
        check_transcript(&vectors["transcript"]);
        let name = path.strip_prefix(folder()).unwrap().display();
        println!("fstrm/{name}: {}/{}", messages.len(), messages.len());
    }
}
