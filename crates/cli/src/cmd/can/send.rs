//! `can send`: frames in cansend's words.

use can_link::candump::{Message, Reading, parse_frame};
use can_link::{CanFrame, CanTxExt as _};
use serde::Serialize;

use super::super::Session;
use crate::args::can::Send;
use crate::failure::{Code, Failure, Result};
use crate::links::{self, Opened};

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    sent: u64,
}

pub(super) async fn run(session: &mut Session, args: Send) -> Result {
    let (link, frames) = understand(&args.words)?;
    let address = links::named_or_configured(session, link)?;
    let mut opened = session.stop.cut(links::open(&session.door, &address)).await?;
    let mut sent = 0;
    let stop = session.stop.clone();
    let result = tokio::select! {
        result = transmit(&mut opened, &frames, &args, &mut sent) => result,
        _ = stop.wait(), if args.cycle.is_some() => Ok(()),
        cut = stop.cut(core::future::pending()), if args.cycle.is_none() => cut,
    };
    if session.output.is_json() {
        session.output.json(&Summary {
            r#type: "summary",
            sent,
        })?;
    }
    result
}

/// The link, if one is named, and the frames: what has a `#` is a frame.
fn understand(words: &[String]) -> Result<(Option<&str>, Vec<CanFrame>)> {
    let (link, texts) = match words.split_first() {
        Some((first, rest)) if !first.contains('#') => (Some(first.as_str()), rest),
        _ => (None, words),
    };
    if texts.is_empty() {
        return Err(Failure::new(Code::Usage, "no frame to send").hint("for example 123#DEADBEEF"));
    }
    let frames = texts.iter().map(|text| frame(text)).collect::<Result<_>>()?;
    Ok((link, frames))
}

fn frame(text: &str) -> Result<CanFrame> {
    let message = parse_frame(text, Reading::Strict)
        .map_err(|error| Failure::caused(Code::Usage, error).context(format_args!("frame {text}")))?;
    match message {
        // cansend rounds lengths up that CAN FD cannot express; controllers would do it anyway.
        Message::Frame(CanFrame::Fd(fd)) => {
            CanFrame::fd(fd.id(), fd.data(), fd.flags()).ok_or_else(|| Failure::new(Code::Usage, "too long"))
        }
        Message::Frame(frame) => Ok(frame),
        Message::Error(_) => {
            let message =
                format!("frame {text}: reports of bus errors come from controllers and cannot be sent");
            Err(Failure::new(Code::Usage, message))
        }
    }
}

async fn transmit(opened: &mut Opened, frames: &[CanFrame], args: &Send, sent: &mut u64) -> Result {
    let rounds = args.count.or_else(|| args.cycle.is_none().then_some(1));
    let mut due = tokio::time::Instant::now();
    let mut round = 0;
    while rounds.is_none_or(|rounds| round < rounds) {
        for frame in frames {
            opened
                .link
                .send(frame.clone())
                .await
                .map_err(|error| links::not_sent(error, &opened.name))?;
            *sent += 1;
        }
        round += 1;
        if let Some(cycle) = args.cycle
            && rounds != Some(round)
        {
            due += cycle;
            tokio::time::sleep_until(due).await;
        }
    }
    opened
        .link
        .flush()
        .await
        .map_err(|error| links::not_sent(error, &opened.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn the_first_word_is_the_link_unless_it_is_a_frame() {
        let named = words(&["can0", "123#11", "124#"]);
        let (link, frames) = understand(&named).unwrap();
        assert_eq!((link, frames.len()), (Some("can0"), 2));
        let unnamed = words(&["123#11"]);
        let (link, frames) = understand(&unnamed).unwrap();
        assert_eq!((link, frames.len()), (None, 1));
    }

    #[test]
    fn a_link_without_frames_is_a_usage_error() {
        let failure = understand(&words(&["can0"])).unwrap_err();
        assert_eq!(
            failure.text(),
            "error: no frame to send\nhint: for example 123#DEADBEEF"
        );
    }

    #[test]
    fn a_bad_frame_is_named() {
        let failure = frame("800#11").unwrap_err();
        assert_eq!(failure.text(), "error: frame 800#11: identifier 800 is above 7FF");
        assert!(frame("20000040#0000000000000000").is_err(), "an error report");
    }

    #[test]
    fn a_length_that_fd_cannot_express_is_rounded_up() {
        let frame = frame("123##1112233445566778899").unwrap();
        assert_eq!(frame.payload().len(), 12);
    }
}
