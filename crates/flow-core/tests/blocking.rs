//! The façade for programs without a runtime, by the names of PyOuroboros.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic like tests"
)]

use core::time::Duration;
use std::collections::BTreeSet;
use std::process::{Command, id};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use flow_core::blocking::{
    Error, FEventQueue, FEventType, FRCT_LINGER, FRCT_RESCNTL, FRCT_RETRANSMIT, Failure, Flow,
    FlowProperties, FlowSet, Interrupter, QOS_DATA, QOS_RAW, QoSSpec, bind_process, flow_accept, flow_alloc,
    flow_join, interrupt, unbind_process, use_provider,
};
use flow_core::qos::{Order, Tolerance};
use flow_core::{Errno, LocalLayer, Peer};

/// What ends a test that would otherwise never end.
const LONG: Duration = Duration::from_secs(60);
const NOT_AT_ALL: Option<Duration> = Some(Duration::ZERO);

/// The names of a process are one set, and whoever accepts gets what is asked of any: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // the first test chooses for all; what processes of one machine do is another file's matter
    let _chosen = use_provider(Arc::new(LocalLayer::new().attach()));
    bind_process(id(), "x").unwrap();
    alone
}

fn pair_with(qos: QoSSpec) -> (Flow, Flow) {
    let theirs = thread::spawn(|| flow_accept(Some(LONG)).unwrap());
    let ours = flow_alloc("x", Some(qos), Some(LONG)).unwrap();
    (ours, theirs.join().unwrap())
}

fn pair() -> (Flow, Flow) {
    pair_with(QOS_RAW)
}

/// Writes until there is no room.
fn fill(flow: &Flow) {
    let timeout = flow.get_snd_timeout().unwrap();
    flow.set_snd_timeout(NOT_AT_ALL).unwrap();
    while flow.write(b"x").is_ok() {}
    flow.set_snd_timeout(timeout).unwrap();
}

/// Ends the wait of a thread once it waits, and returns what it got.
fn interrupted<T>(interrupter: &Interrupter, waits: JoinHandle<T>) -> T {
    while interrupter.interrupt() == 0 {
        assert!(!waits.is_finished(), "it does not wait");
        thread::yield_now();
    }
    waits.join().unwrap()
}

#[test]
fn packets_are_read_whole_or_in_pieces_with_a_mark() {
    let _alone = alone();
    let (ours, theirs) = pair();
    assert_eq!(ours.write(b"0123456789").unwrap(), 10);
    let pieces: Vec<_> = (0..3).map(|_| theirs.read(5).unwrap()).collect();
    assert_eq!(pieces, [&b"01234"[..], b"56789", b""]);
    ours.write(b"whole").unwrap();
    assert_eq!(theirs.read(usize::MAX).unwrap(), b"whole");
    assert_eq!(ours.write(b"").unwrap(), 0, "a keepalive, which nobody sees");
    theirs.set_rcv_timeout(NOT_AT_ALL).unwrap();
    assert_eq!(theirs.read(1), Err(Error::TimeoutError));
}

#[test]
fn both_sides_know_the_name_and_each_other() {
    let _alone = alone();
    let (ours, theirs) = pair();
    assert_eq!(ours.name().unwrap(), theirs.name().unwrap());
    assert_eq!(theirs.name().unwrap().as_str(), "x");
    assert_eq!(theirs.peer().unwrap(), Peer::Local);
}

#[test]
fn lines_are_whole_whatever_their_characters() {
    let _alone = alone();
    let (ours, theirs) = pair();
    let line = "naïve – 日本語 – 🦀";
    assert_eq!(ours.writeline(line).unwrap(), line.len() + 1);
    ours.write(b"two\nthree\nbad \xff\nlast").unwrap();
    drop(ours);
    assert_eq!(theirs.readline().unwrap(), line);
    assert_eq!(theirs.readline().unwrap(), "two");
    assert_eq!(theirs.readline().unwrap(), "three");
    assert!(matches!(
        theirs.readline(),
        Err(Error::ValueError(Failure::ReadLine(_)))
    ));
    assert_eq!(theirs.readline().unwrap(), "last");
    assert!(matches!(theirs.readline(), Err(Error::FlowDownException(_))));
    assert!(matches!(theirs.writeline("a\nb"), Err(Error::ValueError(_))));
}

