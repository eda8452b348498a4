//! Members of one process over real sockets. Nothing sleeps: every wait ends with what it waits for.

use core::time::Duration;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::string::ToString;
use std::vec::Vec;

use futures::FutureExt;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::frame::{FdFlags, XlFrame};
use crate::link::{CanRx, CanRxExt, CanTxExt, DropReason, Event, LinkChange, Origin, SendError};
use crate::virtual_bus::Echo;
use crate::{CanFrame, Filter, FilterSet, StandardId};

/// Far beyond what any step takes; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn frame(number: u32) -> CanFrame {
    CanFrame::data(StandardId::new(0x100).unwrap(), &number.to_be_bytes()).unwrap()
}

/// A directory of this user alone, whatever the umask.
fn private() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    directory
}

fn config(directory: &TempDir) -> BusConfig {
    BusConfig::default().directory(directory.path())
}

async fn member(directory: &TempDir) -> LocalPort {
    joined(config(directory)).await
}

async fn joined(config: BusConfig) -> LocalPort {
    patient(join("test", config)).await.unwrap()
}

async fn patient<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("something hangs")
}

async fn next(port: &mut impl CanRx) -> Event {
    patient(port.recv()).await.unwrap().expect("the link has ended")
}

async fn next_frame(port: &mut impl CanRx) -> CanFrame {
    patient(port.recv_frame())
        .await
        .unwrap()
        .expect("the link has ended")
        .frame
}

fn stranger(directory: &Path) -> UnixStream {
    UnixStream::connect(directory.join("test.bus")).unwrap()
}

#[tokio::test]
async fn every_kind_of_frame_reaches_every_other_member() {
    let directory = private();
    let (mut a, mut b, mut c) = (
        member(&directory).await,
        member(&directory).await,
        member(&directory).await,
    );
    let id = StandardId::new(0x123).unwrap();
    let frames = [
        frame(1),
        CanFrame::remote(id, 3).unwrap(),
        CanFrame::fd(id, &[7; 64], FdFlags::BRS).unwrap(),
        XlFrame::new(id, std::vec![9; 2048]).unwrap().into(),
    ];
    a.send_all(&frames).await.unwrap();
    for port in [&mut b, &mut c] {
        for expected in &frames {
            let Event::Frame(received) = next(port).await else {
                panic!()
            };
            assert_eq!((&received.frame, received.origin), (expected, Origin::LocalHost));
        }
    }
    c.send(frame(2)).await.unwrap();
    assert_eq!(next_frame(&mut a).await, frame(2), "and not its own frames first");
    assert!(a.stats().hosting && !b.stats().hosting);
}

#[tokio::test]
async fn an_own_frame_comes_back_on_wish_in_its_place() {
    let directory = private();
    let mut link = joined(config(&directory).echo(Echo::On)).await.into_link();
    let echo = patient(link.send_confirmed(frame(7))).await.unwrap();
    assert_eq!((echo.frame, echo.origin), (frame(7), Origin::Own));
}

