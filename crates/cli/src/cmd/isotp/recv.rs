//! `isotp recv`: messages as they arrive.

use std::time::SystemTime;

use isotp::stream::StreamError;
use isotp::{BlockSize, Config};
use serde::Serialize;

use super::{Received, Side, later, open};
use crate::args::isotp::Recv;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result, data_lost};
use crate::output::timestamp;
use crate::stop::Ended;
use crate::units;

/// The closing line.
#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    messages: u64,
    failed: u64,
    /// Frames that the link lost before we saw them.
    dropped: u64,
}

pub(super) async fn run(session: &mut Session, args: Recv) -> Result {
    if args.dynamic {
        return Err(later("-F", "flow control that changes on the way"));
    }
    let mut config = Config::default().max_rx_len(args.max_len);
    if let Some(block_size) = args.block_size {
        config = config.block_size(BlockSize::from_bits(block_size));
    }
    if let Some(st_min) = args.st_min {
        config = config.st_min(st_min);
    }
    if let Some(wait_frames) = args.wait_frames {
        config = config.wft_max(wait_frames);
    }
    let mut opening = open(
        session,
        &args.endpoint,
        args.named.as_deref(),
        Side::Controller,
        config,
    )
    .await?;
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
        let stream = &mut opening.stream;
        let item = tokio::select! {
            item = stream.recv() => item,
            ended = session.stop.wait() => break stopped(ended, &summary, wanted),
        };
        match item {
            Some(Ok(message)) => {
                summary.messages += 1;
                let line = Received {
                    r#type: "message",
                    ts: timestamp(SystemTime::now()),
                    link: opening.name.clone(),
                    len: message.len(),
                    data: units::hex(&message),
                    negative: None,
                };
                let shown = session
                    .output
                    .either(&line, |_| units::spaced_hex(&message))
                    .and_then(|()| session.output.flush());
                if shown.is_err() {
                    break shown;
                }
            }
            Some(Err(error @ StreamError::Link(_))) => break Err(opening.trouble(error)),
            Some(Err(error)) => {
                summary.failed += 1;
                session.output.notice(format_args!("{}: {error}", opening.name));
            }
            None => {
                break Err(Failure::new(
                    Code::Lost,
                    format!("{}: the link has ended", opening.name),
                ));
            }
        }
    };
    summary.dropped = opening.stream.frames_lost();
    session.output.summary(&summary, |summary| {
        let Summary {
            messages,
            failed,
            dropped,
            ..
        } = summary;
        closing(*messages, *failed, *dropped)
    });
    ended?;
    if args.strict && summary.dropped > 0 {
        return Err(data_lost(summary.dropped));
    }
    Ok(())
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
