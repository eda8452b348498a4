//! `fstrm relay` and `dnstap relay` to a real `nats-server` with JetStream's file store.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod brokers;

use core::time::Duration;
use std::io::{BufWriter, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use brokers::{
    CONTENT_TYPE, Guarded, Relay, figure, numbered, python, read_back, write_frame, write_start, write_stop,
};
use dnstap_codec::{Dnstap, MessageType};
use fstrm_codec::{ControlFrame, FileReader};
use tempfile::TempDir;

/// A server that can be killed and started again with the same port and the same store.
struct Server {
    port: u16,
    store: TempDir,
    options: Vec<String>,
    process: Option<Guarded>,
}

impl Server {
    /// A port and a store, and nobody there yet.
    fn reserved() -> Self {
        // Free now, and Linux gives it to nobody else soon.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        Self {
            port,
            store: tempfile::tempdir().unwrap(),
            options: Vec::new(),
            process: None,
        }
    }

    /// A server with these options beside those of all.
    fn with(options: &[&str]) -> Self {
        let mut server = Self::reserved();
        server.options = options.iter().map(|option| (*option).to_owned()).collect();
        server.start();
        server
    }

    fn started() -> Self {
        let mut server = Self::reserved();
        server.start();
        server
    }

    fn start(&mut self) {
        let child = Command::new(python().with_file_name("nats-server"))
            .args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-js", "-sd"])
            .arg(self.store.path())
            .args(&self.options)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(Guarded(child));
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            std::thread::yield_now();
        }
    }

    fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    fn target(&self, options: &str) -> String {
        format!("nats://127.0.0.1:{}/dns.tap?stream=TAP&{options}", self.port)
    }

    /// How many messages the stream holds.
    fn messages(&self) -> u64 {
        let code = format!(
            "import asyncio, nats\n\
             async def main():\n\
             \x20   connection = await nats.connect('nats://127.0.0.1:{}')\n\
             \x20   print((await connection.jetstream().stream_info('TAP')).state.messages)\n\
             asyncio.run(main())",
            self.port
        );
        let output = Command::new(python()).args(["-c", &code]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    fn read(&self, count: u64) -> Vec<(u64, Vec<u8>)> {
        let server = format!("nats://127.0.0.1:{}", self.port);
        read_back("nats", &[&server, "TAP", "dns.tap", &count.to_string()])
    }
}

/// Feeds numbered frames to a relay's standard input, and kills the server in the middle of them.
fn feed(relay: &mut Relay, server: &mut Server, total: u64) {
    let mut input = BufWriter::new(relay.process.0.stdin.take().unwrap());
    write_start(&mut input, CONTENT_TYPE);
    for number in 1..=total {
        write_frame(&mut input, &numbered(number));
        if number == total / 3 || number == total / 3 * 2 {
            server.kill();
            server.start();
        }
    }
    write_stop(&mut input);
}

#[test]
#[ignore = "needs nats-server and nats-py: cargo xtask setup"]
fn all_frames_are_stored_once_and_in_order_while_the_server_is_killed_twice() {
    let total = 50_000;
    let mut server = Server::started();
    let target = server.target("create=true&window=262144");
    let mut relay = Relay::start("-", &target, &["--queue", "65536"]);
    feed(&mut relay, &mut server, total);
    let (status, told) = relay.end();
    assert_eq!(status, Some(0), "{told}");
    let found = server.read(total);
    let expected: Vec<_> = (1..=total).map(|number| (number, numbered(number))).collect();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected, "in order, each once");
}

#[test]
#[ignore = "needs nats-server and nats-py: cargo xtask setup"]
fn runs_are_whole_streams_and_survive_the_server_too() {
    let total = 50_000;
    let mut server = Server::started();
    let target = server.target("create=true&batch=run&window=262144");
    let mut relay = Relay::start("-", &target, &["--queue", "65536"]);
    feed(&mut relay, &mut server, total);
    let (status, told) = relay.end();
    assert_eq!(status, Some(0), "{told}");
    let mut next = 1;
    for (first, message) in server.read(server.messages()) {
        assert_eq!(first, next);
        let mut reader = FileReader::new(&*message, fstrm_codec::Config::new()).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            assert_eq!(frame, numbered(next));
            next += 1;
        }
    }
    assert_eq!(next, total + 1);
}

