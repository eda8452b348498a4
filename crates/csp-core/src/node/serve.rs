//! The services of the node: who may ask for what, and where the answers come from.

use bytes::Bytes;
use tinwire_time::Instant;

use super::Node;
use crate::iface::Interface;
use crate::keys::Keys;
use crate::service::cmp::{Code, clock, stats};
use crate::service::{
    Counters, Origin, Peek, Platform, Poke, PowerCommand, Refusal, RequestError, Service, SetRoute, figure,
    ps,
};
use crate::{DropReason, InterfaceName, Message, Port};

/// What a service does about a request.
enum Outcome {
    Reply(Bytes),
    /// A text that may take several packets.
    Text(Bytes),
    /// It was done, and that is not answered.
    Done,
}

impl From<RequestError> for DropReason {
    fn from(_: RequestError) -> Self {
        Self::BadRequest
    }
}

impl Node {
    /// Answers a request, or tells why not (SVC-2, SVC-3).
    pub(super) fn serve(&mut self, now: Instant, request: Message) {
        let (interface, header) = (request.interface, request.header);
        // Two services that answer each other's answers would never stop.
        if header.source_port <= Port::UPTIME {
            self.drop_packet(interface, Some(header), DropReason::ServiceLoop);
            return;
        }
        self.stats.delivered = self.stats.delivered.wrapping_add(1);
        let outcome = match self.outcome(&request) {
            Ok(outcome) => outcome,
            Err(reason) => return self.drop_packet(interface, Some(header), reason),
        };
        let mut reply = header.reply();
        reply.source = self.answering_address(interface, reply.source, request.broadcast);
        let served = match outcome {
            Outcome::Done => true,
            Outcome::Reply(payload) => self.originate_or_drop(now, interface, reply, payload),
            Outcome::Text(text) => {
                let packets = ps::packets(text, self.text_room(&request));
                // Those behind one that found no room are tried and counted, too.
                let left = packets.map(|packet| self.originate_or_drop(now, interface, reply, packet));
                left.filter(|left| !left).count() == 0
            }
        };
        if served {
            self.stats.served = self.stats.served.wrapping_add(1);
        }
    }

    fn outcome(&mut self, request: &Message) -> Result<Outcome, DropReason> {
        let origin = Origin {
            source: request.header.source,
            interface: request.interface,
            flags: request.header.flags,
            broadcast: request.broadcast,
            received_at: request.received_at,
        };
        match request.header.destination_port {
            Port::PING => {
                self.allow(Service::Ping)?;
                Ok(Outcome::Reply(request.payload.clone()))
            }
            Port::PS => {
                let text = self.ask(Service::Processes, |platform| platform.processes(&origin))?;
                let mut text = Bytes::from(text);
                if text.is_empty() {
                    return Err(DropReason::ServiceUnavailable(Service::Processes));
                }
                text.truncate(ps::MAX_TEXT_LEN);
                Ok(Outcome::Text(text))
            }
            Port::MEMFREE => self.figure(Service::MemoryFree, |platform| platform.memory_free(&origin)),
            Port::REBOOT => self.power(&origin, &request.payload),
            Port::BUF_FREE => {
                let room = self.transmit_room();
                self.figure(Service::BuffersFree, |platform| {
                    platform.buffers_free(&origin).or(Some(room))
                })
            }
            Port::UPTIME => self.figure(Service::Uptime, |platform| {
                platform.uptime(&origin).or_else(|| own_uptime(&origin))
            }),
            _ => self.manage(&origin, &request.payload).map(Outcome::Reply),
        }
    }

    fn allow(&self, service: Service) -> Result<(), DropReason> {
        if self.config.services.is_on(service) {
            Ok(())
        } else {
            Err(DropReason::ServiceOff(service))
        }
    }

    /// What the platform tells, if the service is on.
    fn ask<T>(
        &mut self,
        service: Service,
        question: impl FnOnce(&mut dyn Platform) -> Option<T>,
    ) -> Result<T, DropReason> {
        self.allow(service)?;
        question(&mut *self.config.platform.0).ok_or(DropReason::ServiceUnavailable(service))
    }

    /// What the platform does, if the service is on.
    fn demand<T>(
        &mut self,
        service: Service,
        action: impl FnOnce(&mut dyn Platform) -> Result<T, Refusal>,
    ) -> Result<T, DropReason> {
        self.allow(service)?;
        action(&mut *self.config.platform.0).map_err(|refusal| refusal.reason(service))
    }

