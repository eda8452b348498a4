//! Flows over ISO-TP, on buses within the process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use can_link::link::CanTxExt;
use can_link::{CanFrame, StandardId};
use flow_core::peer::Peer;
use flow_core::providers::isotp::IsoTpProvider;
use flow_core::qos::{Order, PeerTimeout, QosField, Tolerance};
use flow_core::{
    AcceptError, AllocError, BindError, EventKind, EventQueue, Flow, Name, Provider, QosSpec, ReadError,
    WriteError,
};

/// A bus that no other test has.
fn bus() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("virtual:flow-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Both ends of a conversation, the first message of which was read already.
async fn flows(bus: &str) -> (IsoTpProvider, Flow, Flow) {
    let provider = IsoTpProvider::new();
    provider
        .bind(&name(&format!("isotp:{bus}?tx=7E8&rx=7E0")))
        .unwrap();
    let asked = name(&format!("isotp:{bus}?tx=7E0&rx=7E8"));
    let mut ours = provider.alloc(&asked, QosSpec::BEST_EFFORT, None).await.unwrap();
    let accepted = async {
        // whoever listens may open its link a moment later: nothing in ISO-TP repeats a first message
        loop {
            ours.write("first").await.unwrap();
            if let Ok(flow) = provider.accept(Some(Duration::from_millis(50))).await {
                break flow;
            }
        }
    };
    let mut theirs = accepted.await;
    assert_eq!(theirs.read_packet().await.unwrap(), "first");
    while theirs
        .read_packet_timeout(Duration::from_millis(50))
        .await
        .is_ok()
    {}
    (provider, ours, theirs)
}

#[tokio::test(start_paused = true)]
async fn messages_go_both_ways_whole_and_in_order() {
    let (_provider, mut ours, mut theirs) = flows(&bus()).await;
    assert_eq!(ours.qos().order(), Order::Kept);
    assert_eq!(
        (ours.qos().ber(), ours.qos().timeout()),
        (Tolerance::NONE, PeerTimeout::OFF)
    );
    for len in [1, 7, 8, 4095] {
        ours.write(vec![0x5A; len]).await.unwrap();
        assert_eq!(theirs.read_packet().await.unwrap().len(), len);
        theirs.write(vec![0xA5; len]).await.unwrap();
        assert_eq!(ours.read_packet().await.unwrap().len(), len);
    }
    let Peer::IsoTp { tx, rx, .. } = *theirs.peer() else {
        panic!("{}", theirs.peer())
    };
    assert_eq!((tx, rx), (0x7E8, 0x7E0));
    assert_eq!(ours.write_stats().lost, 0);
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_may_lose_nothing_is_refused_by_name() {
    let provider = IsoTpProvider::new();
    let to = name(&format!("isotp:{}?tx=7E0&rx=7E8", bus()));
    for (asked, field) in [
        (QosSpec::RAW.with_loss(Tolerance::NONE), QosField::Loss),
        (QosSpec::DATA, QosField::Delay),
        (
            QosSpec::RAW.with_timeout(PeerTimeout::from_millis(9)),
            QosField::Timeout,
        ),
    ] {
        let Err(AllocError::Qos(error)) = provider.alloc(&to, asked, None).await else {
            panic!("granted {asked:?}")
        };
        assert_eq!(error.field, field);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_takes_is_lost_counted_and_the_flow_goes_on() {
    let bus = bus();
    let (provider, mut ours, theirs) = flows(&bus).await;
    theirs.dealloc().await.unwrap();
    assert!(provider.unbind(&name(&format!("isotp:{bus}?tx=7E8&rx=7E0"))));
    let before = ours.write_stats().lost;
    ours.write(vec![1; 100]).await.unwrap(); // no flow control comes
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ours.write_stats().lost, before + 1);
    ours.write(vec![2; 5]).await.unwrap(); // one frame asks nobody
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ours.write_stats().lost, before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_breaks_off_is_told_and_the_next_one_read() {
    let bus = bus();
    let (_provider, _ours, mut theirs) = flows(&bus).await;
    let mut events = EventQueue::new();
    events.set().add(&theirs).unwrap();
    let mut link = can_link::open(&bus.parse().unwrap()).await.unwrap();
    let id = StandardId::new(0x7E0).unwrap();
    let first = CanFrame::data(id, &[0x10, 0x14, 1, 2, 3, 4, 5, 6]).unwrap();
    link.send(first).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let event = events.wait().await;
    assert_eq!(event.kind, EventKind::Dropped { count: 1 });
    assert_eq!(theirs.read_stats().lost, 1);
    link.send(CanFrame::data(id, &[2, 7, 8]).unwrap()).await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap(), [7, 8][..]);
}

#[tokio::test(start_paused = true)]
async fn when_a_flow_was_let_go_of_the_next_message_begins_another() {
    let (provider, mut ours, theirs) = flows(&bus()).await;
    theirs.dealloc().await.unwrap();
    let next = async {
        loop {
            ours.write("again").await.unwrap();
            if let Ok(flow) = provider.accept(Some(Duration::from_millis(50))).await {
                break flow;
            }
        }
    };
    assert_eq!(next.await.read_packet().await.unwrap(), "again");
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_was_accepted_outlives_its_binding_and_its_provider() {
    let bus = bus();
    let (provider, mut ours, mut theirs) = flows(&bus).await;
    assert!(provider.unbind(&name(&format!("isotp:{bus}?tx=7E8&rx=7E0"))));
    ours.write("x").await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap(), "x");
    drop(provider);
    theirs.write("y").await.unwrap();
    assert_eq!(ours.read_packet().await.unwrap(), "y");
}

#[tokio::test(start_paused = true)]
async fn addresses_and_links_that_cannot_be_say_why() {
    let provider = IsoTpProvider::new();
    let raw = QosSpec::RAW;
    let wrong = provider
        .alloc(&name("isotp:virtual:x?tx=7E0"), raw, None)
        .await
        .unwrap_err();
    assert!(
        matches!(&wrong, AllocError::Address { reason } if reason.contains("no \"rx\"")),
        "{wrong}"
    );
    let wrong = provider.bind(&name("isotp:virtual:x?tx=7E0")).unwrap_err();
    assert!(matches!(wrong, BindError::Address { .. }));
    let no_link = name("isotp:nosuch:x?tx=7E0&rx=7E8");
    let missing = provider.alloc(&no_link, raw, None).await.unwrap_err();
    assert!(matches!(&missing, AllocError::Unreachable { .. }), "{missing}");
    provider.bind(&no_link).unwrap();
    let missing = provider.accept(None).await.unwrap_err();
    assert!(matches!(&missing, AcceptError::Layer { .. }), "{missing}");
    assert_eq!(provider.accept(None).await.unwrap_err(), AcceptError::NoName);
}

#[tokio::test(start_paused = true)]
async fn an_empty_packet_and_one_too_long_are_refused_at_once() {
    let (_provider, mut ours, mut theirs) = flows(&bus()).await;
    assert_eq!(ours.write("").await.unwrap_err(), WriteError::Empty);
    let max = ours.max_packet();
    let refused = ours.write(vec![0; max + 1]).await.unwrap_err();
    assert_eq!(refused, WriteError::TooLong { len: max + 1, max });
    assert_eq!(theirs.try_read_packet(), Err(ReadError::WouldBlock));
}
