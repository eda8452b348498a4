//! Which frames an interface takes, and how long packets may be.

use super::*;

/// A packet to `destination` with a version 1 header, from node 1.
fn frames(version: Version, destination: u16) -> Vec<CanFrame> {
    let end = |bits, port| (address(bits), Port::new(port).unwrap());
    let header = csp_core::Header::new(end(1, 33), end(destination, 10));
    let mut fragmenter = Fragmenter::new(version, address(1));
    fragmenter.fragments(&header, None, b"x").unwrap().collect()
}

/// Which of `destinations` a link passes on.
async fn passed(
    link: &mut CanInterface<VirtualPort>,
    sender: &mut VirtualPort,
    version: Version,
    destinations: impl IntoIterator<Item = u16>,
) -> Vec<u16> {
    let mut passed = Vec::new();
    for destination in destinations {
        for frame in frames(version, destination) {
            sender.send(frame).await.unwrap();
        }
        let next = tokio::time::timeout(SHORT, futures::StreamExt::next(link)).await;
        if let Ok(Some(Ok(Incoming::Packet(packet)))) = next {
            assert_eq!(packet.header.destination, address(destination));
            passed.push(destination);
        }
    }
    passed
}

/// Lets the interface run, which takes new addresses then.
async fn idle(link: &mut CanInterface<VirtualPort>) {
    let next = tokio::time::timeout(SHORT, futures::StreamExt::next(link)).await;
    assert!(next.is_err(), "nothing is received");
}

#[tokio::test(start_paused = true)]
async fn a_link_follows_when_the_addresses_change() {
    let bus = VirtualBus::new();
    let mut sender = bus.join();
    let mut link = CanInterface::new(bus.join(), &config(2), CanConfig::default()).unwrap();
    let addresses = link.addresses();
    let all = [2, 63, 70, 127, 300, 16383];
    let before = passed(&mut link, &mut sender, Version::V2, all).await;
    assert_eq!(before, [2, 63, 16383]);
    addresses.set(&config(70).alias(address(300))).unwrap();
    idle(&mut link).await;
    let after = passed(&mut link, &mut sender, Version::V2, all).await;
    assert_eq!(after, [70, 127, 300, 16383]);
    let name = InterfaceName::new("CAN").unwrap();
    let wide = InterfaceConfig::new(name, address(40), Netmask::NONE).version(Version::V1);
    assert!(addresses.set(&wide).is_err());
    assert_eq!(passed(&mut link, &mut sender, Version::V2, [70]).await, [70]);
}

#[tokio::test(start_paused = true)]
async fn a_link_follows_while_nobody_sends() {
    let bus = VirtualBus::new();
    let mut link = CanInterface::new(bus.join(), &config(2), CanConfig::default()).unwrap();
    let addresses = link.addresses();
    let waiting = tokio::spawn(async move { futures::StreamExt::next(&mut link).await });
    tokio::time::sleep(SHORT).await;
    addresses.set(&config(70)).unwrap();
    tokio::time::sleep(SHORT).await;
    let mut sender = bus.join();
    for frame in frames(Version::V2, 70) {
        sender.send(frame).await.unwrap();
    }
    assert!(matches!(waiting.await, Ok(Some(Ok(Incoming::Packet(_))))));
}