#[test]
fn a_place_has_a_flow_or_none_and_says_so() {
    let _alone = alone();
    let (ours, theirs) = pair();
    assert_eq!(
        ours.alloc("x", None, NOT_AT_ALL),
        Err(Error::FlowAllocatedException)
    );
    assert_eq!(ours.accept(NOT_AT_ALL), Err(Error::FlowAllocatedException));
    assert_eq!(
        ours.join("x", None, NOT_AT_ALL),
        Err(Error::FlowAllocatedException)
    );
    ours.dealloc().unwrap();
    let gone = [
        ours.write(b"x").unwrap_err(),
        ours.read(1).unwrap_err(),
        ours.readline().unwrap_err(),
        ours.writeline("x").unwrap_err(),
        ours.get_qos().unwrap_err(),
        ours.get_flags().unwrap_err(),
        ours.set_flags(FlowProperties::default()).unwrap_err(),
        ours.get_rx_queue_len().unwrap_err(),
        ours.set_rcv_timeout(None).unwrap_err(),
        ours.get_frct_flags().unwrap_err(),
        ours.dealloc().unwrap_err(),
        FlowSet::new().add(&ours).unwrap_err(),
    ];
    for error in gone {
        assert_eq!(error, Error::FlowNotAllocatedException);
        assert_eq!(error.errno(), Some(Errno::NotAlloc));
    }
    // the place can be used again, as f.alloc("name") does
    let next = thread::spawn(|| flow_accept(Some(LONG)).unwrap());
    assert_eq!(ours.alloc("x", None, Some(LONG)).unwrap().loss(), Tolerance::NONE);
    ours.write(b"again").unwrap();
    assert_eq!(next.join().unwrap().read(9).unwrap(), b"again");
    drop(theirs);
}

#[test]
fn errors_have_the_class_that_was_meant() {
    let _alone = alone();
    assert!(matches!(
        flow_alloc("unknown", None, NOT_AT_ALL),
        Err(Error::FlowException(Failure::Alloc(_)))
    ));
    assert!(matches!(
        flow_alloc("", None, None),
        Err(Error::ValueError(Failure::Name(_)))
    ));
    assert_eq!(flow_alloc("x", None, NOT_AT_ALL), Err(Error::TimeoutError));
    assert_eq!(flow_accept(NOT_AT_ALL), Err(Error::TimeoutError));
    assert!(matches!(
        flow_join("chat", Some(QOS_DATA), None),
        Err(Error::FlowException(_))
    ));

    let (ours, theirs) = pair();
    ours.set_flags(FlowProperties::READ_WRITE | FlowProperties::NON_BLOCKING)
        .unwrap();
    assert!(matches!(ours.read(1), Err(Error::BlockingIOError(_))));
    fill(&ours);
    let full = ours.write(b"x").unwrap_err();
    assert!(matches!(full, Error::BlockingIOError(_)));
    assert_eq!(std::io::Error::from(full).kind(), std::io::ErrorKind::WouldBlock);
    ours.set_flags(FlowProperties::READ_ONLY).unwrap();
    assert!(matches!(ours.write(b"x"), Err(Error::FlowPermissionException(_))));
    assert!(matches!(
        ours.write(&vec![0; (1 << 20) + 1]),
        Err(Error::FlowPermissionException(_))
    ));
    ours.set_flags(FlowProperties::default()).unwrap();
    let long = ours.write(&vec![0; (1 << 20) + 1]).unwrap_err();
    assert_eq!(long.errno(), Some(Errno::MsgSize));
    drop(theirs);
    assert_eq!(ours.write(b"x").unwrap_err().errno(), Some(Errno::FlowDown));
    assert_eq!(ours.read(1).unwrap_err().errno(), Some(Errno::FlowDown));
    // the peer has left without reading what was written
    assert!(matches!(ours.dealloc(), Err(Error::FlowDeallocWarning(_))));
}

