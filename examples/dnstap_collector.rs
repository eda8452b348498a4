//! Collects dnstap from DNS servers, and keeps in a file what was not found: a collector, a filter, a store.
//!
//! Servers connect, any number of them, and come and go. What a server has been told FINISH for is in the
//! file; a collector that is killed leaves one torn frame at most, and the next one goes on in the same file.
//! Here a task plays the server, and sends a recorded capture.
//!
//! ```text
//! cargo run -p tinwire-examples --bin dnstap_collector
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;
use core::future::ready;
use std::path::Path;
use std::time::SystemTime;

use dnstap_codec::filter::Filter;
use dnstap_codec::{CONTENT_TYPE, Dnstap};
use fstrm_codec::collector::{Batch, Receipt};
use fstrm_codec::endpoint::{DialConfig, Dialer, Endpoint, ListenConfig, Listener};
use fstrm_codec::rotate::Now;
use fstrm_codec::store::{Folder, Record, Recorder, RecorderConfig, Store};
use fstrm_codec::{
    Collector, Config, ContentType, FileReader, FrameConfig, OwnedRun, Sender, collector, sender, store,
};
use futures::StreamExt;
use tinwire_time::Instant;

const CAPTURE: &[u8] = include_bytes!("data/unbound.fstrm");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join("not-found.fstrm");
    let (came, kept) = story(&path).await?;
    println!("{came} messages came, {kept} were added to {}", path.display());
    Ok(())
}

/// How many frames came, and how many were kept.
async fn story(path: &Path) -> Result<(u64, u64), Box<dyn Error>> {
    // In its place could be unix:/run/dnstap.sock, and a server that is told of it.
    let listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?, ListenConfig::new()).await?;
    let place = listener.local_endpoint();

    let (collector, batches) = Collector::spawn(collector::Config::new().stream(dnstap()?));
    collector.listen(listener);
    let wanted: Filter = "rcode == NXDOMAIN".parse()?;
    let kept = batches.filter_map(move |batch| ready(Kept::of(batch, &wanted)));
    let now = Now {
        at: Instant::ZERO,
        wall: SystemTime::now(),
    };
    let content_type = ContentType::from_static(CONTENT_TYPE).ok_or("a short name")?;
    let config = store::Config::new().content_type(content_type);
    let store = Store::open(Folder, path.to_path_buf(), config, now)?;
    let mut recorder = Recorder::spawn(store, kept, RecorderConfig::new())?;

    server(&place).await?; // until FINISH has come
    let came = collector.close().await.frames; // ends the batches, and so the recorder
    Ok((came, recorder.finished().await?.store.frames))
}

/// What is left of a batch, and what confirms all of it.
struct Kept {
    run: OwnedRun,
    receipt: Receipt,
}

impl Kept {
    fn of(batch: Batch, wanted: &Filter) -> Option<Self> {
        let (run, receipt) = batch.split();
        let matches = |payload: &&[u8]| Dnstap::decode(payload).is_ok_and(|dnstap| wanted.matches(&dnstap));
        match OwnedRun::encode(run.as_run().iter().filter(matches), FrameConfig::new()) {
            Ok(run) => Some(Self { run, receipt }),
            Err(_) => {
                receipt.confirm(); // nothing to keep
                None
            }
        }
    }
}

impl Record for Kept {
    type Receipt = Receipt;

    fn split(self) -> (OwnedRun, Receipt) {
        (self.run, self.receipt)
    }

    fn confirm(receipt: Receipt) {
        receipt.confirm();
    }
}

/// The DNS server's side.
async fn server(place: &Endpoint) -> Result<(), Box<dyn Error>> {
    let dialer = Dialer::new(place, DialConfig::new())?;
    let sender = Sender::spawn(dialer, sender::Config::new().handshake(dnstap()?))?;
    let mut capture = FileReader::new(CAPTURE, Config::new())?;
    while let Some(run) = capture.next_run()? {
        sender.send_run(run.into()).await?;
    }
    if !sender.close().await.finished {
        return Err("no FINISH".into());
    }
    Ok(())
}

fn dnstap() -> Result<Config, &'static str> {
    let content_type = ContentType::from_static(CONTENT_TYPE).ok_or("a short name")?;
    Ok(Config::new().content_type(content_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_matches_is_in_the_file_and_the_next_run_goes_on_in_it() {
        let folder = std::env::temp_dir().join(format!("dnstap-collector-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("not-found.fstrm");
        let (came, kept) = story(&path).await.unwrap();
        assert!(came == 20 && kept > 0 && kept < 20, "{kept} of {came}");
        assert_eq!(story(&path).await.unwrap(), (came, kept));
        let mut file = FileReader::open(&path, Config::new()).unwrap();
        let wanted: Filter = "rcode == NXDOMAIN".parse().unwrap();
        while let Some(payload) = file.next_frame().unwrap() {
            assert!(wanted.matches(&Dnstap::decode(payload).unwrap()));
        }
        assert_eq!(file.stats().data_frames, 2 * kept);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
