//! `dnstap ...`

mod anonymize;
mod cat;
mod convert;
mod counts;
mod generate;
mod manners;
mod outlet;
mod printer;
mod source;

use super::Session;
use crate::args::dnstap::DnstapVerb;
use crate::failure::Result;

pub(super) async fn run(session: &mut Session, verb: DnstapVerb) -> Result {
    match verb {
        DnstapVerb::Cat(args) => cat::run(session, args).await,
        DnstapVerb::Convert(args) => convert::run(session, args).await,
        DnstapVerb::Anonymize(args) => anonymize::run(session, args).await,
        DnstapVerb::Gen(args) => generate::run(session, args).await,
    }
}
