//! Each way of not answering, staged on a bus in memory.

use can_link::error_frame::{ErrorClasses, ErrorFrame};
use can_link::link::LinkChange;
use can_link::virtual_bus::VirtualPort;
use can_link::{CanFrame, CanRxExt as _, CanTxExt as _, StandardId, VirtualBus};
use csp_can::{Fragmenter, IdOrder};
use csp_core::rt::Node;
use csp_core::{Config, Header, Need, Needs, Netmask};

use super::*;
use crate::cmd::csp::iface::Iface;
use crate::cmd::csp::station::Station;

const LIMIT: Duration = Duration::from_millis(100);

fn node(address: u16) -> Address {
    Address::new(address).unwrap()
}

fn port(number: u8) -> Port {
    Port::new(number).unwrap()
}

fn station(bus: &VirtualBus, address: u16, version: Version, config: Config) -> Station {
    let netmask = Netmask::new(if version == Version::V1 { 0 } else { 8 }).unwrap();
    let own = Subnet::new(version, node(address), netmask).unwrap();
    let iface = Iface {
        version,
        ..Iface::default()
    };
    let link = Box::new(bus.join());
    Station::attach(Node::spawn(config), link, "bus".into(), None, &iface, own).unwrap()
}

/// Puts a packet on the bus, whoever it is from.
async fn say(bus: &mut VirtualPort, version: Version, header: Header, payload: &'static [u8]) {
    let mut fragmenter = Fragmenter::new(version, header.source);
    let frames: Vec<CanFrame> = fragmenter.fragments(&header, None, payload).unwrap().collect();
    for frame in frames {
        bus.send(frame).await.unwrap();
    }
}

/// A ping of node 2 by node 10 that nothing answers, and what it means; `answer` acts when it hears the
/// request, and is told which port it came from.
async fn ask(bus: &VirtualBus, flags: Flags, answer: impl AsyncFn(VirtualPort, Header)) -> Finding {
    let mut us = station(bus, 10, Version::V2, Config::default());
    let mut remote = bus.join();
    let other = async {
        loop {
            let frame = remote.recv_frame().await.unwrap().unwrap().frame;
            if let Some(talk) = Talk::begun_by(&frame) {
                let reply = Header::new(
                    (talk.destination, talk.destination_port),
                    (talk.source, talk.source_port),
                );
                return answer(remote, reply).await;
            }
        }
    };
    let asked = async {
        let ping = PingConfig::default().size(1).timeout(LIMIT).flags(flags);
        us.node.ping(node(2), ping).await.unwrap_err();
    };
    tokio::join!(other, asked);
    investigate(&mut us, about(Port::PING, flags)).await
}

fn about(port: Port, flags: Flags) -> Unanswered {
    Unanswered {
        remote: node(2),
        port,
        flags,
        limit: LIMIT,
        lacking: Lacking::Nothing,
    }
}

/// A ping of node 2 on a bus where `before` happened.
async fn silence(bus: &VirtualBus, before: impl AsyncFnOnce(VirtualPort)) -> Finding {
    let mut us = station(bus, 10, Version::V2, Config::default());
    before(bus.join()).await;
    let ping = PingConfig::default().timeout(LIMIT);
    us.node.ping(node(2), ping).await.unwrap_err();
    investigate(&mut us, about(Port::PING, Flags::CRC32)).await
}

fn from_to(from: (u16, u8), to: (u16, u8)) -> Header {
    Header::new((node(from.0), port(from.1)), (node(to.0), port(to.1)))
}

