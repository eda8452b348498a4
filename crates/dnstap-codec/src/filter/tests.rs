use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::glob::Glob;
use super::*;
use crate::{Message, MessageType, Policy, PolicyAction, SocketFamily, SocketProtocol};

/// `AAAA WWW.Example.org`, id 0x1234, recursion desired.
const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03WWW\x07Example\x03org\0\0\x1c\0\x01";
/// The same name, NXDOMAIN, truncated, one authority.
const RESPONSE: &[u8] = b"\x12\x34\x83\x83\0\x01\0\0\0\x01\0\0\x03WWW\x07Example\x03org\0\0\x1c\0\x01";

fn query() -> Dnstap<'static> {
    Dnstap {
        identity: Some(b"ns1.example"),
        ..Dnstap::new(Message {
            socket_family: Some(SocketFamily::Inet),
            socket_protocol: Some(SocketProtocol::Dot),
            query_address: Some(&[192, 0, 2, 7]),
            query_port: Some(4000),
            query_time_sec: Some(100),
            query_message: Some(QUERY),
            query_zone: Some(b"\x03org\0"),
            ..Message::new(MessageType::ClientQuery)
        })
    }
}

fn response() -> Dnstap<'static> {
    Dnstap::new(Message {
        response_address: Some(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        response_time_sec: Some(100),
        query_time_sec: Some(100),
        response_time_nsec: Some(12_000_000),
        response_message: Some(RESPONSE),
        policy: Some(Policy {
            action: Some(PolicyAction::Drop),
            ..Policy::default()
        }),
        ..Message::new(MessageType::ResolverResponse)
    })
}

fn error(text: &str) -> String {
    text.parse::<Filter>().unwrap_err().to_string()
}

#[test]
fn every_field_is_compared() {
    let (query, response) = (query(), response());
    for text in [
        "kind==CQ",
        "type == client_query",
        "kind = 5",
        "kind in {RQ, CQ}",
        "kind in (cq)",
        "kind!=CR",
        "query",
        "!response",
        "not response",
        "identity == ns1.example",
        "identity ~ ns?.*",
        "identity in {\"a b\", ns1.example}",
        "!version",
        "family==4 and family == INET && family != INET6",
        "protocol==DOT && proto!=UDP && protocol in {3,7}",
        "qaddr==192.0.2.7 && qaddr in 192.0.2.0/24 && qaddr != 192.0.2.8",
        "qaddr in {2001:db8::/32, 0.0.0.0/0}",
        "qaddr == ::ffff:192.0.2.7",
        "!(qaddr in ::/0)",
        "qport>=4000 && qport<4001 && qport<=4000 && qport>3999 && qport in {1,4000}",
        "!rport && !(rport != 53)",
        "qname==www.example.ORG. && qname != example.org",
        "qname under org && qname under example.org && qname under . && qname under www.example.org",
        "!(qname under ample.org) && !(qname under a.www.example.org)",
        "qname ~ *.example.??? && qname ~ www*",
        "zone==org && zone in {net, org}",
        "qtype==AAAA && qtype==28 && qtype==TYPE28 && qtype in {A,AAAA} && qtype > A",
        "qclass==IN && opcode==QUERY",
        "!rcode && !(rcode==0) && !(rcode != 0)",
        "rd && !aa && !qr && !tc && !ra && !ad && !cd",
        "id==4660 && size==33 && answers==0",
        "!latency && !(latency < 1s)",
    ] {
        let filter: Filter = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(filter.matches(&query), "{text}");
    }
    for text in [
        "rcode==NXDOMAIN && rcode==3 && rcode!=0 && tc && ra",
        "family==6 && raddr in 2001:db8::/32",
        "latency==12ms && latency > 11.9 && latency < 0.0121s && latency >= 12000us && latency<=12000000ns",
        "authorities>0 && additionals==0",
        "policy==DROP && policy != PASS",
        "response && kind in {RR}",
        "query || response && !query",
    ] {
        let filter: Filter = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(filter.matches(&response), "{text}");
    }
}

