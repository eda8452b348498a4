//! What a node does with requests to its services.

use std::string::String;
use std::sync::{Arc, Mutex};

use super::*;
use crate::Route;
use crate::service::{
    Origin, Peek, Platform, Poke, PowerCommand, Refusal, Service, Services, SetRoute, Timestamp,
};

/// What a platform was asked to do, by whom.
type Asked = Arc<Mutex<Vec<(Service, Origin)>>>;

/// A machine that can do everything, notes what it is asked to do, and then does as it was told.
struct Machine {
    asked: Asked,
    verdict: Result<(), Refusal>,
}

impl Machine {
    fn new(verdict: Result<(), Refusal>) -> (Self, Asked) {
        let asked = Asked::default();
        (
            Self {
                asked: Arc::clone(&asked),
                verdict,
            },
            asked,
        )
    }

    fn note(&self, service: Service, origin: &Origin) -> Result<(), Refusal> {
        self.asked.lock().unwrap().push((service, *origin));
        self.verdict
    }
}

impl Platform for Machine {
    fn processes(&mut self, _: &Origin) -> Option<String> {
        Some("idle\n".repeat(200))
    }

    fn memory_free(&mut self, _: &Origin) -> Option<u32> {
        Some(1)
    }

    fn uptime(&mut self, _: &Origin) -> Option<u32> {
        Some(2)
    }

    fn clock(&mut self, _: &Origin) -> Option<Timestamp> {
        Some(Timestamp::default())
    }

    fn set_clock(&mut self, origin: &Origin, _: Timestamp) -> Result<(), Refusal> {
        self.note(Service::SetClock, origin)
    }

    fn reboot(&mut self, origin: &Origin) -> Result<(), Refusal> {
        self.note(Service::Reboot, origin)
    }

    fn shutdown(&mut self, origin: &Origin) -> Result<(), Refusal> {
        self.note(Service::Shutdown, origin)
    }

    fn peek(&mut self, origin: &Origin, _: u64, _: &mut [u8]) -> Result<(), Refusal> {
        self.note(Service::Peek, origin)
    }

    fn poke(&mut self, origin: &Origin, _: u64, _: &[u8]) -> Result<(), Refusal> {
        self.note(Service::Poke, origin)
    }

    fn set_route(&mut self, origin: &Origin, _: &Route) -> Result<(), Refusal> {
        self.note(Service::SetRoute, origin)
    }
}

fn ask(service: Port, payload: impl Into<Bytes>) -> Packet {
    let mut packet = packet((2, 33), (9, service.to_bits()), Flags::NONE, b"");
    packet.header.flags = Flags::CRC32;
    let key = hmac::Key::default();
    let sealed = Protection::new(Version::V2, &key).seal(Flags::CRC32, payload.into(), 0);
    packet.payload = sealed.unwrap();
    packet
}

/// A request to each dangerous service, to each of its forms.
fn dangerous() -> [(Service, Bytes); 8] {
    let route = SetRoute {
        destination: address(300),
        netmask: Netmask::new(8),
        via: None,
        interface: InterfaceName::new("A").unwrap(),
    };
    let host = SetRoute {
        destination: address(200),
        netmask: None,
        ..route
    };
    let data = Bytes::from_static(b"abc");
    let time = Timestamp {
        seconds: 1,
        nanoseconds: 0,
    };
    [
        (Service::Reboot, PowerCommand::Reboot.request()),
        (Service::Shutdown, PowerCommand::Shutdown.request()),
        (Service::SetRoute, route.request()),
        (Service::SetRoute, host.request_v1().unwrap()),
        (Service::Peek, Peek::new(0x1000, 4).unwrap().request()),
        (Service::Peek, Peek::new_64(0x1000, 4).unwrap().request()),
        (Service::Poke, Poke::new(0x1000, data).unwrap().request()),
        (Service::SetClock, crate::service::cmp::clock::request(Some(time))),
    ]
}

