//! `fstrm relay`: from any inputs to any outputs.

mod sieve;
mod tally;

use core::pin::pin;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use fstrm_codec::endpoint::Endpoint;
use fstrm_codec::queue::Delivery;
use fstrm_codec::{ContentType, Mode};
use futures::future::{join_all, select_all};
use serde::Serialize;
use tokio::sync::mpsc;

pub(in crate::cmd) use self::sieve::Sieve;
use self::sieve::Sifted;
use self::tally::{Tally, exporter};
use super::check_end;
use super::faults::Faults;
use crate::args::fstrm::{Delivery as DeliveryWord, Relay};
use crate::cmd::Session;
use crate::cmd::streams::{
    Arrival, Crowd, Delivered, Goal, Inputs, LaneStats, OnFull, Output, OutputConfig, Parcel, Redial,
    Settings, Source, UNANSWERED, chain, content_type, endpoint, shares,
};
use crate::failure::{Code, Failure, Result};
use crate::service::{self, Supervisor};
use crate::{broker, units};

/// Remarks that wait to be told.
const REMARKS: usize = 64;
/// How long outputs may keep us waiting after we were told to end.
const GRACE: Duration = Duration::from_secs(5);

/// How long peers wait for FINISH after we were told to end: longer than outputs get for the last frames.
const CLOSE: Duration = Duration::from_secs(15);

/// The closing line.
#[derive(Default, Serialize)]
struct Summary {
    r#type: &'static str,
    frames: u64,
    bytes: u64,
    /// Frames of another content type, given to nobody.
    wrong_type: u64,
    /// Frames that came and could be given to nobody any more.
    refused: u64,
    /// What became of dnstap messages on the way.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    sifted: Option<Sifted>,
    /// Frames of inputs that were lost before they came to us whole, or over the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<Sockets>,
    outputs: Vec<Figures>,
}

/// What sockets brought.
#[derive(Default, Serialize)]
struct Sockets {
    sessions: u64,
    failed: u64,
    torn: u64,
    oversize: u64,
    confirmed_frames: u64,
}

/// What became of frames at one output.
#[derive(Default, Serialize)]
struct Figures {
    name: String,
    frames: u64,
    dropped: u64,
    undelivered: u64,
    #[serde(skip)]
    is_unanswered: bool,
    /// What a broker counts beside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    broker: Option<broker::Stats>,
}

impl Summary {
    fn text(&self) -> String {
        let mut text = format!(
            "{}, {}",
            units::counted(self.frames, "frame"),
            units::counted(self.bytes, "byte")
        );
        for (count, what) in [
            (self.wrong_type, "of another type"),
            (self.refused, "refused at the end"),
        ] {
            if count > 0 {
                text = format!("{text}, {count} {what}");
            }
        }
        if let Some(sifted) = &self.sifted {
            text = format!("{text}{}", sifted.text());
        }
        for output in &self.outputs {
            let Figures {
                name,
                frames,
                dropped,
                undelivered,
                broker,
                ..
            } = output;
            text = format!("{text}; {name}: {frames} delivered, {dropped} dropped");
            if *undelivered > 0 {
                text = format!("{text}, {undelivered} not delivered");
            }
            if let Some(broker) = broker {
                text = format!("{text}; {}", broker.text());
            }
        }
        text
    }
}