#[test]
fn and_binds_stronger_than_or() {
    let filter: Filter = "query || response && tc".parse().unwrap();
    assert!(filter.matches(&query()));
    let filter: Filter = "(query || response) && tc".parse().unwrap();
    assert!(!filter.matches(&query()));
}

#[test]
fn a_payload_without_a_message_has_no_fields_of_one() {
    let empty = Dnstap {
        message: None,
        ..query()
    };
    for text in [
        "kind",
        "query",
        "response",
        "qname",
        "size",
        "rd",
        "kind!=CQ",
        "qaddr in ::/0",
    ] {
        assert!(!text.parse::<Filter>().unwrap().matches(&empty), "{text}");
    }
    assert!("identity".parse::<Filter>().unwrap().matches(&empty));
}

#[test]
fn errors_say_where_what_and_what_else() {
    for (text, expected) in [
        ("qtyp==A", "column 1: no field \"qtyp\"; there are kind, query"),
        (
            "  qtype==AAAAA",
            "column 10: \"AAAAA\" is no value of qtype; expected a record type such as AAAA",
        ),
        ("qname<a", "column 6: qname takes == != ~ under in, not <"),
        ("aa==1", "column 3: aa takes no operator: it is or is not, not =="),
        (
            "qtype==",
            "column 8: expected a record type such as AAAA, or a number, got the end",
        ),
        ("(query", "column 7: expected &&, || or ), got the end"),
        (
            "query response",
            "column 7: expected &&, || or the end, got \"response\"",
        ),
        ("query & rd", "column 7: unexpected character '&'"),
        ("identity==\"a", "column 11: string without a closing quote"),
        (
            "qaddr==1.2.3.4/33",
            "column 8: \"1.2.3.4/33\" is no value of qaddr",
        ),
        ("qtype in {A, }", "column 14: expected a record type"),
        ("qtype in {A B}", "column 13: expected a comma"),
        ("", "column 1: expected a field, ! or (, got the end"),
        ("ä", "column 1: no field"),
        ("latency>1h", "column 9: \"1h\" is no value of latency"),
        ("qname==a..b", "column 8: \"a..b\" is no value of qname"),
    ] {
        assert!(error(text).starts_with(expected), "{text}: {}", error(text));
    }
    assert!(error(&"rd && ".repeat(3000)).starts_with("column 1: expression of more than"));
}

#[test]
fn the_page_of_fields_is_made_of_them() {
    let rows = fields().map(|field| {
        let names: Vec<_> = field.names.iter().map(|name| format!("`{name}`")).collect();
        let signs: Vec<_> = field
            .operators
            .split_whitespace()
            .map(|sign| format!("`{sign}`"))
            .collect();
        let or_dash = |text: &str| {
            if text.is_empty() {
                "–".to_string()
            } else {
                text.to_string()
            }
        };
        let (values, signs) = (or_dash(field.values), or_dash(&signs.join(" ")));
        format!(
            "| {} | {} | {values} | {signs} |\n",
            names.join(", "),
            field.about
        )
    });
    let head = "| field | what | values | operators |\n|---|---|---|---|\n";
    let page = head.to_string() + &rows.collect::<String>();
    assert_eq!(
        include_str!("fields.md"),
        page,
        "this is what it should be:\n{page}"
    );
}

#[test]
fn operators_are_told_as_they_are_taken() {
    use super::lexer::Operator::{AtLeast, AtMost, Equal, Glob, In, Less, More, Under, Unequal};
    for info in fields() {
        let field = field::Field::named(info.names[0]).unwrap().0;
        for operator in [Equal, Unequal, Less, AtMost, More, AtLeast, Glob, Under, In] {
            let is_told = info.operators.split(' ').any(|sign| sign == operator.sign());
            assert_eq!(field.takes(operator).1, is_told, "{} {operator:?}", info.names[0]);
        }
        assert_eq!(error("nothing").matches(info.names[0]).count().min(1), 1);
    }
}