#[test]
fn by_default_no_dangerous_request_is_answered_or_reaches_the_platform_and_each_is_told() {
    let (machine, asked) = Machine::new(Ok(()));
    let (mut node, link) = node(9, Config::default().platform(machine));
    for (service, request) in dangerous() {
        node.handle_packet(at(0), link, ask(service.port(), request));
        assert_dropped(&mut node, DropReason::ServiceOff(service));
        assert_eq!(node.poll_transmit(), None, "{service}");
    }
    assert_eq!(asked.lock().unwrap().len(), 0);
    assert_eq!(node.routes().iter().count(), 0);
    assert_eq!(node.stats().served, 0);
}

#[test]
fn each_dangerous_service_is_switched_on_alone() {
    for (service, request) in dangerous() {
        let (machine, asked) = Machine::new(Ok(()));
        let config = Config::default()
            .services(Services::none().on(service))
            .platform(machine);
        let (mut node, link) = node(9, config);
        for (other, request) in dangerous() {
            if other != service {
                node.handle_packet(at(0), link, ask(other.port(), request));
                assert_dropped(&mut node, DropReason::ServiceOff(other));
            }
        }
        assert_eq!(asked.lock().unwrap().len(), 0, "{service}");
        node.handle_packet(at(5), link, ask(service.port(), request));
        let (done, origin) = asked.lock().unwrap()[0];
        assert_eq!(done, service);
        assert_eq!((origin.source, origin.interface), (address(2), link));
        assert_eq!((origin.flags, origin.broadcast), (Flags::CRC32, false));
        assert_eq!(origin.received_at, at(5));
        assert_eq!(node.stats().served, 1, "{service}");
        let is_answered = service.port() == Port::CMP;
        assert_eq!(node.poll_transmit().is_some(), is_answered, "{service}");
        let routes = usize::from(service == Service::SetRoute);
        assert_eq!(node.routes().iter().count(), routes, "{service}");
    }
}

#[test]
fn what_the_platform_refuses_or_lacks_gets_no_reply_and_is_told() {
    let all = Service::ALL.into_iter().fold(Services::none(), Services::on);
    for (refusal, reason) in [
        (
            Refusal::Refused,
            DropReason::ServiceRefused as fn(Service) -> DropReason,
        ),
        (Refusal::Unavailable, DropReason::ServiceUnavailable),
    ] {
        let (machine, asked) = Machine::new(Err(refusal));
        let (mut node, link) = node(9, Config::default().services(all).platform(machine));
        for (service, request) in dangerous() {
            node.handle_packet(at(0), link, ask(service.port(), request));
            assert_dropped(&mut node, reason(service));
            assert_eq!(node.poll_transmit(), None, "{service}");
        }
        assert_eq!(asked.lock().unwrap().len(), dangerous().len());
        assert_eq!(node.routes().iter().count(), 0);
    }
}

#[test]
fn a_node_without_a_platform_answers_what_it_knows_itself_and_tells_of_the_rest() {
    let all = Service::ALL.into_iter().fold(Services::none(), Services::on);
    let (mut node, link) = node(9, Config::default().services(all));
    for (service, request) in dangerous() {
        node.handle_packet(at(0), link, ask(service.port(), request));
        if service == Service::SetRoute {
            assert!(node.poll_transmit().is_some(), "the node does that itself");
        } else {
            assert_dropped(&mut node, DropReason::ServiceUnavailable(service));
        }
    }
    for service in [Service::Processes, Service::MemoryFree] {
        node.handle_packet(at(0), link, ask(service.port(), Bytes::new()));
        assert_dropped(&mut node, DropReason::ServiceUnavailable(service));
    }
    let read = crate::service::cmp::clock::request(None);
    node.handle_packet(at(0), link, ask(Port::CMP, read));
    assert_dropped(&mut node, DropReason::ServiceUnavailable(Service::Clock));
    node.handle_packet(at(0), link, ask(Port::BUF_FREE, Bytes::new()));
    let room = node.poll_transmit().unwrap().packet.payload;
    assert_eq!(room.split_at(4).0, [0, 0, 0, 64]);
    node.handle_packet(at(77_900), link, ask(Port::UPTIME, Bytes::new()));
    let up = node.poll_transmit().unwrap().packet.payload;
    assert_eq!(up.split_at(4).0, [0, 0, 0, 77]);
}

