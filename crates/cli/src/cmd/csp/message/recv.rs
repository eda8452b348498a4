//! `csp recv`: messages to a port of ours.

use core::time::Duration;
use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use csp_core::hmac::Key;
use csp_core::rt::{BlobError, CallError, Connection, Listener, RecvError, Socket};
use csp_core::{Address, BindError, Config, Need, Needs, Port, SocketConfig};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::diagnosis::passed_by;
use super::super::drops::{self, Told};
use super::super::station::Berth;
use crate::args::csp::message::Recv;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;
use crate::stop::Ended;
use crate::units;

/// Messages that wait to be printed, of all connections.
const QUEUE: usize = 64;
/// How long the last packets may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    ts: String,
    link: &'a str,
    src: u16,
    src_port: u8,
    dst_port: u8,
    len: usize,
    data: String,
}

/// The closing line.
#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    messages: u64,
    failed: u64,
    dropped: u64,
    dropped_by: BTreeMap<String, u64>,
}

/// What came, and from whom.
struct Arrived {
    from: (Address, Port),
    what: core::result::Result<Bytes, BlobError>,
}

/// Where messages come from.
enum Source {
    /// Single packets.
    Packets(Socket),
    /// Connections, each read by a task of its own.
    Connections {
        listener: Listener,
        readers: JoinSet<()>,
        arrived: mpsc::Receiver<Arrived>,
        tell: mpsc::Sender<Arrived>,
    },
}

pub(in super::super) async fn run(session: &mut Session, args: Recv) -> Result {
    let berth = Berth::of(session, &args.interface)?;
    if berth.iface.address.is_none() {
        return Err(
            Failure::new(Code::Usage, "who receives needs an address of its own")
                .hint("--addr ADDR/BITS, for example --addr 2/8"),
        );
    }
    let config = match &args.hmac {
        Some(phrase) => Config::default().hmac_key(Key::from_pass_phrase(phrase.as_bytes())),
        None => Config::default(),
    };
    let set_up = |node: &csp_core::rt::Node| Source::open(node, &args);
    let (mut station, mut source) = berth.occupy_with(session, config, set_up).await?;
    session.output.notice(format_args!(
        "listening on port {} of {} on {}",
        args.port,
        station.own.address(),
        station.name
    ));
    let wanted = if args.go_on {
        args.count
    } else {
        args.count.or(Some(1))
    };
    let (mut messages, mut failed) = (0, 0);
    let ended = loop {
        if wanted.is_some_and(|wanted| messages >= wanted) {
            break Ok(());
        }
        let arrived = tokio::select! {
            ended = session.stop.wait() => break stopped(ended, messages, wanted),
            told = station.drops.next() => match told {
                Told::Ended(why) => {
                    break Err(Failure::new(Code::Lost, format!("{}: {why}", station.name)));
                }
                Told::Dropped(_) | Told::Link(_) => continue,
            },
            arrived = source.next(&args) => match arrived {
                Ok(Some(arrived)) => arrived,
                Ok(None) => continue,
                Err(error) => break Err(Failure::caused(Code::Lost, error)),
            },
        };
        match arrived.what {
            Ok(payload) => {
                messages += 1;
                if let Err(closed) = show(session, &station.name, &args, arrived.from, &payload) {
                    break Err(closed);
                }
            }
            Err(error) => {
                failed += 1;
                let (node, port) = arrived.from;
                session.output.notice(format_args!("from {node}:{port}: {error}"));
            }
        }
    };
    source.close().await;
    // Whoever waits for an acknowledgement gets it with the end of the connection.
    let _ = station.node.flush(FAREWELL).await;
    station.drops.catch_up();
    let status = station.node.status();
    let summary = Summary {
        r#type: "summary",
        messages,
        failed,
        dropped: status.stats.dropped,
        dropped_by: drops::reasons(&status),
    };
    session.output.summary(&summary, |summary| {
        format!(
            "{}, {} failed, {}",
            units::counted(summary.messages, "message"),
            summary.failed,
            drops::text(summary.dropped, &summary.dropped_by)
        )
    });
    let hint = passed_by(station.own, &station.ear.heard()).filter(|_| messages == 0);
    ended.map_err(|failure| match hint {
        Some(finding) => failure.hint(finding.to_string()),
        None => failure,
    })
}

