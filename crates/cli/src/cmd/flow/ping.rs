//! `flow ping`: packets to an echo service and back, and the service itself, as oping does both.

mod message;
mod run;
mod tally;

use core::ops::ControlFlow;

use serde::Serialize;

use self::message::reply;
use super::reach::Reach;
use super::serve::{Ended, Guest, Lines, Serves, serve};
use crate::args::flow::ping::Ping;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};

pub(super) async fn run(session: &mut Session, args: Ping) -> Result {
    if args.listen {
        return listen(session, &args).await;
    }
    let Some(name) = args.whom.text() else {
        let failure = Failure::new(Code::Usage, "no name to ping");
        return Err(failure.hint("tinwire flow ping NAME, or -n NAME; -l is the service"));
    };
    run::run(session, &args, name).await
}

/// A packet that came in.
#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Heard {
    Request { flow: u64, size: usize },
    Invalid { flow: u64, size: usize },
}

async fn listen(session: &mut Session, args: &Ping) -> Result {
    let reach = Reach::for_accepting(session, &args.way, args.whom.text()).await?;
    let is_quiet = args.quality.quiet;
    let show = |session: &mut Session, heard: Heard| {
        if !is_quiet {
            session.output.either(&heard, |heard| match heard {
                Heard::Request { flow, size } => format!("Received {size} bytes on flow {flow}."),
                Heard::Invalid { flow, size } => {
                    format!("Invalid message of {size} bytes on flow {flow}.")
                }
            })?;
        }
        Ok(ControlFlow::Continue(()))
    };
    serve(session, &reach, (Serves::All, Lines::Result), answer, show).await?;
    Ok(())
}

async fn answer(mut guest: Guest<Heard>) -> Ended {
    let flow = guest.number();
    loop {
        let packet = match guest.read().await {
            Ok(packet) => packet,
            Err(why) => return guest.ended(why),
        };
        let size = packet.len();
        let heard = match reply(packet) {
            Some(reply) => {
                if let Err(why) = guest.write(reply).await {
                    return guest.ended(why);
                }
                Heard::Request { flow, size }
            }
            None => Heard::Invalid { flow, size },
        };
        guest.tell(heard).await;
    }
}
