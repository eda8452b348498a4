//! `fstrm relay` to a real `nats-server` with JetStream's file store.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod brokers;

use core::time::Duration;
use std::io::{BufWriter, Read as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use brokers::{
    CONTENT_TYPE, Guarded, Relay, numbered, python, read_back, write_frame, write_start, write_stop,
};
use fstrm_codec::{ControlFrame, FileReader};
use tempfile::TempDir;

/// A server that can be killed and started again with the same port and the same store.
struct Server {
    port: u16,
    store: TempDir,
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
            process: None,
        }
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
    let total = 100_000;
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
    let total = 100_000;
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
fn finish_comes_when_the_server_has_stored_the_frames_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("in.sock");
    let mut server = Server::reserved();
    let target = server.target("create=true");
    let mut relay = Relay::start(&format!("unix:{}", socket.display()), &target, &[]);
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