impl Source {
    fn open(node: &csp_core::rt::Node, args: &Recv) -> Result<Self> {
        let need = |is_needed| if is_needed { Need::Required } else { Need::Optional };
        let needs = Needs::default()
            .crc32(need(args.crc))
            .hmac(need(args.hmac.is_some()))
            .rdp(need(args.transport.rdp));
        let config = SocketConfig::default().needs(needs).receive_queue(1024);
        let taken = |error: CallError<BindError>| Failure::caused(Code::Usage, error);
        if !args.transport.rdp && !args.transport.sfp {
            return node.bind(args.port, config).map(Self::Packets).map_err(taken);
        }
        let (tell, arrived) = mpsc::channel(QUEUE);
        let listener = node.listen(args.port, config).map_err(taken)?;
        Ok(Self::Connections {
            listener,
            readers: JoinSet::new(),
            arrived,
            tell,
        })
    }

    /// Ends every connection.
    async fn close(self) {
        if let Self::Connections { mut readers, .. } = self {
            readers.shutdown().await;
        }
    }

    /// The next message. Dropping the future loses nothing.
    async fn next(&mut self, args: &Recv) -> core::result::Result<Option<Arrived>, RecvError> {
        match self {
            Self::Packets(socket) => {
                let message = socket.recv_from().await?;
                Ok(Some(Arrived {
                    from: (message.header.source, message.header.source_port),
                    what: Ok(message.payload),
                }))
            }
            Self::Connections {
                listener,
                readers,
                arrived,
                tell,
            } => tokio::select! {
                connection = listener.accept() => {
                    let reader = Reader {
                        is_blob: args.transport.sfp,
                        is_rdp: args.transport.rdp,
                        max_len: args.max_len,
                        quiet: args.quiet_time,
                    };
                    readers.spawn(reader.read(connection?, tell.clone()));
                    Ok(None)
                }
                Some(_) = readers.join_next() => Ok(None),
                arrived = arrived.recv() => Ok(arrived),
            },
        }
    }
}

/// How a connection is read.
#[derive(Clone, Copy)]
struct Reader {
    is_blob: bool,
    is_rdp: bool,
    max_len: u32,
    quiet: Duration,
}

impl Reader {
    /// Reads until the connection is over; a plain one has no end but silence.
    async fn read(self, mut connection: Connection, tell: mpsc::Sender<Arrived>) {
        let peers = connection.peers();
        let from = (peers.remote, peers.remote_port);
        loop {
            let what = if self.is_blob {
                connection.recv_blob(self.max_len, self.quiet).await
            } else {
                let message = connection.recv().await;
                message.map(|message| message.payload).map_err(BlobError::Recv)
            };
            match &what {
                Err(BlobError::Recv(RecvError::Timeout { .. })) if self.is_rdp => continue,
                Err(BlobError::Recv(_)) => return,
                Ok(_) | Err(_) => {}
            }
            if tell.send(Arrived { from, what }).await.is_err() {
                return;
            }
        }
    }
}

fn show(session: &mut Session, link: &str, args: &Recv, from: (Address, Port), payload: &Bytes) -> Result {
    if session.output.is_json() {
        session.output.json(&Line {
            r#type: "message",
            ts: timestamp(SystemTime::now()),
            link,
            src: from.0.to_bits(),
            src_port: from.1.to_bits(),
            dst_port: args.port.to_bits(),
            len: payload.len(),
            data: units::hex(payload),
        })?;
    } else if args.raw {
        session.output.raw(payload)?;
    } else if args.text {
        session.output.text(String::from_utf8_lossy(payload))?;
    } else {
        let line = format!("{}:{} {}", from.0, from.1, units::spaced_hex(payload));
        session.output.text(line.trim_end())?;
    }
    session.output.flush()
}

/// Being stopped is the usual end of an endless run; one that waited for a message in vain has no answer.
fn stopped(ended: Ended, messages: u64, wanted: Option<u64>) -> Result {
    if wanted.is_none() || messages > 0 {
        return Ok(());
    }
    Err(match ended {
        Ended::Deadline => Failure::new(Code::Deadline, "no message came before the deadline"),
        Ended::Signal(signal) => Failure::new(Code::Interrupted(signal), "interrupted before a message came"),
    })
}