#[test]
fn a_request_that_no_service_understands_is_told_as_such() {
    let all = Service::ALL.into_iter().fold(Services::none(), Services::on);
    let (machine, asked) = Machine::new(Ok(()));
    let (mut node, link) = node(9, Config::default().services(all).platform(machine));
    let cases: [(Port, &[u8]); 10] = [
        (Port::REBOOT, &[0x80, 0x07, 0x80]),
        (Port::REBOOT, &[0x80, 0x07, 0x80, 0x07, 0]),
        (Port::REBOOT, &[0x80, 0x07, 0x80, 0x08]),
        (Port::CMP, &[]),
        (Port::CMP, &[0xFF, 1]),
        (Port::CMP, &[0, 99]),
        (Port::CMP, &[0, 4, 0, 0, 0, 0]),
        (Port::CMP, &[0, 4, 0, 0, 0, 0, 201]),
        (Port::CMP, &[0, 5, 0, 0, 0, 0, 2, 1]),
        (Port::CMP, &[0, 3, b'A']),
    ];
    for (port, request) in cases {
        node.handle_packet(at(0), link, ask(port, request));
        assert_dropped(&mut node, DropReason::BadRequest);
        assert_eq!(node.poll_transmit(), None);
    }
    assert_eq!(asked.lock().unwrap().len(), 0);
    assert_eq!(node.interface_stats(link).unwrap().rx_error, 10);
}

#[test]
fn a_port_without_services_that_are_on_is_the_applications() {
    let only_ident = Services::none().on(Service::Identity);
    let (mut node, link) = node(9, Config::default().services(only_ident));
    let taken = node.bind(Port::CMP.into(), SocketConfig::default());
    assert!(taken.is_err());
    let socket = node.bind(Port::REBOOT.into(), SocketConfig::default()).unwrap();
    node.handle_packet(at(0), link, ask(Port::REBOOT, PowerCommand::Reboot.request()));
    assert!(node.recv_from(socket).is_some());
}

#[test]
fn a_list_of_processes_is_cut_to_what_the_interface_takes() {
    let (machine, _) = Machine::new(Ok(()));
    let (mut node, link) = node(9, Config::default().platform(machine));
    node.handle_packet(at(0), link, ask(Port::PS, Bytes::new()));
    let lens: Vec<_> = core::iter::from_fn(|| node.poll_transmit())
        .map(|transmit| transmit.packet.payload.len())
        .collect();
    assert_eq!(
        lens,
        [256, 256, 256, 248],
        "1000 bytes in parts of 252, each with a checksum"
    );
    assert_eq!(node.stats().served, 1);
}

proptest! {
    #[test]
    fn any_request_to_any_service_is_answered_within_bounds_or_told(
        port in 0..7_u8, mut payload in proptest::collection::vec(any::<u8>(), 0..250),
        management: bool, code in 0..11_u8,
    ) {
        if management && payload.len() >= 2 {
            payload[0] = 0;
            payload[1] = code;
        }
        let all = Service::ALL.into_iter().fold(Services::none(), Services::on);
        let (machine, _) = Machine::new(Ok(()));
        let (mut node, link) = node(9, Config::default().services(all).platform(machine));
        let request = ask(Port::new(port).unwrap(), payload);
        node.handle_packet(at(0), link, request);
        let mut replies = 0;
        while let Some(transmit) = node.poll_transmit() {
            prop_assert!(transmit.packet.payload.len() <= crate::DEFAULT_MTU);
            prop_assert_eq!(transmit.packet.header.source_port.to_bits(), port);
            replies += 1;
        }
        let drops = events(&mut node).len();
        // Reboot and shutdown are done without a reply.
        prop_assert!(port == 4 || (replies == 0) == (drops == 1), "{} {}", replies, drops);
        prop_assert!(replies <= 4);
    }
}
