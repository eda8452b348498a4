//! Two nodes: one asks, the other answers.

use std::string::String;
use std::sync::{Arc, Mutex};

use super::*;
use crate::Stats;
use crate::service::{
    Identity, Memory, Origin, Peek, Platform, Poke, Refusal, ReplyError, Service, SetRoute, Timestamp,
};

/// A machine that does everything and keeps a list of it.
#[derive(Default)]
struct Machine {
    done: Arc<Mutex<Vec<(Service, Address)>>>,
    memory: Memory,
    clock: Timestamp,
    text: String,
}

impl Machine {
    fn note(&self, service: Service, origin: &Origin) {
        self.done.lock().unwrap().push((service, origin.source));
    }
}

impl Platform for Machine {
    fn processes(&mut self, _: &Origin) -> Option<String> {
        Some(self.text.clone())
    }

    fn memory_free(&mut self, _: &Origin) -> Option<u32> {
        Some(4096)
    }

    fn uptime(&mut self, _: &Origin) -> Option<u32> {
        Some(77)
    }

    fn clock(&mut self, _: &Origin) -> Option<Timestamp> {
        Some(self.clock)
    }

    fn set_clock(&mut self, origin: &Origin, time: Timestamp) -> Result<(), Refusal> {
        self.note(Service::SetClock, origin);
        self.clock = time;
        Ok(())
    }

    fn reboot(&mut self, origin: &Origin) -> Result<(), Refusal> {
        self.note(Service::Reboot, origin);
        Ok(())
    }

    fn shutdown(&mut self, origin: &Origin) -> Result<(), Refusal> {
        self.note(Service::Shutdown, origin);
        Err(Refusal::Refused)
    }

    fn peek(&mut self, _: &Origin, address: u64, data: &mut [u8]) -> Result<(), Refusal> {
        self.memory.read(address, data)
    }

    fn poke(&mut self, _: &Origin, address: u64, data: &[u8]) -> Result<(), Refusal> {
        self.memory.write(address, data)
    }
}

fn node_two() -> Address {
    Address::new(2).unwrap()
}

fn everything() -> Services {
    Service::ALL.into_iter().fold(Services::none(), Services::on)
}

fn short() -> Call {
    Call::default().timeout(SHORT)
}