/// Passes frames on: all of them, or what a sieve leaves.
pub(in crate::cmd) async fn run(session: &mut Session, args: &Relay, sieve: Option<Sieve>) -> Result {
    let words = core::iter::once(&args.input).chain(&args.inputs);
    let inputs: Vec<_> = words.map(|word| endpoint(word)).collect::<Result<_>>()?;
    let outputs: Vec<_> = args
        .outputs
        .iter()
        .map(|word| Goal::read(word))
        .collect::<Result<_>>()?;
    check_loops(&inputs, &outputs)?;
    let configs = configs(args, &outputs)?;
    let redial = if args.once { Redial::Never } else { Redial::Always };
    let streams: Vec<_> = outputs.iter().filter_map(Goal::endpoint).cloned().collect();
    let mut settings = Settings::new(&args.stream, &inputs, &streams)?
        .redial(redial)
        .reload_at_hangups(&session.stop);
    // What dead outputs hold must not keep live ones from their share.
    settings.collector = settings
        .collector
        .close_timeout(CLOSE)
        .queue((16 << 20) + outputs.len().saturating_mul(args.queue.saturating_add(16 << 20)));
    let (told, mut remarks) = mpsc::channel(REMARKS);
    let mut relay = Way {
        settings,
        places: outputs.into_iter().zip(configs).collect(),
        outputs: Vec::new(),
        content_type: content_type(&args.stream)?,
        told,
        sieve,
        strangers: BTreeSet::new(),
        tally: Arc::default(),
        supervisor: Supervisor::new(),
        crowd: Crowd::new(),
        summary: Summary {
            r#type: "summary",
            ..Summary::default()
        },
    };
    if relay.content_type.is_some() {
        relay.open().await?;
    }
    if let Some(sieve) = &relay.sieve {
        relay.tally.sift(sieve.kept_back());
    }
    let handed = service::sockets(&relay.settings.listen)?;
    let mut inputs = Inputs::open_with(&inputs, handed, &relay.settings).await?;
    let exporter = match &args.metrics {
        Some(address) => Some(exporter(address, &relay.tally, inputs.watch(), relay.brokers()).await?),
        None => None,
    };
    for place in inputs.listening() {
        session.output.notice(format_args!("listening on {place}"));
    }
    if let Some(exporter) = &exporter {
        exporter.tell(&session.output);
    }
    relay.supervisor.ready("relaying");
    let mut faults = Faults::default();
    let carried = relay.carry(session, &mut inputs, &mut remarks, &mut faults).await;
    relay.supervisor.stopping();
    let finished = relay.finish(session, &mut remarks, &mut faults).await;
    // Peers whose frames have arrived in the meantime get FINISH.
    let sockets = inputs.close().await;
    // The last words of an output that has ended.
    while let Ok(remark) = remarks.try_recv() {
        session.output.notice(remark);
    }
    relay.summary.inputs = sockets.map(|stats| Sockets {
        sessions: stats.sessions,
        failed: stats.failed.total(),
        torn: stats.dropped.torn,
        oversize: stats.dropped.oversize,
        confirmed_frames: stats.confirmed_frames,
    });
    if let Some(told) = relay.crowd.rest() {
        session.output.notice(told);
    }
    relay.summary.frames = relay.tally.frames();
    relay.summary.bytes = relay.tally.bytes();
    relay.summary.wrong_type = relay.tally.wrong_type();
    relay.summary.sifted = relay.sieve.as_ref().map(Sieve::sifted);
    session.output.summary(&relay.summary, Summary::text);
    carried.and(finished)?;
    if let Err(failure) = relay.judge(args.strict) {
        faults.take(session, failure)?;
    }
    faults.result()
}

/// One endpoint on both sides would go round for ever.
fn check_loops(inputs: &[Endpoint], outputs: &[Goal]) -> Result {
    let both = inputs.iter().find(|input| {
        outputs.iter().filter_map(Goal::endpoint).any(|output| {
            output.place == input.place && output.place != fstrm_codec::endpoint::Place::Standard
        })
    });
    both.map_or(Ok(()), |both| {
        let message = format!("{both} is an input and an output: frames would go round for ever");
        Err(Failure::new(Code::Usage, message))
    })
}

/// The rule of each output.
fn configs(args: &Relay, outputs: &[Goal]) -> Result<Vec<OutputConfig>> {
    let mut rules = vec![OnFull::default(); outputs.len()];
    for rule in &args.on_full {
        let place = rule.output.as_deref().map(Goal::read).transpose()?;
        let mut is_used = false;
        for (own, output) in rules.iter_mut().zip(outputs) {
            if place.as_ref().is_none_or(|place| place.is_same_place(output)) {
                *own = rule.on_full;
                is_used = true;
            }
        }
        if let (false, Some(place)) = (is_used, place) {
            let message = format!("--on-full: {place} is none of the outputs");
            return Err(Failure::new(Code::Usage, message));
        }
    }
    let mode = if args.unidirectional {
        Mode::Unidirectional
    } else {
        Mode::Bidirectional
    };
    let delivery = match args.delivery {
        DeliveryWord::Confirmed if !args.unidirectional => Delivery::Confirmed,
        _ => Delivery::Written,
    };
    let config = |on_full| OutputConfig {
        on_full,
        queue: args.queue,
        delivery,
        mode,
    };
    Ok(rules.into_iter().map(config).collect())
}

/// From inputs to outputs.
struct Way {
    settings: Settings,
    places: Vec<(Goal, OutputConfig)>,
    outputs: Vec<Output>,
    content_type: Option<ContentType>,
    told: mpsc::Sender<String>,
    sieve: Option<Sieve>,
    /// Sources of another content type, told already.
    strangers: BTreeSet<String>,
    tally: Arc<Tally>,
    supervisor: Supervisor,
    crowd: Crowd,
    summary: Summary,
}

