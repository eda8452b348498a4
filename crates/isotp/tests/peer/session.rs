//! One peer and a script of frames, right and wrong ones.
//!
//! The trace is what python-can-isotp does. Where the standard asks for something else, `iso` says in words
//! what that is, and [`Rule`] says what we check for these words.

use bytes::Bytes;
use can_link::CanFrame;
use isotp::{Address, BytesChannel, Config, Event, FlowStatus, Pci, SendError, Timeout, TransferError};
use testkit::vectors::{Tally, Value};
use tinwire_time::Instant;

use super::{address, config, frame, payload, text};

/// What binds us.
enum Rule {
    /// Frames out, messages and failures are those of the trace.
    Trace,
    /// Frames that have no effect are reported, and all goes on as if they had not come.
    Ignore,
    /// The transfer ends with this result after the frames of the trace up to the fault.
    SendFails(&'static str),
    /// The transfer completes.
    SendCompletes,
    /// The message is refused before any frame leaves.
    SendRefused,
    /// That peer does not take the message, and we do.
    Accept(&'static str),
}

fn rule(entry: &Value) -> Rule {
    let Some(iso) = entry.get("iso") else {
        return Rule::Trace;
    };
    match iso.as_str().unwrap() {
        text if text.starts_with("ignore") => Rule::Ignore,
        "not for this link" | "cannot occur on a bus" => Rule::Ignore,
        text if text.starts_with("accept") || text.starts_with("full duplex") => Rule::Trace,
        text if text.starts_with("abort with N_WRONG_SN") => Rule::Trace,
        text if text.starts_with("report UNEXP_PDU") => Rule::Trace,
        text if text.starts_with("a receiver must not change BS/STmin") => Rule::Trace,
        "implementation choice" | "N_Cr = 1000 ms" | "FC.OVFLW" | "N_TIMEOUT_Bs" => Rule::Trace,
        "old reception ended with UNEXP_PDU, then FC.OVFLW" => Rule::Trace,
        "N_Bs = 1000 ms, abort with N_TIMEOUT_Bs; later FC ignored" => Rule::Trace,
        "each WAIT restarts N_Bs; then N_TIMEOUT_Bs" => Rule::Trace,
        "abort with N_BUFFER_OVFLW" | "OVFLW is allowed only after the FF; abort" => Rule::Trace,
        "abort with N_INVALID_FS" => Rule::SendFails("N_INVALID_FS"),
        "reserved: use 127 ms" | "each WAIT restarts N_Bs" => Rule::SendCompletes,
        "multi-frame with functional addressing is not allowed" | "not allowed (SF_DL 0)" => {
            Rule::SendRefused
        }
        "priority may differ" => {
            Rule::Accept("the priority of a fixed mode may differ; that peer wants its own")
        }
        unknown => panic!("{entry}: unknown rule: {unknown}"),
    }
}

/// What our machine did.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    out: Vec<(Instant, String)>,
    received: Vec<Bytes>,
    events: Vec<(Instant, Event)>,
    refused: Vec<SendError>,
    /// Positions in the trace of frames without effect: ignored, or for another address.
    without_effect: Vec<usize>,
}

impl Outcome {
    fn frames(&self) -> Vec<&str> {
        self.out.iter().map(|(_, frame)| frame.as_str()).collect()
    }

    fn reports(&self, what: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(|(_, event)| what(event))
    }

    /// Failures up to `end`; a trace ends while transfers are still open.
    fn failures(&self, end: Instant) -> Vec<&'static str> {
        let events = self.events.iter().filter(|(at, _)| *at <= end);
        let mut names: Vec<_> = events.filter_map(|(_, event)| failure(event)).collect();
        names.sort_unstable();
        names
    }
}

/// That peer's name for what we report; `None` where it reports nothing.
fn failure(event: &Event) -> Option<&'static str> {
    let error = match event {
        Event::SendFailed { error, .. } | Event::ReceiveFailed { error, .. } => error,
        Event::Refused { .. } => return Some("FrameTooLongError"),
        _ => return None,
    };
    Some(match error {
        TransferError::Timeout(Timeout::NBs) => "FlowControlTimeoutError",
        TransferError::Timeout(Timeout::NCr) => "ConsecutiveFrameTimeoutError",
        TransferError::WrongSequence { .. } => "WrongSequenceNumberError",
        TransferError::UnexpectedPdu => "ReceptionInterrupted",
        TransferError::Overflow => "OverflowError",
        TransferError::TooManyWaits { .. } => "MaximumWaitFrameReachedError",
        other => other.n_result().name(),
    })
}

