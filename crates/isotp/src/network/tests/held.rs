//! What a network does while its link keeps what it took.

use can_link::{CanRxExt as _, Event as LinkEvent};
use futures::SinkExt;
use tokio::time::{Instant, timeout};

use super::*;
use crate::stream::held::tests::{Keeping, assert_late};

const N_AS: Duration = Duration::from_millis(1000);
const LONG: Duration = Duration::from_secs(3600);

fn keeping(keeps: Option<Duration>) -> (Network, VirtualBus) {
    let bus = VirtualBus::new();
    (Network::new(Keeping::new(bus.join(), keeps)), bus)
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_link_never_lets_go_of_fails_by_n_as() {
    let (network, _bus) = keeping(None);
    let tester = endpoint(&network, pair(0)).await;
    let begin = Instant::now();
    assert_late(timeout(LONG, tester.send(payload(3))).await.unwrap(), 3);
    assert_eq!(begin.elapsed(), N_AS);
    // Nothing is left over that would keep the endpoint from closing.
    timeout(LONG, tester.close()).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flush_under_way_does_not_stop_the_frames_of_others() {
    let (network, bus) = keeping(None);
    let mut peer = bus.join();
    let first = endpoint(&network, pair(0)).await;
    let second = endpoint(&network, pair(1)).await;
    let _stuck = first.start(payload(3));
    settle().await;
    let others = second.start(payload(4));
    let mut seen = async || loop {
        if let Some(LinkEvent::Frame(received)) = peer.recv().await.unwrap() {
            break received.frame.id();
        }
    };
    assert_eq!(seen().await, std_id(0x100).into());
    let second_seen = timeout(N_AS / 2, seen()).await;
    assert_eq!(second_seen.unwrap(), std_id(0x101).into());
    assert_late(timeout(LONG, others.done()).await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_lets_go_just_in_time_fails_nothing() {
    let keeps = N_AS * 9 / 10;
    let (network, _bus) = keeping(Some(keeps));
    let tester = endpoint(&network, pair(0)).await;
    for _ in 0..3 {
        let begin = Instant::now();
        tester.send(payload(3)).await.unwrap();
        assert_eq!(begin.elapsed(), keeps);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_tells_once_that_the_link_does_not_let_go() {
    let (network, _bus) = keeping(None);
    let mut tester = endpoint(&network, pair(0)).await;
    let sent = timeout(LONG, SinkExt::send(&mut tester, payload(3))).await;
    assert_late(sent.unwrap(), 3);
    timeout(LONG, SinkExt::flush(&mut tester)).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn frames_of_others_without_end_do_not_keep_a_message_from_being_through() {
    let (network, _bus) = keeping(Some(5 * MOMENT));
    let tester = endpoint(&network, pair(0)).await;
    let busy = async {
        loop {
            let frame = CanFrame::data(std_id(1), &[]).unwrap();
            network.send_frame(frame).await.unwrap();
            tokio::time::sleep(MOMENT).await;
        }
    };
    let sent = async {
        settle().await;
        timeout(N_AS, tester.send(payload(3))).await
    };
    let sent = tokio::select! {
        sent = sent => sent,
        () = busy => unreachable!("it has no end"),
    };
    sent.unwrap().unwrap();
}
