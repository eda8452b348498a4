//! Just as much DNS as it takes to ask a server, and to be asked by one.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::net::UdpSocket;
use std::thread::{self, JoinHandle};

use super::PATIENCE;

/// How long a server that may not be there yet gets for an answer.
const MOMENT: Duration = Duration::from_millis(100);
const HEADER_LEN: usize = 12;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) record: &'static str,
    /// What the server should say to it.
    pub(crate) rcode: &'static str,
}

impl Question {
    pub(crate) const fn new(name: &'static str, record: &'static str, rcode: &'static str) -> Self {
        Self { name, record, rcode }
    }

    fn encode(self, id: u16) -> Vec<u8> {
        encode(id, self.name, number(self.record))
    }
}

fn number(record: &str) -> u16 {
    match record {
        "A" => 1,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        other => panic!("a record {other}"),
    }
}

fn encode(id: u16, name: &str, record: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    // Recursion desired, one question.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(record.to_be_bytes());
    message.extend([0, 1]);
    message
}

/// Who asks a server over UDP.
pub(crate) struct Client {
    socket: UdpSocket,
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        Self { socket }
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// Whether there is an answer at once.
    pub(crate) fn is_answered(&self, name: &str) -> bool {
        self.socket.set_read_timeout(Some(MOMENT)).unwrap();
        let mut answer = [0; 512];
        self.socket.send(&encode(0, name, 1)).is_ok() && self.socket.recv(&mut answer).is_ok()
    }

    /// Asks these one after the other, and waits for each answer.
    pub(crate) fn ask(&self, questions: &[Question]) {
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        for (question, id) in questions.iter().zip(1..) {
            self.socket.send(&question.encode(id)).unwrap();
            let mut answer = [0; 512];
            self.socket.recv(&mut answer).unwrap();
            assert_eq!(answer[..2], id.to_be_bytes(), "{question:?}");
            let rcode = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
            assert_eq!(rcode[usize::from(answer[3] & 15)], question.rcode, "{question:?}");
        }
    }
}

/// A server of ours that says of every name the same: for resolvers to ask.
pub(crate) struct Authority {
    port: u16,
    thread: Option<JoinHandle<()>>,
}

impl Authority {
    pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);

    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let serve = move || {
            let mut query = [0; 1_500];
            loop {
                let (len, from) = socket.recv_from(&mut query).unwrap();
                if len == 0 {
                    return;
                }
                socket.send_to(&answer(&query[..len]), from).unwrap();
            }
        };
        let thread = Some(thread::spawn(serve));
        Self { port, thread }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        // Nothing is the word for the end.
        socket.send_to(&[], ("127.0.0.1", self.port)).unwrap();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(query: &[u8]) -> Vec<u8> {
    let name = query[HEADER_LEN..].iter().position(|&byte| byte == 0).unwrap();
    let question = &query[..HEADER_LEN + name + 5];
    let mut answer = question.to_vec();
    // A response with authority: one question, one record, and nothing else.
    answer[2..HEADER_LEN].copy_from_slice(&[0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    // The name of the question, a record A, a minute, four bytes.
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    answer.extend(Authority::ADDRESS.octets());
    answer
}
