//! `csp clock`: what time a node thinks it is.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use csp_core::Port;
use csp_core::rt::Answer;
use csp_core::service::Timestamp;
use serde::Serialize;

use super::ask::{Asking, asking, rtt_us};
use crate::args::csp::clock::{ClockVerb, Time};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::output::timestamp;

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    ts: String,
    node: u16,
    /// The node's time.
    time: String,
    /// By how much it is ahead of ours, as far as the round-trip time lets know.
    offset_us: i64,
    rtt_us: u64,
    sim: bool,
}

pub(super) async fn run(session: &mut Session, verb: ClockVerb) -> Result {
    match verb {
        ClockVerb::Get(request) => asking(session, &request, get).await,
        ClockVerb::Set(args) => {
            let setting =
                async |session: &mut Session, node: &mut Asking| set(session, node, args.time).await;
            asking(session, &args.request, setting).await
        }
    }
}

async fn get(session: &mut Session, asking: &mut Asking) -> Result {
    let (node, remote, call) = (asking.station.node.clone(), asking.remote, asking.call);
    let asked = node.clock(remote, call);
    let answer = asking.answer(session, Port::CMP, asked).await?;
    show(session, asking, &answer, SystemTime::now())
}

async fn set(session: &mut Session, asking: &mut Asking, time: Time) -> Result {
    let since = match time {
        Time::Now => SystemTime::now().duration_since(UNIX_EPOCH).ok(),
        Time::At(time) => Duration::try_from(time.as_duration()).ok(),
    };
    let time = since
        .and_then(Timestamp::new)
        .filter(|time| time.seconds > 0)
        .ok_or_else(|| {
            Failure::new(
                Code::Usage,
                "the clocks of nodes count 32 bits of seconds since 1970, not 0",
            )
        })?;
    let (node, remote, call) = (asking.station.node.clone(), asking.remote, asking.call);
    let asked = node.set_clock(remote, time, call);
    let answer = asking.answer(session, Port::CMP, asked).await?;
    show(session, asking, &answer, SystemTime::now())
}

fn show(session: &mut Session, asking: &Asking, answer: &Answer<Timestamp>, now: SystemTime) -> Result {
    let theirs = UNIX_EPOCH + answer.value.since_epoch();
    // It was read between the request and the reply; half of that is the best that is known.
    let ours = now.checked_sub(answer.rtt / 2).unwrap_or(now);
    let line = Line {
        r#type: "clock",
        ts: timestamp(now),
        node: answer.from.to_bits(),
        time: timestamp(theirs),
        offset_us: offset_us(theirs, ours),
        rtt_us: rtt_us(answer),
        sim: asking.is_simulated,
    };
    session.output.either(&line, |line| {
        format!(
            "{} (offset {:+} µs, ±{} µs)",
            line.time,
            line.offset_us,
            line.rtt_us.div_ceil(2)
        )
    })
}

fn offset_us(theirs: SystemTime, ours: SystemTime) -> i64 {
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    match theirs.duration_since(ours) {
        Ok(ahead) => micros(ahead),
        Err(behind) => -micros(behind.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_negative_where_the_other_is_behind() {
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(offset_us(at(5), at(3)), 2_000);
        assert_eq!(offset_us(at(3), at(5)), -2_000);
    }
}