#[tokio::test]
async fn many_members_see_one_order() {
    const MEMBERS: u32 = 24;
    const EACH: u32 = 20;
    let directory = private();
    let mut members = Vec::new();
    for _ in 0..MEMBERS {
        members.push(joined(config(&directory).echo(Echo::On)).await);
    }
    for round in 0..EACH {
        for (number, port) in (0..).zip(&mut members) {
            patient(port.send(frame(number << 16 | round))).await.unwrap();
        }
    }
    let mut orders = Vec::new();
    for port in &mut members {
        let mut order = Vec::new();
        for _ in 0..MEMBERS * EACH {
            order.push(next_frame(port).await);
        }
        orders.push(order);
    }
    assert!(orders.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_slow_member_loses_frames_with_a_count_and_slows_nobody() {
    const FRAMES: u32 = 40_000;
    let directory = private();
    let mut sender = member(&directory).await;
    let mut slow = joined(config(&directory).queue(QueueLen::new(16).unwrap())).await;
    let mut quick = joined(config(&directory).queue(QueueLen::MAX)).await;
    let sending = async {
        for number in 0..FRAMES {
            sender.send(frame(number)).await.unwrap();
        }
    };
    let receiving = async {
        for number in 0..FRAMES {
            assert_eq!(next_frame(&mut quick).await, frame(number));
        }
    };
    patient(async { tokio::join!(sending, receiving) }).await;
    let (mut received, mut lost, mut last) = (0, 0, None);
    while received + lost < u64::from(FRAMES) {
        match next(&mut slow).await {
            Event::Frame(frame) => {
                received += 1;
                assert!(last.as_deref() < Some(frame.frame.payload()), "order is kept");
                last = Some(frame.frame.payload().to_vec());
            }
            Event::Dropped {
                count,
                reason: DropReason::ReceiveQueueFull,
            } => lost += count,
            other => panic!("{other:?}"),
        }
    }
    assert!(lost > 0 && received >= 16);
    assert_eq!(slow.stats().lost, lost);
    assert_eq!(quick.stats().lost, 0);
}

/// The clock is paused, so that the members' pauses and the host's patience are in order on a slow machine
/// too.
#[tokio::test(start_paused = true)]
async fn another_member_takes_over_when_the_host_leaves_and_nothing_is_lost() {
    let directory = private();
    let here = || config(&directory).home(host::Home::Task);
    let mut host = Some(joined(here()).await);
    let (mut a, mut b) = (joined(here()).await, joined(here()).await);
    host.as_mut().unwrap().send(frame(0)).await.unwrap();
    for number in 1..600 {
        patient(a.send(frame(number))).await.unwrap();
        if number == 300 {
            let (rx, mut tx) = host.take().unwrap().split();
            drop(rx);
            patient(tx.close()).await.unwrap();
        }
    }
    let (mut numbers, mut takeovers) = (Vec::new(), 0);
    while numbers.len() < 600 {
        match next(&mut b).await {
            Event::Frame(received) => numbers.push(received.frame),
            Event::Link(LinkChange::Reconnected) => takeovers += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(numbers, (0..600).map(frame).collect::<Vec<_>>());
    assert_eq!(takeovers, 1);
    assert!(a.stats().hosting != b.stats().hosting);
}

#[tokio::test]
async fn a_blocked_runtime_of_the_member_that_hosts_slows_nobody() {
    let directory = private();
    let (joined, has_joined) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let config = config(&directory);
    let blocked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let port = join("test", config).await.unwrap();
            joined.send(port.stats().hosting).unwrap();
            let _ = released.recv(); // not an await: nothing else on this runtime goes on
            drop(port);
        });
    });
    assert!(patient(has_joined).await.unwrap(), "it hosts");
    let (mut a, mut b) = (member(&directory).await, member(&directory).await);
    for number in 0..1000 {
        a.send(frame(number)).await.unwrap();
        assert_eq!(next_frame(&mut b).await, frame(number));
    }
    drop(release);
    blocked.join().unwrap();
}

#[tokio::test]
async fn a_host_that_dies_is_heard_out_although_the_port_has_no_room() {
    const FRAMES: u32 = 600;
    let directory = private();
    let listener = std::os::unix::net::UnixListener::bind(directory.path().join("test.bus")).unwrap();
    let server = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        wire::Message::Welcome.encode(&mut bytes);
        for number in 0..FRAMES {
            wire::encode_frame(&mut bytes, &frame(number), wire::Sender::Other, 0);
        }
        stream.write_all(&bytes).unwrap();
        stream.read_exact(&mut [0; wire::HEADER_LEN]).unwrap();
    });
    let mut port = member(&directory).await;
    server.await.unwrap();
    // Nobody reads, and the frame goes to the next host all the same: this very port.
    port.send(frame(FRAMES)).await.unwrap();
    patient(port.flush()).await.unwrap();
    for number in 0..FRAMES {
        let Event::Frame(received) = next(&mut port).await else {
            panic!("frame {number} is lost");
        };
        assert_eq!(received.frame, frame(number));
    }
    assert_eq!(next(&mut port).await, Event::Link(LinkChange::Reconnected));
    assert_eq!((port.stats().sent, port.stats().takeovers), (1, 1));
}

#[tokio::test]
async fn the_end_of_a_runtime_waits_until_its_host_has_handed_over() {
    let directory = private();
    let (joined, has_joined) = tokio::sync::oneshot::channel();
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let config = config(&directory);
    let ended = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let _port = join("test", config).await.unwrap();
            joined.send(()).unwrap();
            let _ = released.await;
        });
    });
    patient(has_joined).await.unwrap();
    let (mut a, mut b) = (member(&directory).await, member(&directory).await);
    for number in 0..200 {
        a.send(frame(number)).await.unwrap();
    }
    patient(a.flush()).await.unwrap();
    drop(release);
    let ended = tokio::task::spawn_blocking(move || ended.join());
    patient(ended).await.unwrap().unwrap();
    // As if the process had ended: all that was written to its host was passed on.
    for number in 0..200 {
        assert_eq!(next_frame(&mut b).await, frame(number));
    }
}