#[test]
fn lengths_flags_and_timeouts_are_what_they_were_set_to() {
    let _alone = alone();
    let (ours, theirs) = pair();
    for _ in 0..3 {
        ours.write(b"x").unwrap();
    }
    assert_eq!(
        (
            ours.get_tx_queue_len().unwrap(),
            theirs.get_rx_queue_len().unwrap()
        ),
        (3, 3)
    );
    assert_eq!(ours.get_flags().unwrap().to_bits(), 0o20002);
    let flags = FlowProperties::READ_WRITE | FlowProperties::NO_PARTIAL_READ;
    theirs.set_flags(flags).unwrap();
    assert_eq!(theirs.get_flags().unwrap(), flags);
    assert_eq!(ours.get_snd_timeout().unwrap(), None);
    let timeo = Some(Duration::from_millis(500));
    ours.set_snd_timeout(timeo).unwrap();
    ours.set_rcv_timeout(Some(Duration::from_millis(1))).unwrap();
    assert_eq!(ours.get_snd_timeout().unwrap(), timeo);
    assert_eq!(ours.read(1), Err(Error::TimeoutError));
}

#[test]
fn no_loss_alone_is_reliable_and_lingers_unless_told_otherwise() {
    let _alone = alone();
    let (ours, theirs) = pair_with(QOS_RAW.with_loss(Tolerance::NONE));
    let qos = ours.get_qos().unwrap();
    assert_eq!((qos.loss(), qos.order()), (Tolerance::NONE, Order::Kept));
    let all = FRCT_RETRANSMIT | FRCT_RESCNTL | FRCT_LINGER;
    assert_eq!(ours.get_frct_flags().unwrap(), all);
    ours.set_frct_flags(0).unwrap();
    assert_eq!(
        ours.get_frct_flags().unwrap(),
        FRCT_RETRANSMIT,
        "which is to be read only"
    );
    ours.write(b"nobody waits until this is read").unwrap();
    ours.dealloc().unwrap();
    assert_eq!(theirs.readline().unwrap(), "nobody waits until this is read");
    let member = flow_join("chat", None, None).unwrap();
    assert!(matches!(
        member.get_frct_flags(),
        Err(Error::FlowPermissionException(_))
    ));
}

#[test]
fn everybody_who_joined_hears_everybody_else() {
    let _alone = alone();
    let members: Vec<_> = (0..3)
        .map(|_| flow_join("talk", None, Some(LONG)).unwrap())
        .collect();
    members[0].writeline("hello, all").unwrap();
    for member in &members[1..] {
        assert_eq!(member.readline().unwrap(), "hello, all");
    }
    members[0].set_rcv_timeout(NOT_AT_ALL).unwrap();
    assert_eq!(members[0].readline(), Err(Error::TimeoutError));
}

#[test]
fn an_event_gives_the_flow_that_was_added() {
    let _alone = alone();
    let (pairs, mut fq) = ([pair(), pair()], FEventQueue::new());
    let set = FlowSet::of(pairs.iter().map(|(_, theirs)| theirs)).unwrap();
    assert_eq!(set.wait(&mut fq, NOT_AT_ALL), Err(Error::TimeoutError));
    let (ours, theirs) = &pairs[1];
    ours.writeline("one").unwrap();
    ours.writeline("two").unwrap();
    set.wait(&mut fq, Some(LONG)).unwrap();
    for (line, (f, t)) in ["one", "two"].iter().zip(&mut fq) {
        assert!(f == *theirs && f != pairs[0].1 && t == FEventType::FlowPkt);
        assert_eq!(f.readline().unwrap(), *line);
    }
    assert!(fq.next().is_none());
    ours.dealloc().unwrap();
    set.wait(&mut fq, Some(LONG)).unwrap();
    assert!(matches!(fq.next(), Some((_, FEventType::FlowDealloc))));
    assert!(matches!(set.add(theirs), Err(Error::FlowPermissionException(_))));
    set.remove(theirs);
    assert!(!set.has(theirs) && set.has(&pairs[0].1));
    set.add(theirs).unwrap();
    set.zero();
    assert!(!set.has(theirs) && !set.has(&pairs[0].1));
    set.destroy();
}

