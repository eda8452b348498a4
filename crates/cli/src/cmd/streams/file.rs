//! Files and standard input, read by a thread of their own.

use std::sync::Arc;

use fstrm_codec::file::Sequences;
use fstrm_codec::{Config, End, FileReader, OwnedRun};
use tokio::sync::mpsc;

use super::{Arrival, Parcel, Source, Ticket};
use crate::cmd::fstrm::{feed, trouble};
use crate::failure::{Code, Failure, Result};

/// Begins to read the files, one after the other.
pub(super) fn spawn(names: Vec<String>, config: Config, arrivals: mpsc::Sender<Arrival>) {
    tokio::task::spawn_blocking(move || {
        for name in names {
            let name: Arc<str> = name.into();
            let last = match read(&name, config.clone(), &arrivals) {
                Ok(Some(end)) => Arrival::Ended {
                    source: Source::File(name),
                    end,
                },
                Ok(None) => return,
                Err(failure) => Arrival::Failed(failure),
            };
            if arrivals.blocking_send(last).is_err() {
                return;
            }
        }
    });
}

/// Reads one file; `None` when nobody wants the rest.
fn read(name: &Arc<str>, config: Config, arrivals: &mpsc::Sender<Arrival>) -> Result<Option<End>> {
    let reader = FileReader::new(feed::open(name)?, config);
    let reader = reader.map_err(|error| Failure::caused(Code::Usage, error))?;
    let mut reader = reader.sequences(Sequences::Concatenated);
    while let Some(run) = reader.next_run().map_err(|error| trouble(name, error))? {
        let run = OwnedRun::from(run);
        let parcel = Parcel {
            run,
            source: Source::File(Arc::clone(name)),
            content_type: reader.content_type().cloned(),
            ticket: Ticket(None),
        };
        if arrivals.blocking_send(Arrival::Parcel(parcel)).is_err() {
            return Ok(None);
        }
    }
    Ok(reader.end_of_stream())
}