#[tokio::test]
async fn a_malformed_member_is_turned_out_and_harms_nobody() {
    let directory = private();
    let (mut a, mut b) = (member(&directory).await, member(&directory).await);
    let rubbish: [&[u8]; 4] = [&[0xFF; 64], &[0; 16], b"GET / HTTP/1.1\r\n\r\n", &[3, 0, 72, 0]];
    for bytes in rubbish {
        let mut stranger = stranger(directory.path());
        stranger.write_all(bytes).unwrap();
        stranger.shutdown(std::net::Shutdown::Write).unwrap();
        let ended = tokio::task::spawn_blocking(move || stranger.read(&mut [0; 16]));
        // closed by the host: an end or a reset, and never an answer
        assert!(!matches!(patient(ended).await.unwrap(), Ok(1..)));
        a.send(frame(1)).await.unwrap();
        assert_eq!(next_frame(&mut b).await, frame(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_turned_out_in_the_end() {
    let directory = private();
    let here = || config(&directory).home(host::Home::Task);
    let (mut a, mut b) = (joined(here()).await, joined(here()).await);
    let silent = stranger(directory.path());
    silent.set_nonblocking(true).unwrap();
    let mut silent = tokio::net::UnixStream::from_std(silent).unwrap();
    let start = tokio::time::Instant::now();
    let mut buffer = [0; 16];
    let end = tokio::io::AsyncReadExt::read(&mut silent, &mut buffer);
    assert_eq!(patient(end).await.unwrap(), 0);
    assert_eq!(start.elapsed().as_secs(), 2);
    a.send(frame(1)).await.unwrap();
    assert_eq!(next_frame(&mut b).await, frame(1), "who said hello stays");
}

#[tokio::test]
async fn silent_connections_keep_nobody_out_and_a_full_bus_says_so() {
    let directory = private();
    let mut members = std::vec![member(&directory).await];
    let _silent: Vec<_> = (0..limits::MAX_MEMBERS)
        .map(|_| stranger(directory.path()))
        .collect();
    while members.len() < limits::MAX_MEMBERS {
        members.push(member(&directory).await);
    }
    let error = patient(join("test", config(&directory))).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "joining bus:test: the bus is full: it has 128 members"
    );
    assert_eq!(
        std::io::Error::from(error).kind(),
        std::io::ErrorKind::QuotaExceeded
    );
}

#[tokio::test]
async fn a_member_that_stops_in_mid_message_holds_up_nobody() {
    let directory = private();
    let (mut a, mut b) = (member(&directory).await, member(&directory).await);
    let mut half = stranger(directory.path());
    half.write_all(&[1, 0, 0]).unwrap();
    a.send(frame(1)).await.unwrap();
    assert_eq!(next_frame(&mut b).await, frame(1));
}

#[tokio::test]
async fn something_else_at_the_socket_is_a_protocol_error() {
    let directory = private();
    let listener = std::os::unix::net::UnixListener::bind(directory.path().join("test.bus")).unwrap();
    let server = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 mail.example ESMTP ready").unwrap();
    });
    let error = patient(join("test", config(&directory))).await.unwrap_err();
    assert!(error.to_string().contains("unknown message kind"), "{error}");
    server.await.unwrap();
}

#[tokio::test]
async fn filters_hold_back_what_is_not_wanted() {
    let directory = private();
    let (mut a, mut b) = (member(&directory).await, member(&directory).await);
    b.set_filters(&FilterSet::any([Filter::id(
        StandardId::new(0x200).unwrap().into(),
    )]))
    .unwrap();
    let wanted = CanFrame::data(StandardId::new(0x200).unwrap(), &[]).unwrap();
    a.send_all(&[frame(1), wanted.clone()]).await.unwrap();
    assert_eq!(next_frame(&mut b).await, wanted);
    assert_eq!(b.stats().received, 1);
}

#[tokio::test]
async fn closing_waits_until_the_host_has_passed_the_frames_on() {
    let directory = private();
    let mut host = member(&directory).await;
    let mut other = stranger(directory.path());
    let mut bytes = Vec::new();
    let hello = wire::Message::Hello {
        own_echo: false,
        queue: QueueLen::MAX,
    };
    hello.encode(&mut bytes);
    other.write_all(&bytes).unwrap();
    other.read_exact(&mut [0; wire::HEADER_LEN]).unwrap();
    for number in 0..200 {
        host.send(frame(number)).await.unwrap();
    }
    patient(host.close()).await.unwrap();
    // As if the process had ended: what is not there yet would never come.
    other.set_nonblocking(true).unwrap();
    let mut received = Vec::new();
    other.read_to_end(&mut received).unwrap_err();
    assert_eq!(
        received.len(),
        200 * (wire::HEADER_LEN + crate::record::RECORD_LEN)
    );
}

#[tokio::test(start_paused = true)]
async fn closing_waits_a_second_for_a_member_that_does_not_read() {
    let directory = private();
    let here = || config(&directory).home(host::Home::Task);
    let mut a = joined(here()).await;
    let _silent = joined(here().queue(QueueLen::MAX)).await;
    for number in 0..20_000 {
        patient(a.send(frame(number))).await.unwrap();
    }
    let start = tokio::time::Instant::now();
    patient(a.close()).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_takes_too_long_tells_what_was_not_sent() {
    let directory = private();
    let listener = std::os::unix::net::UnixListener::bind(directory.path().join("test.bus")).unwrap();
    let host = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        wire::Message::Welcome.encode(&mut bytes);
        stream.write_all(&bytes).unwrap();
        (stream, listener) // and reads nothing
    });
    let mut port = member(&directory).await;
    let _stopped = host.await.unwrap();
    let mut number = 0;
    while let Some(taken) = port.send(frame(number)).now_or_never() {
        taken.unwrap();
        number += 1;
        tokio::task::yield_now().await;
    }
    let error = patient(port.close()).await.unwrap_err();
    assert!(matches!(error, SendError::Timeout { .. }), "{error}");
    let stats = port.stats();
    assert!(stats.unsent > 0 && stats.sent + stats.unsent <= u64::from(number));
}

