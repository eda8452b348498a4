//! `csp uptime`, `csp mem`, `csp buf`: one number each.

use core::time::Duration;
use std::time::SystemTime;

use csp_core::Port;
use serde::Serialize;

use super::ask::{Asking, rtt_us};
use crate::cmd::Session;
use crate::failure::Result;
use crate::output::timestamp;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Figure {
    Uptime { seconds: u64 },
    MemoryFree { bytes: u32 },
    BuffersFree { buffers: u32 },
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    figure: Figure,
    ts: String,
    node: u16,
    rtt_us: u64,
    sim: bool,
}

pub(super) async fn uptime(session: &mut Session, asking: &mut Asking) -> Result {
    let (node, remote, call) = (asking.station.node.clone(), asking.remote, asking.call);
    let answer = asking
        .answer(session, Port::UPTIME, node.uptime(remote, call))
        .await?;
    let line = Line {
        figure: Figure::Uptime {
            seconds: answer.value.as_secs(),
        },
        ts: timestamp(SystemTime::now()),
        node: answer.from.to_bits(),
        rtt_us: rtt_us(&answer),
        sim: asking.is_simulated,
    };
    session.output.either(&line, |_| {
        format!("{} ({} s)", human(answer.value), answer.value.as_secs())
    })
}

pub(super) async fn memory(session: &mut Session, asking: &mut Asking) -> Result {
    let (node, remote, call) = (asking.station.node.clone(), asking.remote, asking.call);
    let asked = node.memory_free(remote, call);
    let answer = asking.answer(session, Port::MEMFREE, asked).await?;
    let line = Line {
        figure: Figure::MemoryFree { bytes: answer.value },
        ts: timestamp(SystemTime::now()),
        node: answer.from.to_bits(),
        rtt_us: rtt_us(&answer),
        sim: asking.is_simulated,
    };
    session
        .output
        .either(&line, |_| format!("{} bytes free", answer.value))
}

pub(super) async fn buffers(session: &mut Session, asking: &mut Asking) -> Result {
    let (node, remote, call) = (asking.station.node.clone(), asking.remote, asking.call);
    let asked = node.buffers_free(remote, call);
    let answer = asking.answer(session, Port::BUF_FREE, asked).await?;
    let line = Line {
        figure: Figure::BuffersFree {
            buffers: answer.value,
        },
        ts: timestamp(SystemTime::now()),
        node: answer.from.to_bits(),
        rtt_us: rtt_us(&answer),
        sim: asking.is_simulated,
    };
    session
        .output
        .either(&line, |_| format!("{} buffers free", answer.value))
}

/// `3 d 04:05:06`.
fn human(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let days = match days {
        0 => String::new(),
        days => format!("{days} d "),
    };
    format!("{days}{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uptime_has_days_where_there_are_any() {
        assert_eq!(human(Duration::from_secs(61)), "00:01:01");
        assert_eq!(
            human(Duration::from_secs(3 * 86_400 + 4 * 3_600 + 5)),
            "3 d 04:00:05"
        );
    }
}
