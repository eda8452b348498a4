//! `isotp send -S` with answers: one request to all, and whoever answers, each with a name.

use core::time::Duration;
use std::time::SystemTime;

use bytes::Bytes;
use can_link::Id;
use can_link::address::LinkAddress;
use isotp::{Address, Config, Network, Responders, RespondersError, Target};
use tinwire_sim::ecu::negative_response;

use super::{NEGATIVE, PENDING, is_usual_end, record};
use crate::args::isotp::endpoint::{Addressing, Backend, Endpoint};
use crate::args::isotp::send::{Rounds, Send};
use crate::cmd::Session;
use crate::cmd::isotp::endpoint;
use crate::cmd::isotp::record::Received;
use crate::failure::{Code, Failure, Result};
use crate::links;
use crate::output::timestamp;
use crate::units;

/// From the identifier of an answer to the one it is acknowledged on, as legislation has it.
const OFFSET: i32 = -8;
/// Bits 25..16 of a functional identifier with normal fixed addressing.
const FIXED: u32 = 0x00DB_0000;
const FORMAT_MASK: u32 = 0x03FF_0000;

/// What came back to a request.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    positive: u64,
    negative: Option<u8>,
}

pub(super) async fn run(
    session: &mut Session,
    args: &Send,
    named: Option<&str>,
    address: Address,
    config: Config,
    message: &Bytes,
    window: Duration,
) -> Result {
    if args.endpoint.backend == Backend::Kernel {
        let message = "-S: answers of several are put together by this program, not by the kernel";
        return Err(Failure::new(Code::Usage, message).hint("leave out --backend kernel, or add --no-answer"));
    }
    let responders = responders(&args.endpoint, &address)?;
    let config = endpoint::configure(session.guise, &args.endpoint, config)?;
    let link = endpoint::link(session, &args.endpoint, named)?;
    if let LinkAddress::IsotpServer(_) = link {
        return Err(Failure::new(Code::Usage, "-S: an isotpserver talks to one node"));
    }
    let link = links::with_own_echo(link);
    let opening = links::open(&session.door, &link);
    let opened = session.stop.cut(opening).await?;
    let network = Network::new(opened.link);
    let group = network.group(*address.tx(), responders, config).await;
    let mut group = group.map_err(|error| Failure::caused(Code::CannotOpen, error).context(&opened.name))?;
    let stop = session.stop.clone();
    let mut round = 0;
    while args.rounds == Rounds::Endless || Rounds::Count(round) != args.rounds {
        super::pause(session, args.gap).await?;
        let asked = ask(session, &mut group, &opened.name, message, window);
        match stop.cut(asked).await {
            Err(failure) if is_usual_end(&failure, args.rounds) => return Ok(()),
            result => verdict(&opened.name, window, result?)?,
        }
        round += 1;
    }
    Ok(())
}

/// Who may answer, and how each is acknowledged.
fn responders(endpoint: &Endpoint, address: &Address) -> Result<Responders> {
    let functional = address.tx().id(Target::Functional);
    let wrong = |error: RespondersError| Failure::caused(Code::Usage, error);
    match (endpoint.addressing, endpoint.destination, functional) {
        (Some(Addressing::NormalFixed), ..) => Ok(Responders::normal_fixed(
            endpoint.source_address.unwrap_or_default(),
        )),
        (Some(Addressing::Mixed29), ..) => Ok(Responders::mixed_fixed(
            endpoint.source_address.unwrap_or_default(),
            endpoint.extension.unwrap_or_default(),
        )),
        (_, Some(Id::Standard(id)), _) => Responders::offset(id..=id, OFFSET).map_err(wrong),
        (_, None, Id::Standard(_)) => Ok(Responders::legislated()),
        (_, _, Id::Extended(id)) if id.as_raw() & FORMAT_MASK == FIXED => {
            let [.., tester] = id.as_raw().to_be_bytes();
            Ok(Responders::normal_fixed(tester))
        }
        _ => {
            let message = "-S: nothing tells on which identifiers these nodes are acknowledged";
            Err(Failure::new(Code::Usage, message)
                .hint("--addressing normal-fixed has a rule, and so have 7DF and 18DBxxxx; or --no-answer"))
        }
    }
}

async fn ask(
    session: &mut Session,
    group: &mut isotp::network::Group,
    link: &str,
    message: &Bytes,
    window: Duration,
) -> Result<Tally> {
    let start = tokio::time::Instant::now();
    let trouble = |error| Failure::caused(Code::Protocol, anyhow::Error::new(error)).context(link);
    let mut answers = group.request(message.clone(), window).await.map_err(trouble)?;
    if session.output.is_json() {
        let len = u64::try_from(message.len()).unwrap_or(u64::MAX);
        session.output.json(&record::sent(link, len, start.elapsed()))?;
        session.output.flush()?;
    }
    let mut tally = Tally::default();
    while let Some((responder, answer)) = answers.recv().await {
        let id = units::id_text(responder.id());
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                session.output.notice(format_args!("{link}: {id}: {error}"));
                continue;
            }
        };
        let negative = match *answer {
            [NEGATIVE, _, code] => Some(code),
            _ => None,
        };
        match negative {
            None => tally.positive += 1,
            Some(PENDING) => {}
            Some(code) => tally.negative = Some(code),
        }
        let line = Received {
            r#type: "answer",
            ts: timestamp(SystemTime::now()),
            link: link.to_owned(),
            id: Some(id.clone()),
            functional: false,
            len: answer.len(),
            data: units::hex(&answer),
            negative: negative.map(negative_response),
        };
        session
            .output
            .either(&line, |_| format!("{id}  {}", units::spaced_hex(&answer)))?;
        session.output.flush()?;
    }
    Ok(tally)
}

fn verdict(link: &str, window: Duration, tally: Tally) -> Result {
    match tally {
        Tally { positive: 1.., .. } => Ok(()),
        Tally {
            negative: Some(code), ..
        } => {
            let message = format!(
                "{link}: negative responses only, the last: {}",
                negative_response(code)
            );
            Err(Failure::new(Code::NegativeResponse, message))
        }
        _ => {
            let message = format!("{link}: nobody answered within {}", units::shown(window));
            Err(Failure::new(Code::NoReply, message).hint("--no-answer does not wait"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_good_answer_is_success_and_refusals_alone_are_not() {
        let window = Duration::from_secs(1);
        let exit = |positive, negative| {
            let tally = Tally { positive, negative };
            verdict("can0", window, tally).map_or_else(|failure| failure.code().exit(), |()| 0)
        };
        assert_eq!(exit(1, Some(0x31)), 0);
        assert_eq!(exit(0, Some(0x31)), 4);
        assert_eq!(exit(0, None), 1);
    }
}
