//! What every link keeps, whatever is behind it: the same stories over each kind of port.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

use core::any::Any;
use core::time::Duration;

use can_link::frame::{FdFlags, XlFrame};
use can_link::hub::HubPortConfig;
use can_link::link::{Echo, EventBuf, FilterPlace, Origin, OwnEcho, Received};
use can_link::virtual_bus::{BusConfig, PortConfig};
use can_link::{
    CanFrame, CanRx, CanRxExt, CanTxExt, Event, Filter, FilterSet, Hub, Link, SendError, StandardId,
    VirtualBus,
};
use futures::FutureExt;
use tokio::time::timeout;

/// Far beyond what any step takes; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

async fn patient<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("something hangs")
}

fn id(raw: u16) -> StandardId {
    StandardId::new(raw).unwrap()
}

fn frame(number: u32) -> CanFrame {
    CanFrame::data(id(0x100), &number.to_be_bytes()).unwrap()
}

async fn next(rx: &mut impl CanRx) -> Received {
    match patient(rx.recv()).await {
        Ok(Some(Event::Frame(received))) => received,
        other => panic!("{other:?}"),
    }
}

async fn next_frame(rx: &mut impl CanRx) -> CanFrame {
    next(rx).await.frame
}

/// Two ports on one bus.
struct Ports {
    a: Link,
    b: Link,
    /// Whatever has to live as long.
    _world: Box<dyn Any>,
}

/// What `a` is to be like.
#[derive(Clone, Copy)]
struct Wish {
    echo: Echo,
    frames: Frames,
}

/// Which frames the bus is to carry, where it can be told.
#[derive(Clone, Copy)]
enum Frames {
    Classic,
    Fd,
    All,
}

const PLAIN: Wish = Wish {
    echo: Echo::Off,
    frames: Frames::All,
};

fn bus(wish: Wish) -> VirtualBus {
    let config = BusConfig::default();
    VirtualBus::with_config(match wish.frames {
        Frames::Classic => config.classic_only(),
        Frames::Fd => config.fd_only(),
        Frames::All => config,
    })
}

async fn virtual_ports(wish: Wish) -> Ports {
    let bus = bus(wish);
    Ports {
        a: bus.join_with(PortConfig::default().echo(wish.echo)).into_link(),
        b: bus.join().into_link(),
        _world: Box::new(bus),
    }
}

async fn ports_of_one_hub(wish: Wish) -> Ports {
    let bus = bus(wish);
    let hub = Hub::new(bus.join_with(PortConfig::default().echo(Echo::On)).into_link());
    Ports {
        a: hub
            .join_with(HubPortConfig::default().echo(wish.echo))
            .into_link(),
        b: hub.join().into_link(),
        _world: Box::new(hub),
    }
}

async fn ports_of_two_hubs(wish: Wish) -> Ports {
    let bus = bus(wish);
    let (here, there) = (Hub::new(bus.join().into_link()), Hub::new(bus.join().into_link()));
    Ports {
        a: here
            .join_with(HubPortConfig::default().echo(wish.echo))
            .into_link(),
        b: there.join().into_link(),
        _world: Box::new((here, there)),
    }
}

#[cfg(unix)]
async fn local_ports(wish: Wish) -> Ports {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use can_link::local_bus;

    let directory = tempfile::tempdir().unwrap();
    set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    let config = || local_bus::BusConfig::default().directory(directory.path());
    let a = patient(local_bus::join("contract", config().echo(wish.echo))).await;
    let b = patient(local_bus::join("contract", config())).await;
    Ports {
        a: a.unwrap().into_link(),
        b: b.unwrap().into_link(),
        _world: Box::new(directory),
    }
}

