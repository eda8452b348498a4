//! `csp ...`

mod diagnosis;
mod drops;
mod iface;
mod node;
mod overheard;
mod ping;
mod station;
mod whom;

use super::Session;
use crate::args::csp::CspVerb;
use crate::failure::Result;

pub(super) async fn run(session: &mut Session, verb: CspVerb) -> Result {
    match verb {
        CspVerb::Ping(args) => ping::run(session, args).await,
        CspVerb::Node(args) => node::run(session, args).await,
    }
}
