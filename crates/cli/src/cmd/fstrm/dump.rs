//! `fstrm dump`, and `fstrm_dump`: every frame of a file in words, and into another file.
//!
//! Payloads go to standard output, what is around them to standard error, as the C tool has it. Where both
//! are one place the lines follow each other as they do there.

mod copy;
mod words;

use std::io::Write as _;

use fstrm_codec::Config;
use fstrm_codec::control::Strictness;
use fstrm_codec::file::Sequences;

use self::copy::Copy;
use self::words::{Piece, Style, Words};
use super::cat::{Summary, bar, tell_trailing};
use super::faults::Left;
use super::printer::{Depth, Form, Printer};
use super::{content_types, pieces};
use crate::args::fstrm::Dump;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::multicall::Guise;

/// Dumps the file; as `fstrm_dump`, in its words and with its exit statuses.
pub(super) async fn run(session: &mut Session, args: &Dump) -> Result {
    let config = content_types(
        Config::new().max_data(args.max_frame),
        args.content_type.as_deref(),
    )?;
    if session.guise == Some(Guise::FstrmDump) {
        return as_the_tool(session, args, config).await;
    }
    let mut summary = Summary::new();
    let dumped = if session.output.is_json() {
        json(session, args, config, &mut summary).await
    } else {
        text(session, args, config, &mut summary).await
    };
    let ended = match dumped {
        Ok(()) | Err(Left::Done) => Ok(()),
        Err(Left::File(failure) | Left::Command(failure)) => Err(failure),
    };
    let ended = session.output.flush().and(ended);
    session.output.summary(&summary, Summary::text);
    ended
}

async fn text(
    session: &mut Session,
    args: &Dump,
    config: Config,
    summary: &mut Summary,
) -> core::result::Result<(), Left> {
    let style = Style {
        backslash: words::Backslash::Escaped,
        is_quiet: session.output.is_quiet(),
        is_one_place: is_one_place(),
        ends_with_stop: false,
    };
    let mut progress = bar(session, &args.input);
    let mut copy = Copy::to(args)?;
    let words = Words::new(style, copy.is_wanted());
    let mut pieces = pieces::spawn(args.input.clone(), config, Sequences::Concatenated, words);
    let ended = loop {
        let piece = tokio::select! {
            biased;
            _ = session.stop.wait() => break Err(Left::Done),
            piece = pieces.recv() => piece,
        };
        let piece = match piece {
            None => break Ok(()),
            Some(Err(failure)) => break Err(Left::File(failure)),
            Some(Ok(piece)) => piece,
        };
        summary.frames += piece.frames;
        summary.bytes += piece.bytes;
        summary.ignored_controls += piece.ignored_controls;
        if let Some((end, trailing)) = piece.end {
            summary.end = Some(super::end_word(end));
            summary.trailing_bytes += trailing;
        }
        if let Some(progress) = &mut progress {
            progress.show(piece.offset, &args.input);
        }
        write(session, &piece, pieces.is_empty())?;
        copy.take(session, &piece)?;
        if let Some((_, trailing)) = piece.end {
            tell_trailing(session, &args.input, trailing);
        }
    };
    // What came is a sound stream, however the input ended.
    copy.finish(session)?;
    ended
}

/// As objects on standard output, one per data frame.
async fn json(
    session: &mut Session,
    args: &Dump,
    config: Config,
    summary: &mut Summary,
) -> core::result::Result<(), Left> {
    if args.output.is_some() {
        let message = "--json shows frames and copies none: leave OUTPUT out";
        return Err(Failure::new(Code::Usage, message).into());
    }
    let print = Printer::new(Form::Json, Depth::Bytes, None);
    let mut pieces = pieces::spawn(args.input.clone(), config, Sequences::Concatenated, print);
    loop {
        let piece = tokio::select! {
            biased;
            _ = session.stop.wait() => return Err(Left::Done),
            piece = pieces.recv() => piece,
        };
        let Some(piece) = piece else { return Ok(()) };
        let piece = piece.map_err(Left::File)?;
        summary.count(&piece);
        session.output.raw(&piece.text)?;
        if pieces.is_empty() {
            session.output.flush()?;
        }
    }
}

/// `fstrm_dump`: a backslash stands as it is, an end of any kind is told as STOP and exits 0.
async fn as_the_tool(session: &mut Session, args: &Dump, config: Config) -> Result {
    let failed = |call: &str| Failure::imitated(1, format_args!("Error: {call}() failed."));
    let style = Style {
        backslash: words::Backslash::Plain,
        is_quiet: false,
        is_one_place: is_one_place(),
        ends_with_stop: true,
    };
    let mut copy = Copy::to(args).map_err(|_| failed("fstrm_writer_open"))?;
    let words = Words::new(style, copy.is_wanted());
    // It takes control frames out of place, and reads past none of an unknown type; here those do no harm.
    let config = config.strictness(Strictness::Lenient);
    let mut pieces = pieces::spawn(args.input.clone(), config, Sequences::One, words);
    let mut has_started = false;
    let ended = loop {
        let piece = tokio::select! {
            biased;
            _ = session.stop.wait() => break Ok(()),
            piece = pieces.recv() => piece,
        };
        match piece {
            None => break Ok(()),
            Some(Ok(piece)) => {
                has_started |= piece.has_started;
                write(session, &piece, pieces.is_empty())?;
                let copied = copy.take(session, &piece);
                copied.map_err(|_| match piece.has_started {
                    true => failed("fstrm_writer_open"),
                    false => failed("write_data_frame"),
                })?;
            }
            Some(Err(failure)) if has_started && failure.code() == Code::Truncated => break Ok(()),
            Some(Err(_)) if has_started => break Err(failed("fstrm_reader_read")),
            Some(Err(_)) => break Err(failed("fstrm_reader_open")),
        }
    };
    copy.finish(session).map_err(|_| failed("fstrm_writer_close"))?;
    session.output.flush()?;
    ended
}

/// Nobody is left to be told when standard error takes nothing.
fn write(session: &mut Session, piece: &Piece, is_last_for_now: bool) -> Result {
    let _ = std::io::stderr().write_all(&piece.around);
    session.output.raw(&piece.payloads)?;
    if is_last_for_now {
        session.output.flush()?;
    }
    Ok(())
}

/// Whether standard output and standard error are the same terminal, file or pipe.
#[cfg(unix)]
fn is_one_place() -> bool {
    use std::os::fd::{AsFd as _, BorrowedFd};
    use std::os::unix::fs::MetadataExt as _;

    let place = |stream: BorrowedFd<'_>| {
        let metadata = std::fs::File::from(stream.try_clone_to_owned()?).metadata()?;
        std::io::Result::Ok((metadata.dev(), metadata.ino()))
    };
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    matches!((place(stdout.as_fd()), place(stderr.as_fd())), (Ok(out), Ok(err)) if out == err)
}

#[cfg(not(unix))]
const fn is_one_place() -> bool {
    false
}