#[tokio::test(start_paused = true)]
async fn a_node_tells_who_it_is_and_how_it_is() {
    let identity = Identity::new("two")
        .model("test")
        .built("Jan  1 2024", "12:34:56");
    let config = Config::default()
        .identity(identity.clone())
        .platform(Machine::default());
    let (one, _two) = two_nodes(Config::default(), config).await;
    let told = one.identify(node_two(), short()).await.unwrap();
    assert_eq!((told.value, told.from), (identity, node_two()));
    assert_eq!(
        one.uptime(node_two(), short()).await.unwrap().value,
        Duration::from_secs(77)
    );
    assert_eq!(one.memory_free(node_two(), short()).await.unwrap().value, 4096);
    assert_eq!(one.buffers_free(node_two(), short()).await.unwrap().value, 64);
    let clock = one.clock(node_two(), short()).await.unwrap();
    assert_eq!(clock.value, Timestamp::default());
    let none = one.processes(node_two(), short()).await;
    assert_eq!(
        none,
        Err(ServiceError::Timeout { limit: SHORT }),
        "nothing to tell"
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_list_of_processes_comes_in_packets_and_whole() {
    let text: String = (0..1200).map(|task| std::format!("task {task:04}\n")).collect();
    for services in [
        Services::default(),
        Services::default().text_len(crate::service::ps::PACKET_LEN),
    ] {
        let machine = Machine {
            text: text.clone(),
            ..Machine::default()
        };
        let config = Config::default().services(services).platform(machine);
        let (one, _two) = two_nodes(Config::default(), config).await;
        let told = one.processes(node_two(), short()).await.unwrap().value;
        assert!(told == text, "{} bytes of {}", told.len(), text.len());
    }
}

#[tokio::test(start_paused = true)]
async fn interface_statistics_count_the_request_itself() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let name = two.status().interfaces[1].name;
    let told = one
        .interface_stats(node_two(), name, short())
        .await
        .unwrap()
        .value;
    // SVC-6; 53 bytes and a checksum.
    assert_eq!((told.rx, told.rx_bytes, told.tx), (1, 57, 0));
    let unknown = InterfaceName::new("NOPE").unwrap();
    let none = one.interface_stats(node_two(), unknown, short()).await;
    assert_eq!(none, Err(ServiceError::Timeout { limit: SHORT }));
}

#[tokio::test(start_paused = true)]
async fn a_node_with_every_service_on_does_what_it_is_asked() {
    let machine = Machine::default();
    let done = Arc::clone(&machine.done);
    let mut memory = Memory::new();
    memory.add(0x1000, [7; 16]).unwrap();
    memory.add(0x12_3456_789A, [9; 16]).unwrap();
    let config = Config::default()
        .services(everything())
        .platform(Machine { memory, ..machine });
    let (one, two) = two_nodes(Config::default(), config).await;

    let time = Timestamp {
        seconds: 1_700_000_000,
        nanoseconds: 5,
    };
    assert_eq!(
        one.set_clock(node_two(), time, short()).await.unwrap().value,
        time
    );
    assert_eq!(one.clock(node_two(), short()).await.unwrap().value, time);

    let poke = Poke::new(0x1004, Bytes::from_static(b"abc")).unwrap();
    one.poke(node_two(), &poke, short()).await.unwrap();
    let peek = Peek::new(0x1003, 5).unwrap();
    assert_eq!(
        one.peek(node_two(), peek, short()).await.unwrap().value,
        b"\x07abc\x07"[..]
    );
    let wide = Peek::new_64(0x12_3456_789A, 2).unwrap();
    assert_eq!(
        one.peek(node_two(), wide, short()).await.unwrap().value,
        [9, 9][..]
    );
    let outside = Peek::new(0x100F, 2).unwrap();
    assert_eq!(
        one.peek(node_two(), outside, short()).await,
        Err(ServiceError::Timeout { limit: SHORT })
    );

    let route = SetRoute {
        destination: Address::new(256).unwrap(),
        netmask: Netmask::new(6),
        via: Address::new(5),
        interface: two.status().interfaces[1].name,
    };
    one.set_route(node_two(), &route, short()).await.unwrap();
    let host = SetRoute {
        destination: Address::new(7).unwrap(),
        netmask: None,
        ..route
    };
    one.set_route_v1(node_two(), &host, short()).await.unwrap();
    let wide = one.set_route_v1(node_two(), &route, short()).await;
    assert!(matches!(wide, Err(ServiceError::Route(_))));

    one.reboot(node_two(), short()).await.unwrap();
    one.shutdown(node_two(), short()).await.unwrap();
    one.ping_unheard(node_two(), short()).await.unwrap();
    one.flush(SHORT).await.unwrap();
    one.ping(node_two(), PingConfig::default()).await.unwrap();
    let by_one = Address::new(1).unwrap();
    assert_eq!(
        *done.lock().unwrap(),
        [Service::SetClock, Service::Reboot, Service::Shutdown].map(|service| (service, by_one))
    );
    // The peek beyond the region and the shutdown.
    let Stats { dropped, .. } = two.status().stats;
    assert_eq!(dropped, 2);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_identity_request_collects_who_answers_until_the_time_is_up() {
    let config = Config::default().identity(Identity::new("two"));
    let (one, _two) = two_nodes(Config::default(), config).await;
    let mut answers = one.identify_all(Address::BROADCAST, short()).await.unwrap();
    let first = answers.next().await.unwrap();
    assert_eq!(
        (first.value.unwrap().hostname, first.from),
        (String::from("two"), node_two())
    );
    assert!(timeout(SHORT / 2, answers.next()).await.is_err(), "it goes on");
    assert!(answers.next().await.is_none());
    assert!(answers.next().await.is_none(), "for good");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_wrong_length_is_an_error_that_says_so() {
    let (one, two) = two_nodes(Config::default(), Config::default().services(Services::none())).await;
    let mut socket = two.bind(Port::UPTIME, SocketConfig::default()).unwrap();
    let asked = one.uptime(node_two(), short());
    let answer = async {
        let request = socket.recv_from().await.unwrap();
        socket.reply(&request, None, &b"abc"[..]).await.unwrap();
    };
    let (asked, ()) = tokio::join!(asked, answer);
    let (expected, got) = (4, 3);
    assert_eq!(
        asked,
        Err(ServiceError::Reply(ReplyError::Length { expected, got }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_given_up_frees_its_port() {
    let (one, _two) = two_nodes(
        Config::default().max_connections(1),
        Config::default().services(Services::none()),
    )
    .await;
    for _ in 0..5 {
        assert!(
            timeout(SHORT, one.identify(node_two(), Call::default()))
                .await
                .is_err()
        );
    }
    assert_eq!(
        one.uptime(node_two(), short()).await,
        Err(ServiceError::Timeout { limit: SHORT })
    );
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_host_tells_its_uptime_and_clock_and_changes_nothing() {
    let services = everything();
    let mut memory = Memory::new();
    memory.add_fixed(0x1000, *b"abcd").unwrap();
    let host = Host::default().memory(memory);
    let (one, _two) = two_nodes(
        Config::default(),
        Config::default().services(services).platform(host),
    )
    .await;
    sleep(Duration::from_millis(5500)).await;
    let uptime = one.uptime(node_two(), short()).await.unwrap().value;
    assert_eq!(uptime, Duration::from_secs(5));
    let clock = one.clock(node_two(), short()).await.unwrap().value;
    assert!(clock.seconds > 1_600_000_000, "{clock}");
    let processes = one.processes(node_two(), short()).await.unwrap().value;
    assert!(
        processes.ends_with(&std::format!(" {}\n", std::process::id())),
        "{processes}"
    );
    let peek = Peek::new(0x1001, 2).unwrap();
    assert_eq!(
        one.peek(node_two(), peek, short()).await.unwrap().value,
        b"bc"[..]
    );
    let late = Err(ServiceError::Timeout { limit: SHORT });
    assert_eq!(one.set_clock(node_two(), clock, short()).await, late);
}