#[test]
#[ignore = "needs nats-server and nats-py: cargo xtask setup"]
fn of_dnstap_what_the_sieve_leaves_is_stored_and_nothing_else() {
    let capture: &[u8] = include_bytes!("../../../examples/data/unbound.fstrm");
    let mut reader = FileReader::new(capture, fstrm_codec::Config::new()).unwrap();
    let mut all = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        all.push(frame.to_vec());
    }
    let is_wanted = |frame: &Vec<u8>| {
        let message = Dnstap::decode(frame).unwrap().message.unwrap();
        message.message_type == MessageType::ClientQuery
    };
    let wanted: Vec<_> = all.iter().filter(|frame| is_wanted(frame)).cloned().collect();
    assert!(!wanted.is_empty() && wanted.len() < all.len());
    let server = Server::started();
    let words = ["--where", "kind==CQ", "--json"];
    let relay = Relay::of("dnstap", "-", &server.target("create=true"), &words);
    let (status, told) = relay.feed_and_end(b"protobuf:dnstap.Dnstap", &all);
    assert_eq!(status, Some(0), "{told}");
    let kept = format!(
        "\"passed\":{},\"filtered\":{}",
        wanted.len(),
        all.len() - wanted.len()
    );
    assert!(told.contains(&kept), "{told}");
    let count = u64::try_from(wanted.len()).unwrap();
    let found = server.read(count);
    assert_eq!(found, (1..=count).zip(wanted).collect::<Vec<_>>());
    assert_eq!(server.messages(), count, "nothing else came");
}

#[test]
#[ignore = "needs nats-server and nats-py: cargo xtask setup"]
fn finish_comes_when_the_server_has_stored_the_frames_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("in.sock");
    let mut server = Server::reserved();
    let target = server.target("create=true");
    let input = format!("unix:{}", socket.display());
    let mut relay = Relay::start(&input, &target, &["--metrics", ":0"]);
    relay.wait_for("listening on");
    let mut peer = UnixStream::connect(&socket).unwrap();
    let ready = ControlFrame::build(
        fstrm_codec::ControlType::Ready,
        [CONTENT_TYPE],
        Default::default(),
    )
    .unwrap();
    std::io::Write::write_all(&mut peer, ready.as_bytes()).unwrap();
    let mut accept = vec![0; ready.as_bytes().len()];
    peer.read_exact(&mut accept).unwrap();
    write_start(&mut peer, CONTENT_TYPE);
    for number in 1..=10 {
        write_frame(&mut peer, &numbered(number));
    }
    write_stop(&mut peer);
    relay.wait_for("trying again");
    let mut finish = vec![0; ControlFrame::finish().as_bytes().len()];
    peer.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(
        peer.read_exact(&mut finish).is_err(),
        "nobody has stored anything"
    );
    server.start();
    peer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    peer.read_exact(&mut finish).unwrap();
    assert_eq!(finish, ControlFrame::finish().as_bytes());
    let page = relay.figures();
    let output = format!("output=\"nats://127.0.0.1:{}/dns.tap\"", server.port);
    for (name, value) in [
        (
            format!("tinwire_broker_frames_total{{{output},what=\"stored\"}}"),
            10,
        ),
        (format!("tinwire_broker_messages_total{{{output}}}"), 10),
        (
            format!("tinwire_broker_drops_total{{{output},reason=\"too-large\"}}"),
            0,
        ),
        (format!("tinwire_broker_held_frames{{{output}}}"), 0),
        ("tinwire_fstrm_frames_total{dir=\"in\"}".to_owned(), 10),
    ] {
        assert_eq!(figure(&page, &name), value, "{name}");
    }
    let expected: Vec<_> = (1..=10).map(|number| (number, numbered(number))).collect();
    assert_eq!(server.read(10), expected);
}

