//! `isotp send`: a message, and its answer.

use core::time::Duration;
use std::io::Read as _;
use std::time::SystemTime;

use isotp::Config;
use serde::Serialize;
use tinwire_sim::ecu::negative_response;
use tokio::time::Instant;

use super::{Opening, Received, Side, later, open};
use crate::args::isotp::{Rounds, Send};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;
use crate::units;

/// How long an answer may take where nobody says.
const ANSWER: Duration = Duration::from_secs(1);
/// `7F`: the first byte of a negative response.
const NEGATIVE: u8 = 0x7F;
/// "Response pending": the answer is still to come.
const PENDING: u8 = 0x78;

/// Told for each message.
#[derive(Serialize)]
struct Sent {
    r#type: &'static str,
    ts: String,
    link: String,
    len: usize,
    duration_us: u64,
}

pub(super) async fn run(session: &mut Session, args: Send) -> Result {
    if args.frame_time.is_some() {
        return Err(later("-t", "a fixed time for each frame"));
    }
    if args.broadcast {
        return Err(later("-C", "sending long messages without flow control"));
    }
    let (named, message) = understand(&args.words)?;
    let from_arguments = message.is_some();
    let message = match (args.dummy, message) {
        (Some(_), Some(_)) => return Err(Failure::new(Code::Usage, "either a message or -D, not both")),
        (Some(len), None) => made_up(len),
        (None, Some(message)) => message,
        (None, None) => read_stdin(session).await?,
    };
    let limit = match (args.no_answer, args.answer) {
        (true, _) => None,
        (false, Some(limit)) => Some(limit),
        (false, None) => (from_arguments && !args.functional).then_some(ANSWER),
    };
    let mut opening = open(session, &args.endpoint, named, Side::Tester, Config::default()).await?;
    let stop = session.stop.clone();
    let mut round = 0;
    while args.rounds == Rounds::Endless || Rounds::Count(round) != args.rounds {
        let one = one(session, &mut opening, &message, &args, limit);
        match stop.cut(one).await {
            // An endless loop has no other end.
            Err(failure)
                if matches!(failure.code(), Code::Interrupted(_)) && args.rounds == Rounds::Endless =>
            {
                return Ok(());
            }
            result => result?,
        }
        session.output.flush()?;
        round += 1;
    }
    Ok(())
}

/// The link, if the first word is one, and the message: what is not all hex digits is a link.
fn understand(words: &[String]) -> Result<(Option<&str>, Option<Vec<u8>>)> {
    let (link, rest) = match words.split_first() {
        Some((first, rest)) if units::hex_bytes(first).is_err() && !is_nearly_hex(first) => {
            (Some(first.as_str()), rest)
        }
        _ => (None, words),
    };
    if rest.is_empty() {
        return Ok((link, None));
    }
    let bytes = units::hex_bytes(&rest.join(" ")).map_err(|error| {
        Failure::new(Code::Usage, format!("message: {error}"))
            .hint("write bytes in hex, as in 22F190 or '22 F1 90'")
    })?;
    Ok((link, Some(bytes)))
}

/// Hex with a digit too few is a message with a mistake, not a link.
fn is_nearly_hex(word: &str) -> bool {
    word.bytes().all(|letter| letter.is_ascii_hexdigit())
}

/// The pattern of isotpsend: 01 to FF, again and again.
fn made_up(len: usize) -> Vec<u8> {
    (1..=u8::MAX).cycle().take(len).collect()
}

/// Standard input is one message, as for isotpsend.
async fn read_stdin(session: &Session) -> Result<Vec<u8>> {
    let read = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    });
    let text = session
        .stop
        .cut(async { read.await.map_err(|error| Failure::caused(Code::File, error)) })
        .await?
        .map_err(|error| Failure::caused(Code::File, error).context("reading standard input"))?;
    let message = units::hex_bytes(&text)
        .map_err(|error| Failure::new(Code::Usage, format!("standard input: {error}")))?;
    if message.is_empty() {
        return Err(Failure::new(Code::Usage, "no message: standard input is empty")
            .hint("write it in hex, as in: tinwire isotp send 22F190"));
    }
    Ok(message)
}

async fn one(
    session: &mut Session,
    opening: &mut Opening,
    message: &[u8],
    args: &Send,
    limit: Option<Duration>,
) -> Result {
    if let Some(gap) = args.gap {
        tokio::time::sleep(gap).await;
    }
    let start = Instant::now();
    let stream = &mut opening.stream;
    let sent = if args.functional {
        stream.send_functional(message.to_vec()).await
    } else {
        stream.send(message.to_vec()).await
    };
    sent.map_err(|error| opening.trouble(error))?;
    if session.output.is_json() {
        session.output.json(&Sent {
            r#type: "sent",
            ts: timestamp(SystemTime::now()),
            link: opening.name.clone(),
            len: message.len(),
            duration_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
        })?;
    }
    match limit {
        Some(limit) => answer(session, opening, limit).await,
        None => Ok(()),
    }
}

/// Shows the answer; "response pending" is shown and waited on.
async fn answer(session: &mut Session, opening: &mut Opening, limit: Duration) -> Result {
    loop {
        let received = tokio::time::timeout(limit, opening.stream.recv()).await;
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
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn the_first_word_is_a_link_unless_it_is_hex() {
        let message = Some(vec![0x22, 0xF1, 0x90]);
        assert_eq!(understand(&words(&["22F190"])).unwrap(), (None, message.clone()));
        assert_eq!(
            understand(&words(&["22", "F1 90"])).unwrap(),
            (None, message.clone())
        );
        assert_eq!(
            understand(&words(&["can0", "22F190"])).unwrap(),
            (Some("can0"), message)
        );
        assert_eq!(understand(&words(&["bus:car"])).unwrap(), (Some("bus:car"), None));
        assert_eq!(understand(&[]).unwrap(), (None, None));
    }

    #[test]
    fn a_message_with_a_digit_too_few_is_not_taken_for_a_link() {
        let failure = understand(&words(&["22F19"])).unwrap_err();
        assert!(
            failure.text().contains("22F19: 5 hex digits"),
            "{}",
            failure.text()
        );
    }

    #[test]
    fn made_up_bytes_are_those_of_isotpsend() {
        let bytes = made_up(300);
        assert_eq!((bytes[0], bytes[254], bytes[255]), (1, 255, 1));
    }
}