impl Way {
    /// The brokers among the outputs, by name.
    fn brokers(&self) -> Vec<(String, broker::Watch)> {
        let brokers = self.places.iter();
        brokers
            .filter_map(|(goal, _)| Some((goal.to_string(), goal.broker()?.clone())))
            .collect()
    }

    async fn open(&mut self) -> Result {
        for (place, config) in &self.places {
            let content_type = self.content_type.as_ref();
            let output = place
                .open(&self.settings, *config, content_type, &self.told)
                .await?;
            self.tally.opened(&output);
            self.outputs.push(output);
        }
        Ok(())
    }

    /// Passes on what comes, until inputs end or we are told to.
    async fn carry(
        &mut self,
        session: &mut Session,
        inputs: &mut Inputs,
        remarks: &mut mpsc::Receiver<String>,
        faults: &mut Faults,
    ) -> Result {
        let stop = session.stop.clone();
        let mut is_stopping = false;
        let grace = tokio::time::sleep(Duration::MAX);
        tokio::pin!(grace);
        loop {
            let arrival = tokio::select! {
                _ = stop.wait(), if !is_stopping => {
                    is_stopping = true;
                    inputs.stop();
                    grace.set(tokio::time::sleep(GRACE));
                    continue;
                }
                () = &mut grace, if is_stopping => return Ok(()),
                () = over(&self.outputs) => return Ok(()),
                Some(remark) = remarks.recv() => {
                    session.output.notice(remark);
                    continue;
                }
                () = self.supervisor.due() => {
                    self.supervisor.alive(&self.tally.status());
                    continue;
                }
                arrival = inputs.next() => arrival,
            };
            match arrival {
                None => return Ok(()),
                Some(Arrival::Parcel(parcel)) => {
                    let Some((parcel, frames)) = self.admit(session, parcel).await? else {
                        continue;
                    };
                    let cut = cut(&stop, is_stopping, grace.as_mut());
                    if self.offer(session, remarks, parcel, cut).await {
                        continue;
                    }
                    // Its ticket is gone: whoever keeps the frames sends them again.
                    self.summary.refused += frames;
                    inputs.stop();
                    return Ok(());
                }
                Some(Arrival::Ended {
                    source: Source::File(name),
                    end,
                }) => {
                    if let Err(failure) = check_end(&name, end) {
                        faults.take(session, failure)?;
                    }
                }
                // A peer that stops, or leaves between frames, is nothing to remark on; the summary counts.
                Some(Arrival::Ended { .. }) => {}
                Some(Arrival::Broken { source, error }) => {
                    let (told, may) = self.crowd.remark();
                    let remark = may.then(|| format!("{source}: {}", chain(&error)));
                    for line in [told, remark].into_iter().flatten() {
                        session.output.notice(line);
                    }
                }
                Some(Arrival::Failed(failure)) => faults.take(session, failure)?,
                Some(Arrival::Told(text)) => session.output.notice(text),
            }
        }
    }

    /// Takes a parcel of the right content type; opens the outputs for the first one.
    async fn admit(&mut self, session: &Session, parcel: Parcel) -> Result<Option<(Parcel, u64)>> {
        let frames = parcel.run.frames();
        if self.outputs.is_empty() {
            self.content_type.clone_from(&parcel.content_type);
            self.open().await?;
        }
        if parcel.content_type.is_some() && parcel.content_type != self.content_type {
            self.tally.count_wrong(frames);
            let source = parcel.source.to_string();
            if !self.strangers.contains(&source) && self.strangers.len() < REMARKS {
                let got = parcel
                    .content_type
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let ours = self
                    .content_type
                    .as_ref()
                    .map_or_else(|| "none".to_owned(), ToString::to_string);
                session.output.notice(format_args!(
                    "{source}: content type \"{got}\", but this relay carries {ours}; refused"
                ));
                self.strangers.insert(source);
            }
            return Ok(None);
        }
        self.tally.count(frames, parcel.run.payload_bytes());
        self.sift(parcel)
    }

    /// What the sieve leaves of a parcel. One of which nothing is left is done with.
    fn sift(&mut self, parcel: Parcel) -> Result<Option<(Parcel, u64)>> {
        let run = match &mut self.sieve {
            Some(sieve) => {
                let left = sieve.sift(parcel.run)?;
                self.tally.sift(sieve.kept_back());
                left
            }
            None => Some(parcel.run),
        };
        let Some(run) = run else {
            parcel.ticket.confirm();
            return Ok(None);
        };
        let frames = run.frames();
        Ok(Some((Parcel { run, ..parcel }, frames)))
    }

