//! `flow echo`: every packet back, or one there and back.

use core::ops::ControlFlow;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use serde::Serialize;

use super::reach::{Reach, broken};
use super::serve::{Ended, Guest, Lines, Serves, said, serve};
use crate::args::flow::talk::Echo;
use crate::cmd::Session;
use crate::cmd::rtt::micros;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;
use crate::units;

/// What is said where nothing is to be said.
const GREETING: &str = "hello";

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line {
    Echoed {
        ts: String,
        flow: u64,
        size: usize,
    },
    Reply {
        ts: String,
        name: String,
        size: usize,
        rtt_us: u64,
        data: String,
    },
}

pub(super) async fn run(session: &mut Session, args: Echo) -> Result {
    let name = args.name.as_deref().or(args.positional.as_deref());
    if args.listen || args.name.is_some() {
        return listen(session, &args, name).await;
    }
    let Some(name) = name else {
        let failure = Failure::new(Code::Usage, "no name to ask");
        return Err(failure.hint("tinwire flow echo NAME asks; --name NAME is the service"));
    };
    ask(session, &args, name).await
}

/// A packet that went back.
struct Echoed {
    flow: u64,
    packet: Bytes,
}

async fn listen(session: &mut Session, args: &Echo, name: Option<&str>) -> Result {
    let reach = Reach::for_accepting(session, &args.way, name).await?;
    let is_quiet = args.quality.quiet;
    let show = |session: &mut Session, Echoed { flow, packet }| {
        if !is_quiet {
            let line = Line::Echoed {
                ts: timestamp(SystemTime::now()),
                flow,
                size: packet.len(),
            };
            session.output.either(&line, |_| {
                format!("Message from flow {flow} is {}.", said(&packet))
            })?;
        }
        Ok(ControlFlow::Continue(()))
    };
    serve(session, &reach, (Serves::All, Lines::Result), echo, show).await?;
    Ok(())
}

async fn echo(mut guest: Guest<Echoed>) -> Ended {
    loop {
        let packet = match guest.read().await {
            Ok(packet) => packet,
            Err(why) => return guest.ended(why),
        };
        if let Err(why) = guest.write(packet.clone()).await {
            return guest.ended(why);
        }
        let flow = guest.number();
        guest.tell(Echoed { flow, packet }).await;
    }
}

async fn ask(session: &mut Session, args: &Echo, name: &str) -> Result {
    let reach = Reach::to(session, &args.way, name).await?;
    let mut flow = reach.alloc(session, args.quality.qos).await?;
    let words = args.words.join(" ");
    let text = if words.is_empty() { GREETING } else { &words };
    let start = Instant::now();
    let exchange = async {
        flow.write(text.to_owned())
            .await
            .map_err(|error| broken(error, name))?;
        flow.read_packet().await.map_err(|error| broken(error, name))
    };
    let reply = session.stop.clone().cut(exchange).await?;
    let rtt = start.elapsed();
    let line = Line::Reply {
        ts: timestamp(SystemTime::now()),
        name: name.to_owned(),
        size: reply.len(),
        rtt_us: micros(rtt),
        data: units::hex(&reply),
    };
    let text = |_: &Line| format!("Server replied with {}", said(&reply));
    session.output.either(&line, text)?;
    session.output.flush()?;
    let _who_has_its_answer_needs_no_goodbye = flow.dealloc().await;
    Ok(())
}
