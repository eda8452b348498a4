//! Streams that come over sockets.

use fstrm_codec::End;
use fstrm_codec::endpoint::Endpoint;

use super::Summary;
use crate::args::fstrm::Cat;
use crate::args::streams::StreamArgs;
use crate::cmd::Session;
use crate::cmd::fstrm::end_word;
use crate::cmd::fstrm::faults::{Faults, Left};
use crate::cmd::fstrm::pieces::Print as _;
use crate::cmd::fstrm::printer::Printer;
use crate::cmd::streams::{Arrival, Inputs, Parcel, Settings};
use crate::failure::Result;

/// Shows what comes over all of `endpoints` until they end, enough has come, or the command is told to end.
pub(super) async fn show(
    session: &mut Session,
    args: &Cat,
    endpoints: &[Endpoint],
    mut printer: Printer,
    summary: &mut Summary,
    faults: &mut Faults,
) -> core::result::Result<(), Left> {
    let words = StreamArgs {
        content_type: args.input.content_type.clone(),
        max_frame: args.input.max_frame,
        sockets: args.sockets.clone(),
    };
    let settings = Settings::new(&words, endpoints, &[])?.reload_at_hangups(&session.stop);
    let mut inputs = Inputs::open(endpoints, &settings).await?;
    for endpoint in inputs.listening() {
        session.output.notice(format_args!("listening on {endpoint}"));
    }
    let mut is_stopped = false;
    loop {
        let arrival = tokio::select! {
            biased;
            _ = session.stop.wait(), if !is_stopped => {
                // What has come is shown; nobody is waited for.
                is_stopped = true;
                inputs.stop();
                continue;
            }
            arrival = inputs.next() => arrival,
        };
        match arrival {
            None => return Ok(()),
            Some(Arrival::Parcel(parcel)) => {
                if !print(session, &mut printer, parcel, summary)? {
                    return Err(Left::Done);
                }
            }
            Some(Arrival::Ended { source, end }) => {
                summary.end = Some(end_word(end));
                if let End::Truncated { .. } = end {
                    let message = format_args!("{source}: went away within a frame");
                    session.output.notice(message);
                }
            }
            Some(Arrival::Broken { source, error }) => {
                session.output.notice(format_args!("{source}: {error}"));
            }
            Some(Arrival::Told(message)) => session.output.notice(message),
            Some(Arrival::Failed(failure)) => faults.take(session, failure)?,
        }
    }
}

/// Shows a parcel; whether more is wanted.
fn print(
    session: &mut Session,
    printer: &mut Printer,
    parcel: Parcel,
    summary: &mut Summary,
) -> Result<bool> {
    printer.start(parcel.content_type.as_ref());
    let run = parcel.run.as_run();
    // What did not fit under the limit of frames is not confirmed.
    let mut is_wanted = true;
    for payload in run.iter() {
        is_wanted = is_wanted && printer.frame(0, payload);
    }
    let piece = printer.take(0);
    summary.count(&piece);
    session.output.raw(&piece.text)?;
    session.output.flush()?;
    if piece.frames == run.frames() {
        parcel.ticket.confirm();
    }
    Ok(is_wanted)
}
