//! Which content types a reader answers and takes, and which one a writer chooses.

use fstrm_codec::control::{ControlLimit, Strictness};
use fstrm_codec::{
    Config, ContentType, Control, ControlFrame, ControlType, Frame, ReaderMachine, WriterMachine,
};
use tinwire_time::Instant;

use crate::Table;

const T0: Instant = Instant::ZERO;

/// Content types of one side, `()` the empty one.
const OWN: [&str; 6] = ["", "a", "b", "a b", "b a", "()"];
/// Content types of a control frame.
const NAMED: [&str; 8] = ["", "a", "b", "a b", "c b", "A", "()", "a ()"];

fn names(text: &'static str) -> Vec<&'static [u8]> {
    let name = |name: &'static str| if name == "()" { &[][..] } else { name.as_bytes() };
    text.split_whitespace().map(name).collect()
}

fn config(text: &'static str) -> Config {
    names(text).into_iter().fold(Config::new(), |config, name| {
        config.content_type(ContentType::from_static(name).unwrap())
    })
}

fn frame(kind: ControlType, text: &'static str) -> ControlFrame {
    ControlFrame::build(kind, names(text), ControlLimit::Narrow).unwrap()
}

fn control(frame: &ControlFrame) -> Control<'_> {
    Control::decode_frame(frame.as_bytes(), Strictness::Strict).unwrap()
}

/// What is sent in answer, or that nothing is.
fn answer(sent: Option<ControlFrame>) -> String {
    let Some(sent) = sent else { return "close".into() };
    let names = control(&sent);
    let names: Vec<_> = names
        .content_types()
        .map(|name| {
            if name.is_empty() {
                "()".to_owned()
            } else {
                name.escape_ascii().to_string()
            }
        })
        .collect();
    if names.is_empty() {
        "none".into()
    } else {
        names.join(" ")
    }
}

fn accept(own: &'static str, offered: &'static str) -> String {
    let mut reader = ReaderMachine::new(config(own), T0).unwrap();
    let ready = frame(ControlType::Ready, offered);
    let _ = reader.handle_frame(T0, &Frame::Control(control(&ready)));
    answer(reader.poll_transmit())
}

fn takes_start(own: &'static str, named: &'static str) -> String {
    let mut reader = ReaderMachine::new(config(own).mode(fstrm_codec::Mode::Unidirectional), T0).unwrap();
    let start = ControlFrame::build(ControlType::Start, names(named), ControlLimit::Narrow);
    let Ok(start) = start else { return "-".into() };
    let _ = reader.handle_frame(T0, &Frame::Control(control(&start)));
    if reader.is_streaming() { "taken" } else { "refused" }.into()
}

fn start(own: &'static str, accepted: &'static str) -> String {
    let mut writer = WriterMachine::new(config(own), T0).unwrap();
    writer.poll_transmit().unwrap();
    writer.handle_frame(&Frame::Control(control(&frame(ControlType::Accept, accepted))));
    answer(writer.poll_transmit())
}

fn table(title: &str, outcome: fn(&'static str, &'static str) -> String) -> String {
    let mut table = Table::default();
    let shown = |names: &'static str| if names.is_empty() { "none" } else { names };
    table.row(core::iter::once(title).chain(OWN.map(shown)));
    for named in NAMED {
        let cells = OWN.map(|own| outcome(own, named));
        table.row(core::iter::once(shown(named)).chain(cells.iter().map(String::as_str)));
    }
    table.to_string()
}

pub(crate) fn tables() -> String {
    [
        table("ACCEPT to READY", accept),
        table("START at a reader", takes_start),
        table("START to ACCEPT", start),
    ]
    .join("\n")
}
