//! `isotp ...`

mod dump;
mod endpoint;
mod perf;
mod record;
mod recv;
mod scan;
mod send;
mod serve;

use super::Session;
use crate::args::isotp::IsotpVerb;
use crate::failure::Result;

pub(super) async fn run(session: &mut Session, verb: IsotpVerb) -> Result {
    match verb {
        IsotpVerb::Send(args) => send::run(session, args).await,
        IsotpVerb::Recv(args) => recv::run(session, args).await,
        IsotpVerb::Dump(args) => dump::run(session, args).await,
        IsotpVerb::Serve(args) => serve::run(session, args).await,
        IsotpVerb::Scan(args) => scan::run(session, args).await,
        IsotpVerb::Perf(args) => perf::run(session, args).await,
    }
}
