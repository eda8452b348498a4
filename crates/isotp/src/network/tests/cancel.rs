//! Futures that are dropped half-way, at each of their polls.

use alloc::boxed::Box;

use can_link::virtual_bus::{BitRate, BusConfig, Echo, PortConfig};
use futures::FutureExt as _;

use super::*;
use crate::stmin::{BlockSize, StMin};

/// About a frame on the bus of these tests.
const FRAME: Duration = Duration::from_micros(1_500);

/// Polls a future `polls` times while the bus goes on, and then drops it.
async fn dropped_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        if let Some(result) = future.as_mut().now_or_never() {
            return Some(result);
        }
        tokio::time::sleep(FRAME).await;
    }
    None
}

/// Sends three messages and receives them, with each future dropped after so many polls. All that were begun
/// arrive once and in order.
async fn drop_all_after(polls: usize, echo: Echo) {
    let rate = BitRate::new(50_000).unwrap();
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(rate));
    let port = PortConfig::default().echo(echo).transmit_queue(2);
    let (testers, ecus) = (Network::new(bus.join_with(port)), Network::new(bus.join()));
    let (tester, ecu) = endpoints(&testers, &ecus, 0).await;
    ecu.set_flow_control(BlockSize::UNLIMITED, StMin::from_millis(1).unwrap());
    let (mut begun, mut received) = (Vec::new(), Vec::new());
    for len in [40, 41, 42] {
        let sent = dropped_after(polls, tester.send(payload(len))).await;
        sent.into_iter().for_each(Result::unwrap);
        begun.extend((polls > 0).then(|| payload(len)));
        let message = dropped_after(polls, ecu.recv()).await;
        received.extend(message.map(|message| message.unwrap().unwrap()));
    }
    tester.close().await.unwrap();
    while received.len() < begun.len() {
        received.push(ecu.recv().await.unwrap().unwrap());
    }
    assert_eq!(received, begun, "{polls} polls");
    assert_eq!(ecu.available(), 0);

    drop(dropped_after(polls, testers.endpoint(pair(1), Config::default())).await);
    let next = testers.endpoint(pair(1), Config::default()).await;
    assert!(
        next.is_ok(),
        "a dropped future leaves no endpoint behind: {next:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_future_may_be_dropped_at_each_of_its_polls() {
    for echo in [Echo::Off, Echo::On] {
        for polls in 0..40 {
            drop_all_after(polls, echo).await;
        }
    }
}
