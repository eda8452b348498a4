//! `isotp send`: a message, and its answer.

mod broadcast;
mod functional;
mod message;
mod payload;
mod record;

use core::time::Duration;
use std::time::SystemTime;

use futures::StreamExt as _;
use isotp::backend::Worker;
use isotp::{BlockSize, Config, NResult, SendState, StreamError};
use tinwire_sim::ecu::negative_response;
use tokio::time::Instant;

use self::message::Message;
use self::payload::Payload;
use self::record::State;
use super::endpoint::{self, End, Opening};
use super::record::Received;
use crate::args::isotp::send::{Rounds, Send};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::multicall::Guise;
use crate::output::timestamp;
use crate::stop::{self, Ended};
use crate::units;

/// How long an answer may take where nobody says.
const ANSWER: Duration = Duration::from_secs(1);
/// `7F`: the first byte of a negative response.
const NEGATIVE: u8 = 0x7F;
/// "Response pending": the answer is still to come.
const PENDING: u8 = 0x78;
/// isotpsend's exit status where the message was not sent.
const NOT_WRITTEN: u8 = 255;

pub(super) async fn run(session: &mut Session, args: Send) -> Result {
    let sent = send(session, args).await;
    sent.map_err(|failure| in_guise(session, failure))
}

fn config(args: &Send) -> Config {
    let mut config = Config::default()
        .forced_gap(args.forced_gap)
        .extra_gap(args.frame_time.unwrap_or_default())
        .wait_limit(args.wait_limit);
    if let Some(block_size) = args.block_size {
        config = config.block_size(BlockSize::from_bits(block_size));
    }
    if let Some(st_min) = args.st_min {
        config = config.st_min(st_min);
    }
    if let Some(max_len) = args.max_len {
        config = config.max_rx_len(max_len);
    }
    config
}

async fn send(session: &mut Session, args: Send) -> Result {
    let end = if args.functional || args.broadcast {
        End::Broadcaster
    } else {
        End::Tester
    };
    let address = endpoint::address(&args.endpoint, end)?;
    let config = config(&args);
    let Payload {
        link,
        message,
        is_typed,
    } = payload::payload(session, &args).await?;
    if args.broadcast {
        let message = message.whole(session).await?;
        return broadcast::run(session, &args, link, address, config, &message).await;
    }
    let limit = match (args.no_answer, args.answer) {
        (true, _) => None,
        (false, Some(limit)) => Some(limit),
        (false, None) => is_typed.then_some(ANSWER),
    };
    if let (true, Some(window)) = (args.functional, limit) {
        let message = message.whole(session).await?;
        return functional::run(session, &args, link, address, config, &message, window).await;
    }
    let mut opening = endpoint::open(session, &args.endpoint, link, address, config).await?;
    let message = match opening.isotp.choice().worker() {
        Worker::User if !args.functional => message,
        // Others take messages as a whole, and a single frame is one.
        _ => Message::Memory(message.whole(session).await?),
    };
    let mut round = 0;
    while args.rounds == Rounds::Endless || Rounds::Count(round) != args.rounds {
        pause(session, args.gap).await?;
        match transfer(session, &mut opening, &message, &args).await {
            Err(failure) if is_usual_end(&failure, args.rounds) => return Ok(()),
            result => result?,
        }
        if let Some(limit) = limit {
            let stop = session.stop.clone();
            stop.cut(answer(session, &mut opening, limit)).await?;
        }
        session.output.flush()?;
        round += 1;
    }
    Ok(())
}

/// An endless loop has no other end than being interrupted.
fn is_usual_end(failure: &Failure, rounds: Rounds) -> bool {
    matches!(failure.code(), Code::Interrupted(_)) && rounds == Rounds::Endless
}

async fn pause(session: &Session, gap: Option<Duration>) -> Result {
    let Some(gap) = gap else {
        return Ok(());
    };
    let sleep = async {
        tokio::time::sleep(gap).await;
        Ok(())
    };
    session.stop.cut(sleep).await
}

/// What ended a transfer from our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Abort {
    Stopped(Ended),
    /// `--abort-after`
    After(Duration),
}

