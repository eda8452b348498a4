//! `csp send`: a message, a file, or standard input, to a port of a node.

use core::time::Duration;
use std::time::SystemTime;

use bytes::Bytes;
use csp_core::rt::{BlobError, CloseError, Connection};
use csp_core::{Address, Port};
use serde::Serialize;

use super::super::station::{Berth, Station};
use super::super::{drops, whom};
use super::{Outgoing, connect, outgoing, room, with_transport};
use crate::args::csp::message::Send;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::output::{Progress, timestamp};
use crate::units;

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    ts: String,
    node: u16,
    port: u8,
    bytes: u64,
    packets: u64,
    /// Whether the other end told that it has them; only RDP does.
    acknowledged: bool,
    sim: bool,
}

pub(in super::super) async fn run(session: &mut Session, args: Send) -> Result {
    let berth = Berth::of(session, &args.interface)?;
    let (remote, port) = whom::port(session, &args.target, &berth)?;
    let Outgoing { bytes, is_typed } = outgoing(session, &args.data).await?;
    if bytes.is_empty() && (args.transport.sfp || !is_typed) {
        return Err(Failure::new(Code::Usage, "there is nothing in the message"));
    }
    let mut station = berth.occupy(session, args.protection.config()).await?;
    let what = (Bytes::from(bytes), is_typed);
    let sent = send(session, &mut station, &args, (remote, port), what).await;
    let written = session.output.flush();
    drops::summarize(session, &station);
    sent.and(written)
}

async fn send(
    session: &mut Session,
    station: &mut Station,
    args: &Send,
    (remote, port): (Address, Port),
    (bytes, is_typed): (Bytes, bool),
) -> Result {
    let flags = with_transport(args.protection.flags(), args.transport);
    let room = room(flags);
    let connection = connect(session, station, (remote, port), flags, args.timeout).await?;
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let mut bar = session.output.progress(len);
    let sending = async {
        let packets = if args.transport.sfp {
            connection
                .send_blob(&bytes)
                .await
                .map_err(|error| not_cut(station, error))?;
            len.div_ceil(u64::try_from(room - csp_core::sfp::TRAILER_LEN).unwrap_or(1))
        } else if is_typed {
            let sent = connection.send(bytes).await;
            sent.map_err(|error| station.not_sent(error))?;
            1
        } else {
            in_packets(station, &connection, bytes, room, &mut bar).await?
        };
        let is_rdp = args.transport.rdp;
        settle(station, connection, is_rdp, args.timeout).await?;
        Ok(packets)
    };
    let packets = session.stop.cut(sending).await?;
    bar.clear();
    let line = Line {
        r#type: "sent",
        ts: timestamp(SystemTime::now()),
        node: remote.to_bits(),
        port: port.to_bits(),
        bytes: len,
        packets,
        acknowledged: args.transport.rdp,
        sim: station.is_simulated(),
    };
    session.output.either(&line, |line| {
        let acknowledged = if line.acknowledged { ", acknowledged" } else { "" };
        format!(
            "{} sent to {remote}:{port} in {}{acknowledged}",
            units::counted(line.bytes, "byte"),
            units::counted(line.packets, "packet")
        )
    })
}

async fn in_packets(
    station: &Station,
    connection: &Connection,
    bytes: Bytes,
    room: usize,
    bar: &mut Progress,
) -> Result<u64> {
    let (mut rest, len) = (bytes.clone(), bytes.len());
    let mut packets = 0;
    while !rest.is_empty() {
        let part = rest.split_to(room.min(rest.len()));
        let sent = connection.send(part).await;
        sent.map_err(|error| station.not_sent(error))?;
        packets += 1;
        let done = u64::try_from(len - rest.len()).unwrap_or(u64::MAX);
        bar.show(done, &format!("{done} of {len} bytes"));
    }
    Ok(packets)
}

/// Waits until the packets have left, or over RDP have arrived.
async fn settle(station: &Station, connection: Connection, is_rdp: bool, limit: Duration) -> Result {
    if is_rdp {
        let closed = connection.close(limit).await;
        closed.map_err(|error| match error {
            CloseError::Unacknowledged { .. } => Failure::caused(Code::NoReply, error),
            error => Failure::caused(Code::Lost, error),
        })?;
    }
    let flushed = station.node.flush(limit).await;
    flushed.map_err(|error| Failure::caused(Code::NotSent, error).context(&station.name))
}

pub(super) fn not_cut(station: &Station, error: BlobError) -> Failure {
    match error {
        BlobError::Send(error) => station.not_sent(error),
        error => Failure::caused(Code::NotSent, error),
    }
}