#[tokio::test(start_paused = true)]
async fn an_empty_bus_has_no_frames() {
    let found = silence(&VirtualBus::new(), async |_| {}).await;
    assert_eq!(
        found.to_string(),
        "no frames at all were seen on the bus: is the node on, and on this bus, at its bit rate? we speak \
         header version 2, to which one of version 1 is silent: that is ,v1 on the interface"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_of_the_other_header_version_may_be_behind_the_silence() {
    let bus = VirtualBus::new();
    let _remote = station(&bus, 2, Version::V1, Config::default());
    let found = silence(&bus, async |_| {}).await;
    assert_eq!(found, Finding::Nothing { ours: Version::V2 });
    let text = Finding::Nothing { ours: Version::V1 }.to_string();
    assert!(text.ends_with("that is ,v2 on the interface"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn frames_of_other_protocols_are_no_csp() {
    let found = silence(&VirtualBus::new(), async |mut other| {
        let frame = CanFrame::data(StandardId::new(0x123).unwrap(), &[1, 2, 3]).unwrap();
        other.send(frame).await.unwrap();
    })
    .await;
    assert_eq!(found, Finding::Foreign { frames: 1 });
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_down_is_told_before_all_else() {
    let bus = VirtualBus::new();
    let found = silence(&bus, async |_| bus.set_link(LinkChange::Down)).await;
    assert_eq!(found, Finding::LinkDown);
}

#[tokio::test(start_paused = true)]
async fn nobody_who_acknowledges_is_an_empty_bus_or_another_bit_rate() {
    let bus = VirtualBus::new();
    let acknowledge = ErrorFrame::new(ErrorClasses::from_bits(0x020), &[0; 8]);
    let found = silence(&bus, async |_| bus.inject_error(acknowledge)).await;
    assert_eq!(found, Finding::Unacknowledged);
    assert!(found.to_string().contains("no other node acknowledges"));
}

#[tokio::test(start_paused = true)]
async fn a_controller_off_the_bus_is_told() {
    let bus = VirtualBus::new();
    let off = ErrorFrame::new(ErrorClasses::from_bits(0x040), &[0; 8]);
    assert_eq!(
        silence(&bus, async |_| bus.inject_error(off)).await,
        Finding::BusOff
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_talks_to_others_was_seen_but_filtered() {
    let bus = VirtualBus::new();
    let found = silence(&bus, async |mut other| {
        for _ in 0..2 {
            say(&mut other, Version::V2, from_to((2, 1), (20, 40)), b"for 20").await;
        }
    })
    .await;
    assert_eq!(
        found.to_string(),
        "frames of node 2 for node 20 were seen on the bus but filtered (2 packets): our netmask is /8 and \
         our address 10"
    );
}

#[tokio::test(start_paused = true)]
async fn a_listener_is_told_of_what_passed_it_by() {
    let bus = VirtualBus::new();
    let us = station(&bus, 1, Version::V2, Config::default());
    assert_eq!(passed_by(us.own, &us.ear.heard()), None);
    say(&mut bus.join(), Version::V2, from_to((3, 20), (2, 10)), b"x").await;
    // Nothing else is to be done than what the node has to do.
    tokio::time::sleep(LIMIT).await;
    let found = passed_by(us.own, &us.ear.heard()).unwrap();
    assert!(
        found
            .to_string()
            .starts_with("frames of node 3 for node 2 were seen on the bus but filtered"),
        "{found}"
    );
}

#[tokio::test(start_paused = true)]
async fn frames_of_the_other_header_version_name_the_option() {
    let bus = VirtualBus::new();
    let found = silence(&bus, async |mut other| {
        say(
            &mut other,
            Version::V1,
            from_to((2, 1), (10, 40)),
            b"of version 1",
        )
        .await;
    })
    .await;
    assert_eq!(
        found.to_string(),
        "there are packets of header version 1 (CFP 1) on the bus: 1, also of node 2; we speak version 2: \
         add ,v1 to the interface"
    );
    let mut us = station(&bus, 10, Version::V1, Config::default());
    say(
        &mut bus.join(),
        Version::V2,
        from_to((3, 1), (4, 40)),
        b"of version 2",
    )
    .await;
    us.node
        .ping(node(2), PingConfig::default().timeout(LIMIT))
        .await
        .unwrap_err();
    let found = investigate(&mut us, about(Port::PING, Flags::CRC32)).await;
    let expected = Finding::OtherVersion {
        ours: Version::V1,
        packets: 1,
        remote: None,
    };
    assert_eq!(found, expected);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_swaps_its_identifiers_was_filtered() {
    let bus = VirtualBus::new();
    let mut us = station(&bus, 10, Version::V1, Config::default());
    let header = from_to((2, 1), (10, 40));
    let fragmenter = Fragmenter::new(Version::V1, header.source);
    let mut fragmenter = fragmenter.with_id_order(IdOrder::DestinationFirst);
    for frame in fragmenter.fragments(&header, None, b"pong").unwrap() {
        bus.join().send(frame).await.unwrap();
    }
    us.node
        .ping(node(2), PingConfig::default().timeout(LIMIT))
        .await
        .unwrap_err();
    let found = investigate(&mut us, about(Port::PING, Flags::CRC32)).await;
    assert_eq!(
        found.to_string(),
        "node 2 answers with source and destination swapped in its identifiers, as csp-py does (1 packet): \
         add ,promisc to the interface"
    );
}

#[tokio::test(start_paused = true)]
async fn others_on_the_bus_are_named() {
    let bus = VirtualBus::new();
    let found = silence(&bus, async |mut other| {
        for source in [3, 1] {
            say(&mut other, Version::V2, from_to((source, 20), (5, 10)), b"x").await;
        }
    })
    .await;
    assert_eq!(
        found.to_string(),
        "node 2 is not heard on this bus, only 1, 3: is it on, and has it a way back to 10/8?"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_from_another_port_is_told_with_both() {
    let found = ask(&VirtualBus::new(), Flags::NONE, async |mut remote, mut reply| {
        reply.source_port = port(7);
        say(&mut remote, Version::V2, reply, b"\0").await;
    })
    .await;
    assert_eq!(found.to_string(), "node 2 replied from port 7 in place of 1");
}

#[tokio::test(start_paused = true)]
async fn a_reply_from_another_node_is_told_with_both() {
    let found = ask(&VirtualBus::new(), Flags::NONE, async |mut remote, mut reply| {
        reply.source = node(3);
        say(&mut remote, Version::V2, reply, b"\0").await;
    })
    .await;
    assert_eq!(
        found.to_string(),
        "the reply came from node 3 in place of 2: has the node several addresses?"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_the_checksum_of_the_request_names_the_option() {
    let found = ask(&VirtualBus::new(), Flags::CRC32, async |mut remote, reply| {
        say(&mut remote, Version::V2, reply, b"\0").await;
    })
    .await;
    assert_eq!(found, Finding::ReplyWithoutCrc);
    assert!(found.to_string().contains("--no-crc"));
}

#[tokio::test(start_paused = true)]
async fn a_reply_with_a_wrong_checksum_or_another_key_is_told() {
    for (flag, expected) in [
        (Flags::CRC32, Finding::BadChecksum),
        (Flags::HMAC, Finding::OtherKey),
    ] {
        let found = ask(&VirtualBus::new(), flag, async |mut remote, mut reply| {
            reply.flags = flag;
            let mut fragmenter = Fragmenter::new(Version::V2, reply.source);
            let frames: Vec<_> = fragmenter.fragments(&reply, None, b"\0nope").unwrap().collect();
            for frame in frames {
                remote.send(frame).await.unwrap();
            }
        })
        .await;
        assert_eq!(found, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_which_frames_are_missing_is_broken() {
    let found = ask(&VirtualBus::new(), Flags::NONE, async |mut remote, reply| {
        let mut fragmenter = Fragmenter::new(Version::V2, reply.source);
        let frames: Vec<_> = fragmenter.fragments(&reply, None, &[0; 40]).unwrap().collect();
        for frame in frames.into_iter().skip(1) {
            remote.send(frame).await.unwrap();
        }
    })
    .await;
    assert!(
        matches!(
            found,
            Finding::Broken {
                times: 5,
                reason: DropReason::LinkFrame
            }
        ),
        "{found:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_requires_a_checksum_is_tried_with_one() {
    let bus = VirtualBus::new();
    let _remote = station(&bus, 2, Version::V2, Config::default());
    let found = ask(&bus, Flags::NONE, async |_, _| {}).await;
    assert_eq!(found, Finding::WantsCrc);
    assert_eq!(
        found.to_string(),
        "with CRC32 the node answers: leave out --no-crc"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_takes_no_checksum_is_tried_without() {
    let bus = VirtualBus::new();
    let config = Config::default().service_needs(Needs::default().crc32(Need::Prohibited));
    let _remote = station(&bus, 2, Version::V2, config);
    let found = ask(&bus, Flags::CRC32, async |_, _| {}).await;
    assert_eq!(found, Finding::RefusesCrc);
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_service_is_off_is_found_by_its_echo() {
    let bus = VirtualBus::new();
    let _remote = station(&bus, 2, Version::V2, Config::default());
    let mut us = station(&bus, 10, Version::V2, Config::default());
    let found = investigate(&mut us, about(port(10), Flags::CRC32)).await;
    assert_eq!(
        found.to_string(),
        "node 2 answers a ping, but not this on port 10: is the service on there, and allowed?"
    );
    for (lacking, what) in [
        (Lacking::Interface, "there is no such interface"),
        (Lacking::Memory, "not all of this is memory that it shows"),
    ] {
        let about = Unanswered {
            lacking,
            ..about(Port::CMP, Flags::CRC32)
        };
        let found = investigate(&mut us, about).await;
        assert_eq!(
            found.to_string(),
            format!(
                "node 2 answers a ping, but not this on port 0: the service is off there or not allowed, or \
                 {what}"
            )
        );
    }
}
