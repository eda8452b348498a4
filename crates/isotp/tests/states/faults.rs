//! Chapter 9: unexpected and malformed PDUs, in every state.

use core::fmt::Write as _;

use super::bench::{Bench, RECEIVED_LEN, State, consecutive, first_frame};
use super::keep;

/// What the standard asks for, as something to check.
#[derive(Clone, Copy)]
enum Ask {
    /// No effect: nothing is sent or reported but that, and a running transfer reaches its end.
    Ignore,
    /// The transfer ends with this, and nothing is sent.
    Fail(&'static str),
    /// These words and no others.
    Do(&'static [&'static str]),
}

/// What happens to the channel.
enum Happens {
    Frames(Vec<Vec<u8>>),
    Silence(u64),
    Empty,
}

struct Row {
    event: &'static str,
    iso: &'static str,
    happens: Happens,
    /// In which states it can happen, and what the standard asks for there.
    asks: Vec<(State, Ask)>,
}

const fn everywhere(ask: Ask) -> [(State, Ask); 4] {
    [
        (State::Idle, ask),
        (State::Receiving, ask),
        (State::WaitingForFlowControl, ask),
        (State::Sending, ask),
    ]
}

fn frames<const N: usize>(frames: [&[u8]; N]) -> Happens {
    Happens::Frames(frames.iter().map(|data| data.to_vec()).collect())
}

fn ignored(event: &'static str, data: &[u8]) -> Row {
    Row {
        event,
        iso: "ignore",
        happens: frames([data]),
        asks: everywhere(Ask::Ignore).to_vec(),
    }
}

fn rows() -> Vec<Row> {
    use State::{Idle, Receiving, Sending, WaitingForFlowControl};
    let row = |event, iso, happens, asks: &[(State, Ask)]| Row {
        event,
        iso,
        happens,
        asks: asks.to_vec(),
    };
    let not_waiting = |ask| {
        [
            (Idle, Ask::Ignore),
            (Receiving, Ask::Ignore),
            (WaitingForFlowControl, ask),
            (Sending, Ask::Ignore),
        ]
    };
    let overflow = Ask::Do(&["refused", "sends FC.OVFLW"]);
    let delivers = Ask::Do(&["delivered"]);
    let begins = Ask::Do(&["reception begins", "sends FC.CTS"]);
    let mut fd_single = vec![0x00, 7];
    fd_single.resize(12, 0);
    vec![
        ignored("SF_DL 0, CAN_DL <= 8", &[0x00, 1, 2, 3]),
        ignored("SF_DL larger than the data", &[0x05, 1, 2, 3]),
        ignored("short SF in CAN_DL > 8", &[0x05, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0]),
        ignored("escape SF, SF_DL below the table", &fd_single),
        ignored("reserved PCI type", &[0x50, 1, 2]),
        ignored("CAN_DL 0", &[]),
        ignored("FF, CAN_DL < 8", &[0x10, 20, 1, 2, 3, 4, 5]),
        ignored("FF_DL below the minimum", &[0x10, 7, 1, 2, 3, 4, 5, 6]),
        ignored("32-bit FF, FF_DL <= 4095", &[0x10, 0, 0, 0, 0x0F, 0xFF, 1, 2]),
        row(
            "FF_DL over the limit",
            "FC.OVFLW",
            frames([&first_frame(101)]),
            &[
                (Idle, overflow),
                (
                    Receiving,
                    Ask::Do(&["reception fails N_UNEXP_PDU", "refused", "sends FC.OVFLW"]),
                ),
                (WaitingForFlowControl, overflow),
                (Sending, overflow),
            ],
        ),
        row(
            "CF while idle",
            "ignore",
            frames([&consecutive(1)]),
            &[
                (Idle, Ask::Ignore),
                (WaitingForFlowControl, Ask::Ignore),
                (Sending, Ask::Ignore),
            ],
        ),
        row(
            "extra CF after the end",
            "ignore",
            frames([&consecutive(1), &consecutive(2), &consecutive(3)]),
            &[(Receiving, Ask::Do(&["delivered", "ignored"]))],
        ),
        row(
            "wrong SN",
            "abort, N_WRONG_SN",
            frames([&consecutive(2)]),
            &[(Receiving, Ask::Fail("reception fails N_WRONG_SN"))],
        ),
        row(
            "CF too short, not last",
            "ignore",
            frames([&[0x21, 6, 7]]),
            &[(Receiving, Ask::Ignore)],
        ),
        row(
            "CF longer than RX_DL (FD)",
            "ignore",
            frames([&[0x21, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]]),
            &[(Receiving, Ask::Ignore)],
        ),
        row(
            "SF during a reception",
            "report, deliver",
            frames([&[0x02, 1, 2]]),
            &[
                (Idle, delivers),
                (Receiving, Ask::Do(&["reception fails N_UNEXP_PDU", "delivered"])),
                (WaitingForFlowControl, delivers),
                (Sending, delivers),
            ],
        ),
        row(
            "FF during a reception",
            "report, restart",
            frames([&first_frame(RECEIVED_LEN)]),
            &[
                (Idle, begins),
                (
                    Receiving,
                    Ask::Do(&["reception fails N_UNEXP_PDU", "reception begins", "sends FC.CTS"]),
                ),
                (WaitingForFlowControl, begins),
                (Sending, begins),
            ],
        ),
        row(
            "no CF for N_Cr",
            "N_TIMEOUT_Cr",
            Happens::Silence(1000),
            &[(Receiving, Ask::Fail("reception fails N_TIMEOUT_Cr"))],
        ),
        row(
            "FC while not waiting",
            "ignore",
            frames([&[0x30, 0, 0]]),
            &[
                (Idle, Ask::Ignore),
                (Receiving, Ask::Ignore),
                (Sending, Ask::Ignore),
            ],
        ),
        row(
            "FC with reserved FS",
            "abort N_INVALID_FS",
            frames([&[0x33, 0, 0]]),
            &not_waiting(Ask::Fail("send fails N_INVALID_FS")),
        ),
        ignored("FC too short", &[0x30, 0]),
        row(
            "reserved STmin",
            "127 ms",
            frames([&[0x30, 0, 0xF0]]),
            &not_waiting(Ask::Do(&["sends CF 1", "goes on after 127 ms"])),
        ),
        row(
            "OVFLW",
            "abort",
            frames([&[0x32, 0, 0]]),
            &not_waiting(Ask::Fail("send fails N_BUFFER_OVFLW")),
        ),
        row(
            "WAIT",
            "wait",
            frames([&[0x31, 0, 0]]),
            &not_waiting(Ask::Do(&["N_Bs starts again"])),
        ),
        row(
            "no FC for N_Bs",
            "N_TIMEOUT_Bs",
            Happens::Silence(1000),
            &[(WaitingForFlowControl, Ask::Fail("send fails N_TIMEOUT_Bs"))],
        ),
        row(
            "empty payload sent",
            "refuse",
            Happens::Empty,
            &everywhere(Ask::Do(&["not sent: an empty message cannot be sent"])),
        ),
    ]
}

