//! `flow ...`

mod ping;

use super::Session;
use crate::args::flow::FlowVerb;
use crate::failure::Result;

pub(super) async fn run(session: &mut Session, verb: FlowVerb) -> Result {
    match verb {
        FlowVerb::Ping(args) => ping::run(session, args).await,
    }
}