#[tokio::test(start_paused = true)]
async fn own_frames_that_the_link_echoes_are_not_received() {
    let bus = VirtualBus::new();
    let echoing = PortConfig::default().echo(Echo::On);
    let mut port = bus.join_with(echoing);
    for frame in frames(Version::V2, 16383) {
        port.send(frame).await.unwrap();
    }
    let echo = port.recv_frame().await.unwrap().unwrap();
    assert_eq!(echo.origin, link::Origin::Own, "the link does echo");
    let node = Node::spawn(Config::default());
    let link = CanInterface::new(bus.join_with(echoing), &config(2), CanConfig::default()).unwrap();
    node.attach(config(2), link).unwrap();
    let socket = node
        .bind(Port::new(10).unwrap(), SocketConfig::default())
        .unwrap();
    let everybody = (Address::BROADCAST, Port::new(10).unwrap());
    socket
        .send_to(everybody.0, everybody.1, ConnectConfig::default(), "hello")
        .await
        .unwrap();
    tokio::time::sleep(SHORT).await;
    let stats = stats(&node).await;
    assert_eq!((stats.tx, stats.rx), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reassembler_that_names_its_address_hides_no_broadcast_from_the_node() {
    let bus = VirtualBus::new();
    let named = ReassemblyConfig::default().address(address(2));
    let can = CanConfig::default().reassembly(named);
    let mut link = CanInterface::new(bus.join(), &config(2), can).unwrap();
    let passed = passed(&mut link, &mut bus.join(), Version::V2, [2, 16383]).await;
    assert_eq!(passed, [2, 16383]);
}

#[tokio::test(start_paused = true)]
async fn frames_carry_the_new_address() {
    let bus = VirtualBus::new();
    let mut tap = bus.join();
    let mut link = CanInterface::new(bus.join(), &config(2), CanConfig::default()).unwrap();
    link.addresses().set(&config(3)).unwrap();
    idle(&mut link).await;
    let end = |bits| (address(bits), Port::new(33).unwrap());
    let packet = csp_core::Packet::new(csp_core::Header::new(end(3), end(9)), "x".into());
    let transmit = Transmit {
        interface: InterfaceId::LOOPBACK,
        packet,
        via: None,
    };
    futures::SinkExt::send(&mut link, transmit).await.unwrap();
    let frame = tap.recv_frame().await.unwrap().unwrap().frame;
    assert_eq!(frame.id_word() >> 7 & 0x3F, 3);
}

#[tokio::test(start_paused = true)]
async fn cfp_1_takes_own_addresses_both_broadcasts_and_names_of_others() {
    let name = InterfaceName::new("CAN").unwrap();
    let config = InterfaceConfig::new(name, address(9), Netmask::new(2).unwrap()).version(Version::V1);
    let config = config.alias(address(12)).map(address(300), address(14));
    let swapped = CanConfig::default().id_order(IdOrder::DestinationFirst);
    let promiscuous = CanConfig::default().promiscuous(Switch::On);
    let bus = VirtualBus::new();
    let mut sender = bus.join();
    let mut link = CanInterface::new(bus.join(), &config, CanConfig::default()).unwrap();
    assert_eq!(
        passed(&mut link, &mut sender, Version::V1, 0..32).await,
        [9, 12, 14, 15, 31]
    );
    let mut link = CanInterface::new(bus.join(), &config, swapped).unwrap();
    assert!(
        passed(&mut link, &mut sender, Version::V1, 0..32)
            .await
            .is_empty(),
        "all are from node 1"
    );
    let mut link = CanInterface::new(bus.join(), &config, promiscuous).unwrap();
    assert_eq!(passed(&mut link, &mut sender, Version::V1, 0..32).await.len(), 32);
}

#[tokio::test(start_paused = true)]
async fn an_mtu_that_cfp_1_cannot_carry_is_refused_with_the_limit() {
    let bus = VirtualBus::new();
    let name = InterfaceName::new("CAN").unwrap();
    let config = |mtu| InterfaceConfig::new(name, address(9), Netmask::new(2).unwrap()).mtu(mtu);
    let new = |config: &InterfaceConfig| CanInterface::new(bus.join(), config, CanConfig::default());
    assert!(new(&config(2042).version(Version::V1)).is_ok());
    assert!(new(&config(2043)).is_ok(), "CFP 2 has no such limit");
    let refused = new(&config(2043).version(Version::V1)).unwrap_err();
    assert_eq!(
        std::string::ToString::to_string(&refused),
        "an MTU of 2043 is too large for CFP 1, which carries 2042 bytes"
    );
}

#[tokio::test(start_paused = true)]
async fn the_longest_packet_of_cfp_1_crosses_and_a_longer_one_is_refused() {
    let bus = VirtualBus::new();
    let name = InterfaceName::new("CAN").unwrap();
    let nodes: Vec<_> = [1, 2]
        .into_iter()
        .map(|own| {
            let config = InterfaceConfig::new(name, address(own), Netmask::new(2).unwrap());
            let config = config.version(Version::V1).mtu(2042);
            let node = Node::spawn(Config::default());
            let link = CanInterface::new(bus.join(), &config, CanConfig::default()).unwrap();
            node.attach(config, link).unwrap();
            node
        })
        .collect();
    let ping = |size| nodes[0].ping(address(2), PingConfig::default().size(size));
    assert!(ping(2038).await.is_ok(), "with its CRC32 the largest");
    assert!(matches!(ping(2039).await, Err(PingError::Send(_))));
}
