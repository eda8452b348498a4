//! Every state against every input, kept as two tables (`tx_states.txt`, `rx_states.txt`).

use core::fmt::Write;
use std::string::String;
use std::vec::Vec;

use can_link::StandardId;
use testkit::snapshot::assert_snapshot;

use super::*;

/// A channel in some state, the time, and the last frame it has handed out.
struct At {
    channel: BytesChannel,
    now: Instant,
    out: Option<CanFrame>,
}

fn id(raw: u16) -> StandardId {
    StandardId::new(raw).unwrap()
}

impl At {
    fn idle() -> Self {
        let config = Config::default().wait_limit(Some(1)).max_rx_len(100);
        let address = Address::normal(id(0x7E0), id(0x7E8))
            .unwrap()
            .accepting_functional(id(0x7DF));
        Self {
            channel: BytesChannel::new(address, config),
            now: Instant::from_millis(1),
            out: None,
        }
    }

    fn send(mut self, len: usize) -> Self {
        let _ = self.channel.send(self.now, Bytes::from(std::vec![0x11; len]));
        self
    }

    fn frame(mut self, data: &[u8]) -> Self {
        let frame = CanFrame::data(id(0x7E8), data).unwrap();
        self.channel.handle_frame(self.now, &frame);
        self
    }

    fn functional(mut self, data: &[u8]) -> Self {
        let frame = CanFrame::data(id(0x7DF), data).unwrap();
        self.channel.handle_frame(self.now, &frame);
        self
    }

    fn poll(mut self) -> Self {
        self.out = self.channel.poll_transmit(self.now).or(self.out);
        self
    }

    fn confirmed(mut self) -> Self {
        if let Some(frame) = self.out.take() {
            self.channel.handle_transmitted(self.now, &frame);
        }
        self
    }

    fn link_error(mut self) -> Self {
        if let Some(frame) = self.out.take() {
            self.channel.handle_not_transmitted(self.now, &frame);
        }
        self
    }

    /// Lets the earliest timer expire.
    fn timeout(mut self) -> Self {
        if let Some(due) = self.channel.poll_timeout() {
            self.now = self.now.max(due);
            self.channel.handle_timeout(self.now);
        }
        self
    }

    fn taken(mut self) -> Self {
        self.channel.release(self.now);
        self
    }

    fn aborted(mut self) -> Self {
        self.channel.abort_send();
        self.channel.abort_receive();
        self
    }

    fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.channel.poll_event()).collect()
    }

    /// The next frame out, named.
    fn output(&mut self) -> &'static str {
        match self
            .channel
            .poll_transmit(self.now)
            .as_ref()
            .map(CanFrame::payload)
        {
            None => "-",
            Some([0x30, ..]) => "FC.CTS",
            Some([0x31, ..]) => "FC.WAIT",
            Some([0x32, ..]) => "FC.OVFLW",
            Some([first, ..]) => match first >> 4 {
                0 => "SF",
                1 => "FF",
                _ => "CF",
            },
            Some([]) => "empty",
        }
    }
}

type Make = fn() -> At;
type Input = fn(At) -> At;

