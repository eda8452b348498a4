//! The machines, state by state.

use fstrm_codec::control::Strictness;
use fstrm_codec::handshake::{DataBeforeStart, Finish, ReadyBeforeStart, Verdict};
use fstrm_codec::{
    Config, ContentType, Control, ControlFrame, End, Event, Frame, Mode, ReaderMachine, WriterMachine,
};
use tinwire_time::Instant;

use crate::Table;

const T0: Instant = Instant::ZERO;

/// Every input that a peer can cause; this side takes type `a`.
const INPUTS: [(&str, &[u8]); 14] = [
    ("READY", b"\0\0\0\0\0\0\0\x04\0\0\0\x04"),
    ("READY a", b"\0\0\0\0\0\0\0\x0d\0\0\0\x04\0\0\0\x01\0\0\0\x01a"),
    ("READY b", b"\0\0\0\0\0\0\0\x0d\0\0\0\x04\0\0\0\x01\0\0\0\x01b"),
    ("ACCEPT", b"\0\0\0\0\0\0\0\x04\0\0\0\x01"),
    ("ACCEPT a", b"\0\0\0\0\0\0\0\x0d\0\0\0\x01\0\0\0\x01\0\0\0\x01a"),
    ("ACCEPT b", b"\0\0\0\0\0\0\0\x0d\0\0\0\x01\0\0\0\x01\0\0\0\x01b"),
    ("START", b"\0\0\0\0\0\0\0\x04\0\0\0\x02"),
    ("START a", b"\0\0\0\0\0\0\0\x0d\0\0\0\x02\0\0\0\x01\0\0\0\x01a"),
    ("START b", b"\0\0\0\0\0\0\0\x0d\0\0\0\x02\0\0\0\x01\0\0\0\x01b"),
    ("STOP", b"\0\0\0\0\0\0\0\x04\0\0\0\x03"),
    ("FINISH", b"\0\0\0\0\0\0\0\x04\0\0\0\x05"),
    ("unknown", b"\0\0\0\0\0\0\0\x04\0\0\0\x06"),
    ("data", b""),
    ("end", b""),
];

fn control(bytes: &[u8]) -> Frame<'_> {
    Frame::Control(Control::decode_frame(bytes, Strictness::Lenient).unwrap())
}

fn input(name: &str) -> Frame<'static> {
    let (_, bytes) = INPUTS.iter().find(|(known, _)| *known == name).unwrap();
    control(bytes)
}

fn said(sent: Option<ControlFrame>) -> Option<String> {
    let sent = sent?;
    let control = Control::decode_frame(sent.as_bytes(), Strictness::Strict).unwrap();
    let types = control
        .content_types()
        .map(|name| format!(" {}", name.escape_ascii()));
    Some(format!(
        "{}{}!",
        control.control_type(),
        types.collect::<String>()
    ))
}

fn told(event: Option<Event>) -> Option<String> {
    Some(match event? {
        Event::Started { .. } => "started".to_owned(),
        Event::Ignored { .. } => "ignored".to_owned(),
        Event::Ended(end) => format!("ended {end:?}"),
        Event::Failed(_) => "failed".to_owned(),
        other => format!("{other:?}"),
    })
}

fn cell(words: impl IntoIterator<Item = Option<String>>) -> String {
    let words: Vec<_> = words.into_iter().flatten().collect();
    if words.is_empty() {
        "-".into()
    } else {
        words.join(", ")
    }
}

fn base() -> Config {
    Config::new().content_type(ContentType::from_static(b"a").unwrap())
}

fn reader(config: &Config, state: &str) -> ReaderMachine {
    let mut machine = ReaderMachine::new(config.clone(), T0).unwrap();
    let way: &[&str] = match state {
        "WaitStart" => &["READY"],
        "Streaming" => &["READY", "START"],
        "Stopped" => &["READY", "START", "STOP"],
        "Failed" => &["FINISH"],
        _ => &[],
    };
    for step in way {
        // A unidirectional reader wants no READY.
        if *step != "READY" || machine.poll_timeout().is_some() {
            let _ = machine.handle_frame(T0, &input(step));
        }
    }
    while machine.poll_event().is_some() || machine.poll_transmit().is_some() {}
    machine
}

