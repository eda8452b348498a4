//! One dnstap message as a line: the quiet form of the dnstap tools, or JSON with the DNS question in fields.

use core::net::IpAddr;

use dnstap_codec::dns::{Header, Question};
use dnstap_codec::{DecodeError, Dnstap, Message, SocketProtocol, Timestamp};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::units;

/// What JSON tells of a message.
#[derive(Serialize)]
pub(super) struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<String>,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_port: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_port: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<Dns>,
}

/// What JSON tells of the DNS message inside.
#[derive(Serialize)]
struct Dns {
    len: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rcode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qtype: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qclass: Option<String>,
    data: String,
}

impl Dns {
    /// A message that is cut or garbage has its bytes and no more.
    fn of(message: &[u8]) -> Self {
        let header = Header::decode(message).ok();
        let question = Question::decode(message).ok().flatten();
        Self {
            len: message.len(),
            id: header.map(|header| header.id),
            rcode: header
                .filter(Header::is_response)
                .map(|header| header.rcode().to_string()),
            qname: question.map(|question| question.name.to_string()),
            qtype: question.map(|question| question.qtype.to_string()),
            qclass: question.map(|question| class(question.class)),
            data: units::hex(message),
        }
    }
}

pub(super) fn fields(payload: &[u8]) -> Result<Fields, DecodeError> {
    let dnstap = Dnstap::decode(payload)?;
    let message = dnstap.message.ok_or(DecodeError::Missing { field: "message" })?;
    Ok(Fields {
        ts: seen(&message).and_then(instant).map(|at| format!("{at:.9}")),
        kind: kind(&message),
        identity: dnstap
            .identity
            .map(|identity| String::from_utf8_lossy(identity).into_owned()),
        protocol: message.socket_protocol.map(protocol),
        query_address: message.query_ip(),
        query_port: message.query_port,
        response_address: message.response_ip(),
        response_port: message.response_port,
        dns: message.dns_message().map(Dns::of),
    })
}

/// `05:02:27.995759 CQ 127.0.0.1 UDP 47b "a.test." IN A`, times in UTC.
pub(super) fn line(payload: &[u8]) -> Result<String, DecodeError> {
    let dnstap = Dnstap::decode(payload)?;
    let message = dnstap.message.ok_or(DecodeError::Missing { field: "message" })?;
    let time = seen(&message).and_then(instant).map_or_else(
        || "??:??:??.??????".to_owned(),
        |at| at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S.%6f").to_string(),
    );
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    // As the dnstap tools: the address of the one who asked.
    let address = or_dash(message.query_ip().map(|ip| ip.to_string()));
    let protocol = or_dash(message.socket_protocol.map(protocol));
    let dns = message.dns_message();
    let question = match dns.map(Question::decode) {
        Some(Ok(Some(question))) => {
            format!(
                "\"{}\" {} {}",
                question.name,
                class(question.class),
                question.qtype
            )
        }
        Some(Ok(None)) => "no question".to_owned(),
        Some(Err(error)) => format!("({error})"),
        None => "no message".to_owned(),
    };
    let (kind, len) = (kind(&message), dns.map_or(0, <[u8]>::len));
    Ok(format!("{time} {kind} {address} {protocol} {len}b {question}"))
}

/// Two letters, or the number of a kind without a name.
pub(super) fn kind(message: &Message<'_>) -> String {
    message
        .message_type
        .mnemonic()
        .map_or_else(|| message.message_type.to_bits().to_string(), str::to_owned)
}

fn protocol(protocol: SocketProtocol) -> String {
    protocol
        .name()
        .map_or_else(|| protocol.to_bits().to_string(), str::to_owned)
}

/// The time of what the message tells: a response's is when it was seen, a query's likewise.
fn seen(message: &Message<'_>) -> Option<Timestamp> {
    if message.message_type.is_query() {
        message.query_time().or_else(|| message.response_time())
    } else {
        message.response_time().or_else(|| message.query_time())
    }
}

fn instant(time: Timestamp) -> Option<jiff::Timestamp> {
    let (sec, nsec) = (i64::try_from(time.sec).ok()?, i32::try_from(time.nsec).ok()?);
    jiff::Timestamp::new(sec, nsec).ok()
}

fn class(class: u16) -> String {
    match class {
        1 => "IN".into(),
        3 => "CH".into(),
        4 => "HS".into(),
        254 => "NONE".into(),
        255 => "ANY".into(),
        other => format!("CLASS{other}"),
    }
}

#[cfg(test)]
mod tests {
    use dnstap_codec::MessageType;

    use super::*;

    const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\x01\0\x01";

    fn payload(query_message: &[u8]) -> Vec<u8> {
        let mut message = Message::new(MessageType::ClientQuery);
        message.socket_protocol = Some(SocketProtocol::Udp);
        message.query_address = Some(&[127, 0, 0, 1]);
        message.query_port = Some(55_296);
        message.query_time_sec = Some(1_795_150_947);
        message.query_time_nsec = Some(995_759_123);
        message.query_message = Some(query_message);
        Dnstap::new(message).encode()
    }

    #[test]
    fn a_message_is_the_quiet_line_of_the_dnstap_tools() {
        assert_eq!(
            line(&payload(QUERY)).unwrap(),
            "05:02:27.995759 CQ 127.0.0.1 UDP 24b \"a.test.\" IN A"
        );
    }

    #[test]
    fn json_has_the_question_in_fields() {
        let text = serde_json::to_string(&fields(&payload(QUERY)).unwrap()).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"ts":"2026-11-20T05:02:27.995759123Z","kind":"CQ","protocol":"UDP","#,
                r#""query_address":"127.0.0.1","query_port":55296,"#,
                r#""dns":{"len":24,"id":4660,"qname":"a.test.","#,
                r#""qtype":"A","qclass":"IN","data":"123401000001000000000000016104746573740000010001"}}"#
            )
        );
    }

    #[test]
    fn a_cut_message_is_told_and_kept() {
        let cut = payload(QUERY.get(..15).unwrap());
        let text = line(&cut).unwrap();
        assert!(
            text.starts_with("05:02:27.995759 CQ 127.0.0.1 UDP 15b ("),
            "{text}"
        );
        let fields = fields(&cut).unwrap().dns.unwrap();
        assert_eq!((fields.len, fields.id, fields.qname), (15, Some(0x1234), None));
    }

    #[test]
    fn what_is_no_dnstap_is_an_error() {
        assert!(line(b"\xff\xff\xff").is_err());
    }
}