#[test]
fn a_wait_returns_at_once_while_events_are_left_and_passes_over_flows_that_are_gone() {
    let _alone = alone();
    let ((ours, theirs), mut fq) = (pair(), FEventQueue::new());
    let set = FlowSet::of([&theirs]).unwrap();
    ours.write(b"x").unwrap();
    set.wait(&mut fq, Some(LONG)).unwrap();
    ours.write(b"x").unwrap();
    set.wait(&mut fq, NOT_AT_ALL).unwrap();
    drop(theirs); // a set keeps no flow
    assert!(fq.next().is_none());
    assert!(ours.write(b"x").is_err());
}

#[test]
fn a_set_that_listens_gives_the_flows_that_are_asked_for() {
    let _alone = alone();
    let (set, mut fq) = (FlowSet::new(), FEventQueue::new());
    set.listen().unwrap();
    let clients: Vec<_> = (0..3)
        .map(|number: u32| {
            thread::spawn(move || {
                let f = flow_alloc("x", None, Some(LONG)).unwrap();
                f.writeline(&number.to_string()).unwrap();
                assert_eq!(f.readline().unwrap(), number.to_string());
            })
        })
        .collect();
    let (mut flows, mut ended) = (Vec::new(), 0);
    while ended < 3 {
        set.wait(&mut fq, Some(LONG)).unwrap();
        for (f, t) in &mut fq {
            match t {
                FEventType::FlowAlloc => flows.push(f),
                FEventType::FlowPkt => {
                    let line = f.readline().unwrap();
                    f.writeline(&line).unwrap();
                }
                FEventType::FlowDealloc => {
                    flows.retain(|flow| *flow != f);
                    ended += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(flows.is_empty());
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn every_wait_can_be_ended_from_another_thread() {
    let _alone = alone();
    let (ours, theirs) = pair();
    let wait = |call: fn(&Flow) -> Error| {
        let flow = ours.clone();
        interrupted(&ours.interrupter(), thread::spawn(move || call(&flow)))
    };
    assert_eq!(wait(|flow| flow.read(1).unwrap_err()), Error::KeyboardInterrupt);
    assert_eq!(
        wait(|flow| flow.readline().unwrap_err()),
        Error::KeyboardInterrupt
    );
    fill(&ours);
    assert_eq!(
        wait(|flow| flow.write(b"x").unwrap_err()),
        Error::KeyboardInterrupt
    );
    assert_eq!(
        wait(|flow| flow.writeline("x").unwrap_err()),
        Error::KeyboardInterrupt
    );
    theirs.write(b"nothing is ").unwrap();
    assert_eq!(
        wait(|flow| flow.readline().unwrap_err()),
        Error::KeyboardInterrupt
    );
    theirs.write(b"lost\n").unwrap();
    assert_eq!(ours.readline().unwrap(), "nothing is lost");
}

#[test]
fn what_waits_for_a_flow_or_events_can_be_ended_too() {
    let _alone = alone();
    let wait = |call: fn(&Flow) -> Error| {
        let place = Flow::new();
        let flow = place.clone();
        interrupted(&place.interrupter(), thread::spawn(move || call(&flow)))
    };
    assert_eq!(
        wait(|flow| flow.accept(None).unwrap_err()),
        Error::KeyboardInterrupt
    );
    let asked = wait(|flow| flow.alloc("x", None, None).unwrap_err());
    assert_eq!(asked, Error::KeyboardInterrupt);
    assert_eq!(
        flow_accept(NOT_AT_ALL),
        Err(Error::TimeoutError),
        "the request is gone"
    );

    let set = Arc::new(FlowSet::new());
    let waits = {
        let set = Arc::clone(&set);
        thread::spawn(move || set.wait(&mut FEventQueue::new(), None).unwrap_err())
    };
    assert_eq!(interrupted(&set.interrupter(), waits), Error::KeyboardInterrupt);

    // as who hears Ctrl-C does, and knows of no flow
    let waits = thread::spawn(|| flow_accept(None).unwrap_err());
    while !waits.is_finished() {
        interrupt();
        thread::yield_now();
    }
    assert_eq!(waits.join().unwrap(), Error::KeyboardInterrupt);
}

#[test]
fn deallocating_a_flow_ends_the_calls_that_wait_for_it() {
    let _alone = alone();
    let (ours, theirs) = pair();
    let reads: Vec<_> = (0..3)
        .map(|_| {
            let flow = ours.clone();
            thread::spawn(move || flow.read(1).unwrap_err())
        })
        .collect();
    theirs.set_rcv_timeout(Some(LONG)).unwrap();
    ours.dealloc().unwrap();
    for read in reads {
        assert_eq!(read.join().unwrap(), Error::FlowNotAllocatedException);
    }
    assert!(matches!(theirs.read(1), Err(Error::FlowDownException(_))));
}

#[test]
fn threads_share_a_flow_and_none_sleeps_on() {
    const PACKETS: u32 = 3_000;
    let _alone = alone();
    let (ours, theirs) = pair();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let flow = theirs.clone();
            thread::spawn(move || {
                let packets = core::iter::from_fn(|| flow.read(4).ok().filter(|packet| !packet.is_empty()));
                packets.collect::<Vec<_>>()
            })
        })
        .collect();
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let flow = ours.clone();
            thread::spawn(move || {
                for number in (writer..PACKETS).step_by(3) {
                    flow.write(&number.to_be_bytes()[1..]).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    drop(ours);
    let mut read = BTreeSet::new();
    for reader in readers {
        read.extend(reader.join().unwrap());
    }
    assert_eq!(read.len(), PACKETS as usize);
}

/// A thread of a runtime is held up by these calls; it must not panic, nor wait for itself.
#[test]
fn the_calls_work_within_a_runtime() {
    let _alone = alone();
    let runtimes = [
        tokio::runtime::Builder::new_current_thread().build().unwrap(),
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap(),
    ];
    for runtime in runtimes {
        runtime.block_on(async {
            let (ours, theirs) = pair();
            for _ in 0..1_000 {
                ours.write(b"x").unwrap();
                theirs.read(9).unwrap();
            }
            ours.set_rcv_timeout(Some(Duration::from_millis(1))).unwrap();
            assert_eq!(ours.read(1), Err(Error::TimeoutError));
            ours.dealloc().unwrap();
        });
    }
}

#[test]
fn names_are_bound_and_let_go_of() {
    let _alone = alone();
    bind_process(id(), "y").unwrap();
    assert_eq!(flow_alloc("y", None, NOT_AT_ALL), Err(Error::TimeoutError));
    unbind_process(id(), "y").unwrap();
    assert!(matches!(
        flow_alloc("y", None, NOT_AT_ALL),
        Err(Error::FlowException(_))
    ));
    assert!(unbind_process(id(), "y").is_err());
    #[cfg(unix)]
    assert!(matches!(
        flow_core::blocking::list_names(),
        Err(Error::IrmError(Failure::Layer { .. }))
    ));
    assert!(
        use_provider(Arc::new(LocalLayer::new().attach())).is_err(),
        "there is one"
    );
}

/// What a process of its own does, in [`a_process_begins_with_nothing_and_ends_while_calls_wait`].
#[test]
fn a_process_of_its_own() {
    if std::env::var_os("FLOWS_CHILD").is_none() {
        return;
    }
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let before = threads();
    let _places = (Flow::new(), FlowSet::new(), FEventQueue::new());
    assert_eq!(threads(), before, "nothing was started");
    let layer = LocalLayer::new();
    use_provider(Arc::new(layer.attach())).unwrap();
    bind_process(id(), "own").unwrap();
    assert_eq!(layer.stats().names, 1, "this layer is the one");
    thread::spawn(|| flow_accept(None));
    thread::spawn(|| flow_join("talk", None, None).unwrap().read(1));
    while interrupt() == 0 {
        thread::yield_now();
    }
    thread::spawn(|| flow_accept(None)); // and nobody ends this one
}

#[test]
fn a_process_begins_with_nothing_and_ends_while_calls_wait() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_of_its_own", "--test-threads=1"])
        .env("FLOWS_CHILD", "1")
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stdout)
    );
}
