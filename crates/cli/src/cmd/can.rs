//! `can ...`

mod dump;
mod generate;
mod record;
mod send;

use super::Session;
use crate::args::can::CanVerb;
use crate::failure::Result;

pub(super) async fn run(session: &mut Session, verb: CanVerb) -> Result {
    match verb {
        CanVerb::Dump(args) => dump::run(session, args).await,
        CanVerb::Send(args) => send::run(session, args).await,
        CanVerb::Gen(args) => generate::run(session, args).await,
    }
}
