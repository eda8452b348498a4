//! unbound: its own sender of Frame Streams, with and without a handshake, over TCP and TLS.

use core::net::Ipv4Addr;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use testkit::compat::{Direction, Outcome};

use crate::place::Place;
use crate::server::{CONFIGURATION, Server};
use crate::servers::collector::{Collector, FILE, lines, messages, wait_for_lines};
use crate::servers::daemon::Daemon;
use crate::servers::dns::{Authority, Question};
use crate::servers::{wait_for, zone};
use crate::story;

pub(crate) const SERVER: Server = Server {
    peer: "unbound",
    package: "unbound",
    command: &["unbound", "-d", "-c", CONFIGURATION],
    configuration: |here, port| configuration(here, port, &to_socket(here), ""),
    kinds: ["CQ", "CR"],
    questions: zone::OWN,
    tells: &[
        ("/identity", "ours"),
        ("/version", "of today"),
        ("/message/socket_protocol", "UDP"),
        ("/message/query_address", "127.0.0.1"),
    ],
    keeps_from: Some("set reconnect attempt"),
};

/// One that answers for a zone of its own, with these lines on dnstap, and more behind them.
fn configuration(here: &Path, port: u16, dnstap: &str, more: &str) -> String {
    let here = here.display();
    format!(
        "server:
  interface: 127.0.0.1@{port}
  port: {port}
  username: \"\"
  chroot: \"\"
  directory: \"{here}\"
  pidfile: \"\"
  use-syslog: no
  verbosity: 4
  num-threads: 1
  module-config: \"iterator\"
  qname-minimisation: no
  do-not-query-localhost: no
  local-zone: \"tinwire.test.\" static
  local-data: \"ready.tinwire.test. A 192.0.2.1\"
  local-data: \"www.tinwire.test. A 192.0.2.7\"
  local-data: \"www.tinwire.test. AAAA 2001:db8::7\"
  local-data: \"mail.tinwire.test. MX 10 www.tinwire.test.\"
remote-control:
  control-enable: no
dnstap:
  dnstap-enable: yes
  dnstap-send-identity: yes
  dnstap-identity: \"ours\"
  dnstap-send-version: yes
  dnstap-version: \"of today\"
  dnstap-log-client-query-messages: yes
  dnstap-log-client-response-messages: yes
  {dnstap}
{more}"
    )
}

fn start(place: &Place, dnstap: &str, more: &str) -> Daemon {
    SERVER.start_with(place, |here, port| configuration(here, port, dnstap, more))
}

fn to_socket(here: &Path) -> String {
    format!("dnstap-socket-path: \"{}\"", here.join("tap").display())
}

#[test]
#[ignore = "needs unbound: cargo xtask setup"]
fn unbound_sends_each_question_and_answer_and_ends_well() {
    story::ends_well(&SERVER);
}

#[test]
#[ignore = "needs unbound: cargo xtask setup"]
fn unbound_that_ends_or_is_killed_is_followed_by_the_next_one() {
    story::is_followed_by_the_next(&SERVER);
}

#[test]
#[ignore = "needs unbound: cargo xtask setup"]
fn unbound_finds_the_next_collector_when_one_ends_or_is_killed() {
    story::finds_the_next_collector(&SERVER);
}

#[test]
#[ignore = "needs unbound: cargo xtask setup"]
fn unbound_without_a_handshake_is_taken_by_a_collector_that_expects_none() {
    for handshake in ["unidirectional", "either"] {
        let place = Place::new();
        let collector = Collector::start(&place, &["unix:tap", "--handshake", handshake]);
        let words = format!("dnstap-bidirectional: no\n  {}", to_socket(place.path()));
        let unbound = start(&place, &words, "");
        SERVER.check(&place, collector, unbound);
    }
    SERVER.report("Unix socket").row(
        Direction::FromPeer,
        "handshake: unidirectional",
        Outcome::Works,
        "--handshake unidirectional and either",
    );
}

#[test]
#[ignore = "needs unbound: cargo xtask setup"]
fn unbound_without_a_handshake_is_refused_by_a_collector_that_expects_one() {
    let place = Place::new();
    let collector = Collector::start(&place, &["unix:tap"]);
    let words = format!("dnstap-bidirectional: no\n  {}", to_socket(place.path()));
    let unbound = start(&place, &words, "");
    for _ in 0..2 {
        let failed = collector.hears("failed");
        let message = failed["message"].as_str().unwrap();
        let words = "expected READY, got START; --handshake either takes both";
        assert!(message.ends_with(words), "{message}");
    }
    drop(unbound);
    let summary = collector.stop();
    assert_eq!(summary["frames"], 0, "{summary}");
    SERVER.report("Unix socket").row(
        Direction::FromPeer,
        "handshake: unidirectional, unexpected",
        Outcome::PeerFails,
        "closed by us and told; unbound tries again",
    );
}