fn play(address: Address, config: Config, steps: &[Value], skip: &[usize]) -> Outcome {
    let mut channel = BytesChannel::new(address, config);
    let mut outcome = Outcome::default();
    let mut outbox: Vec<Bytes> = Vec::new();
    let mut now = Instant::ZERO;
    for (position, step) in steps.iter().enumerate() {
        let t = Instant::from_micros(step["t"].as_u64().unwrap());
        advance(&mut channel, &mut outcome, &mut outbox, &mut now, t);
        if skip.contains(&position) {
            continue;
        }
        match step["op"].as_str().unwrap() {
            "in" => {
                let before = (channel.stats().ignored(), channel.stats().frames_foreign);
                channel.handle_frame(now, &frame(step["frame"].as_str().unwrap()));
                if before != (channel.stats().ignored(), channel.stats().frames_foreign) {
                    outcome.without_effect.push(position);
                }
            }
            "send" if step["functional"] == true => {
                let sent = channel.send_functional(now, payload(&step["payload"]));
                outcome.refused.extend(sent.err());
            }
            "send" => outbox.push(payload(&step["payload"])),
            "out" | "recv" | "error" | "raise" => {}
            unknown => panic!("unknown step {unknown}"),
        }
        drain(&mut channel, &mut outcome, &mut outbox, now);
    }
    let end = now + core::time::Duration::from_secs(30);
    advance(&mut channel, &mut outcome, &mut outbox, &mut now, end);
    outcome
}

/// Lets time pass until `end`.
fn advance(
    channel: &mut BytesChannel,
    outcome: &mut Outcome,
    outbox: &mut Vec<Bytes>,
    now: &mut Instant,
    end: Instant,
) {
    while let Some(due) = channel.poll_timeout().filter(|&due| due <= end) {
        *now = due.max(*now);
        channel.handle_timeout(*now);
        drain(channel, outcome, outbox, *now);
    }
    *now = end.max(*now);
}

fn drain(channel: &mut BytesChannel, outcome: &mut Outcome, outbox: &mut Vec<Bytes>, now: Instant) {
    loop {
        while let Some(event) = channel.poll_event() {
            outcome.events.push((now, event));
        }
        outcome
            .received
            .extend(channel.take_received(now).map(|(_, message)| message));
        if channel.can_send() && !outbox.is_empty() {
            outcome.refused.extend(channel.send(now, outbox.remove(0)).err());
        }
        match channel.poll_transmit(now) {
            Some(frame) => {
                channel.handle_transmitted(now, &frame);
                outcome.out.push((now, text(&frame)));
            }
            None if outbox.is_empty() || !channel.can_send() => break,
            None => {}
        }
    }
    while let Some(event) = channel.poll_event() {
        outcome.events.push((now, event));
    }
}

pub(crate) fn check(entry: &Value, tally: &mut Tally) {
    let address = address::halves(&entry["address"])
        .and_then(|halves| halves.address())
        .unwrap_or_else(|| panic!("{entry}: address"));
    let config = match config(&entry["params"]) {
        // The standard knows no limit of the sender; where it binds us instead of the peer, there is none.
        Ok(config) if entry.get("iso").is_some() => config.wait_limit(None),
        Ok(config) => config,
        Err(missing) => return tally.remark(format!("not built yet: {missing}")),
    };
    let steps = entry["trace"].as_array().unwrap();
    let ours = play(address, config, steps, &[]);
    tally.checked();
    match rule(entry) {
        Rule::Trace => as_traced(entry, &ours),
        Rule::Ignore => ignores(entry, address, config, &ours, tally),
        Rule::SendFails(result) => {
            let is_result = |event: &Event| match event {
                Event::SendFailed { error, .. } => error.n_result().name() == result,
                _ => false,
            };
            assert!(ours.reports(is_result), "{entry}: {ours:#?}");
            let kept: Vec<_> = traced(entry, "out").take(ours.out.len()).collect();
            assert_eq!(ours.frames(), kept, "{entry}");
            assert_eq!(ours.out.len(), 1, "{entry}: nothing follows the abort");
            tally.remark(format!("a reserved flow status ends the transfer with {result}"));
        }
        Rule::SendCompletes => {
            let sent = |event: &Event| matches!(event, Event::Sent { .. });
            assert!(ours.reports(sent), "{entry}: {ours:#?}");
            keeps_gap(entry, &ours);
            tally.remark("the standard's outcome: the transfer completes");
        }
        Rule::SendRefused => {
            assert_eq!((ours.refused.len(), ours.out.len()), (1, 0), "{entry}: {ours:#?}");
        }
        Rule::Accept(why) => {
            assert_eq!(ours.received, assemble(entry, address, &[]), "{entry}");
            assert_eq!(ours.received.len(), 1, "{entry}");
            tally.remark(why);
        }
    }
}

fn traced<'a>(entry: &'a Value, op: &'a str) -> impl Iterator<Item = &'a str> {
    let steps = entry["trace"].as_array().unwrap().iter();
    steps
        .filter(move |step| step["op"] == op)
        .map(|step| step["frame"].as_str().unwrap())
}

