//! `isotp recv`: messages as they arrive.

use std::time::SystemTime;

use bytes::Bytes;
use isotp::{BlockSize, Config, StreamError, Target};
use serde::Serialize;

use super::endpoint::{self, End};
use super::record::Received;
use crate::args::isotp::recv::Recv;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result, data_lost};
use crate::multicall::Guise;
use crate::output::timestamp;
use crate::stop::Ended;
use crate::units;

/// The longest message that isotprecv takes, which is the longest that any kernel did by default.
const AS_ISOTPRECV: u32 = 66_000;

/// The closing line.
#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    messages: u64,
    failed: u64,
    /// Frames that the link lost before we saw them.
    dropped: u64,
}

/// A message that did not arrive as a whole.
#[derive(Serialize)]
struct Failed<'a> {
    r#type: &'static str,
    ts: String,
    link: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    n_result: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<u32>,
    message: String,
}

pub(super) async fn run(session: &mut Session, args: Recv) -> Result {
    let received = recv(session, args).await;
    received.map_err(|failure| super::send::in_guise(session, failure))
}

async fn recv(session: &mut Session, args: Recv) -> Result {
    let address = endpoint::address(&args.endpoint, End::Controller)?;
    let address = endpoint::accepting(address, args.functional);
    let config = config(session.guise, &args);
    let opening = endpoint::open(session, &args.endpoint, args.named.as_deref(), address, config);
    let mut opening = opening.await?;
    let wanted = if args.go_on {
        args.count
    } else {
        args.count.or(Some(1))
    };
    let mut summary = Summary {
        r#type: "summary",
        messages: 0,
        failed: 0,
        dropped: 0,
    };
    let ended = loop {
        if wanted.is_some_and(|wanted| summary.messages >= wanted) {
            break Ok(());
        }
        let item = tokio::select! {
            item = opening.isotp.recv_with_target() => item,
            ended = session.stop.wait() => break stopped(ended, &summary, wanted),
        };
        let name = &opening.name;
        match item {
            Some(Ok((target, message))) => {
                summary.messages += 1;
                if let Err(closed) = show(session, name, target, &message) {
                    break Err(closed);
                }
            }
            Some(Err(error @ (StreamError::Link(_) | StreamError::HungUp { .. }))) => {
                break Err(opening.trouble(error));
            }
            Some(Err(error)) => {
                summary.failed += 1;
                match fail(session, name, &error) {
                    Ok(Goes::On) => {}
                    // isotprecv takes a failure for the message that it waited for.
                    Ok(Goes::AsMessage) => summary.messages += 1,
                    Err(closed) => break Err(closed),
                }
            }
            None => break Err(Failure::new(Code::Lost, format!("{name}: the link has ended"))),
        }
    };
    summary.dropped = opening.isotp.as_user().map_or(0, |stream| stream.frames_lost());
    if session.guise.is_none() {
        session.output.summary(&summary, |summary| {
            let Summary {
                messages,
                failed,
                dropped,
                ..
            } = summary;
            closing(*messages, *failed, *dropped)
        });
    }
    ended?;
    if args.strict && summary.dropped > 0 {
        return Err(data_lost(summary.dropped));
    }
    Ok(())
}

fn config(guise: Option<Guise>, args: &Recv) -> Config {
    let mut config = Config::default().forced_rx_gap(args.forced_gap);
    let usual = guise.map(|_| AS_ISOTPRECV);
    if let Some(max_len) = args.max_len.or(usual) {
        config = config.max_rx_len(max_len);
    }
    if let Some(block_size) = args.block_size {
        config = config.block_size(BlockSize::from_bits(block_size));
    }
    if let Some(st_min) = args.st_min {
        config = config.st_min(st_min);
    }
    // The kernel keeps isotprecv's number and sends no WAIT.
    match args.wait_frames {
        Some(wait_frames) if guise.is_none() => config.wft_max(wait_frames),
        _ => config,
    }
}

fn show(session: &mut Session, link: &str, target: Target, message: &Bytes) -> Result {
    let line = Received {
        r#type: "message",
        ts: timestamp(SystemTime::now()),
        link: link.to_owned(),
        id: None,
        functional: target == Target::Functional,
        len: message.len(),
        data: units::hex(message),
        negative: None,
    };
    // isotprecv has a blank behind every byte.
    let blank = if session.guise.is_some() { " " } else { "" };
    session
        .output
        .either(&line, |_| units::spaced_hex(message) + blank)?;
    session.output.flush()
}

/// What a failure is to the count.
enum Goes {
    On,
    AsMessage,
}

fn fail(session: &mut Session, link: &str, error: &StreamError) -> Result<Goes> {
    if session.guise.is_some() {
        session.output.text("")?;
        session.output.flush()?;
        return Ok(Goes::AsMessage);
    }
    if session.output.is_json() {
        let progress = error.progress();
        session.output.json(&Failed {
            r#type: "failed",
            ts: timestamp(SystemTime::now()),
            link,
            n_result: error.n_result().map(isotp::NResult::name),
            side: error.side().map(|side| side.to_string()),
            received: progress.map(|progress| progress.done),
            len: progress.map(|progress| progress.len),
            message: error.to_string(),
        })?;
        session.output.flush()?;
    } else {
        session.output.notice(format_args!("{link}: {error}"));
    }
    Ok(Goes::On)
}

fn closing(messages: u64, failed: u64, dropped: u64) -> String {
    let (messages, dropped) = (
        units::counted(messages, "message"),
        units::counted(dropped, "frame"),
    );
    format!("{messages}, {failed} failed, {dropped} dropped")
}

/// Being stopped is the usual end of an endless run; one that waited for a message in vain has no answer.
fn stopped(ended: Ended, summary: &Summary, wanted: Option<u64>) -> Result {
    if wanted.is_none() || summary.messages > 0 {
        return Ok(());
    }
    Err(match ended {
        Ended::Deadline => Failure::new(Code::Deadline, "no message came before the deadline"),
        Ended::Signal(signal) => Failure::new(Code::Interrupted(signal), "interrupted before a message came"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::Signal;

    #[test]
    fn the_closing_line_counts_one_as_one() {
        assert_eq!(closing(1, 0, 0), "1 message, 0 failed, 0 frames dropped");
        assert_eq!(closing(2, 1, 1), "2 messages, 1 failed, 1 frame dropped");
    }

    #[test]
    fn only_a_wanted_message_that_did_not_come_is_missed() {
        let exit = |messages, wanted, ended| {
            let summary = Summary {
                r#type: "summary",
                messages,
                failed: 0,
                dropped: 0,
            };
            stopped(ended, &summary, wanted).map_or_else(|failure| failure.code().exit(), |()| 0)
        };
        let (interrupt, terminate) = (Ended::Signal(Signal::Interrupt), Ended::Signal(Signal::Terminate));
        assert_eq!(exit(0, Some(1), interrupt), 130);
        assert_eq!(exit(0, Some(1), terminate), 143);
        assert_eq!(exit(0, Some(1), Ended::Deadline), 1);
        assert_eq!(exit(1, Some(2), interrupt), 0);
        assert_eq!(exit(0, None, terminate), 0, "an endless run has no other end");
    }
}
