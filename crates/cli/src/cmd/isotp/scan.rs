//! `isotp scan`: pairs of addresses, heard or asked for.

mod record;
mod sweep;

use std::collections::BTreeMap;

use can_link::link::{CanTxExt as _, Origin as FrameOrigin};
use isotp::survey::{self, Confidence, Finding, Survey};
use serde::Serialize;
use tinwire_time::Origin;
use tokio::time::Instant;

use self::record::Line;
use self::sweep::{Call, Found, Settings, Step, Sweep};
use crate::args::isotp::endpoint::{Filling, LinkLayer, TxFilling};
use crate::args::isotp::scan::{Ids, Probe, Scan};
use crate::cmd::Session;
use crate::cmd::clock::Clock;
use crate::cmd::watch::Watch;
use crate::failure::{Code, Failure, Result};
use crate::links;
use crate::stop::Ended;
use crate::units;

/// The filler where none is asked for.
const FILLER: u8 = 0xCC;

/// The closing line.
#[derive(Default, Serialize)]
struct Summary {
    r#type: &'static str,
    pairs: usize,
    /// Frames that were looked at.
    frames: u64,
    /// Identifiers that were heard, or asked.
    identifiers: usize,
    /// Identifiers that were not asked because they are in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<usize>,
    /// Frames that the link lost before we saw them.
    dropped: u64,
}

pub(super) async fn run(session: &mut Session, args: Scan) -> Result {
    let link = links::named_or_configured(session, args.link.as_deref().or(args.named.as_deref()))?;
    let sweep = match &args.active {
        Some(ids) => Some((calls(ids, &args), settings(&args)?)),
        None => None,
    };
    let mut watch = session.stop.cut(Watch::open(session, link, None)).await?;
    let mut summary = Summary {
        r#type: "summary",
        ..Summary::default()
    };
    let ended = match sweep {
        None => listen(session, &mut watch, &args, &mut summary).await,
        Some((calls, settings)) => ask(session, &mut watch, calls, settings, &mut summary).await,
    };
    summary.dropped = watch.dropped;
    session.output.flush()?;
    session.output.summary(&summary, text);
    match ended? {
        _ if summary.pairs > 0 => Ok(()),
        Some(Ended::Signal(signal)) if args.active.is_some() => Err(Failure::new(
            Code::Interrupted(signal),
            "interrupted before anybody was found",
        )),
        _ => {
            let what = match args.active {
                Some(_) => "nobody answered",
                None => "no pair was found",
            };
            Err(Failure::new(Code::NothingFound, what))
        }
    }
}

fn text(summary: &Summary) -> String {
    let skipped = summary
        .skipped
        .filter(|&skipped| skipped > 0)
        .map_or_else(String::new, |skipped| {
            format!(", {skipped} in use were not asked")
        });
    format!(
        "{}; {}, {}{skipped}, {} dropped",
        units::counted(count(summary.pairs), "pair"),
        units::counted(count(summary.identifiers), "identifier"),
        units::counted(summary.frames, "frame"),
        summary.dropped
    )
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Listens until something ends it, and shows what was learnt.
async fn listen(
    session: &mut Session,
    watch: &mut Watch,
    args: &Scan,
    summary: &mut Summary,
) -> Result<Option<Ended>> {
    let mut survey = Survey::new();
    let mut clock = Clock::default();
    let mut link = None;
    let over = async {
        match args.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => core::future::pending().await,
        }
    };
    tokio::pin!(over);
    let ended = loop {
        tokio::select! {
            biased;
            ended = session.stop.wait() => break Ok(Some(ended)),
            () = &mut over => break Ok(None),
            frame = watch.frame(session) => match frame {
                Ok(Some((name, received))) => {
                    survey.handle_frame(clock.at(received.time.host), &received.frame);
                    link.get_or_insert(name);
                }
                Ok(None) => break Ok(None),
                Err(failure) => break Err(failure),
            },
        }
    };
    let findings = survey.findings();
    let findings: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.confidence >= Confidence::from(args.confidence))
        .collect();
    let link = link.unwrap_or_default();
    for finding in &findings {
        let line = Line::heard(&link, finding);
        session.output.either(&line, Line::text)?;
    }
    summary.pairs = findings.len();
    summary.frames = survey.frames();
    summary.identifiers = survey.identifiers();
    if survey.frames_unfollowed() > 0 {
        session.output.notice(format_args!(
            "{} of further identifiers were not followed: there are too many",
            units::counted(survey.frames_unfollowed(), "frame")
        ));
    }
    ended
}

