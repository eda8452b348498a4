//! `flow listen`: packets of whoever asks.

use core::ops::ControlFlow;
use std::time::SystemTime;

use bytes::Bytes;
use serde::Serialize;

use super::reach::Reach;
use super::serve::{Ended, Guest, Lines, Serves, serve, shown};
use crate::args::flow::talk::Listen;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;
use crate::units;

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    ts: String,
    flow: u64,
    size: usize,
    data: String,
}

/// A packet, and the flow that it came over.
struct Came {
    flow: u64,
    packet: Bytes,
}

pub(super) async fn run(session: &mut Session, args: Listen) -> Result {
    let reach = Reach::for_accepting(session, &args.way, args.whom.text()).await?;
    let serves = if args.once { Serves::First } else { Serves::All };
    let mut left = args.count;
    let show = |session: &mut Session, Came { flow, packet }| {
        if args.raw {
            session.output.raw(&packet)?;
        } else {
            let line = Line {
                r#type: "packet",
                ts: timestamp(SystemTime::now()),
                flow,
                size: packet.len(),
                data: units::hex(&packet),
            };
            session.output.either(&line, |_| {
                if args.hex {
                    units::spaced_hex(&packet)
                } else {
                    shown(&packet)
                }
            })?;
        }
        left = left.map(|left| left - 1);
        Ok(match left {
            Some(0) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    };
    let totals = serve(session, &reach, (serves, Lines::Remark), hear, show).await?;
    if args.strict && totals.dropped > 0 {
        let message = format!("{} were dropped here", units::counted(totals.dropped, "packet"));
        return Err(Failure::new(Code::DataLost, message));
    }
    Ok(())
}

async fn hear(mut guest: Guest<Came>) -> Ended {
    loop {
        match guest.read().await {
            Ok(packet) => {
                let flow = guest.number();
                guest.tell(Came { flow, packet }).await;
            }
            Err(why) => return guest.ended(why),
        }
    }
}