#[test]
fn deep_nesting_is_an_error_and_length_is_not() {
    for open in ["(", "!", "!("] {
        let text = format!("{}rd", open.repeat(MAX_DEPTH + 1));
        assert!(error(&text).contains("within each other"), "{open}");
    }
    let long = format!("{}rd", "rd && ".repeat(2000));
    assert!(long.parse::<Filter>().unwrap().matches(&query()));
}

#[test]
fn names_with_escapes_are_read() {
    let message = Message {
        query_message: Some(b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x04a.b\xff\0\0\x01\0\x01"),
        ..Message::new(MessageType::ClientQuery)
    };
    let dnstap = Dnstap::new(message);
    assert!(r"qname == A\.b\255".parse::<Filter>().unwrap().matches(&dnstap));
    assert!(!r"qname == a.b\255".parse::<Filter>().unwrap().matches(&dnstap));
}

/// The same question, answered the simple way.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        (Some((b'?', rest)), Some((_, behind))) => glob(rest, behind),
        (Some((byte, rest)), Some((other, behind))) => byte == other && glob(rest, behind),
        _ => false,
    }
}

proptest! {
    #[test]
    fn globs_match_what_trying_everything_matches(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
        let fast = Glob(pattern.as_bytes().to_vec()).matches(text.as_bytes());
        prop_assert_eq!(fast, glob(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn no_text_panics(text in "([a-z]{2,8}|==|!=|in|under|~|[(){}!,<>&|]|\"| |[A-Z0-9.:/*]{1,6}){0,20}") {
        if let Ok(filter) = text.parse::<Filter>() {
            let _ = (filter.matches(&query()), filter.matches(&response()));
        }
    }

    #[test]
    fn negation_inverts(word in "(qtype==A|rcode!=0|qname under org|size>3|tc|kind in \\{CQ,RR\\})") {
        let filter: Filter = word.parse().unwrap();
        let inverse: Filter = format!("!({word})").parse().unwrap();
        for dnstap in [query(), response()] {
            prop_assert_ne!(filter.matches(&dnstap), inverse.matches(&dnstap));
        }
    }
}

#[test]
fn a_pattern_of_many_stars_takes_no_time_to_speak_of() {
    let pattern = Glob("a*".repeat(2000).into_bytes());
    let text: Vec<u8> = core::iter::repeat_n(b'a', 4000).collect();
    assert!(pattern.matches(&text));
    assert!(!Glob([pattern.0, b"b".to_vec()].concat()).matches(&text));
}

#[test]
fn a_response_code_has_the_bits_of_edns() {
    // NOERROR in the header, 1 in EDNS: BADVERS.
    let dns = b"\x12\x34\x81\0\0\x01\0\0\0\0\0\x01\0\0\x02\0\x01\0\0\x29\x04\xd0\x01\0\0\0\0\0";
    let message = Message {
        response_message: Some(dns),
        ..Message::new(MessageType::ClientResponse)
    };
    for (text, holds) in [
        ("rcode==BADVERS", true),
        ("rcode==16", true),
        ("rcode!=0", true),
        ("rcode==0", false),
    ] {
        let filter: Filter = text.parse().unwrap();
        assert_eq!(filter.matches(&Dnstap::new(message)), holds, "{text}");
    }
}

#[test]
fn a_name_is_found_as_it_is_shown_in_quotes_or_not() {
    let message = Message {
        query_message: Some(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04a.b\"\x01\xff\0\0\x01\0\x01"),
        ..Message::new(MessageType::ClientQuery)
    };
    for text in [
        r#"qname=='a\.b\".\255'"#,
        r#"qname=="a\.b\".\255""#,
        r#"qname=='a\.b".\255.'"#,
        r#"qname=="a\\.b\\\".\\255""#,
    ] {
        let filter: Filter = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(filter.matches(&Dnstap::new(message)), "{text}");
    }
}
