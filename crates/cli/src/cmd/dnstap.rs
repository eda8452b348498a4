//! `dnstap ...`

mod anonymize;
mod cat;
mod convert;
mod counts;
mod generate;
mod live;
mod manners;
mod outlet;
mod printer;
mod show;
mod source;
mod top;

use fstrm_codec::endpoint::Direction;

use super::Session;
use crate::args::dnstap::DnstapVerb;
use crate::failure::Result;

pub(super) async fn run(session: &mut Session, verb: DnstapVerb) -> Result {
    match verb {
        DnstapVerb::Cat(args) => cat::run(session, args).await,
        DnstapVerb::Convert(args) => convert::run(session, args).await,
        DnstapVerb::Anonymize(args) => anonymize::run(session, args).await,
        DnstapVerb::Listen(args) => live::run(session, args, Direction::Listen).await,
        DnstapVerb::Dial(args) => live::run(session, args, Direction::Dial).await,
        DnstapVerb::Relay(args) => live::relay(session, *args).await,
        DnstapVerb::Top(args) => top::run(session, *args).await,
        DnstapVerb::Gen(args) => generate::run(session, args).await,
    }
}
