use super::*;
use crate::units;

fn id(text: &str) -> Id {
    units::can_id(text).unwrap()
}

fn calls(ids: &[&str]) -> Vec<Call> {
    let call = |text: &&str| Call {
        id: id(text),
        byte: None,
    };
    ids.iter().map(call).collect()
}

fn settings() -> Settings {
    Settings {
        probe: Probe::Request(vec![0x3E, 0x00]),
        filler: Some(0xCC),
        fd: None,
        listen: Duration::from_millis(50),
        gap: Duration::from_millis(10),
        wait: Duration::from_millis(100),
        confirm: 2,
        all: false,
    }
}

/// What a node says to a frame, and how many milliseconds later.
type Node<'a> = &'a dyn Fn(&CanFrame) -> Option<(u64, CanFrame)>;

fn frame(text: &str, data: &[u8]) -> CanFrame {
    CanFrame::data(id(text), data).unwrap()
}

/// Runs a sweep among nodes; `chatter` is said every 7 ms. Who is found, and which identifiers were asked.
fn run(
    calls: Vec<Call>,
    settings: Settings,
    nodes: &[Node<'_>],
    chatter: &[CanFrame],
) -> (Vec<Found>, Vec<Id>) {
    let mut sweep = Sweep::new(Instant::ZERO, calls, settings);
    let (mut asked, mut pending) = (Vec::new(), Vec::<(u64, CanFrame)>::new());
    for millis in 0..100_000 {
        let now = Instant::from_millis(millis);
        if millis % 7 == 0 {
            chatter.iter().for_each(|frame| sweep.handle_frame(now, frame));
        }
        pending.retain(|(at, frame)| {
            let is_due = *at <= millis;
            if is_due {
                sweep.handle_frame(now, frame);
            }
            !is_due
        });
        loop {
            match sweep.poll(now) {
                Step::Done => return (sweep.take_found(), asked),
                Step::Wait(_) => break,
                Step::Send(frame) => {
                    asked.push(frame.id());
                    let answers = nodes.iter().filter_map(|node| node(&frame));
                    pending.extend(answers.map(|(after, answer)| (millis + after, answer)));
                }
            }
        }
    }
    panic!("it never ends");
}

fn ecu(frame: &CanFrame) -> Option<(u64, CanFrame)> {
    let answer = CanFrame::data(id("7E8"), &[0x02, 0x7E, 0x00]).unwrap();
    (frame.id() == id("7E0") && frame.payload()[..3] == [2, 0x3E, 0]).then_some((35, answer))
}

#[test]
fn a_late_answer_is_given_to_whom_it_belongs() {
    let (found, _) = run(
        calls(&["7DE", "7DF", "7E0", "7E1", "7E2"]),
        settings(),
        &[&ecu],
        &[],
    );
    let [found] = found[..] else { panic!("{found:?}") };
    assert_eq!((found.asked.id, found.answered.id), (id("7E0"), id("7E8")));
    assert_eq!((found.reply, found.unasked), (Reply::Positive, 0));
    assert_eq!(found.after, Duration::from_millis(35));
}

#[test]
fn who_talks_anyway_is_no_answer_to_everybody() {
    let chatter = [
        frame("123", &[0x10, 0x02, 3, 4]),
        frame("124", &[0x02, 0x50, 0x01]),
    ];
    let (found, _) = run(
        calls(&["7DE", "7DF", "7E0", "7E1"]),
        settings(),
        &[&ecu],
        &chatter,
    );
    assert_eq!(found.len(), 1, "{found:?}");
}

/// An answer to somebody else's tester is the same bytes as one to us.
#[test]
fn who_says_it_unasked_is_marked() {
    let chatter = [frame("7E8", &[0x02, 0x7E, 0x00])];
    let (found, _) = run(calls(&["7E0"]), settings(), &[&ecu], &chatter);
    assert!(found[0].unasked > 0, "{found:?}");
}

#[test]
fn identifiers_in_use_are_left_alone_unless_wanted() {
    let chatter = [frame("7E1", &[0x40])];
    let (_, asked) = run(calls(&["7E1", "7E2"]), settings(), &[], &chatter);
    assert_eq!(asked, [id("7E2")]);
    let all = Settings {
        all: true,
        ..settings()
    };
    let (_, asked) = run(calls(&["7E1", "7E2"]), all, &[], &chatter);
    assert_eq!(asked, [id("7E1"), id("7E2")]);
}

/// 7E8 answers 7E0, so it is not asked: it would be heard by the tester as an answer.
#[test]
fn who_answers_is_not_asked() {
    let quick = |frame: &CanFrame| ecu(frame).map(|(_, answer)| (1, answer));
    let (found, asked) = run(calls(&["7E0", "7E8"]), settings(), &[&quick], &[]);
    assert_eq!(found.len(), 1);
    assert!(!asked.contains(&id("7E8")), "{asked:?}");
}

#[test]
fn a_refusal_is_an_answer_and_so_is_flow_control() {
    let refuses = |frame: &CanFrame| {
        let answer = CanFrame::data(id("18DAF110"), &[0x03, 0x7F, 0x3E, 0x11]).unwrap();
        (frame.id() == id("18DA10F1")).then_some((2, answer))
    };
    let (found, _) = run(calls(&["18DA0FF1", "18DA10F1"]), settings(), &[&refuses], &[]);
    assert_eq!(found[0].reply, Reply::Negative(0x11));

    let takes = |frame: &CanFrame| {
        let answer = CanFrame::data(id("102"), &[0x30, 0, 0]).unwrap();
        let is_first = frame.payload()[0] >> 4 == 1 && frame.payload().len() == 8;
        (frame.id() == id("101") && is_first).then_some((2, answer))
    };
    let settings = Settings {
        probe: Probe::FirstFrame,
        ..settings()
    };
    let (found, _) = run(calls(&["100", "101"]), settings, &[&takes], &[]);
    assert_eq!(
        (found[0].reply, found[0].answered.id),
        (Reply::FlowControl, id("102"))
    );
}

#[test]
fn each_address_byte_is_asked_on_its_own() {
    let node = |frame: &CanFrame| {
        let answer = CanFrame::data(id("612"), &[0xF1, 0x02, 0x7E, 0x00]).unwrap();
        (frame.payload()[..4] == [0x12, 0x02, 0x3E, 0x00]).then_some((2, answer))
    };
    let calls = (0x00..=0x20u8)
        .map(|byte| Call {
            id: id("6F1"),
            byte: Some(byte),
        })
        .collect();
    let (found, asked) = run(calls, settings(), &[&node], &[]);
    let [found] = found[..] else { panic!("{found:?}") };
    assert_eq!((found.asked.byte, found.answered.byte), (Some(0x12), Some(0xF1)));
    assert_eq!(found.answered.id, id("612"));
    assert!(asked.len() >= 33);
}

#[test]
fn all_that_answer_one_probe_are_found() {
    let other = |frame: &CanFrame| {
        let answer = CanFrame::data(id("7EA"), &[0x02, 0x7E, 0x00]).unwrap();
        (frame.id() == id("7E0")).then_some((4, answer))
    };
    let (found, _) = run(calls(&["7E0"]), settings(), &[&ecu, &other], &[]);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn who_answers_once_and_never_again_is_not_found() {
    let times = core::cell::Cell::new(0);
    let moody = |frame: &CanFrame| {
        times.set(times.get() + 1);
        ecu(frame).filter(|_| times.get() == 1)
    };
    let (found, asked) = run(calls(&["7E0"]), settings(), &[&moody], &[]);
    assert_eq!((found.len(), asked.len()), (0, 2));
}