fn table(title: &str, states: &[&str], outcome: impl Fn(&str, &str) -> String) -> String {
    let mut table = Table::default();
    table.row(core::iter::once(title).chain(states.iter().copied()));
    for (name, _) in INPUTS {
        let cells: Vec<_> = states.iter().map(|state| outcome(state, name)).collect();
        table.row(core::iter::once(name).chain(cells.iter().map(String::as_str)));
    }
    table.to_string()
}

fn reader_table(title: &str, config: &Config, states: &[&str]) -> String {
    table(title, states, |state, name| {
        let mut machine = reader(config, state);
        let verdict = match name {
            "data" => machine.handle_frame(T0, &Frame::Data(b"x")),
            "end" => {
                machine.handle_end(End::Eof);
                Verdict::Absorbed
            }
            name => machine.handle_frame(T0, &input(name)),
        };
        let delivered = (verdict == Verdict::Deliver).then(|| "deliver".to_owned());
        let owed = machine.owes_finish().then(|| "owes FINISH".to_owned());
        cell([
            said(machine.poll_transmit()),
            told(machine.poll_event()),
            delivered,
            owed,
        ])
    })
}

pub(crate) fn readers() -> String {
    let both = ["WaitReady", "WaitStart", "Streaming", "Stopped", "Failed"];
    let one = ["WaitStart", "Streaming", "Stopped", "Failed"];
    let unidirectional = base().mode(Mode::Unidirectional);
    [
        reader_table("bidirectional", &base(), &both),
        reader_table("lenient", &base().strictness(Strictness::Lenient), &both),
        reader_table(
            "data before START",
            &base().data_before_start(DataBeforeStart::Accept),
            &both,
        ),
        reader_table("FINISH on release", &base().finish(Finish::OnRelease), &both),
        reader_table("unidirectional", &unidirectional, &one),
        reader_table(
            "READY before START",
            &unidirectional
                .clone()
                .ready_before_start(ReadyBeforeStart::Accept),
            &one,
        ),
        reader_table(
            "uni, lenient",
            &unidirectional.strictness(Strictness::Lenient),
            &one,
        ),
    ]
    .join("\n")
}

fn writer(config: &Config, state: &str) -> WriterMachine {
    let mut machine = WriterMachine::new(config.clone(), T0).unwrap();
    if state != "WaitAccept" && !machine.is_streaming() {
        machine.handle_frame(&input(if state == "Failed" { "FINISH" } else { "ACCEPT" }));
    }
    if matches!(state, "WaitFinish" | "Ended") {
        machine.finish(T0).unwrap();
    }
    if state == "Ended" {
        machine.handle_frame(&input("FINISH"));
    }
    while machine.poll_event().is_some() || machine.poll_transmit().is_some() {}
    machine
}

fn writer_table(title: &str, config: &Config, states: &[&str]) -> String {
    table(title, states, |state, name| {
        let mut machine = writer(config, state);
        match name {
            "data" => machine.handle_frame(&Frame::Data(b"x")),
            "end" => machine.handle_end(),
            name => machine.handle_frame(&input(name)),
        }
        cell([said(machine.poll_transmit()), told(machine.poll_event())])
    })
}

pub(crate) fn writers() -> String {
    let both = ["WaitAccept", "Streaming", "WaitFinish", "Ended", "Failed"];
    let unidirectional = base().mode(Mode::Unidirectional);
    [
        writer_table("bidirectional", &base(), &both),
        writer_table("lenient", &base().strictness(Strictness::Lenient), &both),
        writer_table("unidirectional", &unidirectional, &["Streaming", "Ended"]),
    ]
    .join("\n")
}
