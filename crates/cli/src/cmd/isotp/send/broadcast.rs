//! `isotp send -C`: a long message to all, without waiting for anybody.
//!
//! The machine is the usual one; what it waits for is given to it by ourselves. Linux has the same as
//! `CF_BROADCAST`. It is not in the standard: whoever does not follow loses, and nobody notices.

use bytes::Bytes;
use can_link::CanFrame;
use can_link::address::LinkAddress;
use can_link::link::{CanTxExt as _, SendError};
use isotp::{Address, BytesChannel, Config, Event, PaddingCheck, Target};
use tinwire_time::Origin;

use super::record;
use crate::args::isotp::endpoint::Backend;
use crate::args::isotp::send::{Rounds, Send};
use crate::cmd::Session;
use crate::cmd::isotp::endpoint;
use crate::failure::{Code, Failure, Result};
use crate::links::{self, AnyLink};

/// "Go on, all of it, without a gap."
const CONTINUE: [u8; 3] = [0x30, 0x00, 0x00];

pub(super) async fn run(
    session: &mut Session,
    args: &Send,
    named: Option<&str>,
    address: Address,
    config: Config,
    message: &Bytes,
) -> Result {
    if args.endpoint.backend == Backend::Kernel {
        let message = "-C: this program does it, not the kernel; leave out --backend kernel";
        return Err(Failure::new(Code::Usage, message));
    }
    if args.answer.is_some() {
        return Err(Failure::new(
            Code::Usage,
            "-C: nothing is received, so there is no --answer",
        ));
    }
    let config = endpoint::configure(session.guise, &args.endpoint, config)?;
    let address_of_link = endpoint::link(session, &args.endpoint, named)?;
    if let LinkAddress::IsotpServer(_) = address_of_link {
        return Err(Failure::new(
            Code::Usage,
            "-C: an isotpserver decides itself how it sends",
        ));
    }
    let opening = links::open(&session.door, &address_of_link);
    let mut opened = session.stop.cut(opening).await?;
    let mut round = 0;
    while args.rounds == Rounds::Endless || Rounds::Count(round) != args.rounds {
        super::pause(session, args.gap).await?;
        let start = tokio::time::Instant::now();
        let sending = send(&mut opened.link, &opened.name, address, config, message.clone());
        match session.stop.cut(sending).await {
            Err(failure) if super::is_usual_end(&failure, args.rounds) => return Ok(()),
            result => result?,
        }
        if session.output.is_json() {
            let len = u64::try_from(message.len()).unwrap_or(u64::MAX);
            session
                .output
                .json(&record::sent(&opened.name, len, start.elapsed()))?;
            session.output.flush()?;
        }
        round += 1;
    }
    Ok(())
}

/// One message; the link has taken all of it in the end.
async fn send(link: &mut AnyLink, name: &str, address: Address, config: Config, message: Bytes) -> Result {
    let origin = Origin::new(tokio::time::Instant::now().into_std());
    let now = || origin.at(tokio::time::Instant::now().into_std());
    let trouble = |error: SendError| links::not_sent(error, name);
    // What is checked is what others send.
    let config = config.padding_check(PaddingCheck::default());
    let mut channel = BytesChannel::new(address, config);
    let started = channel.send(now(), message);
    started.map_err(|error| Failure::caused(Code::Usage, error))?;
    loop {
        while let Some(frame) = channel.poll_transmit(now()) {
            link.send(frame.clone()).await.map_err(trouble)?;
            channel.handle_transmitted(now(), &frame);
        }
        let mut is_new = false;
        while let Some(event) = channel.poll_event() {
            match event {
                Event::FirstFrameSent { .. } => {
                    is_new = true;
                    if let Some(control) = forged(&address) {
                        channel.handle_frame(now(), &control);
                    }
                }
                Event::Sent { .. } => return link.flush().await.map_err(trouble),
                Event::SendFailed { error, .. } => {
                    return Err(Failure::caused(Code::NotSent, error).context(name));
                }
                _ => {}
            }
        }
        if !is_new {
            let due = channel.poll_timeout().and_then(|due| origin.deadline(due));
            crate::stop::at(due.map(tokio::time::Instant::from_std)).await;
            channel.handle_timeout(now());
        }
    }
}

/// The flow control that nobody sends.
fn forged(address: &Address) -> Option<CanFrame> {
    let rx = address.rx();
    let bytes: Vec<u8> = rx.address_byte().into_iter().chain(CONTINUE).collect();
    CanFrame::data(rx.id(Target::Physical)?, &bytes)
}