fn table(states: &[(&str, Make)], inputs: &[(&str, Input)], name: impl Fn(&At) -> &'static str) -> String {
    let mut text = String::new();
    for (state, make) in states {
        writeln!(text, "{state}").unwrap();
        for (input, apply) in inputs {
            let mut before = make();
            before.events();
            let mut after = apply(before);
            let (events, state) = (after.events(), name(&after));
            let out = after.output();
            let events: Vec<_> = events.iter().map(describe).collect();
            writeln!(
                text,
                "  {input:<23} -> {state:<10} out {out:<9} {}",
                events.join(", ")
            )
            .unwrap();
        }
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n"
}

fn describe(event: &Event) -> String {
    match event {
        Event::SendFailed { error, .. } => std::format!("SendFailed {}", error.n_result()),
        Event::ReceiveFailed { error, .. } => std::format!("ReceiveFailed {}", error.n_result()),
        Event::Ignored(IgnoreReason::Malformed(_)) => String::from("Ignored Malformed"),
        Event::Ignored(IgnoreReason::ConsecutiveFrameLength { .. }) => {
            String::from("Ignored ConsecutiveFrameLength")
        }
        Event::Ignored(reason) => std::format!("Ignored {reason:?}"),
        other => {
            let text = std::format!("{other:?}");
            text.split([' ', '{']).next().unwrap_or_default().into()
        }
    }
}

fn wait_flow() -> At {
    At::idle().send(30).poll().confirmed()
}

fn sending() -> At {
    wait_flow().frame(&[0x30, 0x00, StMin::MAX.to_bits()]).poll()
}

#[test]
fn every_state_of_the_sender_has_an_outcome_for_every_input() {
    let states: [(&str, Make); 9] = [
        ("Idle", At::idle),
        ("Start, short message", || At::idle().send(3)),
        ("Start, long message", || At::idle().send(30)),
        ("WaitFlow, first frame not confirmed", || {
            At::idle().send(30).poll()
        }),
        ("WaitFlow", wait_flow),
        ("WaitFlow, after a WAIT", || wait_flow().frame(&[0x31, 0, 0])),
        ("Sending, a frame not confirmed", sending),
        ("Sending, the gap runs", || sending().confirmed()),
        ("Finishing", || At::idle().send(3).poll()),
    ];
    let inputs: [(&str, Input); 12] = [
        ("send", |at| at.send(5)),
        ("frame confirmed", At::confirmed),
        ("FC.CTS", |at| at.frame(&[0x30, 0, 0])),
        ("FC.WAIT", |at| at.frame(&[0x31, 0, 0])),
        ("FC.OVFLW", |at| at.frame(&[0x32, 0, 0])),
        ("FC reserved status", |at| at.frame(&[0x35, 0, 0])),
        ("FC reserved STmin", |at| at.frame(&[0x30, 0, 0x80])),
        ("FC too short", |at| at.frame(&[0x30, 0])),
        ("FC functional", |at| at.functional(&[0x30, 0, 0])),
        ("earliest timer expires", At::timeout),
        ("link refuses the frame", At::link_error),
        ("user aborts", At::aborted),
    ];
    let text = table(&states, &inputs, |at| at.channel.tx.state_name());
    assert_snapshot(
        concat!(env!("CARGO_MANIFEST_DIR"), "/src/channel/tx_states.txt"),
        &text,
    );
}

fn first_frame(at: At) -> At {
    at.frame(&[0x10, 20, 0, 1, 2, 3, 4, 5])
}

fn receiving() -> At {
    first_frame(At::idle()).poll().confirmed()
}

fn holding() -> At {
    At::idle().frame(&[0x02, 1, 2])
}

#[test]
fn every_state_of_the_receiver_has_an_outcome_for_every_input() {
    let states: [(&str, Make); 8] = [
        ("Idle", At::idle),
        ("Holding", holding),
        ("Idle, functional message held", || {
            At::idle().functional(&[0x02, 1, 2])
        }),
        ("Receiving, CTS not sent", || first_frame(At::idle())),
        ("Receiving, CTS not confirmed", || first_frame(At::idle()).poll()),
        ("Receiving", receiving),
        ("Receiving, one frame to come", || {
            receiving().frame(&[0x21, 6, 7, 8, 9, 10, 11, 12])
        }),
        ("Paused", || first_frame(holding())),
    ];
    let inputs: [(&str, Input); 21] = [
        ("SF", |at| at.frame(&[0x03, 1, 2, 3])),
        ("SF functional", |at| at.functional(&[0x03, 1, 2, 3])),
        ("SF_DL 0", |at| at.frame(&[0x00, 1, 2, 3])),
        ("SF_DL above the data", |at| at.frame(&[0x05, 1, 2, 3])),
        ("FF", first_frame),
        ("FF functional", |at| at.functional(&[0x10, 20, 0, 1, 2, 3, 4, 5])),
        ("FF over the limit", |at| at.frame(&[0x10, 101, 0, 1, 2, 3, 4, 5])),
        ("FF_DL of a single frame", |at| {
            at.frame(&[0x10, 7, 0, 1, 2, 3, 4, 5])
        }),
        ("FF 32 bit up to 4095", |at| {
            at.frame(&[0x10, 0, 0, 0, 0, 20, 0, 1])
        }),
        ("FF of 7 bytes", |at| at.frame(&[0x10, 20, 0, 1, 2, 3, 4])),
        ("CF 1", |at| at.frame(&[0x21, 6, 7, 8, 9, 10, 11, 12])),
        ("CF 2", |at| at.frame(&[0x22, 13, 14, 15, 16, 17, 18, 19])),
        ("CF 1 too short", |at| at.frame(&[0x21, 6, 7])),
        ("FC", |at| at.frame(&[0x30, 0, 0])),
        ("reserved type", |at| at.frame(&[0x50, 0, 0])),
        ("empty frame", |at| at.frame(&[])),
        ("message taken", At::taken),
        ("frame confirmed", At::confirmed),
        ("earliest timer expires", At::timeout),
        ("link refuses the frame", At::link_error),
        ("user aborts", At::aborted),
    ];
    let text = table(&states, &inputs, |at| at.channel.rx.state_name());
    assert_snapshot(
        concat!(env!("CARGO_MANIFEST_DIR"), "/src/channel/rx_states.txt"),
        &text,
    );
}

#[test]
fn an_idle_channel_is_smaller_than_a_kibibyte_and_has_no_heap() {
    assert!(size_of::<BytesChannel>() <= 968, "{}", size_of::<BytesChannel>());
    assert!(size_of::<Event>() <= 24, "{}", size_of::<Event>());
    let heap = |channel: &mut BytesChannel| BytesMut::capacity(channel.rx.buffer_mut());
    let mut at = At::idle();
    assert_eq!(heap(&mut at.channel), 0);
    at = first_frame(at).poll().confirmed();
    // Twenty bytes are announced, five are there.
    let begun = heap(&mut at.channel);
    assert!((1..20).contains(&begun), "{begun}");
    at = at
        .frame(&[0x21, 6, 7, 8, 9, 10, 11, 12])
        .frame(&[0x22, 13, 14, 15, 16, 17, 18, 19]);
    assert_eq!(at.channel.take_received(at.now).unwrap().1.len(), 20);
    assert_eq!(heap(&mut at.channel), 0);
    at = first_frame(at).aborted();
    assert_eq!(heap(&mut at.channel), 0);
}