#[test]
#[ignore = "needs unbound: cargo xtask setup"]
fn unbound_sends_over_tcp() {
    let place = Place::new();
    let collector = Collector::start(&place, &["tcp://127.0.0.1:0"]);
    let words = format!("dnstap-ip: 127.0.0.1@{}\n  dnstap-tls: no", collector.port());
    let unbound = start(&place, &words, "");
    SERVER.check(&place, collector, unbound);
    SERVER.report("TCP").row(
        Direction::FromPeer,
        "handshake: bidirectional",
        Outcome::Works,
        "what was asked and answered, in order; ends with STOP",
    );
}

/// Writes `ca.crt`, and a certificate for each of these.
fn sign(place: &Place, names: &[&str]) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    place.write("ca.crt", issuer.pem());
    for name in names {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([(*name).to_owned()]).unwrap();
        // A name other than its issuer's, or OpenSSL takes it for its own issuer.
        params.distinguished_name.push(DnType::CommonName, *name);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        place.write(&format!("{name}.crt"), certificate.pem());
        place.write(&format!("{name}.key"), key.serialize_pem());
    }
}

const TLS: [&str; 5] = [
    "tls://127.0.0.1:0",
    "--tls-cert",
    "collector.test.crt",
    "--tls-key",
    "collector.test.key",
];

fn to_tls(place: &Place, port: u16, name: &str) -> String {
    format!(
        "dnstap-ip: 127.0.0.1@{port}
  dnstap-tls: yes
  dnstap-tls-server-name: \"{name}\"
  dnstap-tls-cert-bundle: \"{}\"",
        place.path().join("ca.crt").display()
    )
}

#[test]
#[ignore = "needs unbound: cargo xtask setup"]
fn unbound_sends_over_tls_and_shows_its_certificate_when_asked() {
    for asks_for_certificate in [false, true] {
        let place = Place::new();
        sign(&place, &["collector.test", "unbound.test"]);
        let mut words = TLS.to_vec();
        if asks_for_certificate {
            words.extend(["--tls-client-ca", "ca.crt"]);
        }
        let collector = Collector::start(&place, &words);
        let mut words = to_tls(&place, collector.port(), "collector.test");
        if asks_for_certificate {
            let file = |name| place.path().join(name).display().to_string();
            words.push_str(&format!(
                "\n  dnstap-tls-client-cert-file: \"{}\"\n  dnstap-tls-client-key-file: \"{}\"",
                file("unbound.test.crt"),
                file("unbound.test.key")
            ));
        }
        let unbound = start(&place, &words, "");
        SERVER.check(&place, collector, unbound);
    }
    SERVER.report("TLS").row(
        Direction::FromPeer,
        "handshake: bidirectional",
        Outcome::Works,
        "with and without a certificate of unbound's",
    );
}

#[test]
#[ignore = "needs unbound: cargo xtask setup"]
fn unbound_without_a_certificate_gets_nowhere_where_one_is_wanted() {
    let place = Place::new();
    sign(&place, &["collector.test"]);
    let words = [&TLS, ["--tls-client-ca", "ca.crt"].as_slice()].concat();
    let collector = Collector::start(&place, &words);
    let words = to_tls(&place, collector.port(), "collector.test");
    let unbound = start(&place, &words, "");
    unbound.client().ask(SERVER.questions);
    wait_for("a second attempt", || {
        (unbound.has_said("set reconnect attempt") >= 2).then_some(())
    });
    drop(unbound);
    let summary = collector.stop();
    assert_eq!(summary["frames"], 0, "{summary}");
    SERVER.report("TLS").row(
        Direction::FromPeer,
        "certificate: missing",
        Outcome::Works,
        "refused by us; unbound tries again",
    );
}

#[test]
#[ignore = "needs unbound: cargo xtask setup"]
fn what_unbound_asks_others_has_both_ends_and_the_zone() {
    let place = Place::new();
    let authority = Authority::start();
    let collector = Collector::start(&place, &["unix:tap"]);
    let words = format!(
        "{}
  dnstap-log-resolver-query-messages: yes
  dnstap-log-resolver-response-messages: yes",
        to_socket(place.path())
    );
    let stub = format!(
        "stub-zone:\n  name: \"far.example.\"\n  stub-addr: 127.0.0.1@{}\n",
        authority.port()
    );
    let unbound = start(&place, &words, &stub);
    let question = Question::new("www.far.example.", "A", "NOERROR");
    unbound.client().ask(&[question]);
    let [client, resolver] = [SERVER.kinds, ["RQ", "RR"]].map(|kinds| lines(kinds, &[question]));
    let expected = [&client[..1], &resolver, &client[1..]].concat();
    assert_eq!(wait_for_lines(&place, FILE, expected.len()), expected);
    let messages = messages(&place, FILE);
    for message in &messages[1..3] {
        let message = &message["message"];
        assert_eq!(message["response_address"], Ipv4Addr::LOCALHOST.to_string());
        assert_eq!(message["response_port"], authority.port());
        assert_eq!(message["query_zone"], "far.example.");
    }
    let answer = &messages[2]["message"]["response_dns"]["answer"][0];
    assert_eq!(answer["data"]["address"], Authority::ADDRESS.to_string());
    drop(unbound);
    collector.stop();
    SERVER.report("Unix socket").row(
        Direction::FromPeer,
        "messages: RQ and RR",
        Outcome::Works,
        "of a stub zone, with the server's address and port, and the zone",
    );
}
