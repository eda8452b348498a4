//! The loop of the flight computer, in virtual time, and a ground station on the same bus.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;

use can_link::virtual_bus::{VirtualBus, VirtualPort};
use can_link::{CanFrame, CanRxExt as _, CanTxExt as _};
use csp_can::{CanConfig, CanInterface};
use csp_core::rt::{Call, Node, PingConfig};
use csp_core::{
    Address, Config, ConnectConfig, Flags, InterfaceConfig, InterfaceName, Netmask, Switch, hmac,
};
use futures::FutureExt as _;
use tinwire_flight::{Board, COMMANDS, Flight, TELEMETRY};
use tinwire_time::{Instant, Origin};

#[derive(Default)]
struct Log {
    commands: Vec<Vec<u8>>,
    reboots: usize,
}

struct Bench {
    port: VirtualPort,
    clock: Origin,
    log: Rc<RefCell<Log>>,
}

impl Board for Bench {
    fn now(&mut self) -> Instant {
        self.clock.at(tokio::time::Instant::now().into_std())
    }

    fn receive(&mut self) -> Option<CanFrame> {
        let event = self.port.recv_frame().now_or_never()?;
        Some(event.unwrap()?.frame)
    }

    fn send(&mut self, frame: &CanFrame) -> bool {
        self.port.send(frame.clone()).now_or_never().is_some()
    }

    fn sleep(&mut self, _: Option<Instant>) {}

    fn temperature(&mut self) -> i16 {
        -215
    }

    fn command(&mut self, command: &[u8]) {
        self.log.borrow_mut().commands.push(command.to_vec());
    }

    fn reboot(&mut self) {
        self.log.borrow_mut().reboots += 1;
    }
}

/// A ground station, node 10, beside the flight computer, node 5.
struct Scene {
    ground: Node,
    computer: Address,
    log: Rc<RefCell<Log>>,
}

/// Runs `story` while the loop of the flight computer goes round.
async fn play<F: Future>(story: impl FnOnce(Scene) -> F) {
    let bus = VirtualBus::new();
    let [own, computer] = [10, 5].map(|bits| Address::new(bits).unwrap());
    let key = hmac::Key::from_pass_phrase(b"open sesame");

    let name = InterfaceName::new("CAN").unwrap();
    let config = InterfaceConfig::new(name, own, Netmask::new(8).unwrap());
    let ground = Node::spawn(Config::default().hmac_key(key.clone()));
    let can = CanInterface::new(bus.join(), &config, CanConfig::default()).unwrap();
    ground.attach(config, can).unwrap();

    let log = Rc::<RefCell<Log>>::default();
    let mut board = Bench {
        port: bus.join(),
        clock: Origin::new(tokio::time::Instant::now().into_std()),
        log: Rc::clone(&log),
    };
    let mut flight = Flight::new(computer, key, 7).unwrap();
    let flight = async {
        loop {
            flight.step(&mut board);
            let now = board.now();
            let due = flight.deadline().map_or(Duration::MAX, |due| due - now);
            let tick = Duration::from_millis(1);
            tokio::time::sleep(due.min(tick)).await;
        }
    };
    let scene = Scene {
        ground,
        computer,
        log,
    };
    tokio::select! {
        _ = story(scene) => {}
        () = flight => {}
    }
}

#[tokio::test(start_paused = true)]
async fn the_services_answer() {
    play(|scene| async move {
        let pong = scene.ground.ping(scene.computer, PingConfig::default()).await;
        assert_eq!(pong.unwrap().from, scene.computer);
        let who = scene.ground.identify(scene.computer, Call::default()).await;
        assert_eq!(who.unwrap().value.hostname, "obc");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn telemetry_is_a_request_and_an_answer() {
    play(|scene| async move {
        let options = ConnectConfig::default().crc32(Switch::On);
        let limit = Duration::from_secs(1);
        let asked = scene
            .ground
            .transaction(scene.computer, TELEMETRY, options, "?", limit);
        assert_eq!(asked.await.unwrap().payload, (-215_i16).to_be_bytes()[..]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn commands_arrive_in_order_or_the_sender_knows() {
    play(|scene| async move {
        let options = ConnectConfig::default().rdp(Switch::On).hmac(Switch::On);
        let ground = &scene.ground;
        let link = ground.connect(scene.computer, COMMANDS, options).await.unwrap();
        for command in ["deploy", "detumble", "point"] {
            link.send_acknowledged(command).await.unwrap();
        }
        link.close(Duration::from_secs(1)).await.unwrap();
        let commands = [&b"deploy"[..], b"detumble", b"point"];
        assert_eq!(scene.log.borrow().commands, commands);

        let strangers = ConnectConfig::default().rdp(Switch::On);
        assert!(ground.connect(scene.computer, COMMANDS, strangers).await.is_err());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_knows_the_key_reboots_it() {
    play(|scene| async move {
        let ground = &scene.ground;
        ground.reboot(scene.computer, Call::default()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(scene.log.borrow().reboots, 0);

        let call = Call::default().flags(Flags::CRC32 | Flags::HMAC);
        ground.reboot(scene.computer, call).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(scene.log.borrow().reboots, 1);
    })
    .await;
}