#[tokio::test]
async fn dropped_futures_lose_nothing() {
    let directory = private();
    let (mut a, mut b) = (member(&directory).await, member(&directory).await);
    for number in 0..50 {
        timeout(Duration::ZERO, b.recv()).await.unwrap_err();
        a.send(frame(number)).await.unwrap();
        assert_eq!(next_frame(&mut b).await, frame(number));
    }
}

#[tokio::test]
async fn one_half_is_enough() {
    let directory = private();
    let (rx, mut tx) = member(&directory).await.split();
    let (mut listener, silent) = member(&directory).await.split();
    drop((rx, silent));
    for number in 0..1000 {
        patient(tx.send(frame(number))).await.unwrap();
        assert_eq!(next_frame(&mut listener).await, frame(number));
    }
}

#[tokio::test]
async fn a_bus_that_was_left_by_all_can_be_used_again() {
    let directory = private();
    for _ in 0..3 {
        let (mut a, mut b) = (member(&directory).await, member(&directory).await);
        a.send(frame(1)).await.unwrap();
        assert_eq!(next_frame(&mut b).await, frame(1));
        for port in [a, b] {
            let (rx, mut tx) = port.split();
            drop(rx);
            patient(tx.close()).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_without_a_host_is_an_error_in_the_end() {
    let directory = private();
    let place = place::Place::new("test", Some(directory.path())).unwrap();
    let (_claim, listener) = place.try_claim().unwrap().unwrap();
    drop(listener);
    let error = join("test", config(&directory)).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(
        text,
        "joining bus:test: the process that hosts it does not answer"
    );
}

#[tokio::test]
async fn a_host_that_breaks_the_protocol_ends_the_link_with_the_reason() {
    let directory = private();
    let listener = std::os::unix::net::UnixListener::bind(directory.path().join("test.bus")).unwrap();
    let server = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        wire::Message::Welcome.encode(&mut bytes);
        wire::Message::Welcome.encode(&mut bytes);
        stream.write_all(&bytes).unwrap();
        stream.read_to_end(&mut Vec::new())
    });
    let mut port = member(&directory).await;
    assert_eq!(next(&mut port).await, Event::Link(LinkChange::Gone));
    let error = patient(port.recv()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "bus:test: the host sent something that is no message"
    );
    assert!(matches!(port.send(frame(1)).await, Err(SendError::Gone)));
    server.await.unwrap().unwrap();
}