    fn figure(
        &mut self,
        service: Service,
        question: impl FnOnce(&mut dyn Platform) -> Option<u32>,
    ) -> Result<Outcome, DropReason> {
        let figure = self.ask(service, question)?;
        Ok(Outcome::Reply(figure::reply(figure)))
    }

    fn power(&mut self, origin: &Origin, request: &[u8]) -> Result<Outcome, DropReason> {
        let command = PowerCommand::decode(request)?;
        self.demand(command.service(), |platform| match command {
            PowerCommand::Reboot => platform.reboot(origin),
            PowerCommand::Shutdown => platform.shutdown(origin),
        })?;
        Ok(Outcome::Done)
    }

    /// Answers a request to port 0.
    fn manage(&mut self, origin: &Origin, request: &Bytes) -> Result<Bytes, DropReason> {
        match Code::of_request(request)? {
            Code::Identity => {
                self.allow(Service::Identity)?;
                Ok(self.config.identity.reply())
            }
            Code::InterfaceStats => {
                self.allow(Service::InterfaceStats)?;
                let unknown = DropReason::ServiceUnavailable(Service::InterfaceStats);
                let interface = self.named(stats::decode_request(request)?).ok_or(unknown)?;
                Ok(Counters::from(interface.stats).reply(request)?)
            }
            Code::SetRoute1 | Code::SetRoute2 => {
                self.allow(Service::SetRoute)?;
                self.set_route(origin, &SetRoute::decode(request)?)?;
                Ok(SetRoute::reply(request))
            }
            Code::Peek | Code::Peek64 => {
                self.allow(Service::Peek)?;
                let peek = Peek::decode(request)?;
                let mut data = [0; u8::MAX as usize];
                let data = data.get_mut(..peek.amount()).unwrap_or_default();
                self.demand(Service::Peek, |platform| {
                    platform.peek(origin, peek.address(), data)
                })?;
                Ok(peek.reply(request, data))
            }
            Code::Poke | Code::Poke64 => {
                self.allow(Service::Poke)?;
                let poke = Poke::decode(request)?;
                self.demand(Service::Poke, |platform| {
                    platform.poke(origin, poke.address(), poke.data())
                })?;
                Ok(poke.reply(request))
            }
            Code::Clock => {
                let mut told = Service::Clock;
                if let Some(time) = clock::decode_request(request)? {
                    told = Service::SetClock;
                    self.demand(told, |platform| platform.set_clock(origin, time))?;
                }
                let time = self.ask(told, |platform| platform.clock(origin))?;
                Ok(time.reply())
            }
        }
    }

    fn set_route(&mut self, origin: &Origin, set: &SetRoute) -> Result<(), DropReason> {
        let refused = DropReason::ServiceRefused(Service::SetRoute);
        let unknown = DropReason::ServiceUnavailable(Service::SetRoute);
        let interface = self.named(set.interface).ok_or(unknown)?;
        let version = interface.subnet.version();
        let route = set.route(version, interface.id).map_err(|_| refused)?;
        self.demand(Service::SetRoute, |platform| platform.set_route(origin, &route))?;
        self.add_route(route).map_err(|_| refused)
    }

    fn named(&self, name: InterfaceName) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }

    /// How many packets the fullest transmit queue still takes.
    fn transmit_room(&self) -> u32 {
        let longest = self
            .interfaces
            .iter()
            .map(|interface| interface.queue.len())
            .max();
        let room = self.config.transmit_queue.saturating_sub(longest.unwrap_or(0));
        u32::try_from(room).unwrap_or(u32::MAX)
    }

    /// Most bytes of text in one reply to `request`: what fits the way it came, if not less was set.
    fn text_room(&self, request: &Message) -> usize {
        let room = self.interfaces.get(request.interface).map_or(0, |interface| {
            let protection = self.config.protection(&Keys::NONE, interface);
            let trailers = protection.trailer_len(request.header.flags);
            interface.mtu.saturating_sub(trailers)
        });
        room.min(self.config.services.max_text_len())
    }
}

/// How long the node's time has been going on, which is what it knows of its uptime.
fn own_uptime(origin: &Origin) -> Option<u32> {
    let up = origin.received_at.saturating_since(Instant::ZERO);
    u32::try_from(up.as_secs()).ok()
}
