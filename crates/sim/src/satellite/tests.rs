//! The satellite, asked from the ground.
use core::time::Duration;
use std::collections::BTreeSet;
use std::string::String;

use can_link::VirtualBus;
use csp_core::rt::{Call, PingConfig, ServiceError};
use csp_core::service::{Peek, Poke, SetRoute, Timestamp};
use csp_core::{ConnectConfig, Flags, Port};

use super::*;

fn ground(bus: &VirtualBus) -> Node {
    let station = Station {
        name: "ground",
        address: 10,
        hop: Hop::Sound,
    };
    start(station, Config::default(), bus.join()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_station_answers_a_small_ping() {
    let bus = VirtualBus::new();
    let _satellite = Satellite::launch(1, || bus.join()).await.unwrap();
    let ground = ground(&bus);
    for station in STATIONS {
        let address = Address::new(station.address).unwrap();
        let pong = ground.ping(address, PingConfig::default().size(4)).await;
        assert_eq!(pong.unwrap().from, address, "{}", station.name);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_for_a_station_that_is_not_there() {
    let bus = VirtualBus::new();
    let _satellite = Satellite::launch(1, || bus.join()).await.unwrap();
    let ping = PingConfig::default().timeout(Duration::from_millis(100));
    assert!(ground(&bus).ping(Address::new(7).unwrap(), ping).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_lossy_hop_loses_some_and_the_seed_decides_which() {
    async fn lost(seed: u64) -> Vec<u32> {
        let bus = VirtualBus::new();
        let _satellite = Satellite::launch(seed, || bus.join()).await.unwrap();
        let ground = ground(&bus);
        let mut lost = Vec::new();
        for number in 0..100 {
            let ping = PingConfig::default().timeout(Duration::from_millis(50));
            if ground.ping(Address::new(9).unwrap(), ping).await.is_err() {
                lost.push(number);
            }
        }
        lost
    }
    let first = lost(7).await;
    assert!((1..60).contains(&first.len()), "{first:?}");
    assert_eq!(first, lost(7).await);
    assert_ne!(first, lost(8).await);
}

fn at(address: u16) -> Address {
    Address::new(address).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_station_says_who_it_is_and_how_it_is() {
    let bus = VirtualBus::new();
    let _satellite = Satellite::launch(1, || bus.join()).await.unwrap();
    let (ground, call) = (ground(&bus), Call::default());
    let can = InterfaceName::new("CAN").unwrap();
    let mut models = BTreeSet::new();
    for station in STATIONS.into_iter().filter(|station| station.hop == Hop::Sound) {
        let address = at(station.address);
        let identity = ground.identify(address, call).await.unwrap().value;
        assert_eq!(identity.hostname, station.name);
        models.insert(identity.model);
        let tasks = ground.processes(address, call).await.unwrap().value;
        assert!(
            tasks.lines().any(|line| line.starts_with("csp_router")),
            "{tasks}"
        );
        assert!(ground.memory_free(address, call).await.unwrap().value > 4096);
        assert!(ground.buffers_free(address, call).await.unwrap().value > 0);
        let counters = ground.interface_stats(address, can, call).await.unwrap().value;
        assert!(counters.rx >= 5 && counters.tx >= 4, "{counters:?}");
    }
    assert_eq!(models.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_finds_every_station() {
    let bus = VirtualBus::new();
    let _satellite = Satellite::launch(1, || bus.join()).await.unwrap();
    let ground = ground(&bus);
    let mut found = BTreeSet::new();
    // The lossy hop may need a second question.
    for _ in 0..4 {
        let mut answers = ground.identify_all(at(63), Call::default()).await.unwrap();
        while let Some(answer) = answers.next().await {
            found.insert((answer.from.to_bits(), answer.value.unwrap().hostname));
        }
    }
    let all = STATIONS.map(|station| (station.address, String::from(station.name)));
    assert_eq!(found, BTreeSet::from(all));
}

#[tokio::test(start_paused = true)]
async fn uptime_and_clock_go_on_with_the_time_and_a_reboot_begins_the_uptime_anew() {
    let bus = VirtualBus::new();
    let _satellite = Satellite::launch(1, || bus.join()).await.unwrap();
    let (ground, obc, call) = (ground(&bus), at(1), Call::default());
    let (up, clock) = (
        ground.uptime(obc, call).await.unwrap().value,
        ground.clock(obc, call).await.unwrap().value,
    );
    let hour = Duration::from_secs(3600);
    tokio::time::sleep(hour).await;
    assert_eq!(ground.uptime(obc, call).await.unwrap().value, up + hour);
    let later = ground.clock(obc, call).await.unwrap().value;
    assert_eq!(later.since_epoch() - clock.since_epoch(), hour);
    let set = Timestamp {
        seconds: 2_000_000_000,
        nanoseconds: 0,
    };
    assert_eq!(ground.set_clock(obc, set, call).await.unwrap().value, set);
    ground.reboot(obc, call).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        ground.uptime(obc, call).await.unwrap().value,
        Duration::from_secs(5)
    );
    assert_eq!(
        ground.clock(obc, call).await.unwrap().value.seconds,
        set.seconds + 5
    );
}

#[tokio::test(start_paused = true)]
async fn memory_is_peeked_and_poked_where_there_is_some() {
    let bus = VirtualBus::new();
    let _satellite = Satellite::launch(1, || bus.join()).await.unwrap();
    let (ground, eps, call) = (
        ground(&bus),
        at(2),
        Call::default().timeout(Duration::from_millis(100)),
    );
    let name = Peek::new(FLASH_START, 4).unwrap();
    assert_eq!(ground.peek(eps, name, call).await.unwrap().value, b"eps\0"[..]);
    let poke = Poke::new(RAM_START + 8, b"tin".to_vec()).unwrap();
    ground.poke(eps, &poke, call).await.unwrap();
    let peek = Peek::new(RAM_START + 8, 3).unwrap();
    assert_eq!(ground.peek(eps, peek, call).await.unwrap().value, b"tin"[..]);
    let wide = Peek::new_64(STORE_START, 196).unwrap();
    assert_eq!(ground.peek(eps, wide, call).await.unwrap().value.len(), 196);
    let late = ServiceError::Timeout {
        limit: Duration::from_millis(100),
    };
    let flash = Poke::new(FLASH_START, b"x".to_vec()).unwrap();
    assert_eq!(ground.poke(eps, &flash, call).await, Err(late));
    assert_eq!(ground.peek(eps, Peek::new(0, 1).unwrap(), call).await, Err(late));
}

#[tokio::test(start_paused = true)]
async fn a_station_takes_a_route_and_stays_on_when_told_to_shut_down() {
    let bus = VirtualBus::new();
    let satellite = Satellite::launch(1, || bus.join()).await.unwrap();
    let (ground, obc, call) = (ground(&bus), at(1), Call::default());
    let route = SetRoute {
        destination: at(300),
        netmask: Netmask::new(8),
        via: Some(at(5)),
        interface: InterfaceName::new("CAN").unwrap(),
    };
    ground.set_route(obc, &route, call).await.unwrap();
    ground.shutdown(obc, call).await.unwrap();
    assert!(ground.uptime(obc, call).await.is_ok());
    assert_eq!(satellite.nodes()[0].1.status().stats.dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn the_telemetry_answers_with_what_the_seed_and_the_time_decide() {
    async fn told(seed: u64) -> Vec<String> {
        let bus = VirtualBus::new();
        let _satellite = Satellite::launch(seed, || bus.join()).await.unwrap();
        let config = ConnectConfig::default().flags(Flags::CRC32);
        let port = Port::new(TELEMETRY_PORT).unwrap();
        let ground = ground(&bus);
        let mut connection = ground.connect(at(2), port, config).await.unwrap();
        let mut lines = Vec::new();
        for _ in 0..3 {
            connection.send(&b"?"[..]).await.unwrap();
            let line = connection.recv().await.unwrap().payload;
            lines.push(String::from_utf8(line.to_vec()).unwrap());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        lines
    }
    let lines = told(1).await;
    assert!(lines.iter().all(|line| line.contains("battery_mv=")), "{lines:?}");
    assert_eq!(BTreeSet::from_iter(&lines).len(), 3);
    assert_eq!(lines, told(1).await);
    assert_ne!(lines, told(2).await);
}

#[tokio::test(start_paused = true)]
async fn over_the_lossy_hop_rdp_brings_every_line() {
    let bus = VirtualBus::new();
    let _satellite = Satellite::launch(3, || bus.join()).await.unwrap();
    let ground = ground(&bus);
    let port = Port::new(TELEMETRY_PORT).unwrap();
    let config = ConnectConfig::default().flags(Flags::RDP | Flags::CRC32);
    let mut connection = ground.connect(at(9), port, config).await.unwrap();
    for _ in 0..100 {
        connection.send(&b"?"[..]).await.unwrap();
        let line = connection.recv().await.unwrap().payload;
        assert!(line.starts_with(b"payload t="), "{line:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_comes_whole_over_the_lossy_hop() {
    let bus = VirtualBus::new();
    let _satellite = Satellite::launch(3, || bus.join()).await.unwrap();
    let ground = ground(&bus);
    let port = Port::new(LOG_PORT).unwrap();
    let config = ConnectConfig::default().flags(Flags::RDP | Flags::CRC32);
    let mut connection = ground.connect(at(9), port, config).await.unwrap();
    for _ in 0..2 {
        connection.send(&b"?"[..]).await.unwrap();
        let blob = connection
            .recv_blob(1 << 16, Duration::from_secs(20))
            .await
            .unwrap();
        let lines: Vec<_> = str::from_utf8(&blob).unwrap().lines().collect();
        assert_eq!(i64::try_from(lines.len()), Ok(LOG_LINES));
        assert!(lines.iter().all(|line| line.starts_with("payload t=")));
        assert!(lines[119].starts_with("payload t=0 "), "{}", lines[119]);
    }
}