    /// Gives a parcel to every output; whether all of them took it before `cut` or the end of one that must
    /// not lose anything.
    async fn offer(
        &mut self,
        session: &Session,
        remarks: &mut mpsc::Receiver<String>,
        parcel: Parcel,
        cut: impl Future<Output = ()>,
    ) -> bool {
        let shares = shares(parcel.ticket, &parcel.run, self.outputs.len());
        // At the same time: one that blocks holds up what comes next, not its neighbours' share of this.
        let offered = join_all(
            self.outputs
                .iter()
                .zip(shares)
                .map(|(output, share)| output.offer(share)),
        );
        let (mut offered, mut cut) = (pin!(offered), pin!(cut));
        let mut over = pin!(over(&self.outputs));
        loop {
            tokio::select! {
                biased;
                _all = &mut offered => return true,
                () = &mut cut => return false,
                () = &mut over => return false,
                Some(remark) = remarks.recv() => session.output.notice(remark),
                () = self.supervisor.due() => self.supervisor.alive(&self.tally.status()),
            }
        }
    }

    /// Waits until outputs have everything, and counts.
    async fn finish(
        &mut self,
        session: &mut Session,
        remarks: &mut mpsc::Receiver<String>,
        faults: &mut Faults,
    ) -> Result {
        for output in &self.outputs {
            output.close();
        }
        let brokers: Vec<_> = self.places.iter().map(|(goal, _)| goal.broker()).collect();
        let stop = session.stop.clone();
        let mut is_stopping = false;
        for (mut output, broker) in self.outputs.drain(..).zip(&brokers) {
            let outcome = loop {
                tokio::select! {
                    outcome = output.finished() => break outcome,
                    Some(remark) = remarks.recv() => session.output.notice(remark),
                    () = self.supervisor.due() => self.supervisor.alive(&self.tally.status()),
                    _ = stop.wait(), if !is_stopping => {
                        is_stopping = true;
                        // Others end in seconds by themselves.
                        brokers.iter().flatten().for_each(|broker| broker.hurry());
                    }
                }
            };
            let broker = broker.map(broker::Watch::stats);
            let delivered = match outcome {
                Ok(delivered) => delivered,
                Err(failure) => {
                    faults.take(session, failure)?;
                    broker.map_or_else(Delivered::default, Delivered::from)
                }
            };
            let LaneStats { offered, dropped } = output.stats();
            let dropped = dropped.saturating_add(delivered.dropped);
            let is_unanswered = delivered.is_unanswered;
            let delivered = delivered.frames;
            self.summary.outputs.push(Figures {
                name: output.name().to_owned(),
                frames: delivered,
                dropped,
                undelivered: offered.saturating_sub(dropped).saturating_sub(delivered),
                is_unanswered,
                broker,
            });
        }
        Ok(())
    }

    /// Whether it can be called a success.
    fn judge(&self, is_strict: bool) -> Result {
        let undelivered: u64 = self.summary.outputs.iter().map(|output| output.undelivered).sum();
        if undelivered > 0 || self.summary.refused > 0 {
            let frames = units::counted(undelivered + self.summary.refused, "frame");
            let failure = Failure::new(Code::Lost, format!("{frames} could not be delivered"));
            let mut outputs = self.summary.outputs.iter();
            let is_unanswered = outputs.any(|output| output.undelivered > 0 && output.is_unanswered);
            return Err(if is_unanswered {
                failure.hint(UNANSWERED)
            } else {
                failure
            });
        }
        let dropped: u64 = self.summary.outputs.iter().map(|output| output.dropped).sum();
        let sifted = self.summary.sifted.as_ref().map_or(0, Sifted::dropped);
        let dropped = dropped + self.summary.wrong_type + sifted;
        if is_strict && dropped > 0 {
            return Err(crate::failure::data_lost(dropped));
        }
        Ok(())
    }
}

/// Completes when an output has failed that must not lose anything, or when all of them have.
async fn over(outputs: &[Output]) {
    if outputs.is_empty() {
        return core::future::pending().await;
    }
    let needed = outputs.iter().filter(|output| output.on_full() == OnFull::Block);
    let needed: Vec<_> = needed.map(|output| Box::pin(output.over())).collect();
    if needed.is_empty() {
        join_all(outputs.iter().map(Output::over)).await;
    } else {
        select_all(needed).await;
    }
}

/// Completes when waiting for outputs has to end.
async fn cut(stop: &crate::stop::Stop, is_stopping: bool, grace: core::pin::Pin<&mut tokio::time::Sleep>) {
    if is_stopping {
        grace.await;
    } else {
        stop.wait().await;
        tokio::time::sleep(GRACE).await;
    }
}