/// Each story, as a test of each kind of port.
macro_rules! contract {
    ($($ports:ident),+) => {$(
        mod $ports {
            contract!(@stories $ports:
                frames_arrive_once_and_in_order,
                a_batch_is_never_larger_than_asked,
                a_dropped_receive_loses_nothing,
                a_dropped_send_has_taken_its_frame_whole_or_not_at_all,
                closing_flushes_and_closes_only_the_sending_half,
                a_half_goes_on_without_the_other,
                filters_hold_back_what_is_not_wanted,
                capabilities_tell_which_frames_pass,
                capabilities_tell_whether_own_frames_come_back
            );
        }
    )+};
    (@stories $ports:ident: $($story:ident),+) => {$(
        #[tokio::test]
        async fn $story() {
            crate::$story(async |wish| crate::$ports(wish).await).await;
        }
    )+};
}

contract!(virtual_ports, ports_of_one_hub, ports_of_two_hubs);
#[cfg(unix)]
contract!(local_ports);

async fn frames_arrive_once_and_in_order(ports: impl AsyncFn(Wish) -> Ports) {
    const FRAMES: u32 = 1000;
    let Ports { mut a, mut b, _world } = ports(PLAIN).await;
    let frames: Vec<_> = (0..FRAMES).map(frame).collect();
    let sending = async {
        a.send_all(&frames).await.unwrap();
        a.flush().await.unwrap();
    };
    let receiving = async {
        for expected in &frames {
            let received = next(&mut b).await;
            assert_eq!(received.frame, *expected);
            assert_ne!(received.origin, Origin::Own);
        }
    };
    patient(async { tokio::join!(sending, receiving) }).await;
    a.send(frame(FRAMES)).await.unwrap();
    assert_eq!(next_frame(&mut b).await, frame(FRAMES), "and nothing twice");
}

async fn a_batch_is_never_larger_than_asked(ports: impl AsyncFn(Wish) -> Ports) {
    let Ports { mut a, mut b, _world } = ports(PLAIN).await;
    let frames: Vec<_> = (0..50).map(frame).collect();
    patient(a.send_all(&frames)).await.unwrap();
    let mut events = EventBuf::new();
    while events.len() < frames.len() {
        let before = events.len();
        let count = patient(b.recv_many(&mut events, 7)).await.unwrap();
        assert!((1..=7).contains(&count));
        assert_eq!(events.len(), before + count);
    }
    for (event, expected) in events.iter().zip(&frames) {
        assert!(matches!(event, Event::Frame(received) if received.frame == *expected));
    }
}

async fn a_dropped_receive_loses_nothing(ports: impl AsyncFn(Wish) -> Ports) {
    let Ports { mut a, mut b, _world } = ports(PLAIN).await;
    for number in 0..50 {
        assert!(b.recv().now_or_never().is_none());
        patient(a.send(frame(number))).await.unwrap();
        assert_eq!(next_frame(&mut b).await, frame(number));
    }
}

async fn a_dropped_send_has_taken_its_frame_whole_or_not_at_all(ports: impl AsyncFn(Wish) -> Ports) {
    let Ports { mut a, mut b, _world } = ports(PLAIN).await;
    let mut taken = Vec::new();
    for number in 0..1000 {
        // Nothing else runs meanwhile, so that a queue between may well be full.
        if let Some(result) = a.send(frame(number)).now_or_never() {
            result.unwrap();
            taken.push(frame(number));
        }
    }
    assert!(!taken.is_empty());
    patient(a.flush()).await.unwrap();
    patient(a.send(frame(1000))).await.unwrap();
    for expected in taken {
        assert_eq!(next_frame(&mut b).await, expected);
    }
    assert_eq!(next_frame(&mut b).await, frame(1000));
}

async fn closing_flushes_and_closes_only_the_sending_half(ports: impl AsyncFn(Wish) -> Ports) {
    let Ports { mut a, mut b, _world } = ports(PLAIN).await;
    let frames: Vec<_> = (0..50).map(frame).collect();
    patient(a.send_all(&frames)).await.unwrap();
    patient(a.close()).await.unwrap();
    assert!(matches!(patient(a.send(frame(50))).await, Err(SendError::Closed)));
    patient(a.close()).await.unwrap();
    for expected in &frames {
        assert_eq!(next_frame(&mut b).await, *expected);
    }
    for number in 0..50 {
        patient(b.send(frame(number))).await.unwrap();
        assert_eq!(next_frame(&mut a).await, frame(number), "it still listens");
    }
    let (rx, mut tx) = a.split();
    drop(rx);
    assert!(matches!(
        patient(tx.send(frame(51))).await,
        Err(SendError::Closed)
    ));
    patient(b.send(frame(52))).await.unwrap();
    patient(b.flush()).await.unwrap();
}