/// What the channel does, in words.
fn outcome(row: &Row, state: State, bench: &mut Bench) -> Vec<String> {
    // So that a timer that starts again is seen.
    bench.millis += 5;
    let before = bench.channel.poll_timeout();
    let mut seen = Vec::new();
    match &row.happens {
        Happens::Frames(frames) => {
            for data in frames {
                bench.frame(data);
                seen.extend(bench.settle());
            }
        }
        Happens::Silence(millis) => seen = bench.wait(*millis),
        Happens::Empty => seen.extend(bench.send(0).err().map(|error| format!("not sent: {error}"))),
    }
    let due = bench.channel.poll_timeout();
    let after = |millis| Some(isotp_time(bench.millis + millis));
    match state {
        State::WaitingForFlowControl if due == after(127) => seen.push("goes on after 127 ms".into()),
        State::WaitingForFlowControl if due == after(1000) && due != before && seen.is_empty() => {
            seen.push("N_Bs starts again".into());
        }
        _ if seen == ["ignored"] => assert_eq!(due, before, "{}: a timer has moved", row.event),
        _ => {}
    }
    seen
}

fn isotp_time(millis: u64) -> tinwire_time::Instant {
    tinwire_time::Instant::from_millis(millis)
}

/// Follows the transfer that was running to its end; whether it reaches it.
fn goes_on(state: State, bench: &mut Bench) -> bool {
    let before = *bench.channel.stats();
    match state {
        State::Idle => return true,
        State::Receiving => {
            bench.take();
            for number in [1, 2] {
                bench.frame(&consecutive(number));
                bench.settle();
            }
            return bench.take() == [RECEIVED_LEN];
        }
        State::WaitingForFlowControl => {
            bench.frame(&[0x30, 0, 0]);
            bench.settle();
            // Where the flow control was ignored, the one before it has let the message go on.
            bench.wait(500);
        }
        State::Sending => {
            bench.wait(500);
        }
    }
    let after = bench.channel.stats();
    after.messages_sent == before.messages_sent + 1 && bench.channel.can_send()
}

#[test]
fn every_row_of_chapter_9_ends_as_the_standard_asks() {
    let mut text = String::from(
        "Unexpected and malformed PDUs: what ISO asks for, and what a channel does in each state.\n\
         In brackets: whether the transfer that was running reaches its end.\n\n",
    );
    for row in rows() {
        writeln!(text, "{:<34} ISO: {}", row.event, row.iso).unwrap();
        for state in State::ALL {
            let Some((_, ask)) = row.asks.iter().find(|(at, _)| *at == state) else {
                continue;
            };
            let mut bench = Bench::new(state);
            let seen = outcome(&row, state, &mut bench);
            let goes_on = goes_on(state, &mut bench);
            let at = format!("{} while {}", row.event, state.name());
            match ask {
                Ask::Ignore => assert!(seen == ["ignored"] && goes_on, "{at}: {seen:?}, {goes_on}"),
                Ask::Fail(failure) => assert!(seen == [*failure] && !goes_on, "{at}: {seen:?}"),
                Ask::Do(deeds) => assert_eq!(seen, *deeds, "{at}"),
            }
            let running = match (state, goes_on) {
                (State::Idle, _) => "",
                (_, true) => " (goes on)",
                (_, false) => " (ended)",
            };
            writeln!(text, "    {:<16} {}{running}", state.name(), seen.join(", ")).unwrap();
        }
    }
    keep("chapter9", &text);
}