#[test]
#[ignore = "needs nats-server and nats-py: cargo xtask setup"]
fn a_frame_larger_than_the_server_takes_is_told_and_leaves_a_gap() {
    let server = Server::started();
    let mut relay = Relay::start("-", &server.target("create=true"), &[]);
    let mut input = relay.process.0.stdin.take().unwrap();
    write_start(&mut input, CONTENT_TYPE);
    write_frame(&mut input, &numbered(1));
    write_frame(&mut input, &vec![7; 1 << 20]);
    write_frame(&mut input, &numbered(3));
    write_stop(&mut input);
    drop(input);
    let (status, told) = relay.end();
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("too-large"), "{told}");
    assert_eq!(server.read(2), [(1, numbered(1)), (3, numbered(3))]);
}

#[test]
#[ignore = "needs nats-server: cargo xtask setup"]
fn a_subject_that_no_stream_stores_ends_the_relay_with_what_helps() {
    let server = Server::started();
    let mut relay = Relay::start("-", &server.target(""), &[]);
    let mut input = relay.process.0.stdin.take().unwrap();
    write_start(&mut input, CONTENT_TYPE);
    write_frame(&mut input, &numbered(1));
    write_stop(&mut input);
    drop(input);
    let (status, told) = relay.end();
    assert_ne!(status, Some(0));
    assert!(
        told.contains("no JetStream stream stores the subject \"dns.tap\""),
        "{told}"
    );
    assert!(told.contains("create=true"), "{told}");
}

#[test]
#[ignore = "needs nats-server: cargo xtask setup"]
fn a_relay_all_of_whose_outputs_have_failed_ends_though_they_may_lose_frames() {
    let server = Server::started();
    let words = ["--on-full", "drop-new"];
    let mut relay = Relay::start("-", &server.target(""), &words);
    // It stays open: the end comes from the other side.
    let mut input = relay.process.0.stdin.take().unwrap();
    write_start(&mut input, CONTENT_TYPE);
    write_frame(&mut input, &numbered(1));
    input.flush().unwrap();
    relay.wait_for("has failed, its frames are dropped");
    let (status, told) = relay.end();
    assert_eq!(status, Some(3), "{told}");
    drop(input);
}

/// Relays one frame, and says how that ended.
fn relay_one(target: &str) -> (Option<i32>, String) {
    Relay::start("-", target, &[]).feed_and_end(CONTENT_TYPE, &[numbered(1)])
}

#[test]
#[ignore = "needs nats-server and nats-py: cargo xtask setup"]
fn a_password_is_read_from_its_file_and_a_wrong_one_ends_the_relay() {
    let server = Server::with(&["--user", "ann", "--pass", "secret"]);
    let file = server.store.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let at = format!("127.0.0.1:{}/dns.tap?stream=TAP&create=true", server.port);
    let (status, told) = relay_one(&format!("nats://ann:wrong@{at}"));
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("authorization violation"), "{told}");
    assert!(!told.contains("wrong"), "secrets are not told: {told}");
    let (status, told) = relay_one(&format!("nats://ann@{at}&passfile={}", file.display()));
    assert_eq!(status, Some(0), "{told}");
    let (status, told) = relay_one(&format!("nats://ann:s%65cret@{at}"));
    assert_eq!(status, Some(0), "{told}");
    let place = format!("nats://ann:secret@127.0.0.1:{}", server.port);
    let found = read_back("nats", &[&place, "TAP", "dns.tap", "2"]);
    assert_eq!(found, [(1, numbered(1)), (1, numbered(1))]);
}

