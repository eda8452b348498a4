//! `csp ...`

mod ask;
mod clock;
mod diagnosis;
mod drops;
mod figures;
mod ident;
mod iface;
mod ifstat;
mod memory;
mod message;
mod node;
mod overheard;
mod ping;
mod power;
mod ps;
mod route;
mod scan;
mod sniff;
mod station;
mod whom;

use csp_core::service::PowerCommand;

use super::Session;
use crate::args::csp::CspVerb;
use crate::failure::Result;

pub(super) async fn run(session: &mut Session, verb: CspVerb) -> Result {
    match verb {
        CspVerb::Ping(args) => ping::run(session, args).await,
        CspVerb::Scan(args) => scan::run(session, args).await,
        CspVerb::Route(verb) => route::run(session, verb).await,
        CspVerb::Send(args) => message::send(session, args).await,
        CspVerb::Call(args) => message::call(session, args).await,
        CspVerb::Recv(args) => message::recv(session, args).await,
        CspVerb::Sniff(args) => sniff::run(session, args).await,
        CspVerb::Ident(args) => ident::run(session, args).await,
        CspVerb::Uptime(args) => figures::uptime(session, args).await,
        CspVerb::Mem(args) => figures::memory(session, args).await,
        CspVerb::Buf(args) => figures::buffers(session, args).await,
        CspVerb::Ps(args) => ps::run(session, args).await,
        CspVerb::Ifstat(args) => ifstat::run(session, args).await,
        CspVerb::Clock(verb) => clock::run(session, verb).await,
        CspVerb::Peek(args) => memory::peek(session, args).await,
        CspVerb::Poke(args) => memory::poke(session, args).await,
        CspVerb::Reboot(args) => power::run(session, args, PowerCommand::Reboot).await,
        CspVerb::Shutdown(args) => power::run(session, args, PowerCommand::Shutdown).await,
        CspVerb::Node(args) => node::run(session, args).await,
    }
}
