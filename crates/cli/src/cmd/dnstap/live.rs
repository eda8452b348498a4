//! `dnstap listen`, `dnstap dial`, `dnstap relay`: streams of DNS servers.

use fstrm_codec::endpoint::{Direction, Place};

use super::anonymize::anonymizer;
use super::cat::{of_dnstap, show};
use super::manners::Manners;
use crate::args::dnstap::{Live, Relay};
use crate::cmd::fstrm::relay::Sieve;
use crate::cmd::streams::{self, Inputs, Redial};
use crate::cmd::{Session, fstrm};
use crate::failure::{Code, Failure, Result};

/// Shows what comes over sockets, on which we listen or to which we connect.
pub(super) async fn run(session: &mut Session, args: Live, direction: Direction) -> Result {
    let mut from = Vec::new();
    for word in &args.from {
        let mut endpoint = streams::endpoint(word)?;
        if matches!(endpoint.place, Place::File(_) | Place::Standard) {
            let message = format!("{word} is no socket");
            return Err(Failure::new(Code::BadAddress, message).hint(format!(
                "tinwire dnstap cat {word} reads files; unix:PATH is a socket"
            )));
        }
        endpoint.direction.get_or_insert(direction);
        from.push(endpoint);
    }
    let manners = Manners::of(session);
    let (show, inputs) = show(session, &from, args.show, args.streams, Redial::Always, &manners).await?;
    tell(session, &inputs);
    show.with(manners).run(session, inputs).await
}

/// Passes frames on, through a sieve.
pub(super) async fn relay(session: &mut Session, mut args: Relay) -> Result {
    let anonymizer = args.disguise().as_ref().map(anonymizer).transpose()?;
    args.relay.stream = of_dnstap(args.relay.stream);
    let sieve = Sieve::new(args.filter, anonymizer);
    fstrm::relay::run(session, &args.relay, Some(sieve)).await
}

/// Says where we listen.
fn tell(session: &Session, inputs: &Inputs) {
    for endpoint in inputs.listening() {
        session.output.notice(format_args!("listening on {endpoint}"));
    }
}