#[test]
#[ignore = "needs nats-server and nats-py: cargo xtask setup"]
fn a_token_opens_the_server_and_a_wrong_one_ends_the_relay() {
    let server = Server::with(&["--auth", "t0ken"]);
    let target = server.target("create=true");
    let (status, told) = relay_one(&format!("{target}&token=t1ken"));
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("authorization violation"), "{told}");
    let (status, told) = relay_one(&format!("{target}&token=t0ken"));
    assert_eq!(status, Some(0), "{told}");
    let place = format!("nats://t0ken@127.0.0.1:{}", server.port);
    assert_eq!(
        read_back("nats", &[&place, "TAP", "dns.tap", "1"]),
        [(1, numbered(1))]
    );
}

#[test]
#[ignore = "needs nats-server and nats-py: cargo xtask setup"]
fn what_one_may_not_publish_ends_the_relay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.conf");
    let text = "authorization { users = [ { user: ann, password: x, permissions: { publish: other } } ] }";
    std::fs::write(&file, text).unwrap();
    let server = Server::with(&["-c", file.to_str().unwrap()]);
    for options in ["", "?create=true"] {
        let (status, told) = relay_one(&format!(
            "nats://ann:x@127.0.0.1:{}/dns.tap{options}",
            server.port
        ));
        assert_eq!(status, Some(3), "{told}");
        assert!(told.contains("Permissions Violation for Publish"), "{told}");
    }
}

/// An authority and a certificate that it gave to this machine, as files with their keys.
fn certificates(folder: &std::path::Path, name: &str) -> [String; 3] {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(params, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let own = rcgen::CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    [
        ("ca", authority.pem()),
        ("crt", own.pem()),
        ("key", key.serialize_pem()),
    ]
    .map(|(suffix, pem)| {
        let path = folder.join(format!("{name}.{suffix}"));
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

#[test]
#[ignore = "needs nats-server and nats-py: cargo xtask setup"]
fn over_tls_both_sides_show_certificates_and_strangers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [ca, cert, key] = certificates(folder.path(), "ours");
    let [stranger, ..] = certificates(folder.path(), "strange");
    let words = [
        "--tlsverify",
        "--tlscacert",
        &ca,
        "--tlscert",
        &cert,
        "--tlskey",
        &key,
    ];
    let mut server = Server::with(&words);
    let target = server.target("create=true");
    let (status, told) = relay_one(&format!("{target}&ca={ca}&cert={cert}&key={key}"));
    assert_eq!(status, Some(0), "{told}");
    let (status, told) = relay_one(&format!("{target}&ca={stranger}&cert={cert}&key={key}"));
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("certificate"), "{told}");
    // The store tells without TLS what came over it.
    server.kill();
    server.options.clear();
    server.start();
    assert_eq!(server.read(1), [(1, numbered(1))]);
    assert_eq!(server.messages(), 1);
}

#[test]
#[ignore = "needs nats-server: cargo xtask setup"]
fn a_server_that_is_not_there_at_the_end_is_waited_for_as_long_as_asked() {
    let server = Server::reserved();
    let relay = Relay::start("-", &server.target("drain=1"), &["--json"]);
    let (status, told) = relay.feed_and_end(CONTENT_TYPE, &[numbered(1), numbered(2)]);
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("given up"), "{told}");
    assert!(told.contains("2 frames could not be delivered"), "{told}");
    let summary = told.lines().find(|line| line.contains("\"summary\"")).unwrap();
    assert!(summary.contains("\"undelivered\":2"), "{summary}");
}

#[test]
#[ignore = "needs nats-server: cargo xtask setup"]
fn a_signal_ends_the_wait_for_a_server_that_is_not_there() {
    let server = Server::reserved();
    // More than the window and the lane hold: everybody waits.
    let target = server.target("drain=3600&window=1000");
    let mut relay = Relay::start("-", &target, &["--queue", "1000"]);
    let mut input = relay.process.0.stdin.take().unwrap();
    write_start(&mut input, CONTENT_TYPE);
    for number in 1..=100 {
        write_frame(&mut input, &numbered(number));
    }
    relay.wait_for("trying again");
    relay.signal("-TERM");
    let (status, told) = relay.end();
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("could not be delivered"), "{told}");
}
