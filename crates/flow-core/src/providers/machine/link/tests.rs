use proptest::prelude::*;

use super::*;

const WINDOW: Window = Window {
    packets: 3,
    bytes: 100,
    longest: 60,
};

fn machine() -> Machine {
    Machine::new(WINDOW)
}

fn read(packets: u32, bytes: u32) -> Frame {
    Frame::Read(Count { packets, bytes })
}

#[test]
fn packets_and_bytes_are_both_limits() {
    let mut machine = machine();
    assert_eq!(machine.send(61), Err(WriteError::TooLong { len: 61, max: 60 }));
    assert_eq!(machine.send(0), Err(WriteError::Empty));
    assert_eq!(
        (machine.send(60), machine.send(41)),
        (Ok(()), Err(WriteError::WouldBlock))
    );
    assert_eq!((machine.send(39), machine.send(1)), (Ok(()), Ok(())));
    assert_eq!(machine.handle_frame(read(1, 60)), Ok(Incoming::News));
    assert_eq!(
        (machine.send(1), machine.send(1)),
        (Ok(()), Err(WriteError::WouldBlock))
    );
    assert_eq!(machine.unread(), 3);
}

#[test]
fn what_was_not_sent_cannot_be_read() {
    let mut machine = machine();
    machine.send(10).unwrap();
    let (packets, bytes) = (2, 10);
    assert_eq!(
        machine.handle_frame(read(2, 10)),
        Err(Breach::Read { packets, bytes })
    );
    assert_eq!(machine.handle_frame(read(1, 10)), Ok(Incoming::News));
    let (packets, bytes) = (0, 0);
    assert_eq!(
        machine.handle_frame(read(0, 0)),
        Err(Breach::Read { packets, bytes }),
        "taken back"
    );
}

#[test]
fn nothing_comes_after_the_end() {
    let mut machine = machine();
    assert_eq!(machine.handle_frame(Frame::End), Ok(Incoming::End));
    assert_eq!(
        machine.handle_frame(Frame::Data("x".into())),
        Err(Breach::AfterEnd)
    );
    assert_eq!(machine.handle_frame(Frame::Alive), Ok(Incoming::Nothing));
}

#[test]
fn a_reader_that_let_go_never_reads_again_and_one_that_declines_may() {
    let mut machine = machine();
    machine.handle_frame(Frame::Reads(Reads::No)).unwrap();
    assert_eq!(machine.send(1), Err(WriteError::PeerNotReading));
    machine.handle_frame(Frame::Reads(Reads::Yes)).unwrap();
    assert_eq!(machine.send(1), Ok(()));
    machine.handle_frame(Frame::Reads(Reads::Never)).unwrap();
    machine.handle_frame(Frame::Reads(Reads::Yes)).unwrap();
    assert_eq!(machine.send(1), Err(WriteError::Deallocated));
    assert_eq!(machine.drained(), Some(Err(())));
}

#[test]
fn a_close_is_in_good_order_only_when_both_ways_were_let_go_of() {
    for (frames, closed) in [
        (&[Frame::Reads(Reads::Never), Frame::End][..], End::Dealloc),
        (&[Frame::End, Frame::Reads(Reads::Never)], End::Dealloc),
        (&[Frame::Reads(Reads::Never)], End::Silent), // it was about to write more
        (&[Frame::End], End::Silent),                 // it was about to read more
    ] {
        let mut machine = machine();
        frames.iter().for_each(|frame| {
            machine.handle_frame(frame.clone()).unwrap();
        });
        assert_eq!(machine.closed(), closed, "{frames:?}");
    }
}

#[test]
fn an_end_without_a_word_is_a_death() {
    let mut machine = machine();
    machine.send(1).unwrap();
    assert_eq!((machine.drained(), machine.closed()), (None, End::Silent));
    machine.over(End::Silent);
    assert_eq!(
        (machine.drained(), machine.send(1)),
        (Some(Err(())), Err(WriteError::PeerGone))
    );
    assert!(!machine.ask(), "nobody is there");
}

#[test]
fn a_question_is_asked_once_until_it_is_answered() {
    let mut machine = machine();
    assert!(!machine.ask(), "nothing is under way");
    machine.send(1).unwrap();
    machine.send(1).unwrap();
    assert_eq!((machine.ask(), machine.ask()), (true, false));
    machine.handle_frame(read(1, 1)).unwrap();
    assert_eq!(
        (machine.ask_for_room(), machine.drained()),
        (false, None),
        "a part of one is not small"
    );
    assert!(machine.ask());
}

proptest! {
    /// The peer as the other end of the test: a queue with the same limits.
    #[test]
    fn the_queue_there_always_has_room(
        steps in proptest::collection::vec((any::<bool>(), 1..=60_usize), 0..400),
    ) {
        use crate::queue::{PacketQueue, QueueConfig};
        let mut machine = machine();
        let mut queue = PacketQueue::new(QueueConfig::default().packets(3).bytes(100));
        let mut taken = Count::default();
        for (reads, len) in steps {
            if reads {
                if let Some(packet) = queue.pop() {
                    taken = taken.with_packet(packet.len());
                }
                machine.handle_frame(Frame::Read(taken)).unwrap();
                prop_assert_eq!(machine.unread(), queue.len());
            } else if machine.send(len).is_ok() {
                prop_assert_eq!(queue.push(alloc::vec![0; len].into()), Ok(()));
            } else {
                let pushed = queue.push(alloc::vec![0; len].into());
                prop_assert!(pushed.is_err(), "no less than there is");
            }
        }
    }

    #[test]
    fn no_order_of_frames_does_harm(
        frames in proptest::collection::vec(0..8_u8, 0..60),
        numbers in any::<(u32, u32)>(),
    ) {
        let mut machine = machine();
        for frame in frames {
            let frame = match frame {
                0 => Frame::Data("x".into()),
                1 => read(numbers.0, numbers.1),
                2 => Frame::Mark(FlowState::Down),
                3 => Frame::End,
                4 => Frame::Reads(Reads::No),
                5 => Frame::Reads(Reads::Never),
                6 => Frame::Tell,
                _ => Frame::Alive,
            };
            let _ = machine.handle_frame(frame);
            let _ = (machine.send(7), machine.ask());
            prop_assert!(machine.unread() <= 3);
        }
    }
}
