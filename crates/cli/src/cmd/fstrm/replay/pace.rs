//! How fast frames go out.

use core::time::Duration;

use dnstap_codec::{Dnstap, Timestamp};
use fstrm_codec::sender::SendError;
use fstrm_codec::{OwnedRun, Sender};
use tokio::time::{Instant, sleep_until};

use crate::args::fstrm::Replay;

#[derive(Debug)]
pub(super) enum Pace {
    /// As fast as they are taken.
    Full,
    /// So many a second, and how many there were since when.
    Rate(f64, Option<Instant>, f64),
    /// By the times in dnstap messages, so many times as fast; the first one, and when that was sent.
    Speed(f64, Option<(Duration, Instant)>),
}

impl Pace {
    pub(super) fn of(args: &Replay) -> Self {
        match (args.rate, args.speed) {
            (Some(rate), _) => Self::Rate(rate, None, 0.0),
            (None, Some(factor)) => Self::Speed(factor, None),
            (None, None) => Self::Full,
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        matches!(self, Self::Full)
    }

    /// The files begin once more: their times go back.
    pub(super) const fn begin_round(&mut self) {
        if let Self::Speed(_, base) = self {
            *base = None;
        }
    }

    /// Sends a run, each frame when it is due.
    pub(super) async fn send(&mut self, sender: &Sender, run: OwnedRun) -> Result<(), SendError> {
        if self.is_full() {
            return sender.send_run(run).await.map(drop);
        }
        for payload in run.payloads() {
            let due = self.due(&payload, Instant::now);
            if let Some(due) = due.filter(|due| *due > Instant::now()) {
                sleep_until(due).await;
            }
            sender.send(payload).await?;
        }
        Ok(())
    }

    /// When the frame is to be sent; `None`: at once.
    fn due(&mut self, payload: &[u8], now: impl FnOnce() -> Instant) -> Option<Instant> {
        match self {
            Self::Full => None,
            Self::Rate(rate, since, sent) => {
                let since = *since.get_or_insert_with(now);
                let after = Duration::try_from_secs_f64(*sent / *rate).ok()?;
                *sent += 1.0;
                since.checked_add(after)
            }
            Self::Speed(factor, base) => {
                let time = time(payload)?;
                let (first, since) = *base.get_or_insert_with(|| (time, now()));
                let after = time.checked_sub(first)?.as_secs_f64() / *factor;
                since.checked_add(Duration::try_from_secs_f64(after).ok()?)
            }
        }
    }
}

/// When a dnstap message was: a response's own time, or the query's.
fn time(payload: &[u8]) -> Option<Duration> {
    let message = Dnstap::decode(payload).ok()?.message?;
    let time = message.response_time().or_else(|| message.query_time());
    let (seconds, nanoseconds) = time.map(Timestamp::normal)?;
    Some(Duration::new(seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use dnstap_codec::{Message, MessageType};

    use super::*;

    fn message(seconds: u64, nanoseconds: u32) -> Vec<u8> {
        let mut message = Message::new(MessageType::ClientQuery);
        message.query_time_sec = Some(seconds);
        message.query_time_nsec = Some(nanoseconds);
        Dnstap::new(message).encode()
    }

    #[test]
    fn a_rate_spaces_frames_evenly_from_the_first() {
        let now = Instant::now();
        let mut pace = Pace::Rate(4.0, None, 0.0);
        for number in 0..8 {
            let due = pace.due(b"x", || now).unwrap();
            assert_eq!(due - now, number * Duration::from_millis(250));
        }
    }

    #[test]
    fn speed_goes_by_the_times_of_messages() {
        let now = Instant::now();
        let mut pace = Pace::Speed(2.0, None);
        let mut due = |payload: &[u8]| pace.due(payload, || now).map(|due| due - now);
        assert_eq!(due(&message(100, 0)), Some(Duration::ZERO));
        assert_eq!(due(&message(101, 500_000_000)), Some(Duration::from_millis(750)));
        assert_eq!(due(&message(99, 0)), None, "what was earlier is sent at once");
        assert_eq!(due(b"no dnstap"), None);
        pace.begin_round();
        assert_eq!(pace.due(&message(50, 0), || now), Some(now));
    }
}
