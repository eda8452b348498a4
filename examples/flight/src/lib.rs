//! A flight computer without an operating system: a CSP node on CAN, in its main loop.
//!
//! What it takes from the board is [`Board`]: a clock, the frames of a CAN controller, a way to sleep. The
//! rest is [`Flight::step`]: frames become packets, packets go to the node, the node tells what happened, and
//! what it has to say becomes frames again. Nothing waits inside, and nothing reads a clock; so the same loop
//! runs in a test on a bus in memory, in virtual time.
//!
//! It needs `alloc`, and builds for `thumbv7em-none-eabi`.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use can_link::CanFrame;
use csp_can::{Fragmenter, Reassembled, Reassembler, ReassemblyConfig, Received};
use csp_core::service::{Identity, Origin, Platform, Refusal, Service, Services};
use csp_core::{
    Address, Config, DropReason, Event, Flags, InterfaceConfig, InterfaceId, InterfaceName, Need, Needs,
    Netmask, Node, Port, SocketConfig, Transmit, Version, hmac,
};
use tinwire_time::Instant;

/// Here a request of any content is answered with the temperature.
pub const TELEMETRY: Port = Port::new(10).expect("below 64");
/// Here commands arrive by RDP: each once, in order, acknowledged.
pub const COMMANDS: Port = Port::new(11).expect("below 64");

/// What the board has to offer.
pub trait Board {
    /// The time since the start.
    fn now(&mut self) -> Instant;
    /// A frame that the CAN controller has received.
    fn receive(&mut self) -> Option<CanFrame>;
    /// Gives the CAN controller a frame to send. False: all its mailboxes are taken.
    fn send(&mut self, frame: &CanFrame) -> bool;
    /// Sleeps until an interrupt of the CAN controller, or until then.
    fn sleep(&mut self, until: Option<Instant>);
    /// The temperature in tenths of a degree.
    fn temperature(&mut self) -> i16;
    /// Does what a command says.
    fn command(&mut self, command: &[u8]);
    /// Starts everything again.
    fn reboot(&mut self);
}

/// A node and what joins it to the bus.
#[derive(Debug)]
pub struct Flight {
    node: Node,
    can: InterfaceId,
    reassembler: Reassembler,
    fragmenter: Fragmenter,
    /// What is left of the packet that is being sent.
    frames: VecDeque<CanFrame>,
    reboot: Arc<AtomicBool>,
}

impl Flight {
    /// Node `address`, whose operators know `key`.
    ///
    /// `seed` has to differ from start to start: take it from a generator in hardware.
    ///
    /// # Errors
    /// The address is none that a node may have.
    pub fn new(address: Address, key: hmac::Key, seed: u64) -> Result<Self, Box<dyn Error>> {
        let reboot = Arc::new(AtomicBool::new(false));
        let config = Config::default()
            .hmac_key(key)
            .identity(Identity::new("obc").model("flight example"))
            .services(Services::default().on(Service::Reboot))
            .platform(Power(Arc::clone(&reboot)));
        let mut node = Node::new(config, seed);

        let name = InterfaceName::new("CAN").ok_or("a name of at most 10 letters")?;
        let netmask = Netmask::new(8).ok_or("at most 14 bits")?;
        let can = node.add_interface(InterfaceConfig::new(name, address, netmask).default_route())?;

        node.bind(TELEMETRY.into(), SocketConfig::default())?;
        let by_rdp = Needs::default().rdp(Need::Required).hmac(Need::Required);
        node.listen(COMMANDS.into(), SocketConfig::default().needs(by_rdp))?;
        Ok(Self {
            node,
            can,
            reassembler: Reassembler::new(Version::V2, ReassemblyConfig::default()),
            fragmenter: Fragmenter::new(Version::V2, address),
            frames: VecDeque::new(),
            reboot,
        })
    }

    /// The main loop.
    pub fn run(mut self, board: &mut impl Board) -> ! {
        loop {
            self.step(board);
            board.sleep(self.deadline());
        }
    }

    /// Does all there is to do now.
    pub fn step(&mut self, board: &mut impl Board) {
        while let Some(frame) = board.receive() {
            self.reassembler.handle_frame(board.now(), &frame);
        }
        let now = board.now();
        self.reassembler.handle_timeout(now);
        while let Some(received) = self.reassembler.poll_received() {
            match received {
                Received::Packet(Reassembled { packet, .. }) => {
                    self.node.handle_packet(now, self.can, packet);
                }
                Received::Discarded { reason, .. } => {
                    self.node.handle_discard(self.can, reason.drop_reason(), 1);
                }
                // Other protocols on the same bus.
                _ => {}
            }
        }
        self.node.handle_timeout(now);
        while let Some(event) = self.node.poll_event() {
            self.act(now, event, board);
        }
        self.transmit(board);
        if self.reboot.swap(false, Ordering::Relaxed) {
            board.reboot();
        }
    }

    /// When [`step`](Self::step) has something to do even if nothing comes.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.node.poll_timeout(), self.reassembler.poll_timeout()];
        deadlines.into_iter().flatten().min()
    }

    /// What the node tells, and what the application makes of it.
    fn act(&mut self, now: Instant, event: Event, board: &mut impl Board) {
        match event {
            Event::Datagram(socket) => {
                while let Some(request) = self.node.recv_from(socket) {
                    let answer = Bytes::copy_from_slice(&board.temperature().to_be_bytes());
                    // What finds no room is counted in `tx_error`, and will be asked for again.
                    let _ = self.node.reply(now, &request, None, answer);
                }
            }
            Event::Incoming(listener) => while self.node.accept(listener).is_some() {},
            Event::Readable(connection) => {
                while let Some(command) = self.node.recv(connection) {
                    board.command(&command.payload);
                }
            }
            Event::Closed { connection, .. } => self.node.close(now, connection),
            // Packets dropped, and why: for a log.
            _ => {}
        }
    }

    /// Gives the controller frames for as long as it takes them.
    fn transmit(&mut self, board: &mut impl Board) {
        loop {
            while let Some(frame) = self.frames.front() {
                if !board.send(frame) {
                    return; // an interrupt tells when a mailbox is free
                }
                self.frames.pop_front();
            }
            let Some(Transmit { packet, via, .. }) = self.node.poll_transmit_on(self.can) else {
                return;
            };
            match self.fragmenter.fragments(&packet.header, via, &packet.payload) {
                Ok(frames) => self.frames.extend(frames),
                Err(_) => self.node.handle_discard(self.can, DropReason::LinkSend, 1),
            }
        }
    }
}

/// Lets those reboot the board who know the key.
struct Power(Arc<AtomicBool>);

impl Platform for Power {
    fn reboot(&mut self, origin: &Origin) -> Result<(), Refusal> {
        if !origin.flags.contains(Flags::HMAC) {
            return Err(Refusal::Refused);
        }
        self.0.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl fmt::Debug for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Power")
    }
}