async fn a_half_goes_on_without_the_other(ports: impl AsyncFn(Wish) -> Ports) {
    let Ports { a, b, _world } = ports(PLAIN).await;
    let (deaf, mut tx) = a.split();
    let (mut rx, mute) = b.split();
    drop((deaf, mute));
    for number in 0..500 {
        patient(tx.send(frame(number))).await.unwrap();
        assert_eq!(next_frame(&mut rx).await, frame(number));
    }
}

async fn filters_hold_back_what_is_not_wanted(ports: impl AsyncFn(Wish) -> Ports) {
    let Ports { mut a, mut b, _world } = ports(PLAIN).await;
    let place = b
        .set_filters(&FilterSet::any([Filter::id(id(0x200).into())]))
        .unwrap();
    let slots = b.capabilities().filter_slots;
    assert_eq!(
        place == FilterPlace::Software,
        slots == 0,
        "{place:?} with {slots} slots"
    );
    let wanted = |byte| CanFrame::data(id(0x200), &[byte]).unwrap();
    for byte in 0..20 {
        patient(a.send_all(&[frame(byte.into()), wanted(byte)]))
            .await
            .unwrap();
    }
    for byte in 0..20 {
        assert_eq!(next_frame(&mut b).await, wanted(byte));
    }
    b.set_filters(&FilterSet::default()).unwrap();
    patient(a.send(frame(1))).await.unwrap();
    assert_eq!(next_frame(&mut b).await, frame(1));
}

async fn capabilities_tell_which_frames_pass(ports: impl AsyncFn(Wish) -> Ports) {
    let kinds = [
        CanFrame::data(id(1), &[1; 8]).unwrap(),
        CanFrame::remote(id(1), 8).unwrap(),
        CanFrame::fd(id(1), &[1; 64], FdFlags::BRS).unwrap(),
        XlFrame::new(id(1), vec![1; 2048]).unwrap().into(),
    ];
    for frames in [Frames::Classic, Frames::Fd, Frames::All] {
        let Ports { mut a, mut b, _world } = ports(Wish { frames, ..PLAIN }).await;
        let capabilities = a.capabilities();
        for kind in &kinds {
            match capabilities.check(kind) {
                Ok(()) => {
                    patient(a.send(kind.clone())).await.unwrap();
                    assert_eq!(next_frame(&mut b).await, *kind);
                }
                Err(_) => {
                    let refused = patient(a.send(kind.clone())).await;
                    assert!(
                        matches!(refused, Err(SendError::Unsupported { .. })),
                        "{refused:?}"
                    );
                }
            }
        }
        patient(a.send(frame(1))).await.unwrap();
        assert_eq!(
            next_frame(&mut b).await,
            frame(1),
            "a refused frame harms no other"
        );
    }
}

async fn capabilities_tell_whether_own_frames_come_back(ports: impl AsyncFn(Wish) -> Ports) {
    for echo in [Echo::Off, Echo::On] {
        let Ports { mut a, mut b, _world } = ports(Wish { echo, ..PLAIN }).await;
        assert_eq!(a.capabilities().own_echo == OwnEcho::None, echo == Echo::Off);
        patient(a.send(frame(1))).await.unwrap();
        let received = next(&mut b).await;
        assert_eq!(
            (received.frame, received.origin == Origin::Own),
            (frame(1), false)
        );
        if echo == Echo::On {
            let received = next(&mut a).await;
            assert_eq!((received.frame, received.origin), (frame(1), Origin::Own));
        }
        patient(b.send(frame(2))).await.unwrap();
        let received = next(&mut a).await;
        assert_eq!(
            (received.frame, received.origin == Origin::Own),
            (frame(2), false)
        );
    }
}
