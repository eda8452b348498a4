//! A broker as an output of a relay.

use core::fmt;
use core::time::Duration;

use fstrm_codec::ContentType;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::address::Target;
use super::driver::{Broker, Parcel};
use super::watch::Watch;
use crate::cmd::streams::{Carrier, Delivered, Exit};
use crate::failure::Result;

/// How long it is waited for, whatever it does, by whoever was told to end.
const HURRY: Duration = Duration::from_secs(5);
/// How often it is told that it is waited for.
const TELL: Duration = Duration::from_secs(5);

/// Carries frames of one content type to a broker.
#[derive(Debug)]
pub(crate) struct Freighter {
    pub(crate) target: Target,
    pub(crate) content_type: Option<ContentType>,
    pub(crate) watch: Watch,
}

impl Carrier for Freighter {
    async fn carry(self, exit: Exit, told: mpsc::Sender<String>) -> Result<Delivered> {
        let Self {
            target,
            content_type,
            watch,
        } = self;
        let closing = exit.closing();
        let patience = Patience {
            name: target.to_string(),
            limit: target.drain,
            watch: watch.clone(),
            told: told.clone(),
        };
        let broker = Broker::open(target, watch.clone())?;
        tokio::select! {
            done = feed(broker, exit, content_type, &told) => done?,
            // Its end is that of the broker too.
            () = async {
                closing.wait().await;
                patience.lose().await;
            } => {}
        }
        Ok(watch.stats().into())
    }
}

/// Gives everything to the broker, until it has stored it.
async fn feed(
    mut broker: Broker,
    mut exit: Exit,
    content_type: Option<ContentType>,
    told: &mpsc::Sender<String>,
) -> Result {
    loop {
        let freight = tokio::select! {
            freight = exit.next() => freight,
            note = broker.next_note() => match note {
                Some(note) => {
                    tell(told, note);
                    continue;
                }
                // It has ended by itself, and `close` says why.
                None => break,
            },
        };
        let Some(freight) = freight else {
            break;
        };
        let parcel = Parcel {
            run: freight.run,
            content_type: content_type.clone(),
            confirm: Box::new(move || freight.ack.confirm()),
        };
        if !give(&mut broker, parcel, told).await {
            break;
        }
    }
    broker.close(|note| tell(told, note)).await
}

/// Waits until the broker takes it, and tells what happens meanwhile. False when it takes no more.
async fn give(broker: &mut Broker, parcel: Parcel, told: &mpsc::Sender<String>) -> bool {
    let entry = broker.entry();
    let given = entry.send(parcel);
    tokio::pin!(given);
    loop {
        tokio::select! {
            biased;
            given = &mut given => return given.is_ok(),
            Some(note) = broker.next_note() => tell(told, note),
        }
    }
}

fn tell(told: &mpsc::Sender<String>, note: impl fmt::Display) {
    // Remarks that nobody has time for are not worth waiting for.
    let _ = told.try_send(note.to_string());
}

/// What one has with a broker once nothing more comes.
struct Patience {
    name: String,
    /// How long it may store nothing.
    limit: Duration,
    watch: Watch,
    told: mpsc::Sender<String>,
}

impl Patience {
    /// Completes when it has stored nothing for too long, or a moment after whoever runs us wants an end.
    async fn lose(&self) {
        let mut done = self.watch.stats().settled();
        let mut until = Instant::now() + self.limit;
        let mut is_hurried = false;
        loop {
            tokio::select! {
                () = self.watch.hurried(), if !is_hurried => {
                    is_hurried = true;
                    until = until.min(Instant::now() + HURRY);
                    continue;
                }
                () = tokio::time::sleep_until(until.min(Instant::now() + TELL)) => {}
            }
            let now = Instant::now();
            let settled = self.watch.stats().settled();
            if settled > done && !is_hurried {
                done = settled;
                until = now + self.limit;
            } else if now < until {
                let left = (until - now).as_secs();
                tell(
                    &self.told,
                    format_args!(
                        "{}: waiting for the last frames to be stored, for {left} s more",
                        self.name
                    ),
                );
            } else {
                tell(&self.told, format_args!("{}: given up", self.name));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stats::Stats;
    use super::*;

    fn patience(seconds: u64) -> (Patience, mpsc::Receiver<String>) {
        let (told, remarks) = mpsc::channel(64);
        let patience = Patience {
            name: "nats://h/s".to_owned(),
            limit: Duration::from_secs(seconds),
            watch: Watch::default(),
            told,
        };
        (patience, remarks)
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_stores_nothing_is_waited_for_as_long_as_the_address_says() {
        let (patience, mut remarks) = patience(12);
        let begun = Instant::now();
        patience.lose().await;
        assert_eq!(begun.elapsed().as_secs(), 12);
        assert!(remarks.recv().await.unwrap().contains("for 7 s more"));
        assert!(remarks.recv().await.unwrap().contains("for 2 s more"));
        assert!(remarks.recv().await.unwrap().contains("given up"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_broker_is_waited_for_as_long_as_it_goes_on() {
        let (patience, _remarks) = patience(12);
        let watch = patience.watch.clone();
        let begun = Instant::now();
        let works = async {
            for stored in 1..=10 {
                tokio::time::sleep(Duration::from_secs(10)).await;
                watch.publish(Stats {
                    stored,
                    ..Stats::default()
                });
            }
        };
        tokio::join!(patience.lose(), works);
        assert!(
            (112..=117).contains(&begun.elapsed().as_secs()),
            "{:?}",
            begun.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_to_end_waits_five_seconds_whatever_the_broker_does() {
        let (patience, _remarks) = patience(3600);
        let watch = patience.watch.clone();
        let begun = Instant::now();
        let works = async {
            tokio::time::sleep(Duration::from_secs(7)).await;
            watch.hurry();
            for stored in 1..=10 {
                watch.publish(Stats {
                    stored,
                    ..Stats::default()
                });
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let end = async {
            patience.lose().await;
            begun.elapsed().as_secs()
        };
        assert_eq!(tokio::join!(end, works).0, 12);
    }
}