/// What is to be asked: each identifier, with each address byte.
fn calls(Ids(ids): &Ids, args: &Scan) -> Vec<Call> {
    let bytes: Vec<Option<u8>> = match &args.extended {
        Some(bytes) => bytes.0.iter().copied().map(Some).collect(),
        None => vec![None],
    };
    let with_each = |&id| bytes.iter().map(move |&byte| Call { id, byte });
    ids.iter().flat_map(with_each).collect()
}

fn settings(args: &Scan) -> Result<Settings> {
    let filler = match args.padding {
        Some(Filling { rx: Some(_), .. }) => {
            return Err(Failure::new(
                Code::Usage,
                "-p: what is received is not checked here",
            ));
        }
        Some(Filling {
            tx: TxFilling::None, ..
        }) => None,
        Some(Filling {
            tx: TxFilling::Byte(byte),
            ..
        }) => Some(byte),
        _ => Some(FILLER),
    };
    if let (Probe::Request(request), Some(_)) = (&args.probe, &args.extended)
        && request.len() > 6
    {
        let message = "--probe: behind an address byte at most 6 bytes fit a single frame";
        return Err(Failure::new(Code::Usage, message));
    }
    Ok(Settings {
        probe: args.probe.clone(),
        filler,
        fd: match args.link_layer {
            Some(LinkLayer::Fd { flags, .. }) => Some(can_link::frame::FdFlags::from_bits(flags)),
            Some(LinkLayer::Classic) | None => None,
        },
        listen: args.listen,
        gap: args.gap,
        wait: args.wait,
        confirm: args.confirm,
        all: args.all,
    })
}

/// Asks everybody, and shows who answers as soon as it is sure.
async fn ask(
    session: &mut Session,
    watch: &mut Watch,
    calls: Vec<Call>,
    settings: Settings,
    summary: &mut Summary,
) -> Result<Option<Ended>> {
    let origin = Origin::new(Instant::now().into_std());
    let now = || origin.at(Instant::now().into_std());
    let mut sweep = Sweep::new(now(), calls, settings);
    let mut bar = session.output.progress(100);
    let mut asked = BTreeMap::new();
    let ended = loop {
        let until = match sweep.poll(now()) {
            Step::Done => break None,
            Step::Send(frame) => {
                *asked.entry(can_link::id::to_word(frame.id())).or_insert(0_u64) += 1;
                let sent = watch.link().send(frame).await;
                sent.map_err(|error| links::not_sent(error, watch.name()))?;
                continue;
            }
            Step::Wait(until) => until,
        };
        let (done, all) = sweep.progress();
        bar.show(
            count(done * 100).checked_div(count(all)).unwrap_or(0),
            &format!("{done} of {all} asked"),
        );
        let sleep = origin.deadline(until).map(Instant::from_std);
        tokio::select! {
            biased;
            ended = session.stop.wait() => break Some(ended),
            frame = watch.frame(session) => {
                let Some((_, received)) = frame? else {
                    break None;
                };
                summary.frames += 1;
                if received.origin != FrameOrigin::Own {
                    sweep.handle_frame(now(), &received.frame);
                }
            }
            () = crate::stop::at(sleep) => {}
        }
        let found = sweep.take_found();
        if !found.is_empty() {
            bar.clear();
            show(session, watch.name(), &found, summary)?;
        }
    };
    bar.clear();
    let found = sweep.take_found();
    show(session, watch.name(), &found, summary)?;
    summary.identifiers = asked.len();
    summary.skipped = Some(sweep.skipped());
    Ok(ended)
}

fn show(session: &mut Session, link: &str, found: &[Found], summary: &mut Summary) -> Result {
    for one in found {
        summary.pairs += 1;
        let answered = found.iter().filter(|other| other.asked == one.asked).count();
        let is_functional = answered > 1 || survey::is_functional(one.asked.id);
        let line = Line::asked(link, one, is_functional);
        session.output.either(&line, Line::text)?;
    }
    session.output.flush()
}
