//! `fstrm capture`: what many senders say, into files.

mod former;
mod letters;
mod limited;
mod names;
mod plan;
mod summary;
mod tell;

use std::io::IsTerminal as _;
use std::path::Path;

use fstrm_codec::collector::{self, Collector, Watch};
use fstrm_codec::endpoint::Endpoint;
use fstrm_codec::store::{Recorder, RecorderConfig};

use self::letters::{Letter, Signals};
use self::limited::{Limited, Meter};
use self::summary::Figures;
use self::tell::Teller;
use crate::args::fstrm::Capture;
use crate::cmd::Session;
use crate::cmd::streams::Certificates;
use crate::failure::{Code, Failure, Result};
use crate::metrics::{self, Exporter};
use crate::multicall::Guise;
use crate::service::Supervisor;
use crate::units::counted;

/// What `fstrm_capture` is told to say of how it went: `-ddd`.
const INFO: u8 = 3;

/// Captures until something ends it; as `fstrm_capture`, with its exit statuses.
pub(super) async fn run(session: &Session, args: &Capture) -> Result {
    let is_original = session.guise == Some(Guise::FstrmCapture);
    let ended = record(session, args, is_original).await;
    if is_original {
        return ended
            .map_err(|failure| Failure::imitated(1, format_args!("fstrm_capture: {}", failure.message())));
    }
    ended
}

async fn record(session: &Session, args: &Capture, is_original: bool) -> Result {
    if args.write == Path::new("-") && std::io::stdout().is_terminal() {
        let message = "standard output is a terminal; name a file, or let another program read";
        return Err(Failure::new(Code::Usage, message));
    }
    let content_type = plan::content_type(args)?;
    let mut signals = Signals::listen()
        .map_err(|error| Failure::caused(Code::CannotOpen, error).context("listening for signals"))?;
    let (listeners, certificates) = plan::listeners(args).await?;
    // Only now that all sockets are ours is a file touched.
    let store = plan::store(args, content_type.clone()).await?;
    let (collector, batches) = Collector::spawn(plan::collector(args, content_type));
    let (limited, meter) = Limited::new(batches, args.count);
    let mut recorder = Recorder::spawn(store, limited, RecorderConfig::new())
        .map_err(|error| Failure::caused(Code::CannotOpen, error).context("starting the recorder"))?;
    let exporter = match &args.metrics {
        Some(address) => Some(exporter(address, &collector, &recorder).await?),
        None => None,
    };
    let mut teller = Teller::new(args.debug, is_original);
    // Our own file is open by now, mended and locked.
    for former in plan::former(args).await {
        teller.former(session, &former);
    }
    for listener in listeners {
        teller.listening(session, &listener.local_endpoint());
        collector.listen(listener);
    }
    if let Some(exporter) = &exporter {
        exporter.tell(&session.output);
    }
    let mut supervisor = Supervisor::new();
    supervisor.ready("listening");
    let others = Others {
        meter: &meter,
        certificates: &certificates,
        signals: &mut signals,
        supervisor: &mut supervisor,
    };
    capture(session, &collector, &mut recorder, others, &mut teller).await;
    supervisor.stopping();
    let watch = collector.watch();
    finish(session, collector, &watch, &mut recorder, &mut teller).await;
    let outcome = recorder.finished().await;
    while let Some(event) = recorder.next_event().await {
        teller.file(session, &event);
    }
    if !is_original || args.debug >= INFO {
        let figures = Figures::new(&watch.stats(), &recorder.stats(), meter.surplus());
        session.output.summary(&figures, Figures::text);
    }
    match outcome {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::caused(Code::File, error)),
    }
}

/// Who else has a say while a capture runs.
struct Others<'a> {
    meter: &'a Meter,
    certificates: &'a Certificates,
    signals: &'a mut Signals,
    supervisor: &'a mut Supervisor,
}

/// The figures of both, for whoever asks.
async fn exporter(address: &Endpoint, collector: &Collector, recorder: &Recorder) -> Result<Exporter> {
    let (watch, handle) = (collector.watch(), recorder.handle());
    let render = move |page: &mut metrics::Page| {
        metrics::collected(page, &watch.stats(), Some(&handle.stats()));
    };
    Exporter::bind(address, render).await
}

/// How it goes, in a line.
fn status(stats: &collector::Stats) -> String {
    let dropped = stats.dropped.total();
    format!(
        "{}, {}, {dropped} dropped",
        counted(stats.open, "session"),
        counted(stats.frames, "frame")
    )
}

/// Until a signal, the deadline, the count, or the end of who reads us.
async fn capture(
    session: &Session,
    collector: &Collector,
    recorder: &mut Recorder,
    from: Others<'_>,
    teller: &mut Teller,
) {
    let orders = recorder.handle();
    loop {
        tokio::select! {
            _ended = session.stop.wait() => return,
            () = from.meter.full() => return,
            () = from.supervisor.due() => from.supervisor.alive(&status(&collector.stats())),
            letter = from.signals.next() => match letter {
                Letter::Flush => {
                    orders.flush().await;
                    if let Some(told) = from.certificates.reload() {
                        teller.certificates(session, &told);
                    }
                }
                Letter::Rotate => orders.rotate().await,
            },
            event = collector.next_event() => teller.event(session, &event),
            event = recorder.next_event() => match event {
                Some(event) => teller.file(session, &event),
                // It has nobody to write to any more.
                None => return,
            },
        }
    }
}

/// Takes what has come, and tells what happens meanwhile.
async fn finish(
    session: &Session,
    collector: Collector,
    watch: &Watch,
    recorder: &mut Recorder,
    teller: &mut Teller,
) {
    let mut close = core::pin::pin!(collector.close());
    let mut is_recording = true;
    loop {
        tokio::select! {
            _stats = &mut close => break,
            event = watch.next_event() => teller.event(session, &event),
            event = recorder.next_event(), if is_recording => match event {
                Some(event) => teller.file(session, &event),
                None => is_recording = false,
            },
        }
    }
    while let Some(event) = watch.poll_event() {
        teller.event(session, &event);
    }
}
