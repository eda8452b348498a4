//! Taps and bridges of running nodes.

use super::*;
use crate::{Direction, TapConfig};

#[tokio::test(start_paused = true)]
async fn a_tap_shows_both_ways_tells_when_and_ends_with_the_node() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut tap = one.tap(TapConfig::default());
    let small = one.tap(TapConfig::default().queue(1));
    let waiting = async {
        let copy = tap.recv().await.unwrap();
        (copy.direction, one.clock_at(copy.at))
    };
    let start = tokio::time::Instant::now();
    let pinging = async {
        sleep(SHORT).await;
        one.ping(address(2), PingConfig::default()).await.unwrap();
    };
    let (copy, ()) = tokio::join!(waiting, pinging);
    assert_eq!(copy, (Direction::Sent, Some((start + SHORT).into_std())));
    assert_eq!(tap.next().await.unwrap().direction, Direction::Received);
    assert_eq!((tap.missed(), small.missed()), (0, 1));
    let ending = tokio::spawn(async move { tap.recv().await });
    sleep(SHORT).await;
    drop((one, two));
    assert_eq!(
        timeout(SHORT, ending).await.unwrap().unwrap(),
        Err(RecvError::Closed)
    );
}

#[tokio::test(start_paused = true)]
async fn a_bridge_carries_both_ways_until_it_is_ended() {
    let bridge = Node::spawn(Config::default());
    let mut ends = Vec::new();
    let mut ids = Vec::new();
    for (name, middle, own) in [("LEFT", 100, 1), ("RIGHT", 200, 2)] {
        let (near, far) = pair();
        let name = InterfaceName::new(name).unwrap();
        let config_of = |own, mask| InterfaceConfig::new(name, address(own), Netmask::new(mask).unwrap());
        ids.push(bridge.attach(config_of(middle, 8), near).unwrap());
        let node = Node::spawn(Config::default());
        node.attach(config_of(own, 6).default_route(), far).unwrap();
        ends.push(node);
    }
    let short = PingConfig::default().timeout(SHORT);
    bridge.bridge(ids[0], ids[1]).unwrap();
    ends[0].ping(address(2), short).await.unwrap();
    ends[1].ping(address(1), short).await.unwrap();
    assert_eq!(bridge.unbridge(), Some([ids[0], ids[1]]));
    ends[0].ping(address(2), short).await.unwrap_err();
}