/// Sends the message, and tells each state that it goes through.
async fn transfer(session: &mut Session, opening: &mut Opening, message: &Message, args: &Send) -> Result {
    let start = Instant::now();
    let give_up = args.abort_after.and_then(|after| start.checked_add(after));
    let len = message.len();
    let mut bar = session.output.progress(len);
    let mut aborted = None;
    let link = opening.name.clone();
    let mut sending = match message {
        Message::Memory(message) if args.functional => opening.isotp.start_functional(message.clone()),
        message => message.start(&mut opening.isotp)?,
    };
    let result = loop {
        let abort = tokio::select! {
            biased;
            state = sending.next() => match state {
                Some(Ok(SendState::Done)) | None => break Ok(()),
                Some(Err(error)) => break Err(error),
                Some(Ok(state)) => {
                    if let SendState::Progress { sent, .. } = state {
                        bar.show(sent.into(), &record::progress(sent, len, start.elapsed()));
                    }
                    if let (true, Some(state)) = (session.output.is_json(), State::of(state, len)) {
                        session.output.json(&state.at(&link))?;
                        session.output.flush()?;
                    }
                    continue;
                }
            },
            ended = session.stop.wait(), if aborted.is_none() => Abort::Stopped(ended),
            () = stop::at(give_up), if aborted.is_none() => {
                Abort::After(args.abort_after.unwrap_or_default())
            }
        };
        aborted = Some(abort);
        if !sending.abort() {
            // The socket ends it; dropped, it is not waited for.
            drop(sending);
            return Err(cannot_abort(&link, abort));
        }
    };
    drop(sending);
    drop(bar);
    let Err(error) = result else {
        if session.output.is_json() {
            let elapsed = start.elapsed();
            session.output.json(&record::sent(&link, len, elapsed))?;
        }
        return Ok(());
    };
    if session.output.is_json() {
        session.output.json(&record::failed(&link, len, &error))?;
        session.output.flush()?;
    }
    if let Some(failure) = message.trouble(&error) {
        return Err(failure);
    }
    if session.guise == Some(Guise::Isotpsend) {
        return as_isotpsend(session, &error, args);
    }
    Err(match aborted {
        Some(abort) => abort_failure(&link, abort, &error),
        None => opening.trouble(error),
    })
}

/// How the tool ends: with `-b` with what the system says; else the message is the system's, and the tool
/// knows nothing, which is told all the same.
fn as_isotpsend(session: &Session, error: &StreamError, args: &Send) -> Result {
    let is_refused = matches!(error, StreamError::NotSent(_) | StreamError::Link(_));
    if args.block || is_refused || args.rounds != Rounds::Count(1) {
        let said = format!("write: {}", errno_text(error));
        return Err(Failure::imitated(NOT_WRITTEN, said));
    }
    session.output.notice(format_args!("isotpsend: {error}"));
    Ok(())
}

/// What Linux says to it.
fn errno_text(error: &StreamError) -> &'static str {
    match (error, error.n_result()) {
        (StreamError::NotSent(_), _) => "Invalid argument",
        (_, Some(NResult::TimeoutA | NResult::TimeoutBs)) => "Communication error on send",
        (_, Some(NResult::BufferOvflw)) => "Message too long",
        (_, Some(NResult::InvalidFs)) => "Bad message",
        (_, Some(NResult::TimeoutCr)) => "Connection timed out",
        (_, Some(NResult::WrongSn)) => "Invalid or incomplete multibyte or wide character",
        (StreamError::Link(_), _) => "No such device",
        _ => "Input/output error",
    }
}

/// What the tools say to a link that cannot be had.
pub(super) fn in_guise(session: &Session, failure: Failure) -> Failure {
    if !matches!(session.guise, Some(Guise::Isotpsend | Guise::Isotprecv)) {
        return failure;
    }
    match failure.code() {
        Code::CannotOpen => Failure::imitated(1, format!("bind: {}", failure.message())),
        Code::Usage | Code::BadAddress => Failure::imitated(1, failure.message()),
        // A signal ends them without a word.
        code @ Code::Interrupted(_) => Failure::imitated(code.exit(), ""),
        _ => failure,
    }
}

