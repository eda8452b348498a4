use std::string::ToString;

use proptest::prelude::*;

use super::*;

#[track_caller]
fn parse(text: &str) -> Endpoint {
    let endpoint: Endpoint = text.parse().unwrap();
    assert_eq!(endpoint.to_string(), text);
    endpoint
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    assert_eq!(text.parse::<Endpoint>().unwrap_err().to_string(), expected);
}

fn named(host: &str, port: u16) -> HostPort {
    HostPort {
        host: Host::Named(host.into()),
        port,
    }
}

#[test]
fn every_form_reads_back_as_it_was_written() {
    assert_eq!(
        parse("unix:/run/dnstap.sock").place,
        Place::Unix("/run/dnstap.sock".into())
    );
    assert_eq!(parse("file:a+b:c.fstrm").place, Place::File("a+b:c.fstrm".into()));
    assert_eq!(parse("-").place, Place::Standard);
    assert_eq!(
        parse("tcp://host.example:6000").place,
        Place::Tcp(named("host.example", 6000))
    );
    assert_eq!(
        parse("tls://[2001:db8::1]:6001").place,
        Place::Tls(named("2001:db8::1", 6001))
    );
    assert_eq!(
        parse("tcp://[fe80::1%eth0]:6001").place,
        Place::Tcp(named("fe80::1%eth0", 6001))
    );
    let loopback = parse("listen+tcp://:0");
    assert_eq!(loopback.direction, Some(Direction::Listen));
    assert_eq!(
        loopback.place,
        Place::Tcp(HostPort {
            host: Host::Loopback,
            port: 0
        })
    );
    let all = parse("tls://*:6000");
    assert_eq!(
        all.place,
        Place::Tls(HostPort {
            host: Host::Any,
            port: 6000
        })
    );
    assert_eq!(parse("dial+unix:dnstap.sock").direction, Some(Direction::Dial));
}

#[test]
fn a_wrong_part_is_named_with_a_right_example() {
    refused(
        "capture.fstrm",
        "\"capture.fstrm\" does not say what it is; write file:capture.fstrm or unix:capture.fstrm",
    );
    refused(
        "udp://host:1",
        "unknown scheme \"udp\"; known: unix:PATH tcp://HOST:PORT tls://HOST:PORT file:PATH -",
    );
    refused(
        "tcp:host:1",
        "\"tcp:host:1\" lacks its slashes; write tcp://host:1",
    );
    refused("unix:", "unix: no path; write unix:/run/dnstap.sock");
    refused(
        "tls://",
        "tls: no host; write tls://host:6000, or tls://:6000 for this machine",
    );
    refused("tcp://host:", "\"host\" has no port; write tcp://host:6000");
    refused("tcp://[::1]", "\"[::1]\" has no port; write tcp://[::1]:6000");
    refused(
        "tcp://host:65536",
        "port \"65536\" is not in 0\u{2013}65535; write tcp://host:6000",
    );
    refused(
        "tcp://host:+1",
        "port \"+1\" is not in 0\u{2013}65535; write tcp://host:6000",
    );
    refused(
        "tcp://::1:6000",
        "an IPv6 address stands in brackets; write tcp://[::1]:6000, not \"::1:6000\"",
    );
    refused(
        "tcp://host:6000/path",
        "nothing may follow the port, not \"/path\"; write tcp://host:6000",
    );
    refused(
        "tcp://ho st:6000",
        "\"ho st\" is no host name; write tcp://host:6000",
    );
    refused("listen+-", "listen+ is for sockets; write - alone");
    refused("dial+file:x", "dial+ is for sockets; write file:x alone");
    refused(
        "dial+tls://*:6000",
        "tls://*:6000 can be listened on, not dialed; write dial+tls://host:6000",
    );
    refused(
        "",
        "empty; write unix:/run/dnstap.sock, tcp://host:6000, tls://host:6000, file:PATH or -",
    );
}

#[test]
fn the_use_decides_only_where_the_text_does_not() {
    let direction = |text: &str, default| parse(text).direction_or(default);
    assert_eq!(direction("unix:x", Direction::Listen), Some(Direction::Listen));
    assert_eq!(direction("dial+unix:x", Direction::Listen), Some(Direction::Dial));
    assert_eq!(direction("file:x", Direction::Dial), None);
}

proptest! {
    #[test]
    fn any_text_is_refused_or_written_again_as_the_same_endpoint(
        text in "((listen|dial)\\+)?(tcp://|tls://|unix:|file:|)[a-z0-9:.*+/%\\[\\]-]{0,12}"
    ) {
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            prop_assert_eq!(endpoint.to_string().parse::<Endpoint>().unwrap(), endpoint);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
        let _ = text.parse::<Endpoint>();
    }
}
