//! `flow ...`

mod cat;
mod cbr;
mod echo;
mod input;
mod join;
mod listen;
mod load;
#[cfg(unix)]
mod names;
mod perf;
mod ping;
mod reach;
mod serve;
#[cfg(unix)]
mod stat;

use super::Session;
use crate::args::flow::FlowVerb;
use crate::failure::Result;

pub(super) async fn run(session: &mut Session, verb: FlowVerb) -> Result {
    match verb {
        FlowVerb::Ping(args) => ping::run(session, args).await,
        FlowVerb::Echo(args) => echo::run(session, args).await,
        FlowVerb::Cbr(args) => cbr::run(session, args).await,
        FlowVerb::Perf(args) => perf::run(session, args).await,
        FlowVerb::Listen(args) => listen::run(session, args).await,
        FlowVerb::Cat(args) => cat::run(session, args).await,
        FlowVerb::Join(args) => join::run(session, args).await,
        #[cfg(unix)]
        FlowVerb::Ls(args) => names::list_all(session, &args),
        #[cfg(unix)]
        FlowVerb::Stat(args) => stat::run(session, &args),
        #[cfg(unix)]
        FlowVerb::Name(verb) => names::name(session, verb),
        #[cfg(unix)]
        FlowVerb::Bind(verb) => names::bind(session, verb),
        #[cfg(unix)]
        FlowVerb::Unbind(verb) => names::unbind(session, verb),
        #[cfg(not(unix))]
        FlowVerb::Ls(_) | FlowVerb::Stat(_) | FlowVerb::Name(_) | FlowVerb::Bind(_) | FlowVerb::Unbind(_) => {
            Err(reach::no_sockets())
        }
    }
}
