//! `dnstap listen`, `dnstap dial`, `dnstap relay`: streams of DNS servers.

use fstrm_codec::endpoint::{Direction, Place};

use super::cat::{of_dnstap, show};
use super::manners::Manners;
use super::outlet::{self, Existing, Frames, Outlets};
use super::printer::Wanted;
use super::show::Show;
use crate::args::dnstap::{Live, Relay};
use crate::cmd::Session;
use crate::cmd::streams::{self, Inputs, Redial};
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

/// Passes frames on.
pub(super) async fn relay(session: &mut Session, args: Relay) -> Result {
    let from = [streams::endpoint(&args.from)?];
    let mut to = Vec::new();
    for word in &args.to {
        to.push(streams::endpoint(word)?);
    }
    let settings = streams::Settings::new(&of_dnstap(args.streams), &from, &to)?.redial(Redial::Always);
    let mut outlets = Outlets::default();
    for (endpoint, word) in to.iter().zip(&args.to) {
        match endpoint.place {
            Place::File(_) | Place::Standard => outlets.files.push(Frames::open(word, Existing::Append)?),
            _ => outlets
                .senders
                .push(outlet::sender(endpoint, settings.dial.clone())?),
        }
    }
    let wanted = Wanted {
        frames: true,
        filter: args.filter,
        ..Wanted::default()
    };
    let inputs = Inputs::open(&from, &settings).await?;
    tell(session, &inputs);
    let show = Show::new(wanted, outlets).with(Manners::of(session));
    show.run(session, inputs).await
}

/// Says where we listen.
fn tell(session: &Session, inputs: &Inputs) {
    for endpoint in inputs.listening() {
        session.output.notice(format_args!("listening on {endpoint}"));
    }
}
