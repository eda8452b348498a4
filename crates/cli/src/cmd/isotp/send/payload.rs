//! Where a message comes from: the command line, a file, a pattern, standard input.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::message::{Message, Reading};
use crate::args::isotp::send::Send;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::units;

/// The link and the message, and whether the message is a request that was typed.
pub(super) struct Payload<'a> {
    pub(super) link: Option<&'a str>,
    pub(super) message: Message,
    pub(super) is_typed: bool,
}

pub(super) async fn payload<'a>(session: &Session, args: &'a Send) -> Result<Payload<'a>> {
    let Words { link, message, file } = understand(&args.words)?;
    let sources = [
        message.is_some(),
        file.is_some(),
        args.file.is_some(),
        args.dummy.is_some(),
    ];
    if sources.iter().filter(|&&given| given).count() > 1 {
        let message = "one message at a time: in hex, @FILE, -i FILE, or -D";
        return Err(Failure::new(Code::Usage, message));
    }
    let is_typed = message.is_some();
    let file = file.or(args.file.as_deref());
    let message = match (message, file, args.dummy) {
        (Some(message), ..) => Message::Memory(message.into()),
        (None, Some(path), _) => open_file(session, path).await?,
        (None, None, Some(len)) => Message::Pattern(len),
        (None, None, None) => Message::Memory(from_hex(&read_stdin(session).await?)?.into()),
    };
    if message.len() == 0 {
        return Err(Failure::new(Code::Usage, "no message: there is nothing in it")
            .hint("write it in hex, as in: tinwire isotp send 22F190"));
    }
    Ok(Payload {
        link,
        message,
        is_typed,
    })
}

/// What the words on the command line are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Words<'a> {
    link: Option<&'a str>,
    message: Option<Vec<u8>>,
    file: Option<&'a Path>,
}

/// The link, if the first word is one, and the message: what is not all hex digits is a link.
fn understand(words: &[String]) -> Result<Words<'_>> {
    let is_message =
        |word: &str| units::hex_bytes(word).is_ok() || is_nearly_hex(word) || word.starts_with('@');
    let (link, rest) = match words.split_first() {
        Some((first, rest)) if !is_message(first) => (Some(first.as_str()), rest),
        _ => (None, words),
    };
    let found = Words {
        link,
        ..Words::default()
    };
    match rest {
        [] => Ok(found),
        [file] if file.starts_with('@') => Ok(Words {
            file: file.strip_prefix('@').map(Path::new),
            ..found
        }),
        hex => {
            let message = units::hex_bytes(&hex.join(" ")).map_err(|error| {
                Failure::new(Code::Usage, format!("message: {error}"))
                    .hint("write bytes in hex, as in 22F190 or '22 F1 90'")
            })?;
            Ok(Words {
                message: Some(message),
                ..found
            })
        }
    }
}

/// Hex with a digit too few is a message with a mistake, not a link.
fn is_nearly_hex(word: &str) -> bool {
    word.bytes().all(|letter| letter.is_ascii_hexdigit())
}

/// A file's bytes as they are. What has no length before it was read, as a pipe, is read now.
async fn open_file(session: &Session, path: &Path) -> Result<Message> {
    if path.as_os_str() == "-" {
        return Ok(Message::Memory(read_stdin(session).await?.into()));
    }
    let owned = path.to_owned();
    let open = tokio::task::spawn_blocking(move || {
        let file = File::open(&owned)?;
        let about = file.metadata()?;
        Ok(if about.is_file() && about.len() > 0 {
            Message::File(Reading::new(file, about.len(), &owned))
        } else {
            Message::Memory(read_at_most(file)?.into())
        })
    });
    finish(session, open, &path.display().to_string()).await
}

/// All that a file has, from where it is.
pub(super) async fn read_all(session: &Session, file: File, name: &str) -> Result<Vec<u8>> {
    let read = tokio::task::spawn_blocking(move || read_at_most(file));
    finish(session, read, name).await
}

async fn read_stdin(session: &Session) -> Result<Vec<u8>> {
    let read = tokio::task::spawn_blocking(|| read_at_most(std::io::stdin()));
    finish(session, read, "standard input").await
}

fn read_at_most(source: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One more than fits, so that a file that is too long is refused and not cut.
    source.take(u64::from(u32::MAX) + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn finish<T>(
    session: &Session,
    read: tokio::task::JoinHandle<std::io::Result<T>>,
    what: &str,
) -> Result<T> {
    let read = async { read.await.map_err(|error| Failure::caused(Code::File, error)) };
    session
        .stop
        .cut(read)
        .await?
        .map_err(|error| unreadable(error, what))
}

pub(super) fn unreadable(error: std::io::Error, what: &str) -> Failure {
    Failure::caused(Code::File, error).context(format_args!("reading {what}"))
}

/// Standard input is one message, as for isotpsend.
fn from_hex(text: &[u8]) -> Result<Vec<u8>> {
    units::hex_bytes(&String::from_utf8_lossy(text))
        .map_err(|error| Failure::new(Code::Usage, format!("standard input: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn the_first_word_is_a_link_unless_it_is_hex() {
        let message = Some(vec![0x22, 0xF1, 0x90]);
        for (given, link) in [
            (&["22F190"][..], None),
            (&["22", "F1", "90"], None),
            (&["can0", "22F190"], Some("can0")),
            (&["bus:car", "22 F1 90"], Some("bus:car")),
        ] {
            let given = words(given);
            let found = understand(&given).unwrap();
            assert_eq!((found.link, &found.message), (link, &message), "{given:?}");
        }
        let given = words(&["can0", "@fw.bin"]);
        let found = understand(&given).unwrap();
        assert_eq!(
            (found.link, found.file),
            (Some("can0"), Some(Path::new("fw.bin")))
        );
        assert_eq!(understand(&words(&["can0"])).unwrap().message, None);
        assert!(understand(&words(&["22F"])).is_err(), "a digit is missing");
        assert!(understand(&words(&["can0", "xyz"])).is_err());
    }
}
