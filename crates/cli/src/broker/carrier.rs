//! A broker as an output of a relay.

use core::time::Duration;

use fstrm_codec::ContentType;
use futures::StreamExt as _;
use tokio::sync::mpsc;

use super::address::Target;
use super::driver::{Broker, Parcel};
use crate::cmd::streams::{Carrier, Delivered, Exit};
use crate::failure::Result;

/// How long a broker is waited for once nothing more comes. A relay that was told to end waits less.
const LAST_ANSWERS: Duration = Duration::from_secs(60 * 60);

/// Carries frames of one content type to a broker.
#[derive(Debug)]
pub(crate) struct Freighter {
    pub(crate) target: Target,
    pub(crate) content_type: Option<ContentType>,
}

impl Carrier for Freighter {
    async fn carry(self, mut exit: Exit, told: mpsc::Sender<String>) -> Result<Delivered> {
        let mut broker = Broker::open(self.target)?;
        loop {
            let freight = tokio::select! {
                freight = exit.next() => freight,
                note = broker.next_note() => match note {
                    Some(note) => {
                        tell(&told, note);
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
                content_type: self.content_type.clone(),
                confirm: Box::new(move || freight.ack.confirm()),
            };
            if !give(&mut broker, parcel, &told).await {
                break;
            }
        }
        let stats = broker.close(LAST_ANSWERS, |note| tell(&told, note)).await?;
        Ok(Delivered {
            frames: stats.stored,
            dropped: stats.dropped.total(),
        })
    }
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

fn tell(told: &mpsc::Sender<String>, note: impl core::fmt::Display) {
    // Remarks that nobody has time for are not worth waiting for.
    let _ = told.try_send(note.to_string());
}
