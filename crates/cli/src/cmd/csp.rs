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
pub(super) mod station;
mod whom;

use csp_core::service::PowerCommand;

use self::ask::{Asking, asking};
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
        CspVerb::Ident(args) => asking(session, &args, ident::run).await,
        CspVerb::Uptime(args) => asking(session, &args, figures::uptime).await,
        CspVerb::Mem(args) => asking(session, &args, figures::memory).await,
        CspVerb::Buf(args) => asking(session, &args, figures::buffers).await,
        CspVerb::Ps(args) => {
            let ask = async |session: &mut Session, node: &mut Asking| {
                ps::run(session, node, args.quiet_time).await
            };
            asking(session, &args.request, ask).await
        }
        CspVerb::Ifstat(args) => ifstat::run(session, args).await,
        CspVerb::Clock(verb) => clock::run(session, verb).await,
        CspVerb::Peek(args) => memory::peek(session, args).await,
        CspVerb::Poke(args) => memory::poke(session, args).await,
        CspVerb::Reboot(args) => power::run(session, args, PowerCommand::Reboot).await,
        CspVerb::Shutdown(args) => power::run(session, args, PowerCommand::Shutdown).await,
        CspVerb::Node(args) => node::run(session, args).await,
    }
}