fn abort_failure(link: &str, abort: Abort, error: &StreamError) -> Failure {
    let far = match error.progress() {
        Some(progress) => format!(" after {} of {} bytes", progress.done, progress.len),
        None => String::new(),
    };
    match abort {
        Abort::Stopped(Ended::Signal(signal)) => Failure::new(
            Code::Interrupted(signal),
            format!("interrupted: {link}: aborted{far}"),
        ),
        Abort::Stopped(Ended::Deadline) => Failure::new(
            Code::Deadline,
            format!("{link}: aborted{far}: the deadline passed"),
        ),
        Abort::After(time) => {
            let time = units::shown(time);
            Failure::new(Code::Deadline, format!("{link}: aborted{far}: {time} are over"))
        }
    }
}

/// What the kernel or a server has begun it ends.
fn cannot_abort(link: &str, abort: Abort) -> Failure {
    let code = match abort {
        Abort::Stopped(Ended::Signal(signal)) => Code::Interrupted(signal),
        Abort::Stopped(Ended::Deadline) | Abort::After(_) => Code::Deadline,
    };
    Failure::new(
        code,
        format!("{link}: not waited for; what has begun cannot be aborted and goes on"),
    )
    .hint("--backend user can abort")
}

/// Shows the answer; "response pending" is shown and waited on.
async fn answer(session: &mut Session, opening: &mut Opening, limit: Duration) -> Result {
    loop {
        let received = tokio::time::timeout(limit, opening.isotp.recv()).await;
        let name = &opening.name;
        let message = match received {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) => return Err(opening.trouble(error)),
            Ok(None) => return Err(Failure::new(Code::Lost, format!("{name}: the link has ended"))),
            Err(_) => {
                let message = format!("{name}: no answer within {}", units::shown(limit));
                return Err(Failure::new(Code::NoReply, message)
                    .hint("is anybody listening to -s, and answering with -d? --no-answer does not wait"));
            }
        };
        let negative = match *message {
            [NEGATIVE, _, code] => Some(code),
            _ => None,
        };
        let line = Received {
            r#type: "answer",
            ts: timestamp(SystemTime::now()),
            link: name.clone(),
            id: None,
            functional: false,
            len: message.len(),
            data: units::hex(&message),
            negative: negative.map(negative_response),
        };
        session.output.either(&line, |_| units::spaced_hex(&message))?;
        match negative {
            None => return Ok(()),
            Some(PENDING) => session.output.flush()?,
            Some(code) => {
                let message = format!("{name}: negative response: {}", negative_response(code));
                return Err(Failure::new(Code::NegativeResponse, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use isotp::{Timeout, TransferError, TransferId};

    use super::*;
    use crate::stop::Signal;

    fn failed(error: TransferError) -> StreamError {
        StreamError::SendFailed {
            id: TransferId::default(),
            error,
            sent: Some(13),
            len: 40,
            cause: None,
        }
    }

    #[test]
    fn an_aborted_transfer_tells_how_far_it_got() {
        let error = failed(TransferError::Aborted);
        let failure = abort_failure("can0", Abort::After(Duration::from_secs(2)), &error);
        assert_eq!(
            failure.text(),
            "error: can0: aborted after 13 of 40 bytes: 2.000 s are over"
        );
        assert_eq!(failure.code().exit(), 1);
        let stopped = Abort::Stopped(Ended::Signal(Signal::Interrupt));
        assert_eq!(abort_failure("can0", stopped, &error).code().exit(), 130);
    }

    #[test]
    fn isotpsend_says_what_linux_says() {
        for (error, text) in [
            (
                TransferError::Timeout(Timeout::NBs),
                "Communication error on send",
            ),
            (
                TransferError::Timeout(Timeout::NAs),
                "Communication error on send",
            ),
            (TransferError::Overflow, "Message too long"),
        ] {
            assert_eq!(errno_text(&failed(error)), text);
        }
    }
}