fn as_traced(entry: &Value, ours: &Outcome) {
    let steps = entry["trace"].as_array().unwrap();
    let of = |op: &'static str| steps.iter().filter(move |step| step["op"] == op);
    assert_eq!(
        ours.frames(),
        traced(entry, "out").collect::<Vec<_>>(),
        "{entry}: frames"
    );
    let messages: Vec<_> = of("recv").map(|step| payload(&step["payload"])).collect();
    assert_eq!(ours.received, messages, "{entry}: messages");
    assert_eq!(
        ours.refused.is_empty(),
        of("raise").next().is_none() && !sends_empty(steps),
        "{entry}"
    );
    let mut failures: Vec<_> = of("error")
        .map(|step| step["error"].as_str().unwrap())
        .filter(|name| {
            !matches!(
                *name,
                "UnexpectedConsecutiveFrameError" | "UnexpectedFlowControlError"
            )
        })
        .map(|name| {
            if name.starts_with("ReceptionInterrupted") {
                "ReceptionInterrupted"
            } else {
                name
            }
        })
        .collect();
    failures.sort_unstable();
    let end = steps
        .iter()
        .map(|step| step["t"].as_u64().unwrap())
        .max()
        .unwrap_or(0);
    assert_eq!(
        ours.failures(Instant::from_micros(end)),
        failures,
        "{entry}: failures: {ours:#?}"
    );
    keeps_gap(entry, ours);
}

fn sends_empty(steps: &[Value]) -> bool {
    steps
        .iter()
        .any(|step| step["op"] == "send" && step["payload"] == "")
}

/// Consecutive frames never follow each other sooner than the last flow control allows.
fn keeps_gap(entry: &Value, ours: &Outcome) {
    let controls: Vec<_> = traced(entry, "in")
        .filter_map(
            |text| match Pci::decode(frame(text).payload(), isotp::Prefix::None) {
                Ok((Pci::FlowControl(control), _)) if control.status == FlowStatus::ContinueToSend => {
                    Some(control)
                }
                _ => None,
            },
        )
        .collect();
    let [control] = controls[..] else { return };
    if entry["params"].get("override_receiver_stmin").is_some() {
        return;
    }
    let times: Vec<_> = ours.out.iter().skip(1).map(|(at, _)| *at).collect();
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= control.st_min().gap(), "{entry}: {times:?}");
    }
}

fn ignores(entry: &Value, address: Address, config: Config, ours: &Outcome, tally: &mut Tally) {
    let steps = entry["trace"].as_array().unwrap();
    // A 12-bit length of zero *is* the 32-bit form; a label that takes it for "FF_DL 0" overlooks that.
    let escape_above_limit = |event: &Event| matches!(event, Event::Refused { len, .. } if *len > 4095);
    if ours.reports(escape_above_limit) {
        let overflow = |(_, frame): &(Instant, String)| frame.contains("#32");
        assert!(
            ours.out.iter().any(overflow) && ours.received.is_empty(),
            "{entry}: {ours:#?}"
        );
        return tally.remark(
            "a first frame whose 12-bit length is 0 has a 32-bit length, and that is over the limit",
        );
    }
    assert!(
        !ours.without_effect.is_empty(),
        "{entry}: nothing was ignored: {ours:#?}"
    );
    let without = play(address, config, steps, &ours.without_effect);
    let no_notes = |outcome: &Outcome| -> Vec<Event> {
        let events = outcome.events.iter().map(|(_, event)| *event);
        events
            .filter(|event| !matches!(event, Event::Ignored(_)))
            .collect()
    };
    assert_eq!(
        ours.out, without.out,
        "{entry}: frames depend on what was ignored"
    );
    assert_eq!(ours.received, without.received, "{entry}");
    assert_eq!(no_notes(ours), no_notes(&without), "{entry}");
    assert_eq!(
        ours.received,
        assemble(entry, address, &ours.without_effect),
        "{entry}"
    );
    if steps.iter().any(|step| step["op"] == "send") {
        let sent = |event: &Event| matches!(event, Event::Sent { .. });
        assert!(ours.reports(sent), "{entry}: the transfer does not complete");
    }
}

/// The messages in the frames of the trace, put together with no regard to order, timing or limits.
fn assemble(entry: &Value, address: Address, skip: &[usize]) -> Vec<Bytes> {
    let mut messages = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    let steps = entry["trace"].as_array().unwrap().iter().enumerate();
    for (_, step) in steps.filter(|(position, step)| step["op"] == "in" && !skip.contains(position)) {
        let frame: CanFrame = frame(step["frame"].as_str().unwrap());
        let (_, data) = address.rx().matches(&frame).unwrap();
        let (pci, data) = Pci::decode(data, address.rx().prefix()).unwrap();
        match pci {
            Pci::SingleFrame { .. } => messages.push(Bytes::copy_from_slice(data)),
            Pci::FirstFrame { len } => open = Some((usize::try_from(len).unwrap(), data.to_vec())),
            Pci::ConsecutiveFrame { .. } => {
                let (len, mut content) = open.take().unwrap();
                content.extend_from_slice(data);
                if content.len() >= len {
                    content.truncate(len);
                    messages.push(content.into());
                } else {
                    open = Some((len, content));
                }
            }
            Pci::FlowControl(_) => {}
        }
    }
    messages
}
