//! `csp call`: a request, and its reply.

use std::time::SystemTime;

use bytes::Bytes;
use csp_core::rt::{BlobError, RecvError};
use csp_core::{Address, Port};
use serde::Serialize;
use tokio::time::Instant;

use super::super::diagnosis::{Lacking, Unanswered};
use super::super::station::{Berth, Station};
use super::super::{drops, whom};
use super::send::not_cut;
use super::{Outgoing, connect, explained, outgoing, with_transport};
use crate::args::csp::message::Call;
use crate::cmd::Session;
use crate::cmd::rtt::micros;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;
use crate::units;

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    ts: String,
    node: u16,
    port: u8,
    rtt_us: u64,
    len: usize,
    data: String,
    sim: bool,
}

pub(in super::super) async fn run(session: &mut Session, args: Call) -> Result {
    let berth = Berth::of(session, &args.interface)?;
    let (remote, port) = whom::port(session, &args.target, &berth)?;
    let Outgoing { bytes, .. } = outgoing(session, &args.data).await?;
    let mut station = berth.occupy(session, args.protection.config()).await?;
    let called = call(session, &mut station, &args, (remote, port), bytes.into()).await;
    let written = session.output.flush();
    drops::summarize(session, &station);
    called.and(written)
}

async fn call(
    session: &mut Session,
    station: &mut Station,
    args: &Call,
    (remote, port): (Address, Port),
    bytes: Bytes,
) -> Result {
    let flags = with_transport(args.protection.flags(), args.transport);
    let mut connection = connect(session, station, (remote, port), flags, args.timeout).await?;
    let start = Instant::now();
    let exchange = async {
        if args.transport.sfp {
            let sent = connection.send_blob(&bytes).await;
            sent.map_err(|error| not_cut(station, error))?;
            let blob = connection
                .recv_blob(csp_core::sfp::DEFAULT_LIMIT, args.timeout)
                .await;
            return match blob {
                Ok(blob) => Ok(Some(blob)),
                Err(BlobError::Recv(RecvError::Timeout { .. })) => Ok(None),
                Err(BlobError::Assemble(error)) => Err(Failure::caused(Code::Protocol, error)),
                Err(error) => Err(Failure::caused(Code::NoReply, error)),
            };
        }
        let sent = connection.send(bytes).await;
        sent.map_err(|error| station.not_sent(error))?;
        match connection.recv_timeout(args.timeout).await {
            Ok(message) => Ok(Some(message.payload)),
            Err(RecvError::Timeout { .. }) => Ok(None),
            Err(error @ RecvError::Ended { .. }) => Err(Failure::caused(Code::NoReply, error)),
            Err(error) => Err(Failure::caused(Code::Lost, error)),
        }
    };
    let reply = session.stop.cut(exchange).await?;
    let rtt = start.elapsed();
    let Some(reply) = reply else {
        let message = format!("no reply from {remote}:{port} on {}", station.name);
        let about = Unanswered {
            remote,
            port,
            flags,
            limit: args.timeout,
            lacking: Lacking::Nothing,
        };
        drop(connection);
        let failure = Failure::new(Code::NoReply, message);
        return Err(explained(session, station, about, failure).await);
    };
    if args.transport.rdp {
        // The reply is here: nothing that the closing still brings would change it.
        let _ = session
            .stop
            .cut(async { Ok(connection.close(args.timeout).await) })
            .await?;
    }
    if args.raw && !session.output.is_json() {
        return session.output.raw(&reply);
    }
    let line = Line {
        r#type: "reply",
        ts: timestamp(SystemTime::now()),
        node: remote.to_bits(),
        port: port.to_bits(),
        rtt_us: micros(rtt),
        len: reply.len(),
        data: units::hex(&reply),
        sim: station.is_simulated(),
    };
    session.output.either(&line, |_| {
        if args.data.text {
            String::from_utf8_lossy(&reply).into_owned()
        } else {
            units::spaced_hex(&reply)
        }
    })
}
