//! `dnstap cat`: the messages of files and streams.

use dnstap_codec::CONTENT_TYPE;
use dnstap_codec::text::Style;
use fstrm_codec::endpoint::{Endpoint, Place};

use super::manners::Manners;
use super::outlet::{self, Existing, Frames, Outlets, Text, To};
use super::printer::Wanted;
use super::show::Show;
use crate::args::dnstap::{self, Cat};
use crate::args::streams::StreamArgs;
use crate::cmd::Session;
use crate::cmd::streams::{self, Inputs, Redial};
use crate::failure::{Code, Failure, Result};
use crate::output::Format;
use crate::settings::{Origin, Settings};

/// Shows every file and stream; a bad file is told and the next one is shown.
pub(super) async fn run(session: &mut Session, args: Cat) -> Result {
    let manners = Manners::of(session);
    let mut from = Vec::new();
    for word in &args.from {
        from.push(streams::endpoint(word)?);
    }
    for path in &args.read {
        manners.opened(path);
        from.push(Endpoint::new(Place::File(path.clone())));
    }
    from.extend(args.unix.into_iter().map(|path| Endpoint::new(Place::Unix(path))));
    for address in &args.listen {
        from.push(tcp(address)?);
    }
    let ended = show(session, &from, args.show, args.streams, Redial::Never, &manners).await;
    match ended {
        Ok((show, inputs)) => show.with(manners).run(session, inputs).await,
        Err(failure) => Err(manners.refuse(failure)),
    }
}

/// Opens what is read and what is written.
pub(super) async fn show(
    session: &Session,
    from: &[Endpoint],
    args: dnstap::Show,
    streams: StreamArgs,
    redial: Redial,
    manners: &Manners,
) -> Result<(Show, Inputs)> {
    let mut to: Vec<_> = args
        .to_unix
        .iter()
        .map(|path| Endpoint::new(Place::Unix(path.clone())))
        .collect();
    for address in &args.to_tcp {
        to.push(tcp(address)?);
    }
    let settings = streams::Settings::new(&of_dnstap(streams), from, &to)?
        .redial(redial)
        .reload_at_hangups(&session.stop);
    let style = style(&session.settings, &args);
    let existing = if args.append {
        Existing::Append
    } else if manners.are_golangs() {
        Existing::Replace
    } else {
        Existing::Refuse
    };
    let mut outlets = Outlets::default();
    // As golang-dnstap: standard output is for text, and has nothing where something is sent.
    match (args.write.as_deref().filter(|name| *name != "-"), style) {
        (None, _) if !to.is_empty() && style.is_none() => {}
        (None, _) => outlets.text = Some(To::Output),
        (Some(name), Some(_)) => outlets.text = Some(To::File(Text::open(name, existing)?)),
        (Some(name), None) => outlets.file = Some(Frames::open(name, existing)?),
    }
    for endpoint in &to {
        outlets
            .senders
            .push(outlet::sender(endpoint, settings.dial.clone())?);
    }
    let wanted = Wanted {
        text: outlets.text.is_some().then(|| style.unwrap_or_default()),
        frames: outlets.file.is_some() || !outlets.senders.is_empty(),
        filter: args.filter,
        count: args.count,
    };
    let inputs = Inputs::open(from, &settings).await?;
    Ok((Show::new(wanted, outlets), inputs))
}

/// Streams are of dnstap where no other type is asked for.
pub(super) fn of_dnstap(mut streams: StreamArgs) -> StreamArgs {
    let name = || String::from_utf8_lossy(CONTENT_TYPE).into_owned();
    streams.content_type.get_or_insert_with(name);
    streams
}

fn tcp(address: &str) -> Result<Endpoint> {
    let endpoint = format!("tcp://{address}").parse::<Endpoint>();
    endpoint.map_err(|error| Failure::caused(Code::BadAddress, error).context(address))
}

/// The style that a flag asks for, or without -w the settings; none is frames.
fn style(settings: &Settings, args: &dnstap::Show) -> Option<Style> {
    let form = &args.form;
    let is_json = settings.format.value == Format::Json;
    let is_asked = matches!(settings.format.origin, Origin::Flag(_));
    if form.yaml {
        Some(Style::Yaml)
    } else if let Some(style) = form.style {
        Some(style.into())
    } else if is_json && (is_asked || !form.quiet && args.write.is_none()) {
        Some(Style::Json)
    } else {
        (form.quiet || is_asked).then_some(Style::Quiet)
    }
}
